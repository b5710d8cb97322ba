from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from stable_baselines3 import PPO
from torch import Tensor, nn
from torch.nn import functional as F

from wmil_agents.networks.transformer import Transformer
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.surgery import (
    Add,
    Custom,
    Edit,
    Gains,
    HeadMask,
    LowRank,
    Noise,
    Scale,
    SurgicalTheater,
    Temperature,
    score_edits,
)
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

Bits = Callable[[nn.Module], dict[str, bytes]]
Candidates = Sequence[Edit | Sequence[Edit]]


def loss(model: nn.Module, x: Tensor) -> Tensor:
    return model(x).square().mean()


def inside_theaters(model: Any, candidates: Candidates, inputs: Any, score: Any) -> Tensor:
    scores = []
    module = model if isinstance(model, nn.Module) else model.policy
    for edits in candidates:
        with torch.no_grad(), SurgicalTheater(model, edits):
            scores.append(score(module, inputs))
    return torch.stack(scores)


@pytest.fixture
def model(transformer: Transformer) -> Transformer:
    nn.init.zeros_(transformer.norm.bias)
    return transformer


def candidates() -> list[Edit | Sequence[Edit]]:
    torch.manual_seed(1)
    gains: list[Edit | Sequence[Edit]] = [Gains("*", torch.randn(16) * 0.3) for _ in range(5)]
    return [
        *gains,
        Gains("*", (0.0,) * 15 + (0.4,)),
        *(HeadMask("*", head=head) for head in range(4)),
        HeadMask("*", (1.0, 0.0) * 4),
        [],
        [Scale("norm", 0.5), Scale("norm.weight[0:3]", 1.0)],
        [Scale("norm", 0.1), Scale("norm.weight[0:3]", -1.0)],
        Noise("blocks.0", 0.3, seed=1),
        LowRank("blocks.0.mlp_in.weight", 0.5, rank=2),
        [Add("norm.bias", 0.1), Custom("norm.weight", 2.0, lambda values, strength: values * strength)],
    ]


@pytest.mark.parametrize("options", [{}, {"n_together": 4}, {"n_together": 1}, {"one_by_one": True}], ids=str)
def test_scores_are_those_inside_a_theater(model: Transformer, bits: Bits, options: dict[str, Any]) -> None:
    x = torch.randn(3, 4, 16)
    before = bits(model)
    scores = score_edits(model, candidates(), x, loss, **options)
    assert bits(model) == before
    expected = inside_theaters(model, candidates(), x, loss)
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-6)
    assert len(set(expected.tolist())) == len(expected)
    assert not scores.requires_grad


def test_nothing_is_written_to_the_model(model: Transformer) -> None:
    state = [(parameter, parameter._version, parameter.data_ptr()) for parameter in model.parameters()]
    score_edits(model, candidates(), torch.randn(3, 4, 16), loss)
    assert [(parameter, parameter._version, parameter.data_ptr()) for parameter in model.parameters()] == state


def test_a_policy_is_scored_by_any_of_its_methods(make_env: Callable[..., BatchVecEnv], bits: Bits) -> None:
    """Its extractor stands in three places, and what it keeps of a rollout must not be taken for a candidate's."""
    env = make_env(64)
    model = PPO(TransformerPolicy, env, device="cpu", n_steps=8, policy_kwargs={"distinct_observations": True})
    obs = torch.as_tensor(env.reset())
    answers = obs[:, 0].long()

    def log_prob(policy: Any, rows: Tensor) -> Tensor:
        policy(rows, deterministic=True)  # keeps what it says
        return policy.evaluate_actions(rows, answers)[1].mean()

    with torch.no_grad():
        model.policy(obs)
    before = bits(model.policy)
    objects = [*model.policy.parameters(), *model.policy.buffers()]
    some = [Temperature("*", 0.9), Scale("action_net", 30.0), Noise("*attention", 0.5)]
    scores = score_edits(model, some, obs, log_prob)
    torch.testing.assert_close(scores, inside_theaters(model, some, obs, log_prob), rtol=1e-5, atol=1e-6)
    assert scores.std() > 1e-3
    assert bits(model.policy) == before
    assert all(a is b for a, b in zip(objects, [*model.policy.parameters(), *model.policy.buffers()], strict=True))


def test_nothing_of_a_candidate_is_left_in_a_policy(make_env: Callable[..., BatchVecEnv]) -> None:
    env = make_env(64)
    model = PPO(TransformerPolicy, env, device="cpu", n_steps=8, policy_kwargs={"distinct_observations": True})
    obs = torch.as_tensor(env.reset())
    with torch.no_grad():
        before = model.policy(obs, deterministic=True)
    for one_by_one in (False, True):
        score_edits(
            model,
            [Scale("action_net", 30.0)],
            obs,
            lambda policy, rows: policy(rows, deterministic=True)[2].mean(),
            one_by_one=one_by_one,
        )
        with torch.no_grad():
            after = model.policy(obs, deterministic=True)
        assert all(map(torch.equal, before, after))


def test_tied_weights_are_replaced_everywhere() -> None:
    class Tied(nn.Module):
        def __init__(self, same_object: bool) -> None:
            super().__init__()
            self.embed, self.head = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
            weight = self.embed.weight
            self.head.weight = weight if same_object else nn.Parameter(weight.data)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.embed(x))

    for same_object in (True, False):
        model, x = Tied(same_object), torch.randn(4, 3)
        some = [Scale("head.weight", 0.5), Scale("embed.weight", -0.5), Scale("*", 1.0)]
        torch.testing.assert_close(score_edits(model, some, x, loss), inside_theaters(model, some, x, loss))


def test_parameters_that_are_views_of_each_other_are_refused() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = nn.Parameter(model[0].weight.data.t())
    with pytest.raises(ValueError, match=r"0.weight and 1.weight are views of the same memory: try edits"):
        score_edits(model, [Scale("0", 0.1)], torch.randn(2, 3), loss)


def test_random_numbers_are_the_same_for_each_candidate() -> None:
    model, x = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)), torch.randn(4, 8)
    before = torch.get_rng_state()
    for options in ({"one_by_one": False}, {"one_by_one": True}, {"n_together": 2}):
        scores = score_edits(model, [Scale("0.weight", 0.0)] * 5, x, loss, **options)
        assert len(set(scores.tolist())) == 1
        assert torch.equal(torch.get_rng_state(), before)


class Counting(nn.Module):
    """Counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("n_calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.n_calls += 1
        y: Tensor = self.linear(x)
        return y


def test_buffers_are_left_as_they_are() -> None:
    model = Counting()
    for one_by_one in (False, True):
        score_edits(model, [Scale("linear", 0.1)], torch.randn(2, 3), loss, one_by_one=one_by_one)
        assert model.n_calls == 0


def test_a_model_that_cannot_be_run_for_many_at_once_says_so(bits: Bits) -> None:
    class Deciding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) if self.linear.bias.sum() > 0 else x

    for model, target in ((Deciding(), "linear"), (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), "0")):
        before, x = bits(model), torch.randn(4, 3)
        some = [Scale(target, 0.1), Scale(target, 0.2)]
        with pytest.raises(ValueError, match="for many candidates at once, pass one_by_one=True: "):
            score_edits(model, some, x, loss)
        scores = score_edits(model, some, x, loss, one_by_one=True)
        torch.testing.assert_close(scores, inside_theaters(model, some, x, loss))
        assert bits(model) == before


def test_what_is_wrong_with_the_score_is_told_as_it_is() -> None:
    model, x = nn.Linear(3, 3), torch.randn(4, 3)
    with pytest.raises(ValueError, match=r"a single number and no dimension, not a tensor of \(4, 3\)"):
        score_edits(model, [Scale("weight", 0.1)], x, lambda module, inputs: module(inputs))
    with pytest.raises(ValueError, match="not float"):
        score_edits(model, [Scale("weight", 0.1)], x, lambda module, inputs: 1.0)  # type: ignore[arg-type, return-value]  # on purpose
    with pytest.raises(ZeroDivisionError):
        score_edits(model, [Scale("weight", 0.1)], x, lambda module, inputs: module(inputs).sum() * (1 / 0))
    with pytest.raises(ValueError, match="n_together must be at least 1"):
        score_edits(model, [], x, loss, n_together=0)
    assert score_edits(model, [], x, loss).shape == (0,)


def test_the_best_of_many_candidates_can_be_kept(model: Transformer) -> None:
    x, target = torch.randn(8, 3, 16), torch.randn(8, 3, 16)

    def error(module: nn.Module, inputs: Tensor) -> Tensor:
        return F.mse_loss(module(inputs), target)

    some = [Noise("blocks.*", 0.3, seed=seed) for seed in range(16)]
    best = some[int(score_edits(model, some, x, error).argmin())]
    before = error(model, x).item()
    with SurgicalTheater(model, best) as theater:
        theater.keep()
    assert error(model, x).item() < before
