"""The commands about parents that are language models, and their arguments; `main` adds them to `wmil`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from wmil_agents.cli.exit_codes import PARENT_FAILED, errors_end

parent_app = typer.Typer(
    name="parent",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Ask a language model for its verdicts, audit and freeze them.",
)

_EXIT = "\n\nExit code: 0 if done, 2 if the input cannot be used, 3 if a model, its budget or its store fails"

FILL_HELP = f"""Ask a model for every verdict, so that training asks for none.

What the store has is not asked again, and what is answered is kept, whatever ends the command:

\b
  wmil parent fill PatternEcho --parent parent.yaml --dry-run
  wmil parent fill PatternEcho --parent parent.yaml --max-calls 13
  wmil parent fill Conditional --set alphabet=1 --parent '{{kind: llm, provider: openai, model: NAME}}'

{_EXIT.strip()}, or a question has no answer, 130 if interrupted.
"""

FREEZE_HELP = f"""Write verdicts as a file that ships, with the judge card.

\b
  wmil parent freeze PatternEcho --parent parent.yaml --out scores.json
  wmil train mvp --set "env.arguments.parent={{kind: recorded, path: scores.json}}"

{_EXIT.strip()}, or answers are missing.
"""

AUDIT_HELP = f"""Hold verdicts against the rule, and tell where they differ.

Agreement, Cohen's kappa, and the disagreements in words:

\b
  wmil parent audit PatternEcho --parent parent.yaml
  wmil parent audit PatternEcho --frozen scores.json

{_EXIT.strip()}, or nothing has been judged.
"""

EXPORT_HELP = f"""Write every answer of a store as a line of JSON, sorted.

\b
  wmil parent export wmil-parent.sqlite verdicts.jsonl

{_EXIT.strip()}.
"""

IMPORT_HELP = f"""Add exported answers to a store.

All of them or, if a line cannot be, none:

\b
  wmil parent import wmil-parent.sqlite verdicts.jsonl

{_EXIT.strip()}.
"""

SPENT_HELP = f"""Tell what the calls of a store cost so far, over all runs.

\b
  wmil parent spent wmil-parent.sqlite

{_EXIT.strip()}.
"""

FAKE_LLM_HELP = """Serve a stand-in for a language model on this machine.

With it everything can be tried without a key. It speaks both vendors' formats and answers by the rule of the task that
it is asked about, except for what is asked for here; it prints the parents that ask it. Its verdicts say nothing about
any model.

\b
  wmil fake-llm
  wmil fake-llm --wrong-rate 0.1 --delay 0.5
  wmil fake-llm --fault 500 --fault "429 0.2" --fault prose

Exit code: 130 when ended by Ctrl-C, 2 if the input cannot be used.
"""


class AboutParents(TyperCommand):
    """A command whose help also lists what a parent is told."""

    def get_help(self, ctx: Any) -> str:
        """The usual help, then the fields of a specification with their defaults."""
        from wmil_agents.cli.parent_settings import parent_settings_help

        return f"{super().get_help(ctx)}\n\n{parent_settings_help()}"


Environment = Annotated[str, typer.Argument(metavar="ENV", help="An environment, as `wmil envs` lists it.")]
Given = Annotated[
    str, typer.Option("--parent", metavar="FILE|YAML", help="The model: a .yaml or .json file, or the text itself.")
]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An argument of the environment.")]
StoreOption = Annotated[Path | None, typer.Option("--store", help="The file of verdicts, instead of the parent's.")]
StoreArgument = Annotated[Path, typer.Argument(metavar="STORE", help="The file of verdicts.")]


@parent_app.command(cls=AboutParents, help=FILL_HELP)
def fill(
    env: Environment,
    parent: Given,
    overrides: Sets = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it takes, and ask nothing.")] = False,
    max_calls: Annotated[int | None, typer.Option(min=0, help="Calls allowed over all runs with this store.")] = None,
    max_dollars: Annotated[
        float | None, typer.Option(min=0.0, help="The same in dollars; needs the parent's prices.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Ask for every verdict; `FILL_HELP` says how."""
    with errors_end():
        from wmil_agents.cli.parent_specification import language_model, task_of
        from wmil_agents.cli.parent_table import fill_table, tell_estimate

        task = task_of(env, overrides or [])
        settings = language_model(parent, calls=max_calls, dollars=max_dollars, store=store)
        if dry_run:
            tell_estimate(task, settings)
        elif not fill_table(task, settings):
            raise typer.Exit(PARENT_FAILED)


@parent_app.command(help=FREEZE_HELP)
def freeze(
    env: Environment,
    parent: Given,
    out: Annotated[Path, typer.Option(help="The file; it is replaced if it is there.")],
    overrides: Sets = None,
    partial: Annotated[bool, typer.Option("--partial", help="Freeze the complete states, if others are not.")] = False,
    store: StoreOption = None,
) -> None:
    """Write verdicts as a file; `FREEZE_HELP` says how."""
    with errors_end():
        from wmil_agents.cli.parent_specification import language_model, task_of
        from wmil_agents.cli.parent_table import freeze_table

        freeze_table(task_of(env, overrides or []), language_model(parent, store=store), out, partial=partial)


@parent_app.command(help=AUDIT_HELP)
def audit(
    env: Environment,
    parent: Annotated[str | None, typer.Option(metavar="FILE|YAML", help="The model, as for fill.")] = None,
    frozen: Annotated[Path | None, typer.Option(help="A file of frozen verdicts, instead of a model's store.")] = None,
    overrides: Sets = None,
    most: Annotated[int, typer.Option(min=0, help="Disagreements to tell.")] = 20,
    store: StoreOption = None,
) -> None:
    """Hold verdicts against the rule; `AUDIT_HELP` says how."""
    with errors_end():
        from wmil_agents.cli.parent_specification import language_model, task_of
        from wmil_agents.cli.parent_table import audit_table
        from wmil_agents.runs.input_error import InputError

        if (parent is None) == (frozen is None):
            raise InputError("an audit is of one judge: give --parent or --frozen")
        task = task_of(env, overrides or [])
        if frozen is not None:
            audit_table(task, frozen, most)
        elif parent is not None:
            audit_table(task, language_model(parent, store=store), most)


@parent_app.command(name="export", help=EXPORT_HELP)
def export_(
    store: StoreArgument,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to, JSONL.")],
) -> None:
    """Write a store as text; `EXPORT_HELP` says how."""
    with errors_end():
        from wmil_agents.cli.parent_store import export_store

        export_store(store, out)


@parent_app.command(name="import", help=IMPORT_HELP)
def import_(
    store: StoreArgument,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What was exported.")],
) -> None:
    """Add answers to a store; `IMPORT_HELP` says how."""
    with errors_end():
        from wmil_agents.cli.parent_store import import_store

        import_store(store, source)


@parent_app.command(help=SPENT_HELP)
def spent(store: StoreArgument) -> None:
    """Tell what was spent; `SPENT_HELP` says how."""
    with errors_end():
        from wmil_agents.cli.parent_store import tell_spent

        tell_spent(store)


def fake_llm(
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65_535, help="Where it listens; 0 for any free one. Verdicts are kept for one address."
        ),
    ] = 8_765,
    delay: Annotated[float, typer.Option(min=0.0, help="Seconds before each reply.")] = 0.0,
    wrong_rate: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the verdicts that are wrong.")] = 0.0,
    error_rate: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the requests that fail.")] = 0.0,
    malformed_rate: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the replies that are no verdict.")
    ] = 0.0,
    gullible: Annotated[
        bool, typer.Option("--gullible", help="Give full marks to whoever asks for them; canaries find that out.")
    ] = False,
    fault: Annotated[
        list[str] | None, typer.Option(help="What goes wrong with the next request; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides what the rates hit.")] = 0,
) -> None:
    """Serve a stand-in; `FAKE_LLM_HELP` says how."""
    with errors_end():
        from wmil_agents.cli.fake_llm import serve_fake_llm

        serve_fake_llm(
            port,
            delay=delay,
            wrong_rate=wrong_rate,
            error_rate=error_rate,
            malformed_rate=malformed_rate,
            gullible=gullible,
            faults=fault or (),
            seed=seed,
        )
