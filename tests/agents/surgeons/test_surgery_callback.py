"""A surgeon beside a learner: when it operates, what stays, what the learner notices, and who is refused."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from wmil_agents import REINFORCE, TransformerExtractor, TransformerPolicy, make_batch_vec_env
from wmil_agents.evaluation.exact import evaluate_exactly
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.surgeons import (
    EpisodeScore,
    KeepRule,
    Operated,
    Patient,
    Phase,
    Phases,
    SurgeryCallback,
    SurgeryEnv,
)
from wmil_agents.surgeons.random_surgeon import NoSurgeon, RandomSurgeon
from wmil_agents.surgeons.sac_surgeon import SACSurgeon
from wmil_agents.surgeons.surgeon import Surgeon

ECHO = "wmil_envs:WMIL/PatternEcho-v0"
SMALL: dict[str, Any] = {"features_extractor_kwargs": {"width": 16, "n_layers": 1}}
fingerprints = runpy.run_path(str(Path(__file__).parents[1] / "checkpoints" / "fingerprint.py"))


class Always(KeepRule):
    """Keeps everything."""

    def decide(self, *args: Any, **kwargs: Any) -> Any:
        return replace(super().decide(*args, **kwargs), keep=True)


class IfBetter(KeepRule):
    """Keeps what raises the decision score at all."""

    def decide(self, *args: Any, **kwargs: Any) -> Any:
        decision = super().decide(*args, **kwargs)
        return replace(decision, keep=decision.gain > 0.0)


class Never(KeepRule):
    """Keeps nothing."""

    def decide(self, *args: Any, **kwargs: Any) -> Any:
        return replace(super().decide(*args, **kwargs), keep=False)


class AtTheEnd(BaseCallback):
    """Calls a function of the model at the end of every rollout."""

    def __init__(self, look: Callable[[Any], None]) -> None:
        super().__init__()
        self.look = look

    def _on_rollout_end(self) -> None:
        self.look(self.model)

    def _on_step(self) -> bool:
        return True


class Careless(RandomSurgeon):
    """Draws from everybody's generators."""

    def operate(self, env: Any, observation: Any) -> dict[str, Any]:
        self._rng = np.random.default_rng(np.random.randint(2**31) + int(torch.randint(2**31, ())))  # noqa: NPY002
        return super().operate(env, observation)


def echo(n_envs: int = 4, **arguments: Any) -> Any:
    return make_batch_vec_env(ECHO, n_envs, seed=7, **{"n_symbols": 20} | arguments)


def reinforce(**more: Any) -> REINFORCE:
    return REINFORCE("TransformerPolicy", echo(), policy_kwargs=SMALL, seed=1, device="cpu", **more)


def ppo(env: Any = None, policy: Any = TransformerPolicy, **more: Any) -> PPO:
    kwargs = {"policy_kwargs": SMALL} if policy is TransformerPolicy else {}
    return PPO(policy, env or echo(), n_steps=4, batch_size=8, n_epochs=2, seed=1, device="cpu", **kwargs | more)


def off_policy(algorithm: type[Any], env: str, **arguments: Any) -> Any:
    return algorithm(
        "MlpPolicy",
        make_batch_vec_env(env, 1, seed=7, **arguments),
        policy_kwargs={"features_extractor_class": TransformerExtractor, **SMALL, "net_arch": [16]},
        learning_starts=16,
        batch_size=8,
        train_freq=4,
        buffer_size=100,
        seed=1,
        device="cpu",
    )


def episodes_of(env: str) -> Callable[[BaseAlgorithm], Patient]:
    def patient(model: BaseAlgorithm) -> Patient:
        return Patient(model, *(EpisodeScore(env, 5, seed, max_steps=5) for seed in (10, 20, 30)))

    return patient


def online_sac(env: SurgeryEnv) -> Surgeon:
    return SACSurgeon(env, learns_online=True, learning_starts=4, batch_size=4, policy_kwargs={"net_arch": [8]})


LEARNERS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "REINFORCE": (reinforce, {}),
    "PPO": (ppo, {}),
    "A2C": (lambda: A2C(TransformerPolicy, echo(), policy_kwargs=dict(SMALL), seed=1, device="cpu"), {}),
    "DQN": (lambda: off_policy(DQN, ECHO), {"patient": episodes_of(ECHO)}),
    "SAC": (lambda: off_policy(SAC, "Pendulum-v1"), {"patient": episodes_of("Pendulum-v1")}),
}


def bits_of(model: BaseAlgorithm) -> Any:
    """Everything that the learner is, but for what the surgery has logged."""
    found = fingerprints["fingerprint"](model, fingerprints["Rows"]())
    for logged in (found["loop"]["logged"] or {}).values():
        for name in [name for name in logged if name.startswith("surgery/")]:
            del logged[name]
    return found


@pytest.mark.parametrize("name", LEARNERS)
def test_a_surgery_of_which_nothing_is_kept_leaves_learning_as_it_was_to_the_bit(name: str) -> None:
    make, arguments = LEARNERS[name]
    alone = make()
    alone.learn(64)
    beside = make()
    callback = SurgeryCallback(online_sac, phases=Phases(16, 3), interval=2, keep_rule=Never(), **arguments)
    beside.learn(64, callback)
    assert callback.n_operations > 3
    assert callback.n_kept == 0
    found = fingerprints["differences"](bits_of(alone), bits_of(beside))
    # Spaces that nobody samples from are seeded by the operating system.
    assert [place for place in found if "spaces" not in place] == []


def test_a_surgeon_that_draws_from_shared_generators_does_not_change_the_luck_of_the_learner() -> None:
    alone = ppo().learn(64)
    beside = ppo().learn(64, SurgeryCallback(Careless(), phases=Phases(16, 3), keep_rule=Never()))
    found = fingerprints["differences"](bits_of(alone), bits_of(beside))
    assert [place for place in found if "spaces" not in place] == []


@pytest.mark.parametrize("name", LEARNERS)
def test_what_is_kept_changes_the_network_that_acts_and_keeps_every_object(name: str) -> None:
    make, arguments = LEARNERS[name]
    model = make()
    seen: list[Any] = []

    class Watch(BaseCallback):
        def _on_rollout_start(self) -> None:
            policy: Any = self.model.policy
            seen.append(
                (
                    {name: tensor.clone() for name, tensor in policy.state_dict().items()},
                    [id(parameter) for parameter in policy.parameters()],
                    [None if parameter.grad is None else parameter.grad.clone() for parameter in policy.parameters()],
                    optimizer_states(policy),
                )
            )

        def _on_step(self) -> bool:
            return True

    surgery = SurgeryCallback(RandomSurgeon(), phases=Phases(32, 1, 0), keep_rule=Always(), **arguments)
    model.learn(64, [Watch(), surgery, Watch()])
    assert surgery.n_kept == 1
    (number,) = [
        number for number in range(0, len(seen), 2) if fingerprints["differences"](seen[number][0], seen[number + 1][0])
    ]
    before, after = seen[number], seen[number + 1]
    assert before[1] == after[1]
    assert fingerprints["differences"](list(before[2:]), list(after[2:])) == []
    changed = [key for key in before[0] if not torch.equal(before[0][key], after[0][key])]
    acting = {"DQN": "q_net.", "SAC": "actor."}.get(name, "features_extractor.")
    assert changed
    assert all("qkv" in key for key in changed)
    assert all(acting in key for key in changed)
    assert not any("target" in key or "critic" in key for key in changed)


def optimizer_states(policy: Any) -> list[Any]:
    optimizers = [part.optimizer for part in (policy, *policy.children()) if hasattr(part, "optimizer")]
    assert optimizers
    return [{key: dict(value) for key, value in one.state_dict()["state"].items()} for one in optimizers]


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("algorithm", [REINFORCE, PPO])
def test_the_rollout_after_an_edit_is_one_of_the_edited_policy(algorithm: Any, distinct: bool) -> None:
    env = echo(64)
    kwargs = SMALL | {"distinct_observations": distinct}
    model = algorithm(TransformerPolicy, env, n_steps=2, policy_kwargs=kwargs, seed=1, device="cpu")
    errors: list[float] = []

    def compare(model: Any) -> None:
        buffer, policy = model.rollout_buffer, model.policy
        observations = torch.as_tensor(buffer.observations.reshape(-1, buffer.observations.shape[-1]).copy())
        actions = torch.as_tensor(buffer.actions.reshape(-1).copy())
        with torch.no_grad():
            said = policy.get_distribution(observations.long()).log_prob(actions)
        errors.append(float((said - torch.as_tensor(buffer.log_probs.reshape(-1))).abs().max()))

    surgery = SurgeryCallback(RandomSurgeon(), keep_rule=Always())
    model.learn(5 * 128, [surgery, AtTheEnd(compare)])
    assert surgery.n_kept == 5
    assert max(errors) < 1e-5


def test_operations_take_place_when_the_phases_say() -> None:
    done: list[Operated] = []
    surgery = SurgeryCallback(
        RandomSurgeon(), phases=Phases(bootstrap=24, exclusive=5, joint=40), interval=3, after_operation=done.append
    )
    reinforce().learn(120, surgery)  # rollouts of 4 steps; those of the joint phase begin at 24, 28, ..., 60
    assert [(one.step, one.phase.name) for one in done] == [
        *[(24, "EXCLUSIVE")] * 5,
        *[(step, "JOINT") for step in (32, 44, 56)],
    ]
    assert [one.number for one in done] == list(range(1, 9))
    assert surgery.phase is Phase.OVER


def test_the_phases_follow_one_another() -> None:
    phases = Phases(bootstrap=10, exclusive=2, joint=5)
    assert [phases.at(step, 0).name for step in (0, 9, 10, 99)] == ["BOOTSTRAP", "BOOTSTRAP", "EXCLUSIVE", "EXCLUSIVE"]
    assert [phases.at(step, 2).name for step in (10, 14, 15)] == ["JOINT", "JOINT", "OVER"]
    assert Phases().at(0, 0) is Phase.JOINT
    assert Phases(3, 1).at(10**9, 1) is Phase.JOINT
    with pytest.raises(ValueError, match="exclusive must not be negative"):
        Phases(exclusive=-1)


def test_counts_scores_and_phase_are_logged() -> None:
    model = reinforce()
    rows = fingerprints["record_metrics"](model)
    done: list[Operated] = []
    surgery = SurgeryCallback(RandomSurgeon(), phases=Phases(16), keep_rule=IfBetter(), after_operation=done.append)
    model.learn(96, surgery, log_interval=1)
    logged = [row for row in rows.rows if "surgery/operations" in row]
    assert [row["surgery/operations"] for row in logged] == list(range(1, len(done) + 1))
    assert logged[-1]["surgery/kept"] == sum(one.kept for one in done) > 0
    assert logged[-1]["surgery/reverted"] == sum(not one.kept for one in done) > 0
    assert logged[-1]["surgery/kept_gain"] == pytest.approx(sum(one.gain for one in done if one.kept))
    assert [row["surgery/p_value"] for row in logged] == [one.p_value for one in done]
    assert {row["surgery/phase"] for row in rows.rows} == {0, 2}
    kept = next(number for number, one in enumerate(done) if one.kept)
    assert done[kept].search_score == done[kept].info["search_score"]
    for name in ("search_score", "decision_score"):
        assert [row[f"surgery/{name}"] for row in logged] == [getattr(one, name) for one in done]


def test_the_scores_after_an_operation_are_those_of_the_policy_as_it_is() -> None:
    model = reinforce()
    wrong: list[float] = []

    def check(operated: Operated) -> None:
        patient = surgery.env.patient
        for name in ("search", "decision"):
            score = getattr(patient, name)
            wrong.append(abs(score.weights @ score(patient.model) - getattr(operated, f"{name}_score")))

    surgery = SurgeryCallback(RandomSurgeon(), keep_rule=IfBetter(), after_operation=check)
    model.learn(80, surgery)
    assert 0 < surgery.n_kept < surgery.n_operations
    assert max(wrong) < 1e-9


def test_the_decision_is_made_on_items_that_were_never_searched() -> None:
    surgery = SurgeryCallback(NoSurgeon())
    reinforce().learn(8, surgery)
    patient: Any = surgery.env.patient
    assert not set(patient.search.instances) & set(patient.decision.instances)
    assert surgery.n_kept == 0


def test_learning_again_with_the_same_callback_goes_on() -> None:
    model = reinforce()
    surgery = SurgeryCallback(RandomSurgeon())
    model.learn(16, surgery)
    room, n_operations = surgery.env, surgery.n_operations
    model.learn(16, surgery, reset_num_timesteps=False)
    assert surgery.env is room
    assert surgery.n_operations == 2 * n_operations
    reinforce().learn(16, surgery)
    assert surgery.env is not room


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ppo(policy="MlpPolicy"), "has no attention heads"),
        (lambda: ppo(make_batch_vec_env("CartPole-v1", 2, seed=0)), "give patient="),
        (lambda: ppo(VecNormalize(make_batch_vec_env(ECHO, 2, seed=0, obs="onehot"))), "give patient="),
        (lambda: ppo(echo(horizon=3)), "has 3: use EpisodeScore"),
        (lambda: off_policy(DQN, ECHO), "the answers of this DQN cannot be scored from a table"),
        (lambda: ppo(echo(n_symbols=16)), "takes at least 5 items to decide by, and there are 4"),
    ],
    ids=["no-heads", "no-table", "normalised", "several-steps", "no-probabilities", "few-items"],
)
def test_a_learner_that_cannot_be_operated_on_is_refused_before_its_first_step(make: Any, sentence: str) -> None:
    model = make()
    with pytest.raises(ValueError, match=sentence):
        model.learn(64, SurgeryCallback(RandomSurgeon()))
    assert model.num_timesteps == 0


def test_arguments_are_checked_at_the_door() -> None:
    with pytest.raises(ValueError, match="interval must be at least 1"):
        SurgeryCallback(RandomSurgeon(), interval=0)
    with pytest.raises(RuntimeError, match="when learning begins"):
        _ = SurgeryCallback(RandomSurgeon()).env


def success(model: BaseAlgorithm) -> float:
    assert model.env is not None
    world = world_of(model.env)
    assert world is not None
    return float(evaluate_exactly(model, world).success)  # type: ignore[arg-type]  # it is exact here


def test_keeping_everything_harms_a_learner_that_has_learnt() -> None:
    reached = {}
    for name in ("none", "always"):
        scores = []
        for seed in range(2):
            model = REINFORCE("TransformerPolicy", echo(8, n_symbols=8), seed=seed, device="cpu")
            surgery = SurgeryCallback(RandomSurgeon(seed), phases=Phases(680), keep_rule=Always(0.3), seed=seed)
            model.learn(800, surgery if name == "always" else None)
            scores.append(success(model))
        reached[name] = np.mean(scores)
    assert reached["none"] > 0.95
    assert reached["always"] < 0.7
