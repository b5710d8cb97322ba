"""The parents, one file each."""
