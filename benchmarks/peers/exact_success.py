"""When has a learner reached 95 % exact success in a world, in steps and in its own CPU seconds?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
from numpy.typing import NDArray

from wmil_envs.exact_value import policy_value
from wmil_envs.symbolic_env import SymbolicEnv

THRESHOLD = 0.95


class ExactSuccess:
    """The probability of a right answer, exact, at the level that an environment is made for.

    Args:
        env_id: of one of our worlds.
        env_arguments: of `gym.make`; with `obs` policies are asked in that form.
    """

    def __init__(self, env_id: str, env_arguments: Mapping[str, Any]) -> None:
        env = gym.make(env_id, **env_arguments).unwrapped
        assert isinstance(env, SymbolicEnv)
        self._world = env.world
        self._encode = env.world.observation.encoder()

    def of(self, policy: Callable[[NDArray[Any]], NDArray[Any]]) -> float:
        """Of a policy that gives action probabilities (n, actions) for observations (n, ...)."""
        encode = self._encode
        asked = policy if encode is None else lambda rows: policy(encode(rows))
        return policy_value(self._world.observation, asked, self._world.level).success


class Stopwatch:
    """Asks for the learner's exact success now and then; the time that asking takes is not counted.

    Time runs from the first look on, when the learner is built and its first rollout is about to begin.

    Args:
        success: of the policy as it is now.
        budget: steps after which nobody looks any more; a last rollout may go beyond it.
    """

    def __init__(self, success: Callable[[], float], budget: int) -> None:
        self._success, self._budget = success, budget
        self._start: float | None = None
        self._spent_asking = 0.0
        self.steps: int | None = None
        self.seconds: float | None = None
        self.success = 0.0

    def look(self, steps_taken: int) -> bool:
        """Whether `THRESHOLD` is reached, now or before."""
        if self.steps is None and steps_taken <= self._budget:
            now = time.process_time()
            self._start = now if self._start is None else self._start
            self.success = self._success()
            if self.success >= THRESHOLD:
                self.steps, self.seconds = steps_taken, now - self._start - self._spent_asking
            self._spent_asking += time.process_time() - now
        return self.steps is not None

    def answer(self) -> dict[str, Any]:
        """What a contestant tells; `seconds` of one that never got there are all that it spent."""
        assert self._start is not None
        spent = time.process_time() - self._start - self._spent_asking
        seconds = spent if self.seconds is None else self.seconds
        return {"steps": self.steps, "seconds": seconds, "success": self.success}
