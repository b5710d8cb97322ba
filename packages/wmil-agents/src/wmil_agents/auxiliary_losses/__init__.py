"""What keeps the contract of `auxiliary_loss.py`: one loss a file."""
