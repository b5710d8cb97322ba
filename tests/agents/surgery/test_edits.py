from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wmil_agents.networks.transformer import Transformer
from wmil_agents.surgery import (
    Add,
    Custom,
    Edit,
    Gains,
    HeadGain,
    HeadMask,
    LayerNormGain,
    LowRank,
    Noise,
    Scale,
    SurgicalTheater,
    Temperature,
    edit_from_dict,
)
from wmil_agents.surgery.edits.table import EDITS

Bits = Callable[[nn.Module], dict[str, bytes]]
ALL: list[Edit] = [
    Scale("blocks.0", 0.5),
    Add("blocks.*.weight", 0.5, direction=0.1),
    LowRank("blocks.0.mlp_in.weight", 0.5, rank=3),
    HeadGain("*", 0.5, head=1),
    HeadMask("*", 1.0),
    LayerNormGain("*", 0.5),
    Temperature("*", 0.5),
    Gains("*", 0.5),
    Noise("blocks.1", 0.5, seed=3),
    Custom("norm", 0.5, lambda values, strength: values.sin() * strength),
]


def by_kind(edit: Edit) -> str:
    return edit.kind


def edited(matrix: Tensor, edit: Edit) -> Tensor:
    """The weight of a linear layer while an edit is made."""
    model = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, dtype=matrix.dtype)
    with torch.no_grad():
        model.weight.copy_(matrix)
    with SurgicalTheater(model, edit):
        return model.weight.detach().clone()


def test_no_kind_is_forgotten_here() -> None:
    assert {edit.kind for edit in ALL} == {*EDITS, "custom"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("edit", ALL, ids=by_kind)
def test_a_strength_of_0_changes_no_bit(transformer: Transformer, bits: Bits, edit: Edit, dtype: torch.dtype) -> None:
    transformer.to(dtype)
    before = bits(transformer)
    with SurgicalTheater(transformer, replace(edit, strength=0.0)) as theater:
        assert bits(transformer) == before
        if theater.n_strengths > 1:
            theater.operate([0.0] * (theater.n_strengths - 1) + [0.5])
            assert bits(transformer) != before
            theater.operate([-0.0] * theater.n_strengths)
            assert bits(transformer) == before
    if edit.kind not in {"low_rank", "custom"}:
        with SurgicalTheater(transformer, edit):
            assert bits(transformer) != before
    assert bits(transformer) == before


def test_a_strength_of_0_keeps_subnormal_numbers_where_arithmetic_loses_them(
    transformer: Transformer, bits: Bits
) -> None:
    before = bits(transformer)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor does not flush subnormal numbers")
    try:
        with SurgicalTheater(transformer, [Gains("*", (0.0,) * 15 + (0.1,)), Scale("blocks", 0.0)]):
            now = bits(transformer)
    finally:
        torch.set_flush_denormal(False)
    assert {name for name in now if now[name] != before[name]} == {
        f"blocks.1.attention.qkv.{n}" for n in ("weight", "bias")
    }
    first = now["blocks.0.attention.qkv.weight"]
    assert torch.frombuffer(bytearray(first), dtype=torch.int32)[1] != 0


@pytest.mark.parametrize("edit", ALL[:-1], ids=by_kind)
def test_an_edit_comes_back_from_json(edit: Edit) -> None:
    assert edit_from_dict(json.loads(json.dumps(edit.to_dict()))) == edit


def test_several_strengths_and_a_tensor_come_back_from_json() -> None:
    for edit in (Gains("*", torch.arange(3.0)), Add("weight", 1.0, direction=torch.randn(2, 3))):
        again = edit_from_dict(json.loads(json.dumps(edit.to_dict())))
        assert again == edit
        assert hash(again) == hash(edit)


def test_a_function_is_no_plain_data() -> None:
    with pytest.raises(TypeError, match="holds a function, which is no plain data"):
        ALL[-1].to_dict()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "custom", "target": "x"}, "kind must be one of scale, add"),
        ({"kind": "scale", "target": "x"}, "scale is not complete"),
        ({"kind": "scale", "target": "x", "strength": 1.0, "seed": 1}, "scale has no seed: it takes strength, target"),
        ({"kind": "scale", "target": "x", "strength": "1"}, "must be a finite number"),
        ({"kind": "scale", "target": "x", "strength": [0.1, math.nan]}, "must be a finite number"),
        ({"kind": "low_rank", "target": "x", "strength": 1.0, "rank": 0}, "rank must be at least 1"),
        ({"kind": "head_gain", "target": "x", "strength": 1.0, "at": "key"}, "at its value or out, not at 'key'"),
    ],
)
def test_data_that_is_no_edit_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        edit_from_dict(data)


def test_numbers_of_scale_add_and_gain() -> None:
    matrix = torch.tensor([[1.0, -2.0], [4.0, 8.0]])
    assert torch.equal(edited(matrix, Scale("weight[0]", 0.5)), torch.tensor([[1.5, -3.0], [4.0, 8.0]]))
    assert torch.equal(edited(matrix, Scale("weight", -1.0)), torch.zeros(2, 2))
    assert torch.equal(edited(matrix, Add("weight[:, 1]", 2.0)), torch.tensor([[1.0, 0.0], [4.0, 10.0]]))
    direction = torch.tensor([[1.0, 2.0]])
    assert torch.equal(edited(matrix, Add("weight", 0.5, direction)), matrix + 0.5 * direction)


def test_what_is_masked_is_0_whatever_it_was() -> None:
    matrix = torch.tensor([[torch.inf, torch.nan], [1.0, 2.0]])
    assert torch.equal(edited(matrix, Scale("weight", -1.0)), torch.zeros(2, 2))


def test_a_low_rank_edit_scales_the_leading_singular_values() -> None:
    matrix = torch.randn(6, 4, dtype=torch.float64)
    values = torch.linalg.svdvals(matrix)
    changed = torch.linalg.svdvals(edited(matrix, LowRank("weight", (0.5, -0.1), rank=2)))
    torch.testing.assert_close(changed, values * torch.tensor([1.5, 0.9, 1.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(edited(matrix, LowRank("weight", -1.0, rank=4)), torch.zeros_like(matrix))


def test_the_directions_are_those_of_the_weights_that_are_found() -> None:
    model = nn.Linear(4, 4, bias=False)
    theater = SurgicalTheater(model, LowRank("weight", -1.0, rank=4))
    for _ in range(2):
        with torch.no_grad():
            model.weight.normal_()  # as when the model has learnt in between
        with theater:
            torch.testing.assert_close(model.weight.detach(), torch.zeros(4, 4), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (LowRank("blocks.0.mlp_in.bias", 1.0), "low-rank edits are of matrices, and blocks.0.mlp_in.bias has none"),
        (LowRank("blocks.0.mlp_in.weight[0:2]", 1.0, rank=3), "has 2 singular values, fewer than 3"),
        (
            Add("blocks.0.mlp_in", 1.0, (1.0, 2.0)),
            r"a direction of shape \(2,\) does not spread over 'blocks.0.mlp_in'",
        ),
    ],
)
def test_an_edit_that_cannot_be_made_is_refused(transformer: Transformer, edit: Edit, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SurgicalTheater(transformer, edit).prepare()


@pytest.mark.parametrize("returned", [torch.zeros(3), 1.0])
def test_a_function_must_return_as_much_as_it_got(returned: Any) -> None:
    with pytest.raises(ValueError, match=r"must return a tensor of \(2, 2\), not "):
        edited(torch.eye(2), Custom("weight", 1.0, lambda values, strength: returned))


def test_noise_is_that_of_its_seed() -> None:
    matrix = torch.randn(200, 100)
    noise = [edited(matrix, Noise("weight", 0.1, seed)) - matrix for seed in (0, 0, 1)]
    assert torch.equal(noise[0], noise[1])
    assert noise[0].flatten() @ noise[2].flatten() / noise[0].norm() ** 2 < 0.05
    torch.testing.assert_close(noise[0].std(), 0.1 * matrix.square().mean().sqrt(), rtol=0.05, atol=0.0)


def test_no_global_generator_is_asked_for_noise() -> None:
    model = nn.Linear(2, 2)
    before = torch.get_rng_state()
    with SurgicalTheater(model, Noise("weight", 0.1)):
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_all_gains_at_once_are_those_made_one_by_one(transformer: Transformer, bits: Bits, dtype: torch.dtype) -> None:
    transformer.to(dtype)
    strengths = torch.linspace(-0.5, 0.5, 16).tolist()
    one_by_one = [
        make(f"blocks.{layer}.attention", strengths[8 * half + 4 * layer + head], head)
        for half, make in enumerate((Temperature, HeadGain))
        for layer in range(2)
        for head in range(4)
    ]
    with SurgicalTheater(transformer, Gains("*", strengths)) as together:
        at_once = bits(transformer)
    with SurgicalTheater(transformer, one_by_one) as apart:
        assert bits(transformer) == at_once
        assert apart.bytes_saved == together.bytes_saved
    with SurgicalTheater(transformer, [Temperature("*", strengths[:8]), HeadGain("*", strengths[8:])]):
        assert bits(transformer) == at_once


def test_the_gain_of_a_layer_norm_leaves_its_bias() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.RMSNorm(4))
    nn.init.ones_(model[1].bias)
    with SurgicalTheater(model, LayerNormGain("*", 0.5)):
        assert torch.equal(model[1].weight, torch.full((4,), math.exp(0.5)))
        assert torch.equal(model[2].weight, torch.full((4,), math.exp(0.5)))
        assert torch.equal(model[1].bias, torch.ones(4))
