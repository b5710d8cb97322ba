"""What a whole table of verdicts still takes."""

from __future__ import annotations

from dataclasses import dataclass

from wmil_envs.llm.budget import Budget
from wmil_envs.llm.question import Question
from wmil_envs.llm.questions import estimated_input_tokens, estimated_output_tokens
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.recordings.plan import Plan, Recorded
from wmil_envs.task import Task


@dataclass(frozen=True)
class Estimate:
    """What filling takes, if every question is answered at the first attempt."""

    questions: int
    """In the whole table."""
    answered: int
    """Those that the store has."""
    calls: int
    """One for each that is left, and the canaries."""
    canaries: int
    """Of these calls, if all are made by one run."""
    input_tokens: int
    """About; a quarter of the bytes, which is a rule of thumb and no model's own count."""
    output_tokens: int
    """About, by the same rule, without whatever a model thinks before it replies."""
    dollars: float | None
    """About; None without prices."""
    is_bound: bool
    """Whether it is the most it can be: the states of a level are still to be chosen."""

    def __str__(self) -> str:
        cost = "no prices are given" if self.dollars is None else f"about ${self.dollars:.4f}"
        bound = " at most, since states are still to be chosen" if self.is_bound else ""
        return (
            f"{self.questions - self.answered:,} of {self.questions:,} questions are to be asked{bound}: "
            f"{self.calls:,} calls ({self.canaries:,} of them canaries), about {self.input_tokens:,} input and "
            f"{self.output_tokens:,} output tokens (bytes / 4), {cost}; retries come on top"
        )


def estimate(task: Task, settings: LLMSettings) -> Estimate:
    """What filling the table of a task takes; nothing is asked.

    Args:
        task: what is asked.
        settings: who is asked. With the mode `refresh` everything is asked again.

    Raises:
        StoreError: the store cannot be read.
    """
    plan = Plan(task, settings)
    recorded = Recorded(plan)
    left = recorded.questions if settings.mode == "refresh" else recorded.missing
    canaries = _canaries(plan, len(left))
    prompts = [plan.questions.prompt(question) for question in [*left, *canaries]]
    input_tokens = sum(estimated_input_tokens(prompt) for prompt in prompts)
    output_tokens = sum(estimated_output_tokens(question) for question in [*left, *canaries])
    return Estimate(
        questions=len(recorded.questions),
        answered=len(recorded.questions) - len(left),
        calls=len(left) + len(canaries),
        canaries=len(canaries),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        dollars=Budget(settings.budget, plan.store).dollars(input_tokens, output_tokens),
        is_bound=any(question.key not in recorded.records for question in plan.setting),
    )


def _canaries(plan: Plan, n_calls: int) -> list[Question]:
    """All canaries before the first call, one after every `canary_every` calls that another call follows."""
    every = plan.settings.canary_every
    if not every or not n_calls:
        return []
    canaries = list(plan.questions.canaries())
    return canaries + [canaries[number % len(canaries)] for number in range((n_calls - 1) // every)]
