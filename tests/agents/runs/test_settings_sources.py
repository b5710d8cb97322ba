import inspect
import math
from pathlib import Path

import pytest
import yaml

from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings, preset_names
from wmil_agents.runs.settings_text import settings_text


@pytest.mark.parametrize("name", ["mvp", "sequence-next", "conditional", "history-cartpole"])
def test_every_preset_loads_under_its_own_name(name: str) -> None:
    assert name in preset_names()
    assert load_settings(name).name == name


def test_the_locked_experiment_is_as_it_was_locked() -> None:
    settings = load_settings("mvp")
    assert settings.env.id == "WMIL/PatternEcho-v0"
    assert settings.env.arguments == {"n_symbols": 8, "horizon": 1, "parent": "rule"}
    assert settings.learner.algorithm == "REINFORCE"
    assert settings.learner.arguments == {"baseline": "running_mean"}
    assert (settings.policy.n_layers, settings.policy.width) == (2, 64)
    assert (settings.n_envs, settings.total_steps, settings.ablation) == (8, 10_000, "none")
    assert settings.world_model.scale > 0.0


def test_a_file_and_overrides_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\npolicy: {width: 32}\n", encoding="utf-8")
    settings = load_settings(
        str(path), ["policy.n_layers=1", "total_steps=2e4", "env.arguments.parent={kind: noisy, flip: 0.1}"]
    )
    assert (settings.name, settings.policy.width, settings.policy.n_layers) == ("mine", 32, 1)
    assert settings.total_steps == 20_000
    assert settings.env.arguments == {"parent": {"kind": "noisy", "flip": 0.1}}


def test_numbers_with_exponents_are_numbers_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "learner:\n  arguments: {learning_rate: 1e-3, max_grad_norm: inf}\ntotal_steps: 2E4\n", encoding="utf-8"
    )
    settings = load_settings(str(path), ["env.arguments={a: .5e1, b: 1.5e-1, c: e3, d: '1e3', info: nano, e: 1e3x}"])
    assert settings.learner.arguments == {"learning_rate": 1e-3, "max_grad_norm": math.inf}
    assert settings.total_steps == 20_000
    assert settings.env.arguments == {"a": 5, "b": 0.15, "c": "e3", "d": "1e3", "info": "nano", "e": "1e3x"}
    path.write_text(settings_text(settings), encoding="utf-8")
    assert load_settings(str(path)) == settings


def test_the_last_override_wins() -> None:
    assert load_settings("mvp", ["seed=1", "seed=2"]).seed == 2


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("", encoding="utf-8")
    assert load_settings(str(path)) == Settings()


def test_settings_survive_a_file(tmp_path: Path) -> None:
    settings = load_settings("mvp", ["seed=3", "learner.arguments.learning_rate=0.5"])
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
    assert load_settings(str(path)) == settings


def test_every_setting_has_a_sentence() -> None:
    sections = [Settings, *(field.annotation for field in Settings.model_fields.values())]
    for section in sections:
        for name, field in getattr(section, "model_fields", {}).items():
            assert field.description, f"{section.__name__}.{name}"
            assert field.description.endswith(".")


@pytest.mark.parametrize(
    ("section", "owner"),
    [("world_model", WorldModelLoss), ("policy", TransformerExtractor), ("policy", TransformerPolicy)],
)
def test_defaults_are_those_of_what_is_set(section: str, owner: type) -> None:
    parameters = inspect.signature(owner).parameters
    defaults = getattr(Settings(), section).model_dump()
    shared = {name: value for name, value in defaults.items() if name in parameters}
    assert shared
    assert shared == {name: parameters[name].default for name in shared}


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("polcy.width=3", "no setting 'polcy'; did you mean 'policy'"),
        ("policy.widht=3", "no setting 'policy.widht'; did you mean 'policy.width'"),
        ("policy.width=0", "policy.width .* greater than or equal to 1, not 0"),
        ("policy.width=wide", "policy.width .* valid integer, not 'wide'"),
        ("policy.width=true", "policy.width .* valid integer, not True"),
        ("policy.width=2.5", "policy.width .* valid integer, not 2.5"),
        ("learner.algorithm=SAC", "learner.algorithm .*'REINFORCE', 'A2C' or 'PPO', not 'SAC'"),
        ("ablation=everything", "ablation .* not 'everything'"),
        ("world_model.scale=.nan", "world_model.scale .* finite number"),
        ("name=a/b", "name .* letters, digits, .* not 'a/b'"),
        ("history.length=1", "history.length .*: it should be at least 2, or null for no history, not 1"),
        ("history.length=0", "history.length .*: it should be at least 2, or null for no history, not 0"),
        ("env.arguments={level: 0, level: 1}", "not valid YAML"),
        ("seed=-1", "seed .* greater than or equal to 0"),
        ("policy", "form name=value"),
        ("=3", "form name=value"),
        ("seed.a=3", "seed"),
        ("policy.width=[", "not valid YAML"),
        ("policy=3", "policy .* holds settings by name, such as policy.width, not 3"),
    ],
)
def test_a_bad_override_is_refused_in_one_sentence(override: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as error:
        load_settings("mvp", [override])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("policy: {width: [", "not valid YAML"),
        ("policy:\n\twidth: 3", "not valid YAML"),
        ("seed: 1\nname: x\nseed: 2\n", "'seed' is given twice"),
        ("policy: {width: 8, width: 16}", "'width' is given twice"),
        ("- 1\n- 2\n", "settings by name"),
        ("1: 2\n", "settings by name"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("totl_steps: 3", "did you mean 'total_steps'"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=sentence) as error:
        load_settings(str(path))
    assert "\n" not in str(error.value)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent.yaml", tmp_path / "binary.yaml"):
        with pytest.raises(InputError, match="cannot be read"):
            load_settings(str(path))
    with pytest.raises(InputError, match="'mpv' is neither a preset nor a YAML file; did you mean 'mvp'"):
        load_settings("mpv")
