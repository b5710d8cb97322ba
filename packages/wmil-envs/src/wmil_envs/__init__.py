"""Gymnasium environments in which a small mind learns from a parent, each with its own floors and ceilings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wmil_envs._version import __version__
from wmil_envs.registration import register_all

if TYPE_CHECKING:
    from wmil_envs.attribute import Attribute, AttributeSpace
    from wmil_envs.bank import Bank, compile_bank
    from wmil_envs.curriculum import Curriculum
    from wmil_envs.exact_value import PolicyValue, policy_value, table_value
    from wmil_envs.fake_llm.server import FakeLLM
    from wmil_envs.llm.errors import ParentError
    from wmil_envs.llm.settings import BudgetSettings, LLMSettings
    from wmil_envs.oracle import Oracle, compute_oracle
    from wmil_envs.parent import LazyParent, Parent, Verdicts
    from wmil_envs.parents.llm import LLMParent
    from wmil_envs.reward import RewardVector
    from wmil_envs.seeding import spawn_seeds
    from wmil_envs.symbolic_env import SymbolicEnv
    from wmil_envs.symbolic_vector_env import SymbolicVectorEnv
    from wmil_envs.task import Task
    from wmil_envs.wrappers.vector_reward import BatchVectorReward, VectorReward

_HOMES = {
    "Attribute": "attribute",
    "AttributeSpace": "attribute",
    "Bank": "bank",
    "BatchVectorReward": "wrappers.vector_reward",
    "BudgetSettings": "llm.settings",
    "Curriculum": "curriculum",
    "FakeLLM": "fake_llm.server",
    "LLMParent": "parents.llm",
    "LLMSettings": "llm.settings",
    "LazyParent": "parent",
    "Oracle": "oracle",
    "Parent": "parent",
    "ParentError": "llm.errors",
    "PolicyValue": "exact_value",
    "RewardVector": "reward",
    "SymbolicEnv": "symbolic_env",
    "SymbolicVectorEnv": "symbolic_vector_env",
    "Task": "task",
    "VectorReward": "wrappers.vector_reward",
    "Verdicts": "parent",
    "compile_bank": "bank",
    "compute_oracle": "oracle",
    "policy_value": "exact_value",
    "spawn_seeds": "seeding",
    "table_value": "exact_value",
}

__all__ = [
    "Attribute",
    "AttributeSpace",
    "Bank",
    "BatchVectorReward",
    "BudgetSettings",
    "Curriculum",
    "FakeLLM",
    "LLMParent",
    "LLMSettings",
    "LazyParent",
    "Oracle",
    "Parent",
    "ParentError",
    "PolicyValue",
    "RewardVector",
    "SymbolicEnv",
    "SymbolicVectorEnv",
    "Task",
    "VectorReward",
    "Verdicts",
    "__version__",
    "compile_bank",
    "compute_oracle",
    "policy_value",
    "spawn_seeds",
    "table_value",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__


register_all()
