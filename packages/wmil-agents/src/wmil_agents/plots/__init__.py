"""Pictures of what was measured; matplotlib is imported here only, and only when something is drawn."""
