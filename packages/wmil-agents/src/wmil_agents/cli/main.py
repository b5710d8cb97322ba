"""The commands of `wmil` and their arguments; what they do is imported when they are called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from wmil_agents.cli.exit_codes import errors_end
from wmil_agents.cli.parent_commands import FAKE_LLM_HELP, fake_llm, parent_app
from wmil_agents.cli.report_commands import PLOT_HELP, export, plot, report

app = typer.Typer(
    name="wmil",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from wmil_agents._version import __version__

        typer.echo(f"wmil {__version__}")
        raise typer.Exit


@app.callback()
def wmil(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Tiny transformers that learn from scratch in worlds that know their own floors and ceilings."""


class TrainCommand(TyperCommand):
    """`wmil train`, whose help also lists every setting."""

    def get_help(self, ctx: Any) -> str:
        """The usual help, then the settings with their defaults."""
        from wmil_agents.cli.settings_help import settings_help

        return f"{super().get_help(ctx)}\n\n{settings_help()}"


@app.command()
def envs(id: Annotated[str | None, typer.Argument(help="Describe this one.")] = None) -> None:
    """List the environments with floors and ceilings, or describe one."""
    with errors_end():
        from wmil_agents.cli.environments import describe_environment, list_environments

        list_environments() if id is None else describe_environment(id)


@app.command(cls=TrainCommand)
def train(
    source: Annotated[str, typer.Argument(metavar="PRESET|FILE", help="A preset's name, or a YAML file of settings.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Override a setting; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same as --set seed=N.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder  [default: runs/NAME-SEED; counted on for other settings]")
    ] = None,
) -> None:
    """Train a policy, and judge it beside floors and ceilings.

    A finite world is judged on four criteria, another one on the return that counts as solved.

    The same command again continues a run that was interrupted, and shows the verdict of one that is done.

    Exit code: 0 if all criteria that can be judged passed, 1 if one did not or none can be judged, 2 if the input
    cannot be used, 3 if a parent that is a language model fails, 4 if a number is not finite or the disk is full, 130
    or 143 if interrupted by SIGINT or SIGTERM.
    """
    with errors_end():
        from wmil_agents.cli.training import train_and_judge

        asked = [*(overrides or []), *([] if seed is None else [f"seed={seed}"])]
        reached = train_and_judge(source, asked, out, command=["wmil", *sys.argv[1:]])
    raise typer.Exit(0 if reached else 1)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    total_steps: Annotated[
        int | None, typer.Option("--total-steps", min=1, help="Make the run longer, whether it is done or not.")
    ] = None,
) -> None:
    """Continue an interrupted run to the same bits.

    It goes on from the newest checkpoint that is whole; damaged ones are named and skipped.

    Exit code: as that of train.
    """
    with errors_end():
        from wmil_agents.cli.training import resume_and_judge

        reached = resume_and_judge(run, total_steps, command=["wmil", *sys.argv[1:]])
    raise typer.Exit(0 if reached else 1)


COMPARE_HELP = """Compare arms over the same seeds, with intervals.

It says what each arm reaches, and what differs from the first one. An arm is the name of a preset, a YAML file of
settings or the folder of a run, and after a colon what is different in it:

\b
  wmil compare mvp mvp:agent=random
  wmil compare mvp mvp:agent=rl_only mvp:agent=kl_distill --seeds 20
  wmil compare mvp "mvp:learner.arguments={baseline: none},policy.width=32"
  wmil compare mvp mvp:ablation=shuffled_rewards --set total_steps=2000
  wmil compare mvp:env.arguments.horizon=4 mvp:env.arguments.horizon=8 --per-step

Every run is a process of its own. What is done already is not run again, so the same command continues an
interrupted comparison, and with more seeds it adds to it.

Exit code: 0 if all runs ended, whatever they say, 1 if one failed, 2 if the input cannot be used, 130 or 143 if
interrupted by SIGINT or SIGTERM.
"""


@app.command(help=COMPARE_HELP)
def compare(
    arms: Annotated[
        list[str],
        typer.Argument(metavar="ARM...", help="Two or more: PRESET, FILE or RUN, then :NAME=VALUE,..."),
    ],
    seeds: Annotated[int, typer.Option(min=2, help="Runs of each arm, with the same seeds in all.")] = 10,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Override a setting of all arms.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to  [default: runs/compare-..., the same for the same arms]"),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time  [default: number of cores]")] = None,
    per_step: Annotated[
        bool, typer.Option("--per-step", help="Divide returns by the steps of an episode; arms may differ in length.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
) -> None:
    """Compare arms over the same seeds; `COMPARE_HELP` says how."""
    with errors_end():
        from wmil_agents.cli.comparison import asked_plan, compare_and_tell, tell_plan

        plan = asked_plan(arms, overrides or [], seeds, out, per_step=per_step)
        ended = tell_plan(plan) if dry_run else compare_and_tell(plan, jobs, command=["wmil", *sys.argv[1:]])
    raise typer.Exit(0 if ended else 1)


SURGERY_HELP = """Damage a policy, let surgeons repair it, and compare them.

The first arm is compared with each other one, damage by damage and seed by seed:

\b
  sac            stock Soft Actor-Critic, trained on damages of its own
  random         random edits
  es, es40, ...  (1+1) evolution strategy with so many evaluations; es: as many as there are edits
  none           no surgeon
  gradient       gradient of the search score in the same strengths; gradient40: with so many evaluations
  finetune       the same in all weights; finetune40
  calibrate      turns the heads' readings back to the healthy record, and learns nothing
  sac_shuffled   SAC that sees the readings of another moment

\b
  wmil surgery
  wmil surgery --arms sac random es none gradient --seeds 5
  wmil surgery --arms sac calibrate --fault flipped_head

What is done already is not done again, so the same command continues an interrupted study, and with more arms or seeds
it adds to it.

Exit code: 0 if every seed ended, whatever it says, 1 if one failed, 2 if the input cannot be used, 130 or 143 if
interrupted by SIGINT or SIGTERM.
"""


@app.command(help=SURGERY_HELP)
def surgery(
    more_arms: Annotated[list[str] | None, typer.Argument(metavar="ARM...", help="Who operates.")] = None,
    arms: Annotated[
        list[str] | None,
        typer.Option("--arms", metavar="ARM...", help="The same  [default: all of the above but the last]"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Surgeons of each arm.")] = 5,
    damages: Annotated[int, typer.Option(min=2, help="Test damages, the same for all.")] = 40,
    edits: Annotated[int, typer.Option(min=1, help="Of a surgeon in one operation.")] = 4,
    train_edits: Annotated[int, typer.Option("--train-edits", min=1, help="Of one that learns, beforehand.")] = 8_000,
    fault: Annotated[str, typer.Option(help="What the damage is.")] = "random_damage",
    jobs: Annotated[int | None, typer.Option(min=1, help="Seeds at a time  [default: number of cores]")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to  [default: runs/repair-..., the same for the same question]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
) -> None:
    """Compare surgeons; `SURGERY_HELP` says how."""
    with errors_end():
        from wmil_agents.cli.surgery import asked_plan, repair_and_tell, tell_plan

        names = [*(arms or []), *(more_arms or [])]
        plan = asked_plan(names, seeds, out, n_damages=damages, n_edits=edits, n_train_edits=train_edits, fault=fault)
        ended = tell_plan(plan) if dry_run else repair_and_tell(plan, jobs, command=["wmil", *sys.argv[1:]])
    raise typer.Exit(0 if ended else 1)


@app.command(name="eval")
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    episodes: Annotated[
        int | None, typer.Option(min=2, help="Estimate from so many episodes, even where it could be exact.")
    ] = None,
    level: Annotated[int | None, typer.Option(help="This level only; all of them if left out.")] = None,
) -> None:
    """Evaluate the policy of a run at every level.

    The evaluation is exact where the world is finite, else an estimate from episodes, with its interval.
    """
    with errors_end():
        from wmil_agents.cli.run_evaluation import evaluate_run

        evaluate_run(run, episodes, level)


@app.command()
def ablate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    level: Annotated[int | None, typer.Option(help="Evaluate at this level  [default: the run's own]")] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Take heads away two by two as well.")] = False,
    episodes: Annotated[
        int | None, typer.Option(min=2, help="Estimate from so many episodes, even where it could be exact.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the files  [default: the run's]")] = None,
) -> None:
    """Say what each head, layer and token of a policy is worth.

    Each head, each layer's attention and MLP, and each token is taken away in turn, the policy is evaluated, and the
    part is put back to the last bit. With --pairs it shows which heads make up for each other.

    It writes ablation.csv, ablation.json and ablation.svg.
    """
    with errors_end():
        from wmil_agents.cli.ablation import ablate_run

        ablate_run(run, level, episodes, run if out is None else out, pairs=pairs)


app.add_typer(parent_app)
app.command(name="fake-llm", help=FAKE_LLM_HELP)(fake_llm)
app.command()(report)
app.command(help=PLOT_HELP)(plot)
app.command()(export)
