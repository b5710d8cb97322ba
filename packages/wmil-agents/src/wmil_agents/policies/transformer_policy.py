"""An actor-critic policy on a transformer, for Stable-Baselines3's on-policy algorithms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn

from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.categorical_table import CategoricalTable
from wmil_agents.policies.distinct_observations import DistinctObservations
from wmil_agents.policies.module_list import parameters_of, set_training
from wmil_agents.policies.unchecked_categorical import UncheckedCategorical

ACTION_GAIN = 0.01
VALUE_GAIN = 1.0
DEFAULT_MAX_PARAMETERS = 1_000_000
OF_OTHERS = ("q_net", "actor", "critic", "lstm_actor")
"""Parts that algorithms with another kind of policy look for."""
MIN_DISTINCT_ROWS = 32
"""Of fewer rows all are run: finding the distinct ones would take longer than what it saves."""


@dataclass(frozen=True)
class _Outputs:
    """What the networks say of a batch: of each of its rows, or of its distinct ones."""

    logits: Tensor
    """(D, n_actions)."""
    values: Tensor
    """(D, 1)."""
    rows: Tensor | None
    """(B,) which of the D rows each of the batch's is; None if all were run."""

    def detached(self) -> _Outputs:
        """The same without its history."""
        return _Outputs(self.logits.detach(), self.values.detach(), self.rows)


@dataclass(frozen=True)
class _Kept:
    """What the networks said, which they would say again while their parameters stay as they are."""

    version: int
    """Of the parameters."""
    outputs: _Outputs
    observations: Tensor
    """The batch."""
    places: Tensor | None
    """Which row of the outputs is an observation's, by its code, -1 where none; None if all of the batch was run."""


class TransformerPolicy(ActorCriticPolicy):
    """`ActorCriticPolicy` with a `TransformerExtractor`, heads straight on its features and its own initialisation.

    Stable-Baselines3's `ortho_init` would overwrite every linear layer of the transformer, and without it the action
    head would lose its small gain, with which 20 of 20 seeds learn PatternEcho where the default misses some: so this
    policy initialises its heads itself, and `ortho_init` is no argument of it. Adam, where an algorithm asks for it, is
    the fused one with Stable-Baselines3's eps of 1e-5.

    Args:
        observation_space: What `tokenize` accepts, unless another extractor is given.
        action_space: As in Stable-Baselines3.
        lr_schedule: As in Stable-Baselines3.
        net_arch: Layers between features and heads; none by default.
        features_extractor_class: `TransformerExtractor`, or another one.
        features_extractor_kwargs: For example `{"width": 128, "n_layers": 4}`.
        distinct_observations: Whether to run the networks once for each distinct observation of a batch, or of a whole
            rollout, and to copy what they say to the other rows; for a small finite space. Rows are then those of a
            smaller batch, so numbers differ from plain evaluation by the order in which floats are added, and draws are
            others.
        max_parameters: Refuse to build a larger policy; None lifts the limit.
        optimizer_class: As in Stable-Baselines3.
        optimizer_kwargs: As in Stable-Baselines3.
        **kwargs: The other arguments of `ActorCriticPolicy`.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        net_arch: list[int] | dict[str, list[int]] | None = None,
        features_extractor_class: type[BaseFeaturesExtractor] = TransformerExtractor,
        features_extractor_kwargs: dict[str, Any] | None = None,
        distinct_observations: bool = False,
        max_parameters: int | None = DEFAULT_MAX_PARAMETERS,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("ortho_init", False):
            raise ValueError("TransformerPolicy initialises itself: ortho_init would overwrite its transformer")
        if optimizer_kwargs is None and optimizer_class is torch.optim.Adam:
            optimizer_kwargs = {"eps": 1e-5, "fused": True}
        self.max_parameters = max_parameters
        self.distinct_observations = distinct_observations
        self._distinct = DistinctObservations(observation_space) if distinct_observations else None
        self.keeps_forward = False
        """Whether a forward under `no_grad` keeps its history, for the next `evaluate_actions` of what it saw."""
        self._kept: _Kept | None = None
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            net_arch=[] if net_arch is None else net_arch,
            ortho_init=False,
            features_extractor_class=features_extractor_class,
            features_extractor_kwargs=features_extractor_kwargs,
            optimizer_class=optimizer_class,
            optimizer_kwargs=optimizer_kwargs,
            **kwargs,
        )

    @property
    def n_parameters(self) -> int:
        """Number of trainable scalars."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """As ever, but quickly: an algorithm lists them at every update to clip their gradient."""
        return parameters_of(self) if recurse else super().parameters(recurse=False)

    def set_training_mode(self, mode: bool) -> None:
        """As ever, but quickly: an algorithm sets it twice an update, without training at the start of a rollout."""
        if not mode:
            self._kept = None
        set_training(self, mode)

    def forget(self) -> None:
        """Forgets what its networks said, for a caller that runs it with other parameters than its own."""
        self._kept = None

    def __getattr__(self, name: str) -> Any:
        """As ever; what another kind of policy would have is refused with a sentence."""
        if name in OF_OTHERS:
            raise AttributeError(
                f"TransformerPolicy is for PPO, A2C and REINFORCE and has no {name!r}: give another algorithm its own "
                'policy, such as "MlpPolicy", with policy_kwargs={"features_extractor_class": TransformerExtractor}'
            )
        return super().__getattr__(name)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what was kept: a history cannot be copied."""
        return self.__dict__ | {"_kept": None}

    def check_budget(self, n_more: int = 0) -> None:
        """Raises a `ValueError` if the policy, with so many parameters more, has more than `max_parameters`."""
        n_parameters = self.n_parameters + n_more
        if self.max_parameters is not None and n_parameters > self.max_parameters:
            raise ValueError(
                f"this policy has {n_parameters:,} parameters, more than max_parameters={self.max_parameters:,}: "
                "make it narrower or shallower, or pass max_parameters=None"
            )

    def forward(self, obs: PyTorchObs, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions, values and log-probabilities."""
        if isinstance(obs, dict) or not self._has_plain_heads:
            return super().forward(obs, deterministic)  # type: ignore[arg-type]  # it takes dicts too
        outputs = self._outputs_of(obs) if torch.is_grad_enabled() else self._known_or_run(obs)
        distribution = self._distribution(outputs)
        actions = distribution.mode() if deterministic else distribution.sample()
        log_prob = distribution.log_prob(actions)
        return actions.reshape(-1, *self.action_space.shape), _at(outputs.values, outputs.rows), log_prob  # type: ignore[misc]  # Discrete: ()

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Values, log-probabilities and entropy of actions; from what was kept, if that was of the same."""
        if not self._has_plain_heads or not isinstance(obs, Tensor):
            return super().evaluate_actions(obs, actions)
        outputs = self._known(obs) or self._outputs_of(obs)
        self._kept = None  # one history serves one backward pass
        distribution = self._distribution(outputs)
        return _at(outputs.values, outputs.rows), distribution.log_prob(actions), distribution.entropy()

    def extract_features(  # type: ignore[override]  # as ActorCriticPolicy's own, a pair where nothing is shared
        self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Features of observations; a `TransformerExtractor` gets them as they are, which saves the one-hot detour."""
        if not self.share_features_extractor and features_extractor is None:
            return self._extract(obs, self.pi_features_extractor), self._extract(obs, self.vf_features_extractor)
        return self._extract(obs, features_extractor or self.features_extractor)

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """The action distribution, by way of our `extract_features`."""
        features = self._extract(obs, self.pi_features_extractor)
        return self._get_action_dist_from_latent(self.mlp_extractor.forward_actor(features))

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """Values (B, 1), by way of our `extract_features`; a value head of zeros is not run."""
        if not any(parameter.any() for parameter in self.value_net.parameters()):
            # REINFORCE's: a rollout's last forward, a third of its time at 8 environments, would be for nothing.
            n_rows = len(next(iter(obs.values())) if isinstance(obs, dict) else obs)
            return torch.zeros(n_rows, 1, device=self.device)
        features = self._extract(obs, self.vf_features_extractor)
        value: Tensor = self.value_net(self.mlp_extractor.forward_critic(features))
        return value

    @property
    def adds_rows(self) -> bool:
        """Whether a mixin has rows of its own run along now, in `extract_features`."""
        return False

    @property
    def _has_plain_heads(self) -> bool:
        """Whether actions are categorical, and what is run are the rows that were asked for."""
        return isinstance(self.action_dist, UncheckedCategorical) and not self.adds_rows

    def _known_or_run(self, obs: Tensor) -> _Outputs:
        """What the networks say of observations, without history; a rollout, in which they stay, runs each once."""
        outputs = self._known(obs)
        if outputs is None:
            with torch.set_grad_enabled(self.keeps_forward):
                outputs = self._outputs_of(obs)
            if outputs.rows is not None or self.keeps_forward:
                self._keep(obs, outputs)
        return outputs.detached()

    def _keep(self, obs: Tensor, outputs: _Outputs) -> None:
        """Remembers what was said of these observations."""
        places = None
        if outputs.rows is not None:
            assert self._distinct is not None
            places = self._distinct.table(obs, outputs.rows)
        self._kept = _Kept(self._parameter_version(), outputs, obs, places)

    def _known(self, obs: Tensor) -> _Outputs | None:
        """What was kept of these observations; None if anything is missing, the history included where one is due."""
        kept = self._kept
        if kept is None or kept.version != self._parameter_version():
            return None
        if torch.is_grad_enabled() and not kept.outputs.logits.requires_grad:
            return None
        if kept.places is None:
            is_same = kept.observations.shape == obs.shape and torch.equal(kept.observations, obs)
            return kept.outputs if is_same else None
        assert self._distinct is not None
        rows = kept.places.index_select(0, self._distinct.codes(obs))
        return None if rows.min() < 0 else replace(kept.outputs, rows=rows)

    def _outputs_of(self, obs: Tensor) -> _Outputs:
        """Log-probabilities and values of observations, of distinct ones if that is asked for and pays."""
        found = self._distinct.of(obs) if self._distinct is not None and len(obs) >= MIN_DISTINCT_ROWS else None
        distinct, rows = (obs, None) if found is None else found
        pi_features = self._run(distinct, self.pi_features_extractor)
        if self.share_features_extractor:
            latent_pi, latent_vf = self.mlp_extractor(pi_features)
        else:
            latent_pi = self.mlp_extractor.forward_actor(pi_features)
            latent_vf = self.mlp_extractor.forward_critic(self._run(distinct, self.vf_features_extractor))
        return _Outputs(self.action_net(latent_pi), self.value_net(latent_vf), rows)

    def _distribution(self, outputs: _Outputs) -> UncheckedCategorical | CategoricalTable:
        if outputs.rows is not None:
            return CategoricalTable(outputs.logits.log_softmax(1), outputs.rows)
        assert isinstance(self.action_dist, UncheckedCategorical)
        return self.action_dist.proba_distribution(outputs.logits)

    def _parameter_version(self) -> int:
        """Changes with every change of a parameter in place, as optimizers make it."""
        return sum(parameter._version for group in self.optimizer.param_groups for parameter in group["params"])

    def _extract(self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor) -> Tensor:
        if self._distinct is not None and isinstance(obs, Tensor) and len(obs) >= MIN_DISTINCT_ROWS:
            found = self._distinct.of(obs)
            if found is not None:
                return self._run(found[0], features_extractor).index_select(0, found[1])
        return self._run(obs, features_extractor)

    def _run(self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor) -> Tensor:
        if getattr(features_extractor, "takes_raw_observations", False):
            raw: Tensor = features_extractor(obs)
            return raw
        # Past ActorCriticPolicy's own, which would warn about the extractor we name.
        return super(ActorCriticPolicy, self).extract_features(obs, features_extractor)

    def _build(self, lr_schedule: Schedule) -> None:
        if type(self.action_dist) is CategoricalDistribution:
            self.action_dist = UncheckedCategorical(self.action_dist.action_dim)
        super()._build(lr_schedule)
        gains: dict[nn.Module, float] = {
            self.mlp_extractor: sqrt(2.0),
            self.action_net: ACTION_GAIN,
            self.value_net: VALUE_GAIN,
        }
        for module, gain in gains.items():
            module.apply(partial(self.init_weights, gain=gain))
        self.check_budget()

    def _get_constructor_parameters(self) -> dict[str, Any]:
        parameters = super()._get_constructor_parameters()
        del parameters["ortho_init"]
        return parameters | {
            "max_parameters": self.max_parameters,
            "distinct_observations": self.distinct_observations,
        }


def _at(values: Tensor, rows: Tensor | None) -> Tensor:
    """The values of these rows, or all."""
    return values if rows is None else values.index_select(0, rows)
