"""Many candidate edits scored in one forward, with nothing written to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.random import fork_rng

from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.surgery.anatomy import Anatomy, HasPolicy, module_of
from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.preparation import Placed, place, sharing_memory
from wmil_agents.surgery.region import Region

Score = Callable[[Any, Any], Tensor]
"""(model, inputs) -> a tensor with a single number."""
Overlay = dict[str, Tensor]
"""Edited parameters by name, the candidates along the first dimension."""


def score_edits(
    model: nn.Module | HasPolicy,
    candidates: Sequence[Edit | Sequence[Edit]],
    inputs: Any,
    score: Score,
    *,
    one_by_one: bool = False,
    n_together: int = 64,
) -> Tensor:
    """The scores (n,) of n candidates, each the model with other edits; the model itself is not written to.

    The candidates differ in the touched parameters alone, so whatever does not depend on these is computed once for all
    (`torch.func.functional_call` and `vmap`). Scores are those inside a `SurgicalTheater`, up to the order in which
    floats are added. Random numbers that a forward draws are the same for each candidate, and the generators are left
    as they are. So are training flags: call `eval()` before where dropout or batch norm are not to disturb.

    Args:
        model: a torch module, or an algorithm of Stable-Baselines3, whose policy is meant.
        candidates: an edit or several for each.
        inputs: handed on to `score`.
        score: called with the module and `inputs`; no value of the module's parameters may decide what it does next.
        one_by_one: whether to run a forward for each, for models that `vmap` cannot run.
        n_together: how many candidates are run at most in one forward; memory grows with it.

    Raises:
        ValueError: the model cannot be run for many candidates at once, two of its parameters are different views of
            the same memory, or a score is not a single number.
    """
    if n_together < 1:
        raise ValueError(f"n_together must be at least 1, not {n_together}")
    module = module_of(model)
    anatomy = Anatomy(module)
    placed = [place([one] if isinstance(one, Edit) else one, anatomy) for one in candidates]
    if views := sharing_memory(anatomy.parameters):
        raise ValueError(f"{' and '.join(views)} are views of the same memory: try edits of them in a theater")
    scored = _Scored(module, score, inputs)
    scores: list[Tensor] = []
    with torch.no_grad():
        for first in range(0, len(placed), n_together):
            overlay = _overlay(placed[first : first + n_together], anatomy)
            n_candidates = len(placed[first : first + n_together])
            if one_by_one or not overlay:
                for number in range(n_candidates):
                    scores.append(scored.of({name: stacked[number] for name, stacked in overlay.items()}, anatomy))
            else:
                scores.extend(_together(scored, overlay, anatomy).unbind())
    return torch.stack(scores) if scores else torch.zeros(0)


def _together(scored: _Scored, overlay: Overlay, anatomy: Anatomy) -> Tensor:
    try:
        with scored.same_draws(), sdpa_kernel(SDPBackend.MATH):  # the fused kernels cannot be batched
            return vmap(lambda tensors: scored.given(tensors, anatomy), randomness="same")(overlay)
    except Exception as error:
        scored.of({name: stacked[0] for name, stacked in overlay.items()}, anatomy)  # raises what is wrong with it
        reason, _, _ = str(error).partition("\n")
        message = f"this model cannot be run for many candidates at once, pass one_by_one=True: {reason}"
        raise ValueError(message) from error


def _overlay(candidates: Sequence[Sequence[Placed]], anatomy: Anatomy) -> Overlay:
    """A copy of each touched parameter for each candidate, with its edits made; those of one form together."""
    touched = dict.fromkeys(name for edits in candidates for one in edits for name in one.site.tensors)
    overlay = {
        name: anatomy.parameters[name].detach().expand(len(candidates), *anatomy.parameters[name].shape).clone()
        for name in touched
    }

    def copies_of(region: Region) -> Tensor:
        whole = overlay[region.tensor]
        return Region(region.tensor, ((0, len(whole)), *region.box)).of(whole)

    groups: dict[tuple[Edit, ...], list[int]] = {}
    for row, edits in enumerate(candidates):
        groups.setdefault(tuple(one.edit.form for one in edits), []).append(row)
    for rows in groups.values():
        for number, one in enumerate(candidates[rows[0]]):
            strengths = [candidates[row][number].strengths() for row in rows]
            one.edit.change_copies(one.site.targets, copies_of, rows, strengths)
    return overlay


class _Scored(nn.Module):
    """A module with its score as the forward, so that any method of it can be called with other parameters."""

    def __init__(self, module: nn.Module, score: Score, inputs: Any) -> None:
        super().__init__()
        self.module = module
        self.score = score
        self.inputs = inputs

    def same_draws(self) -> AbstractContextManager[None]:
        """A block after which the generators are as they were before it."""
        devices = {parameter.device for parameter in self.module.parameters()}
        return fork_rng([device.index for device in devices if device.type == "cuda"])

    def of(self, overlay: Overlay, anatomy: Anatomy) -> Tensor:
        """The score with these parameters, with draws that are the same every time."""
        with self.same_draws():
            return self.given(overlay, anatomy)

    def given(self, overlay: Overlay, anatomy: Anatomy) -> Tensor:
        """The score with these parameters in place of the module's own, and copies of its buffers."""
        replaced = {f"module.{name}": tensor for first, tensor in overlay.items() for name in anatomy.names[first]}
        self._forget()
        try:
            # One name for each module that holds a tensor: tie_weights would name modules that stand in several places
            # several times, as in Stable-Baselines3's policies, and then leave the replacements in them.
            score = functional_call(self, replaced | self._copied_buffers(), (), tie_weights=False)
        finally:
            self._forget()
        if not isinstance(score, Tensor) or score.dim():
            found = f"a tensor of {tuple(score.shape)}" if isinstance(score, Tensor) else type(score).__name__
            raise ValueError(f"a score must be a tensor with a single number and no dimension, not {found}")
        return score

    def _copied_buffers(self) -> Overlay:
        copies: dict[int, Tensor] = {}
        return {
            ".".join(filter(None, ("module", place, name))): copies.setdefault(id(buffer), buffer.clone())
            for place, part in self.module.named_modules()
            for name, buffer in part._buffers.items()
            if buffer is not None
        }

    def forward(self) -> Tensor:
        """The score."""
        return self.score(self.module, self.inputs)

    def _forget(self) -> None:
        for policy in self._policies():
            policy.forget()

    def _policies(self) -> Iterator[TransformerPolicy]:
        return (part for part in self.module.modules() if isinstance(part, TransformerPolicy))
