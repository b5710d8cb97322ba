"""What the tokens of an extractor stand for, in the order of its attention weights."""

from __future__ import annotations

import math
from typing import Any

from gymnasium import spaces
from torch import nn

from wmil_agents.extractors.history import HistoryExtractor
from wmil_agents.extractors.tokenize import DictTokenizer, Tokenizer
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.vec_env.history_space import HistorySpace
from wmil_envs.attribute import AttributeSpace


def token_names(extractor: nn.Module, space: spaces.Space[Any]) -> tuple[str, ...]:
    """A name for each query and key of `extractor.attention_weights`.

    Args:
        extractor: a `TransformerExtractor` (the query token, then the attributes) or a `HistoryExtractor` (steps before
            now, the oldest first).
        space: of the observations.

    Raises:
        TypeError: the extractor has no attention.
    """
    if isinstance(extractor, TransformerExtractor):
        return ("query", *_names(extractor.tokenizer, space))
    if isinstance(extractor, HistoryExtractor):
        assert isinstance(space, HistorySpace)
        return tuple("now" if age == 0 else f"-{age}" for age in reversed(range(space.length)))
    raise TypeError(f"{type(extractor).__name__} has no attention: use TransformerPolicy, or a HistoryExtractor")


def _names(tokenizer: Tokenizer, space: spaces.Space[Any]) -> list[str]:
    if isinstance(tokenizer, DictTokenizer) and isinstance(space, spaces.Dict):
        return [
            name if entry.n_tokens == 1 else f"{name}.{index}"
            for name, entry in zip(tokenizer.names, tokenizer.entries, strict=True)
            for index in range(_n_tokens(entry))
        ]
    if isinstance(space, AttributeSpace):
        return [attribute.name for attribute in space.attributes]
    digits = max(1, math.ceil(math.log10(max(1, tokenizer.n_tokens))))
    return [f"column {index:0{digits}d}" for index in range(tokenizer.n_tokens)]


def _n_tokens(entry: nn.Module) -> int:
    assert isinstance(entry, Tokenizer)
    return entry.n_tokens
