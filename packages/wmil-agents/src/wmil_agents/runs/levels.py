"""What a trained policy does at every level of its world, as a document."""

from __future__ import annotations

from typing import Any

from wmil_agents.evaluation.exact import can_be_evaluated_exactly
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.runs.experiment import Experiment


def levels_document(experiment: Experiment) -> dict[str, Any] | None:
    """An exact evaluation of each level; None where the policy cannot be evaluated exactly.

    `trained` is the place of the level that the run was trained at, and each of `levels` is an evaluation as
    `Evaluation.to_dict` gives it, with the level's `name`. A lazy parent is not asked: a level about which it has not
    said enough is unavailable.
    """
    world = world_of(experiment.evaluation_env)
    if world is None or not can_be_evaluated_exactly(experiment.model, world):
        return None
    evaluations = [{"name": name, **experiment.evaluate(level=i).to_dict()} for i, name in enumerate(world.task.levels)]
    return {"trained": world.level, "levels": evaluations}
