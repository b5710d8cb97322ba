"""Studies: questions with arms, seeds and a budget, answered with intervals, null results included."""
