"""A whole table of a language model's verdicts: what it takes, filling, checking and freezing it. One file each."""
