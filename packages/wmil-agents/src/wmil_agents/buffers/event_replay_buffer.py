"""Replay buffers for off-policy algorithms that keep a share of each batch eventful."""

from __future__ import annotations

import warnings
from math import ceil, inf
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from wmil_agents.buffers.judged_replay import JudgedReplay, rows_of
from wmil_agents.buffers.replay_buffer_state import (
    check_replay_buffer_state,
    load_replay_buffer_state,
    replay_buffer_state,
)
from wmil_agents.vec_env.unjudged import unjudged_rows
from wmil_envs.integer import checked_integer

LOOKED_AT = 1_000
"""After so many transitions a buffer says so if events single out none of them."""


class EventReplayBuffer(JudgedReplay):
    """`ReplayBuffer` with a second memory of eventful transitions, from which a share of each batch is drawn.

    Where rewards are rare, most of a uniform batch teaches nothing, and the few transitions that would are soon
    overwritten; here they live on in a memory of their own. As long as it is empty, batches are the plain ones. The
    batches then over-represent events, so values are those of a changed mixture of states, not of other dynamics.

    It is for rewards that are 0 but for a few. Where every step is paid, every step is an event at the defaults, and
    the thresholds have to single out the rare ones; after 1,000 transitions a warning says that all of them were
    events, or that rewards came and none was one.

    `SAC("MlpPolicy", env, replay_buffer_class=EventReplayBuffer, replay_buffer_kwargs={"event_share": 0.5})`.

    Args:
        buffer_size: As in the replay buffer.
        observation_space: As in the replay buffer.
        *args: The others of the replay buffer.
        event_share: Share of each batch drawn from the events, in [0, 1).
        event_capacity: Events to keep; beyond it the oldest is overwritten.
        rewarded_above: A transition with a reward above this is an event; infinity for none.
        failed_below: And so is one with a reward below this; minus infinity for none.
        **kwargs: The others of the replay buffer.
    """

    events: ReplayBuffer
    plain_class: ClassVar[type[ReplayBuffer]] = ReplayBuffer
    """Of the memory of events."""

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        *args: Any,
        event_share: float = 0.25,
        event_capacity: int = 10_000,
        rewarded_above: float = 0.0,
        failed_below: float = 0.0,
        **kwargs: Any,
    ) -> None:
        is_dict = isinstance(observation_space, spaces.Dict)
        if is_dict != issubclass(self.plain_class, DictReplayBuffer):
            wanted = EventReplayDictBuffer if is_dict else EventReplayBuffer
            raise ValueError(f"these observations are {observation_space}: use {wanted.__name__}")
        if not 0.0 <= event_share < 1.0:
            raise ValueError(f"event_share must be at least 0 and below 1, not {event_share}")
        checked_integer("event_capacity", event_capacity, at_least=1)
        if not failed_below <= rewarded_above or rewarded_above == -inf or failed_below == inf:
            raise ValueError(
                f"failed_below={failed_below} and rewarded_above={rewarded_above} must be numbers, the first no larger "
                "than the second: or every transition is an event"
            )
        if (failed_below, rewarded_above) == (-inf, inf):
            raise ValueError("with both thresholds infinite no transition is an event: leave one of them out")
        super().__init__(buffer_size, observation_space, *args, **kwargs)
        if self.optimize_memory_usage:
            raise ValueError("EventReplayBuffer keeps whole transitions: leave optimize_memory_usage out")
        self.event_share = event_share
        self.rewarded_above = rewarded_above
        self.failed_below = failed_below
        self.events = self.plain_class(
            event_capacity,
            self.observation_space,
            self.action_space,
            self.device,
            n_envs=1,
            handle_timeout_termination=self.handle_timeout_termination,
        )

    def add(
        self,
        obs: Any,
        next_obs: Any,
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Stores a step of every environment, and each eventful one among the events as well."""
        n_rows_before = self.size()
        super().add(obs, next_obs, action, reward, done, infos)
        if n_rows_before < ceil(LOOKED_AT / self.n_envs) == self.size():
            self._look_at_events()
        eventful = self._are_events(reward)
        unjudged = unjudged_rows(infos)
        if unjudged is not None:
            eventful &= ~unjudged
        for index in np.flatnonzero(eventful).tolist():
            row = slice(index, index + 1)
            self.events.add(
                rows_of(obs, row), rows_of(next_obs, row), action[row], reward[row], done[row], [infos[index]]
            )

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        """A batch: `event_share` of it events, rounded down, once there are any; the rest drawn from everything."""
        n_events = int(self.event_share * batch_size) if self.events.size() else 0
        plain = super().sample(batch_size - n_events, env)
        if not n_events:
            return plain
        eventful = self.events.sample(n_events, env)
        return type(plain)(*(_joined(*parts) for parts in zip(plain, eventful, strict=True)))

    def reset(self) -> None:
        """Forgets everything, events included."""
        super().reset()
        self.events.reset()

    def state_dict(self) -> dict[str, Any]:
        """What both memories hold, as arrays and JSON; not NumPy's global generator, by which SB3 draws its batches."""
        return {"all": replay_buffer_state(self), "events": replay_buffer_state(self.events)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        parts = [(self, state["all"]), (self.events, state["events"])]
        for memory, part in parts:
            check_replay_buffer_state(memory, part)
        for memory, part in parts:
            load_replay_buffer_state(memory, part)

    def _are_events(self, rewards: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the transitions with these rewards are events."""
        eventful: NDArray[np.bool_] = (rewards > self.rewarded_above) | (rewards < self.failed_below)
        return eventful

    def _look_at_events(self) -> None:
        """Warns where the transitions so far are all events, or rewards came and none of them is one."""
        rewards = self.rewards[: self.size()]
        eventful = self._are_events(rewards)
        if eventful.all():
            found = "all are events, so batches are as without them"
        elif not eventful.any() and rewards.any():
            found = "none is an event, though rewards came"
        else:
            return
        warnings.warn(
            f"of the first {rewards.size:,} transitions {found}: choose thresholds that single out rare ones; these "
            f"rewards go from {rewards.min():g} to {rewards.max():g}, rewarded_above is {self.rewarded_above} and "
            f"failed_below {self.failed_below}",
            stacklevel=3,
        )


class EventReplayDictBuffer(EventReplayBuffer, DictReplayBuffer):
    """`EventReplayBuffer` for Dict observations."""

    plain_class: ClassVar[type[ReplayBuffer]] = DictReplayBuffer


def _joined(first: Any, second: Any) -> Any:
    """One field of two batches, as that of a single one."""
    if isinstance(first, dict):
        return {name: torch.cat([rows, second[name]]) for name, rows in first.items()}
    return None if first is None else torch.cat([first, second])
