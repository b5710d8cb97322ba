"""Samples for an episode log: what a policy holds of some observations, and how wrong its world model was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.evaluation.policy_table import actor_critic
from wmil_agents.evaluation.world_model_errors import world_model_head
from wmil_agents.runs.episode_layout import MAX_SAMPLED_ROWS, LogOptions
from wmil_agents.runs.episode_rows import Arrays, named_parts, space_layout
from wmil_agents.vec_env.next_observation_recorder import NextObservationRecorder, next_observations


def take_sample(model: BaseAlgorithm, actions: NDArray[Any], following: Any, options: LogOptions) -> Arrays | None:
    """The sample of the step just taken, of its first environments; None where there is nothing to sample.

    Args:
        model: with the observations that it acted on.
        actions: (n_envs, ...) what it drew.
        following: what the actions led to.
        options: what to sample.
    """
    head = world_model_head(model)
    if not (options.attention or options.features or head is not None):
        return None
    n = min(model.n_envs, MAX_SAMPLED_ROWS)
    observations, actions = _first(model._last_obs, n), np.array(actions[:n])
    sample: Arrays = {
        "sample_steps": np.full(n, model.num_timesteps - model.n_envs, np.int64),
        "sample_envs": np.arange(n, dtype=np.int32),
    }
    for prefix, batch, space in (
        ("sample_observations", observations, model.observation_space),
        ("sample_actions", actions, model.action_space),
    ):
        parts = named_parts(prefix, batch)
        for name, (shape, dtype) in space_layout(prefix, space).items():
            sample[name] = np.array(parts[name], dtype).reshape(n, *shape)
    policy = actor_critic(model)
    tensors = obs_as_tensor(observations, policy.device)
    with torch.no_grad():
        if options.features or head is not None:
            features = policy.extract_features(tensors)
            features = features[0] if isinstance(features, tuple) else features
            if options.features:
                sample["sample_features"] = features.numpy(force=True)
            if head is not None:
                taken = torch.as_tensor(actions, device=policy.device)
                errors = head.squared_errors(features, taken, obs_as_tensor(_first(following, n), policy.device))
                sample["sample_prediction_errors"] = errors.numpy(force=True)
        if options.attention:
            extractor: Any = policy.pi_features_extractor
            weights = extractor.attention_weights(tensors)
            sample["sample_attention"] = weights.transpose(0, 1).numpy(force=True)
    return sample


def next_of_step(env: VecEnv, shown: Mapping[str, Any]) -> Any:
    """What the actions of a step led to, from what the algorithm shows: the last observation where an episode ended."""
    recorder = shown.get("env")
    if isinstance(recorder, NextObservationRecorder):  # of a model with auxiliary losses
        return recorder.next_observations
    return next_observations(env, shown["new_obs"], shown["dones"], shown["infos"])


def _first(batch: Any, n: int) -> Any:
    return {key: rows[:n] for key, rows in batch.items()} if isinstance(batch, dict) else batch[:n]
