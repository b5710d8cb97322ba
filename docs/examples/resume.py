"""A run that is stopped at some moment, and continued to the same bits as one that is not."""

import tempfile
import threading

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from wmil_agents import ExactCheckpointCallback, continue_learning, newest_valid, restore_checkpoint


def make_model() -> PPO:
    env = make_vec_env("CartPole-v1", 4, seed=0)
    return PPO("MlpPolicy", env, n_steps=64, batch_size=64, learning_rate=lambda left: 1e-3 * left, seed=0)


whole = make_model().learn(8_000)

with tempfile.TemporaryDirectory() as folder:
    checkpoints = ExactCheckpointCallback(folder, interval=1_000)
    threading.Timer(0.3, checkpoints.stop).start()  # as a signal handler would
    make_model().learn(8_000, checkpoints)

    model = make_model()  # in another process, on another day
    newest = newest_valid(folder)
    assert newest.folder is not None
    restored = restore_checkpoint(newest.folder, model)
    print(f"continued from step {restored.step:,}, exact: {restored.is_exact}")
    continue_learning(model, restored, ExactCheckpointCallback(folder, interval=1_000))

same = all(torch.equal(*pair) for pair in zip(whole.policy.parameters(), model.policy.parameters(), strict=True))
print(f"after {model.num_timesteps:,} steps all weights are the same, to the last bit: {same}")
assert same
