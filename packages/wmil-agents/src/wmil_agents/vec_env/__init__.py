"""Gymnasium's vector environments for Stable-Baselines3."""
