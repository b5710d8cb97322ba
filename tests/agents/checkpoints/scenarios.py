"""Models of every kind, each made anew by its name, so that two processes make the same one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from sb3_contrib import QRDQN, TQC, TRPO, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3, HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack, VecMonitor, VecNormalize

from wmil_agents import (
    REINFORCE,
    BatchVecEnv,
    ContrastiveLoss,
    EventReplayBuffer,
    HistoryExtractor,
    HistoryVecEnv,
    LatentWorldModelLoss,
    PredictionReward,
    TeacherLoss,
    TransformerExtractor,
    TransformerPolicy,
    WorldModelLoss,
    attach,
    make_batch_vec_env,
)
from wmil_agents.checkpoints.stateful_env import StatefulEnv
from wmil_agents.runs.ablations import ShuffledRewards
from wmil_agents.runs.agents import WithheldRewards

SMALL: dict[str, Any] = {"features_extractor_kwargs": {"width": 16, "n_layers": 1}}
ONE_STEP_REPLAY: dict[str, Any] = {"learning_starts": 24, "buffer_size": 200, "batch_size": 16, "train_freq": 4}


def echo(n_envs: int = 4, **arguments: Any) -> BatchVecEnv:
    """PatternEcho, natively vectorised."""
    env = BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=n_envs, **arguments))
    env.seed(7)
    return env


def control(id: str, n_envs: int = 2, **arguments: Any) -> VecEnv:
    """Environments of Gymnasium in a DummyVecEnv, with Stable-Baselines3's Monitor."""
    return make_vec_env(id, n_envs, seed=3, **arguments)


def ppo(policy: Any, env: VecEnv, **arguments: Any) -> PPO:
    return PPO(policy, env, **{"n_steps": 8, "batch_size": 16, "n_epochs": 2, "seed": 1} | arguments)


def masked_env() -> gym.Env[Any, Any]:
    class Masked(gym.Wrapper[Any, Any, Any, Any]):
        def action_masks(self) -> np.ndarray:
            return np.ones(2, dtype=bool)

        def own_state_dict(self) -> dict[str, Any]:
            return {}

        def load_own_state_dict(self, state: dict[str, Any]) -> None:
            pass

    return Masked(gym.make("CartPole-v1", max_episode_steps=15))


class Reach(gym.Env[Any, Any]):
    """Walk on a line to the goal; the reward can be told for any other goal."""

    def __init__(self) -> None:
        place = gym.spaces.Box(-9, 9, (1,))
        self.observation_space = gym.spaces.Dict(dict.fromkeys(("observation", "achieved_goal", "desired_goal"), place))
        self.action_space = gym.spaces.Discrete(2)
        self._place = self._goal = np.zeros(1, dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._place, self._goal = np.zeros(1, np.float32), self.np_random.integers(-3, 4, 1).astype(np.float32)
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._place = self._place + np.float32(2 * action - 1)
        info = {"cost": float(self.np_random.random()) / 8}
        reward = self.compute_reward(self._place[None], self._goal[None], [info])[0]
        return self._seen(), float(reward), bool(self._place == self._goal), False, info

    def compute_reward(self, achieved: Any, desired: Any, infos: Any) -> np.ndarray:
        """Of every row; `HerReplayBuffer` asks."""
        costs = np.array([info.get("cost", 0.0) for info in infos])
        return np.where((achieved == desired).all(axis=1), 0.0, -1.0) - costs

    def own_state_dict(self) -> dict[str, Any]:
        return {"place": self._place.copy(), "goal": self._goal.copy()}

    def load_own_state_dict(self, state: dict[str, Any]) -> None:
        self._place, self._goal = state["place"].copy(), state["goal"].copy()

    def _seen(self) -> dict[str, np.ndarray]:
        return {"observation": self._place, "achieved_goal": self._place, "desired_goal": self._goal}


def hindsight(buffer_size: int, **arguments: Any) -> DQN:
    env = DummyVecEnv([lambda: gym.wrappers.TimeLimit(Reach(), 5)] * 2)
    env.seed(3)
    buffer = {"replay_buffer_class": HerReplayBuffer, "replay_buffer_kwargs": arguments, "buffer_size": buffer_size}
    return DQN("MultiInputPolicy", env, policy_kwargs={"net_arch": [16]}, seed=1, **ONE_STEP_REPLAY | buffer)


def prediction_reward() -> BaseAlgorithm:
    env = PredictionReward(echo(horizon=3))
    model = attach(ppo(TransformerPolicy, env, policy_kwargs=SMALL), [WorldModelLoss(n_replayed=8)])
    env.watch(model)
    return model


def sac(env: VecEnv, **arguments: Any) -> SAC:
    small = {"policy_kwargs": {"net_arch": [16]}, "seed": 1, **ONE_STEP_REPLAY}
    return SAC("MlpPolicy", env, **small | arguments)


def dqn(env: VecEnv, **arguments: Any) -> DQN:
    small = {"policy_kwargs": {"net_arch": [16]}, "seed": 1, "target_update_interval": 16, **ONE_STEP_REPLAY}
    return DQN("MlpPolicy", env, **small | arguments)


def history(id: str = "CartPole-v1") -> BaseAlgorithm:
    env = HistoryVecEnv(make_batch_vec_env(id, 4, 5), length=4)
    kwargs = {"features_extractor_class": HistoryExtractor, "features_extractor_kwargs": {"width": 16, "n_layers": 1}}
    return attach(ppo(TransformerPolicy, env, policy_kwargs=kwargs), [WorldModelLoss(n_replayed=0)])


def transformer_dqn(env: VecEnv, **arguments: Any) -> DQN:
    kwargs = {"features_extractor_class": TransformerExtractor, **SMALL, "net_arch": [16]}
    return dqn(env, policy_kwargs=kwargs, **arguments)


SCENARIOS: dict[str, Callable[[], BaseAlgorithm]] = {
    "reinforce": lambda: REINFORCE("TransformerPolicy", echo(), policy_kwargs=SMALL, seed=1),
    "reinforce-events-mastery": lambda: REINFORCE(
        "TransformerPolicy",
        echo(8, curriculum={"kind": "mastery", "window": 4, "threshold": 0.1}),
        policy_kwargs=SMALL,
        event_replay=True,
        ent_coef=lambda left: 0.01 * left,
        seed=1,
    ),
    "reinforce-all-actions": lambda: REINFORCE(
        "TransformerPolicy", echo(reveals_all_actions=True), all_actions=True, policy_kwargs=SMALL, seed=1
    ),
    "reinforce-world-model-shuffled": lambda: attach(
        REINFORCE("TransformerPolicy", ShuffledRewards(echo(), 2), policy_kwargs=SMALL, seed=1),
        [WorldModelLoss(n_replayed=8)],
    ),
    "ppo-schedules": lambda: ppo(
        "MlpPolicy",
        control("CartPole-v1"),
        learning_rate=lambda left: 1e-3 * left,
        clip_range=lambda left: 0.1 + 0.1 * left,
    ),
    "ppo-three-losses": lambda: attach(
        ppo(TransformerPolicy, echo(horizon=4), policy_kwargs=SMALL),
        [WorldModelLoss(n_replayed=8), ContrastiveLoss(n_pairs=4), LatentWorldModelLoss(n_replayed=4)],
    ),
    "ppo-teacher-withheld": lambda: attach(
        ppo(TransformerPolicy, WithheldRewards(echo(reveals_all_actions=True)), policy_kwargs=SMALL), [TeacherLoss()]
    ),
    "ppo-prediction-reward": prediction_reward,
    "ppo-history": history,
    "ppo-normalised": lambda: ppo("MlpPolicy", VecNormalize(control("Pendulum-v1"))),
    "ppo-sde": lambda: ppo("MlpPolicy", control("MountainCarContinuous-v0"), use_sde=True),
    "a2c-stacked": lambda: A2C("MlpPolicy", VecFrameStack(control("MountainCar-v0"), 3), n_steps=4, seed=1),
    "a2c-monitored": lambda: A2C(
        "MlpPolicy", VecMonitor(DummyVecEnv([lambda: gym.make("Acrobot-v1")] * 2)), n_steps=4, seed=1
    ),
    "trpo": lambda: TRPO("MlpPolicy", control("CartPole-v1"), n_steps=16, batch_size=16, seed=1),
    "recurrent": lambda: RecurrentPPO(
        "MlpLstmPolicy",
        control("CartPole-v1"),
        n_steps=8,
        batch_size=16,
        n_epochs=2,
        policy_kwargs={"lstm_hidden_size": 8},
        seed=1,
    ),
    "masked": lambda: MaskablePPO(
        "MlpPolicy", make_vec_env(masked_env, 2, seed=3), n_steps=8, batch_size=16, n_epochs=2, seed=1
    ),
    "dqn": lambda: dqn(control("CartPole-v1", 1), exploration_fraction=0.9),
    "dqn-memory": lambda: dqn(
        control("MountainCar-v0", 2),
        optimize_memory_usage=True,
        replay_buffer_kwargs={"handle_timeout_termination": False},
        buffer_size=60,
    ),
    "dqn-n-steps": lambda: dqn(control("CartPole-v1", 1), n_steps=3),
    "dqn-dict": lambda: DQN(
        "MultiInputPolicy",
        echo(2, obs="dict"),
        policy_kwargs={"net_arch": [16]},
        seed=1,
        **ONE_STEP_REPLAY,
    ),
    "dqn-world-model": lambda: attach(transformer_dqn(echo(2)), [WorldModelLoss()]),
    "dqn-events": lambda: dqn(
        echo(2), replay_buffer_class=EventReplayBuffer, replay_buffer_kwargs={"event_share": 0.5}
    ),
    "dqn-hindsight": lambda: hindsight(200, copy_info_dict=True),
    "dqn-hindsight-full": lambda: hindsight(70, goal_selection_strategy="episode"),
    "sac": lambda: sac(control("Pendulum-v1", 1)),
    "sac-normalised-noise": lambda: sac(
        VecNormalize(control("Pendulum-v1", 2)),
        action_noise=OrnsteinUhlenbeckActionNoise(np.zeros(1), 0.3 * np.ones(1)),
    ),
    "sac-sde": lambda: sac(control("MountainCarContinuous-v0", 1), use_sde=True, sde_sample_freq=3, ent_coef=0.1),
    "sac-episodes": lambda: sac(
        control("Pendulum-v1", 1, env_kwargs={"max_episode_steps": 20}), train_freq=(1, "episode")
    ),
    "td3": lambda: TD3(
        "MlpPolicy",
        control("Pendulum-v1", 1),
        action_noise=NormalActionNoise(np.zeros(1), 0.1 * np.ones(1)),
        policy_kwargs={"net_arch": [16]},
        seed=1,
        **ONE_STEP_REPLAY,
    ),
    "ddpg": lambda: DDPG(
        "MlpPolicy", control("Pendulum-v1", 1), policy_kwargs={"net_arch": [16]}, seed=1, **ONE_STEP_REPLAY
    ),
    "tqc": lambda: TQC(
        "MlpPolicy", control("Pendulum-v1", 1), policy_kwargs={"net_arch": [16]}, seed=1, **ONE_STEP_REPLAY
    ),
    "qrdqn": lambda: QRDQN(
        "MlpPolicy", control("Acrobot-v1", 1), policy_kwargs={"net_arch": [16]}, seed=1, **ONE_STEP_REPLAY
    ),
    "processes": lambda: ppo(
        "MlpPolicy",
        make_vec_env("CartPole-v1", 2, seed=3, vec_env_cls=SubprocVecEnv, wrapper_class=StatefulEnv),
    ),
}
