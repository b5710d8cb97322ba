"""What a policy has learnt, from logged arrays or a live model: plain data out, no pictures; needs scikit-learn."""
