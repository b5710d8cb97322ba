"""The parts of a report: each gives markup, or says what is missing, or None where it does not apply."""
