"""Policies, auxiliary losses, REINFORCE and exact evaluation for users of Stable-Baselines3."""
