"""Stock PPO with a transformer and a world model, judged exactly beside floor and ceiling."""

import gymnasium as gym
from stable_baselines3 import PPO

from wmil_agents import BatchVecEnv, TransformerPolicy, WorldModelLoss, attach, evaluate

env = BatchVecEnv(gym.make_vec("wmil_envs:WMIL/Conditional-v0", num_envs=64, level=1))
model = PPO(TransformerPolicy, env, n_steps=4, batch_size=64, gamma=0.0, learning_rate=1e-3, seed=0)
attach(model, [WorldModelLoss(scale=0.2)])

print("before:", evaluate(model, env, n_episodes=1_000, seed=1))
model.learn(8_192)
print("after: ", evaluate(model, env, n_episodes=1_000, seed=1))
