"""`attach(model, losses)`: auxiliary losses for a stock algorithm of Stable-Baselines3."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Self, TypeVar

import numpy as np
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.attached_policy import AttachedPolicy
from wmil_agents.auxiliary_heads import AuxiliaryHeads, add_heads
from wmil_agents.auxiliary_loss import AuxiliaryLoss, check_losses
from wmil_agents.buffers.next_observation_buffer import NextObservations
from wmil_agents.buffers.transition_memory import TransitionMemory
from wmil_agents.mixin import mixed
from wmil_agents.off_policy_attachment import attach_off_policy
from wmil_agents.vec_env.next_observation_recorder import NextObservationRecorder
from wmil_agents.vec_env.unjudged import accept_unjudged

ON_POLICY = (A2C, PPO)
OFF_POLICY = (DQN, SAC, TD3)
Model = TypeVar("Model", bound=BaseAlgorithm)


def attach(model: Model, losses: Sequence[AuxiliaryLoss] | None = None) -> Model:
    """Makes a model learn auxiliary losses beside its own, in the same backward pass, and returns it.

    `model = attach(PPO(TransformerPolicy, env), [WorldModelLoss()])`; then `learn`, `save` and `set_env` as ever. The
    gradient is that of the joint loss, and the algorithm clips it as a whole; each loss is logged as
    `train/<name>_loss`. The environment stays the one that the model has. At scale 0 nothing is computed, nothing is
    replayed, the parent is asked nothing, and training is that of the plain model, bit for bit.

    Of an actor-critic policy the actor's features learn (and the critic's where they are shared), of DQN those of the
    action values, of SAC, TD3 and DDPG the critic's.

    `type(model).load` and `REINFORCE.load` attach what was saved. The stock classes' own `load` restores policy and
    heads but not what feeds them: call `attach(model)` once more.

    Args:
        model: PPO, A2C, REINFORCE, DQN, SAC, TD3, DDPG, sb3-contrib's RecurrentPPO or MaskablePPO, or a subclass.
        losses: What to learn besides; None for those the model was saved with.

    Raises:
        ValueError: Where the losses would not reach the policy, have settings that make no sense, or are not what the
            model already has. The model is as it was then.
        TypeError: For an algorithm that this does not work with, or something else than a sequence of losses.
    """
    if not isinstance(model, (*ON_POLICY, *OFF_POLICY, *_contributed())):
        raise TypeError(
            "auxiliary losses attach to PPO, A2C, REINFORCE, RecurrentPPO, MaskablePPO, DQN, SAC, TD3, DDPG and their "
            f"subclasses, not to {type(model).__name__}"
        )
    if getattr(model, "policy", None) is None:
        raise ValueError("this model has no policy yet: make it without _init_setup_model=False")
    wanted = _wanted(model, losses)
    is_new = losses is not None
    if isinstance(model, OffPolicyAlgorithm):
        return attach_off_policy(model, wanted, is_new)
    assert isinstance(model, OnPolicyAlgorithm)
    check_losses(wanted)
    _check_world(model, wanted, model.env)
    if is_new:
        add_heads(model, AttachedPolicy, wanted)
    policy = model.policy
    assert isinstance(policy, AttachedPolicy)
    _keep_next_observations(model)
    buffer = model.rollout_buffer
    assert isinstance(buffer, NextObservations)
    policy.is_connected = True
    buffer.minibatch = policy.minibatch
    if any(loss.n_replayed for loss in policy.possible_losses) and policy.minibatch.memory is None:
        policy.minibatch.memory = TransitionMemory(seed=model.seed)
    policy.minibatch.rng = np.random.default_rng(None if model.seed is None else [model.seed, 1])
    plain_class: Any = type(model)
    model.__class__ = mixed(AttachedAlgorithm, plain_class, "Attached")
    _accept_unjudged(model)
    return model


def _wanted(model: BaseAlgorithm, losses: Sequence[AuxiliaryLoss] | None) -> tuple[AuxiliaryLoss, ...]:
    """All losses that the model is to have, those that it has included."""
    attached = model.policy.auxiliary_losses if isinstance(model.policy, AuxiliaryHeads) else ()
    if losses is None:
        if not attached:
            raise ValueError("this model has no auxiliary losses yet: say which, attach(model, [WorldModelLoss()])")
        return attached
    if not isinstance(losses, list | tuple):
        raise TypeError(f"attach takes a list of losses, attach(model, [WorldModelLoss()]), not {losses!r}")
    if attached and attached != getattr(model, "own_losses", ()):  # REINFORCE has some as a part of itself
        raise ValueError("this model has auxiliary losses already: name all of them in one attach(model, losses)")
    if not losses:
        raise ValueError("attach(model, losses) needs at least one auxiliary loss")
    return (*attached, *losses)


def _contributed() -> tuple[type[BaseAlgorithm], ...]:
    """The algorithms of sb3-contrib that this works with; without importing it, as its models' classes come from it."""
    contrib: Any = sys.modules.get("sb3_contrib")
    return () if contrib is None else (contrib.RecurrentPPO, contrib.MaskablePPO)


class AttachedAlgorithm(OnPolicyAlgorithm):
    """Mixin for an on-policy algorithm: records next observations in any environment it is given, logs the losses."""

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """As ever, if the losses can learn from the new environment."""
        assert isinstance(self.policy, AttachedPolicy)
        _check_world(self, self.policy.auxiliary_losses, self._wrap_env(env))
        super().set_env(env, force_reset)
        _accept_unjudged(self)

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: Any, *args: Any, **kw: Any) -> bool:
        """As ever, from a recorder around the environment, which the buffer reads.

        It is put there only now because the algorithm's own environment has to stay what it is: callbacks compare it,
        wrapper by wrapper, with the one they evaluate in.
        """
        assert isinstance(self.policy, AttachedPolicy)
        assert isinstance(rollout_buffer, NextObservations)
        recorder = rollout_buffer.recorder
        if recorder is None or recorder.venv is not env:
            recorder = rollout_buffer.recorder = NextObservationRecorder(env)
        recorder.asks_action_scores = any(loss.asks_action_scores for loss in self.policy.possible_losses)
        return super().collect_rollouts(recorder, callback, rollout_buffer, *args, **kw)

    def train(self) -> None:
        """As ever, if there is a step that somebody judged; then logs the auxiliary losses."""
        policy, buffer = self.policy, self.rollout_buffer
        assert isinstance(policy, AttachedPolicy)
        assert isinstance(buffer, NextObservations)
        if buffer.unjudged is not None:
            self.logger.record("train/unjudged_share", float(buffer.unjudged.mean()))
            if buffer.unjudged.all():
                return
        policy.start_update(self._current_progress_remaining)
        super().train()
        for name, value in policy.update_metrics().items():
            self.logger.record(f"train/{name}", value)
        if any(loss.asks_action_scores for loss in policy.active_losses):
            self.logger.record("train/uses_teacher", 1)

    @classmethod
    def load(cls, *args: Any, **kwargs: Any) -> Self:
        """As ever; the losses that were saved are attached again."""
        return attach(super().load(*args, **kwargs))


def _keep_next_observations(model: OnPolicyAlgorithm) -> None:
    """Gives the model's rollout buffer next observations, in place, unless it has them."""
    buffer: Any = model.rollout_buffer
    if not isinstance(buffer, NextObservations):
        plain_class: Any = type(buffer)
        buffer.__class__ = mixed(NextObservations, plain_class, "NextObservations")
        buffer.reset()
        model.rollout_buffer_class = type(buffer)


def _check_world(model: OnPolicyAlgorithm, losses: Sequence[AuxiliaryLoss], env: VecEnv | None) -> None:
    """Raises a `ValueError` where a loss can learn nothing from the environment or from rollouts of this length."""
    for loss in losses:
        if env is not None:
            loss.check_env(env)
        if loss.futures is not None and (model.n_steps - 1) * model.n_envs < 2:
            raise ValueError(
                f"the {loss.name} loss compares steps with later ones of the same rollout, two at least, and "
                f"n_steps={model.n_steps} with n_envs={model.n_envs} leaves fewer: pass a larger n_steps"
            )


def _accept_unjudged(model: OnPolicyAlgorithm) -> None:
    """Tells the environment that steps without a verdict are left out, which sequences could not do without."""
    contrib: Any = sys.modules.get("sb3_contrib")
    is_recurrent = contrib is not None and isinstance(model, contrib.RecurrentPPO)
    if model.env is not None and not is_recurrent:
        accept_unjudged(model.env)
