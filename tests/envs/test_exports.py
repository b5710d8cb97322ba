"""What the package exports."""

from __future__ import annotations

from types import ModuleType

import pytest

import wmil_envs


@pytest.mark.parametrize("name", wmil_envs.__all__)
def test_every_exported_name_is_what_it_says(name: str) -> None:
    from wmil_envs import exact_value, oracle  # noqa: F401  (a module of the same name would hide an export)

    assert not isinstance(getattr(wmil_envs, name), ModuleType)
    assert name in dir(wmil_envs)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wmil_envs.nothing
