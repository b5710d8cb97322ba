from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO
from torch import nn

from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.surgeons import HeadReadings, Patient
from wmil_agents.surgery import HeadGain, SurgicalTheater, Temperature

FIRST, SECOND = (f"features_extractor.transformer.blocks.{layer}.attention" for layer in (0, 1))


def read(patient: Patient) -> dict[str, float]:
    readings = HeadReadings(patient.model)
    return dict(zip(readings.names, readings.read(patient.search.observations).tolist(), strict=True))


def test_every_head_has_an_entropy_and_an_output(patient: Patient) -> None:
    readings = HeadReadings(patient.model)
    assert readings.names[:4] == [f"{place}.heads.{head}.entropy" for place in (FIRST, SECOND) for head in (0, 1)]
    assert readings.names[4:] == [f"{place}.heads.{head}.log_rms" for place in (FIRST, SECOND) for head in (0, 1)]
    values = readings.read(patient.search.observations)
    assert values.dtype == np.float32
    assert values.shape == (8,)
    assert ((values[:4] > 0.0) & (values[:4] < 1.0)).all()


def test_the_entropy_is_that_of_the_attention_weights(patient: Patient) -> None:
    rows = torch.as_tensor(patient.search.observations)
    with torch.no_grad():
        weights = patient.model.features_extractor.attention_weights(rows)  # (layers, B, heads, queries, keys)
    n_tokens = int((weights[0, 0, 0, 0] > 0).sum())  # columns that are absent everywhere have no weight
    assert n_tokens < weights.shape[-1]
    present = (weights[0, 0, 0, 0] > 0).nonzero()[:, 0]
    entropies = torch.special.entr(weights).sum(-1)[..., present] / math.log(n_tokens)
    # The last block is asked for the attribute tokens alone, not for the query token.
    expected = [*entropies[0].mean((0, 2)), *entropies[1][..., 1:].mean((0, 2))]
    np.testing.assert_allclose(list(read(patient).values())[:4], np.array(expected), rtol=1e-5)


@pytest.mark.parametrize("head", [0, 1])
def test_a_value_gain_is_read_at_its_own_head_and_nowhere_else_in_its_layer(patient: Patient, head: int) -> None:
    before = read(patient)
    with SurgicalTheater(patient.model, HeadGain(FIRST, 0.5, head=head)):
        after = read(patient)
    changes = {name: after[name] - before[name] for name in before}
    assert changes[f"{FIRST}.heads.{head}.log_rms"] == pytest.approx(0.5, abs=1e-5)
    assert changes[f"{FIRST}.heads.{1 - head}.log_rms"] == pytest.approx(0.0, abs=1e-6)
    assert changes[f"{FIRST}.heads.{head}.entropy"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("place", [FIRST, SECOND])
def test_sharper_attention_is_read_as_less_entropy_of_its_own_head(patient: Patient, place: str) -> None:
    before = read(patient)
    with SurgicalTheater(patient.model, Temperature(place, 2.0, head=1)):
        after = read(patient)
    assert after[f"{place}.heads.1.entropy"] < before[f"{place}.heads.1.entropy"] - 0.01
    assert after[f"{place}.heads.0.entropy"] == pytest.approx(before[f"{place}.heads.0.entropy"], abs=1e-6)


def test_uniform_attention_reads_one_and_a_silent_head_a_finite_number(patient: Patient) -> None:
    edits = [Temperature("*", -30.0), HeadGain(FIRST, -60.0, head=0)]
    with SurgicalTheater(patient.model, edits):
        values = read(patient)
    assert all(
        values[f"{place}.heads.{head}.entropy"] == pytest.approx(1.0) for place in (FIRST, SECOND) for head in (0, 1)
    )
    assert values[f"{FIRST}.heads.0.log_rms"] == pytest.approx(math.log(1e-8), abs=1e-3)


def test_nothing_watches_afterwards_and_nothing_has_changed(patient: Patient) -> None:
    model = patient.model.train()
    model.features_extractor.eval()
    flags = [part.training for part in model.modules()]
    readings = HeadReadings(model)
    readings.read(patient.search.observations)

    def stop(*_: object) -> None:
        raise ZeroDivisionError

    handle = model.action_net.register_forward_pre_hook(stop)
    with pytest.raises(ZeroDivisionError):
        readings.read(patient.search.observations)
    handle.remove()
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert [part.training for part in model.modules()] == flags
    assert torch.backends.mha.get_fastpath_enabled()


def test_recording_reads_the_forwards_of_others(patient: Patient) -> None:
    readings = HeadReadings(patient.model)
    alone = readings.read(patient.search.observations)
    with readings.recording():
        patient.search(patient.model)
    assert (readings.recorded() == alone).all()
    half = len(patient.search.observations) // 2
    with readings.recording(), torch.no_grad():
        for rows in (patient.search.observations[:half], patient.search.observations[half:]):
            patient.model.get_distribution(torch.as_tensor(rows))
    np.testing.assert_allclose(readings.recorded(), alone, rtol=1e-4)


def test_absent_tokens_are_left_out() -> None:
    space = gym.make("wmil_envs:WMIL/PatternEcho-v0").observation_space
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = TransformerPolicy(space, gym.spaces.Discrete(8), lambda _: 1e-3)
    some = np.array([[3, 0, 0], [4, 0, 0]], dtype=np.int32)
    with_one_full = np.array([[3, 0, 0], [4, 0, 0], [5, 2, 1]], dtype=np.int32)  # so that no column can be dropped
    readings = HeadReadings(policy)
    mixed, alone = readings.read(with_one_full), readings.read(some)
    full = readings.read(with_one_full[2:])
    queries = np.array([2, 2, 4])  # tokens that are present in each row, the query token included
    entropy = (alone[:4] * queries[:2].sum() + full[:4] * queries[2]) / queries.sum()
    np.testing.assert_allclose(mixed[:4], entropy, rtol=1e-5)


def test_any_policy_of_stable_baselines_with_our_transformer_is_read() -> None:
    kwargs = {
        "features_extractor_class": TransformerExtractor,
        "features_extractor_kwargs": {"width": 16, "n_layers": 1, "n_heads": 2},
    }
    dqn = DQN("MlpPolicy", "CartPole-v1", policy_kwargs=kwargs, device="cpu")
    ppo = PPO("MlpPolicy", "CartPole-v1", policy_kwargs=kwargs | {"share_features_extractor": False}, device="cpu")
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    of_dqn, of_ppo = HeadReadings(dqn), HeadReadings(ppo)
    named = dict(zip(of_dqn.names, of_dqn.read(rows), strict=True))
    assert all((value != 0.0) == name.startswith("q_net.") for name, value in named.items()), "the target is not run"
    named = dict(zip(of_ppo.names, of_ppo.read(rows), strict=True))
    assert any(value == 0.0 for name, value in named.items() if name.startswith("vf_"))
    assert all(value != 0.0 for name, value in named.items() if name.startswith(("pi_", "features_extractor")))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masks", ["none", "padding", "causal", "both"])
def test_torch_heads_read_as_their_weights_say(batch_first: bool, masks: str) -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
    x = torch.randn(3, 5, 8)
    given = {}
    if masks in ("padding", "both"):
        given["key_padding_mask"] = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 4 + [True]])
    if masks in ("causal", "both"):
        given["attn_mask"] = nn.Transformer.generate_square_subsequent_mask(5)
        if masks == "both":
            given["attn_mask"] = given["attn_mask"] == -math.inf
    readings = HeadReadings(attention)
    assert readings.names == ["heads.0.entropy", "heads.1.entropy", "heads.0.log_rms", "heads.1.log_rms"]
    rows = x if batch_first else x.transpose(0, 1)
    with readings.recording(), torch.no_grad():
        _, weights = attention(rows, rows, rows, average_attn_weights=False, **given)
    entropy = torch.special.entr(weights).sum(-1)
    n_keys = (weights > 0).sum(-1).clamp_min(2)
    value = (x @ attention.in_proj_weight[16:].T + attention.in_proj_bias[16:]).unflatten(-1, (2, 4)).transpose(1, 2)
    rms = (weights @ value).detach().square().mean((0, 2, 3)).sqrt().log()
    np.testing.assert_allclose(readings.recorded()[:2], (entropy / n_keys.log()).mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(readings.recorded()[2:], rms, rtol=1e-4)


def test_torch_heads_with_other_shapes_are_read() -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=4, bias=False, batch_first=True)
    readings = HeadReadings(attention)
    with readings.recording(), torch.no_grad():
        attention(torch.randn(2, 3, 8), torch.randn(2, 5, 6), torch.randn(2, 5, 4))
    with_sizes = readings.recorded()
    assert np.isfinite(with_sizes).all()
    assert (with_sizes[:2] > 0).all()
    with readings.recording(), torch.no_grad():
        attention(torch.randn(3, 8), torch.randn(5, 6), torch.randn(5, 4))
    assert (readings.recorded()[:2] > 0).all()


def test_the_layers_of_torch_are_read_in_evaluation_mode_too() -> None:
    torch.manual_seed(0)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    readings = HeadReadings(encoder)
    values = readings.read(np.random.default_rng(0).normal(size=(3, 5, 8)).astype(np.float32))
    assert len(values) == 8
    assert ((values[:4] > 0) & (values[:4] <= 1)).all()
    with readings.recording(), torch.no_grad():
        encoder(torch.randn(2, 4, 8), src_key_padding_mask=torch.tensor([[False] * 4, [False, False, True, True]]))
    assert (readings.recorded()[:4] > 0).all()


def test_models_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ValueError, match="Linear has no attention heads that could be read"):
        HeadReadings(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="add_zero_attn cannot be read"):
        HeadReadings(nn.MultiheadAttention(8, 2, add_zero_attn=True))
