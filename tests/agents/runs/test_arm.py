from pathlib import Path

import pytest
import yaml

from wmil_agents.runs.arm import parse_arms, split_overrides
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run_folder import begin_folder
from wmil_agents.runs.settings_sources import load_settings


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("policy.width=32", ["policy.width=32"]),
        ("a=1,b=2", ["a=1", "b=2"]),
        ("a={x: 1, y: [2, 3]},b=2", ["a={x: 1, y: [2, 3]}", "b=2"]),
        ('a="1,2",b=3', ['a="1,2"', "b=3"]),
        ("a='}',b=3,", ["a='}'", "b=3"]),
    ],
)
def test_overrides_are_split_at_commas_outside_brackets_and_quotes(text: str, parts: list[str]) -> None:
    assert split_overrides(text) == parts


def test_an_arm_is_a_preset_with_what_is_different_in_it() -> None:
    plain, changed = parse_arms(["mvp", "mvp:policy.width=32,env.arguments.parent={kind: noisy, flip: 0.1}"])
    assert plain.settings == load_settings("mvp")
    assert changed.settings == load_settings(
        "mvp", ["policy.width=32", "env.arguments.parent={kind: noisy, flip: 0.1}"]
    )
    assert changed.name.startswith("mvp:policy.width=32")


def test_overrides_for_all_come_first_and_an_arms_own_win() -> None:
    one, other = parse_arms(["mvp", "mvp:n_envs=4"], ["n_envs=16", "total_steps=80"])
    assert (one.settings.n_envs, other.settings.n_envs) == (16, 4)
    assert one.settings.total_steps == other.settings.total_steps == 80


def test_an_arm_may_be_a_file_or_the_folder_of_a_run(tmp_path: Path) -> None:
    settings = load_settings("mvp", ["policy.width=16"])
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"policy": {"width": 16}}), encoding="utf-8")
    begin_folder(tmp_path / "run", settings)
    own, run = parse_arms([f"{tmp_path / 'own.yaml'}:n_envs=4", str(tmp_path / "run")])
    assert (own.settings.policy.width, own.settings.n_envs) == (16, 4)
    assert run.settings == settings


def test_arms_that_are_written_alike_are_counted() -> None:
    assert [arm.name for arm in parse_arms(["mvp", "mvp", "conditional", "mvp"])] == [
        "mvp",
        "mvp (2)",
        "conditional",
        "mvp (3)",
    ]


def test_a_run_of_an_arm_has_its_own_seed_and_one_thread() -> None:
    (arm,) = parse_arms(["mvp:n_threads=2"])
    assert arm.with_seed(7) == load_settings("mvp", ["seed=7", "n_threads=1"])


def test_an_arm_that_is_told_more_than_rewards_carries_its_mark() -> None:
    plain, taught = parse_arms(["mvp", "mvp:agent=kl_distill"])
    assert (plain.label, taught.label) == ("mvp", "mvp:agent=kl_distill (uses a teacher)")


@pytest.mark.parametrize(
    ("text", "overrides", "sentence"),
    [
        ("mpv", [], "did you mean 'mvp'"),
        ("mpv:policy.width=3", [], "did you mean 'mvp'"),
        ("mvp:width", [], "NAME:setting=value"),
        ("mvp:policy.wdth=3", [], "did you mean 'policy.width'"),
        ("mvp:seed=3", [], "--seeds N"),
        ("mvp", ["seed=3"], "--seeds N"),
        ("mvp:policy.width=none", [], "policy.width"),
    ],
)
def test_an_arm_that_cannot_be_is_refused(text: str, overrides: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_arms([text], overrides)
