"""The gradient of each joint loss, held to one written out by hand from the buffer's own arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor
from torch.nn import functional as F

from small_envs import Walk
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.auxiliary_losses.teacher import TeacherLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

SIZE = {"features_extractor_kwargs": {"width": 16}}
STILL: dict[str, Any] = {"learning_rate": 0.0, "max_grad_norm": 1e9}
ENTROPY = 0.02
LOSSES: dict[str, list[AuxiliaryLoss]] = {
    "contrastive": [ContrastiveLoss(scale=0.3)],
    "latent world model, moving average": [LatentWorldModelLoss(scale=0.4, momentum=0.6, n_replayed=0)],
    "latent world model, stopped gradient": [LatentWorldModelLoss(scale=0.4, momentum=0.0, n_replayed=0)],
    "teacher": [TeacherLoss(scale=0.5, temperature=0.4)],
    "world model with replay": [WorldModelLoss(scale=0.3, n_replayed=10)],
    "several": [
        WorldModelLoss(scale=0.3, n_replayed=10),
        LatentWorldModelLoss(scale=0.4, momentum=0.6, n_replayed=5),
        ContrastiveLoss(scale=0.2, n_pairs=6),
        TeacherLoss(scale=0.5),
        LatentWorldModelLoss(scale=0.1, momentum=0.0, n_replayed=0, name="bootstrap"),
    ],
}
Named = dict[str, Tensor]


def echo(n_envs: int = 8) -> BatchVecEnv:
    arguments = {"num_envs": n_envs, "horizon": 3, "dynamics": "fresh", "reveals_all_actions": True}
    return BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", **arguments))


def ppo(**policy: Any) -> Any:
    """Two minibatches in each of two epochs, so that the last is a half in an order of its own."""
    sizes = {"n_steps": 6, "batch_size": 24, "n_epochs": 2, "ent_coef": ENTROPY, "policy_kwargs": SIZE | policy}
    return PPO(TransformerPolicy, echo(), seed=0, device="cpu", **STILL, **sizes)


def a2c(**policy: Any) -> Any:
    sizes = {"n_steps": 6, "ent_coef": ENTROPY, "policy_kwargs": SIZE | policy}
    return A2C(TransformerPolicy, echo(), seed=0, device="cpu", **STILL, **sizes)


def reinforce(**policy: Any) -> Any:
    sizes = {"n_steps": 6, "ent_coef": ENTROPY, "policy_kwargs": SIZE | policy}
    return REINFORCE("TransformerPolicy", echo(), seed=0, device="cpu", **STILL, **sizes)


class Rollout:
    """One rollout of a model that stays as it is, and the draws that its last minibatch was made of."""

    def __init__(self, model: Any, losses: list[AuxiliaryLoss]) -> None:
        self.model, self.losses = attach(model, losses), losses
        self.averages = disturbed_averages(model.policy)
        self.rows: list[Any] = []
        self.replayed: list[Any] = []
        memory = model.policy.minibatch.memory
        watch(model.rollout_buffer, "_get_samples", lambda arguments, _: self.rows.append(arguments[0].copy()))
        if memory is not None:
            watch(memory, "sample", lambda _, drawn: self.replayed.append(drawn))
        model.learn(1)
        self.n_minibatches = len(self.rows)
        self.joint = gradients(model)
        model.policy.zero_grad()

    def column(self, name: str) -> Tensor:
        """The last minibatch's part of an array of the buffer, whose rows lie environment by environment."""
        return torch.as_tensor(getattr(self.model.rollout_buffer, name)[self.rows[-1]])

    def algorithm_loss(self) -> Tensor:
        """That of PPO, A2C and REINFORCE."""
        obs, actions = self.column("observations"), self.column("actions").flatten()
        values, log_prob, entropy = ActorCriticPolicy.evaluate_actions(self.model.policy, obs, actions)
        assert entropy is not None
        advantages, returns = self.column("advantages").flatten(), self.column("returns").flatten()
        if isinstance(self.model, PPO):
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            ratio = torch.exp(log_prob - self.column("log_probs").flatten())
            gain = torch.min(advantages * ratio, advantages * ratio.clamp(0.8, 1.2))
        else:
            gain = advantages * log_prob
        value_loss = (values.flatten() - returns).square().mean()
        return -gain.mean() - ENTROPY * entropy.mean() + self.model.vf_coef * value_loss

    def transitions(self, n_replayed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Observations, actions and next observations: the minibatch's, then the replayed ones."""
        parts = [self.column(name) for name in ("observations", "actions", "next_observations")]
        if n_replayed:
            drawn = self.replayed[-1]
            more = drawn.observations[drawn.origin], drawn.actions, drawn.next_observations
            parts = [
                torch.cat([mine, torch.as_tensor(theirs).reshape(-1, *mine.shape[1:])[:n_replayed]])
                for mine, theirs in zip(parts, more, strict=True)
            ]
        obs, actions, following = parts
        return obs, actions.flatten().long(), following

    def auxiliary_loss(self, loss: AuxiliaryLoss) -> Tensor:
        """One auxiliary loss, its scale left out."""
        policy = self.model.policy
        head: Any = dict(policy.auxiliary_heads)[loss.name]
        obs, actions, following = self.transitions(loss.n_replayed)
        match loss:
            case ContrastiveLoss():
                return contrastive(head, *self.pairs(loss))
            case TeacherLoss():
                scores = self.column("action_scores")
                log_policy = policy.get_distribution(obs).distribution.probs.log()
                target = torch.exp(scores / loss.temperature)
                target = target / target.sum(1, keepdim=True)
                return (target * (target.log() - log_policy)).sum(1).mean()
            case WorldModelLoss():
                return cross_entropies(head, features_of(policy, obs), actions, following)
            case LatentWorldModelLoss():
                with torch.no_grad():
                    targets = features_of(policy, following, self.average(loss))
                return distance(head, features_of(policy, obs), actions, targets)
        raise AssertionError(loss)

    def average(self, loss: LatentWorldModelLoss) -> Named | None:
        """The parameters of the moving average at the last minibatch; None at momentum 0."""
        if not loss.momentum:
            return None
        kept, own = loss.momentum**self.n_minibatches, dict(self.model.policy.features_extractor.named_parameters())
        return {name: kept * part + (1 - kept) * own[name] for name, part in self.averages[loss.name].items()}

    def pairs(self, loss: ContrastiveLoss) -> tuple[Tensor, Tensor]:
        """The features of anchors and of positives, both looked up in the buffer."""
        drawn = self.model.policy.minibatch.futures[loss.name]
        observations = torch.as_tensor(self.model.rollout_buffer.observations)
        anchors = self.rows[-1][drawn.rows]
        assert len(anchors) == loss.n_pairs
        later = anchors + drawn.offsets.numpy()
        assert (drawn.offsets >= 1).all()
        assert (later // 3 == anchors // 3).all(), "episodes have three steps"
        policy = self.model.policy
        return features_of(policy, observations[anchors]), features_of(policy, observations[later])


def disturbed_averages(policy: Any) -> dict[str, Named]:
    """Copies of the moving averages, after they were moved away from the extractor that does not move."""
    for part in policy.auxiliary_targets.parameters():
        part.add_(0.3 * torch.randn_like(part))
    parts = {name: average.named_parameters() for name, average in policy.auxiliary_targets.items()}
    return {name: {part: tensor.clone() for part, tensor in named} for name, named in parts.items()}


def watch(owner: Any, name: str, note: Callable[[Any, Any], None]) -> None:
    """Notes the arguments and the answer of each call of a method."""
    plain = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        answer = plain(*args, **kwargs)
        note(args, answer)
        return answer

    vars(owner)[name] = watched


def gradients(model: Any) -> Named:
    return {name: p.grad.clone() for name, p in model.policy.named_parameters() if p.grad is not None}


def features_of(policy: Any, obs: Tensor, parameters: Named | None = None) -> Tensor:
    """Of the actor, or of its extractor with other parameters."""
    extractor = getattr(policy, "pi_features_extractor", policy.features_extractor)
    found: Tensor = torch.func.functional_call(extractor, parameters or {}, (obs,))
    return found


def hidden(head: Any, features: Tensor, actions: Tensor) -> Tensor:
    return F.gelu(features @ head.from_features.weight.T + head.from_features.bias + embedded(head, actions))


def embedded(head: Any, actions: Tensor) -> Tensor:
    embed = head.action_embedding.embed
    return embed.weight[actions] if isinstance(embed, torch.nn.Embedding) else actions @ embed.weight.T + embed.bias


def cross_entropies(head: Any, features: Tensor, actions: Tensor, following: Tensor) -> Tensor:
    """Mean over rows and predicted categories of -log p."""
    logits = head.logits(hidden(head, features, actions)).reshape(len(features), len(head.columns), -1)
    surprises = []
    for place, column in enumerate(head.columns):
        scores = logits[:, place, : column.n_values]
        chosen = scores[torch.arange(len(scores)), following[:, column.index].long()]
        surprises.append(scores.exp().sum(1).log() - chosen)
    return torch.stack(surprises).mean()


def distance(head: Any, features: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    """Mean over rows of 2 - 2 cos."""
    predictions = head.to_features(hidden(head, features, actions))
    lengths = predictions.square().sum(1).sqrt() * targets.square().sum(1).sqrt()
    return (2 - 2 * (predictions * targets).sum(1) / lengths).mean()


def contrastive(head: Any, now: Tensor, later: Tensor) -> Tensor:
    """InfoNCE in both directions."""
    anchors, positives = now @ head.from_now.weight.T, later @ head.from_later.weight.T
    anchors, positives = (x / x.square().sum(1, keepdim=True).sqrt() for x in (anchors, positives))
    ratios = torch.exp(torch.exp(head.log_sharpness) * anchors @ positives.T)
    own = ratios.diagonal()
    return -((own / ratios.sum(1)).log() + (own / ratios.sum(0)).log()).mean() / 2


def assert_same(policy: Any, joint: Named, prefixes: tuple[str, ...] = ("",)) -> None:
    """What training left and what stands in the parameters now are the same, and no head is without one."""
    largest = max(float(gradient.abs().max()) for gradient in joint.values())
    for name, parameter in policy.named_parameters():
        if name.startswith(prefixes) and (parameter.grad is not None or name in joint):
            close = torch.allclose(joint[name], parameter.grad, atol=2e-6 * max(1.0, largest), rtol=1e-4)
            assert close, f"{name}: {(joint[name] - parameter.grad).abs().max()} off"
    heads = [name for name, _ in policy.named_parameters() if name.startswith("auxiliary_heads")]
    assert all(joint[name].any() for name in heads)


@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("make_model", [ppo, a2c, reinforce])
def test_the_gradient_is_that_of_the_joint_loss_written_by_hand(make_model: Any, losses: str) -> None:
    rollout = Rollout(make_model(), LOSSES[losses])
    assert rollout.n_minibatches == (4 if make_model is ppo else 1)
    parts = [loss.scale * rollout.auxiliary_loss(loss) for loss in rollout.losses]
    (rollout.algorithm_loss() + sum(parts)).backward()
    assert_same(rollout.model.policy, rollout.joint)


@pytest.mark.parametrize("make_model", [ppo, a2c])
def test_of_two_extractors_only_the_actors_learns_from_the_losses(make_model: Any) -> None:
    losses = LOSSES["contrastive"] + LOSSES["world model with replay"]
    rollout = Rollout(make_model(share_features_extractor=False), losses)
    parts = [loss.scale * rollout.auxiliary_loss(loss) for loss in rollout.losses]
    (rollout.algorithm_loss() + sum(parts)).backward()
    assert_same(rollout.model.policy, rollout.joint)
    assert any(name.startswith("vf_features_extractor") for name in rollout.joint)


def test_what_is_replayed_was_seen_in_the_rollout() -> None:
    rollout = Rollout(a2c(), LOSSES["world model with replay"])
    buffer = rollout.model.rollout_buffer
    parts = buffer.observations, buffer.actions, buffer.next_observations
    seen = torch.cat([torch.as_tensor(part) for part in parts], dim=1)
    obs, actions, following = rollout.transitions(10)
    replayed = torch.cat([obs, actions[:, None], following], dim=1)[-10:]
    assert (replayed[:, None] == seen[None]).all(2).any(1).all()


@pytest.mark.parametrize("make_model", [ppo, a2c])
def test_a_scale_that_is_off_by_a_hundredth_would_be_noticed(make_model: Any) -> None:
    rollout = Rollout(make_model(), LOSSES["contrastive"])
    wrong = replace(LOSSES["contrastive"][0], scale=0.303)  # type: ignore[type-var]  # losses are data classes
    (rollout.algorithm_loss() + wrong.scale * rollout.auxiliary_loss(wrong)).backward()
    with pytest.raises(AssertionError):
        assert_same(rollout.model.policy, rollout.joint)


REPLAYING: dict[str, Any] = {
    "learning_rate": 0.0,
    "learning_starts": 32,
    "train_freq": 32,
    "batch_size": 24,
    "seed": 0,
    "device": "cpu",
}


EXTRACTOR = {"net_arch": [16], "features_extractor_class": TransformerExtractor, **SIZE}


def dqn() -> Any:
    return DQN("MlpPolicy", echo(4), max_grad_norm=1e9, policy_kwargs=dict(EXTRACTOR), **REPLAYING)


def sac() -> Any:
    return SAC("MlpPolicy", Walk(), ent_coef=0.2, policy_kwargs=dict(EXTRACTOR), **REPLAYING)


def critics_loss(model: Any, batch: Any) -> Tensor:
    """Of DQN: Huber loss; of SAC: half the sum of both critics' squared errors."""
    policy = model.policy
    with torch.no_grad():
        if isinstance(model, DQN):
            following = policy.q_net_target(batch.next_observations).amax(1, keepdim=True)
        else:
            policy.actor.action_log_prob(batch.observations)  # the algorithm draws these first
            taken, log_prob = policy.actor.action_log_prob(batch.next_observations)
            following = torch.min(*policy.critic_target(batch.next_observations, taken)) - 0.2 * log_prob[:, None]
        targets = batch.rewards + (1 - batch.dones) * model.gamma * following
    if isinstance(model, DQN):
        return F.smooth_l1_loss(policy.q_net(batch.observations).gather(1, batch.actions.long()), targets)
    errors = [(values - targets).square().mean() for values in policy.critic(batch.observations, batch.actions)]
    return sum(errors) / 2  # type: ignore[return-value]  # there are two


OFF_POLICY_LOSSES = {
    "latent world model, moving average": LOSSES["latent world model, moving average"],
    "latent world model, stopped gradient": LOSSES["latent world model, stopped gradient"],
    "several": [
        LatentWorldModelLoss(scale=0.4, momentum=0.6),
        WorldModelLoss(scale=0.3),
        LatentWorldModelLoss(scale=0.1, momentum=0.0, name="bootstrap"),
    ],
}


@pytest.mark.parametrize("losses", OFF_POLICY_LOSSES)
@pytest.mark.parametrize("make_model", [dqn, sac])
def test_the_critics_gradient_is_that_of_the_joint_loss_written_by_hand(make_model: Any, losses: str) -> None:
    model = attach(make_model(), OFF_POLICY_LOSSES[losses])
    policy = model.policy
    model.learn(32, log_interval=1000)
    first = disturbed_averages(policy)
    batches: list[Any] = []
    joint: Named = {}
    watch(model.replay_buffer, "sample", lambda _, batch: batches.append(batch))
    policy.learning_optimizer.register_step_pre_hook(lambda *_: joint.update(gradients(model)))
    torch.manual_seed(3)
    model.train(1, 24)
    torch.manual_seed(3)
    policy.zero_grad()
    (batch,) = batches
    obs, following = batch.observations, batch.next_observations
    actions = batch.actions.flatten().long() if isinstance(model, DQN) else batch.actions
    extractor = policy.learning_extractor
    loss = critics_loss(model, batch)
    for auxiliary in OFF_POLICY_LOSSES[losses]:
        head, features = policy.auxiliary_heads[auxiliary.name], extractor(obs)
        if isinstance(auxiliary, LatentWorldModelLoss):
            with torch.no_grad():
                kept = auxiliary.momentum
                own, old = dict(extractor.named_parameters()), first.get(auxiliary.name, {})
                average = {name: kept * part + (1 - kept) * own[name] for name, part in old.items()}
                targets = torch.func.functional_call(extractor, average, (following,))
            amount = distance(head, features, actions, targets)
        elif isinstance(model, DQN):
            amount = cross_entropies(head, features, actions, following)
        else:
            numbers = head.numbers(hidden(head, features, actions))
            misses = (numbers - following).abs()
            amount = torch.where(misses < 1, misses.square() / 2, misses - 0.5).mean()
        loss = loss + auxiliary.scale * amount
    loss.backward()
    assert_same(policy, joint, ("q_net." if isinstance(model, DQN) else "critic.", "auxiliary_heads."))
