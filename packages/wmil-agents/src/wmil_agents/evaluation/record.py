"""An evaluation as plain data that it can be made from again, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.world_model_errors import PredictionError, WorldModelErrors
from wmil_envs.oracle import Estimated, Exact, Oracle, Quantity, Unavailable, plain_quantity

_QUANTITIES = ("success", "episode_return", "entropy", "success_ceiling", "max_entropy")
_FIGURES = ("random_return", "memoryless_return", "optimal_return", "random_success")
_BY_ATTRIBUTE = ("world_model_floor", "world_model_mean_error")


def evaluation_record(evaluation: Evaluation) -> dict[str, Any]:
    """Everything but the oracle, which most evaluations of a run share: `oracle_record` has it."""
    errors = evaluation.world_model
    return {
        "level": evaluation.level,
        **{name: plain_quantity(getattr(evaluation, name)) for name in _QUANTITIES},
        "world_model": plain_quantity(errors)
        if isinstance(errors, Unavailable)
        else {
            "kind": "errors",
            "mean": asdict(errors.mean),
            "attributes": {name: asdict(error) for name, error in errors.attributes.items()},
        },
    }


def oracle_record(oracle: Oracle | None) -> dict[str, Any] | None:
    """An oracle as plain data; None for none."""
    if oracle is None:
        return None
    return oracle.to_dict() | {"optimal_actions": oracle.optimal_actions.tolist()}


def recorded_evaluation(record: Mapping[str, Any], oracle: Oracle | None) -> Evaluation:
    """The evaluation of an `evaluation_record`, with its oracle.

    Raises:
        KeyError, TypeError or ValueError: it is no such record.
    """
    errors = record["world_model"]
    return Evaluation(
        world_model=_errors(errors) if errors["kind"] == "errors" else _unavailable(errors),
        oracle=oracle,
        level=record["level"],
        **{name: _quantity(record[name]) for name in _QUANTITIES},
    )


def recorded_oracle(record: Mapping[str, Any] | None) -> Oracle | None:
    """The oracle of an `oracle_record`.

    Raises:
        KeyError, TypeError or ValueError: it is no such record.
    """
    if record is None:
        return None
    figures: dict[str, Any] = {name: _quantity(record[name]) for name in _FIGURES}
    for name in _BY_ATTRIBUTE:
        figures[name] = {attribute: _quantity(quantity) for attribute, quantity in record[name].items()}
    return Oracle(optimal_actions=np.array(record["optimal_actions"], dtype=np.int64), **figures)


def _quantity(record: Mapping[str, Any]) -> Quantity:
    match record["kind"]:
        case "exact":
            return Exact(record["value"])
        case "estimated":
            low, high = record["interval"]
            return Estimated(float(record["value"]), int(record["n"]), (low, high))
        case "unavailable":
            return _unavailable(record)
        case kind:
            raise ValueError(f"there is no quantity of the kind {kind!r}")


def _unavailable(record: Mapping[str, Any]) -> Unavailable:
    return Unavailable(str(record["reason"]))


def _errors(record: Mapping[str, Any]) -> WorldModelErrors:
    attributes = {name: _error(error) for name, error in record["attributes"].items()}
    return WorldModelErrors(attributes, _error(record["mean"]))


def _error(record: Mapping[str, Any]) -> PredictionError:
    return PredictionError(**{field.name: record[field.name] for field in fields(PredictionError)})
