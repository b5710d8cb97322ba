from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.torch_layers import FlattenExtractor

from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

MakeEnv = Callable[..., BatchVecEnv]
SPACE = spaces.MultiDiscrete([8, 9, 3])


def policy(
    space: spaces.Space[Any] = SPACE, actions: spaces.Space[Any] | None = None, **kwargs: Any
) -> TransformerPolicy:
    torch.manual_seed(0)
    return TransformerPolicy(space, actions or spaces.Discrete(8), lambda _: 1e-3, **kwargs)


def observations(n_rows: int = 16) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(0).integers(SPACE.nvec, size=(n_rows, 3)))


def test_the_default_policy_is_two_layers_of_64_within_its_budget() -> None:
    network = policy()
    assert network.n_parameters == sum(p.numel() for p in network.parameters()) < 110_000
    assert network.features_dim == 64


def test_a_policy_over_its_budget_is_refused_with_the_count() -> None:
    wide = {"features_extractor_kwargs": {"width": 256, "n_layers": 4}}
    with pytest.raises(ValueError, match=r"has 3,1\d\d,\d{3} parameters, more than max_parameters=1,000,000"):
        policy(**wide)
    assert policy(**wide, max_parameters=None).n_parameters > 3_000_000


def test_the_first_policy_is_almost_uniform() -> None:
    with torch.no_grad():
        probabilities = policy().get_distribution(observations()).distribution.probs
    assert float((probabilities - 1 / 8).abs().max()) < 0.01


def test_the_transformer_keeps_its_own_initialisation() -> None:
    torch.manual_seed(0)
    alone = TransformerExtractor(SPACE).state_dict()
    inside = policy().features_extractor.state_dict()
    assert all(torch.equal(alone[name], inside[name]) for name in alone)
    with pytest.raises(ValueError, match="would overwrite its transformer"):
        policy(ortho_init=True)


def test_observations_need_no_preprocessing() -> None:
    network, obs = policy(), observations()
    raw = network.extract_features(obs)
    assert torch.equal(raw, network.features_extractor(preprocess_obs(obs, SPACE)))


def test_adam_is_fused_with_the_eps_of_stable_baselines3() -> None:
    assert policy().optimizer.defaults["fused"] is True
    assert policy().optimizer.defaults["eps"] == 1e-5
    assert policy(optimizer_class=torch.optim.SGD).optimizer.defaults["momentum"] == 0


@pytest.mark.parametrize("share", [True, False])
def test_forward_evaluation_and_prediction_agree(share: bool) -> None:
    network, obs = policy(share_features_extractor=share), observations()
    with torch.no_grad():
        actions, values, log_prob = network(obs)
        again, log_prob_again, entropy = network.evaluate_actions(obs, actions)
        torch.testing.assert_close(values, again)
        torch.testing.assert_close(values, network.predict_values(obs))
        torch.testing.assert_close(log_prob, log_prob_again)
        torch.testing.assert_close(log_prob, network.get_distribution(obs).log_prob(actions))
    assert entropy is not None


def test_a_value_head_of_zeros_is_not_run_and_gives_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    network = policy()
    for parameter in network.value_net.parameters():
        torch.nn.init.zeros_(parameter)
    monkeypatch.setattr(network.vf_features_extractor, "forward", None)
    assert torch.equal(network.predict_values(observations()), torch.zeros(16, 1))
    torch.nn.init.ones_(network.value_net.bias)
    with pytest.raises(TypeError):
        network.predict_values(observations())


def test_another_extractor_gets_preprocessed_observations() -> None:
    network = policy(features_extractor_class=FlattenExtractor, net_arch=[16])
    assert network(observations())[0].shape == (16,)


def test_a_saved_policy_is_loaded_as_it_was(tmp_path: Path) -> None:
    network = policy(features_extractor_kwargs={"width": 32}, max_parameters=50_000)
    network.save(str(tmp_path / "policy.pt"))
    loaded = TransformerPolicy.load(str(tmp_path / "policy.pt"), device="cpu")
    assert loaded.max_parameters == 50_000
    assert torch.equal(network.extract_features(observations()), loaded.extract_features(observations()))


@pytest.mark.parametrize(
    "space",
    [spaces.Box(-1, 1, (3,)), spaces.Dict({"a": spaces.Box(-1, 1, (4, 2)), "a_mask": spaces.MultiBinary(4)})],
    ids=["box", "dict"],
)
@pytest.mark.parametrize("actions", [spaces.Box(-1, 1, (2,)), spaces.MultiDiscrete([2, 3])], ids=["box", "multi"])
def test_other_spaces_work_too(space: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
    network = policy(space, actions)
    action, _ = network.predict(space.sample())
    assert actions.contains(action.astype(actions.dtype))


@pytest.mark.parametrize(
    ("algorithm", "kwargs"), [(PPO, {"n_steps": 12, "batch_size": 48, "n_epochs": 1}), (A2C, {"n_steps": 6})]
)
def test_every_parameter_has_a_gradient_in_stock_algorithms(
    make_env: MakeEnv, algorithm: type[PPO | A2C], kwargs: dict[str, Any]
) -> None:
    model = algorithm(TransformerPolicy, make_env(horizon=3), seed=0, device="cpu", **kwargs)
    model.learn(model.n_steps * 8)
    assert [name for name, p in model.policy.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("algorithm", [DQN, RecurrentPPO])
def test_algorithms_with_another_kind_of_policy_are_told_what_to_do(algorithm: Any, make_env: MakeEnv) -> None:
    with pytest.raises(AttributeError, match=r'give another algorithm its own policy, such as "MlpPolicy"'):
        algorithm(TransformerPolicy, make_env(), device="cpu").learn(8)
