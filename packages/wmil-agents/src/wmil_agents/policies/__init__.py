"""Policies for Stable-Baselines3's algorithms."""
