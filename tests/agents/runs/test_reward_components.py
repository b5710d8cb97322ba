from stable_baselines3.common.logger import Logger

from wmil_agents.reinforce import REINFORCE
from wmil_agents.runs.reward_components import RewardComponents
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env


def logged(n_steps: int, **arguments: object) -> dict[str, float]:
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", num_envs=8, seed=0, **arguments)
    model = REINFORCE("TransformerPolicy", env, seed=0)
    model.set_logger(Logger(folder=None, output_formats=[]))
    model.learn(n_steps, RewardComponents(), log_interval=10_000)
    return model.logger.name_to_value


def test_each_component_is_logged() -> None:
    values = logged(800, info="full", reward_weights=(1.0, 0.1, 0.1))
    assert values["reward/goal"] > 0.5
    assert 0.0 < values["reward/cons"] < 1.0
    assert values["reward/pred"] == 0.0


def test_nothing_is_logged_where_nothing_is_told() -> None:
    assert not [name for name in logged(80) if name.startswith("reward/")]
