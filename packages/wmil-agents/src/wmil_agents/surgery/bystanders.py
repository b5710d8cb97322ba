"""What an operation leaves as it found it beside the weights: buffers, training flags, frozen parameters."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

from torch import nn

from wmil_agents.surgery.noted_buffers import NotedBuffers

TRAINING = itemgetter("training")
REQUIRES_GRAD = attrgetter("requires_grad")


class Bystanders:
    """Notes them, and puts back what has changed since.

    Args:
        module: whose.
    """

    def __init__(self, module: nn.Module) -> None:
        modules = list(module.modules())
        self._states: list[dict[str, Any]] = [part.__dict__ for part in modules]
        self._leaves = [part._modules for part in modules if not part._modules]
        self._children = [part._modules for part in modules if part._modules]
        self._known_children = self._all_children()
        self._parameters = list(module.parameters())
        self.buffers = NotedBuffers(modules)
        self._training: list[bool] = []
        self._requires_grad: list[bool] = []

    def are_the_same(self) -> bool:
        """Whether the module still has the modules and buffers that it had."""
        has_same_modules = not any(self._leaves) and self._all_children() == self._known_children
        return has_same_modules and self.buffers.are_in_place()

    def note(self) -> None:
        """Remembers how they are."""
        self._training = list(map(TRAINING, self._states))
        self._requires_grad = list(map(REQUIRES_GRAD, self._parameters))
        self.buffers.note()

    def put_back(self) -> None:
        """Makes them as they were noted."""
        self.buffers.put_back()
        if list(map(TRAINING, self._states)) != self._training:
            for state, training in zip(self._states, self._training, strict=True):
                state["training"] = training
        if list(map(REQUIRES_GRAD, self._parameters)) != self._requires_grad:
            for parameter, requires_grad in zip(self._parameters, self._requires_grad, strict=True):
                parameter.requires_grad_(requires_grad)

    def _all_children(self) -> list[nn.Module | None]:
        return list(chain.from_iterable(map(dict.values, self._children)))
