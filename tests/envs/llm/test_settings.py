"""What the settings of a language-model parent refuse, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wmil_envs.llm.settings import BudgetSettings, LLMSettings

NEEDED = {"provider": "openai", "model": "some-model"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"provider": "someone"}, "provider must be one of openai, anthropic"),
        ({"model": ""}, "model must be the model's name"),
        ({"modell": "m"}, "did you mean 'model'"),
        ({"store": 3}, "store must be a file's path"),
        ({"duties": 3}, "duties must name at least one"),
        ({"duties": []}, "duties must name at least one"),
        ({"duties": ["jugde"]}, "every duty must be one of"),
        ({"judges_consistency": "no"}, "judges_consistency must be true or false"),
        ({"temperature": "warm"}, "temperature must be a number"),
        ({"samples": 0}, "samples must be a whole number of at least 1"),
        ({"budget": 3}, "a budget names what it limits"),
        ({"budget": None}, "a budget names what it limits"),
        ({"budget": {"calls": True}}, "budget.calls must be a number"),
        ({"budget": {"call": 3}}, "did you mean 'calls'"),
        ({"budget": {"dollars": 1.0}}, "needs input_price and output_price"),
        ({"base_url": "ftp://here"}, "base_url must be an http"),
        ({"base_url": "https://a:b@example.org/v1"}, "no user, password or query"),
        ({"base_url": "https://example.org/v1"}, "needs api_key_env"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        LLMSettings.from_dict({**NEEDED, **given})


def test_a_key_in_place_of_the_name_of_its_variable_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="never the key itself") as refused:
        LLMSettings.from_dict({**NEEDED, "api_key_env": "sk-proj-0123"})
    assert "0123" not in str(refused.value)


def test_a_key_is_no_setting_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="did you mean 'api_key_env'") as refused:
        LLMSettings.from_dict({**NEEDED, "api_key": "sk-proj-0123"})
    assert "0123" not in str(refused.value)


def test_plain_data_make_equal_settings() -> None:
    settings = LLMSettings(
        provider="anthropic", model="m", duties=("judge",), store="here", budget=BudgetSettings(calls=3)
    )
    plain = settings.to_dict()
    assert plain == {
        "provider": "anthropic",
        "model": "m",
        "duties": ["judge"],
        "store": "here",
        "budget": {"calls": 3},
    }
    assert LLMSettings.from_dict(plain) == settings


def test_the_store_may_be_a_path() -> None:
    assert LLMSettings.from_dict({**NEEDED, "store": Path("here")}).to_dict()["store"] == "here"
