"""Gymnasium environments in which a small mind learns from a parent, each with its own floors and ceilings."""
