"""What a run is made of, built from its settings: the environments and the learner."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.auxiliary_losses.teacher import TeacherLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.sampled import evaluation_seed
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.extractors.history import HistoryExtractor
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.runs.ablations import ShuffledRewards, make_uniform
from wmil_agents.runs.agents import WithheldRewards, silence_critic, taught_alone
from wmil_agents.runs.input_error import InputError, nearest
from wmil_agents.runs.schedules import is_schedule, with_schedules
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.trackers import check_trackers
from wmil_agents.vec_env.history import HistoryVecEnv
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
from wmil_envs.llm.errors import ParentError

ALGORITHMS: dict[str, type[A2C | PPO]] = {"REINFORCE": REINFORCE, "A2C": A2C, "PPO": PPO}

_OURS = {"self", "policy", "env", "policy_kwargs", "seed", "tensorboard_log", "verbose", "device", "_init_setup_model"}
"""Arguments of an algorithm that other settings decide."""
_TRAINING_ONLY = {"curriculum", "reward_weights", "group_size"}
"""Arguments of our environments that change what is learnt from, not what is asked."""

_LIFT_THE_LIMIT = "lift the limit with policy.max_parameters=null"
_OR_LIFT_THE_LIMIT = f"make it narrower or shallower, or {_LIFT_THE_LIMIT}"


@dataclass
class Experiment:
    """A learner in its environments, with other ones to be evaluated in."""

    settings: Settings
    model: A2C | PPO
    env: VecEnv
    evaluation_env: VecEnv

    def evaluate(self, n_episodes: int | None = None, level: int | None = None, *, exact: bool = True) -> Evaluation:
        """What the policy does now; `n_episodes` and `exact` as in `wmil_agents.evaluation.evaluate`."""
        self.recall_verdicts()
        return evaluate(
            self.model,
            self.evaluation_env,
            n_episodes=n_episodes or self.settings.evaluation.episodes,
            seed=evaluation_seed(self.settings.seed),
            level=level,
            exact=exact,
        )

    def recall_verdicts(self) -> None:
        """Lets the evaluation know what a lazy parent has said in training, and what it has recorded; none is asked."""
        trained, asked = world_of(self.env), world_of(self.evaluation_env)
        if trained is not None and trained.verdicts is not None and asked is not None:
            asked.load_verdicts(trained.verdicts.state_dict())
            asked.recall_verdicts()

    def close(self) -> None:
        """Close all environments."""
        self.env.close()
        self.evaluation_env.close()


def build_experiment(settings: Settings, *, evaluation_level: int | None = None) -> Experiment:
    """Environments and learner, not yet trained.

    Args:
        settings: what to build.
        evaluation_level: the level of the evaluation's environments; that of the training ones for None.

    Raises:
        InputError: something that the settings ask for does not exist or does not fit.
    """
    algorithm = ALGORITHMS[settings.learner.algorithm]
    _check_learner(settings, algorithm)
    _check_size(settings)
    check_trackers(settings)
    env = evaluation_env = None
    try:
        with _as_input_error(f"the environment {settings.env.id} cannot be made"):
            asked = settings.env.arguments
            if settings.agent == "kl_distill" and _is_ours(settings.env.id):
                asked = {"reveals_all_actions": True, **asked}
            env = _make_env(settings, asked, settings.seed)
            if _is_ours(settings.env.id):
                asked = {name: value for name, value in asked.items() if name not in _TRAINING_ONLY}
            if evaluation_level is not None:
                asked = {**asked, "level": evaluation_level}
            world = world_of(env)
            if world is not None and world.verdicts is not None:
                asked = {**asked, "parent": world.parent}  # the same object: it has set its instances already
            evaluation_env = _make_env(settings, asked, evaluation_seed(settings.seed))
        with _as_input_error(f"the ablation {settings.ablation} is not possible"):
            if settings.ablation == "shuffled_rewards":
                env = ShuffledRewards(env, settings.seed)
        if settings.agent == "kl_distill":
            env = WithheldRewards(env)
        with _as_input_error("the learner cannot be made"):
            model = _make_model(settings, algorithm, env)
    except InputError:
        for made in (env, evaluation_env):
            if made is not None:
                made.close()
        raise
    return Experiment(settings, model, env, evaluation_env)


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """A block in which torch uses so many threads; afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _make_env(settings: Settings, arguments: dict[str, Any], seed: int) -> VecEnv:
    id, length = settings.env.id, settings.history.length
    env = make_batch_vec_env(f"wmil_envs:{id}" if _is_ours(id) else id, settings.n_envs, seed, **arguments)
    return env if length is None else HistoryVecEnv(env, length)


def _is_ours(id: str) -> bool:
    return id.startswith("WMIL/")


def _make_model(settings: Settings, algorithm: type[A2C | PPO], env: VecEnv) -> A2C | PPO:
    arguments = with_schedules(settings.learner.arguments)
    if settings.ablation == "no_baseline":
        arguments["baseline"] = "none"
    if settings.agent == "kl_distill":
        arguments = taught_alone(arguments)
    model = algorithm(
        TransformerPolicy,
        env,
        policy_kwargs=_policy_kwargs(settings),
        seed=settings.seed,
        device="cpu",
        **arguments,
    )
    model = _with_losses(settings, model)
    if settings.ablation == "random_policy" or settings.agent == "random":
        make_uniform(model.policy)
    if settings.agent == "kl_distill":
        silence_critic(model.policy)
    return model


def _policy_kwargs(settings: Settings) -> dict[str, Any]:
    policy, history = settings.policy, settings.history
    sizes = {"width": policy.width, "n_layers": policy.n_layers, "n_heads": policy.n_heads}
    extractor: dict[str, Any] = {
        "features_extractor_class": TransformerExtractor,
        "features_extractor_kwargs": {**sizes, "readout": policy.readout},
    }
    if history.length is not None:
        order = {"positions": history.positions, "trace_decay": history.trace_decay}
        extractor = {"features_extractor_class": HistoryExtractor, "features_extractor_kwargs": {**sizes, **order}}
    return {"max_parameters": policy.max_parameters, **extractor}


def _with_losses(settings: Settings, model: A2C | PPO) -> A2C | PPO:
    world_model = WorldModelLoss(**{**settings.world_model.model_dump(), "scale": world_model_scale(settings)})
    others = _other_losses(settings)
    try:
        return attach(model, [world_model, *others])
    except ValueError as error:
        if others:
            attach(model, others)  # complains if it is about one of these
        if not world_model.is_off:
            raise InputError(f"{error}; or do without a world model: world_model.scale=0") from None
        return model  # it was not asked for, and its head could predict nothing here


def _other_losses(settings: Settings) -> list[AuxiliaryLoss]:
    """Those beside the world model that are asked for."""
    if settings.agent == "kl_distill":
        return [TeacherLoss()]
    if settings.agent != "learner":
        return []
    latent, contrastive = settings.latent_world_model, settings.contrastive
    losses = LatentWorldModelLoss(**latent.model_dump()), ContrastiveLoss(**contrastive.model_dump())
    return [loss for loss in losses if not loss.is_off]


def world_model_scale(settings: Settings) -> float:
    """The weight of the world model's loss in this run, agent and ablation considered."""
    is_cut = settings.ablation == "no_world_model" or settings.agent != "learner"
    return 0.0 if is_cut else settings.world_model.scale


def return_threshold(settings: Settings) -> float | None:
    """The mean return that counts as solved: that of the settings, else the one the environment is registered with."""
    if settings.evaluation.return_threshold is not None:
        return settings.evaluation.return_threshold
    registered = gym.registry.get(settings.env.id.rpartition(":")[2])
    return None if registered is None else registered.reward_threshold


def _check_learner(settings: Settings, algorithm: type[A2C | PPO]) -> None:
    known = set(inspect.signature(algorithm).parameters) - _OURS
    for name in settings.learner.arguments:
        if name in _OURS:
            raise InputError(f"learner.arguments.{name} is decided by other settings, see `wmil train --help`")
        if name not in known:
            raise InputError(f"{settings.learner.algorithm} takes no argument {name!r}; {nearest(name, known)}")
    if algorithm is not REINFORCE and is_schedule("ent_coef", value := settings.learner.arguments.get("ent_coef")):
        raise InputError(f"learner.arguments.ent_coef of {settings.learner.algorithm} is a number, not {value!r}")
    if settings.agent != "learner" and settings.ablation != "none":
        raise InputError(
            f"an ablation takes something out of the learner, and agent={settings.agent} acts in its place: set one of "
            "agent and ablation"
        )
    if settings.ablation == "shuffled_rewards" and settings.learner.arguments.get("all_actions"):
        raise InputError("the ablation shuffled_rewards takes nothing from all_actions, which learns from no reward")
    if settings.ablation == "no_baseline" and algorithm is not REINFORCE:
        raise InputError(f"the ablation no_baseline is one of REINFORCE, {settings.learner.algorithm} has a critic")
    if settings.ablation == "no_world_model" and settings.world_model.scale == 0.0:
        raise InputError("the ablation no_world_model takes nothing away where world_model.scale is 0")


def _check_size(settings: Settings) -> None:
    """Refuse a policy whose blocks alone are too large, before time and memory go into building it."""
    policy = settings.policy
    n_parameters = 12 * policy.width**2 * policy.n_layers  # attention 4 width^2, two linear layers of 4 width^2 each
    if policy.max_parameters is not None and n_parameters > policy.max_parameters:
        raise InputError(
            f"a policy with policy.width={policy.width} and policy.n_layers={policy.n_layers} has more than "
            f"{n_parameters:,} parameters: {_OR_LIFT_THE_LIMIT}"
        )


@contextmanager
def _as_input_error(what: str) -> Iterator[None]:
    """A block in which a refusal by a library is told as an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError, OSError, ImportError, AssertionError, ParentError, gym.error.Error) as error:
        sentence = " ".join(str(error).split()).replace("or pass max_parameters=None", "or " + _LIFT_THE_LIMIT)
        raise InputError(f"{what}: {sentence}") from error
