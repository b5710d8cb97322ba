"""An actor-critic policy with heads for auxiliary losses, which ride on the algorithm's own backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs
from stable_baselines3.common.utils import obs_as_tensor
from torch import Tensor, nn

from wmil_agents.auxiliary_loss import AuxiliaryLoss, Futures, Observations, Transitions, joined
from wmil_agents.buffers.next_observation_buffer import Minibatch
from wmil_agents.losses.carry_loss import carry_loss
from wmil_agents.policies.transformer_policy import TransformerPolicy


@dataclass
class _Capture:
    """What `extract_features` adds to a batch, and keeps of it, while the losses are computed."""

    more: list[Observations]
    features: Tensor = field(init=False)


class AttachedPolicy(ActorCriticPolicy):
    """Mixin for an actor-critic policy: `evaluate_actions` gives values that carry the weighted auxiliary losses.

    The losses are computed only for the very tensor of observations that the rollout buffer yielded last, so that
    whoever else calls `evaluate_actions` gets what the plain policy gives.

    Args:
        *args: Those of the policy.
        auxiliary_losses: What `attach` was given.
        **kwargs: Those of the policy.
    """

    auxiliary_losses: tuple[AuxiliaryLoss, ...]
    auxiliary_heads: nn.ModuleDict
    """The heads, by the names of their losses."""
    minibatch: Minibatch
    _capture: _Capture | None = None

    def __init__(self, *args: Any, auxiliary_losses: Sequence[AuxiliaryLoss] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_losses(auxiliary_losses)

    def add_losses(self, losses: Sequence[AuxiliaryLoss]) -> None:
        """Builds the heads, without touching the random generator that training draws from, and optimises them too."""
        _check(losses, self)
        with torch.random.fork_rng(devices=[]):
            spaces_and_size = self.observation_space, self.action_space, self.features_dim
            heads = nn.ModuleDict({loss.name: loss.build(*spaces_and_size) for loss in losses}).to(self.device)
        if isinstance(self, TransformerPolicy):
            self.check_budget(sum(parameter.numel() for parameter in heads.parameters()))
        self.auxiliary_losses = tuple(losses)
        self.auxiliary_heads = heads
        self.optimizer.param_groups[0]["params"].extend(self.auxiliary_heads.parameters())
        self.minibatch = Minibatch()
        self.start_update(1.0)

    def start_update(self, progress_remaining: float) -> None:
        """Fixes the scales for the update that follows, and forgets the metrics of the last one."""
        self._scales = {loss.name: loss.scale_at(progress_remaining) for loss in self.auxiliary_losses}
        self._metrics: dict[str, list[Tensor]] = {}
        self.minibatch.wanted_futures = {
            loss.name: loss.futures for loss in self.auxiliary_losses if loss.futures and self._scales[loss.name] != 0.0
        }

    def update_metrics(self) -> dict[str, float]:
        """Means over the minibatches since `start_update`: `<name>_loss`, unweighted, and the loss's own metrics."""
        return {name: float(torch.stack(numbers).mean()) for name, numbers in self._metrics.items()}

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The plain policy's values, log-probabilities and entropy; the values carry the losses."""
        following = self.minibatch.next_observations
        active = [loss for loss in self.auxiliary_losses if self._scales[loss.name] != 0.0]
        if not active or following is None or self.minibatch.observations is not obs or not torch.is_grad_enabled():
            return super().evaluate_actions(obs, actions)
        transitions = Transitions(obs, actions, following)
        replayed = self._replay(max(loss.n_replayed for loss in active), actions)
        if replayed is not None:
            transitions = transitions.followed_by(replayed)
        futures = self.minibatch.futures
        more = [] if replayed is None else [replayed.observations]
        self._capture = _Capture(more + [drawn.observations for drawn in futures.values()])
        try:
            values, log_prob, entropy = super().evaluate_actions(obs, actions)
            features = self._capture.features
        finally:
            self._capture = None
        sizes = [len(drawn.rows) for drawn in futures.values()]
        later = dict(zip(futures, torch.split(features[len(transitions.actions) :], sizes), strict=True))
        for loss in active:
            n_rows = len(actions) + loss.n_replayed
            seen = transitions.first(n_rows)
            if loss.name in futures:
                drawn = futures[loss.name]
                seen = replace(seen, futures=Futures(drawn.rows, drawn.offsets, drawn.observations, later[loss.name]))
            amount, metrics = loss.loss(self.auxiliary_heads[loss.name], features[: len(seen.actions)], seen)
            values = carry_loss(values, self._scales[loss.name] * amount)
            for name, number in {"loss": amount, **metrics}.items():
                self._metrics.setdefault(f"{loss.name}_{name}", []).append(number.detach())
        return values, log_prob, entropy

    def extract_features(self, obs: PyTorchObs, *args: Any, **kwargs: Any) -> Any:
        """The plain policy's features; with those of more observations, in one pass, while losses are computed."""
        capture = self._capture
        if capture is None:
            return super().extract_features(obs, *args, **kwargs)
        n_rows = len(next(iter(obs.values())) if isinstance(obs, dict) else obs)
        together = joined(obs, *capture.more)
        features = super().extract_features(together, *args, **kwargs)
        if isinstance(features, tuple):  # the actor's and the critic's
            capture.features = features[0]
            return tuple(part[:n_rows] for part in features)
        capture.features = features
        return features[:n_rows]

    def _replay(self, n_rows: int, like: Tensor) -> Transitions | None:
        """So many transitions from the memory, actions in the form of `like`; None if there is nothing to replay."""
        memory = self.minibatch.memory
        if not n_rows or memory is None or not len(memory):
            return None
        observations, actions, following = memory.sample(n_rows)
        return Transitions(
            obs_as_tensor(observations, self.device),
            torch.as_tensor(actions, device=self.device).to(like.dtype).reshape(n_rows, *like.shape[1:]),
            obs_as_tensor(following, self.device),
        )

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"auxiliary_losses": self.auxiliary_losses}


def _check(losses: Sequence[AuxiliaryLoss], policy: ActorCriticPolicy) -> None:
    names = [loss.name for loss in losses]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two auxiliary losses are named {name!r}: give each its own name")
        if not name.isidentifier() or hasattr(nn.ModuleDict, name):
            raise ValueError(f"{name!r} cannot name an auxiliary loss: use a word like 'world_model'")
    if not any(parameter.requires_grad for parameter in policy.features_extractor.parameters()):
        raise ValueError(
            f"{type(policy.features_extractor).__name__} has nothing to learn, so no auxiliary loss would reach the "
            "policy: use TransformerPolicy, or a features extractor with parameters"
        )
