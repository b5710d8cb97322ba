"""Policies, auxiliary losses, REINFORCE and exact evaluation for users of Stable-Baselines3.

What is exported here is imported when it is first asked for, so that importing the package imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wmil_agents._version import __version__
from wmil_agents.surgeons.registration import register_with_gymnasium

if TYPE_CHECKING:
    from wmil_agents.attachment import attach
    from wmil_agents.auxiliary_loss import AuxiliaryLoss
    from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
    from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
    from wmil_agents.auxiliary_losses.teacher import TeacherLoss
    from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
    from wmil_agents.buffers.event_memory import EventReplay
    from wmil_agents.buffers.event_replay_buffer import EventReplayBuffer, EventReplayDictBuffer
    from wmil_agents.checkpoints.adapter import register_adapter
    from wmil_agents.checkpoints.checkpoint import restore_checkpoint, save_checkpoint
    from wmil_agents.checkpoints.checkpoint_error import CheckpointError
    from wmil_agents.checkpoints.checkpoint_folder import newest_valid
    from wmil_agents.checkpoints.continuing import continue_learning
    from wmil_agents.checkpoints.exact_checkpoint_callback import ExactCheckpointCallback
    from wmil_agents.checkpoints.foreign import load_foreign
    from wmil_agents.checkpoints.state_folder import read_state, write_state
    from wmil_agents.checkpoints.stateful_env import StatefulEnv
    from wmil_agents.evaluation.evaluate import evaluate
    from wmil_agents.extractors.history import HistoryExtractor
    from wmil_agents.extractors.transformer import TransformerExtractor
    from wmil_agents.policies.transformer_policy import TransformerPolicy
    from wmil_agents.prediction_reward import PredictionReward
    from wmil_agents.reinforce import REINFORCE
    from wmil_agents.runs.comparison import compare
    from wmil_agents.runs.episode_layout import LogOptions, estimate_bytes
    from wmil_agents.runs.episode_log import EpisodeLog
    from wmil_agents.runs.episodes import read_episodes
    from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
    from wmil_agents.vec_env.history import HistoryVecEnv
    from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

__all__ = [
    "REINFORCE",
    "AuxiliaryLoss",
    "BatchVecEnv",
    "CheckpointError",
    "ContrastiveLoss",
    "EpisodeLog",
    "EventReplay",
    "EventReplayBuffer",
    "EventReplayDictBuffer",
    "ExactCheckpointCallback",
    "HistoryExtractor",
    "HistoryVecEnv",
    "LatentWorldModelLoss",
    "LogOptions",
    "PredictionReward",
    "StatefulEnv",
    "TeacherLoss",
    "TransformerExtractor",
    "TransformerPolicy",
    "WorldModelLoss",
    "__version__",
    "attach",
    "compare",
    "continue_learning",
    "estimate_bytes",
    "evaluate",
    "load_foreign",
    "make_batch_vec_env",
    "newest_valid",
    "read_episodes",
    "read_state",
    "register_adapter",
    "restore_checkpoint",
    "save_checkpoint",
    "write_state",
]

_MODULE_OF = {
    "REINFORCE": "reinforce",
    "AuxiliaryLoss": "auxiliary_loss",
    "BatchVecEnv": "vec_env.batch_vec_env",
    "EpisodeLog": "runs.episode_log",
    "EventReplay": "buffers.event_memory",
    "EventReplayBuffer": "buffers.event_replay_buffer",
    "EventReplayDictBuffer": "buffers.event_replay_buffer",
    "HistoryExtractor": "extractors.history",
    "HistoryVecEnv": "vec_env.history",
    "ContrastiveLoss": "auxiliary_losses.contrastive",
    "LogOptions": "runs.episode_layout",
    "LatentWorldModelLoss": "auxiliary_losses.latent_world_model",
    "PredictionReward": "prediction_reward",
    "TeacherLoss": "auxiliary_losses.teacher",
    "TransformerExtractor": "extractors.transformer",
    "TransformerPolicy": "policies.transformer_policy",
    "WorldModelLoss": "auxiliary_losses.world_model",
    "attach": "attachment",
    "estimate_bytes": "runs.episode_layout",
    "compare": "runs.comparison",
    "evaluate": "evaluation.evaluate",
    "make_batch_vec_env": "vec_env.make_batch_vec_env",
    "CheckpointError": "checkpoints.checkpoint_error",
    "ExactCheckpointCallback": "checkpoints.exact_checkpoint_callback",
    "StatefulEnv": "checkpoints.stateful_env",
    "continue_learning": "checkpoints.continuing",
    "load_foreign": "checkpoints.foreign",
    "newest_valid": "checkpoints.checkpoint_folder",
    "read_episodes": "runs.episodes",
    "read_state": "checkpoints.state_folder",
    "register_adapter": "checkpoints.adapter",
    "restore_checkpoint": "checkpoints.checkpoint",
    "save_checkpoint": "checkpoints.checkpoint",
    "write_state": "checkpoints.state_folder",
}


def __getattr__(name: str) -> Any:
    """Imports an exported name on first use (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


register_with_gymnasium()
