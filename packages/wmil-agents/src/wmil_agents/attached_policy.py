"""An actor-critic policy with heads for auxiliary losses, which ride on the algorithm's own backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs
from stable_baselines3.common.utils import obs_as_tensor
from torch import Tensor

from wmil_agents.auxiliary_heads import AuxiliaryHeads
from wmil_agents.auxiliary_loss import Futures, Observations, Transitions, joined, rows_of


@dataclass
class _Capture:
    """What `extract_features` adds to a batch, and keeps of it, while the losses are computed."""

    more: list[Observations]
    features: Tensor = field(init=False)
    """Of the batch, then of what was added."""
    log_probs: Tensor | None = None
    """Of every action, for the batch, where actions are `Discrete`."""


@dataclass(frozen=True)
class _Replayed:
    """Transitions from the memory, several of which may begin with the same observation."""

    observations: Observations
    origin: Tensor
    """Which of these each transition begins with."""
    transitions: Transitions

    @property
    def n_observations(self) -> int:
        """How many there are."""
        return int(self.origin[-1]) + 1


class AttachedPolicy(AuxiliaryHeads):
    """Mixin for an actor-critic policy: `evaluate_actions` gives values that carry the weighted auxiliary losses.

    The losses are computed only for the very tensor of observations that the rollout buffer yielded last, so that
    whoever else calls `evaluate_actions` gets what the plain policy gives. Recurrent and maskable policies, which take
    more than observations and actions, get the rest handed on.
    """

    features_extractor: BaseFeaturesExtractor
    optimizer: torch.optim.Optimizer
    _capture: _Capture | None = None

    @property
    def learning_extractor(self) -> BaseFeaturesExtractor:
        """The one that actor and critic share, else the actor's."""
        return self.features_extractor

    @property
    def learning_optimizer(self) -> torch.optim.Optimizer:
        """The policy's only one."""
        return self.optimizer

    def evaluate_actions(
        self, obs: PyTorchObs, actions: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The plain policy's values, log-probabilities and entropy; the values carry the losses."""
        plain: Any = super()  # actor-critic policies share no class that has this method
        if torch.is_grad_enabled():
            self.require_connection()
        minibatch, active = self.minibatch, self.active_losses
        following = minibatch.next_observations
        if not active or following is None or minibatch.observations is not obs or not torch.is_grad_enabled():
            answer: tuple[Tensor, Tensor, Tensor | None] = plain.evaluate_actions(obs, actions, *args, **kwargs)
            return answer
        pick = _picker(minibatch.real)
        observed = {name: pick(rows) for name, rows in obs.items()} if isinstance(obs, dict) else pick(obs)
        transitions = Transitions(observed, pick(actions), following)
        n_rows = len(transitions.actions)
        replayed = self._replay(max(loss.n_replayed for loss in active), transitions.actions)
        drawn = minibatch.futures
        more = [] if replayed is None else [replayed.observations]
        self._capture = _Capture(more + [future.observations for future in drawn.values()])
        try:
            values, log_prob, entropy = plain.evaluate_actions(obs, actions, *args, **kwargs)
            features, log_probs = self._capture.features, self._capture.log_probs
        finally:
            self._capture = None
        if minibatch.action_scores is not None and log_probs is not None:
            transitions = replace(transitions, action_scores=minibatch.action_scores, log_probs=pick(log_probs))
        n_begun = 0 if replayed is None else replayed.n_observations
        sizes = [len(actions), n_begun, *(len(future.rows) for future in drawn.values())]
        features, begun, *later = torch.split(features, sizes)
        features = pick(features)
        if replayed is not None:
            transitions = transitions.followed_by(replayed.transitions)
            features = torch.cat([features, begun.index_select(0, replayed.origin)])
        futures = {
            name: Futures(future.rows, future.offsets, future.observations, found)
            for (name, future), found in zip(drawn.items(), later, strict=True)
        }
        for loss in active:
            seen, its_features, n_seen = transitions, features, n_rows + loss.n_replayed
            if n_seen < len(transitions.actions):
                seen, its_features = transitions.first(n_seen), features[:n_seen]
            values = self.carried(values, loss, its_features, replace(seen, futures=futures.get(loss.name)))
        return values, log_prob, entropy

    @property
    def adds_rows(self) -> bool:
        """While losses are computed."""
        return self._capture is not None or getattr(super(), "adds_rows", False)

    def extract_features(self, obs: PyTorchObs, *args: Any, **kwargs: Any) -> Any:
        """The plain policy's features; with those of more observations, in one pass, while losses are computed."""
        capture = self._capture
        if capture is None:
            return super().extract_features(obs, *args, **kwargs)
        n_rows = len(next(iter(obs.values())) if isinstance(obs, dict) else obs)
        together = joined(obs, *capture.more)
        features: Any = super().extract_features(together, *args, **kwargs)
        if isinstance(features, tuple):  # the actor's and the critic's
            capture.features = features[0]
            return tuple(part[:n_rows] for part in features)
        capture.features = features
        return features[:n_rows] if capture.more else features

    def _get_action_dist_from_latent(self, *args: Any, **kwargs: Any) -> Any:
        plain: Any = super()  # as for evaluate_actions
        distribution = plain._get_action_dist_from_latent(*args, **kwargs)
        capture = self._capture
        if capture is not None and capture.log_probs is None and isinstance(self.action_space, spaces.Discrete):
            capture.log_probs = distribution.distribution.logits  # normalised by torch; the object may change later
        return distribution

    def _replay(self, n_rows: int, like: Tensor) -> _Replayed | None:
        """So many transitions from the memory, actions in the form of `like`; None if there is nothing to replay."""
        memory = self.minibatch.memory
        if not n_rows or memory is None or not len(memory):
            return None
        drawn = memory.sample(n_rows)
        observations: Observations = obs_as_tensor(drawn.observations, self.device)
        origin = torch.as_tensor(drawn.origin, device=self.device)
        return _Replayed(
            observations,
            origin,
            Transitions(
                rows_of(observations, origin),
                torch.as_tensor(drawn.actions, device=self.device).to(like.dtype).reshape(n_rows, *like.shape[1:]),
                obs_as_tensor(drawn.next_observations, self.device),
            ),
        )


def _picker(real: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Leaves out the rows that only fill up sequences; None for a minibatch without any."""
    return (lambda rows: rows) if real is None else (lambda rows: rows[real])
