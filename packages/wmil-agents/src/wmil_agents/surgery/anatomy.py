"""The parts of a model: its modules and parameters, each once, and under which names they can be asked for."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from wmil_agents.networks.transformer import SelfAttention
from wmil_agents.surgery.region import Region, box_of, parts_of
from wmil_agents.surgery.site import Site
from wmil_agents.surgery.target import Target, TargetKind

NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)


@runtime_checkable
class HasPolicy(Protocol):
    """An algorithm of Stable-Baselines3: what is operated on is its policy."""

    policy: Any


def module_of(model: nn.Module | HasPolicy) -> nn.Module:
    """The torch module that is meant.

    Raises:
        TypeError: there is none.
    """
    if isinstance(model, nn.Module):
        return model
    policy = getattr(model, "policy", None)
    if not isinstance(policy, nn.Module):
        raise TypeError(f"surgery needs a torch module or an algorithm that has a policy, not {type(model).__name__}")
    return policy


class Anatomy:
    """The targets of a model.

    A parameter that has several names, because it is tied or because a module stands in several places, is listed
    under the first one and can be asked for under each.

    Args:
        module: whose.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._module_names = {id(part): name for name, part in module.named_modules()}
        self.parameters: dict[str, nn.Parameter] = {}
        """Each parameter once, by its first name."""
        self._first_name: dict[tuple[Any, ...], str] = {}
        self.names: dict[str, list[str]] = {}
        """All names of each parameter, by the first one: one for each module that holds it."""
        self.sites: dict[Hashable, Site] = {}
        """Where edits are made, by their form."""
        self.checked: set[tuple[str, ...]] = set()
        """Parameters that can be edited together."""
        self._first_names: dict[str, str] = {}
        for place, part in module.named_modules():
            for own, parameter in part._parameters.items():
                if parameter is not None:
                    name = f"{place}.{own}" if place else own
                    first = self._first_name.setdefault(_memory(parameter), name)
                    if first == name:
                        self.parameters[name] = parameter
                    self.names.setdefault(first, []).append(name)
                    self._first_names[name] = first

    @cached_property
    def targets(self) -> dict[str, Target]:
        """Everything that has a name of its own, in the order of the model's modules."""
        found: dict[str, Target] = {}
        for place, part in self.module.named_modules():
            prefix = f"{place}." if place else ""
            inside = [first for name, first in self._first_names.items() if name.startswith(prefix)]
            if not inside:
                continue
            if place:
                found[place] = Target(place, "module", place, tuple(map(self._whole, inside)))
            for own in part._parameters:
                name = f"{prefix}{own}"
                if name in self.parameters:
                    is_gain = isinstance(part, NORMS) and own == "weight"
                    found[name] = Target(name, "norm" if is_gain else "tensor", place, (self._whole(name),))
            for target in self._heads(place, part):
                found[target.name] = target
        return found

    def named(self, written: str) -> list[Target]:
        """The targets that a name, a pattern or a region like `name[0:16, :]` means.

        Raises:
            ValueError: there are none; names that look like it are told.
        """
        name, places = parts_of(written)
        if places is not None:
            tensor = self._canonical(name)
            if tensor not in self.parameters:
                raise ValueError(f"{written}: there is no parameter {name}{self._similar(name)}")
            box = box_of(places, self.parameters[tensor].shape, written)
            return [Target(written, "region", tensor.rpartition(".")[0], (Region(tensor, box),))]
        exact = self.targets.get(name) or self.targets.get(self._canonical(name))
        if exact is not None:
            return [exact]
        if name == "":
            return [Target("", "module", "", tuple(map(self._whole, self.parameters)))]
        for kinds in ({"tensor", "norm"}, {"query", "key", "value", "out"}, {"module"}):
            matching = [
                target for target in self.targets.values() if target.kind in kinds and fnmatchcase(target.name, name)
            ]
            if matching:
                return matching
        if name in dict(self.module.named_buffers(remove_duplicate=False)):
            raise ValueError(f"{name} is a buffer, and surgery edits parameters alone")
        raise ValueError(f"the model has nothing that is called {written!r}{self._similar(name)}")

    def of_kind(self, kind: TargetKind, module: str, head: int | None = None) -> list[Target]:
        """The targets of one kind in the modules that a name or pattern means; of one head, or of all.

        Raises:
            ValueError: there are none.
        """
        places = {module, self._canonical(module)}
        in_modules = [
            target
            for target in self.targets.values()
            if target.kind == kind and (target.module in places or fnmatchcase(target.module, module))
        ]
        chosen = [target for target in in_modules if head is None or target.head == head]
        if not chosen:
            if in_modules:
                n_heads = 1 + max(target.head or 0 for target in in_modules)
                raise ValueError(f"{module!r} has heads 0 to {n_heads - 1}, and none that is {head}")
            holders = list(dict.fromkeys(target.module for target in self.targets.values() if target.kind == kind))
            known = f"they are in {', '.join(map(repr, holders[:6]))}" if holders else "the model has none"
            raise ValueError(f"no module with a target of kind {kind} is called {module!r}: {known}")
        return chosen

    def _canonical(self, name: str) -> str:
        """The first name of a module or parameter that goes by another one, too; the name itself if it is unknown."""
        place, _, rest = name, "", ""
        while place:
            part = _attribute(self.module, place)
            if isinstance(part, nn.Module) and id(part) in self._module_names:
                first = self._module_names[id(part)]
                return ".".join(filter(None, (first, rest)))
            if isinstance(part, nn.Parameter) and not rest:
                return self._first_name.get(_memory(part), name)
            place, _, last = place.rpartition(".")
            rest = f"{last}.{rest}" if rest else last
        return name

    def _whole(self, name: str) -> Region:
        if is_lazy(self.parameters[name]):
            raise ValueError(f"{name} has no shape yet: run the model once before surgery")
        return Region(name, tuple((0, size) for size in self.parameters[name].shape))

    def _heads(self, place: str, part: nn.Module) -> Iterator[Target]:
        """The heads of an attention module: four targets each."""
        match part:
            case SelfAttention():
                rows = dict.fromkeys(("query", "key", "value"), "qkv.weight")
                bias, out, n_heads = "qkv.bias", "out.weight", part.n_heads
            case nn.MultiheadAttention():
                whole = part._qkv_same_embed_dim
                rows = {
                    "query": "in_proj_weight" if whole else "q_proj_weight",
                    "key": "in_proj_weight" if whole else "k_proj_weight",
                    "value": "in_proj_weight" if whole else "v_proj_weight",
                }
                bias, out, n_heads = "in_proj_bias", "out_proj.weight", part.num_heads
            case _:
                return
        width = self._shape(place, out)[1] if self._has(place, out) else 0
        size = width // n_heads
        for head in range(n_heads):
            start = head * size
            for number, (kind, weight) in enumerate(rows.items()):
                regions = []
                for name in (weight, bias):
                    if self._has(place, name):
                        shape = self._shape(place, name)
                        first = start + number * width * (shape[0] == 3 * width)
                        regions.append(self._region(place, name, ((first, first + size), *((0, n) for n in shape[1:]))))
                if regions:
                    yield self._head_target(place, head, kind, regions)  # type: ignore[arg-type]  # the keys of rows
            if width:
                columns = self._region(place, out, ((0, self._shape(place, out)[0]), (start, start + size)))
                yield self._head_target(place, head, "out", [columns])

    def _head_target(self, place: str, head: int, kind: TargetKind, regions: list[Region]) -> Target:
        name = ".".join(filter(None, (place, f"heads.{head}.{kind}")))
        return Target(name, kind, place, tuple(regions), head)

    def _name(self, place: str, name: str) -> str:
        full_name = f"{place}.{name}" if place else name
        return self._first_names.get(full_name, full_name)

    def _has(self, place: str, name: str) -> bool:
        return self._name(place, name) in self.parameters

    def _shape(self, place: str, name: str) -> torch.Size:
        return self.parameters[self._name(place, name)].shape

    def _region(self, place: str, name: str, box: tuple[tuple[int, int], ...]) -> Region:
        return Region(self._name(place, name), box)

    def _similar(self, name: str) -> str:
        last = name.replace("*", "").rpartition(".")[2]
        near = [known for known in self.targets if last and last in known][:6]
        return f": there are {', '.join(near)}" if near else ": targets(model) lists what there is"


def check_editable(name: str, parameter: Tensor) -> None:
    """Raises a `ValueError` for a parameter without floating-point numbers in memory."""
    if not parameter.is_floating_point() or parameter.is_meta or parameter.layout != torch.strided:
        raise ValueError(f"{name} holds no floating-point numbers in memory ({parameter.dtype}, {parameter.device})")


def _memory(parameter: Tensor) -> tuple[Any, ...]:
    """What two parameters have in common only if they are the same numbers in the same order."""
    if is_lazy(parameter) or parameter.is_meta or parameter.layout != torch.strided or not parameter.numel():
        return (id(parameter),)
    return parameter.data_ptr(), parameter.dtype, parameter.shape, parameter.stride()


def _attribute(module: nn.Module, path: str) -> Any:
    """What stands at a dotted path; None if nothing does."""
    part: Any = module
    for name in path.split("."):
        part = getattr(part, name, None)
    return part
