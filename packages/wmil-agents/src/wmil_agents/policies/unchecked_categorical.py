"""A categorical action distribution that does not check its own logits."""

from __future__ import annotations

from stable_baselines3.common.distributions import CategoricalDistribution
from torch import Tensor
from torch.distributions import Categorical


class UncheckedCategorical(CategoricalDistribution):
    """`CategoricalDistribution` without torch's validation of arguments, which costs as much as the arithmetic.

    Logits that are not numbers still raise, when an action is drawn.
    """

    def proba_distribution(self, action_logits: Tensor) -> UncheckedCategorical:
        """Sets the distribution of logits (B, n_actions)."""
        self.distribution = Categorical(logits=action_logits, validate_args=False)
        return self
