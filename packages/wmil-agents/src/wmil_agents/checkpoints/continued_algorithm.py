"""An on-policy algorithm that goes on counting its rollouts, and logging at the same ones, where another left off."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm


class ContinuedAlgorithm(OnPolicyAlgorithm):
    """Mixin for a model while it is continued: `learn` counts from 0 in every call, this counts from the first one."""

    rollouts_before: int
    plain_log_interval: int

    def dump_logs(self, iteration: int = 0) -> None:
        """As ever, at every `plain_log_interval`-th rollout of all."""
        n_rollouts = self.rollouts_before + iteration
        if n_rollouts % self.plain_log_interval == 0:
            super().dump_logs(n_rollouts)


def plain_class(model: BaseAlgorithm) -> Any:
    """The class that a model has when it is not being continued."""
    return type(model).__mro__[2] if isinstance(model, ContinuedAlgorithm) else type(model)
