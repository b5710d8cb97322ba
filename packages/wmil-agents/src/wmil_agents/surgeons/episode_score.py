"""What a policy is worth in any environment: the returns of the same episodes every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.policies import BasePolicy

from wmil_agents.surgeons.own_generators import OwnGenerators
from wmil_agents.surgeons.score import Floats, Model, evaluating
from wmil_agents.surgery.anatomy import module_of

MakeEnv = Callable[[], gym.Env[Any, Any]]


class EpisodeScore:
    """The returns of n episodes with the same seeds, in which the same random numbers draw the actions.

    All episodes are played side by side, with one forward a step for all of them; those that are over are asked on, so
    that the numbers drawn for the others stay theirs. Environments must draw from their own `np_random`, as Gymnasium
    has it. What the policy meets when it is first scored is kept as the observations to look at it with.

    Args:
        env: an id for `gym.make`, or what makes an environment, such as a `functools.partial`.
        n_episodes: how many.
        seed: of the first; the others have the numbers after it.
        max_steps: episodes that are longer are cut off.
        n_observations: how many are kept.

    Raises:
        ValueError: a number is less than 1.
    """

    is_one_forward = False

    def __init__(
        self,
        env: str | MakeEnv,
        n_episodes: int = 32,
        seed: int = 0,
        *,
        max_steps: int = 1_000,
        n_observations: int = 256,
    ) -> None:
        for name, number in (("n_episodes", n_episodes), ("max_steps", max_steps), ("n_observations", n_observations)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, not {number}")
        self._make = env
        self._envs: list[gym.Env[Any, Any]] = []
        self.n_episodes, self.seed, self.max_steps, self.n_observations = n_episodes, seed, max_steps, n_observations
        self.weights: Floats = np.full(n_episodes, 1.0 / n_episodes)
        self._observations: Any = None

    @property
    def observations(self) -> Any:
        """Some that the policy met when it was first scored.

        Raises:
            RuntimeError: it has not been scored yet.
        """
        if self._observations is None:
            raise RuntimeError("the observations are those of the first call: score a model first")
        return self._observations

    def __call__(self, model: Model) -> Floats:
        """(n_episodes,) the undiscounted return of each.

        Raises:
            TypeError: the model is no policy of Stable-Baselines3.
        """
        policy = module_of(model)
        if not isinstance(policy, BasePolicy):
            raise TypeError(f"episodes are played by a policy of Stable-Baselines3, not by {type(policy).__name__}")
        with OwnGenerators(self.seed), evaluating(policy):
            return self._played(policy)

    def close(self) -> None:
        """Closes the environments; the next call makes new ones."""
        for env in self._envs:
            env.close()
        self._envs = []

    def state_dict(self) -> dict[str, Any]:
        """The observations, which depend on the policy that was scored first."""
        return {"observations": self._observations}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes them over."""
        self._observations = state["observations"]

    def _played(self, policy: BasePolicy) -> Floats:
        if not self._envs:
            make = self._make
            self._envs = [gym.make(make) if isinstance(make, str) else make() for _ in range(self.n_episodes)]
        rows = [env.reset(seed=self.seed + number)[0] for number, env in enumerate(self._envs)]
        returns, is_running = np.zeros(self.n_episodes), np.ones(self.n_episodes, dtype=np.bool_)
        met: list[Any] = []
        lstm_states, starts = None, is_running.copy()
        for _ in range(self.max_steps):
            if self._observations is None:
                met += [row for row, is_met in zip(rows, is_running, strict=True) if is_met]
            actions, lstm_states = policy.predict(_stacked(rows), lstm_states, starts, deterministic=False)
            starts = np.zeros(self.n_episodes, dtype=np.bool_)
            for number in np.flatnonzero(is_running):
                rows[number], reward, terminated, truncated, _ = self._envs[number].step(actions[number])
                returns[number] += float(reward)
                is_running[number] = not (terminated or truncated)
            if not is_running.any():
                break
        if self._observations is None:
            chosen = np.linspace(0, len(met) - 1, min(len(met), self.n_observations)).round().astype(int)
            self._observations = _stacked([met[number] for number in chosen])
        return returns


def _stacked(rows: list[Any]) -> Any:
    """Observations as one batch, dicts entry by entry."""
    if isinstance(rows[0], dict):
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return np.stack(rows)
