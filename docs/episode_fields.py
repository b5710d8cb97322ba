"""The arrays of an episode log as a table, in the words that its sidecars use."""

from pathlib import Path

from wmil_agents.runs.episode_schema import fields_table


def write_episode_fields(path: Path) -> None:
    """Write the table, and leave it alone if it has not changed."""
    text = fields_table()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
