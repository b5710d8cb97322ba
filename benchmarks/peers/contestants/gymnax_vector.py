"""Steps a gymnax environment, vmapped and compiled, with random actions: call by call, or a hundred steps a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnax
import jax

from benchmarks.peers.contestants.stepping import stepping_turn


def start(arguments: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """`id`, `n_envs`, and `n_steps`: how many steps one compiled call makes."""
    n_envs, n_steps = arguments["n_envs"], arguments["n_steps"]
    env, parameters = gymnax.make(arguments["id"])

    def step(carry: Any, _: None) -> tuple[Any, Any]:
        key, state = carry
        key, action_key, step_key = jax.random.split(key, 3)
        actions = jax.random.randint(action_key, (n_envs,), 0, env.num_actions)
        keys = jax.random.split(step_key, n_envs)
        observations, state, rewards, *ends, _ = jax.vmap(env.step, (0, 0, 0, None))(keys, state, actions, parameters)
        return (key, state), (observations, rewards, *ends)

    many = jax.jit(lambda carry: jax.lax.scan(step, carry, None, n_steps))
    keys = jax.random.split(jax.random.key(0), n_envs)
    _, states = jax.vmap(env.reset, (0, None))(keys, parameters)
    carry = (jax.random.key(1), states)

    def call() -> None:
        nonlocal carry
        carry, told = many(carry)
        jax.block_until_ready(told)

    return stepping_turn(call, n_envs * n_steps)
