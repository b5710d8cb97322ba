"""A Gymnasium vector environment as a Stable-Baselines3 `VecEnv`, one call for the whole batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal, cast

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from wmil_agents.vec_env.info_rows import write_rows
from wmil_agents.vec_env.infos import StepInfos
from wmil_agents.vec_env.lean_infos import LeanInfos

NEXT_STEP_REFUSED = (
    "{env} resets an environment on the step after its episode ends, and a learner would take those rows for "
    'transitions; ask for another mode: gym.make_vec(id, num_envs=n, autoreset_mode="same_step") where the environment '
    'takes it, else gym.make_vec(id, num_envs=n, vectorization_mode="sync", '
    'vector_kwargs={{"autoreset_mode": "SameStep"}})'
)


class BatchVecEnv(VecEnv):
    """Steps a Gymnasium vector environment for Stable-Baselines3, without a Python loop over its environments.

    It keeps the statistics of each episode itself, so no `Monitor` is needed: where an episode ends the info has
    `terminal_observation`, `episode` and, where the environment tells (`is_success` or `success`), `is_success`. The
    infos are a `StepInfos`: dicts are made only for those who ask for one.

    Observations are handed on without a copy, unless the environment writes each batch into the same memory.

    Args:
        env: a vector environment in same-step mode, or in disabled mode, where it is reset with `reset_mask`. In
            next-step mode it is refused.
        infos: `"full"`, or `"lean"`: no dict of any environment, unless its episode was cut by a time limit, and the
            same arrays. For `REINFORCE` with hundreds of environments and more, whose logs need no dicts; a stock
            algorithm then logs no episodes, and wrappers find nothing.

    Example:
        >>> import gymnasium as gym
        >>> from gymnasium.vector import SyncVectorEnv
        >>> env = SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 4, autoreset_mode="SameStep")
        >>> BatchVecEnv(env).reset().shape
        (4, 4)
    """

    reset_infos: list[dict[str, Any]]

    def __init__(self, env: VectorEnv[Any, Any, Any], infos: Literal["full", "lean"] = "full") -> None:
        if not isinstance(env, VectorEnv):
            raise TypeError(f"BatchVecEnv takes a gymnasium.vector.VectorEnv, as gym.make_vec makes, not {env!r}")
        if infos not in ("full", "lean"):
            raise ValueError(f'infos must be "full" or "lean", not {infos!r}')
        self._is_lean = infos == "lean"
        mode = autoreset_mode(env)
        if mode is AutoresetMode.NEXT_STEP:
            raise ValueError(NEXT_STEP_REFUSED.format(env=env))
        self.env = env
        self._resets_itself = mode is AutoresetMode.SAME_STEP
        self._reuses_memory: bool | None = getattr(env.unwrapped, "copy", None)
        if self._reuses_memory is not None:
            self._reuses_memory = not self._reuses_memory
        self._previous_observations: Any = None
        self._actions: Any = None
        self._started = time.time()
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._returns = np.zeros(self.num_envs, dtype=np.float64)
        self._lengths = np.zeros(self.num_envs, dtype=np.int64)

    def reset(self, seed: int | None = None) -> VecEnvObs:
        """The first observations of new episodes; a seed gives environment i the seed `seed + i`."""
        if seed is not None:
            self.seed(seed)
        observations, info = self.env.reset(seed=self._seeds[0], options=self._shared_options())
        self._reset_seeds()
        self._reset_options()
        self._returns = np.zeros_like(self._returns)
        self._lengths = np.zeros_like(self._lengths)
        self.reset_infos = [{} for _ in range(self.num_envs)]
        write_rows(self.reset_infos, info)
        return cast(VecEnvObs, observations if self._reuses_memory is False else copied(observations))

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Sets the seeds of the next reset, `seed + i` for environment i; None draws one from the operating system."""
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        return super().seed(seed)

    def step_async(self, actions: NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, terminated, truncated, info = self.env.step(self._actions)
        observations = self._kept(observations)
        done = terminated | truncated
        self._returns = returns = self._returns + rewards
        self._lengths = lengths = self._lengths + 1
        final_observations = None
        if np.count_nonzero(done):  # faster than done.any()
            self._returns, self._lengths = np.where(done, 0.0, returns), np.where(done, 0, lengths)
            if self._resets_itself:
                final_observations = self._final_observations(info)
            else:
                final_observations = observations
                observations = self._reset_ended(done)
        seconds = round(time.time() - self._started, 6)
        infos = StepInfos(
            observations, terminated, truncated, done, info, final_observations, returns, lengths, seconds
        )
        told = LeanInfos(infos) if self._is_lean else infos
        return observations, rewards.astype(np.float32), done, cast(list[dict[str, Any]], told)

    def close(self) -> None:
        self.env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        frames = cast("Sequence[NDArray[np.uint8]] | None", self.env.render())
        return [None] * self.num_envs if frames is None else frames

    def has_attr(self, attr_name: str) -> bool:
        members = self._members()
        if members is None:
            return self._holder(attr_name) is not None
        return all(members.call("has_wrapper_attr", attr_name))

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute of each environment; of a native vector environment its own, once for each index."""
        chosen = self._chosen(indices)
        members = self._members()
        if not self.has_attr(attr_name):
            raise AttributeError(f"{self.env} has no attribute {attr_name!r}")
        if members is None:
            return [getattr(self._holder(attr_name), attr_name)] * len(chosen)
        if isinstance(members, SyncVectorEnv):
            return [members.envs[i].get_wrapper_attr(attr_name) for i in chosen]
        values = members.get_attr(attr_name)
        return [values[i] for i in chosen]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets the attribute of each environment; of a native vector environment its own, for all at once."""
        chosen = self._chosen(indices)
        members = self._members()
        if isinstance(members, SyncVectorEnv):
            for i in chosen:
                members.envs[i].set_wrapper_attr(attr_name, value)
            return
        self._refuse_a_part(chosen, f"set {attr_name!r}")
        if members is None:
            setattr(self._holder(attr_name) or self.env.unwrapped, attr_name, value)
        else:
            members.set_attr(attr_name, [value] * self.num_envs)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """What the method of each environment returns; a native vector environment's own is called once for all."""
        chosen = self._chosen(indices)
        if not self.has_attr(method_name):
            raise AttributeError(f"{self.env} has no method {method_name!r}")
        members = self._members()
        if members is None:
            return [getattr(self._holder(method_name), method_name)(*method_args, **method_kwargs)] * len(chosen)
        if isinstance(members, SyncVectorEnv):
            methods = [members.envs[i].get_wrapper_attr(method_name) for i in chosen]
            return [method(*method_args, **method_kwargs) for method in methods]
        self._refuse_a_part(chosen, f"call {method_name!r}")
        return list(members.call(method_name, *method_args, **method_kwargs))

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Whether each environment has the wrapper; `Monitor` always, since its records are kept here."""
        chosen = self._chosen(indices)
        if issubclass(Monitor, wrapper_class):
            return [True] * len(chosen)
        members = self._members()
        if members is None:
            return [False] * len(chosen)
        if isinstance(members, SyncVectorEnv):
            return [_is_wrapped(members.envs[i], wrapper_class) for i in chosen]
        raise NotImplementedError(
            f"{self.env} keeps its environments in other processes, so their wrappers cannot be seen"
        )

    def action_scores(self) -> NDArray[np.float64]:
        """The parent's score (n_envs, n_actions) of every action in the current states.

        Raises:
            AttributeError: the environment cannot score actions.
            RuntimeError: it was not made with `reveals_all_actions=True`.
        """
        if self._members() is None:
            return np.asarray(self.env_method("action_scores", indices=0)[0], dtype=np.float64)
        return np.array(self.env_method("action_scores"), dtype=np.float64)

    def state_dict(self) -> dict[str, Any]:
        """Everything the next step depends on, as arrays and JSON."""
        return {**self.own_state_dict(), "env": self._saveable_env().state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what `state_dict` returned, without a reset."""
        self.load_own_state_dict(state)
        self._saveable_env().load_state_dict(state["env"])

    def own_state_dict(self) -> dict[str, Any]:
        """The part of `state_dict` that is kept here, not in the environment."""
        return {
            "returns": self._returns.copy(),
            "lengths": self._lengths.copy(),
            "seconds": time.time() - self._started,
            "seeds": list(self._seeds),
        }

    def load_own_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `own_state_dict` returned."""
        returns = np.array(state["returns"], dtype=np.float64)
        if returns.shape != (self.num_envs,):
            raise ValueError(f"the state is of {len(returns)} environments, and there are {self.num_envs}")
        self._returns = returns
        self._lengths = np.array(state["lengths"], dtype=np.int64)
        self._started = time.time() - state["seconds"]
        self._seeds = list(state["seeds"])

    def _shared_options(self) -> dict[str, Any] | None:
        options = self._options[0]
        if any(other != options for other in self._options):
            raise ValueError(
                "a vector environment takes one dict of reset options for all its environments, not several"
            )
        return options or None

    def _kept(self, observations: Any) -> Any:
        """The observations of a step in memory that the next step does not overwrite.

        Gymnasium's own vector environments say whether they do; another one is watched for its first two steps.
        """
        if self._reuses_memory is None:
            if self._previous_observations is not None:
                self._reuses_memory = shares_memory(self._previous_observations, observations)
                self._previous_observations = None
            else:
                self._previous_observations = observations
            return copied(observations)
        return copied(observations) if self._reuses_memory else observations

    def _final_observations(self, info: dict[str, Any]) -> Any:
        """The last observations of the episodes that ended, in same-step mode."""
        if "final_obs" not in info:
            raise RuntimeError(f'{self.env} is in same-step mode but gives no info["final_obs"] where an episode ends')
        if "final_info" in info:
            ended = info["_final_obs"]
            for i in np.flatnonzero(ended).tolist():
                self.reset_infos[i] = {}
            write_rows(self.reset_infos, info, ended)
        final = info["final_obs"]
        return final if self._reuses_memory is False else copied(final)

    def _reset_ended(self, done: NDArray[np.bool_]) -> Any:
        """The observations after the environments whose episode ended were reset."""
        observations, info = self.env.reset(options={"reset_mask": done})
        for i in np.flatnonzero(done).tolist():
            self.reset_infos[i] = {}
        write_rows(self.reset_infos, info, done)
        return observations if self._reuses_memory is False else copied(observations)

    def _members(self) -> SyncVectorEnv[Any, Any] | AsyncVectorEnv[Any, Any] | None:
        """The vector environment that holds single ones, None for a native one."""
        base = self.env.unwrapped
        return base if isinstance(base, SyncVectorEnv | AsyncVectorEnv) else None

    def _holder(self, name: str) -> VectorEnv[Any, Any, Any] | None:
        """The outermost wrapper of a native vector environment that has the attribute."""
        env = self.env
        while not hasattr(env, name):
            if not isinstance(env, VectorWrapper):
                return None
            env = env.env
        return env

    def _chosen(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))

    def _refuse_a_part(self, chosen: list[int], deed: str) -> None:
        if sorted(set(chosen)) != list(range(self.num_envs)):
            raise ValueError(f"{self.env} can {deed} only for all its environments, not for {chosen}")

    def _saveable_env(self) -> Any:
        for name in ("state_dict", "load_state_dict"):
            if not hasattr(self.env, name):
                raise TypeError(
                    f"{self.env} has no {name}, so its state cannot be kept; a native WMIL vector environment has one"
                )
        return self.env


def autoreset_mode(env: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    """When a vector environment resets an environment whose episode has ended."""
    if "autoreset_mode" not in env.metadata:
        raise ValueError(f'{env} does not say in metadata["autoreset_mode"] when it resets, so it cannot be used')
    return AutoresetMode(env.metadata["autoreset_mode"])


def copied(observations: Any) -> Any:
    """The same batch of observations in memory of its own."""
    if isinstance(observations, dict):
        return {key: values.copy() for key, values in observations.items()}
    return observations.copy()


def shares_memory(one: Any, other: Any) -> bool:
    """Whether two batches of observations lie in overlapping memory."""
    if isinstance(one, dict):
        return any(np.may_share_memory(values, other[key]) for key, values in one.items())
    return np.may_share_memory(one, other)


def _is_wrapped(env: gym.Env[Any, Any], wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]]) -> bool:
    while isinstance(env, gym.Wrapper):
        if isinstance(env, wrapper_class):
            return True
        env = env.env
    return False
