"""Rollout buffers: Monte-Carlo advantages, and transitions with their true next observations."""
