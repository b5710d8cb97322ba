"""What a policy reaches in its world at any moment, in the form in which `ablate` asks for it."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.analysis.ablation import Scores
from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.evaluation.quantity import number
from wmil_agents.evaluation.sampled import play_episodes
from wmil_envs.oracle import Estimated, Exact

_MEASURES = {"success": "success", "return": "episode_return"}
_CHANCE = {"success": "random_success", "return": "random_return"}


class PolicyScores:
    """Called, it says the success and the return of the policy as it is then.

    They are exact where the world is finite and small enough, otherwise of the same episodes every time: each has the
    seed that it had before, and the policy draws from the same generator.

    Args:
        model: an algorithm of Stable-Baselines3.
        env: as for `wmil_agents.evaluate`.
        n_episodes: how many, where they are needed.
        seed: of those episodes.
        level: the level evaluated, the world's own for None.
        exact: False plays episodes even where an exact evaluation is possible.

    Raises:
        ValueError: nothing is known of what the policy reaches; the sentence says why.
    """

    def __init__(
        self,
        model: BaseAlgorithm,
        env: VecEnv,
        *,
        n_episodes: int,
        seed: int,
        level: int | None = None,
        exact: bool = True,
    ) -> None:
        self._model, self._env = model, env
        self._n_episodes, self._seed, self._level, self._exact = n_episodes, seed, level, exact
        self.evaluation = evaluate(model, env, n_episodes=n_episodes, seed=seed, level=level, exact=exact)
        """Of the policy as it was at first."""
        self.is_exact = not isinstance(self.evaluation.episode_return, Estimated)
        if self.is_exact and not self():
            raise ValueError(f"neither success nor return is known: {self.evaluation.episode_return}")

    @property
    def chance(self) -> dict[str, float]:
        """What chance reaches, where that is known."""
        oracle = self.evaluation.oracle
        known = {} if oracle is None else {name: number(getattr(oracle, field)) for name, field in _CHANCE.items()}
        return {name: value for name, value in known.items() if value is not None}

    def __call__(self) -> Scores:
        """Exact numbers, or a value for each episode."""
        if not self.is_exact:
            played = play_episodes(self._model, self._env, self._n_episodes, self._seed)
            successes = {"success": np.array(played.successes, dtype=np.float64)} if played.tells_success else {}
            values = successes | {"return": np.array(played.returns)}
            return {name: of_episodes[played.by_environment] for name, of_episodes in values.items()}
        evaluation = evaluate(
            self._model, self._env, n_episodes=self._n_episodes, seed=self._seed, level=self._level, exact=True
        )
        quantities = {name: getattr(evaluation, field) for name, field in _MEASURES.items()}
        return {name: float(quantity) for name, quantity in quantities.items() if isinstance(quantity, Exact)}
