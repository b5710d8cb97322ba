"""`tokenize(space)`: a module that turns a batch of observations into tokens, and says which of them are present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from wmil_envs.attribute import AttributeSpace

MASK_SUFFIX = "_mask"


class Tokenizer(nn.Module):
    """Contract: `forward(observations)` gives tokens (B, n, width) and presence (B, n), or None if all are.

    Observations may come raw, as an environment returns them, or as Stable-Baselines3's `preprocess_obs` leaves them
    (categories as one-hot floats).
    """

    n_tokens: int

    def forward(self, observations: Tensor | Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Tokens and their presence."""
        raise NotImplementedError

    def without_absent(self, observations: Tensor | Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Tokens and their presence, without those that no row has, unless none has any."""
        tokens, present = self(observations)
        return (tokens, None) if present is None else without_absent(tokens, present)


def tokenize(space: spaces.Space[object], width: int, max_element_tokens: int = 32) -> Tokenizer:
    """Returns the tokenizer of an observation space.

    | space | tokens |
    |---|---|
    | `Discrete` | one, from a table |
    | `MultiDiscrete`, `MultiBinary` | one per column, from one table; optional attributes are absent at 0 |
    | `Box` (d,) with d up to `max_element_tokens` | one per element, each element with its own projection |
    | `Box` (d,) beyond that | a single one, a projection of the vector |
    | `Box` (n, d) | one per row, all rows with the same projection: a set, in which order means nothing |
    | `Dict` | those of its entries; `<name>_mask` (n,) says which rows of a `Box` `<name>` (n, d) are present |

    Raises:
        ValueError: Where a space has no such form, with the reason.
    """
    match space:
        case spaces.Discrete():
            if space.start != 0:
                raise ValueError(f"Discrete spaces must start at 0 to be tokenised, not at {space.start}")
            return CategoricalTokenizer(np.array([space.n]), width)
        case spaces.MultiDiscrete():
            if space.nvec.ndim != 1 or np.any(space.start != 0):
                raise ValueError("only MultiDiscrete spaces of one dimension that start at 0 can be tokenised")
            attributes = space.attributes if isinstance(space, AttributeSpace) else ()
            return CategoricalTokenizer(space.nvec, width, [attribute.optional for attribute in attributes])
        case spaces.MultiBinary():
            return CategoricalTokenizer(np.full(int(np.prod(space.shape)), 2), width)
        case spaces.Box() if len(space.shape) == 1 and space.shape[0] <= max_element_tokens:
            return ElementTokenizer(space.shape[0], width)
        case spaces.Box() if len(space.shape) == 1:
            return RowTokenizer(1, space.shape[0], width)
        case spaces.Box() if len(space.shape) == 2:
            return RowTokenizer(space.shape[0], space.shape[1], width)
        case spaces.Dict():
            return DictTokenizer(space, width, max_element_tokens)
        case _:
            raise ValueError(f"there is no tokenizer for {space}: give vectors, or sets of vectors")


class CategoricalTokenizer(Tokenizer):
    """One token per column of categories; the value's row in one table that holds all columns one after another."""

    offsets: Tensor
    one_hot_to_values: Tensor
    optional: Tensor | None

    def __init__(self, n_values: np.ndarray, width: int, optional: Sequence[bool] = ()) -> None:
        super().__init__()
        self.n_tokens = len(n_values)
        self.n_rows = int(n_values.sum())
        self.table = nn.Embedding(self.n_rows, width)
        starts = np.concatenate([[0], np.cumsum(n_values)[:-1]])
        self.register_buffer("offsets", torch.as_tensor(starts, dtype=torch.long), persistent=False)
        # (n_rows, n_tokens): the value that each one-hot element stands for, in its own column.
        values = np.zeros((self.n_rows, self.n_tokens), dtype=np.float32)
        for column, (start, n) in enumerate(zip(starts, n_values, strict=True)):
            values[start : start + n, column] = np.arange(n)
        self.register_buffer("one_hot_to_values", torch.as_tensor(values), persistent=False)
        mask = torch.as_tensor(optional) if any(optional) else None
        self.register_buffer("optional", mask, persistent=False)

    def forward(self, observations: Tensor | Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Values (B, n_tokens), (B,) for one column, or one-hot rows (B, n_rows) -> tokens and presence."""
        rows, present = self._rows(observations)
        return self._looked_up(rows), present

    def without_absent(self, observations: Tensor | Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """As `forward`, without the columns that no row has, which are not looked up."""
        rows, present = self._rows(observations)
        if present is not None:
            rows, present = without_absent(rows, present)
        return self._looked_up(rows), present

    def _looked_up(self, rows: Tensor) -> Tensor:
        """Rows (B, n) of the table -> tokens (B, n, width); the gradient takes less time than that of `self.table`."""
        return self.table.weight.index_select(0, rows.flatten()).view(*rows.shape, -1)

    def _rows(self, observations: Tensor | Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """The table's row for each token, (B, n_tokens), and presence."""
        assert isinstance(observations, Tensor)
        if observations.is_floating_point() and observations.shape[-1] == self.n_rows and self.n_rows > self.n_tokens:
            observations = (observations.reshape(-1, self.n_rows) @ self.one_hot_to_values).round()
        values = observations.reshape(-1, self.n_tokens).long()
        if self.n_rows == self.n_tokens:  # one value each, whose one-hot code is a 1
            values = torch.zeros_like(values)
        present = None if self.optional is None else (values != 0) | ~self.optional
        return values + self.offsets, present


class ElementTokenizer(Tokenizer):
    """One token per element of a vector: the element times its own weights, plus its own bias."""

    def __init__(self, n_elements: int, width: int) -> None:
        super().__init__()
        self.n_tokens = n_elements
        self.weight = nn.Parameter(torch.randn(n_elements, width))
        self.bias = nn.Parameter(torch.randn(n_elements, width))

    def forward(self, observations: Tensor | Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """(B, n_tokens) -> (B, n_tokens, width), all present."""
        assert isinstance(observations, Tensor)
        return observations.float()[..., None] * self.weight + self.bias, None


class RowTokenizer(Tokenizer):
    """One token per row of numbers, all rows through the same projection."""

    def __init__(self, n_rows: int, n_columns: int, width: int) -> None:
        super().__init__()
        self.n_tokens = n_rows
        self.projection = nn.Linear(n_columns, width)

    def forward(
        self, observations: Tensor | Mapping[str, Tensor], present: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """(B, n_rows, n_columns) -> (B, n_rows, width); what stands in a row that is not `present` is never read."""
        assert isinstance(observations, Tensor)
        rows = observations.float().reshape(-1, self.n_tokens, self.projection.in_features)
        if present is not None:
            rows = rows.masked_fill(~present[..., None], 0.0)  # padding may hold anything, not-a-number included
        return self.projection(rows), present


class DictTokenizer(Tokenizer):
    """The tokens of every entry, one entry after another."""

    def __init__(self, space: spaces.Dict, width: int, max_element_tokens: int) -> None:
        super().__init__()
        self.masked = {
            name
            for name, entry in space.items()
            if isinstance(entry, spaces.Box) and len(entry.shape) == 2 and name + MASK_SUFFIX in space.spaces
        }
        for name in self.masked:
            shape, mask = space[name].shape, space[name + MASK_SUFFIX]
            if shape is None or mask.shape != shape[:1]:
                raise ValueError(f"{name + MASK_SUFFIX!r} must have one element for each row of {name!r}")
        masks = {name + MASK_SUFFIX for name in self.masked}
        # A ModuleDict refuses some names that a space may use, such as "keys" or "a.b".
        self.names = [name for name in space.spaces if name not in masks]
        if not self.names:
            raise ValueError("a Dict observation needs at least one entry")
        entries = [tokenize(space[name], width, max_element_tokens) for name in self.names]
        self.entries = nn.ModuleList(entries)
        self.n_tokens = sum(entry.n_tokens for entry in entries)

    def forward(self, observations: Tensor | Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Entries, each as its own space has it -> tokens and presence."""
        assert isinstance(observations, Mapping)
        tokens, presences = [], []
        for name, entry in zip(self.names, self.entries, strict=True):
            if name in self.masked:
                entry_tokens, present = entry(observations[name], observations[name + MASK_SUFFIX] > 0.5)
            else:
                entry_tokens, present = entry(observations[name])
            tokens.append(entry_tokens)
            presences.append(present)
        if all(present is None for present in presences):
            return torch.cat(tokens, dim=1), None
        everywhere = [
            torch.ones(part.shape[:2], dtype=torch.bool, device=part.device) if present is None else present
            for part, present in zip(tokens, presences, strict=True)
        ]
        return torch.cat(tokens, dim=1), torch.cat(everywhere, dim=1)


def without_absent(columns: Tensor, present: Tensor) -> tuple[Tensor, Tensor | None]:
    """Columns (B, n, ...) and presence (B, n) without the columns that no row has; None for presence without a gap.

    Nobody would see their tokens, so the others come out as before, up to the order in which floats are added, in less
    time. Where no row has anything, all stay.
    """
    counts = present.sum(0).tolist()
    used = [column for column, count in enumerate(counts) if count]
    if 0 < len(used) < len(counts):
        if used == list(range(len(used))):  # as where the outcome of a last action comes last; a view is quickest
            columns, present = columns[:, : len(used)], present[:, : len(used)]
        else:
            chosen = torch.tensor(used, device=columns.device)
            columns, present = columns.index_select(1, chosen), present.index_select(1, chosen)
    all_are_present = len(used) == columns.shape[1] and all(counts[column] == len(present) for column in used)
    return columns, None if all_are_present else present
