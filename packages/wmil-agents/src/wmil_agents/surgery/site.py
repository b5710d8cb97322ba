"""Where in a model an edit is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wmil_agents.surgery.region import Region
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class Site:
    """The targets of an edit."""

    targets: tuple[Target, ...]
    regions: tuple[Region, ...]
    """All of theirs, each once."""
    tensors: tuple[str, ...]
    """The parameters that these are parts of."""

    @classmethod
    def of(cls, targets: Sequence[Target]) -> Site:
        """Of these targets; a region that several of them have stays with the first."""
        seen: dict[Region, None] = {}
        kept = []
        for target in targets:
            regions = tuple(region for region in dict.fromkeys(target.regions) if region not in seen)
            seen.update(dict.fromkeys(regions))
            if regions:
                kept.append(replace(target, regions=regions))
        return cls(tuple(kept), tuple(seen), tuple(dict.fromkeys(region.tensor for region in seen)))
