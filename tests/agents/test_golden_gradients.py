"""The gradients of one training step, held to those of an earlier version.

`python tests/agents/test_golden_gradients.py` writes the present ones into golden_gradients.json; nothing else does. A
commit that changes them says why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from stable_baselines3 import A2C, PPO

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

GOLDEN = Path(__file__).with_name("golden_gradients.json")
ALGORITHMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "REINFORCE": (REINFORCE, {"n_steps": 6}),
    "A2C": (A2C, {"n_steps": 6, "ent_coef": 0.01}),
    "PPO": (PPO, {"n_steps": 6, "batch_size": 48, "n_epochs": 1, "ent_coef": 0.01}),
}
RELATIVE = 1e-5
"""Of each number. Adding 32-bit floats in another order, as AVX-512, scalar code or two threads do, changes 3e-7."""
OF_THE_WHOLE = 1e-6
"""Of the whole gradient's norm, for parameters whose own gradient is 0 but for rounding, as that of the keys' bias."""

Gradients = dict[str, list[float]]


def gradients(name: str, scale: float = 0.2) -> Gradients:
    """Norm of each parameter's gradient, and its product with a fixed vector, which tells its direction."""
    algorithm, arguments = ALGORITHMS[name]
    env = BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=8, horizon=3, dynamics="fresh"))
    model = algorithm(
        TransformerPolicy,
        env,
        learning_rate=0.0,
        max_grad_norm=1e9,
        seed=5,
        device="cpu",
        policy_kwargs={"features_extractor_kwargs": {"width": 16}},
        **arguments,
    )
    attach(model, [WorldModelLoss(scale=scale)])
    with torch.no_grad():  # the drawn weights are those of a QR decomposition, whose signs differ between machines
        for place, parameter in enumerate(model.policy.parameters(), start=1):
            parameter.copy_(0.2 * waves(parameter.numel(), place).reshape(parameter.shape))
    model.learn(1)
    found = {}
    for parameter_name, parameter in model.policy.named_parameters():
        if parameter.grad is not None:
            gradient = parameter.grad.flatten().double()
            found[parameter_name] = [float(gradient.norm()), float(gradient @ waves(len(gradient), 1))]
    return found


def waves(n: int, place: int) -> torch.Tensor:
    """Numbers in [-1, 1] without a pattern that a network could share."""
    return torch.cos(torch.arange(n, dtype=torch.float64) ** 1.5 + place)


def differences(found: Gradients, golden: Gradients) -> dict[str, Any]:
    """What is found, and what was expected, where the two are not the same."""
    whole = sum(norm**2 for norm, _ in golden.values()) ** 0.5
    close = {
        name: found.get(name) == pytest.approx(numbers, rel=RELATIVE, abs=OF_THE_WHOLE * whole)
        for name, numbers in golden.items()
    }
    names = [*(name for name in golden if not close[name]), *(name for name in found if name not in golden)]
    return {name: (found.get(name), golden.get(name)) for name in names}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_gradients_of_a_training_step_are_the_golden_ones(name: str) -> None:
    differing = differences(gradients(name), json.loads(GOLDEN.read_text())[name])
    assert not differing, "if that is meant, write them anew: python tests/agents/test_golden_gradients.py"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_weight_that_is_off_by_a_thousandth_is_noticed(name: str) -> None:
    assert differences(gradients(name, scale=0.2002), json.loads(GOLDEN.read_text())[name])


if __name__ == "__main__":
    torch.set_num_threads(1)
    GOLDEN.write_text(json.dumps({name: gradients(name) for name in ALGORITHMS}, indent=1) + "\n")
