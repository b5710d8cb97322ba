"""The parts of a report: each is a function of the arms that gives markup, or None where it has nothing to say."""
