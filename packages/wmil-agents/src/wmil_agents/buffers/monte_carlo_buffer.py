"""Rollout buffers whose advantages are Monte-Carlo returns minus a baseline."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from wmil_agents.buffers.event_memory import EventMemory
from wmil_agents.buffers.running_mean import RunningMean
from wmil_agents.losses.returns import leave_one_out_means, rewards_to_go

Baseline = Literal["running_mean", "none", "learned", "leave_one_out"]


class MonteCarloBuffer(RolloutBuffer):
    """`RolloutBuffer` whose advantage is the reward-to-go within the episode, minus a baseline.

    Steps whose episode did not end within the rollout have no return yet, and steps before an answer that nobody judged
    never have one: their advantage is 0 and their value target the value itself, so they teach nothing. With `gamma=0`
    every judged step has one at once, its reward.

    Args:
        *args: Those of the rollout buffer.
        baseline: `"running_mean"` of the returns seen before this rollout, `"none"`, `"learned"`, the value head,
            or `"leave_one_out"`, the mean return of the other environments at the same step.
        group_size: With `"leave_one_out"`, the others are those of the same so many consecutive environments; all if
            None. For environments of a group that have the same instances (`group_size` of `gym.make_vec`).
        running_mean: The mean to use and to update; a fresh one if None.
        events: Where to remember which actions failed and which were rewarded; nowhere if None.
        all_actions: Whether another loss learns from the scores of all actions. What the one taken earned then teaches
            nothing: every advantage is 0.
        **kwargs: Those of the rollout buffer.
    """

    def __init__(
        self,
        *args: Any,
        baseline: Baseline = "running_mean",
        running_mean: RunningMean | None = None,
        group_size: int | None = None,
        events: EventMemory | None = None,
        all_actions: bool = False,
        **kwargs: Any,
    ) -> None:
        self.baseline = baseline
        self.running_mean = RunningMean() if running_mean is None else running_mean
        self.group_size = group_size
        self.events = events
        self.all_actions = all_actions
        self.complete_share = 0.0
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """Empties the buffer."""
        super().reset()
        self.unjudged: NDArray[np.bool_] | None = None
        """(T, n_envs) which steps nobody judged; None for none."""

    def leave_out(self, rows: NDArray[np.bool_]) -> None:
        """Says in which environments (n_envs,) nobody judged the step that is added next."""
        if self.unjudged is None:
            self.unjudged = np.zeros((self.buffer_size, self.n_envs), dtype=np.bool_)
        self.unjudged[self.pos] = rows

    def compute_returns_and_advantage(self, last_values: Tensor, dones: NDArray[np.bool_]) -> None:
        """Fills `returns` and `advantages`; `dones` says where the last step ended an episode."""
        ends = np.concatenate([self.episode_starts[1:] != 0, dones[None].astype(bool)])
        returns, complete = rewards_to_go(self.rewards, ends, self.gamma)
        if self.unjudged is not None:
            n_unjudged, _ = rewards_to_go(self.unjudged.astype(np.float32), ends, discount=float(self.gamma != 0.0))
            complete &= n_unjudged == 0.0
        self.complete_share = float(complete.mean())
        if self.events is not None:
            observations: Any = self.observations
            chosen = (
                {name: rows[complete] for name, rows in observations.items()}
                if isinstance(observations, dict)
                else observations[complete]
            )
            self.events.add(chosen, self.actions[complete], returns[complete])
        match self.baseline:
            case "learned":
                expected: NDArray[np.floating[Any]] | float = self.values
            case "none":
                expected = 0.0
            case "leave_one_out":
                expected = leave_one_out_means(returns, complete, self.group_size or self.n_envs)
            case "running_mean":
                expected = self.running_mean.value
                if complete.any():
                    self.running_mean.update(float(returns[complete].mean()))
        self.returns = np.where(complete, returns, self.values)
        teaches = complete & (not self.all_actions)
        self.advantages = np.where(teaches, returns - expected, 0.0).astype(np.float32)

    def _get_samples(self, batch_inds: NDArray[np.intp], env: VecNormalize | None = None) -> Any:
        if len(batch_inds) == self.buffer_size * self.n_envs:
            # A batch of everything needs no order, and in this one the policy knows its rollout again. In place,
            # because a buffer that extends this one picks its own rows with the same indices.
            batch_inds[:] = np.arange(len(batch_inds))
        return super()._get_samples(batch_inds, env)

    def state_dict(self) -> dict[str, Any]:
        """What outlives a rollout: the running mean and the events. Everything else is overwritten by the next one."""
        state: dict[str, Any] = {"running_mean": self.running_mean.state_dict()}
        return state if self.events is None else state | {"events": self.events.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.running_mean.load_state_dict(state["running_mean"])
        if self.events is not None:
            self.events.load_state_dict(state["events"])


class MonteCarloDictBuffer(MonteCarloBuffer, DictRolloutBuffer):
    """`DictRolloutBuffer` with the advantages of `MonteCarloBuffer`."""
