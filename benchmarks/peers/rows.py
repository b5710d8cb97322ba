"""The frozen tables of rows: who steps which environment, who learns which world and with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.peers.contest import Contestant
from benchmarks.peers.peer import PROJECT

ECHO = "wmil_envs:WMIL/PatternEcho-v0"
N_ENVS = (64, 1024, 4096)
TRIES = 100
"""Settings that were tried for each learner whose settings are called found."""
FULL_TURNS, SHORT_TURNS = 15, 3


def _vector(name: str, peer: str, env_id: str, mode: str, sizes: tuple[int, ...], **kwargs: Any) -> list[Contestant]:
    return [
        Contestant(name, peer, "gymnasium_vector", {"id": env_id, "n_envs": n_envs, "mode": mode}, **kwargs)
        for n_envs in sizes
    ]


def _gymnax(name: str, n_steps: int) -> list[Contestant]:
    arguments = {"id": "MemoryChain-bsuite", "n_steps": n_steps}
    return [Contestant(name, "gymnax", "gymnax_vector", arguments | {"n_envs": n_envs}) for n_envs in N_ENVS]


def _sb3(name: str, kind: str, is_ours: bool) -> list[Contestant]:
    arguments = {"id": ECHO, "vec_env": kind}
    return [
        Contestant(name, PROJECT, "sb3_vec_env", arguments | {"n_envs": n_envs}, is_ours, is_short=n_envs < 1024)
        for n_envs in (64, 1024)
    ]


def _single(name: str, peer: str, env_id: str, is_ours: bool = False) -> Contestant:
    return Contestant(name, peer, "gymnasium_single", {"id": env_id, "n_envs": 1}, is_ours)


ENVIRONMENTS: tuple[Contestant, ...] = (
    *_vector("WMIL PatternEcho", PROJECT, ECHO, "vector_entry_point", N_ENVS, is_ours=True),
    *_vector("Gymnasium CartPole, its own vector env", PROJECT, "CartPole-v1", "vector_entry_point", N_ENVS),
    *_gymnax("gymnax MemoryChain, compiled, a call a step", 1),
    *_gymnax("gymnax MemoryChain, compiled, a call a hundred steps", 100),
    *_vector("POPGym RepeatFirst in SyncVectorEnv", "popgym", "popgym:popgym-RepeatFirstEasy-v0", "sync", (64,)),
    *_vector("POPGym CountRecall in SyncVectorEnv", "popgym", "popgym:popgym-CountRecallEasy-v0", "sync", (64,)),
    *_vector("Minigrid Empty 5x5 in SyncVectorEnv", "minigrid", "minigrid:MiniGrid-Empty-5x5-v0", "sync", (64,)),
    *_sb3("SB3 BatchVecEnv (ours) over PatternEcho", "batch", is_ours=True),
    *_sb3("SB3 DummyVecEnv + Monitor over PatternEcho", "dummy", is_ours=False),
    _single("WMIL PatternEcho, gym.make", PROJECT, ECHO, is_ours=True),
    _single("Gymnasium CartPole, gym.make", PROJECT, "CartPole-v1"),
    _single("POPGym RepeatFirst, gym.make", "popgym", "popgym:popgym-RepeatFirstEasy-v0"),
    _single("POPGym CountRecall, gym.make", "popgym", "popgym:popgym-CountRecallEasy-v0"),
    _single("Minigrid Empty 5x5, gym.make", "minigrid", "minigrid:MiniGrid-Empty-5x5-v0"),
    Contestant("bsuite SimpleBandit", "bsuite", "bsuite_bandit", {"n_envs": 1}),
)
"""Random actions everywhere, drawn before; each steps as its library means it to be stepped."""

SAME_KIND = {"sb3_vec_env": "SB3 BatchVecEnv (ours) over PatternEcho", "gymnasium_single": "WMIL PatternEcho, gym.make"}
"""Which of ours a contestant is compared with, at its number of environments, by its program."""
SAME_KIND_DEFAULT = "WMIL PatternEcho"


def counterpart(contestant: Contestant) -> str:
    """The name of the row of ours that an environment's row is compared with."""
    if contestant.module == "bsuite_bandit":
        return SAME_KIND["gymnasium_single"]
    return SAME_KIND.get(contestant.module, SAME_KIND_DEFAULT)


@dataclass(frozen=True)
class Course:
    """A world, and who learns it."""

    name: str
    env_id: str
    learners: tuple[Contestant, ...]
    reference: str
    """The row of ours that the others are compared with."""
    budget: int
    """Steps after which a learner is given up."""
    full_seeds: int
    short_seeds: int
    """0 if it is no part of the short form."""
    env_arguments: Mapping[str, Any] = field(default_factory=dict)

    def contestants(self, short: bool) -> list[Contestant]:
        """Those of the form, told which world it is."""
        return [
            replace(one, arguments={"id": self.env_id, **one.arguments, "env": self._env_arguments_of(one)})
            for one in self.learners
            if one.is_short or not short
        ]

    def requests(self, short: bool) -> list[dict[str, int]]:
        """What each is asked, turn by turn."""
        seeds = range(self.short_seeds if short else self.full_seeds)
        return [{"seed": seed, "budget": self.budget} for seed in seeds]

    def _env_arguments_of(self, contestant: Contestant) -> dict[str, Any]:
        return {**self.env_arguments, **contestant.arguments.get("env", {})}


def _sb3_learner(name: str, algorithm: str, arguments: dict[str, Any], **kwargs: Any) -> Contestant:
    peer, is_short = kwargs.pop("peer", PROJECT), kwargs.pop("is_short", False)
    common = {"algorithm": algorithm, "policy": "MlpPolicy", "vec_env": "batch"}
    return Contestant(name, peer, "sb3_learner", common | arguments, is_short=is_short, **kwargs)


def _single_file(name: str, arguments: dict[str, Any], *, is_short: bool = False) -> Contestant:
    return Contestant(name, PROJECT, "single_file_learner", arguments, is_short=is_short)


REINFORCE, TRANSFORMER = "wmil_agents.reinforce:REINFORCE", {"policy": "TransformerPolicy"}
SB3_PPO, SB3_A2C = "stable_baselines3:PPO", "stable_baselines3:A2C"
OUR_LEARNER = "REINFORCE + transformer (ours), defaults"
OUR_REPLAY_LEARNER = "REINFORCE + transformer (ours), event replay"
ONE_HOT = {"env": {"obs": "onehot"}}
"""For libraries that take integer columns for numbers, or cannot take them at all."""
OURS_FEWEST_STEPS: dict[str, Any] = {
    "n_envs": 8,
    "settings": {
        "n_steps": 2,
        "learning_rate": 0.5,
        "max_grad_norm": 1.0,
        "baseline": "running_mean",
        "ent_coef": 0.01,
    },
    "policy_kwargs": {"features_extractor_kwargs": {"n_layers": 2, "width": 128, "n_heads": 4}},
}
OURS_FEWEST_SECONDS: dict[str, Any] = {
    "n_envs": 64,
    "settings": {"n_steps": 2, "learning_rate": 1.5, "max_grad_norm": 3.0, "baseline": "none", "ent_coef": 0.0},
    "policy_kwargs": {"features_extractor_kwargs": {"n_layers": 1, "width": 128, "n_heads": 1}},
}
MLP_FEWEST_STEPS: dict[str, Any] = {
    "n_envs": 8,
    "settings": {"n_steps": 2, "learning_rate": 3.0, "max_grad_norm": 0.5, "baseline": "none", "ent_coef": 0.01},
    "policy_kwargs": {"net_arch": [64, 64]},
}
MLP_FEWEST_SECONDS: dict[str, Any] = {
    "n_envs": 16,
    "settings": {"n_steps": 1, "learning_rate": 3.0, "max_grad_norm": 1.0, "baseline": "none", "ent_coef": 0.01},
    "policy_kwargs": {"net_arch": [256]},
}
REPLAY_FEWEST_STEPS: dict[str, Any] = {
    "n_envs": 4,
    "settings": {
        "n_steps": 2,
        "learning_rate": 0.3,
        "max_grad_norm": 3.0,
        "baseline": "running_mean",
        "ent_coef": 0.0,
        "event_replay": {"weight": 0.5, "n_replayed": 32},
    },
    "policy_kwargs": {"features_extractor_kwargs": {"n_layers": 2, "width": 128, "n_heads": 1}},
}
REPLAY_FEWEST_SECONDS: dict[str, Any] = {
    "n_envs": 128,
    "settings": {
        "n_steps": 2,
        "learning_rate": 4.0,
        "max_grad_norm": 3.0,
        "baseline": "none",
        "ent_coef": 0.0,
        "event_replay": {"weight": 3.0, "n_replayed": 8},
    },
    "policy_kwargs": {"features_extractor_kwargs": {"n_layers": 2, "width": 16, "n_heads": 1}},
}
REPLAY_MLP_FEWEST_STEPS: dict[str, Any] = {
    "n_envs": 4,
    "settings": {
        "n_steps": 1,
        "learning_rate": 4.0,
        "max_grad_norm": 0.3,
        "baseline": "running_mean",
        "ent_coef": 0.0,
        "event_replay": {"weight": 0.5, "n_replayed": 4},
    },
    "policy_kwargs": {"net_arch": [64]},
}
REPLAY_MLP_FEWEST_SECONDS: dict[str, Any] = {
    "n_envs": 64,
    "settings": {
        "n_steps": 2,
        "learning_rate": 5.0,
        "max_grad_norm": 0.3,
        "baseline": "running_mean",
        "ent_coef": 0.0,
        "event_replay": {"weight": 0.5, "n_replayed": 8},
    },
    "policy_kwargs": {"net_arch": [64]},
}
PPO_FEWEST_STEPS: dict[str, Any] = {
    "n_envs": 32,
    "settings": {
        "n_steps": 4,
        "n_epochs": 4,
        "learning_rate": 0.02,
        "clip_range": 0.3,
        "max_grad_norm": 2.0,
        "ent_coef": 0.01,
        "vf_coef": 0.5,
        "normalize_advantage": True,
        "batch_size": 64,
    },
    "policy_kwargs": {"net_arch": [256]},
}
PPO_FEWEST_SECONDS: dict[str, Any] = {
    "n_envs": 64,
    "settings": {
        "n_steps": 2,
        "n_epochs": 4,
        "learning_rate": 0.03,
        "clip_range": 0.2,
        "max_grad_norm": 10.0,
        "ent_coef": 0.01,
        "vf_coef": 0.5,
        "normalize_advantage": True,
        "batch_size": 128,
    },
    "policy_kwargs": {"net_arch": [256]},
}
PPO_USUAL: dict[str, Any] = {
    "n_envs": 64,
    "settings": {"n_steps": 8, "n_epochs": 4, "learning_rate": 0.0025, "batch_size": 128},
}
"""CleanRL's values for many environments, with ten times its learning rate; those of the single file too."""
A2C_FEWEST_STEPS: dict[str, Any] = {
    "n_envs": 4,
    "settings": {
        "n_steps": 2,
        "learning_rate": 0.9,
        "max_grad_norm": 0.3,
        "ent_coef": 0.0,
        "vf_coef": 0.1,
        "normalize_advantage": True,
        "use_rms_prop": False,
    },
    "policy_kwargs": {"net_arch": [64, 64], "optimizer_class": "torch.optim:SGD"},
}
A2C_FEWEST_SECONDS: dict[str, Any] = {
    "n_envs": 16,
    "settings": {
        "n_steps": 4,
        "learning_rate": 0.003,
        "max_grad_norm": 10.0,
        "ent_coef": 0.0,
        "vf_coef": 0.1,
        "normalize_advantage": True,
        "use_rms_prop": True,
    },
    "policy_kwargs": {"net_arch": [64, 64]},
}
SINGLE_FILE_FEWEST_STEPS: dict[str, Any] = {
    "n_envs": 16,
    "n_steps": 4,
    "n_epochs": 8,
    "n_minibatches": 4,
    "learning_rate": 0.003,
    "clip_range": 0.1,
    "max_grad_norm": 0.5,
    "entropy_weight": 0.0,
    "value_weight": 0.5,
    "width": 64,
    "n_layers": 2,
}
SINGLE_FILE_FEWEST_SECONDS: dict[str, Any] = {
    "n_envs": 128,
    "n_steps": 2,
    "n_epochs": 2,
    "n_minibatches": 2,
    "learning_rate": 0.03,
    "clip_range": 0.1,
    "max_grad_norm": 2.0,
    "entropy_weight": 0.0,
    "value_weight": 0.1,
    "width": 256,
    "n_layers": 1,
}

OURS_BY_DEFAULT = _sb3_learner(OUR_LEARNER, REINFORCE, TRANSFORMER | {"n_envs": 8}, is_ours=True, is_short=True)
OURS_WITH_REPLAY = _sb3_learner(
    OUR_REPLAY_LEARNER,
    REINFORCE,
    TRANSFORMER | {"n_envs": 8, "settings": {"event_replay": True}},
    is_ours=True,
    is_short=True,
)
LEARNERS: tuple[Contestant, ...] = (
    OURS_BY_DEFAULT,
    OURS_WITH_REPLAY,
    _sb3_learner(f"{OUR_REPLAY_LEARNER}, found for steps", REINFORCE, TRANSFORMER | REPLAY_FEWEST_STEPS, is_ours=True),
    _sb3_learner(
        f"{OUR_REPLAY_LEARNER}, found for CPU time",
        REINFORCE,
        TRANSFORMER | REPLAY_FEWEST_SECONDS,
        is_ours=True,
        is_short=True,
    ),
    _sb3_learner(
        "REINFORCE + transformer (ours), found for steps", REINFORCE, TRANSFORMER | OURS_FEWEST_STEPS, is_ours=True
    ),
    _sb3_learner(
        "REINFORCE + transformer (ours), found for CPU time", REINFORCE, TRANSFORMER | OURS_FEWEST_SECONDS, is_ours=True
    ),
    _sb3_learner(
        "REINFORCE (ours) + MLP, event replay, found for steps", REINFORCE, REPLAY_MLP_FEWEST_STEPS, is_ours=True
    ),
    _sb3_learner(
        "REINFORCE (ours) + MLP, event replay, found for CPU time", REINFORCE, REPLAY_MLP_FEWEST_SECONDS, is_ours=True
    ),
    _sb3_learner("REINFORCE (ours) + MLP, found for steps", REINFORCE, MLP_FEWEST_STEPS, is_ours=True),
    _sb3_learner("REINFORCE (ours) + MLP, found for CPU time", REINFORCE, MLP_FEWEST_SECONDS, is_ours=True),
    _sb3_learner("SB3 PPO + MLP, found for steps", SB3_PPO, PPO_FEWEST_STEPS),
    _sb3_learner("SB3 PPO + MLP, found for CPU time", SB3_PPO, PPO_FEWEST_SECONDS, is_short=True),
    _sb3_learner("SB3 PPO + MLP, found for CPU time, DummyVecEnv", SB3_PPO, PPO_FEWEST_SECONDS | {"vec_env": "dummy"}),
    _sb3_learner("SB3 PPO + MLP, usual settings", SB3_PPO, PPO_USUAL),
    _sb3_learner("SB3 PPO + MLP, its own defaults", SB3_PPO, {"n_envs": 1}),
    _sb3_learner("SB3 A2C + MLP, found for steps", SB3_A2C, A2C_FEWEST_STEPS),
    _sb3_learner("SB3 A2C + MLP, found for CPU time", SB3_A2C, A2C_FEWEST_SECONDS),
    _sb3_learner(
        "sb3-contrib RecurrentPPO + LSTM, settings of PPO found for CPU time",
        "sb3_contrib:RecurrentPPO",
        PPO_FEWEST_SECONDS | {"policy": "MlpLstmPolicy"} | ONE_HOT,
        remark="the world asks for no memory: what having one costs",
    ),
    _sb3_learner(
        "SBX PPO + MLP, usual settings",
        "sbx:PPO",
        PPO_USUAL | ONE_HOT,
        peer="sbx",
        is_short=True,
        remark="not searched for: compiling takes nearly all of its time",
    ),
    _sb3_learner(
        "SBX PPO + MLP, settings of SB3 PPO found for steps",
        "sbx:PPO",
        PPO_FEWEST_STEPS | ONE_HOT,
        peer="sbx",
    ),
    _single_file("single-file PPO + MLP, found for steps", SINGLE_FILE_FEWEST_STEPS),
    _single_file("single-file PPO + MLP, found for CPU time", SINGLE_FILE_FEWEST_SECONDS, is_short=True),
    _single_file("single-file PPO + MLP, usual settings", {}),
)
"""Settings called found are those of `python -m benchmarks.peers.tuning LEARNER`."""
LEARNERS_ELSEWHERE: tuple[Contestant, ...] = (
    OURS_WITH_REPLAY,
    _sb3_learner(
        f"{OUR_REPLAY_LEARNER}, found for PatternEcho, for CPU time",
        REINFORCE,
        TRANSFORMER | REPLAY_FEWEST_SECONDS,
        is_ours=True,
    ),
    replace(OURS_BY_DEFAULT, is_short=False),
    _sb3_learner("SB3 PPO + MLP, found for PatternEcho, for steps", SB3_PPO, PPO_FEWEST_STEPS, is_short=True),
    _sb3_learner("SB3 PPO + MLP, found for PatternEcho, for CPU time", SB3_PPO, PPO_FEWEST_SECONDS),
    _single_file("single-file PPO + MLP, found for PatternEcho, for steps", SINGLE_FILE_FEWEST_STEPS),
    _single_file(
        "single-file PPO + MLP, found for PatternEcho, for CPU time", SINGLE_FILE_FEWEST_SECONDS, is_short=True
    ),
)
"""Nobody's settings were searched for in these worlds."""

ECHO_COURSE = Course("PatternEcho", ECHO, LEARNERS, OUR_LEARNER, 10_000, full_seeds=20, short_seeds=3)
COURSES = (
    ECHO_COURSE,
    Course(
        "Conditional, three conditions (its last level)",
        "wmil_envs:WMIL/Conditional-v0",
        LEARNERS_ELSEWHERE,
        OUR_REPLAY_LEARNER,
        10_000,
        full_seeds=5,
        short_seeds=1,
    ),
    Course(
        "SequenceNext, alternating (the last level that can be solved)",
        "wmil_envs:WMIL/SequenceNext-v0",
        LEARNERS_ELSEWHERE,
        OUR_REPLAY_LEARNER,
        20_000,
        full_seeds=5,
        short_seeds=0,
        env_arguments={"level": 4},
    ),
)
