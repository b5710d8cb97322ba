"""What losses have in common that are told the parent's score of every action."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from wmil_agents.auxiliary_loss import AuxiliaryLoss


class ActionScoresLoss(AuxiliaryLoss):
    """Base of a loss on the policy's log-probabilities and the parent's scores: no head, and an environment that tells.

    A parent judges what the learner did and is no teacher: such a loss works only in an environment made with
    `reveals_all_actions=True`, and every update logs `train/uses_teacher`.
    """

    @property
    def asks_action_scores(self) -> bool:
        """Yes: they are what it learns from."""
        return True

    def check_env(self, env: VecEnv) -> None:
        """Refuses environments that score no action, or only the one taken."""
        if not env.has_attr("action_scores"):
            raise ValueError(
                f"the {self.name} loss needs the score of every action, and this environment has no action_scores"
            )
        if env.has_attr("world") and not all(world.reveals_all_actions for world in env.get_attr("world")):
            raise ValueError(
                f"the {self.name} loss needs the score of every action, and this environment reveals that of the "
                "chosen one only: make it with reveals_all_actions=True, and say so beside every result"
            )

    def build(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], features_dim: int
    ) -> nn.Module:
        """Nothing to learn beside the policy."""
        if not isinstance(action_space, spaces.Discrete):
            raise ValueError(f"the {self.name} loss teaches a Discrete action, not one of {action_space}")
        return nn.Identity()
