"""How long a call of the environments takes, beside Gymnasium's CartPole in the same run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from benchmarks.figure import Figure
from benchmarks.measure import Timing, median_ratio, microseconds_per_call
from benchmarks.program import run_program
from wmil_envs.parent import LIVE, Verdicts
from wmil_envs.parents.rule import RuleParent
from wmil_envs.symbolic_vector_env import SymbolicVectorEnv
from wmil_envs.task import Actions, States
from wmil_envs.tasks.pattern_echo import PatternEcho

NAMES = ("PatternEcho", "SequenceNext", "Conditional")
N_ENVS = (64, 1024, 4096)
BOUNDS = {
    "PatternEcho": {64: 6.0, 1024: 11.0, 4096: 24.0},
    "SequenceNext": {64: 7.0, 1024: 14.0, 4096: 32.0},
    "Conditional": {64: 7.0, 1024: 14.0, 4096: 32.0},
}
"""Microseconds a call of the vector environment."""
VECTOR_RATIOS = {"PatternEcho": 8.0, "SequenceNext": 6.0, "Conditional": 6.0}
SINGLE_RATIO = 3.0
LAZY_RATIO = 1.10
CART_POLE = "CartPole-v1"


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    n_turns = 7 if short else 31
    return [*vector_figures(n_turns), *lazy_figures(n_turns), *single_figures(n_turns)]


def vector_figures(n_turns: int) -> list[Figure]:
    """Microseconds a call of the vector environments, with outcome columns, `final_obs` and `success`."""
    figures = []
    for n_envs in N_ENVS:
        contestants = {name: vector_step(native(name, n_envs)) for name in NAMES}
        contestants[CART_POLE] = vector_step(gym.make_vec(CART_POLE, n_envs, vectorization_mode="vector_entry_point"))
        timings = microseconds_per_call(contestants, n_turns)
        for name, timing in timings.items():
            bound = BOUNDS[name][n_envs] if name in BOUNDS else None
            figures.append(time_figure(f"{name}, native vector env, {n_envs:,} envs, one call", timing, bound))
        for name in NAMES:
            ratio = median_ratio(timings[CART_POLE], timings[name])
            bound = VECTOR_RATIOS[name] if n_envs == max(N_ENVS) else None
            label = f"{name}, times as fast as vector CartPole, {n_envs:,} envs"
            figures.append(Figure(label, ratio, "x", bound, "more", repeats=n_turns))
    one_by_one = gym.make_vec(
        f"wmil_envs:WMIL/{NAMES[0]}-v0",
        64,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
    )
    timings = microseconds_per_call({"sync": vector_step(one_by_one)}, n_turns)
    figures.append(time_figure(f"{NAMES[0]}, Gymnasium's SyncVectorEnv, 64 envs, one call", timings["sync"], None))
    return figures


class LazyRule(RuleParent):
    """The rule, asked about a pair when it is first needed."""

    def verdicts(self, states: States, actions: Actions) -> Verdicts:
        """The rule's verdicts."""
        return Verdicts(self.judge(states, actions), np.full(len(actions), LIVE, dtype=np.uint8))


def lazy_figures(n_turns: int) -> list[Figure]:
    """A step of envs whose parent was asked everything, against one of the rule parent's."""
    task, n_envs = PatternEcho(), 1024
    lazy = SymbolicVectorEnv(task, n_envs, parent=LazyRule(task))
    lazy.reset(seed=0)
    everything = np.arange(task.n_actions**2)
    lazy.world.ask(everything)
    assert not lazy.world.has_gaps
    contestants = {"lazy": vector_step(lazy), "rule": vector_step(SymbolicVectorEnv(task, n_envs))}
    timings = microseconds_per_call(contestants, n_turns)
    ratio = median_ratio(timings["lazy"], timings["rule"])
    label = f"PatternEcho, {n_envs:,} envs: a lazy parent that has judged everything, times the rule parent's time"
    return [Figure(label, ratio, "x", LAZY_RATIO, "less", repeats=n_turns)]


def single_figures(n_turns: int) -> list[Figure]:
    """A step and a reset of single environments against steps of CartPole, through `gym.make`."""
    contestants = {name: step_and_reset(gym.make(f"wmil_envs:WMIL/{name}-v0")) for name in NAMES}
    contestants[CART_POLE] = step_until_the_end(gym.make(CART_POLE))
    timings = microseconds_per_call(contestants, n_turns)
    figures = [time_figure(f"{name}, gym.make, step + reset", timings[name], None) for name in NAMES]
    figures.append(time_figure("CartPole, gym.make, step (reset where it ends)", timings[CART_POLE], None))
    for name in NAMES:
        ratio = median_ratio(timings[CART_POLE], timings[name])
        label = f"{name}, gym.make, step + reset: times as fast as a CartPole step"
        figures.append(Figure(label, ratio, "x", SINGLE_RATIO, "more", repeats=n_turns))
    return figures


def native(name: str, n_envs: int) -> VectorEnv[Any, Any, Any]:
    """The environment's own vector env, seen to give what the figures promise."""
    env = gym.make_vec(f"wmil_envs:WMIL/{name}-v0", n_envs)
    env.reset(seed=0)
    observations, *_, infos = env.step(np.zeros(n_envs, dtype=np.int64))
    columns = len(env.unwrapped.attributes)  # type: ignore[attr-defined]  # the symbolic env's own
    assert observations.shape == infos["final_obs"].shape == (n_envs, columns)
    assert infos["success"].shape == (n_envs,)
    return env


def vector_step(env: VectorEnv[Any, Any, Any]) -> Callable[[], object]:
    """One step with random actions, drawn before."""
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    n_actions = int(env.single_action_space.n)  # type: ignore[attr-defined]  # Discrete in every contestant
    actions = itertools.cycle(list(rng.integers(n_actions, size=(64, env.num_envs))))
    return lambda: env.step(next(actions))


def step_and_reset(env: gym.Env[Any, Any]) -> Callable[[], object]:
    """A whole one-step episode."""
    env.reset(seed=0)
    n_actions = int(env.action_space.n)  # type: ignore[attr-defined]  # Discrete in every contestant
    actions = itertools.cycle(np.random.default_rng(0).integers(n_actions, size=64).tolist())

    def episode() -> None:
        env.step(next(actions))
        env.reset()

    return episode


def step_until_the_end(env: gym.Env[Any, Any]) -> Callable[[], object]:
    """One step, and a reset where it ended the episode."""
    env.reset(seed=0)
    actions = itertools.cycle(np.random.default_rng(0).integers(2, size=64).tolist())

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(next(actions))
        if terminated or truncated:
            env.reset()

    return step


def time_figure(label: str, timing: Timing, bound: float | None) -> Figure:
    """A time with its quartiles."""
    low, high = timing.quartiles
    return Figure(label, timing.median, "us", bound, "less", low, high, len(timing.turns))


if __name__ == "__main__":
    run_program("benchmarks.speed.environments", measure, __doc__)
