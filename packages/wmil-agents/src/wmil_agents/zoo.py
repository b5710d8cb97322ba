"""REINFORCE and our settings in rl-zoo3: `python -m wmil_agents.zoo train --algo reinforce --env WMIL/PatternEcho-v0`.

rl-zoo3 reads the names of its algorithms before it imports anything of the user's, so its own command cannot be told of
another one; this module registers and then hands over to it, with all its scripts and options (`train`, `enjoy`, ...).
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import yaml

from wmil_agents.reinforce import REINFORCE

ALGORITHM = "reinforce"
"""The name of REINFORCE in rl-zoo3."""
SETTINGS = files("wmil_agents.presets").joinpath("rl_zoo3")
"""The folder with a YAML file for each algorithm, in rl-zoo3's form."""
SCRIPTS = "train, enjoy, record_video, plots.plot_train and the others of rl-zoo3"


def register() -> None:
    """Puts REINFORCE into `rl_zoo3.ALGOS`, and our environments into Gymnasium's registry; twice is as once.

    Raises:
        ImportError: Where rl-zoo3 is not installed.
    """
    try:
        zoo: Any = import_module("rl_zoo3")
    except ModuleNotFoundError as error:
        if error.name != "rl_zoo3":
            raise
        raise ImportError("rl-zoo3 is not installed: pip install 'wmil-agents[zoo]'") from error
    import_module("wmil_envs")
    optimization: Any = import_module("rl_zoo3.hyperparams_opt")
    zoo.ALGOS[ALGORITHM] = REINFORCE
    optimization.HYPERPARAMS_SAMPLER[ALGORITHM] = sampled_settings
    optimization.HYPERPARAMS_CONVERTER[ALGORITHM] = dict


def sampled_settings(trial: Any, n_actions: int, n_envs: int, additional_args: dict[str, Any]) -> dict[str, Any]:
    """Settings for a trial of Optuna, with which rl-zoo3 searches (`--optimize-hyperparameters`)."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.05, 3.0, log=True),
        "max_grad_norm": trial.suggest_float("max_grad_norm", 0.1, 3.0, log=True),
        "baseline": trial.suggest_categorical("baseline", ["running_mean", "none"]),
    }


def with_our_settings(words: Sequence[str]) -> list[str]:
    """The words of a command of rl-zoo3; `train` without a settings file gets ours, where it has something to say.

    Raises:
        ValueError: `train` is to run REINFORCE in an environment for which nobody has settings.
    """
    asked = _asked(words)
    file = SETTINGS.joinpath(f"{asked.algo}.yml")
    if list(words[:1]) != ["train"] or asked.conf_file is not None or not file.is_file():
        return list(words)
    known = yaml.safe_load(file.read_text(encoding="utf-8"))
    if asked.env in known:
        return [*words, "--conf-file", str(file)]
    if asked.algo == ALGORITHM:
        raise ValueError(
            f"there are settings of {ALGORITHM} for {', '.join(known)}, not for {asked.env}: write some into a YAML "
            "file, in rl-zoo3's form, and name it with --conf-file"
        )
    return list(words)


def check_command(words: Sequence[str]) -> None:
    """Raises a `ValueError` where there is no such script, or no environment of that id."""
    script, asked = words[0], _asked(words)
    try:
        is_there = find_spec(f"rl_zoo3.{script}") is not None
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        raise ValueError(f"rl-zoo3 has no script {script!r}; there are {SCRIPTS}")
    if asked.gym_packages is None and asked.env not in gym.registry:
        close = get_close_matches(asked.env, gym.registry, n=1)
        raise ValueError(
            f"there is no environment {asked.env!r}{f', but {close[0]}' if close else ''}; name the packages that "
            "register others with --gym-packages"
        )


def _asked(words: Sequence[str]) -> argparse.Namespace:
    """What a command says of these options, with rl-zoo3's defaults."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--algo", default="ppo")
    parser.add_argument("--env", default="CartPole-v1")
    parser.add_argument("-conf", "--conf-file")
    parser.add_argument("--gym-packages", nargs="+")
    asked, _ = parser.parse_known_args(words[1:])
    return asked


def main() -> None:
    """Registers, and runs a script of rl-zoo3 with the words that follow its name."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m wmil_agents.zoo SCRIPT ..., as in: python -m rl_zoo3.SCRIPT ...; train, enjoy, ...")
    try:
        register()
        check_command(sys.argv[1:])
        script, *sys.argv[1:] = with_our_settings(sys.argv[1:])
    except (ImportError, ValueError) as error:
        sys.exit(str(error))
    runpy.run_module(f"rl_zoo3.{script}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
