"""A surgeon's training is continued from an exact checkpoint to the same bits: agent, replay, environment, patient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
from stable_baselines3 import SAC
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from wmil_agents import ExactCheckpointCallback, continue_learning, restore_checkpoint
from wmil_agents.surgeons import FAULTS, EpisodeScore, KeepRule, Patient, SurgeryEnv

MakePatient = Callable[..., Patient]
Bits = Callable[[Patient], dict[str, bytes]]


def surgeon(env: gym.Env[Any, Any]) -> SAC:
    venv = VecNormalize(DummyVecEnv([lambda: Monitor(env)]), norm_reward=False)
    kwargs = {"net_arch": [16]}
    return SAC("MlpPolicy", venv, batch_size=8, learning_starts=6, policy_kwargs=kwargs, seed=1, device="cpu")


def everything(model: SAC) -> list[bytes]:
    """What a surgeon has learnt, seen and drawn."""
    buffer = model.replay_buffer
    assert buffer is not None
    arrays = [buffer.observations, buffer.actions, buffer.rewards, model.env.obs_rms.mean, model.env.obs_rms.var]
    return [tensor.numpy().tobytes() for tensor in model.policy.state_dict().values()] + [x.tobytes() for x in arrays]


def check_that_it_goes_on(make_env: Callable[[int], SurgeryEnv], folder: Path, bits: Bits, n_steps: int = 26) -> None:
    whole_env = make_env(0)
    whole = surgeon(whole_env).learn(n_steps)

    surgeon(make_env(0)).learn(18, ExactCheckpointCallback(folder, interval=14))
    env = make_env(9)  # with other weights, until the checkpoint's are there
    model = surgeon(env)
    restored = restore_checkpoint(folder / "step-000000000014", model)
    assert restored.is_exact
    assert restored.step % env.n_edits, "in the middle of an operation"
    continue_learning(model, restored, ExactCheckpointCallback(folder, interval=1_000), total_timesteps=n_steps)
    assert everything(model) == everything(whole)
    assert bits(env.patient) == bits(whole_env.patient)
    assert env.n_evaluations == whole_env.n_evaluations
    assert env.reset()[0].tobytes() == whole_env.reset()[0].tobytes()


def test_a_surgeon_on_damaged_patients(make_small: MakePatient, tmp_path: Path, bits: Bits) -> None:
    check_that_it_goes_on(lambda seed: SurgeryEnv(make_small(seed), faults=tuple(FAULTS)), tmp_path, bits)


def test_a_surgeon_whose_edits_are_kept(make_small: MakePatient, tmp_path: Path, bits: Bits) -> None:
    untouched = bits(make_small())

    def make_env(seed: int) -> SurgeryEnv:
        patient = make_small(seed)
        return SurgeryEnv(patient, faults=(), keep_rule=KeepRule(0.999), n_edits=3, max_change=0.2)

    check_that_it_goes_on(make_env, tmp_path, bits)
    env = make_env(0)
    surgeon(env).learn(14)
    assert bits(env.patient) != untouched, "something was kept before the checkpoint"


def test_a_surgeon_scored_by_episodes(make_small: MakePatient, tmp_path: Path, bits: Bits) -> None:
    def make_env(seed: int) -> SurgeryEnv:
        scores = [EpisodeScore("wmil_envs:WMIL/SequenceNext-v0", n_episodes=4, seed=first) for first in (0, 10, 20)]
        return SurgeryEnv(Patient(make_small(seed).model, *scores), n_edits=3)

    check_that_it_goes_on(make_env, tmp_path, bits, n_steps=20)
