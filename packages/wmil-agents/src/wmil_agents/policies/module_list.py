"""The modules and parameters of a network, walked more quickly than torch's own generators do it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn


def modules_of(root: nn.Module) -> Iterator[nn.Module]:
    """Each module once, in the order of `root.modules()`."""
    found: set[nn.Module] = set()
    waiting = [root]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            yield module
            if module._modules:
                waiting.extend(child for child in reversed(module._modules.values()) if child is not None)


def parameters_of(root: nn.Module) -> Iterator[nn.Parameter]:
    """Each parameter once, in the order of `root.parameters()`; a small network pays for every listing."""
    found: set[int] = set()
    for module in modules_of(root):
        for parameter in module._parameters.values():
            if parameter is not None and id(parameter) not in found:
                found.add(id(parameter))
                yield parameter


def set_training(root: nn.Module, mode: bool) -> None:
    """What `root.train(mode)` does; a module inside that has its own way of doing it is asked."""
    modules = list(modules_of(root))
    for module in modules:
        module.__dict__["training"] = mode  # past nn.Module.__setattr__, which looks for parameters and submodules
    for module in modules[1:]:
        if type(module).train is not nn.Module.train:
            module.train(mode)
