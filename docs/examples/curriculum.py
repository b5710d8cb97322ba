"""A mastery curriculum: one object serves all envs, and the symbols shown double with each level mastered."""

import gymnasium as gym

from wmil_agents import REINFORCE, BatchVecEnv

arguments = {"n_symbols": 16, "curriculum": {"kind": "mastery", "threshold": 0.9, "window": 50}}
vector_env = gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=8, **arguments)
model = REINFORCE("TransformerPolicy", BatchVecEnv(vector_env), seed=0)
curriculum = vector_env.unwrapped.world.curriculum

for _ in range(6):
    model.learn(160, reset_num_timesteps=False)
    level = curriculum.level
    print(f"step {model.num_timesteps}: level {level} ({vector_env.unwrapped.task.levels[level]})")
