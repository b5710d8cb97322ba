"""The policy gradient of all actions, in place of that of the one taken."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from wmil_agents.auxiliary_loss import Transitions
from wmil_agents.auxiliary_losses.action_scores import ActionScoresLoss
from wmil_agents.losses.all_actions import all_actions_loss


@dataclass(frozen=True)
class AllActionsLoss(ActionScoresLoss):
    """Minus the policy's expected score, for `REINFORCE(all_actions=True)`, which attaches it and does without its own.

    It has no settings: it is the algorithm's loss, and the others are weighed against it.
    """

    name: str = "all_actions"
    """Names the metrics."""
    scale: float = 1.0
    """Weight of the loss."""

    def loss(self, head: nn.Module, features: Tensor, transitions: Transitions) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of the minibatch's own rows."""
        assert transitions.action_scores is not None
        assert transitions.log_probs is not None
        return all_actions_loss(transitions.log_probs, transitions.action_scores), {}
