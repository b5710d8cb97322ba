"""What of a model can be edited, by name."""

from __future__ import annotations

from torch import nn

from wmil_agents.surgery.anatomy import Anatomy, HasPolicy, module_of
from wmil_agents.surgery.target import Target


def targets(model: nn.Module | HasPolicy) -> dict[str, Target]:
    """Every target of a model by its name, in the order of its modules.

    Any module and parameter goes by its own name. Attention heads, of our transformer and of `nn.MultiheadAttention`
    (in `nn.TransformerEncoderLayer` and elsewhere), have `<module>.heads.<i>.query`, `.key`, `.value` and `.out`.

    Args:
        model: a torch module, or an algorithm of Stable-Baselines3, whose policy is meant.
    """
    return dict(Anatomy(module_of(model)).targets)
