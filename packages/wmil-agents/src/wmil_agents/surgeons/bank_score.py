"""What a policy is worth in a one-step world with tables: exact, from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.distributions import Categorical

from wmil_agents.evaluation.policy_table import actor_critic, as_tensors, policy_table
from wmil_agents.surgeons.score import Floats, Model, evaluating
from wmil_agents.surgery.anatomy import module_of
from wmil_envs.world import World


class BankScore:
    """The expected reward of the policy's answer to each of some instances, all draws summed over.

    Args:
        world: `env.unwrapped.world`, or `world_of(env)`; with one step an episode. Its own level counts.
        instances: numbers of start instances; all of the level if None.

    Raises:
        ValueError: episodes have several steps, an instance never starts one, or verdicts are missing.
    """

    is_one_forward = True

    def __init__(self, world: World, instances: Sequence[int] | npt.NDArray[np.integer] | None = None) -> None:
        starts = _start_probabilities(world)
        chosen = np.flatnonzero(starts) if instances is None else np.asarray(instances, dtype=np.int64)
        if chosen.ndim != 1 or not len(chosen):
            raise ValueError("a score needs at least one instance")
        if chosen.min() < 0 or chosen.max() >= len(starts) or not starts[chosen].all():
            raise ValueError("each instance must be the number of one from which episodes of the world's level start")
        self.instances: npt.NDArray[np.int64] = chosen
        self.weights: Floats = starts[chosen] / starts[chosen].sum()
        observation = world.observation
        rows = observation.starts()[chosen, : observation.n_columns]
        encode = observation.encoder()
        self.observations: Any = rows if encode is None else encode(rows)
        self._rewards: Floats = world.bank.mean_rewards[chosen]

    def __call__(self, model: Model) -> Floats:
        """(n_items,) the expected reward at each instance.

        Raises:
            TypeError: the policy does not say how likely each action is.
        """
        policy: Any = module_of(model)
        with evaluating(policy):
            table = policy_table(policy, self.observations)
        worth: Floats = np.einsum("ia,ia->i", table, self._rewards)
        return worth

    def worth(self, model: Model) -> Tensor:
        """(n_items,) the same in the model's own precision, with its graph: for those who follow its gradient.

        Raises:
            TypeError: as for a call.
        """
        policy = actor_critic(module_of(model))  # type: ignore[arg-type]  # refuses what it cannot use
        with evaluating(policy), torch.enable_grad():
            distribution = policy.get_distribution(as_tensors(self.observations, policy.device)).distribution
        if not isinstance(distribution, Categorical):
            raise TypeError(f"{type(policy).__name__} has no table of probabilities: its actions are not discrete")
        table = distribution.probs
        return (table * torch.as_tensor(self._rewards, dtype=table.dtype, device=table.device)).sum(-1)

    @classmethod
    def split(cls, world: World, shares: Sequence[float] = (0.5, 0.25, 0.25), seed: int = 0) -> tuple[BankScore, ...]:
        """Scores on different instances of one world: by default to search, to decide, and held out.

        Instances that look the same stay together, so no observation is in two of them.

        Args:
            world: as for one score.
            shares: of the instances, for each score; they sum to 1.
            seed: of the draw.

        Raises:
            ValueError: as for one score; or there are too few instances.
        """
        if min(shares, default=0.0) <= 0.0 or not np.isclose(sum(shares), 1.0):
            raise ValueError(f"shares must be positive and sum to 1, not {tuple(shares)}")
        instances = np.flatnonzero(_start_probabilities(world))
        looks = world.bank.visible_ids[instances]
        shuffled = np.random.default_rng(seed).permutation(np.unique(looks))
        borders = np.round(np.cumsum(shares) * len(shuffled)).astype(int)[:-1]
        parts = np.split(shuffled, borders)
        if not all(map(len, parts)):
            raise ValueError(f"{len(shuffled)} different observations are too few to be split into {len(parts)} parts")
        return tuple(cls(world, instances[np.isin(looks, part)]) for part in parts)


def _start_probabilities(world: World) -> Floats:
    if world.horizon != 1:
        raise ValueError(f"a BankScore is for worlds with one step, and this one has {world.horizon}: use EpisodeScore")
    gap = world.bank.gap(world.level)
    if gap is not None:
        raise ValueError(f"{gap}: fill the table first, or use EpisodeScore")
    return world.bank.start_probabilities(world.level)
