"""Classes made at run time: one that exists, with a mixin in front."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def mixed(mixin: Any, plain: Any, prefix: str) -> Any:
    """The class `plain` with the class `mixin` in front of it; `plain` itself if it has the mixin already.

    The mixin must inherit from what it extends, `plain` or one of its parents, so that an object of class `plain` can
    be given the new class. The same arguments give the same class. Files hold it by value (Stable-Baselines3 saves with
    cloudpickle), so a process that has not made the class yet can load them.
    """
    if issubclass(plain, mixin):
        return plain
    return type(f"{prefix}{plain.__name__}", (mixin, plain), {"__doc__": mixin.__doc__, "__module__": mixin.__module__})
