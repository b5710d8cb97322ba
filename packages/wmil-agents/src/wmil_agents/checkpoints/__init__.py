"""Checkpoints that any Stable-Baselines3 user can continue from to the same bits, in files that cannot run code."""
