"""How fast learning gets where it is going, in environment steps."""
