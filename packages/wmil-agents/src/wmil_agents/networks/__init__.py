"""Network parts: tensors in, tensors out, knowing nothing of observations or actions."""
