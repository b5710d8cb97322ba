"""PPO in a single file, to compare with: everything it does can be read from top to bottom.

Proximal policy optimisation (Schulman et al., 2017) with generalised advantages (Schulman et al., 2016), on a Gymnasium
vector environment that resets within the step, MultiDiscrete observations and Discrete actions.
`python -m benchmarks.peers.single_file_ppo` learns PatternEcho and prints how it goes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers.exact_success import THRESHOLD, ExactSuccess


@dataclass(frozen=True)
class Settings:
    """What may be chosen; the defaults are usual ones."""

    env_id: str = "wmil_envs:WMIL/PatternEcho-v0"
    env_arguments: Mapping[str, Any] = field(default_factory=dict)
    n_envs: int = 64
    n_steps: int = 8
    """Steps per environment and rollout."""
    learning_rate: float = 2.5e-3
    n_epochs: int = 4
    n_minibatches: int = 4
    discount: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    entropy_weight: float = 0.0
    value_weight: float = 0.5
    max_grad_norm: float = 0.5
    width: int = 64
    n_layers: int = 2


class Agent(nn.Module):
    """Two towers of tanh layers over one-hot columns: an actor and a critic."""

    def __init__(self, n_values: tuple[int, ...], n_actions: int, settings: Settings) -> None:
        super().__init__()
        self.n_values = n_values
        self.actor = tower(sum(n_values), n_actions, 0.01, settings)
        self.critic = tower(sum(n_values), 1, 1.0, settings)

    def encode(self, observations: Tensor) -> Tensor:
        """Integer columns (B, k) -> their one-hot codes side by side (B, sum of values)."""
        columns = zip(observations.long().unbind(1), self.n_values, strict=True)
        return torch.cat([F.one_hot(column, n) for column, n in columns], dim=1).float()


def tower(n_inputs: int, n_outputs: int, output_gain: float, settings: Settings) -> nn.Sequential:
    """Orthogonal tanh layers and a linear head."""
    layers: list[nn.Module] = []
    for _ in range(settings.n_layers):
        layers += [orthogonal(nn.Linear(n_inputs, settings.width), math.sqrt(2)), nn.Tanh()]
        n_inputs = settings.width
    return nn.Sequential(*layers, orthogonal(nn.Linear(n_inputs, n_outputs), output_gain))


def orthogonal(layer: nn.Linear, gain: float) -> nn.Linear:
    """The layer, with an orthogonal weight and no bias to begin with."""
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def train(settings: Settings, seed: int, total_steps: int, is_enough: Callable[[Agent, int], bool]) -> Agent:
    """Learns until the steps are used up or, asked before each rollout, `is_enough(agent, steps taken)`."""
    torch.manual_seed(seed)
    env = gym.make_vec(settings.env_id, num_envs=settings.n_envs, **settings.env_arguments)
    agent = Agent(tuple(env.single_observation_space.nvec.tolist()), int(env.single_action_space.n), settings)  # type: ignore[attr-defined]  # the spaces it is for
    optimizer = torch.optim.Adam(agent.parameters(), lr=settings.learning_rate, eps=1e-5, fused=True)
    observations, _ = env.reset(seed=seed)
    encoded = agent.encode(torch.from_numpy(observations))
    steps_taken = 0
    while steps_taken < total_steps and not is_enough(agent, steps_taken):
        batch, encoded = rollout(env, agent, encoded, settings)
        update(agent, optimizer, batch, settings)
        steps_taken += settings.n_envs * settings.n_steps
    is_enough(agent, steps_taken)
    env.close()
    return agent


def rollout(
    env: gym.vector.VectorEnv[Any, Any, Any], agent: Agent, encoded: Tensor, settings: Settings
) -> tuple[dict[str, Tensor], Tensor]:
    """What `update` learns from, each entry (steps * envs, ...), and the encoded observations to go on from."""
    shape = settings.n_steps, settings.n_envs
    kept: list[Tensor] = []
    actions = torch.empty(shape, dtype=torch.long)
    log_probs, values, rewards, carry_on, bootstrap = (torch.zeros(shape) for _ in range(5))
    with torch.no_grad():
        for step in range(settings.n_steps):
            kept.append(encoded)
            log_policy = agent.actor(encoded).log_softmax(1)
            actions[step] = torch.multinomial(log_policy.exp(), 1).squeeze(1)
            log_probs[step] = log_policy.gather(1, actions[step][:, None]).squeeze(1)
            values[step] = agent.critic(encoded).squeeze(1)
            observations, reward, terminated, truncated, infos = env.step(actions[step].numpy())
            encoded = agent.encode(torch.from_numpy(observations))
            rewards[step] = torch.from_numpy(reward).float()
            carry_on[step] = torch.from_numpy(~(terminated | truncated)).float()
            if truncated.any():  # cut, not over: the value of where it was cut belongs to the return
                final = agent.critic(agent.encode(torch.from_numpy(infos["final_obs"]))).squeeze(1)
                bootstrap[step] = torch.where(torch.from_numpy(truncated & ~terminated), final, 0.0)
        next_value = agent.critic(encoded).squeeze(1)
    advantages = torch.zeros(shape)
    running = torch.zeros(settings.n_envs)
    for step in reversed(range(settings.n_steps)):
        following = next_value if step == settings.n_steps - 1 else values[step + 1]
        target = rewards[step] + settings.discount * (carry_on[step] * following + bootstrap[step])
        running = target - values[step] + settings.discount * settings.gae_lambda * carry_on[step] * running
        advantages[step] = running
    batch = {
        "encoded": torch.cat(kept),
        "actions": actions.flatten(),
        "log_probs": log_probs.flatten(),
        "advantages": advantages.flatten(),
        "returns": (advantages + values).flatten(),
    }
    return batch, encoded


def update(agent: Agent, optimizer: torch.optim.Optimizer, batch: dict[str, Tensor], settings: Settings) -> None:
    """Some epochs over the batch, in minibatches."""
    n_rows = len(batch["actions"])
    parameters = list(agent.parameters())
    for _ in range(settings.n_epochs):
        for rows in torch.randperm(n_rows).chunk(settings.n_minibatches):
            part = {name: tensor[rows] for name, tensor in batch.items()}
            loss = ppo_loss(agent, part, settings)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch ships no hints for it
            nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
            optimizer.step()


def ppo_loss(agent: Agent, part: dict[str, Tensor], settings: Settings) -> Tensor:
    """-E min(r A, clip(r) A) + c_v E (V - R)^2 / 2 - c_e E H(pi), advantages normalised within the minibatch."""
    log_policy = agent.actor(part["encoded"]).log_softmax(1)
    log_probs = log_policy.gather(1, part["actions"][:, None]).squeeze(1)
    ratio = (log_probs - part["log_probs"]).exp()
    advantages = part["advantages"]
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - settings.clip_range, 1 + settings.clip_range)
    policy_loss = -torch.min(ratio * advantages, clipped * advantages).mean()
    value_loss = 0.5 * (agent.critic(part["encoded"]).squeeze(1) - part["returns"]).square().mean()
    entropy = -(log_policy.exp() * log_policy).sum(1).mean()
    loss: Tensor = policy_loss + settings.value_weight * value_loss - settings.entropy_weight * entropy
    return loss


def main() -> None:
    """Learns PatternEcho and prints the exact success."""
    torch.set_num_threads(1)
    settings = Settings()
    exact_success = ExactSuccess(settings.env_id, settings.env_arguments)

    def report(agent: Agent, steps_taken: int) -> bool:
        success = exact_success.of(lambda observations: action_probabilities(agent, observations))
        print(f"{steps_taken:6d} steps: exact success {success:.3f}")
        return success >= THRESHOLD

    train(settings, seed=0, total_steps=20_000, is_enough=report)


def action_probabilities(agent: Agent, observations: NDArray[Any]) -> NDArray[Any]:
    """pi(action | observation), (n, actions)."""
    with torch.no_grad():
        policy: NDArray[Any] = agent.actor(agent.encode(torch.from_numpy(observations))).softmax(1).numpy()
    return policy


if __name__ == "__main__":
    main()
