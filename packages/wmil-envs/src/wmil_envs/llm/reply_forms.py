"""The forms of the replies, as strict models. Importing this file needs pydantic."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Score = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Verdict(_Form):
    """How good an action is."""

    action: int
    goal: Score


class ConsistentVerdict(Verdict):
    """How good an action is, and how well it fits the rule."""

    cons: Score


class Judgement(_Form):
    """The reply of a judge."""

    verdicts: list[Verdict]


class ConsistentJudgement(_Form):
    """The reply of a judge of both components."""

    verdicts: list[ConsistentVerdict]


class Successor(_Form):
    """What follows an action."""

    action: int
    state: int


class Transition(_Form):
    """The reply of a world."""

    next: list[Successor]


class Instances(_Form):
    """The reply of whoever sets the tasks."""

    instances: list[list[int]]
