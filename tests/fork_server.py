"""Runs programs one after the other, each in a process forked from this one, which has imported large libraries.

A line of JSON asks for a program; its exit code is the answer. Nothing of ours is imported here, so that a program
still has to import what it uses.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import warnings
from typing import Any

import stable_baselines3  # noqa: F401
import torch._dynamo  # noqa: F401  (by torch, when the first optimizer is made: as long as torch itself)


def become(asked: dict[str, Any]) -> None:
    """Be a new interpreter's process, as far as the program can tell."""
    signal.alarm(asked["seconds"])
    os.chdir(asked["folder"])
    for descriptor, place in enumerate((os.devnull, asked["out"], asked["err"])):
        opened = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.update(asked["environment"])
    sys.argv = [asked["program"], *asked["arguments"]]
    sys.path[0] = os.path.dirname(asked["program"])  # noqa: PTH120 (this is what `python FILE` writes there)
    if asked["warnings_are_errors"]:
        sys.warnoptions.append("error")
        warnings.simplefilter("error")


def asked_for() -> dict[str, Any]:
    """What a program is to be; returns in its process alone, any number of times."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asked: dict[str, Any] = json.loads(line)
            return asked
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
    sys.exit()


become(asked_for())
runpy.run_path(sys.argv[0], run_name="__main__")
