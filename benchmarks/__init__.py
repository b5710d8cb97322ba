"""Programs that measure the two packages, and their results; no library code."""
