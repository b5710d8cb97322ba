"""The process of one contestant: reads its arguments, then answers one request a line, until its input ends."""

from __future__ import annotations

import importlib
import json
import os
import sys


def main() -> None:
    """Standard output is kept for the answers: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    answer = importlib.import_module(sys.argv[1]).start(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
