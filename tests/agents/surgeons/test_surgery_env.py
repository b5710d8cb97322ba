from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_for_sb3

from wmil_agents.surgeons import FAULTS, HeadReadings, KeepRule, Patient, SurgeryEnv, mean_score
from wmil_agents.surgery import Add, Custom, Gains, HeadMask, LayerNormGain, Scale, SurgicalTheater

MakePatient = Callable[..., Patient]
Bits = Callable[[Patient], dict[str, bytes]]
N_HEADS = 4
QUERY = "features_extractor.transformer.blocks.0.attention.heads.0.query"


@pytest.fixture
def env(patient: Patient) -> SurgeryEnv:
    return SurgeryEnv(patient)


def actions(env: SurgeryEnv, n: int = 4, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, env.action_space.shape).astype(np.float32) for _ in range(n)]


def operated(env: SurgeryEnv, chosen: list[np.ndarray]) -> tuple[list[float], dict[str, Any]]:
    """Rewards and the last info of an episode that was reset before."""
    steps = [env.step(action) for action in chosen]
    assert [step[2] for step in steps] == [False] * (len(steps) - 1) + [True]
    return [step[1] for step in steps], steps[-1][4]


# What Gymnasium and Stable-Baselines3 ask of an environment.


@pytest.mark.parametrize("render_mode", [None, "ansi"])
def test_gymnasium_and_stable_baselines_find_nothing_wrong(patient: Patient, render_mode: str | None) -> None:
    check_env(SurgeryEnv(patient, render_mode=render_mode), skip_render_check=True)
    check_for_sb3(SurgeryEnv(patient, render_mode=render_mode))


def test_spaces_and_names_fit_the_observation(env: SurgeryEnv) -> None:
    observation, info = env.reset(seed=0)
    assert env.action_space.shape == (2 * N_HEADS,)
    assert env.observation_space.contains(observation)
    assert len(env.observation_names) == len(observation)
    named = dict(zip(env.observation_names, observation.tolist(), strict=True))
    assert named["search_score"] == pytest.approx(info["search_score"])
    assert named["edits_left"] == 1.0
    assert info["fault"] == "random_damage"


def test_the_same_seed_and_actions_give_the_same_episodes(make_small: MakePatient) -> None:
    seen = []
    for _ in range(2):
        env = SurgeryEnv(make_small(), faults=tuple(FAULTS))
        trace: list[Any] = []
        for episode in range(3):
            observation, info = env.reset(seed=7 if episode == 0 else None)
            trace += [observation.tobytes(), info["fault"]]
            trace += [env.step(action)[:2] for action in actions(env)]
        seen.append([item if isinstance(item, bytes | str) else (item[0].tobytes(), item[1]) for item in trace])
    assert seen[0] == seen[1]


# What an action does.


def test_an_action_of_zeros_changes_no_bit(env: SurgeryEnv) -> None:
    observation, info = env.reset(seed=0)
    zero = np.zeros(env.action_space.shape, np.float32)
    with env.operating():
        before = {name: tensor.clone() for name, tensor in env.theater.module.state_dict().items()}
    for _ in range(env.n_edits - 1):
        after, reward, *_, step_info = env.step(zero)
        assert reward == 0.0
        assert step_info["search_score"] == info["search_score"]
        assert after[:-1].tobytes() == observation[:-1].tobytes()
        with env.operating():
            assert all(torch.equal(tensor, before[name]) for name, tensor in env.theater.module.state_dict().items())


def test_actions_add_up_on_top_of_the_fault(env: SurgeryEnv) -> None:
    fault = FAULTS["random_damage"].draw(env.patient.model, np.random.default_rng(3))
    env.reset(options={"fault": fault})
    first, second = actions(env, 2)
    env.step(first)
    _, _, _, _, info = env.step(second)
    expected = 0.5 * first.astype(float) + 0.5 * second.astype(float)
    np.testing.assert_allclose(env.strengths, expected)
    model = env.patient.model
    with SurgicalTheater(model, fault), SurgicalTheater(model, Gains("*", expected.tolist())):
        assert mean_score(env.patient.search, model) == pytest.approx(info["search_score"], abs=1e-12)


def test_the_return_is_the_change_of_the_search_score(env: SurgeryEnv) -> None:
    _, begun = env.reset(seed=1)
    rewards, info = operated(env, actions(env))
    assert any(abs(reward) > 0.01 for reward in rewards)
    assert sum(rewards) == pytest.approx(10.0 * (info["search_score"] - begun["search_score"]))


def test_the_reward_is_of_the_search_score_and_of_no_other(make_small: MakePatient) -> None:
    patient = make_small()
    swapped = Patient(patient.model, patient.held_out, patient.decision, patient.search)
    rewards = []
    for one in (patient, swapped):
        env = SurgeryEnv(one)
        env.reset(seed=1)
        rewards.append(operated(env, actions(env))[0])
    assert not np.allclose(rewards[0], rewards[1])


def test_settings_count(make_small: MakePatient) -> None:
    env = SurgeryEnv(make_small(), n_edits=1, max_change=0.25, reward_scale=3.0, edits=[LayerNormGain("*", 0.3)])
    _, begun = env.reset(seed=0)
    assert env.strengths == [0.0]
    _, reward, terminated, truncated, info = env.step(np.ones(1, np.float32))
    assert (terminated, truncated) == (True, False)
    assert env.strengths == [0.25]
    assert reward == pytest.approx(3.0 * (info["search_score"] - begun["search_score"]))


# What it sees.


def test_the_readings_are_those_of_the_damaged_and_edited_model(env: SurgeryEnv) -> None:
    env.reset(seed=0)
    observation, *_ = env.step(actions(env)[0])
    with env.operating():
        expected = HeadReadings(env.patient.model).read(env.patient.search.observations)
    assert (observation[: len(expected)] == expected).all()
    healthy = HeadReadings(env.patient.model).read(env.patient.search.observations)
    assert not np.allclose(observation[: len(expected)], healthy, atol=1e-3)


def test_every_strength_moves_the_observation(env: SurgeryEnv) -> None:
    """Who permutes or cuts out readings, or shows always the same, is found here."""
    observation, _ = env.reset(seed=0)
    for number in range(env.action_space.shape[0]):
        env.reset(seed=0)
        action = np.zeros(env.action_space.shape, np.float32)
        action[number] = 1.0
        moved, *_ = env.step(action)
        is_query, head = number < N_HEADS, number % N_HEADS
        own = env.observation_names.index(f"{env.readings.heads[head]}.{'entropy' if is_query else 'log_rms'}")
        assert abs(moved[own] - observation[own]) > (1e-4 if is_query else 0.4)


def test_without_faults_the_model_is_seen_as_it_is(patient: Patient) -> None:
    env = SurgeryEnv(patient, faults=())
    observation, info = env.reset(seed=0)
    assert info == {"search_score": mean_score(patient.search, patient.model), "fault": "none"}
    assert (observation[: 2 * N_HEADS] == env.readings.read(patient.search.observations)).all()
    _, end = operated(env, actions(env))
    assert end["held_out_before"] == end["held_out_healthy"]
    assert math.isnan(end["regained"])


def test_each_fault_is_seen_and_an_episode_draws_one_of_them(patient: Patient) -> None:
    env = SurgeryEnv(patient, faults=tuple(FAULTS))
    drawn = {env.reset(seed=seed)[1]["fault"] for seed in range(40)}
    assert drawn == set(FAULTS)
    healthy, _ = env.reset(options={"fault": None})
    for name in FAULTS:
        observation, info = env.reset(options={"fault": name})
        assert info["fault"] == name
        assert np.abs(observation - healthy).max() > 1e-3
    assert env.reset(options={"fault": HeadMask("*", 1.0, head=0)})[1]["fault"] == "given"
    assert env.reset(options={"fault": ()})[1]["fault"] == "none"


# What is told at the end.


def test_the_end_tells_what_was_regained_of_held_out_instances(env: SurgeryEnv) -> None:
    patient = env.patient
    fault = Gains("*", [3.0] * (2 * N_HEADS))
    env.reset(options={"fault": fault})
    _, info = operated(env, actions(env))
    healthy = mean_score(patient.held_out, patient.model)
    with SurgicalTheater(patient.model, fault):
        damaged = mean_score(patient.held_out, patient.model)
        with SurgicalTheater(patient.model, Gains("*", env.strengths)):
            after = mean_score(patient.held_out, patient.model)
    assert info["held_out_healthy"] == healthy
    assert info["held_out_before"] == damaged
    assert info["held_out"] == pytest.approx(after, abs=1e-12)
    expected = (after - damaged) / (healthy - damaged) if healthy > damaged else math.nan
    assert info["regained"] == pytest.approx(expected, nan_ok=True)


def test_undoing_the_damage_regains_all(env: SurgeryEnv) -> None:
    damage = np.full(2 * N_HEADS, -0.8)
    lost = 0.0
    for sign in (-1, 1):
        env.reset(options={"fault": Gains("*", (sign * damage).tolist())})
        env.set_strengths(-sign * damage)
        info = env.conclude()
        assert info["held_out"] == pytest.approx(info["held_out_healthy"], abs=1e-5)
        lost = max(lost, info["held_out_healthy"] - info["held_out_before"])
        assert math.isnan(info["regained"]) or info["regained"] == pytest.approx(1.0, abs=1e-3)
    assert lost > 1e-3


def test_held_out_scores_can_be_left_out(patient: Patient) -> None:
    env = SurgeryEnv(patient, measure_held_out=False, keep_rule=0.05)
    env.reset(seed=0)
    _, info = operated(env, actions(env))
    assert set(info) == {"search_score", "kept", "p_value", "decision_gain"}


# Surgeons that look closer.


def test_strengths_can_be_tried_without_steps_and_every_evaluation_is_counted(env: SurgeryEnv) -> None:
    _, begun = env.reset(seed=0)
    assert env.n_evaluations == 1
    env.set_strengths([0.3] * (2 * N_HEADS))
    tried = env.search_score()
    assert tried != begun["search_score"]
    env.set_strengths([0.0] * (2 * N_HEADS))
    assert env.search_score() == begun["search_score"]
    env.step(actions(env)[0])
    assert env.n_evaluations == 4
    env.set_strengths([0.3] * (2 * N_HEADS))
    info = env.conclude()
    assert info["search_score"] == tried, "it is told for the strengths that were left"
    assert env.n_evaluations == 4
    with pytest.raises(ResetNeeded):
        env.conclude()


def test_blocks_can_be_nested_and_strengths_take_effect_at_once(env: SurgeryEnv, bits: Bits) -> None:
    healthy = bits(env.patient)
    env.reset(seed=0)
    with env.operating() as theater:
        damaged = bits(env.patient)
        assert damaged != healthy
        env.set_strengths([0.2] * (2 * N_HEADS))
        assert bits(env.patient) != damaged
        inside = mean_score(env.patient.search, env.patient.model)
        assert env.search_score() == inside
        assert theater is env.theater
        with pytest.raises(RuntimeError, match="leave `operating` first"):
            env.reset()
        with pytest.raises(RuntimeError, match="leave the block first"):
            env.state_dict()
        info = env.conclude()
    assert info["search_score"] == inside
    assert bits(env.patient) == healthy


# What becomes of the model.


def test_between_two_calls_the_model_has_its_own_bits(env: SurgeryEnv, bits: Bits) -> None:
    healthy = bits(env.patient)
    for _ in range(3):
        env.reset()
        assert bits(env.patient) == healthy
        for action in actions(env):
            env.step(action)
            assert bits(env.patient) == healthy
    env.reset()
    env.step(actions(env)[0])
    env.close()
    assert bits(env.patient) == healthy
    with pytest.raises(ResetNeeded):
        env.step(actions(env)[0])


def test_after_an_exception_the_model_and_the_episode_are_as_before(env: SurgeryEnv, bits: Bits) -> None:
    healthy = bits(env.patient)
    env.reset(seed=0)
    env.step(actions(env)[0])
    strengths, second = env.strengths, actions(env)[1]

    def stop(*_: object) -> None:
        raise ZeroDivisionError

    handle = env.patient.model.action_net.register_forward_hook(stop)
    with pytest.raises(ZeroDivisionError):
        env.step(second)
    with pytest.raises(ZeroDivisionError), env.operating():
        env.search_score()
    handle.remove()
    assert bits(env.patient) == healthy
    assert env.strengths == strengths
    after = env.step(second)

    again = SurgeryEnv(env.patient)
    again.reset(seed=0)
    again.step(actions(env)[0])
    expected = again.step(second)
    assert after[0].tobytes() == expected[0].tobytes()
    assert after[1:] == expected[1:]


def test_training_flags_and_generators_are_left_alone(env: SurgeryEnv) -> None:
    env.patient.model.train()
    env.patient.model.features_extractor.eval()
    flags = [part.training for part in env.patient.model.modules()]
    state = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002  # the global one
    env.reset(seed=0)
    operated(env, actions(env))
    assert [part.training for part in env.patient.model.modules()] == flags
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.random.get_state()[1].tolist() == state[1]  # noqa: NPY002 (the global generator is what is tested)


def test_what_helps_is_kept_and_what_does_not_is_reverted(make_small: MakePatient, bits: Bits) -> None:
    patient = make_small()
    with torch.no_grad():  # a model that can be improved: one head shouts
        weights = dict(patient.model.named_parameters())["features_extractor.transformer.blocks.0.attention.qkv.weight"]
        weights[32:40] *= 0.01
    verdicts = set()
    env = SurgeryEnv(patient, faults=(), keep_rule=KeepRule(0.4))
    for seed in range(12):
        before = bits(patient)
        decision_before = mean_score(patient.decision, patient.model)
        env.reset(seed=seed)
        _, info = operated(env, actions(env, seed=seed))
        gain = mean_score(patient.decision, patient.model) - decision_before
        verdicts.add(info["kept"])
        if info["kept"]:
            assert bits(patient) != before
            assert info["p_value"] <= 0.4
            assert gain == pytest.approx(info["decision_gain"], abs=1e-9)
            assert info["decision_gain"] > 0
            assert info["held_out"] == mean_score(patient.held_out, patient.model)
        else:
            assert bits(patient) == before
            assert info["held_out"] == info["held_out_before"] == mean_score(patient.held_out, patient.model)
    assert verdicts == {True, False}


def test_a_fault_is_undone_even_where_the_edits_on_top_of_it_are_kept(patient: Patient, bits: Bits) -> None:
    env = SurgeryEnv(patient, keep_rule=KeepRule(0.999), n_edits=1)
    healthy, kept = bits(patient), []
    for seed in range(8):
        env.reset(seed=seed)
        _, info = operated(env, actions(env, 1, seed))
        kept.append(info["kept"])
        assert bits(patient) == healthy
        assert (info["held_out"] == info["held_out_before"]) == (not info["kept"])
    assert any(kept)
    assert not all(kept)


def test_keep_rules_decide_the_same_again(patient: Patient) -> None:
    ends = []
    for _ in range(2):
        env = SurgeryEnv(patient, keep_rule=0.05)
        env.reset(seed=5)
        ends.append(operated(env, actions(env))[1])
    assert ends[0] == ends[1]


# How it looks.


def test_it_renders_a_table_of_heads(patient: Patient) -> None:
    env = SurgeryEnv(
        patient, render_mode="ansi", edits=[Gains(), LayerNormGain("*", 0.0), Scale("action_net.bias", 0.0)]
    )
    env.reset(seed=0)
    env.step(np.linspace(-1, 1, 10).astype(np.float32))
    title, head, *lines = str(env.render()).splitlines()
    assert title.startswith("fault: random_damage   edits: 1 of 4   search score: 0.")
    assert head.split() == ["entropy", "log", "rms", "query", "value"]
    assert len(lines) == N_HEADS + 2
    for number, line in enumerate(lines[:N_HEADS]):
        name, entropy, log_rms, query, value = line.split()
        assert name == env.readings.heads[number]
        assert float(query) == pytest.approx(env.strengths[number], abs=1e-3)
        assert float(value) == pytest.approx(env.strengths[N_HEADS + number], abs=1e-3)
        assert 0 <= float(entropy) <= 1
        assert math.isfinite(float(log_rms))
    assert lines[-2:] == ["layer_norm_gain *: +0.389", "action_net.bias: +0.500"]
    assert SurgeryEnv(patient).render() is None


# What is refused at the door.


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_edits": 0}, "n_edits must be at least 1, not 0"),
        ({"max_change": 0.0}, "max_change must be a positive number"),
        ({"reward_scale": math.inf}, "reward_scale must be a positive number, not inf"),
        ({"faults": ("broken_leg",)}, "must be one of random_damage, one_wrong_gain, .*, not 'broken_leg'"),
        ({"faults": "random_damage"}, "faults must be several names"),
        ({"render_mode": "human"}, "render_mode must be None or 'ansi'"),
        ({"edits": ()}, "edits must name at least one"),
        ({"edits": Add("nothing.*", 0.0, 1.0)}, "nothing that is called"),
        ({"keep_rule": 2.0}, "alpha must lie between 0 and 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(patient: Patient, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SurgeryEnv(patient, **settings)


def test_a_model_without_heads_is_refused() -> None:
    score: Any = None
    with pytest.raises(ValueError, match="has no attention heads that could be read"):
        SurgeryEnv(Patient(torch.nn.Linear(2, 2), score, score, score), edits=Scale("weight", 0.0))


def test_calls_at_the_wrong_moment_and_with_the_wrong_things_are_refused(env: SurgeryEnv) -> None:
    zero = np.zeros(env.action_space.shape, np.float32)
    for call in (lambda: env.step(zero), env.search_score, env.conclude, lambda: env.set_strengths(zero)):
        with pytest.raises(ResetNeeded, match="call reset first"):
            call()
    with pytest.raises(ResetNeeded), env.operating():
        pass
    with pytest.raises(ValueError, match="takes the option 'fault', not 'damage'"):
        env.reset(options={"damage": 1})
    with pytest.raises(ValueError, match="a fault must be one of"):
        env.reset(options={"fault": "broken_leg"})
    with pytest.raises(ValueError, match="nothing that is called"):
        env.reset(options={"fault": Scale("nowhere", 1.0)})
    with pytest.raises(ResetNeeded):
        env.step(zero)
    env.reset(seed=0)
    for wrong, sentence in (
        (zero[:3], "must have the shape"),
        (zero + 1.5, "between -1 and 1"),
        (zero + np.nan, "between -1 and 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            env.step(wrong)
    with pytest.raises(ValueError, match="take 8 strengths, not 3"):
        env.set_strengths([0.0] * 3)
    operated(env, [zero] * 4)
    with pytest.raises(ResetNeeded):
        env.step(zero)


# Going on elsewhere.


def test_a_state_goes_on_to_the_same_bits_in_the_middle_of_an_episode(make_small: MakePatient, bits: Bits) -> None:
    settings: dict[str, Any] = {"faults": tuple(FAULTS), "keep_rule": KeepRule(0.4)}
    env = SurgeryEnv(make_small(), **settings)
    env.action_space.seed(1)
    env.reset(seed=3)
    env.step(actions(env)[0])
    state = env.state_dict()
    other = SurgeryEnv(make_small(seed=9), **settings)
    other.load_state_dict(state)
    assert bits(other.patient) == bits(env.patient)
    assert other.n_evaluations == env.n_evaluations
    futures = []
    for one in (env, other):
        ended = operated(one, actions(env)[1:])
        begun, info = one.reset()
        futures.append([str(ended), begun.tobytes(), info, one.step(one.action_space.sample())[0].tobytes()])
    assert futures[0] == futures[1]


def test_states_that_do_not_fit_are_refused(make_small: MakePatient) -> None:
    env = SurgeryEnv(make_small())
    with pytest.raises(ValueError, match="of a model with other weights"):
        SurgeryEnv(make_small(n_layers=1)).load_state_dict(env.state_dict())
    env.reset(options={"fault": Custom("action_net.weight", 1.0, lambda x, s: x * s)})
    with pytest.raises(TypeError, match="holds a function, which is no plain data"):
        env.state_dict()
    with env.operating(), pytest.raises(RuntimeError, match="leave the block first"):
        env.load_state_dict({})


def test_it_is_made_by_its_id(patient: Patient) -> None:
    made = gym.make("wmil_agents:WMIL/Surgery-v0", patient=patient, n_edits=2)
    assert made.unwrapped.patient is patient
    made.reset(seed=0)
    assert made.step(np.zeros(2 * N_HEADS, np.float32))[2] is False
