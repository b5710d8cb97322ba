"""Controls that follow the gradient of the search score: with the surgeon's own few strengths, or with all weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wmil_agents.surgeons.bank_score import BankScore
from wmil_agents.surgeons.score import Floats, Model, Score
from wmil_agents.surgeons.surgeon import Operation, surgery_in
from wmil_agents.surgeons.surgery_env import View
from wmil_agents.surgery.anatomy import module_of
from wmil_agents.surgery.edits.custom import Custom
from wmil_agents.surgery.theater import SurgicalTheater

EVALUATIONS_A_GRADIENT = 3
"""A forward, and a backward of about twice its arithmetic."""
_NUDGE = 1e-2
"""Of a strength, to see what it does to the weights: central differences, to a relative error of about its square."""


class GradientSurgeon:
    """Climbs the search score by Adam's steps in the strengths of the surgeon's edits.

    Args:
        n_evaluations: what an operation may cost; a gradient costs 3, and there is at least one.
        step_size: of Adam.
    """

    learns = False

    def __init__(self, n_evaluations: int = 4, step_size: float = 0.25) -> None:
        self.n_steps = _n_steps(n_evaluations)
        self.n_evaluations, self.step_size = self.n_steps * EVALUATIONS_A_GRADIENT, step_size
        self.name = f"gradient{n_evaluations}"

    def operate(self, env: Operation, observation: View) -> dict[str, Any]:
        """Carries out one operation."""
        surgery = surgery_in(env)
        model, search = surgery.patient.model, surgery.patient.search
        strengths = torch.tensor(surgery.strengths, dtype=torch.float64, requires_grad=True)
        adam = torch.optim.Adam([strengths], self.step_size, maximize=True)
        with surgery.operating() as theater:
            for _ in range(self.n_steps):
                slopes = slopes_of_weights(theater, weight_gradients(search, model))
                strengths.grad = torch.as_tensor(slopes)
                adam.step()
                theater.operate(strengths.tolist())
        return surgery.conclude()

    def state_dict(self) -> dict[str, Any]:
        """Nothing: each operation begins anew."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes nothing."""


class FineTuning:
    """Trains all weights by Adam's steps up the search score: what one would do without a surgeon.

    Its edits stand for all trainable parameters: `SurgeryEnv(patient, edits=surgeon.edits)`.

    Args:
        model: the one to be operated on.
        n_evaluations: what an operation may cost; a gradient costs 3, and there is at least one.
        learning_rate: of Adam.
    """

    learns = False

    def __init__(self, model: Model, n_evaluations: int = 4, learning_rate: float = 1e-3) -> None:
        self.n_steps = _n_steps(n_evaluations)
        self.n_evaluations, self.learning_rate = self.n_steps * EVALUATIONS_A_GRADIENT, learning_rate
        self.name = f"finetune{n_evaluations}"
        self._trained: dict[str, Tensor] = {}
        self.edits = tuple(Custom(name, 0.0, self._what_came_of(name)) for name in _trainable(module_of(model)))
        """At a strength other than 0 a parameter is what the last operation made of it."""

    def operate(self, env: Operation, observation: View) -> dict[str, Any]:
        """Carries out one operation.

        Raises:
            ValueError: the environment's edits are not this surgeon's.
        """
        surgery = surgery_in(env)
        if [edit.target for edit in surgery.theater.edits] != [edit.target for edit in self.edits]:
            raise ValueError(
                "fine-tuning needs an environment with its own edits: SurgeryEnv(..., edits=surgeon.edits)"
            )
        model, search = surgery.patient.model, surgery.patient.search
        live = _trainable(module_of(model))
        with surgery.operating():  # which puts all of them back in the end
            copies = {name: weights.detach().clone().requires_grad_() for name, weights in live.items()}
            adam = torch.optim.Adam(copies.values(), self.learning_rate, maximize=True)
            for _ in range(self.n_steps):
                for name, gradient in weight_gradients(search, model).items():
                    copies[name].grad = gradient
                adam.step()
                with torch.no_grad():
                    for name, weights in live.items():
                        weights.copy_(copies[name])
        self._trained = {name: copy.detach() for name, copy in copies.items()}
        surgery.set_strengths([1.0] * len(self.edits))
        return surgery.conclude()

    def state_dict(self) -> dict[str, Any]:
        """Nothing: each operation begins anew."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes nothing."""

    def _what_came_of(self, name: str) -> Callable[[Tensor, float], Tensor]:
        return lambda weights, strength: self._trained[name]


def weight_gradients(score: Score, model: Model) -> dict[str, Tensor]:
    """The gradient of a score with respect to each trainable parameter that it depends on; `grad` is left alone.

    Raises:
        TypeError: the score has no gradient.
    """
    if not isinstance(score, BankScore):
        raise TypeError(f"the gradient of a score is known where it is a BankScore, not of a {type(score).__name__}")
    parameters = _trainable(module_of(model))
    worth = score.worth(model)
    mean = (torch.as_tensor(score.weights, dtype=worth.dtype, device=worth.device) * worth).sum()
    found: Sequence[Tensor | None] = torch.autograd.grad(mean, list(parameters.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(parameters, found, strict=True) if gradient is not None}


def slopes_of_weights(theater: SurgicalTheater, gradients: dict[str, Tensor]) -> Floats:
    """(n_strengths,) the gradient with respect to the strengths of a theater in use, by the chain rule.

    What a strength does to the weights is seen by changing it a little to both sides; no forward is needed.

    Args:
        theater: strengths and weights are afterwards as before.
        gradients: with respect to the parameters, by name.
    """
    strengths = np.array(theater.strengths)
    parameters = _trainable(theater.module)
    slopes = np.zeros(len(strengths))
    for number in range(len(strengths)):
        sides = []
        for nudge in (_NUDGE, -_NUDGE):
            theater.operate(strengths + nudge * np.eye(len(strengths))[number])
            sides.append([parameters[name].detach().clone() for name in gradients])
        differences = [above - below for above, below in zip(*sides, strict=True)]
        changes = sum(float((g * d).sum()) for g, d in zip(gradients.values(), differences, strict=True))
        slopes[number] = changes / (2.0 * _NUDGE)
    theater.operate(strengths)
    return slopes


def _n_steps(n_evaluations: int) -> int:
    if n_evaluations < EVALUATIONS_A_GRADIENT:
        raise ValueError(f"a gradient costs {EVALUATIONS_A_GRADIENT} evaluations, so there must be as many at least")
    return n_evaluations // EVALUATIONS_A_GRADIENT


def _trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
