"""Evaluation of a policy, exact where that is possible."""

from __future__ import annotations

from dataclasses import replace

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.exact import (
    can_be_evaluated_exactly,
    evaluate_exactly,
    success_ceiling,
    unavailable_evaluation,
)
from wmil_agents.evaluation.sampled import evaluate_episodes
from wmil_agents.evaluation.world_model_errors import world_model_errors
from wmil_agents.evaluation.world_of import world_of


def evaluate(
    model: BaseAlgorithm, env: VecEnv, *, n_episodes: int, seed: int, level: int | None = None, exact: bool = True
) -> Evaluation:
    """The exact evaluation where the world is finite and small enough, else an estimate from episodes.

    A lazy parent is never asked: until it has judged what the episodes can meet, nothing is estimated.

    Args:
        model: an algorithm of Stable-Baselines3.
        env: tells the world; episodes, where they are needed, are played in it, so give one that is not trained on.
        n_episodes: how many, where they are needed.
        seed: of those episodes; see `evaluation_seed`.
        level: the level evaluated, the world's own for None. An estimate is always of the env as it was made.
        exact: False estimates even where an exact evaluation is possible.
    """
    world = world_of(env)
    if world is not None and exact and can_be_evaluated_exactly(model, world):
        return evaluate_exactly(model, world, level)
    if world is not None and (gap := world.bank.gap(world.level)):
        return unavailable_evaluation(model, world, world.level, gap)
    estimate = evaluate_episodes(model, env, n_episodes, seed)
    if world is None:
        return estimate
    if level is not None and world.task.level_index(level) != world.level:
        raise ValueError(f"this env plays level {world.level}, so episodes in it say nothing about level {level}")
    return replace(
        estimate,
        world_model=world_model_errors(model, world),
        oracle=world.oracle(),
        success_ceiling=success_ceiling(world.bank, world.level),
        level=world.level,
    )
