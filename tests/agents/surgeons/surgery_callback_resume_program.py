"""Learns with a surgeon and checkpoints (`begin FOLDER NAME...`), or goes on from them (`continue FOLDER NAME...`).

Prints, as JSON, by name: what took place; or what differs, by the place where it was continued.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from wmil_agents import (
    REINFORCE,
    ExactCheckpointCallback,
    TransformerExtractor,
    TransformerPolicy,
    continue_learning,
    make_batch_vec_env,
    read_state,
    restore_checkpoint,
    save_checkpoint,
    write_state,
)
from wmil_agents.checkpoints.checkpoint_folder import step_folders
from wmil_agents.checkpoints.plain_data import decode, encode
from wmil_agents.surgeons.episode_score import EpisodeScore
from wmil_agents.surgeons.evolution_surgeon import EvolutionSurgeon
from wmil_agents.surgeons.keep_rule import Decision, KeepRule
from wmil_agents.surgeons.patient import Patient
from wmil_agents.surgeons.phases import Phase, Phases
from wmil_agents.surgeons.random_surgeon import RandomSurgeon
from wmil_agents.surgeons.sac_surgeon import SACSurgeon
from wmil_agents.surgeons.surgery_callback import Operated, SurgeryCallback

fingerprints = runpy.run_path(str(Path(__file__).parents[1] / "checkpoints" / "fingerprint.py"))
differences, fingerprint, record_metrics = (
    fingerprints[name] for name in ("differences", "fingerprint", "record_metrics")
)

TOTAL, INTERVAL = 128, 32
ECHO = "wmil_envs:WMIL/PatternEcho-v0"
SMALL: dict[str, Any] = {"features_extractor_kwargs": {"width": 16, "n_layers": 1}}


class Always(KeepRule):
    """Keeps everything."""

    def decide(self, *args: Any, **kwargs: Any) -> Decision:
        return replace(super().decide(*args, **kwargs), keep=True)


class Careless(RandomSurgeon):
    """Draws from everybody's generators."""

    def operate(self, env: Any, observation: Any) -> dict[str, Any]:
        self._rng = np.random.default_rng(int(torch.randint(2**31, ())))
        return super().operate(env, observation)


def echo() -> Any:
    return make_batch_vec_env(ECHO, 4, seed=7, n_symbols=20)


def episodes(model: BaseAlgorithm) -> Patient:
    return Patient(model, *(EpisodeScore(ECHO, 6, seed) for seed in (100, 200, 300)))


def reinforce_and_sac(**more: Any) -> tuple[BaseAlgorithm, SurgeryCallback]:
    model = REINFORCE("TransformerPolicy", echo(), policy_kwargs=SMALL, seed=1, device="cpu")
    small = {"learning_starts": 8, "batch_size": 8, "buffer_size": 200, "policy_kwargs": {"net_arch": [16]}}
    return model, SurgeryCallback(
        lambda env: SACSurgeon(env, seed=2, learns_online=True, **small),
        phases=Phases(bootstrap=64, exclusive=6),
        interval=2,
        keep_rule=KeepRule(0.49),
        **more,
    )


def ppo_and_evolution(**more: Any) -> tuple[BaseAlgorithm, SurgeryCallback]:
    model = PPO(
        TransformerPolicy,
        echo(),
        n_steps=2,
        batch_size=8,
        n_epochs=2,
        learning_rate=1e-2,
        policy_kwargs=SMALL,
        seed=1,
        device="cpu",
    )
    return model, SurgeryCallback(
        EvolutionSurgeon(4), phases=Phases(24, 5, 64), interval=3, keep_rule=Always(), max_change=0.3, **more
    )


def dqn_and_careless(**more: Any) -> tuple[BaseAlgorithm, SurgeryCallback]:
    model = DQN(
        "MlpPolicy",
        make_batch_vec_env(ECHO, 1, seed=7),
        policy_kwargs={"features_extractor_class": TransformerExtractor, **SMALL, "net_arch": [16]},
        learning_starts=24,
        buffer_size=200,
        batch_size=16,
        target_update_interval=16,
        seed=1,
        device="cpu",
    )
    return model, SurgeryCallback(
        Careless(), phases=Phases(24, 5), interval=3, patient=episodes, keep_rule=Always(), n_edits=2, **more
    )


Scenario = Callable[..., tuple[BaseAlgorithm, SurgeryCallback]]
SCENARIOS: dict[str, Scenario] = {
    "reinforce-sac": reinforce_and_sac,
    "ppo-evolution": ppo_and_evolution,
    "dqn-careless": dqn_and_careless,
}


def everything(model: BaseAlgorithm, surgery: SurgeryCallback, rows: Any) -> Any:
    return fingerprint(model, rows) | {"surgery": surgery.state_dict()}


def begin(folder: Path, name: str) -> Any:
    """How many operations there were in which phase, and how many were kept."""
    phases: list[Phase] = []

    def note(operated: Operated) -> None:
        phases.append(operated.phase)
        if operated.phase is Phase.EXCLUSIVE and operated.number == 3:
            save_checkpoint(folder / "amid", model, callback=surgery.locals["callback"])

    model, surgery = SCENARIOS[name](after_operation=note)
    rows = record_metrics(model)
    model.learn(TOTAL, [ExactCheckpointCallback(folder / "steps", INTERVAL, keep_last=100), surgery], log_interval=3)
    write_state(folder / "final", everything(model, surgery, rows))
    return {phase.name: phases.count(phase) for phase in Phase} | {"kept": surgery.n_kept}


def go_on(folder: Path, name: str) -> Any:
    """What is different from the run that was not interrupted."""
    final, _ = read_state(folder / "final")
    found = {}
    for checkpoint in [*step_folders(folder / "steps"), folder / "amid"]:
        model, surgery = SCENARIOS[name]()
        rows = record_metrics(model)
        restored = restore_checkpoint(checkpoint, model)
        assert restored.is_exact, restored.inexact
        if restored.step < TOTAL:
            continue_learning(model, restored, [ExactCheckpointCallback(folder / "again", INTERVAL), surgery])
            rows.rows = [row for row in final["metrics"] if row["step"] <= restored.step] + rows.rows
            found[f"{checkpoint.name} at {restored.step}"] = differences(
                final, decode(*encode(everything(model, surgery, rows)))
            )
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    command, where, *names = sys.argv[1:]
    action = {"begin": begin, "continue": go_on}[command]
    json.dump({name: action(Path(where) / name, name) for name in names}, sys.stdout)
