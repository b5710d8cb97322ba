"""REINFORCE with a running-mean baseline, at settings that were chosen on a one-step world."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.a2c import A2C
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.attached_policy import AttachedPolicy
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss
from wmil_agents.auxiliary_losses.all_actions import AllActionsLoss
from wmil_agents.buffers.event_memory import EventMemory, EventReplay
from wmil_agents.buffers.monte_carlo_buffer import Baseline, MonteCarloBuffer, MonteCarloDictBuffer
from wmil_agents.buffers.running_mean import RunningMean
from wmil_agents.mixin import mixed
from wmil_agents.policies.distinct_observations import is_small
from wmil_agents.policies.event_replay_policy import EventReplayPolicy
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce_arguments import ReinforceArguments
from wmil_agents.vec_env.infos import StepInfos
from wmil_agents.vec_env.unjudged import accept_unjudged, unjudged_rows

LEARNING_RATE = 0.7
EVENT_REPLAY_LEARNING_RATE = 2.0
"""What is remembered steadies the gradient, so steps may be longer."""
NO_EPISODE_ENDED = (
    "no episode ended in a rollout of n_steps={n_steps}, and steps without their episode's end teach nothing: pass a "
    "larger n_steps, give the environment a time limit (gymnasium.wrappers.TimeLimit), or pass gamma=0.0 where every "
    "step is judged by its own reward"
)


class REINFORCE(A2C):
    """Monte-Carlo policy gradient (Williams, 1992) in Stable-Baselines3's `A2C`: its `learn`, `train`, logs and files.

    One update per rollout, on L = -mean over steps of (G_t - b) log pi(a_t | s_t), with G_t the reward-to-go within the
    episode. Steps whose episode has not ended by the end of the rollout are left out, and so is an episode that an
    answer without a verdict cut off; with `gamma=0` a step's return is its reward, so only that answer itself is. An
    episode cut by an outer time limit counts as ended (with `baseline="learned"` its last value is added, as in A2C).

    The defaults were chosen on PatternEcho with 8 environments: plain SGD, because the size of the gradient says "a
    reward came" and Adam divides it out, a large step and a tight clip of the gradient's norm.

    On a small finite observation space `TransformerPolicy` gets `distinct_observations=True` unless `policy_kwargs` say
    otherwise.

    Args:
        policy: `"TransformerPolicy"`, another alias of A2C's, or a class.
        env: A `VecEnv`, a Gymnasium environment or an id.
        learning_rate: Of SGD; a number or a schedule of the progress remaining; `LEARNING_RATE` if None, with event
            replay `EVENT_REPLAY_LEARNING_RATE`.
        n_steps: Steps per environment and rollout, as many as the longest episode at least unless `gamma=0`. If None,
            the environment's `horizon` or time limit, of both the shorter, 1,000 where there is neither; `set_env` and
            `load` then ask the new environment.
        gamma: Discount within an episode.
        baseline: `"running_mean"` of past returns, `"none"`, `"learned"` (the value head), or `"leave_one_out"`, the
            mean return of the other environments at the same step.
        group_size: With `"leave_one_out"`, compare only so many consecutive environments, which were made with the same
            `group_size` and hence have the same instances; all if None.
        baseline_momentum: Weight of the newest rollout in the running mean, in (0, 1].
        ent_coef: Weight of the entropy bonus; a number or a schedule of the progress remaining. Below 0 it narrows the
            policy.
        vf_coef: Weight of the value loss; .5 if None and the baseline is learned, else 0.
        max_grad_norm: Clip of the gradient's norm, above 0.
        event_replay: How to learn again from actions that failed or were rewarded: an `EventReplay`, its fields as a
            mapping, or True for its defaults. For discrete actions that are judged one by one: a horizon of 1, or
            `gamma=0`.
        all_actions: Whether to learn from the parent's score of every action instead of the return of the one taken:
            L = -mean over steps of sum_a pi(a | s_t) score(s_t, a). That is the mean of the gradient over the actions
            drawn, and needs no baseline; but who is told the score of actions not taken is taught, so every update logs
            `train/all_actions`. For environments made with `reveals_all_actions=True` and, as event replay, for
            discrete actions that are judged one by one.
        stats_window_size: As in A2C.
        tensorboard_log: As in A2C.
        policy_kwargs: As in A2C; `optimizer_class` is SGD unless given.
        verbose: As in A2C.
        seed: As in A2C.
        device: As in A2C.
        _init_setup_model: As in A2C.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **A2C.policy_aliases,
        "TransformerPolicy": TransformerPolicy,
    }

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule | None = None,
        n_steps: int | None = None,
        gamma: float = 1.0,
        baseline: Baseline = "running_mean",
        baseline_momentum: float = 0.05,
        group_size: int | None = None,
        ent_coef: float | Schedule = 0.0,
        vf_coef: float | None = None,
        max_grad_norm: float = 0.3,
        event_replay: EventReplay | Mapping[str, Any] | bool | None = None,
        all_actions: bool = False,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.event_replay = EventReplay.of(event_replay)
        if learning_rate is None:
            learning_rate = LEARNING_RATE if self.event_replay is None else EVENT_REPLAY_LEARNING_RATE
        super().__init__(
            policy,
            env,
            learning_rate=learning_rate,
            n_steps=1 if n_steps is None else n_steps,
            gamma=gamma,
            ent_coef=ent_coef(1.0) if callable(ent_coef) else ent_coef,
            vf_coef=(0.5 if baseline == "learned" else 0.0) if vf_coef is None else vf_coef,
            max_grad_norm=max_grad_norm,
            use_rms_prop=False,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs={"optimizer_class": torch.optim.SGD} | (policy_kwargs or {}),
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=False,
        )
        self.given_n_steps = n_steps
        """None where `n_steps` follows from the environment, and does so again with another one."""
        self.baseline = baseline
        self.baseline_momentum = baseline_momentum
        self.group_size = group_size
        self.all_actions = all_actions
        self.entropy_schedule = ent_coef if callable(ent_coef) else None
        """Of the entropy bonus; None where its weight is fixed."""
        ReinforceArguments.of(self)
        if _init_setup_model:
            self._setup_model()

    def _n_steps_in(self, env: VecEnv) -> int:
        """Steps of a rollout in these environments; a `ValueError` where the arguments make no sense there."""
        n_steps = ReinforceArguments.of(self).n_steps_in(env)
        for loss in self.own_losses:
            loss.check_env(env)
        return n_steps

    def _setup_model(self) -> None:
        """As A2C's; `load` comes by here as well, with the saved arguments and perhaps another environment."""
        self.event_replay = EventReplay.of(self.event_replay)
        if self.env is None:
            ReinforceArguments.of(self)
        else:
            self.n_steps = self._n_steps_in(self.env)
        if self.rollout_buffer_class is None:
            is_dict = isinstance(self.observation_space, spaces.Dict)
            self.rollout_buffer_class = MonteCarloDictBuffer if is_dict else MonteCarloBuffer
        if issubclass(self.policy_class, TransformerPolicy):
            self.policy_kwargs = {"distinct_observations": is_small(self.observation_space)} | self.policy_kwargs
        if self.event_replay is not None:
            self.policy_class = mixed(EventReplayPolicy, self.policy_class, "EventReplay")
        self.rollout_buffer_kwargs |= {
            "baseline": self.baseline,
            "running_mean": self._running_mean(),
            "group_size": self.group_size,
            "all_actions": self.all_actions,
            "events": self._events(),
        }
        super()._setup_model()
        if isinstance(self.policy, EventReplayPolicy):
            assert isinstance(self.rollout_buffer, MonteCarloBuffer)
            self.policy.events = self.rollout_buffer.events
        if self.baseline != "learned":
            # Nobody trains this head: at 0, A2C's bootstrap past a time limit adds nothing.
            for parameter in self.policy.value_net.parameters():
                torch.nn.init.zeros_(parameter)
        if self.own_losses and not isinstance(self.policy, AttachedPolicy):
            attach(self, self.own_losses)

    def _running_mean(self) -> RunningMean:
        """The mean of returns: the one that this model has, with the momentum that it is to have now."""
        own: RunningMean | None = self.rollout_buffer_kwargs.get("running_mean")
        if own is None:
            return RunningMean(self.baseline_momentum)
        own.momentum = self.baseline_momentum
        return own

    def _events(self) -> EventMemory | None:
        """The memory of this model's event replay: the one that it has, unless the settings are others now."""
        if self.event_replay is None or not isinstance(self.action_space, spaces.Discrete):
            return None
        own: EventMemory | None = self.rollout_buffer_kwargs.get("events")
        if own is not None and own.settings == self.event_replay:
            return own
        return EventMemory(int(self.action_space.n), self.event_replay, self.seed)

    @property
    def own_losses(self) -> tuple[AuxiliaryLoss, ...]:
        """The losses that are part of this algorithm, to which `attach` adds."""
        return (AllActionsLoss(),) if self.all_actions else ()

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """As A2C's; the update uses the forward pass of the rollout again, where that was one for all it saw."""
        if isinstance(self.policy, TransformerPolicy):
            alone = type(self.policy).extract_features is TransformerPolicy.extract_features  # no losses beside
            self.policy.keeps_forward = alone and (n_rollout_steps == 1 or self.policy.distinct_observations)
        return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: NDArray[np.bool_] | None = None) -> None:
        """As A2C's; from the arrays where there are some, and only the episodes that the buffers have room for."""
        unjudged = unjudged_rows(infos)
        if unjudged is not None:
            assert isinstance(self.rollout_buffer, MonteCarloBuffer)
            self.rollout_buffer.leave_out(unjudged)
        arrays = getattr(infos, "arrays", infos)
        if not isinstance(arrays, StepInfos):
            super()._update_info_buffer(infos, dones)
            return
        assert self.ep_info_buffer is not None
        assert self.ep_success_buffer is not None
        done = arrays.done if unjudged is None else arrays.done & ~unjudged
        ended = np.flatnonzero(done)[-self._stats_window_size :]
        if not len(ended):
            return
        returns, lengths = arrays.episode_returns[ended].round(6).tolist(), arrays.episode_lengths[ended].tolist()
        for episode_return, length in zip(returns, lengths, strict=True):
            self.ep_info_buffer.append({"r": episode_return, "l": length, "t": arrays.seconds})
        success = arrays.success
        if success is not None:
            told = np.flatnonzero(done & arrays.success_is_told)[-self._stats_window_size :]
            self.ep_success_buffer.extend(success[told].tolist())

    def train(self) -> None:
        """One update, as A2C's; the share of steps that could teach something is logged as `train/complete_share`."""
        if self.entropy_schedule is not None:
            self.ent_coef = self.entropy_schedule(self._current_progress_remaining)
            self.logger.record("train/ent_coef", self.ent_coef)
        super().train()
        if self.all_actions:
            self.logger.record("train/all_actions", 1)
            return
        buffer = self.rollout_buffer
        assert isinstance(buffer, MonteCarloBuffer)
        self.logger.record("train/complete_share", buffer.complete_share)
        if buffer.complete_share == 0.0 and buffer.unjudged is None:
            warnings.warn(NO_EPISODE_ENDED.format(n_steps=self.n_steps), stacklevel=2)
        if self.baseline == "running_mean":
            self.logger.record("train/baseline", buffer.running_mean.value)
        if buffer.events is not None:
            self.logger.record("train/failures_remembered", buffer.events.n_failures)
            self.logger.record("train/rewards_remembered", buffer.events.n_rewards)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "REINFORCE",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """As A2C's."""
        if self.env is not None:
            accept_unjudged(self.env)
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """As A2C's, if the arguments make sense there; an `n_steps` that nobody gave becomes that of the new one."""
        env = self._wrap_env(env, self.verbose)
        n_steps = self._n_steps_in(env)
        super().set_env(env, force_reset)
        if n_steps != self.n_steps:
            self.n_steps = self.rollout_buffer.buffer_size = n_steps
            self.rollout_buffer.reset()

    @classmethod
    def load(cls, *args: Any, **kwargs: Any) -> Self:
        """As A2C's, with the checks and the `n_steps` of `set_env`; losses that were saved are attached again."""
        if "n_steps" in kwargs:
            kwargs["given_n_steps"] = kwargs["n_steps"]
        model = super().load(*args, **kwargs)
        return attach(model) if isinstance(model.policy, AttachedPolicy) else model
