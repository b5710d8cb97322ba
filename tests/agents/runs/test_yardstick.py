import pytest

from wmil_agents.runs.arm import parse_arms
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.yardstick import common_yardstick

SMALL = ["policy.width=16", "policy.n_layers=1"]


def test_success_has_its_floor_its_ceiling_and_a_threshold() -> None:
    yardstick = common_yardstick(parse_arms(["mvp", "mvp:agent=random"], SMALL))
    assert (yardstick.score, yardstick.column) == ("success", "success")
    assert (yardstick.floor, yardstick.ceiling, yardstick.threshold) == (0.125, 1.0, 0.95)
    assert (yardstick.divisors, yardstick.last_step, yardstick.notes) == ((1, 1), None, ())


def test_a_hidden_rule_lowers_the_ceiling() -> None:
    yardstick = common_yardstick(parse_arms(["sequence-next", "sequence-next"], ["env.arguments.level=5", *SMALL]))
    assert yardstick.ceiling == pytest.approx(0.5)
    assert yardstick.threshold == pytest.approx(0.95 * 0.5)


def test_an_environment_without_tables_is_held_against_the_return_that_counts_as_solved() -> None:
    yardstick = common_yardstick(parse_arms(["history-cartpole", "history-cartpole:agent=random"], SMALL))
    assert (yardstick.score, yardstick.column) == ("return", "return")
    assert (yardstick.floor, yardstick.ceiling, yardstick.threshold) == (None, None, 475.0)


def test_unequal_horizons_are_compared_per_step_only() -> None:
    arms = parse_arms(["mvp:env.arguments.horizon=2", "mvp:env.arguments.horizon=4"], SMALL)
    with pytest.raises(InputError, match=r"horizon=4 has 4 steps.*horizon=2 2.*--per-step"):
        common_yardstick(arms)
    yardstick = common_yardstick(arms, per_step=True)
    assert (yardstick.score, yardstick.column) == ("return per step", "return")
    assert (yardstick.floor, yardstick.ceiling, yardstick.divisors) == (0.125, 1.0, (2, 4))


def test_unequal_lengths_are_compared_per_step_only_and_where_the_shorter_one_ends() -> None:
    arms = parse_arms(["mvp", "mvp:total_steps=400"], SMALL)
    with pytest.raises(InputError, match=r"400 steps and mvp for 10,000.*--per-step"):
        common_yardstick(arms)
    yardstick = common_yardstick(arms, per_step=True)
    assert yardstick.last_step == 400
    assert "at step 400" in yardstick.notes[0]


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        ("mvp:env.arguments.n_symbols=4", r"success by chance is 0.2500 for mvp:env.arguments.n_symbols=4 and 0.1250"),
        ("mvp:env.arguments.parent={kind: noisy, flip: 0.1}", "random return is 0.2000"),
        ("sequence-next:env.arguments.level=5", "highest success is 0.5000"),
        ("history-cartpole:total_steps=10000", "an episode of history-cartpole:total_steps=10000 has 500 steps"),
    ],
)
def test_scores_with_other_floors_or_ceilings_are_refused(arm: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        common_yardstick(parse_arms(["mvp", arm], SMALL))


def test_without_tables_only_one_environment_can_be_compared() -> None:
    sizes = ["policy.width=16", "policy.n_layers=1"]
    arms = parse_arms(["history-cartpole", "history-cartpole:env.arguments.sutton_barto_reward=true"], sizes)
    with pytest.raises(InputError, match="compare arms of one environment"):
        common_yardstick(arms)
    arms = parse_arms(["history-cartpole", "history-cartpole:evaluation.return_threshold=100"], sizes)
    with pytest.raises(InputError, match="return that counts as solved is 100"):
        common_yardstick(arms)


def test_other_environment_settings_with_the_same_floors_and_ceilings_are_told() -> None:
    yardstick = common_yardstick(parse_arms(["mvp", "mvp:env.arguments.level=0"], SMALL))
    assert yardstick.notes == ("The arms have different environment settings.",)


def test_an_arm_that_cannot_be_built_is_named() -> None:
    with pytest.raises(InputError, match=r"the arm mvp:env\.arguments\.level=9: .*levels"):
        common_yardstick(parse_arms(["mvp", "mvp:env.arguments.level=9"], SMALL))
