"""Steps to 95 % exact success in the top levels of SequenceNext and Conditional, with event replay.

Without it 20,000 steps are too few for most seeds; `python -m benchmarks.learning.worlds` has those too. References
are computed: what a learner needs that remembers which answers failed, and one that knows only what paid.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from benchmarks.figure import Figure
from benchmarks.learning.ablations import Learner, counted, steps
from benchmarks.learning.pattern_echo import INTERVAL
from benchmarks.learning.worlds import GIVE_UP_STEPS, POLICY_ALONE, WORLDS, reference_steps
from benchmarks.program import run_program
from wmil_agents.evaluation.intervals import bootstrap_interval
from wmil_envs.seeding import spawn_seeds
from wmil_envs.symbolic_env import SymbolicEnv

TOP_LEVELS = WORLDS[2:]
SEEDS, SHORT_SEEDS = 20, 1
N_REFERENCES, SHORT_N_REFERENCES = 20, 3


def measure(short: bool) -> list[Figure]:
    """A figure for each world; none has a bound."""
    return [figure(*world, short) for world in TOP_LEVELS]


def figure(name: str, env_id: str, arguments: dict[str, int], short: bool) -> Figure:
    """Median and its 95 % interval; a run that never gets there counts as one that gave up."""
    learner = Learner(name, env_id, GIVE_UP_STEPS, {"event_replay": True}, arguments)
    seeds = spawn_seeds(0, SHORT_SEEDS if short else SEEDS)
    needed = counted([steps(learner, POLICY_ALONE, seed) for seed in seeds], GIVE_UP_STEPS)
    low, high = bootstrap_interval(needed, np.median, np.random.default_rng(0))
    note = f"{INTERVAL}; " + references(env_id, arguments, short)
    title = f"{name}, event replay: median steps to 95 % exact success"
    return Figure(title, float(np.median(needed)), "steps", None, "less", low, high, len(needed), note)


def references(env_id: str, arguments: dict[str, int], short: bool) -> str:
    """What knowledge alone would need."""
    env = gym.make(env_id, **arguments).unwrapped
    assert isinstance(env, SymbolicEnv)
    bank, level = env.bank, env.world.level
    told = []
    for words, remembers_failures in (("remembers failures", True), ("knows what paid", False)):
        found = [
            reference_steps(bank, level, seed, remembers_failures=remembers_failures)
            for seed in range(SHORT_N_REFERENCES if short else N_REFERENCES)
        ]
        told.append(f"who {words}: {np.median(found):,.0f}")
    return ", ".join(told)


if __name__ == "__main__":
    run_program("benchmarks.learning.top_levels", measure, __doc__)
