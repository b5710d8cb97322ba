"""Edits brought to the parameters of one model: what each changes there, and what is touched altogether."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from wmil_agents.surgery.anatomy import Anatomy, check_editable
from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.operation import Operation, PartOf
from wmil_agents.surgery.site import Site


@dataclass(frozen=True)
class Placed:
    """An edit with its place in a model."""

    edit: Edit
    site: Site

    def strengths(self) -> list[float]:
        """The numbers of the edit that may be set."""
        return self.edit.strengths(len(self.site.targets))

    def prepared(self, part_of: PartOf) -> Prepared:
        """The edit, ready to change these parts."""
        return Prepared(self.edit.operation(self.site.targets, part_of), len(self.strengths()))


@dataclass(frozen=True)
class Prepared:
    """An edit that can be carried out."""

    operation: Operation
    n_strengths: int
    """How many numbers may be set; if only one, it stands for all that the operation takes."""

    def apply(self, strengths: Sequence[float]) -> None:
        """Carries it out with these."""
        if self.n_strengths == 1:
            strengths = [*strengths] * self.operation.n_numbers
        self.operation.apply(strengths)


def place(edits: Iterable[Edit], anatomy: Anatomy) -> list[Placed]:
    """Finds what edits mean in a model, and checks that it can be edited.

    An edit that is given once for each name of a tied parameter is one edit.

    Raises:
        ValueError: an edit means nothing there, or two of its parameters are different views of the same memory.
    """
    placed: list[Placed] = []
    for edit in edits:
        if not isinstance(edit, Edit):
            raise TypeError(f"an edit is one of wmil_agents.surgery's, not {type(edit).__name__}")
        form = edit.form
        if form not in anatomy.sites:
            anatomy.sites[form] = Site.of(edit.chosen(anatomy))
        new = Placed(edit, anatomy.sites[form])
        if not any(_is_same_by_another_name(new, known) for known in placed):
            placed.append(new)
    touched = tuple(name for one in placed for name in one.site.tensors)
    if touched not in anatomy.checked:
        parameters = {name: anatomy.parameters[name] for name in touched}
        for name, parameter in parameters.items():
            check_editable(name, parameter)
        if twice := sharing_memory(parameters):
            raise ValueError(
                f"{' and '.join(twice)} are views of the same memory, so an edit of both would be made twice: "
                "name one of them"
            )
        anatomy.checked.add(touched)
    return placed


def _is_same_by_another_name(one: Placed, other: Placed) -> bool:
    return (
        one.edit.target != other.edit.target
        and one.site.regions == other.site.regions
        and replace(one.edit, target=other.edit.target) == other.edit
    )


def sharing_memory(parameters: Mapping[str, Tensor]) -> tuple[str, str] | None:
    """The names of two parameters that share some of their memory, as tied by a transposition; None if none do."""
    by_storage: dict[int, list[str]] = {}
    for name, parameter in parameters.items():
        if not is_lazy(parameter) and not parameter.is_meta and parameter.layout == torch.strided and parameter.numel():
            by_storage.setdefault(parameter.untyped_storage().data_ptr(), []).append(name)
    for names in by_storage.values():
        for number, name in enumerate(names):
            for other in names[:number]:
                if np.intersect1d(_places(parameters[name]), _places(parameters[other])).size:
                    return other, name
    return None


def _places(tensor: Tensor) -> npt.NDArray[np.int64]:
    """Where each element lies in its storage, in bytes."""
    places = np.full(tuple(tensor.shape), int(tensor.storage_offset()), dtype=np.int64)
    for dimension, (size, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
        along = np.arange(size, dtype=np.int64) * stride
        places += along.reshape(-1, *[1] * (tensor.dim() - dimension - 1))
    return places.ravel() * tensor.element_size()


def checked_strengths(strengths: Iterable[float], expected: int) -> list[float]:
    """As many finite numbers as expected, as a list.

    Raises:
        ValueError: they are not.
    """
    values = strengths.tolist() if isinstance(strengths, np.ndarray | Tensor) else list(strengths)
    if len(values) != expected:
        raise ValueError(f"these edits take {expected} strengths, not {len(values)}")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"strengths must be finite numbers, not {values}")
    return values
