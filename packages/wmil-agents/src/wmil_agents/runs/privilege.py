"""What a run is told besides the rewards of its own actions: a mark that stands wherever its results do."""

from __future__ import annotations

from wmil_agents.runs.settings import Settings

TEACHER = "uses a teacher"
ALL_SCORES = "told the score of every action"


def privilege(settings: Settings) -> str:
    """The mark of a run that does not learn from the rewards of its own actions alone; empty where it does."""
    if settings.agent == "kl_distill":
        return TEACHER
    asked = settings.learner.arguments.get("all_actions"), settings.env.arguments.get("reveals_all_actions")
    return ALL_SCORES if any(asked) else ""
