"""Classes made at run time: one that exists, with a mixin in front."""

from __future__ import annotations

import copyreg
from abc import ABCMeta
from functools import cache
from typing import Any


class _Mixed(ABCMeta):
    """The class of the classes made here; pickle holds them as what they are made from."""

    made_from: tuple[Any, Any, str]


def _as_made(made: _Mixed) -> tuple[Any, tuple[Any, Any, str]]:
    return mixed, made.made_from


copyreg.pickle(_Mixed, _as_made)


@cache
def mixed(mixin: Any, plain: Any, prefix: str) -> Any:
    """The class `plain` with the class `mixin` in front of it; `plain` itself if it has the mixin already.

    The mixin must inherit from what it extends, `plain` or one of its parents, so that an object of class `plain` can
    be given the new class. The same arguments give the same class. Pickles of it and of its objects can be read
    wherever this package is installed; Stable-Baselines3's files, which cloudpickle writes, hold it by value.
    """
    if issubclass(plain, mixin):
        return plain
    told = {"__doc__": mixin.__doc__, "__module__": mixin.__module__, "made_from": (mixin, plain, prefix)}
    return _Mixed(f"{prefix}{plain.__name__}", (mixin, plain), told)
