"""Edits of a live model's weights that are undone to the last bit, unless they are kept.

What is exported here is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wmil_agents.surgery.batched import score_edits
    from wmil_agents.surgery.edit import Edit
    from wmil_agents.surgery.edits.add import Add
    from wmil_agents.surgery.edits.custom import Custom
    from wmil_agents.surgery.edits.gains import Gains
    from wmil_agents.surgery.edits.head_gain import HeadGain
    from wmil_agents.surgery.edits.head_mask import HeadMask
    from wmil_agents.surgery.edits.layer_norm_gain import LayerNormGain
    from wmil_agents.surgery.edits.low_rank import LowRank
    from wmil_agents.surgery.edits.noise import Noise
    from wmil_agents.surgery.edits.scale import Scale
    from wmil_agents.surgery.edits.table import edit_from_dict
    from wmil_agents.surgery.edits.temperature import Temperature
    from wmil_agents.surgery.target import Target
    from wmil_agents.surgery.target_list import targets
    from wmil_agents.surgery.theater import SurgicalTheater

__all__ = [
    "Add",
    "Custom",
    "Edit",
    "Gains",
    "HeadGain",
    "HeadMask",
    "LayerNormGain",
    "LowRank",
    "Noise",
    "Scale",
    "SurgicalTheater",
    "Target",
    "Temperature",
    "edit_from_dict",
    "score_edits",
    "targets",
]

_MODULE_OF = {
    "Add": "edits.add",
    "Custom": "edits.custom",
    "Edit": "edit",
    "Gains": "edits.gains",
    "HeadGain": "edits.head_gain",
    "HeadMask": "edits.head_mask",
    "LayerNormGain": "edits.layer_norm_gain",
    "LowRank": "edits.low_rank",
    "Noise": "edits.noise",
    "Scale": "edits.scale",
    "SurgicalTheater": "theater",
    "Target": "target",
    "Temperature": "edits.temperature",
    "edit_from_dict": "edits.table",
    "score_edits": "batched",
    "targets": "target_list",
}


def __getattr__(name: str) -> Any:
    """Imports an exported name on first use (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
