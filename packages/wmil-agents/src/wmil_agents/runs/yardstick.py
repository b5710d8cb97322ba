"""What the arms of a comparison are held against; those that have no yardstick in common are refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import gymnasium as gym

from wmil_agents.evaluation.exact import success_ceiling
from wmil_agents.evaluation.quantity import figure_text, number
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.runs.arm import Arm
from wmil_agents.runs.experiment import build_experiment, return_threshold, torch_threads
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.solved import SOLVED

Score = Literal["success", "return", "return per step"]

_SUCCESSES = ("success by chance", "highest success")
_RETURNS = ("random return", "best memoryless return", "optimal return")
_SOLVED_RETURN = "return that counts as solved"


@dataclass(frozen=True)
class Yardstick:
    """The score that is compared, with its floor, its ceiling and the threshold that counts as learnt."""

    score: Score
    floor: float | None
    ceiling: float | None
    threshold: float | None
    """None where nothing is known to count as learnt."""
    divisors: tuple[int, ...]
    """For each arm what its returns are divided by: 1, or the steps of an episode."""
    last_step: int | None
    """Where the arms are compared, if not at their ends."""
    notes: tuple[str, ...] = ()
    """What should be known beside the scores."""

    @property
    def column(self) -> str:
        """Of metrics.csv."""
        return "success" if self.score == "success" else "return"


@dataclass(frozen=True)
class _World:
    """What the environment of an arm says of itself."""

    place: str
    """Environment and arguments, as text."""
    is_finite: bool
    horizon: int | None
    bounds: dict[str, float | None]
    """Floors, ceilings, and where there are no tables the return that counts as solved."""


def common_yardstick(arms: Sequence[Arm], *, per_step: bool = False) -> Yardstick:
    """What all arms can be held against.

    Args:
        arms: the first one is what the others are compared with.
        per_step: whether to divide returns by the steps of an episode, and to compare arms of unequal length at the
            end of the shortest.

    Raises:
        InputError: an arm cannot be built, or the arms cannot be compared; the sentence says which and why.
    """
    worlds = [_world(arm) for arm in arms]
    first = worlds[0]
    for arm, world in zip(arms, worlds, strict=True):
        _refuse_unequal_lengths(arms[0], first, arm, world, per_step=per_step)
    divisors = tuple(world.horizon or 1 if per_step else 1 for world in worlds)
    compared = _RETURNS if per_step else (*_SUCCESSES, *_RETURNS, _SOLVED_RETURN)
    bounds = [_divided(world.bounds, divisor) for world, divisor in zip(worlds, divisors, strict=True)]
    for arm, world, own in zip(arms, worlds, bounds, strict=True):
        if world.is_finite != first.is_finite or (not world.is_finite and world.place != first.place):
            raise InputError(
                f"{arm.name} is of {world.place} and {arms[0].name} of {first.place}, and no floor and ceiling say "
                "what a score in the one is worth in the other: compare arms of one environment"
            )
        for name in compared:
            if not _alike(own[name], bounds[0][name]):
                raise InputError(
                    f"the {name} is {_text(own[name])} for {arm.name} and {_text(bounds[0][name])} for "
                    f"{arms[0].name}, so their scores cannot be compared: give all arms the same env settings"
                )
    notes = [] if len({world.place for world in worlds}) == 1 else ["The arms have different environment settings."]
    lengths = {arm.settings.total_steps for arm in arms}
    last_step = min(lengths) if len(lengths) > 1 else None
    if last_step is not None:
        notes.append(f"The arms are of different lengths; all are compared at step {last_step:,}.")
    common, rest = bounds[0], (divisors, last_step, tuple(notes))
    highest = common["highest success"]
    if highest is not None and not per_step:
        return Yardstick("success", common["success by chance"], highest, SOLVED * highest, *rest)
    ceiling = common["best memoryless return"]
    ceiling = common["optimal return"] if ceiling is None else ceiling
    threshold = common[_SOLVED_RETURN] if ceiling is None else SOLVED * ceiling
    return Yardstick("return per step" if per_step else "return", common["random return"], ceiling, threshold, *rest)


def _world(arm: Arm) -> _World:
    settings = arm.settings
    try:
        with torch_threads(1):
            experiment = build_experiment(settings)
    except InputError as error:
        raise InputError(f"the arm {arm.name}: {error}") from None
    try:
        env = experiment.evaluation_env
        world = world_of(env)
        place = f"{settings.env.id} {settings.env.arguments or ''}".strip()
        if world is None:
            registered = gym.registry.get(settings.env.id.rpartition(":")[2])
            limit = None if registered is None else registered.max_episode_steps
            unknown: dict[str, float | None] = dict.fromkeys((*_SUCCESSES, *_RETURNS))
            return _World(place, False, limit, {**unknown, _SOLVED_RETURN: return_threshold(settings)})
        oracle = world.oracle()
        figures = (
            oracle.random_success,
            success_ceiling(world.bank, world.level),
            oracle.random_return,
            oracle.memoryless_return,
            oracle.optimal_return,
        )
        bounds = {name: number(figure) for name, figure in zip((*_SUCCESSES, *_RETURNS), figures, strict=True)}
        return _World(place, True, world.horizon, {**bounds, _SOLVED_RETURN: None})
    finally:
        experiment.close()


def _refuse_unequal_lengths(first: Arm, first_world: _World, arm: Arm, world: _World, *, per_step: bool) -> None:
    if per_step:
        for each, its_world in ((first, first_world), (arm, world)):
            if its_world.horizon is None:
                raise InputError(f"the episodes of {each.name} have no fixed length to divide by: leave --per-step out")
        return
    if world.horizon != first_world.horizon:
        raise InputError(
            f"an episode of {arm.name} has {world.horizon or 'any number of'} steps and one of {first.name} "
            f"{first_world.horizon or 'any number'}, so their returns cannot be compared: give both the same horizon, "
            "or compare per step, --per-step"
        )
    steps, first_steps = arm.settings.total_steps, first.settings.total_steps
    if steps != first_steps:
        raise InputError(
            f"{arm.name} learns for {steps:,} steps and {first.name} for {first_steps:,}: give both the same "
            "total_steps, or compare them at the end of the shorter one, --per-step"
        )


def _divided(bounds: dict[str, float | None], divisor: int) -> dict[str, float | None]:
    return {
        name: value / divisor if name not in _SUCCESSES and value is not None else value
        for name, value in bounds.items()
    }


def _alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def _text(bound: float | None) -> str:
    return "not known" if bound is None else figure_text(bound)
