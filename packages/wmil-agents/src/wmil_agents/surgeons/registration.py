"""The ids of this package's environments, registered without importing Gymnasium before anybody needs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

GYMNASIUM = "gymnasium"


def register_all() -> None:
    """Registers them; what they need is imported when one is made.

    Gymnasium's own order enforcer and passive checker are left out: the environments check their calls themselves.
    """
    import gymnasium as gym

    gym.register(
        id="WMIL/Surgery-v0",
        entry_point="wmil_agents.surgeons.surgery_env:SurgeryEnv",
        order_enforce=False,
        disable_env_checker=True,
    )


def register_with_gymnasium() -> None:
    """Registers them at once if Gymnasium is imported, otherwise as soon as it is.

    Importing it takes .1 s, which would be half of what `wmil --help` takes.
    """
    if hasattr(sys.modules.get(GYMNASIUM), "register"):
        register_all()
    else:
        sys.meta_path.insert(0, _Registrar())


class _Registrar(MetaPathFinder):
    """Lets Gymnasium be imported as ever, and registers our ids right afterwards."""

    def __init__(self) -> None:
        self._is_asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the others find it; to be asked does not mean that it will be imported."""
        if fullname != GYMNASIUM or self._is_asking:
            return None
        self._is_asking = True
        try:
            spec = find_spec(fullname)
        finally:
            self._is_asking = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    register_all()

            # The loader itself is kept: others ask it for source and resources.
            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]  # of this one object
        return spec
