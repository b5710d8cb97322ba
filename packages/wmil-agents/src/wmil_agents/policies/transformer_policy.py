"""An actor-critic policy on a transformer, for Stable-Baselines3's on-policy algorithms."""

from __future__ import annotations

from collections.abc import Iterator
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
from wmil_agents.policies.module_list import modules_of, set_training
from wmil_agents.policies.unchecked_categorical import UncheckedCategorical

ACTION_GAIN = 0.01
VALUE_GAIN = 1.0
DEFAULT_MAX_PARAMETERS = 1_000_000


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
        modules = modules_of(self) if recurse else [self]
        listed = (parameter for module in modules for parameter in module._parameters.values() if parameter is not None)
        return iter(dict.fromkeys(listed))

    def set_training_mode(self, mode: bool) -> None:
        """As ever, but quickly: an algorithm sets it twice an update."""
        set_training(self, mode)

    def check_budget(self, n_more: int = 0) -> None:
        """Raises a `ValueError` if the policy, with so many parameters more, has more than `max_parameters`."""
        n_parameters = self.n_parameters + n_more
        if self.max_parameters is not None and n_parameters > self.max_parameters:
            raise ValueError(
                f"this policy has {n_parameters:,} parameters, more than max_parameters={self.max_parameters:,}: "
                "make it narrower or shallower, or pass max_parameters=None"
            )

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

    def _extract(self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor) -> Tensor:
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
        return parameters | {"max_parameters": self.max_parameters}
