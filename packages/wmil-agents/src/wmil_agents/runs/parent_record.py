"""Who judged a run, where its verdicts come from and what they cost, as a document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from wmil_agents.evaluation.world_of import world_of
from wmil_agents.runs.experiment import Experiment
from wmil_envs.llm.budget import Budget
from wmil_envs.llm.errors import ParentError
from wmil_envs.llm.store import Store
from wmil_envs.parent import FALLBACK, SOURCES
from wmil_envs.parents.llm import LLMParent
from wmil_envs.parents.recorded import RecordedParent
from wmil_envs.parents.recording_file import read_card
from wmil_envs.recordings.freeze import judge_card
from wmil_envs.recordings.plan import Plan, Recorded
from wmil_envs.world import World


def parent_document(experiment: Experiment) -> dict[str, Any] | None:
    """What is to be known of a parent that is a language model, or was one; None of any other. Nothing is asked.

    `cells` counts the pairs of state and action by the source of their verdicts, `fallback_share` is the share of the
    run's answers that the fallback judged, `spent` is what the store's calls cost over all runs, and `card` is the
    judge card. Keys of services are in none of them.
    """
    world = world_of(experiment.env)
    if world is None:
        return None
    if isinstance(world.parent, RecordedParent):
        return {"kind": "recorded", "file": world.parent.path.name, "card": read_card(world.parent.path)}
    if not isinstance(world.parent, LLMParent):
        return None
    return _of_model(world, world.parent, experiment.model.num_timesteps)


def _of_model(world: World, parent: LLMParent, n_answers: int) -> dict[str, Any]:
    settings, verdicts = parent.settings, world.verdicts
    document: dict[str, Any] = {
        "kind": "llm",
        "provider": settings.provider,
        "model": settings.model,
        "mode": settings.mode,
        "duties": list(settings.duties),
    }
    if verdicts is not None:
        counts = np.bincount(verdicts.sources, minlength=len(SOURCES)).tolist()
        document["cells"] = {name: count for name, count in zip(SOURCES, counts, strict=True) if count}
        document["fallback_share"] = float(verdicts.n_answers[FALLBACK]) / n_answers if n_answers else 0.0
    try:
        store = Store(settings.store)
        document["spent"] = asdict(Budget(settings.budget, store).spent())
        document["card"] = judge_card(Recorded(Plan(world.task, settings)))
    except ParentError as error:
        document["unknown"] = str(error)
    return document
