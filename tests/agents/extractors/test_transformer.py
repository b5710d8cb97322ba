from __future__ import annotations

import pytest
import torch
from gymnasium import spaces

from wmil_agents.extractors.tokenize import without_absent
from wmil_agents.extractors.transformer import TransformerExtractor, masked_mean
from wmil_agents.networks.transformer import Transformer
from wmil_envs.attribute import Attribute, AttributeSpace

ATTRIBUTES = (Attribute("symbol", 4), Attribute("last_action", 5, optional=True), Attribute("shape", 3))
SPACE = AttributeSpace(ATTRIBUTES)
SET = spaces.Dict({"pellets": spaces.Box(-1, 1, (5, 3)), "pellets_mask": spaces.MultiBinary(5)})
READOUTS = ("mean", "query", "max", "concat")


def extractor(space: spaces.Space = SPACE, readout: str = "mean") -> TransformerExtractor:
    torch.manual_seed(0)
    return TransformerExtractor(space, width=16, n_layers=2, n_heads=4, readout=readout)


def entities(n_rows: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(n_rows, 5)
    mask[:, 2] = 0
    return {"pellets": torch.randn(n_rows, 5, 3, generator=generator), "pellets_mask": mask}


@pytest.mark.parametrize("readout", READOUTS)
def test_an_absent_attribute_can_influence_nothing(readout: str) -> None:
    network, obs = extractor(readout=readout), torch.tensor([[1, 0, 2], [3, 0, 0]])
    before = network(obs)
    with torch.no_grad():
        network.tokenizer.table.weight[4] = 1e3  # the row of last_action = 0, "none"
    assert torch.equal(before, network(obs))
    assert not torch.equal(before, network(obs + torch.tensor([0, 1, 0])))


@pytest.mark.parametrize("readout", READOUTS)
def test_an_absent_entity_can_influence_nothing(readout: str) -> None:
    network, obs = extractor(SET, readout), entities()
    before = network(obs)
    obs["pellets"][:, 2] = 1e6
    assert torch.equal(before, network(obs))


@pytest.mark.parametrize("readout", READOUTS)
def test_features_depend_on_every_attribute_that_is_present(readout: str) -> None:
    network = extractor(readout=readout)
    before = network(torch.tensor([[1, 2, 2]]))
    for other in ([0, 2, 2], [1, 3, 2], [1, 2, 1]):
        assert not torch.allclose(before, network(torch.tensor([other])))


@pytest.mark.parametrize("readout", READOUTS)
def test_permuting_attributes_with_their_rows_changes_no_feature(readout: str) -> None:
    network, order = extractor(readout=readout), [2, 0, 1]
    permuted = extractor(AttributeSpace([ATTRIBUTES[i] for i in order]), readout)
    state = network.state_dict()
    tables = state["tokenizer.table.weight"].split([attribute.n_values for attribute in ATTRIBUTES])
    permuted.load_state_dict(state | {"tokenizer.table.weight": torch.cat([tables[i] for i in order])})
    obs = torch.tensor([[1, 0, 2], [3, 4, 0]])
    torch.testing.assert_close(network(obs), permuted(obs[:, order]))


def test_permuting_a_set_changes_no_feature() -> None:
    network, obs, order = extractor(SET), entities(), torch.tensor([4, 2, 0, 1, 3])
    permuted = {name: rows[:, order] for name, rows in obs.items()}
    torch.testing.assert_close(network(obs), network(permuted))


@pytest.mark.parametrize("readout", READOUTS)
def test_a_row_without_any_entity_has_finite_features_and_gradients(readout: str) -> None:
    network, obs = extractor(SET, readout), entities()
    obs["pellets_mask"][0] = 0
    features = network(obs)
    assert torch.isfinite(features).all()
    features.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("readout", READOUTS)
def test_every_parameter_has_a_gradient(readout: str) -> None:
    network = extractor(readout=readout)
    features = network(torch.tensor([[1, 0, 2], [3, 4, 0], [0, 1, 1], [2, 2, 2]]))
    assert features.shape == (4, network.features_dim)
    (features.square() * torch.randn_like(features)).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_even_one_attribute_is_two_tokens() -> None:
    assert extractor(spaces.Discrete(3)).attention_weights(torch.tensor([1])).shape == (2, 1, 4, 2, 2)


def test_a_recurrent_policy_takes_the_extractor() -> None:
    contrib = pytest.importorskip("sb3_contrib")
    kwargs = {"features_extractor_class": TransformerExtractor, "net_arch": []}
    model = contrib.RecurrentPPO(
        "MlpLstmPolicy",
        "wmil_envs:WMIL/PatternEcho-v0",
        n_steps=16,
        batch_size=8,
        n_epochs=1,
        device="cpu",
        policy_kwargs=kwargs,
    )
    before = model.policy.features_extractor.query.clone()
    model.learn(16)
    assert not torch.equal(before, model.policy.features_extractor.query)


def test_the_masked_mean_is_the_mean_of_what_is_present() -> None:
    tokens = torch.tensor([[[1.0], [5.0], [9.0]], [[1.0], [2.0], [3.0]]])
    present = torch.tensor([[True, False, True], [False, False, False]])
    assert masked_mean(tokens, present).tolist() == [[5.0], [0.0]]


def test_an_unknown_readout_is_refused() -> None:
    with pytest.raises(ValueError, match="mean, query, max, concat, not 'last'"):
        extractor(readout="last")


@pytest.mark.parametrize("gone", [[3], [1], [2, 3], [1, 3]])
def test_columns_that_no_row_has_are_left_out_and_change_nothing(gone: list[int]) -> None:
    torch.manual_seed(0)
    transformer = Transformer(16, 2, 2)
    tokens, present = torch.randn(5, 4, 16), torch.ones(5, 4, dtype=torch.bool)
    present[:, gone] = False
    kept = [column for column in range(4) if column not in gone]
    fewer, without_gap = without_absent(tokens, present)
    assert without_gap is None
    assert torch.equal(fewer, tokens[:, kept])
    expected = transformer(tokens, present)[:, kept]
    torch.testing.assert_close(transformer(fewer, without_gap), expected, atol=1e-6, rtol=1e-5)


def test_columns_that_some_row_has_stay_and_so_does_everything_where_no_row_has_anything() -> None:
    tokens, present = torch.randn(2, 3, 16), torch.tensor([[True, True, False], [True, False, True]])
    fewer, still = without_absent(tokens, present)
    assert fewer is tokens
    assert still is present
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    fewer, still = without_absent(tokens, nothing)
    assert fewer is tokens
    assert still is nothing
