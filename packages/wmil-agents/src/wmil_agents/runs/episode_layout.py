"""What an episode log keeps of a model's steps, and how large it becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from wmil_agents.evaluation.policy_table import actor_critic
from wmil_agents.evaluation.world_model_errors import world_model_head
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.extractors.token_names import token_names
from wmil_agents.runs.episode_rows import Layout, space_layout
from wmil_agents.runs.input_error import InputError
from wmil_envs.reward import RewardVector

MEGABYTE = 10**6
_MIN_BLOCKS = 10
"""As many fit into the limit, so that it is not far from what is kept."""
MAX_SAMPLED_ROWS = 32
"""Environments, of each sampled step."""
_BLOCK_ROWS, _BLOCK_BYTES = 16_384, 8 * 2**20
"""A block is written when so many steps, or so many bytes, have come together."""
_BYTES_OF_A_HEADER = 300
"""Of one array in a file: its name, its shape, its checksum, up to rounding."""
_BYTES_OF_A_SIDECAR = 8_000
_N_LOSSES = 6
"""As many as an algorithm with two auxiliary losses logs."""


@dataclass(frozen=True)
class LogOptions:
    """What is kept, and how much of it."""

    every: int = 1
    """Of the episodes, one of so many."""
    max_bytes: int = 256 * MEGABYTE
    """Of all files; at this size the log ends, and says so."""
    attention: bool = False
    """Whether to sample attention weights."""
    features: bool = False
    """Whether to sample the hidden features."""
    sample_every: int = 64
    """Samples are of one step (of all environments) in so many, of its first `MAX_SAMPLED_ROWS` environments."""

    def __post_init__(self) -> None:
        for name in ("every", "max_bytes", "sample_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


DEFAULT = LogOptions()


@dataclass(frozen=True)
class StorageEstimate:
    """How large a log becomes at most."""

    n_bytes: int
    """Without a limit."""
    bytes_per_step: float
    max_bytes: int
    """The limit."""

    def __str__(self) -> str:
        size = f"{self.n_bytes / MEGABYTE:,.1f} MB at most ({self.bytes_per_step:,.0f} bytes a step)"
        if self.n_bytes <= self.max_bytes:
            return f"The episode log will take {size}"
        share = self.max_bytes / self.n_bytes
        return f"The episode log would take {size}: it ends at its limit of {self.max_bytes / MEGABYTE:,.1f} MB, " + (
            f"after about {share:.0%} of the steps"
        )


def step_layout(model: BaseAlgorithm, *, n_components: int, has_sources: bool) -> Layout:
    """Shape and type of what is kept of one step of one environment."""
    single, byte = np.dtype(np.float32), np.dtype(np.uint8)
    layout = space_layout("observations", model.observation_space) | space_layout("actions", model.action_space)
    layout |= {"rewards": ((), single), "terminated": ((), np.dtype(np.bool_)), "truncated": ((), np.dtype(np.bool_))}
    layout["success"] = (), np.dtype(np.int8)
    if isinstance(model, OnPolicyAlgorithm):
        layout |= {"log_probs": ((), single), "values": ((), single)}
    if n_components:
        layout["reward_components"] = (n_components,), single
    if has_sources:
        layout["parent_sources"] = (), byte
    return layout | space_layout("final_observations", model.observation_space)


def estimate_bytes(model: BaseAlgorithm, total_steps: int, options: LogOptions = DEFAULT) -> StorageEstimate:
    """How large the log of so many steps of a model becomes at most; nothing is run.

    Every episode counts as one of a single step where the environment does not tell its horizon, which is the most that
    it can cost.
    """
    env = model.env
    world = None if env is None else world_of(env)
    layout = step_layout(
        model,
        n_components=len(RewardVector._fields) if world is not None and world.info == "full" else 0,
        has_sources=world is not None and (world.verdicts is not None or world.info == "full"),
    )
    final = row_bytes({name: row for name, row in layout.items() if name.startswith("final_")})
    of_an_episode = final + 8 + 8 + 4 + 8
    horizon = 1 if world is None else world.horizon
    kept = (row_bytes(layout) - final + of_an_episode / horizon) / options.every
    n_envs = model.n_envs
    sampled = min(n_envs, MAX_SAMPLED_ROWS) * _sample_bytes(model, options) / (options.sample_every * n_envs)
    of_an_update = 8.0 * (1 + _N_LOSSES) / (getattr(model, "n_steps", 1) * n_envs)
    per_step = kept + sampled + of_an_update
    n_blocks = math.ceil(total_steps / (n_envs * steps_in_a_block(layout, n_envs, options))) + 1
    overhead = n_blocks * (_BYTES_OF_A_SIDECAR + _BYTES_OF_A_HEADER * (len(layout) + 12 + _N_LOSSES))
    n_bytes = math.ceil(total_steps * per_step + overhead)
    return StorageEstimate(n_bytes, per_step, options.max_bytes)


def steps_in_a_block(layout: Layout, n_envs: int, options: LogOptions) -> int:
    """How many steps of all environments come together before a block is written."""
    block_bytes = min(_BLOCK_BYTES, options.max_bytes // _MIN_BLOCKS)
    return max(1, min(_BLOCK_ROWS // n_envs, block_bytes // (n_envs * row_bytes(layout))))


def row_bytes(layout: Layout) -> int:
    """Of one step of one environment."""
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in layout.values())


def _sample_bytes(model: BaseAlgorithm, options: LogOptions) -> float:
    head = world_model_head(model)
    if not (options.attention or options.features or head is not None):
        return 0
    size = 12 + row_bytes(space_layout("o", model.observation_space) | space_layout("a", model.action_space))
    size += 0 if head is None else 4 * (len(head.columns) + len(head.number_columns))
    if options.features or options.attention:
        extractor: Any = actor_critic(model).pi_features_extractor
        size += 4 * extractor.features_dim if options.features else 0
        if options.attention:
            blocks = extractor.transformer.blocks
            n_tokens = len(token_names(extractor, model.observation_space))
            size += 4 * len(blocks) * blocks[0].attention.n_heads * n_tokens**2
    return size


def check_options(model: BaseAlgorithm, options: LogOptions) -> None:
    """Refuse to sample what the model does not have."""
    try:
        space_layout("observations", model.observation_space)
        if options.features or options.attention:
            policy = actor_critic(model)
            if options.attention:
                token_names(policy.pi_features_extractor, model.observation_space)
    except (TypeError, ValueError) as error:
        raise InputError(f"the episode log cannot be kept: {error}") from error
