"""Is attention to a token a sign that the token matters? Each is hidden in turn, and the output is compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import CategoricalDistribution
from torch import Tensor

from wmil_agents.analysis.attention import attention_weights
from wmil_agents.evaluation.policy_table import Model, actor_critic, as_tensors, evaluating
from wmil_agents.extractors.token_names import token_names
from wmil_agents.extractors.transformer import TransformerExtractor

Floats = NDArray[np.float64]
Remove = Literal["attention", "token"]

N_PERMUTATIONS = 1_000
_CONSTANT = 1e-6
"""Less is what single-precision sums differ by when they are added in another order."""


@dataclass(frozen=True)
class Correlation:
    """A correlation beside what chance gives."""

    value: float | None
    """In [-1, 1]; None where it is undefined."""
    chance: tuple[float, float] | None
    """95 % of the correlations lie here when each observation's attention is dealt anew among its tokens; not around 0
    where observations have different numbers of tokens."""
    p_value: float | None
    """Share of these that are as far from their median, itself included."""
    n: int
    """Pairs of an observation and a token."""
    reason: str = ""
    """Why it is undefined."""

    def __str__(self) -> str:
        if self.value is None or self.chance is None:
            return f"undefined: {self.reason}"
        low, high = self.chance
        return f"{self.value:.2f} (by chance {low:.2f} to {high:.2f}, p = {self.p_value:.3g}, {self.n} pairs)"


@dataclass(frozen=True)
class Causality:
    """Attention to each token, and what hiding it changed."""

    tokens: tuple[str, ...]
    attention: Floats
    """(n, tokens): mean over layers, heads and present queries; not-a-number where the token is absent."""
    change: Floats
    """(n, tokens): total variation between the action probabilities, in [0, 1]; for other actions the change of the
    features as a share of their norm."""
    pearson: Correlation
    spearman: Correlation


def attention_causality(model: Model, observations: Any, remove: Remove = "attention", seed: int = 0) -> Causality:
    """Hide each token in turn from attention and correlate the change of the output with the attention it had.

    With `remove="attention"` nobody sees the token, but a read-out that includes it still does: what changes is what
    attention carried. With `"token"` its vector is zeroed as well, so that the change is all that the token does, by
    whichever way; that need have nothing to do with attention.

    A correlation says that attention and effect go together in these observations, not why.

    Args:
        model: with a `TransformerExtractor` or a `HistoryExtractor`.
        observations: (n, ...) raw ones, each once; equal ones would count as evidence again.
        remove: what is hidden.
        seed: of the permutations.

    Raises:
        TypeError: the policy has no attention.
    """
    policy = actor_critic(model)
    extractor: Any = policy.pi_features_extractor
    names = token_names(extractor, policy.observation_space)
    tensors = as_tensors(observations, policy.device)
    weights = attention_weights(model, observations)  # (n, layers, heads, queries, keys)
    with torch.no_grad(), evaluating(policy):
        present = _present(extractor, tensors).cpu().numpy()
        received = _received(weights, present)
        before = _outputs(policy, tensors)
        change = np.full(received.shape, np.nan)
        for token in range(len(names)):
            defined = present[:, token] & (present.sum(1) > 1)
            if not defined.any():
                continue
            some = _chosen(tensors, defined)
            place = _place(extractor, present[defined], token)
            with _hidden(extractor.transformer, place, zeroed=remove == "token"):
                after = _outputs(policy, some)
            change[defined, token] = _distance(before[defined], after, _is_categorical(policy))
    attention = np.where(np.isnan(change), np.nan, received)
    rng = np.random.default_rng(seed)
    return Causality(
        names, attention, change, *(correlation(attention, change, rng, ranked=ranked) for ranked in (False, True))
    )


def correlation(attention: Floats, change: Floats, rng: np.random.Generator, *, ranked: bool) -> Correlation:
    """Pearson's or Spearman's correlation over the pairs that are defined, beside its permutation interval.

    Args:
        attention: (n, tokens); permuted within rows, so that differences between observations prove nothing.
        change: (n, tokens).
        rng: of the permutations.
        ranked: whether ranks are correlated (Spearman).
    """
    defined = ~(np.isnan(attention) | np.isnan(change))
    n = int(defined.sum())
    for name, values in (("attention", attention[defined]), ("the change", change[defined])):
        if n < 3 or np.ptp(values) < _CONSTANT:
            reason = "fewer than three pairs" if n < 3 else f"{name} is the same everywhere"
            return Correlation(None, None, None, n, reason)
    effects = _ranks(change[defined]) if ranked else change[defined]
    value = _pearson(_ranks(attention[defined]) if ranked else attention[defined], effects)
    drawn = []
    for _ in range(N_PERMUTATIONS):
        keys = np.where(defined, rng.random(attention.shape), 2.0)
        order, places = np.argsort(keys, axis=1), np.argsort(~defined, axis=1, kind="stable")
        dealt = np.full_like(attention, np.nan)
        np.put_along_axis(dealt, places, np.take_along_axis(attention, order, 1), 1)
        shuffled = dealt[defined]
        drawn.append(_pearson(_ranks(shuffled) if ranked else shuffled, effects))
    low, high = np.quantile(drawn, [0.025, 0.975])
    middle = float(np.median(drawn))  # not 0, where observations differ in their number of tokens
    n_as_far = int(np.sum(np.abs(np.array(drawn) - middle) >= abs(value - middle) - 1e-9))
    return Correlation(value, (float(low), float(high)), (1 + n_as_far) / (1 + N_PERMUTATIONS), n)


def _pearson(first: Floats, second: Floats) -> float:
    a, b = first - first.mean(), second - second.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _ranks(values: Floats) -> Floats:
    """From 1; values that are alike share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[place.reshape(-1)]
    return ranks


def _received(weights: Floats, present: NDArray[np.bool_]) -> Floats:
    """(n, tokens): mean weight that a key gets, over layers, heads and present queries."""
    by_query = weights.mean((1, 2))  # (n, queries, keys)
    shares = present / present.sum(1, keepdims=True)
    received: Floats = (shares[:, :, None] * by_query).sum(1)
    return received


def _present(extractor: Any, tensors: Any) -> Tensor:
    """(n, tokens) which are there."""
    if not isinstance(extractor, TransformerExtractor):
        present: Tensor = tensors["observation_mask"] > 0.5
        return present
    tokens, present_or_none = extractor.tokenizer(tensors)
    there = torch.ones(tokens.shape[:2], dtype=torch.bool) if present_or_none is None else present_or_none
    return torch.cat([there.new_ones(len(there), 1), there], 1)


def _place(extractor: Any, present: NDArray[np.bool_], token: int) -> int:
    """Where a token is among those that reach the transformer: an extractor drops the ones that no row has."""
    if not isinstance(extractor, TransformerExtractor):
        return token
    used: NDArray[np.bool_] = np.asarray(present.any(0))
    used[0] = True
    if used.sum() == 1:
        return token
    return int(used[:token].sum())


@contextmanager
def _hidden(transformer: torch.nn.Module, place: int, *, zeroed: bool) -> Iterator[None]:
    """A block in which nobody sees the token at this place."""

    def hide(
        _: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        tokens, present, *rest = args
        visible = torch.ones(tokens.shape[:2], dtype=torch.bool) if present is None else present.clone()
        visible[:, place] = False
        if zeroed:
            tokens = tokens.clone()
            tokens[:, place] = 0.0
        return (tokens, visible, *rest), kwargs

    handle = transformer.register_forward_pre_hook(hide, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _is_categorical(policy: Any) -> bool:
    return isinstance(policy.action_dist, CategoricalDistribution)


def _outputs(policy: Any, tensors: Any) -> Floats:
    """Action probabilities, or features where actions are not discrete."""
    if _is_categorical(policy):
        out = policy.get_distribution(tensors).distribution.probs
    else:
        out = policy.extract_features(tensors, policy.pi_features_extractor)
    found: Floats = out.double().numpy(force=True)
    return found


def _distance(before: Floats, after: Floats, is_categorical: bool) -> Floats:
    if is_categorical:
        variation: Floats = 0.5 * np.abs(before - after).sum(1)
        return variation
    norm = np.linalg.norm(before, axis=1)
    share: Floats = np.linalg.norm(before - after, axis=1) / np.maximum(norm, 1e-12)
    return share


def _chosen(tensors: Any, rows: NDArray[np.bool_]) -> Any:
    mask = torch.as_tensor(rows)
    return {name: part[mask] for name, part in tensors.items()} if isinstance(tensors, dict) else tensors[mask]
