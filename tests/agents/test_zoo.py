from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import pytest
import yaml
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_agents.zoo import ALGORITHM, SETTINGS, main, register, sampled_settings, with_our_settings

PAGE = Path(__file__).parents[2] / "docs" / "zoo.md"
COMMAND = re.compile(r"^python -m wmil_agents\.zoo (.+)$", re.MULTILINE)
ROWS = [
    (path.name.removesuffix(".yml"), env_id, settings)
    for path in sorted(SETTINGS.iterdir(), key=lambda path: path.name)
    if path.name.endswith(".yml")
    for env_id, settings in yaml.safe_load(path.read_text(encoding="utf-8")).items()
]


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """What `register` touches of rl-zoo3, as it is documented, and a script that does nothing."""
    package, optimization = ModuleType("rl_zoo3"), ModuleType("rl_zoo3.hyperparams_opt")
    package.ALGOS = {"ppo": PPO}
    optimization.HYPERPARAMS_SAMPLER, optimization.HYPERPARAMS_CONVERTER = {}, {}
    package.hyperparams_opt, package.__path__ = optimization, [str(tmp_path)]
    tmp_path.joinpath("train.py").touch()
    monkeypatch.setitem(sys.modules, "rl_zoo3", package)
    monkeypatch.setitem(sys.modules, "rl_zoo3.hyperparams_opt", optimization)
    return package


def test_reinforce_is_registered_once_asked_for_and_twice_is_as_once(zoo: ModuleType) -> None:
    assert zoo.ALGOS == {"ppo": PPO}
    register()
    register()
    assert zoo.ALGOS == {"ppo": PPO, "reinforce": REINFORCE}
    assert "WMIL/PatternEcho-v0" in gym.registry
    assert zoo.hyperparams_opt.HYPERPARAMS_SAMPLER[ALGORITHM] is sampled_settings


def test_without_rl_zoo3_the_error_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rl_zoo3", None)
    monkeypatch.setattr(sys, "argv", ["zoo", "train"])
    with pytest.raises(SystemExit, match=re.escape("pip install 'wmil-agents[zoo]'")):
        main()


def test_a_command_without_a_script_says_how_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo", "--help"])
    with pytest.raises(SystemExit, match="usage: "):
        main()


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("train --algo reinforce --env WMIL/PatternEcho-v0", "reinforce.yml"),
        ("train --algo reinforce --env WMIL/Conditional-v0", "reinforce.yml"),
        ("train --algo ppo --env WMIL/Conditional-v0", "ppo.yml"),
        ("train --algo ppo --env CartPole-v1", None),
        ("train --algo a2c --env WMIL/PatternEcho-v0", None),
        ("train --algo reinforce --env WMIL/PatternEcho-v0 -conf mine.yml", None),
        ("train --algo reinforce --env WMIL/PatternEcho-v0 --conf-file=mine.yml", None),
        ("enjoy --algo reinforce --env WMIL/PatternEcho-v0", None),
    ],
)
def test_our_settings_are_used_where_nobody_named_others(words: str, file: str | None) -> None:
    given = words.split()
    added = [] if file is None else ["--conf-file", str(SETTINGS.joinpath(file))]
    assert with_our_settings(given) == given + added


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("tarin --algo reinforce", "rl-zoo3 has no script 'tarin'; there are train, enjoy"),
        ("pots.plot_train", "rl-zoo3 has no script 'pots.plot_train'"),
        ("train --env WMIL/PaternEcho-v0", "no environment 'WMIL/PaternEcho-v0', but WMIL/PatternEcho-v0"),
        (
            "train --algo reinforce --env Acrobot-v1",
            "settings of reinforce for WMIL/.*, not for Acrobot-v1: write",
        ),
        ("train --algo reinforce", "settings of reinforce for WMIL/.*, not for CartPole-v1: .* --conf-file"),
    ],
)
def test_what_there_is_not_ends_in_a_sentence(
    zoo: ModuleType, monkeypatch: pytest.MonkeyPatch, words: str, sentence: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo", *words.split()])
    with pytest.raises(SystemExit, match=sentence):
        main()


@pytest.mark.parametrize("words", ["train --algo ppo --env CartPole-v1", "train --env Theirs-v0 --gym-packages theirs"])
def test_what_rl_zoo3_knows_better_is_left_to_it(zoo: ModuleType, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo", *words.split()])
    main()
    assert sys.argv[1:] == words.split()[1:]


def test_every_env_of_ours_has_settings_for_reinforce(zoo: ModuleType) -> None:
    register()
    assert {env_id for algorithm, env_id, _ in ROWS if algorithm == ALGORITHM} == {
        env_id for env_id in gym.registry if env_id.startswith("WMIL/") and gym.spec(env_id).vector_entry_point
    }


@pytest.mark.slow
def test_conditional_is_learnt_with_its_settings_in_half_the_steps() -> None:
    [settings] = [dict(row[2]) for row in ROWS if row[:2] == (ALGORITHM, "WMIL/Conditional-v0")]
    env = make_vec_env("wmil_envs:WMIL/Conditional-v0", n_envs=settings.pop("n_envs"), seed=0)
    n_timesteps = settings.pop("n_timesteps") // 2
    model = REINFORCE(settings.pop("policy"), env, seed=0, device="cpu", **settings).learn(n_timesteps)
    exact = evaluate(
        model, BatchVecEnv(gym.make_vec("wmil_envs:WMIL/Conditional-v0", num_envs=8)), n_episodes=2, seed=0
    )
    assert exact.success.value >= 0.95


@pytest.mark.parametrize(("algorithm", "env_id", "settings"), ROWS)
def test_the_settings_build_a_transformer_that_learns(algorithm: str, env_id: str, settings: dict[str, object]) -> None:
    arguments = dict(settings)
    n_envs, n_timesteps = arguments.pop("n_envs"), arguments.pop("n_timesteps")
    assert isinstance(n_envs, int)
    assert isinstance(n_timesteps, int)
    policy = str(arguments.pop("policy")).replace("wmil_agents.TransformerPolicy", "TransformerPolicy")
    learner = {"reinforce": REINFORCE, "ppo": PPO}[algorithm]
    env = make_vec_env(f"wmil_envs:{env_id}", n_envs=n_envs, seed=0)
    model = learner(TransformerPolicy if learner is PPO else policy, env, seed=0, device="cpu", **arguments)
    before = model.policy.action_net.weight.detach().clone()
    model.learn(2 * n_envs * model.n_steps)
    assert isinstance(model.policy, TransformerPolicy)
    assert not before.equal(model.policy.action_net.weight)


@pytest.mark.skipif(find_spec("rl_zoo3") is None, reason="rl-zoo3 is not installed")
def test_the_commands_of_the_page_train_and_replay_an_agent(tmp_path: Path) -> None:
    answers = []
    for words in COMMAND.findall(PAGE.read_text(encoding="utf-8")):
        command = [sys.executable, "-m", "wmil_agents.zoo", *words.split()]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stderr
        answers.append(answer.stdout)
    assert len(answers) == 2
    mean = re.search(r"Mean reward: ([\d.]+)", answers[1])
    assert mean is not None
    assert float(mean[1]) > 0.9
