"""Searches settings for the learners of PatternEcho's table, ours and theirs alike, as a user of theirs would.

Random settings from the stated choices, with one seed; the better half by either goal go on with two more; of these the
best eighth meet again over more seeds. The goals are steps and CPU seconds, means in which a run that did not get there
counts tenfold, so that what fails now and then does not win. Prints both winners, ready for `rows.py`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.peers.rows import ECHO, TRIES

Choices = dict[str, Sequence[Any]]
LEARNING_RATES = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03)
CLIPPED_CHOICES: Choices = {
    "n_envs": (8, 16, 32, 64, 128),
    "n_steps": (1, 2, 4, 8),
    "n_epochs": (1, 2, 4, 8),
    "n_minibatches": (1, 2, 4),
    "learning_rate": LEARNING_RATES,
    "clip_range": (0.1, 0.2, 0.3, 0.5),
    "max_grad_norm": (0.5, 2.0, 10.0),
}
"""Of every PPO; the order decides which settings a generator draws."""
SB3_CHOICES: Choices = {
    "ent_coef": (0.0, 0.0, 0.01),
    "vf_coef": (0.1, 0.5),
    "normalize_advantage": (True, False),
    "net_arch": ([], [64], [64, 64], [256]),
}
PPO_CHOICES: Choices = CLIPPED_CHOICES | SB3_CHOICES | {"optimizer": ("Adam", "Adam", "SGD")}
A2C_CHOICES: Choices = {
    "n_envs": (4, 8, 16, 32, 64),
    "n_steps": (1, 2, 4),
    "learning_rate": LEARNING_RATES,
    "max_grad_norm": (0.3, 0.5, 2.0, 10.0),
    **SB3_CHOICES,
    "optimizer": ("RMSprop", "Adam", "SGD"),
}
SINGLE_FILE_CHOICES: Choices = CLIPPED_CHOICES | {
    "entropy_weight": (0.0, 0.0, 0.01),
    "value_weight": (0.1, 0.5),
    "width": (64, 256),
    "n_layers": (0, 1, 2),
}
REINFORCE_CHOICES: Choices = {
    "n_envs": (4, 8, 16, 32, 64),
    "n_steps": (1, 2),
    "learning_rate": (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0),
    "max_grad_norm": (0.1, 0.2, 0.3, 0.5, 1.0, 3.0),
    "baseline": ("running_mean", "none"),
    "ent_coef": (0.0, 0.0, 0.01),
}
TRANSFORMER_CHOICES: Choices = REINFORCE_CHOICES | {"n_layers": (1, 2), "width": (32, 64, 128), "n_heads": (1, 4)}
MLP_CHOICES: Choices = REINFORCE_CHOICES | {"net_arch": ([], [64], [64, 64], [256])}
EVENT_REPLAY_CHOICES: Choices = REINFORCE_CHOICES | {
    "n_envs": (4, 8, 16, 32, 64, 128),
    "learning_rate": (0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0),
    "weight": (0.3, 0.5, 1.0, 2.0, 3.0),
    "n_replayed": (2, 4, 8, 32),
}
"""PatternEcho has 8 observations to remember."""
EVENT_REPLAY_TRANSFORMER_CHOICES: Choices = EVENT_REPLAY_CHOICES | {
    "n_layers": (1, 2),
    "width": (16, 32, 64, 128),
    "n_heads": (1, 4),
}
EVENT_REPLAY_MLP_CHOICES: Choices = EVENT_REPLAY_CHOICES | {"net_arch": MLP_CHOICES["net_arch"]}
SGD_FACTOR = 30.0
"""Plain SGD takes far larger steps than the adaptive optimizers whose choices it shares."""
SCREENING_SEEDS = (100, 101, 102)
"""Neither these nor those of the finals are seeds of the published rows."""
FIRST_FINAL_SEED = 200
GOALS = {0: "steps", 1: "CPU seconds"}
"""Each is the place of its score."""


def main() -> None:
    """Searches for one learner."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.tuning", description=__doc__)
    parser.add_argument("learner", choices=list(LEARNERS))
    parser.add_argument("--settings", type=int, default=TRIES, help=f"settings to try (default {TRIES})")
    parser.add_argument("--final-seeds", type=int, default=20, help="seeds of those that meet again (default 20)")
    parser.add_argument("--budget", type=int, default=2_000, help="steps of a run at most (default 2,000)")
    chosen = parser.parse_args()
    module, choices, arguments_of = LEARNERS[chosen.learner]
    program = importlib.import_module(f"benchmarks.peers.contestants.{module}")

    def start(settings: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
        learn: Callable[[dict[str, Any]], dict[str, Any]] = program.start({"id": ECHO} | settings)
        return learn

    rng = np.random.default_rng(0)
    candidates = [arguments_of(draw(choices, rng)) for _ in range(chosen.settings)]
    first = {i: score(start(one), SCREENING_SEEDS[:1], chosen.budget) for i, one in enumerate(candidates)}
    going_on = {i for goal in GOALS for i in best(first, goal, chosen.settings // 2)}
    screened = {i: score(start(candidates[i]), SCREENING_SEEDS, chosen.budget) for i in sorted(going_on)}
    final_seeds = range(FIRST_FINAL_SEED, FIRST_FINAL_SEED + chosen.final_seeds)
    for goal, name in GOALS.items():
        finalists = best(screened, goal, chosen.settings // 8)
        finals = {i: score(start(candidates[i]), final_seeds, chosen.budget) for i in finalists}
        (winner,) = best(finals, goal, 1)
        steps, seconds = finals[winner]
        print(f"{chosen.learner}, fewest {name}: {steps:.0f} steps, {seconds:.3f} CPU s; {chosen.final_seeds} seeds")
        print(json.dumps(candidates[winner]), flush=True)


def best(scores: Mapping[int, tuple[float, float]], goal: int, n: int) -> list[int]:
    """The candidates with the lowest scores, at least one."""
    return sorted(scores, key=lambda i: scores[i][goal])[: max(1, n)]


def draw(choices: Choices, rng: np.random.Generator) -> dict[str, Any]:
    """One of each, at random."""
    return {name: options[int(rng.integers(len(options)))] for name, options in choices.items()}


def score(learn: Callable[[dict[str, Any]], dict[str, Any]], seeds: Sequence[int], budget: int) -> tuple[float, float]:
    """Mean steps and mean CPU seconds; a run that got nowhere counts as ten budgets and ten times its seconds."""
    runs = [learn({"seed": seed, "budget": budget}) for seed in seeds]
    steps = [10.0 * budget if run["steps"] is None else run["steps"] for run in runs]
    seconds = [run["seconds"] * (10.0 if run["steps"] is None else 1.0) for run in runs]
    return statistics.mean(steps), statistics.mean(seconds)


def sb3_arguments(algorithm: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Makes what `sb3_learner` takes from what was drawn."""

    def arguments(drawn: dict[str, Any]) -> dict[str, Any]:
        settings = dict(drawn)
        n_envs, optimizer = settings.pop("n_envs"), settings.pop("optimizer")
        policy_kwargs: dict[str, Any] = {"net_arch": settings.pop("net_arch")}
        if optimizer == "SGD":
            policy_kwargs["optimizer_class"] = "torch.optim:SGD"
            settings["learning_rate"] = round(SGD_FACTOR * settings["learning_rate"], 3)
        if algorithm == "A2C":
            settings["use_rms_prop"] = optimizer == "RMSprop"
        if "n_minibatches" in settings:
            settings["batch_size"] = max(2, n_envs * settings["n_steps"] // settings.pop("n_minibatches"))
        return {
            "algorithm": f"stable_baselines3:{algorithm}",
            "policy": "MlpPolicy",
            "vec_env": "batch",
            "n_envs": n_envs,
            "settings": settings,
            "policy_kwargs": policy_kwargs,
        }

    return arguments


def transformer_arguments(drawn: dict[str, Any]) -> dict[str, Any]:
    """Ours with its transformer, as large as was drawn."""
    settings = dict(drawn)
    n_envs = settings.pop("n_envs")
    size = {name: settings.pop(name) for name in ("n_layers", "width", "n_heads")}
    arguments = reinforce_arguments("TransformerPolicy", n_envs, settings)
    return arguments | {"policy_kwargs": {"features_extractor_kwargs": size}}


def mlp_arguments(drawn: dict[str, Any]) -> dict[str, Any]:
    """Ours with Stable-Baselines3's network."""
    settings = dict(drawn)
    n_envs, net_arch = settings.pop("n_envs"), settings.pop("net_arch")
    return reinforce_arguments("MlpPolicy", n_envs, settings) | {"policy_kwargs": {"net_arch": net_arch}}


def reinforce_arguments(policy: str, n_envs: int, settings: dict[str, Any]) -> dict[str, Any]:
    """What both have in common; what was drawn for event replay goes into its settings."""
    algorithm = "wmil_agents.reinforce:REINFORCE"
    replay = {name: settings.pop(name) for name in ("weight", "n_replayed") if name in settings}
    if replay:
        settings["event_replay"] = replay
    return {"algorithm": algorithm, "policy": policy, "vec_env": "batch", "n_envs": n_envs, "settings": settings}


LEARNERS: dict[str, tuple[str, Choices, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "sb3-ppo": ("sb3_learner", PPO_CHOICES, sb3_arguments("PPO")),
    "sb3-a2c": ("sb3_learner", A2C_CHOICES, sb3_arguments("A2C")),
    "reinforce-transformer": ("sb3_learner", TRANSFORMER_CHOICES, transformer_arguments),
    "reinforce-mlp": ("sb3_learner", MLP_CHOICES, mlp_arguments),
    "event-replay-transformer": ("sb3_learner", EVENT_REPLAY_TRANSFORMER_CHOICES, transformer_arguments),
    "event-replay-mlp": ("sb3_learner", EVENT_REPLAY_MLP_CHOICES, mlp_arguments),
    "single-file-ppo": ("single_file_learner", SINGLE_FILE_CHOICES, dict),
}

if __name__ == "__main__":
    main()
