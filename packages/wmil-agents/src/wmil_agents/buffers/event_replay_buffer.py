"""Replay buffers for off-policy algorithms that keep a share of each batch eventful."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
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


class EventReplayBuffer(JudgedReplay):
    """`ReplayBuffer` with a second memory of eventful transitions, from which a share of each batch is drawn.

    Where rewards are rare, most of a uniform batch teaches nothing, and the few transitions that would are soon
    overwritten; here they live on in a memory of their own. As long as it is empty, batches are the plain ones. The
    batches then over-represent events, so values are those of a changed mixture of states, not of other dynamics.

    `SAC("MlpPolicy", env, replay_buffer_class=EventReplayBuffer, replay_buffer_kwargs={"event_share": 0.5})`.

    Args:
        *args: Those of the replay buffer.
        event_share: Share of each batch drawn from the events, in [0, 1).
        event_capacity: Events to keep; beyond it the oldest is overwritten.
        rewarded_above: A transition with a reward above this is an event.
        failed_below: And so is one with a reward below this.
        **kwargs: Those of the replay buffer.
    """

    events: ReplayBuffer

    def __init__(
        self,
        *args: Any,
        event_share: float = 0.25,
        event_capacity: int = 10_000,
        rewarded_above: float = 0.0,
        failed_below: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not 0.0 <= event_share < 1.0:
            raise ValueError(f"event_share must be at least 0 and below 1, not {event_share}")
        if event_capacity < 1:
            raise ValueError(f"event_capacity must be at least 1, not {event_capacity}")
        if failed_below > rewarded_above:
            raise ValueError(
                f"with failed_below={failed_below} above rewarded_above={rewarded_above} every transition is an event"
            )
        if self.optimize_memory_usage:
            raise ValueError("EventReplayBuffer keeps whole transitions: leave optimize_memory_usage out")
        self.event_share = event_share
        self.rewarded_above = rewarded_above
        self.failed_below = failed_below
        self.events = self._plain_class()(
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
        super().add(obs, next_obs, action, reward, done, infos)
        eventful = (reward > self.rewarded_above) | (reward < self.failed_below)
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

    def _plain_class(self) -> type[ReplayBuffer]:
        return ReplayBuffer


class EventReplayDictBuffer(EventReplayBuffer, DictReplayBuffer):
    """`EventReplayBuffer` for Dict observations."""

    def _plain_class(self) -> type[ReplayBuffer]:
        return DictReplayBuffer


def _joined(first: Any, second: Any) -> Any:
    """One field of two batches, as that of a single one."""
    if isinstance(first, dict):
        return {name: torch.cat([rows, second[name]]) for name, rows in first.items()}
    return None if first is None else torch.cat([first, second])
