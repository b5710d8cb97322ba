from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from stable_baselines3 import PPO, SAC
from torch import Tensor, nn

from wmil_agents.networks.transformer import SelfAttention, Transformer
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.surgery import HeadGain, HeadMask, LayerNormGain, Scale, SurgicalTheater, Temperature, targets
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

WIDTH, N_HEADS = 16, 4


def attention_modules() -> dict[str, tuple[nn.Module, Callable[[Any, Tensor], tuple[Tensor, Tensor]]]]:
    """Attention of each kind, with a function that gives its weights (B, heads, n, n) and its output."""

    def ours(module: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        return module.weights(x, None), module(x, None)

    def torchs(module: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        output, weights = module(x, x, x, average_attn_weights=False)
        return weights, output

    def separate(module: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        output, weights = module(x, x[..., :8], x[..., 8:], average_attn_weights=False)
        return weights, output

    torch.manual_seed(0)
    packed = nn.MultiheadAttention(WIDTH, N_HEADS, batch_first=True)
    apart = nn.MultiheadAttention(WIDTH, N_HEADS, batch_first=True, kdim=8, vdim=8)
    for module in (packed, apart):
        nn.init.normal_(module.in_proj_bias)
    return {
        "ours": (SelfAttention(WIDTH, N_HEADS), ours),
        "packed": (packed, torchs),
        "separate": (apart, separate),
        "without biases": (nn.MultiheadAttention(WIDTH, N_HEADS, bias=False, batch_first=True), torchs),
    }


@pytest.fixture(params=["ours", "packed", "separate", "without biases"])
def attention(request: pytest.FixtureRequest) -> tuple[nn.Module, Callable[[Any, Tensor], tuple[Tensor, Tensor]]]:
    return attention_modules()[request.param]


def test_a_temperature_sharpens_the_attention_of_its_head_alone(attention: Any) -> None:
    module, run = attention
    x = torch.randn(3, 5, WIDTH)
    before, _ = run(module, x)
    with SurgicalTheater(module, Temperature("", 0.7, head=2)):
        after, _ = run(module, x)
    expected = before.clone()
    expected[:, 2] = (math.exp(0.7) * before[:, 2].log()).softmax(-1)
    torch.testing.assert_close(after, expected)
    assert not torch.allclose(after, before)


@pytest.mark.parametrize("at", ["value", "out"])
def test_a_gain_of_all_heads_scales_what_attention_puts_out(attention: Any, at: Any) -> None:
    module, run = attention
    out = module.out if isinstance(module, SelfAttention) else module.out_proj
    if out.bias is not None:
        nn.init.zeros_(out.bias)
    x = torch.randn(3, 5, WIDTH)
    weights, before = run(module, x)
    with SurgicalTheater(module, HeadGain("*", 0.3, at=at)):
        same_weights, after = run(module, x)
    torch.testing.assert_close(after, math.exp(0.3) * before)
    torch.testing.assert_close(same_weights, weights)


def test_masked_heads_and_the_others_add_up_to_the_whole(attention: Any) -> None:
    module, run = attention
    out = module.out if isinstance(module, SelfAttention) else module.out_proj
    if out.bias is not None:
        nn.init.zeros_(out.bias)
    x = torch.randn(3, 5, WIDTH)
    _, whole = run(module, x)
    with SurgicalTheater(module, HeadMask("*", head=1)):
        _, without_one = run(module, x)
    with SurgicalTheater(module, HeadMask("*", (1.0, 0.0, 1.0, 1.0))):
        _, one = run(module, x)
    torch.testing.assert_close(one + without_one, whole)
    assert one.abs().max() > 1e-3


def test_a_head_has_its_rows_and_columns(transformer: Transformer) -> None:
    found = targets(transformer)
    name = "blocks.1.attention.heads.2"
    assert [str(region) for region in found[f"{name}.key"].regions] == [
        "blocks.1.attention.qkv.weight[24:28, 0:16]",
        "blocks.1.attention.qkv.bias[24:28]",
    ]
    assert [str(region) for region in found[f"{name}.out"].regions] == ["blocks.1.attention.out.weight[0:16, 8:12]"]
    assert found[f"{name}.key"].n_elements == 4 * 16 + 4
    assert found["blocks.1.attention"].n_elements == 4 * 16 * 16 + 4 * 16
    assert found["blocks.0.mlp_norm.weight"].kind == "norm"


def test_torchs_encoder_layer_is_known() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(WIDTH, N_HEADS, batch_first=True), 2)
    found = targets(model)
    assert found["layers.1.self_attn.heads.3.value"].n_elements == 4 * 16 + 4
    assert found["layers.0.norm2.weight"].kind == "norm"
    assert found["layers.0.linear1"].kind == "module"
    model.eval()
    x = torch.randn(2, 3, WIDTH)
    with torch.no_grad():
        before = model(x)
        with SurgicalTheater(model, Temperature("layers.0.self_attn", 1.0)):
            assert not torch.allclose(model(x), before)
        assert torch.equal(model(x), before)


def test_an_algorithm_stands_for_its_policy(make_env: Callable[..., BatchVecEnv]) -> None:
    model = PPO(TransformerPolicy, make_env(), device="cpu", n_steps=8)
    name = "features_extractor.transformer.blocks.0.attention.heads.0.query"
    assert targets(model).keys() == targets(model.policy).keys()
    other_name = name.replace("features_extractor", "pi_features_extractor")  # another name of the same module
    theater = SurgicalTheater(model, [Scale(name, 0.1), Scale(other_name, 0.1)])
    weight = model.policy.get_parameter("features_extractor.transformer.blocks.0.attention.qkv.weight")
    before = weight.detach().clone()
    with theater:
        torch.testing.assert_close(weight[:16], 1.1 * before[:16])
    assert "actor.latent_pi.0.weight" in targets(SAC("MlpPolicy", "Pendulum-v1", device="cpu", buffer_size=10))


def test_what_has_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match="needs a torch module or an algorithm that has a policy, not dict"):
        targets({})  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("norm.weight", ["norm.weight"]),
        ("blocks.*.attention_norm.weight", ["blocks.0.attention_norm.weight", "blocks.1.attention_norm.weight"]),
        ("blocks.0.mlp_in", ["blocks.0.mlp_in.weight", "blocks.0.mlp_in.bias"]),
        ("*.mlp_out", ["blocks.0.mlp_out.weight", "blocks.0.mlp_out.bias"] * 2),
        ("blocks.0.mlp_in.weight[3, -2:]", ["blocks.0.mlp_in.weight"]),
        ("blocks.0.mlp_in.bias[:]", ["blocks.0.mlp_in.bias"]),
    ],
)
def test_a_target_is_a_name_or_a_pattern_or_a_part(transformer: Transformer, target: str, names: list[str]) -> None:
    theater = SurgicalTheater(transformer, Scale(target, 1.0))
    before = {name: parameter.detach().clone() for name, parameter in transformer.named_parameters()}
    with theater:
        changed = [
            n for n, p in transformer.named_parameters() if not torch.equal(p.nan_to_num(), before[n].nan_to_num())
        ]
    expected = [name.replace("blocks.0", f"blocks.{number // 2}") for number, name in enumerate(names)]
    assert changed == (expected if target.startswith("*.") else names)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Scale("blocks.0.mlp", 1.0), "nothing that is called 'blocks.0.mlp': there are blocks.0.mlp_norm"),
        (Scale("nothing", 1.0), r"targets\(model\) lists what there is"),
        (Scale("norm.weight[0:4, 0:4]", 1.0), r"has 2 dimensions, and the parameter is of shape \(16,\)"),
        (Scale("norm.weight[16:]", 1.0), "16: is nothing of a dimension of 16"),
        (Scale("norm.weight[16]", 1.0), "16 is nothing of a dimension of 16"),
        (Scale("norm.weight[::2]", 1.0), "write start:stop, : or a number"),
        (Scale("norm.wait[0]", 1.0), "there is no parameter norm.wait"),
        (Temperature("blocks.7.*", 1.0), "they are in 'blocks.0.attention', 'blocks.1.attention'"),
        (Temperature("*", 1.0, head=4), "has heads 0 to 3, and none that is 4"),
        (LayerNormGain("blocks.0.mlp_in", 1.0), "no module with a target of kind norm"),
        (Temperature("*", (1.0, 2.0)), "takes 8 strengths, not 2"),
    ],
)
def test_a_target_that_is_not_there_is_told(transformer: Transformer, edit: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SurgicalTheater(transformer, edit).prepare()


def test_buffers_and_integers_are_no_targets() -> None:
    model = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="running_mean is a buffer, and surgery edits parameters alone"):
        SurgicalTheater(model, Scale("running_mean", 1.0)).prepare()
    model.register_parameter("codes", nn.Parameter(torch.zeros(3, dtype=torch.int8), requires_grad=False))
    with pytest.raises(ValueError, match="codes holds no floating-point numbers"):
        SurgicalTheater(model, Scale("codes", 1.0)).prepare()
    with pytest.raises(ValueError, match="weight has no shape yet"):
        targets(nn.LazyLinear(3))
