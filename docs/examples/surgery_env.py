"""A damaged policy, and a surgeon who learns to repair it: stock SAC on an environment, trained for a short time."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from wmil_agents.surgery import Temperature

torch.set_num_threads(1)  # which is quicker for networks this small

# One layer's attention is saturated, and the surgeon may change the temperature of each. With all faults and gains, as
# the environment has them by default, it learns for some 8,000 edits.
layers = [Temperature(f"*.blocks.{layer}.*", 0.0) for layer in range(2)]
env = gym.make(
    "wmil_agents:WMIL/Surgery-v0",
    faults=("saturated_temperature",),
    edits=layers,
    n_edits=2,
    max_change=1.5,
    render_mode="ansi",
)
surgery = env.unwrapped
before = {name: weights.clone() for name, weights in surgery.patient.model.state_dict().items()}

venv = VecNormalize(DummyVecEnv([lambda: env]), norm_reward=False)
settings = {"learning_rate": 3e-3, "gamma": 0.9, "target_entropy": -4.0, "batch_size": 64, "learning_starts": 40}
surgeon = SAC("MlpPolicy", venv, policy_kwargs={"net_arch": [32, 32]}, seed=0, device="cpu", **settings)


def regained(act: Callable[[np.ndarray], np.ndarray]) -> float:
    """The share of the lost held-out score that is won back, over the same damages for everyone."""
    won = lost = 0.0
    for seed in range(4):
        observation, _ = env.reset(seed=1_000 + seed)
        is_over = False
        while not is_over:
            observation, _, is_over, _, info = env.step(act(observation))
        won += info["held_out"] - info["held_out_before"]
        lost += info["held_out_healthy"] - info["held_out_before"]
    return won / lost


def best(observation: np.ndarray) -> np.ndarray:
    actions, _ = surgeon.predict(venv.normalize_obs(observation[None]), deterministic=True)
    return actions[0]


def nothing(observation: np.ndarray) -> np.ndarray:
    return np.zeros(env.action_space.shape, dtype=np.float32)


env.action_space.seed(0)
print(f"of the lost success are regained, without a surgeon {regained(nothing):.2f}")
print(f"with random edits {regained(lambda _: env.action_space.sample()):.2f}")
surgeon.learn(250)
print(f"with a surgeon after {surgeon.num_timesteps} edits of practice {regained(best):.2f}")
print(env.render())

# Other edits can be tried without taking a step; each try counts.
env.reset(seed=1_000)
surgery.set_strengths([-3.0, 0.0])
print(f"by the first layer's temperature alone: {surgery.search_score():.3f}, evaluation {surgery.n_evaluations:,}")

same = all(torch.equal(weights, before[name]) for name, weights in surgery.patient.model.state_dict().items())
print("the policy is as it was, to the last bit:", same)
assert same
