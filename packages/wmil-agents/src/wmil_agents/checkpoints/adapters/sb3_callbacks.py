"""Stable-Baselines3's callbacks; how often each was called is kept for all of them."""

from __future__ import annotations

from stable_baselines3.common import callbacks

from wmil_agents.checkpoints.adapter import register_attributes

_STATELESS = (
    callbacks.CallbackList,
    callbacks.CheckpointCallback,
    callbacks.ConvertCallback,
    callbacks.EventCallback,
    callbacks.ProgressBarCallback,
    callbacks.StopTrainingOnRewardThreshold,
)
_EVALUATIONS = (
    "best_mean_reward",
    "last_mean_reward",
    "evaluations_results",
    "evaluations_timesteps",
    "evaluations_length",
    "evaluations_successes",
)


def register() -> None:
    """Registers them."""
    for kind in _STATELESS:
        register_attributes(kind)
    register_attributes(callbacks.EvalCallback, *_EVALUATIONS)
    for every in (callbacks.EveryNTimesteps, callbacks.LogEveryNTimesteps):
        register_attributes(every, "last_time_trigger")
    register_attributes(callbacks.StopTrainingOnMaxEpisodes, "n_episodes")
    register_attributes(callbacks.StopTrainingOnNoModelImprovement, "last_best_mean_reward", "no_improvement_evals")
