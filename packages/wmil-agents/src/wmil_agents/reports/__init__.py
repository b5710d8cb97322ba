"""Runs as one HTML page with drawings, which loads nothing and runs nothing."""
