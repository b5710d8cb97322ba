"""The evaluations of a run as a file, one line for each, from which an interrupted run takes them up again."""

from __future__ import annotations

import json
import os
from pathlib import Path

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.record import evaluation_record, oracle_record, recorded_evaluation, recorded_oracle
from wmil_agents.runs.evaluation_callback import EvaluatedStep
from wmil_agents.runs.input_error import InputError
from wmil_envs.oracle import Oracle

_SAME = "same"
"""Instead of an oracle: that of the line before."""


class EvaluationHistory:
    """Appends evaluations to a file; a line that a dying process did not finish is cut off by whoever continues.

    Args:
        path: of the file, which is made if it is not there.
        kept: the evaluations that are in it already, as `read_history` read them.
    """

    def __init__(self, path: Path, kept: list[EvaluatedStep] | None = None) -> None:
        self.evaluations: list[EvaluatedStep] = list(kept or [])
        self._file = path.open("ab")
        self._oracle = oracle_record(self.evaluations[-1].evaluation.oracle) if self.evaluations else None

    @property
    def n_bytes(self) -> int:
        """The size of the file, once what was written is certain to be on the disk."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def append(self, evaluated: EvaluatedStep) -> None:
        """One more line."""
        oracle = oracle_record(evaluated.evaluation.oracle)
        is_same = bool(self.evaluations) and oracle == self._oracle
        line = {
            "step": evaluated.step,
            **evaluation_record(evaluated.evaluation),
            "oracle": _SAME if is_same else oracle,
        }
        self._file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        self._oracle = oracle
        self.evaluations.append(evaluated)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_history(path: Path, n_bytes: int | None = None) -> list[EvaluatedStep]:
    """The evaluations in a file.

    Args:
        path: what `EvaluationHistory` wrote.
        n_bytes: only so many of the first bytes; all for None.

    Raises:
        InputError: they are not there, or they are something else.
    """
    try:
        content = path.read_bytes()
        if n_bytes is not None and len(content) < n_bytes:
            raise ValueError(f"it has {len(content):,} bytes, and a checkpoint counts on {n_bytes:,}")
        return _parsed(content[:n_bytes].decode())
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        sentence = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise InputError(f"{path} does not hold the evaluations of this run: {sentence}") from error


def _parsed(text: str) -> list[EvaluatedStep]:
    evaluations: list[EvaluatedStep] = []
    oracle: Oracle | None = None
    for line in text.splitlines():
        record = json.loads(line)
        if record["oracle"] != _SAME:
            oracle = recorded_oracle(record["oracle"])
        evaluation: Evaluation = recorded_evaluation(record, oracle)
        evaluations.append(EvaluatedStep(int(record["step"]), evaluation))
    return evaluations
