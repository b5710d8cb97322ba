from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from torch import Tensor, nn

from wmil_agents.networks.transformer import Transformer
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.surgery import (
    Add,
    Custom,
    Edit,
    Gains,
    HeadMask,
    LayerNormGain,
    LowRank,
    Noise,
    Scale,
    SurgicalTheater,
    Temperature,
)
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

Bits = Callable[[nn.Module], dict[str, bytes]]


class WrongError(Exception):
    """Raised on purpose."""


def fail(values: Tensor, strength: float) -> Tensor:
    raise WrongError


def test_weights_are_restored_after_the_block_and_after_an_exception(transformer: Transformer, bits: Bits) -> None:
    before = bits(transformer)
    theater = SurgicalTheater(transformer, [Temperature("*", 0.3), Scale("norm", 0.1)])
    with theater:
        assert bits(transformer) != before
    assert bits(transformer) == before
    with pytest.raises(WrongError), theater:
        raise WrongError
    assert bits(transformer) == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bits_are_the_same_after_10_000_edits_with_exceptions_at_random_points(
    transformer: Transformer, bits: Bits, dtype: torch.dtype
) -> None:
    transformer.to(dtype)
    before = bits(transformer)
    rng = np.random.default_rng(0)
    edits: list[Edit] = [
        Gains("*", tuple(rng.normal(0.0, 0.5, 16))),
        Temperature("blocks.1.attention", 0.3, head=2),
        HeadMask("*", head=1),
        LayerNormGain("*", -0.4),
        Scale("blocks.0.mlp_in.weight[3:40, 2:9]", 0.01),
        Add("blocks.0.mlp_in.weight[30:50]", 1e-3),
        Noise("norm", 0.1),
        LowRank("blocks.1.attention.out.weight", 0.2),
    ]
    broken = Custom("blocks.0.mlp_in.weight[:, 4]", 1.0, fail)
    chosen = [[edits[n] for n in rng.permutation(len(edits))[: rng.integers(1, 4)]] for _ in range(40)]
    sound = [SurgicalTheater(transformer, some) for some in chosen]
    failing = [
        SurgicalTheater(transformer, [*some[:place], broken, *some[place:]])
        for some in chosen
        for place in [rng.integers(len(some) + 1)]
    ]
    points = {"inside": 0, "entering": 0, "nowhere": 0, "nested": 0}
    n_edits = 0
    while n_edits < 10_000:
        which, other = rng.integers(len(sound), size=2)
        point = rng.choice(list(points))
        points[point] += 1
        n_edits += len(chosen[which])
        try:
            with sound[which]:
                if point == "inside":
                    raise WrongError
                if point == "entering":
                    failing[other].__enter__()
                if point == "nested" and other != which:
                    n_edits += len(chosen[other])
                    with sound[other]:
                        raise WrongError
        except WrongError:
            pass
    assert bits(transformer) == before
    assert min(points.values()) > 500


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_edit_that_fails_undoes_those_before_it(transformer: Transformer, bits: Bits, place: int) -> None:
    edits: list[Edit] = [Scale("norm", 0.5), Temperature("*", 0.5)]
    edits.insert(place, Custom("blocks.0.mlp_in.weight", 1.0, fail))
    transformer.eval()
    before, theater = bits(transformer), SurgicalTheater(transformer, edits)
    for _ in range(2):
        with pytest.raises(WrongError):
            theater.__enter__()
        assert bits(transformer) == before
    with SurgicalTheater(transformer, Scale("norm", 0.5)):  # nothing is left open
        pass
    assert not transformer.training


def test_a_factor_that_is_too_large_undoes_the_edits(transformer: Transformer, bits: Bits) -> None:
    before = bits(transformer)
    with pytest.raises(OverflowError):
        SurgicalTheater(transformer, [Scale("norm", 0.5), Temperature("*", 1e4)]).__enter__()
    assert bits(transformer) == before


def test_bytes_saved_are_those_touched_and_overlaps_count_once(transformer: Transformer) -> None:
    def saved(*edits: Edit) -> int:
        return SurgicalTheater(transformer, edits).bytes_saved

    assert saved(Temperature("blocks.0.attention", 0.1, head=0)) == 4 * (4 * 16 + 4)
    assert saved(Scale("blocks.0.attention.qkv", 0.1)) == 4 * (48 * 16 + 48)
    rows, columns = Scale("blocks.0.mlp_in.weight[10:20]", 0.1), Scale("blocks.0.mlp_in.weight[:, 3:5]", 0.1)
    assert saved(rows, columns) == 4 * (10 * 16 + 64 * 2 - 10 * 2)
    assert saved(rows, rows, Scale("blocks.0.mlp_in.weight[12:15, 1:3]", 0.1)) == saved(rows)
    assert saved() == 0
    whole = SurgicalTheater(transformer, [Scale("", 0.1), rows])
    assert whole.share_of_clone == 1.0


def test_of_a_model_with_width_64_a_head_takes_a_hundredth_of_a_clone(make_env: Callable[..., BatchVecEnv]) -> None:
    model = PPO(TransformerPolicy, make_env(), device="cpu", n_steps=8)
    attention = "features_extractor.transformer.blocks.0.attention"
    for edits, share in [
        (Temperature(attention, 0.1, head=3), 0.0102),
        (Scale(f"{attention}.qkv", 0.1), 0.1224),
        (Scale("*.attention.*", 0.1), 0.326),
    ]:
        theater = SurgicalTheater(model, edits)
        assert theater.share_of_clone == pytest.approx(share, abs=0.0005)
        with theater:
            pass
        assert 0.0 < theater.seconds < 1.0


def test_overlapping_edits_are_made_one_after_the_other_and_restored(bits: Bits) -> None:
    model = nn.Linear(4, 4)
    before, weight = bits(model), model.weight.detach().clone()
    with SurgicalTheater(model, [Scale("weight[0:3]", 1.0), Add("weight[2:4, 1:3]", 1.0), Scale("weight[:, 2]", 2.0)]):
        weight[0:3] *= 2.0
        weight[2:4, 1:3] += 1.0
        weight[:, 2] *= 3.0
        assert torch.equal(model.weight, weight)
    assert bits(model) == before


def test_tied_weights_are_edited_and_saved_once(bits: Bits) -> None:
    model = nn.ModuleDict({"embed": nn.Embedding(5, 3), "head": nn.Linear(3, 5, bias=False)})
    model["head"].weight = model["embed"].weight
    before, weight = bits(model), model["embed"].weight.detach().clone()
    for edits in (
        Scale("*.weight", 1.0),
        Scale("head.weight", 1.0),
        Scale("", 1.0),
        [Scale("embed.weight", 1.0), Scale("head.weight", 1.0)],
        [Scale("embed", 1.0), Scale("head.weight[:]", 1.0)],
    ):
        theater = SurgicalTheater(model, edits)
        with theater:
            assert torch.equal(model["head"].weight, 2.0 * weight)
        assert theater.bytes_saved == weight.nbytes
        assert bits(model) == before
    with SurgicalTheater(model, [Scale("embed.weight", 1.0), Scale("head.weight", 0.5)]):  # two different edits
        assert torch.equal(model["head"].weight, 3.0 * weight)


def test_a_parameter_of_two_modules_that_a_pattern_means_is_edited_once() -> None:
    model = nn.ModuleDict({"em1": nn.Embedding(5, 3), "em2": nn.Sequential(nn.Linear(3, 5, bias=False))})
    model["em2"][0].weight = model["em1"].weight
    weight = model["em1"].weight.detach().clone()
    for target in ("em?", "em2*"):  # two modules, and a module with another one inside
        with SurgicalTheater(model, Scale(target, 1.0)):
            assert torch.equal(model["em1"].weight, 2.0 * weight)


def test_parameters_that_are_the_same_memory_are_edited_once() -> None:
    model = nn.ModuleDict({"one": nn.Linear(3, 3, bias=False), "two": nn.Linear(3, 3, bias=False)})
    model["two"].weight = nn.Parameter(model["one"].weight.data)
    weight = model["one"].weight.detach().clone()
    with SurgicalTheater(model, Scale("*", 1.0)):
        assert torch.equal(model["two"].weight, 2.0 * weight)
    model["two"].weight = nn.Parameter(model["one"].weight.data.t())
    with pytest.raises(ValueError, match=r"one.weight and two.weight are views of the same memory"):
        SurgicalTheater(model, Scale("*", 1.0)).prepare()
    with SurgicalTheater(model, Scale("two.weight", 1.0)):
        assert torch.equal(model["one"].weight, 2.0 * weight)
    columns = torch.randn(3, 6)
    model["one"].weight, model["two"].weight = (nn.Parameter(half) for half in columns.chunk(2, dim=1))
    with SurgicalTheater(model, Scale("*", 1.0)):  # side by side in one memory is no tie
        torch.testing.assert_close(model["two"].weight.detach().sum(), columns[:, 3:].sum())


def test_buffers_that_a_forward_changes_are_restored(bits: Bits) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    before = bits(model)
    theater = SurgicalTheater(model, Scale("0", 0.5))
    for _ in range(2):
        with theater:
            model(torch.randn(8, 3))
            assert bits(model)["1.running_mean"] != before["1.running_mean"]
        assert bits(model) == before
    assert theater.buffer_bytes == 2 * 3 * 4 + 8
    running_mean = model[1].running_mean
    with theater:
        model[1].running_mean = torch.ones(3)  # another tensor
        model[1].running_var.data = torch.zeros(3)  # other memory
    assert model[1].running_mean is running_mean
    assert bits(model) == before


def test_a_buffer_that_stays_is_not_written_to() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).eval()
    loss = model[1](torch.randn(8, 3)).sum()  # its backward needs the running variance
    with SurgicalTheater(model, Scale("0", 0.5)):
        model(torch.randn(8, 3))
    loss.backward()
    assert model[1].weight.grad is not None


def test_training_flags_and_frozen_parameters_are_left_as_found(transformer: Transformer) -> None:
    transformer.blocks[0].eval()
    transformer.norm.weight.requires_grad_(False)
    flags = [module.training for module in transformer.modules()]
    frozen = [parameter.requires_grad for parameter in transformer.parameters()]
    theater = SurgicalTheater(transformer, Scale("norm", 0.5))
    for mode in (True, False):
        with theater:
            transformer.train(mode)
            transformer.requires_grad_(mode)
        assert [module.training for module in transformer.modules()] == flags
        assert [parameter.requires_grad for parameter in transformer.parameters()] == frozen
    transformer.train(False)
    with theater:  # as they are now, not as they once were
        transformer.train(True)
    assert not any(module.training for module in transformer.modules())


def test_parameters_optimizer_and_gradients_are_not_touched(transformer: Transformer) -> None:
    nn.init.zeros_(transformer.norm.bias)
    optimizer = torch.optim.Adam(transformer.parameters())
    x = torch.randn(2, 3, 16)
    transformer(x).square().sum().backward()
    optimizer.step()
    state = {
        (number, key): value
        for number, values in enumerate(optimizer.state.values())
        for key, value in values.items()
        if isinstance(value, Tensor)
    }
    gradients = [parameter.grad for parameter in transformer.parameters()]
    kept: list[tuple[Any, ...]] = [(p, p.data_ptr(), p.is_leaf) for p in transformer.parameters()]
    copies = {key: (value.clone(), value.data_ptr()) for key, value in state.items()}
    with SurgicalTheater(transformer, Gains("*", 0.5)) as theater:
        transformer(x)
        theater.keep()
    for parameter, gradient, (same, pointer, is_leaf) in zip(transformer.parameters(), gradients, kept, strict=True):
        assert parameter is same
        assert parameter.grad is gradient
        assert (parameter.data_ptr(), parameter.is_leaf) == (pointer, is_leaf)
    for values, number in zip(optimizer.state.values(), range(len(optimizer.state)), strict=True):
        for key, value in values.items():
            assert value is state[number, key]
            assert torch.equal(value, copies[number, key][0])
            assert value.data_ptr() == copies[number, key][1]


@pytest.mark.parametrize("inside", [True, False])
def test_backward_through_a_graph_of_other_weights_raises(inside: bool) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    loss = model(torch.randn(2, 3)).sum()
    with SurgicalTheater(model, Scale("1.weight[0:1]", 0.5)):
        if inside:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                loss.backward()
        else:
            loss = model(torch.randn(2, 3)).sum()
    if not inside:
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_gradients_inside_are_those_of_the_edited_weights() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1, bias=False))
    with SurgicalTheater(model, Scale("1", 1.0)):
        model(torch.randn(2, 3)).sum().backward()
        torch.testing.assert_close(model[0].bias.grad, 2.0 * model[1].weight[0])
    torch.testing.assert_close(model[0].bias.grad, 4.0 * model[1].weight[0].detach())


def test_a_rollout_that_was_kept_is_not_taken_for_that_of_edited_weights(
    make_env: Callable[..., BatchVecEnv],
) -> None:
    env = make_env(64)
    model = PPO(TransformerPolicy, env, device="cpu", n_steps=8, policy_kwargs={"distinct_observations": True})
    obs = torch.as_tensor(env.reset())
    with torch.no_grad():
        _, _, before = model.policy(obs, deterministic=True)
        with SurgicalTheater(model, Scale("action_net", 200.0)):
            _, _, after = model.policy(obs, deterministic=True)
        _, _, again = model.policy(obs, deterministic=True)
    assert (after > before + 0.1).all()
    assert torch.equal(before, again)


@pytest.mark.parametrize("context", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_it_works_in_every_gradient_mode(transformer: Transformer, bits: Bits, context: Any) -> None:
    before, theater = bits(transformer), SurgicalTheater(transformer, Gains("*", 0.3))
    with context(), theater:
        assert bits(transformer) != before
    assert bits(transformer) == before
    with theater:
        assert bits(transformer) != before
    assert bits(transformer) == before


def test_what_is_kept_stays_and_the_rest_is_restored(bits: Bits) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    before, theater = bits(model), SurgicalTheater(model, Scale("0.weight", 1.0))
    with theater:
        edited = bits(model)
        model(torch.randn(8, 3))
        model.eval()
        theater.keep()
    assert bits(model) == edited
    assert model.training
    with theater:  # the next use is kept only if it is told to
        pass
    assert bits(model) == edited
    assert edited["0.weight"] != before["0.weight"]
    with pytest.raises(RuntimeError, match="can be kept only while it is in use"):
        theater.keep()


def test_an_outer_theater_can_undo_what_an_inner_one_kept(bits: Bits) -> None:
    model = nn.Linear(3, 3)
    before = bits(model)
    inner = SurgicalTheater(model, [Scale("weight[0]", 1.0), Scale("bias", 1.0)])
    with SurgicalTheater(model, Scale("weight", 0.1)), inner:
        inner.keep()
    assert bits(model)["weight"] == before["weight"]
    assert bits(model)["bias"] != before["bias"]


def test_operating_starts_from_the_original_weights_each_time(transformer: Transformer, bits: Bits) -> None:
    before = bits(transformer)
    theater = SurgicalTheater(transformer, [Gains(), Scale("norm", 0.0)])
    assert theater.n_strengths == 17
    strengths = np.linspace(-0.5, 0.5, 17)
    with SurgicalTheater(transformer, [Gains("*", strengths[:16]), Scale("norm", strengths[16])]):
        expected = bits(transformer)
    with theater:
        assert bits(transformer) == before
        for _ in range(3):
            theater.operate(-strengths)
            theater.operate(strengths)
            assert bits(transformer) == expected
    assert bits(transformer) == before
    with theater:  # what was set is there in the next use
        assert bits(transformer) == expected
    assert theater.strengths == strengths.tolist()
    assert theater.edits == (Gains("*", strengths[:16]), Scale("norm", float(strengths[16])))
    with SurgicalTheater(transformer, theater.edits):
        assert bits(transformer) == expected


def test_an_operation_that_fails_leaves_the_original_weights(transformer: Transformer, bits: Bits) -> None:
    before = bits(transformer)
    with SurgicalTheater(transformer, [Scale("norm", 0.1), Temperature("*", 0.1)]) as theater:
        with pytest.raises(OverflowError):
            theater.operate([0.5, 1e4])
        assert bits(transformer) == before
        with pytest.raises(ValueError, match="these edits take 2 strengths, not 3"):
            theater.operate([0.0] * 3)
        with pytest.raises(ValueError, match="must be finite"):
            theater.operate([0.0, float("nan")])


def test_a_prepared_theater_sees_what_the_model_has_learnt(transformer: Transformer, bits: Bits) -> None:
    theater = SurgicalTheater(transformer, Gains("*", 0.3)).prepare()
    with theater:
        pass
    with torch.no_grad():
        for parameter in transformer.parameters():
            parameter.normal_()
    before = bits(transformer)
    with theater, SurgicalTheater(copy.deepcopy(transformer), Scale("norm", 0.1)):
        now = bits(transformer)
    with SurgicalTheater(transformer, Gains("*", 0.3)):
        assert bits(transformer) == now
    assert bits(transformer) == before


def test_a_prepared_theater_finds_a_model_that_was_moved(transformer: Transformer, bits: Bits) -> None:
    theater = SurgicalTheater(transformer, Scale("blocks.0", 0.5))
    with theater:
        pass
    bytes_saved = theater.bytes_saved
    transformer.double()
    before = bits(transformer)
    with theater:
        assert bits(transformer) != before
    assert bits(transformer) == before
    assert theater.bytes_saved == 2 * bytes_saved
    transformer.blocks[0] = copy.deepcopy(transformer.blocks[1])
    before = bits(transformer)
    with theater:
        assert bits(transformer) != before
        transformer.blocks[0].eval()
    assert bits(transformer) == before
    assert transformer.blocks[0].training


def test_parameters_that_were_exchanged_inside_are_restored_where_they_are_now(bits: Bits) -> None:
    model = nn.Linear(3, 3)
    before = bits(model)
    with SurgicalTheater(model, Scale("weight", 0.5)):
        model.weight = nn.Parameter(model.weight.detach() + 1.0)
    assert bits(model) == before
    with SurgicalTheater(model, Scale("weight", 0.5)):
        model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    assert bits(model) == before


def test_parameters_of_another_type_are_told_of() -> None:
    model = nn.Linear(3, 3)
    with (
        pytest.raises(RuntimeError, match="weight was given another type or shape inside the theater"),
        SurgicalTheater(model, Scale("weight", 0.5)),
    ):
        model.double()
    with SurgicalTheater(model, Scale("weight", 0.5)):  # nothing is left open
        pass


def test_a_theater_without_edits_guards_the_rest(bits: Bits) -> None:
    model = nn.BatchNorm1d(3)
    before = bits(model)
    with SurgicalTheater(model, []) as theater:
        model(torch.randn(4, 3))
    assert bits(model) == before
    assert (theater.bytes_saved, theater.n_strengths) == (0, 0)


def test_what_is_no_edit_is_refused() -> None:
    with pytest.raises(TypeError, match=r"an edit is one of wmil_agents.surgery's, not dict"):
        SurgicalTheater(nn.Linear(3, 3), [{"kind": "scale"}]).prepare()  # type: ignore[list-item]  # on purpose
