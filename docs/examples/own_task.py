"""A task of one's own: its rules in one class, and engine, oracles and vector env come with it."""

from dataclasses import dataclass

import numpy as np

from wmil_envs import Attribute, SymbolicVectorEnv, Task


@dataclass(frozen=True, kw_only=True)
class Parity(Task):
    """Is the sum of two digits even (answer 0) or odd (answer 1)?"""

    name = "Parity"
    levels = ("digits up to 3", "all digits")

    @property
    def n_actions(self) -> int:
        return 2

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return (Attribute("first", 10), Attribute("second", 10))

    def instances(self, level: int) -> np.ndarray:
        n = (4, 10)[level]
        return np.array([(a, b) for a in range(n) for b in range(n)], dtype=np.int32)

    def answers(self, states: np.ndarray) -> np.ndarray:
        return (states.sum(axis=1) % 2).astype(np.int64)

    def describe(self, state: np.ndarray) -> str:
        return f"Is {state[0]} + {state[1]} even or odd?"


env = SymbolicVectorEnv(Parity(horizon=2, dynamics="fresh"), num_envs=1_000)
oracle = env.oracle
print(f"random {oracle.random_return}, best memoryless {oracle.memoryless_return}, optimal {oracle.optimal_return}")

obs, _ = env.reset(seed=0)
returns = np.zeros(env.num_envs)
for _ in range(env.horizon):
    obs, rewards, terminated, _, infos = env.step(np.zeros(env.num_envs, dtype=np.int64))
    returns += rewards
print(f"always answering 'even' returned {returns.mean():.3f} on average")
