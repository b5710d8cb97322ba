"""Runs: frozen settings in, a folder with everything that was measured out."""
