"""What a policy is worth: exactly where the world is finite, from episodes with an interval elsewhere."""
