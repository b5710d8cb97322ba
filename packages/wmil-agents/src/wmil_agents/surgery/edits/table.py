"""The kinds of edits by their names in plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.edits.add import Add
from wmil_agents.surgery.edits.gains import Gains
from wmil_agents.surgery.edits.head_gain import HeadGain
from wmil_agents.surgery.edits.head_mask import HeadMask
from wmil_agents.surgery.edits.layer_norm_gain import LayerNormGain
from wmil_agents.surgery.edits.low_rank import LowRank
from wmil_agents.surgery.edits.noise import Noise
from wmil_agents.surgery.edits.scale import Scale
from wmil_agents.surgery.edits.temperature import Temperature

EDITS: dict[str, type[Edit]] = {
    edit.kind: edit for edit in (Scale, Add, LowRank, HeadGain, HeadMask, LayerNormGain, Temperature, Gains, Noise)
}
"""Those that are plain data."""


def edit_from_dict(data: Mapping[str, Any]) -> Edit:
    """The edit that `Edit.to_dict` wrote, from what JSON made of it, too.

    Raises:
        ValueError: the kind or an argument is unknown, or an argument is missing.
    """
    settings = dict(data)
    kind = settings.pop("kind", None)
    if kind not in EDITS:
        raise ValueError(f"kind must be one of {', '.join(EDITS)}, not {kind!r}")
    known = {field.name for field in fields(EDITS[kind])}
    if unknown := settings.keys() - known:
        raise ValueError(f"{kind} has no {', '.join(sorted(unknown))}: it takes {', '.join(sorted(known))}")
    try:
        return EDITS[kind](**settings)
    except TypeError as error:
        raise ValueError(f"{kind} is not complete: {error}") from None
