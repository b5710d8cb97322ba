"""Auxiliary losses for the off-policy algorithms of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.attached_critic import AttachedCriticPolicy
from wmil_agents.auxiliary_heads import add_heads
from wmil_agents.auxiliary_loss import AuxiliaryLoss, check_losses
from wmil_agents.buffers.judged_replay import JudgedReplay
from wmil_agents.buffers.next_observation_buffer import Minibatch
from wmil_agents.mixin import mixed
from wmil_agents.vec_env.unjudged import accept_unjudged

Model = TypeVar("Model", bound=OffPolicyAlgorithm)


class AttachedOffPolicyAlgorithm(OffPolicyAlgorithm):
    """Mixin for an off-policy algorithm: tells its policy what the replay buffer yields, and logs the losses."""

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """As ever, if the losses can learn from the new environment."""
        assert isinstance(self.policy, AttachedCriticPolicy)
        _check(self, self.policy.auxiliary_losses, self._wrap_env(env))
        super().set_env(env, force_reset)
        _leave_out_unjudged(self)

    def load_replay_buffer(self, *args: Any, **kwargs: Any) -> None:
        """As ever, if the losses can learn from what that buffer yields; else the buffer stays."""
        own = self.replay_buffer
        super().load_replay_buffer(*args, **kwargs)
        try:
            _check_buffer(self)
        except ValueError:
            self.replay_buffer = own
            raise
        _leave_out_unjudged(self)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """As ever; then logs the auxiliary losses."""
        policy = self.policy
        assert isinstance(policy, AttachedCriticPolicy)
        assert self.replay_buffer is not None
        policy.start_update(self._current_progress_remaining)
        with _watched(self.replay_buffer, policy.minibatch):
            super().train(gradient_steps, batch_size)
        for name, value in policy.update_metrics().items():
            self.logger.record(f"train/{name}", value)

    @classmethod
    def load(cls, *args: Any, **kwargs: Any) -> Self:
        """As ever; the losses that were saved are attached again."""
        model = super().load(*args, **kwargs)
        assert isinstance(model.policy, AttachedCriticPolicy)
        return attach_off_policy(model, model.policy.auxiliary_losses, is_new=False)


def attach_off_policy(model: Model, losses: Sequence[AuxiliaryLoss], is_new: bool) -> Model:
    """What `attach` does to DQN, SAC, TD3 or DDPG; with losses that are not new, whose heads the policy has already."""
    check_losses(losses)
    _check(model, losses, model.env)
    if is_new:
        add_heads(model, AttachedCriticPolicy, losses)
    policy = model.policy
    assert isinstance(policy, AttachedCriticPolicy)
    policy.is_connected = True
    plain_class: Any = type(model)
    model.__class__ = mixed(AttachedOffPolicyAlgorithm, plain_class, "Attached")
    _leave_out_unjudged(model)
    return model


def _leave_out_unjudged(model: OffPolicyAlgorithm) -> None:
    """Where steps can be unjudged, has the replay buffer leave them out."""
    if model.env is None or not accept_unjudged(model.env):
        return
    buffer: Any = model.replay_buffer
    plain_class: Any = type(buffer)
    buffer.__class__ = mixed(JudgedReplay, plain_class, "Judged")


def _check(model: OffPolicyAlgorithm, losses: Sequence[AuxiliaryLoss], env: VecEnv | None) -> None:
    """Raises a `ValueError` where the losses would not reach the critic, or miss what they need."""
    _check_buffer(model)
    if getattr(model.policy, "share_features_extractor", False):
        raise ValueError(
            "with share_features_extractor=True the critic does not train its features, so no auxiliary loss would "
            "reach them: leave it False"
        )
    for loss in losses:
        if loss.futures is not None:
            raise ValueError(
                f"the {loss.name} loss compares a step with a later one of its rollout, and {type(model).__name__} "
                "replays single steps: use it with PPO, A2C or REINFORCE"
            )
        if loss.asks_action_scores:
            raise ValueError(
                f"the {loss.name} loss needs the scores of all actions, which a replay buffer does not keep: use it "
                "with PPO, A2C or REINFORCE"
            )
        if env is not None:
            loss.check_env(env)


def _check_buffer(model: OffPolicyAlgorithm) -> None:
    """Raises a `ValueError` where what the replay buffer yields as next observations is something else."""
    buffer = model.replay_buffer
    if buffer is not None and buffer.optimize_memory_usage:
        raise ValueError(
            "with optimize_memory_usage=True the observation after an episode's last step is the next episode's first, "
            "which an auxiliary loss would take for where the step led: leave it False"
        )
    n_steps = max(getattr(model, "n_steps", 1), getattr(buffer, "n_steps", 1))
    if n_steps > 1:
        raise ValueError(
            f"with n_steps={n_steps} the replay buffer's next observations lie several steps ahead, and an auxiliary "
            "loss would take them for the next: use n_steps=1"
        )


@contextmanager
def _watched(buffer: ReplayBuffer, minibatch: Minibatch) -> Iterator[None]:
    """A block in which the minibatch is what the buffer yielded last."""
    plain_sample = buffer.sample

    def sample(*args: Any, **kwargs: Any) -> Any:
        samples = plain_sample(*args, **kwargs)
        minibatch.observations, minibatch.actions = samples.observations, samples.actions
        minibatch.next_observations = samples.next_observations
        return samples

    vars(buffer)["sample"] = sample
    try:
        yield
    finally:
        del vars(buffer)["sample"]
        minibatch.observations = minibatch.actions = minibatch.next_observations = None
