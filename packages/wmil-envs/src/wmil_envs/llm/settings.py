"""The settings of a parent that is a language model: plain data, checked, without any secret."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from os import PathLike
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

Provider = Literal["openai", "anthropic"]
Mode = Literal["record", "replay", "live", "refresh"]
OnError = Literal["raise", "fallback", "mask"]
Duty = Literal["instances", "transition", "judge"]
AskBy = Literal["instance", "action"]

DEFAULT_KEYS: Mapping[str, str] = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
"""The environment variable of each provider's key, at the provider's own address."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class BudgetSettings:
    """What may be spent, over all runs that share the store. None is no limit."""

    calls: int | None = 0
    """Live calls, canaries and retries included. The default allows none."""
    tokens: int | None = None
    """Input and output tokens together."""
    dollars: float | None = None
    """Needs both prices."""
    input_price: float | None = None
    """Dollars for a million input tokens."""
    output_price: float | None = None
    """Dollars for a million output tokens."""
    concurrency: int = 8
    """Calls in flight at once, in one process."""
    requests_per_minute: float | None = None
    """Over all processes that share the store."""
    tokens_per_minute: float | None = None
    """Over all processes that share the store."""


@dataclass(frozen=True, kw_only=True)
class LLMSettings:
    """Which model answers, what it is asked, and what may happen on the way."""

    provider: Provider
    """`openai` (Chat Completions, and every compatible server) or `anthropic` (Messages)."""
    model: str
    """The model's name, as the provider spells it."""
    base_url: str | None = None
    """Another server than the provider's own."""
    api_key_env: str | None = None
    """The environment variable with the key. With a base_url it must be named, except on this machine."""
    duties: tuple[Duty, ...] = ("instances", "transition", "judge")
    """What the model does; the rule does the rest."""
    instances_per_level: int = 64
    """The most states that the model is asked to set at a level; all there are, where they are fewer."""
    judges_consistency: bool = False
    """Whether each verdict has a `cons` beside its `goal`."""
    ask_by: AskBy = "instance"
    """One question for all actions of an instance, or one for each action."""
    samples: int = 1
    """Independent verdicts of each question; their mean counts, and their agreement is in the judge card."""
    temperature: float | None = None
    """Sent where it is given; some models refuse it."""
    max_tokens: int = 2_000
    """The longest reply."""
    store: str = "wmil-parent.sqlite"
    """The file of all verdicts and of what was spent."""
    mode: Mode = "record"
    """`record`: ask what the store lacks. `replay`: never ask. `live`: ask without the store. `refresh`: ask again."""
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    """What may be spent."""
    on_error: OnError = "raise"
    """When no verdict comes: `raise`, `fallback` to the rule, or `mask` (the episode is cut and not learnt from)."""
    deadline: float = 60.0
    """Seconds for one question, all attempts and pauses included."""
    attempts: int = 4
    """Tries of one question."""
    breaker: int = 5
    """Questions that fail in a row before nothing is sent any more."""
    canary_every: int = 100
    """Live calls between two canaries (the first comes before the first question); 0 for none."""
    max_fallback_share: float = 0.05
    """Reports refuse to judge a run in which more of the verdicts were the fallback's."""

    def __post_init__(self) -> None:
        _check_choice("provider", self.provider, get_args(Provider))
        _check_choice("mode", self.mode, get_args(Mode))
        _check_choice("on_error", self.on_error, get_args(OnError))
        _check_choice("ask_by", self.ask_by, get_args(AskBy))
        model: Any = self.model
        store: Any = str(self.store) if isinstance(self.store, PathLike) else self.store
        object.__setattr__(self, "store", store)
        for name, value, what in (("model", model, "the model's name"), ("store", store, "a file's path")):
            if not isinstance(value, str) or not value:
                raise ValueError(f"{name} must be {what}, not {value!r}")
        if not isinstance(self.judges_consistency, bool):
            raise ValueError(f"judges_consistency must be true or false, not {self.judges_consistency!r}")
        given: Any = self.duties
        duties = (given,) if isinstance(given, str) else given
        if not isinstance(duties, list | tuple) or not duties:
            raise ValueError(f"duties must name at least one of {', '.join(get_args(Duty))}, not {duties!r}")
        for duty in duties:
            _check_choice("every duty", duty, get_args(Duty))
        object.__setattr__(self, "duties", tuple(duty for duty in get_args(Duty) if duty in duties))
        if isinstance(self.budget, Mapping):
            object.__setattr__(self, "budget", _from_mapping(BudgetSettings, self.budget, "a budget"))
        if not isinstance(self.budget, BudgetSettings):
            raise ValueError(f'a budget names what it limits, such as {{"calls": 100}}; it cannot be {self.budget!r}')
        for name in ("instances_per_level", "samples", "max_tokens", "attempts", "breaker"):
            _check_number(name, getattr(self, name), 1, whole=True)
        _check_number("canary_every", self.canary_every, 0, whole=True)
        if self.temperature is not None:
            _check_number("temperature", self.temperature, 0.0)
        _check_number("deadline", self.deadline, 0.0)
        _check_number("max_fallback_share", self.max_fallback_share, 0.0)
        _check_budget(self.budget)
        self._check_key()

    def _check_key(self) -> None:
        if self.api_key_env is not None and not _VARIABLE.fullmatch(str(self.api_key_env)):
            raise ValueError(  # which is not repeated: it may be the key
                "api_key_env must be the name of an environment variable, such as MY_SERVER_KEY, never the key itself"
            )
        if self.base_url is None:
            return
        address = urlsplit(str(self.base_url))
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"base_url must be an http(s) address, not {self.base_url!r}")
        if address.username or address.password or address.query:
            raise ValueError("base_url must hold no user, password or query: keys come from api_key_env only")
        if self.api_key_env is None and address.hostname not in LOOPBACK:
            raise ValueError(
                f"a base_url of one's own needs api_key_env, the name of the environment variable with that server's "
                f"key: the key of {self.provider} is not sent to {address.hostname}"
            )

    @property
    def key_variable(self) -> str | None:
        """The environment variable that holds the key; None for a server on this machine that needs none."""
        if self.api_key_env is not None or self.base_url is not None:
            return self.api_key_env
        return DEFAULT_KEYS[self.provider]

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which `from_dict` makes equal settings; what is at its default is left out."""
        plain = _changed(self)
        if "budget" in plain:
            plain["budget"] = _changed(self.budget)
        if "duties" in plain:
            plain["duties"] = list(self.duties)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> LLMSettings:
        """Checked settings.

        Raises:
            ValueError: an unknown name, a missing one, or a value that cannot be.
        """
        settings: LLMSettings = _from_mapping(cls, plain, "a parent of kind 'llm'")
        return settings


def _changed(settings: LLMSettings | BudgetSettings) -> dict[str, Any]:
    """What is not at its default."""

    def default(one: Field[Any]) -> Any:
        return one.default_factory() if one.default_factory is not MISSING else one.default

    values = {one.name: getattr(settings, one.name) for one in fields(settings)}
    return {one.name: values[one.name] for one in fields(settings) if values[one.name] != default(one)}


def _from_mapping(kind: type[Any], given: Mapping[str, Any], what: str) -> Any:
    known = [one.name for one in fields(kind)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(known)}"
            raise ValueError(f"{what} takes no {name!r}{hint}")
    needed = [one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING]
    if missing := [name for name in needed if name not in given]:
        raise ValueError(f"{what} needs {' and '.join(missing)}")
    return kind(**given)


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _check_number(name: str, value: Any, least: float, *, whole: bool = False) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value < float("inf"):
        raise ValueError(f"{name} must be a {'whole ' if whole else ''}number of at least {least}, not {value!r}")


def _check_budget(budget: BudgetSettings) -> None:
    for one in fields(budget):
        value = getattr(budget, one.name)
        if value is not None:
            _check_number(f"budget.{one.name}", value, 1 if one.name == "concurrency" else 0)
    if budget.dollars is not None and (budget.input_price is None or budget.output_price is None):
        raise ValueError("a budget in dollars needs input_price and output_price, in dollars for a million tokens")
