"""Settings from a preset or a YAML file, with overrides of the form a.b=value."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from wmil_agents.runs.input_error import InputError, nearest
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_text import NUMBER, NUMBER_BEGINS, NUMBER_TAG

YAML_ENDINGS = {".yaml", ".yml"}


class _Loader(yaml.SafeLoader):
    """The safe loader; 1e-3 is a number, and a key given twice, of which YAML silently keeps the last, is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping as a dict."""
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    return _whole(float(node.value))


_Loader.add_implicit_resolver(NUMBER_TAG, NUMBER, NUMBER_BEGINS)
_Loader.add_constructor(NUMBER_TAG, _number)


def preset_names() -> list[str]:
    """The names of the presets."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _presets() if entry.name.endswith(".yaml"))


def load_settings(source: str, overrides: Sequence[str] = ()) -> Settings:
    """The settings of a preset or a file, with overrides.

    Args:
        source: the name of a preset, or the path of a YAML file.
        overrides: such as `"policy.width=32"`, the value in YAML; later ones win.

    Raises:
        InputError: no such preset or file, text that is no YAML, or settings that are unknown or out of range.
    """
    document = _document(source)
    for override in overrides:
        set_override(document, override)
    _refuse_unknown(document, Settings, ())
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"the setting {name} ({source}) is not valid: {_wanted(name, first['type'], first['msg'])}, "
            f"not {first['input']!r}"
        ) from None


def _wanted(name: str, kind: str, message: str) -> str:
    """What a setting should be, in words."""
    if kind == "model_type":
        first = next(iter(getattr(Settings(), name).model_dump()))
        return f"it holds settings by name, such as {name}.{first}"
    if name == "name":
        return "it should be letters, digits, '.', '_' and '-', the first one a letter or a digit"
    message = message.removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}"


def _presets() -> Any:
    return files("wmil_agents.presets").iterdir()


def _document(source: str) -> dict[str, Any]:
    if source in preset_names():
        text = files("wmil_agents.presets").joinpath(f"{source}.yaml").read_text(encoding="utf-8")
    elif Path(source).suffix in YAML_ENDINGS or Path(source).is_file():
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the settings file {source} cannot be read: {_reason(error)}") from None
    else:
        raise InputError(f"{source!r} is neither a preset nor a YAML file; {nearest(source, preset_names())}")
    document = parse_yaml(text, source)
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise InputError(f"{source} must hold settings by name, such as `total_steps: 10000`")
    return document


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unknown reason" if isinstance(error, OSError) else "it is not text in UTF-8"


def parse_yaml(text: str, what: str) -> Any:
    """What a text in YAML, or in JSON, says.

    Args:
        text: to be read; nothing in it is executed.
        what: names it in the error.

    Raises:
        InputError: it is neither.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{what} is not valid YAML: {' '.join(str(error).split())}") from None


def set_override(document: dict[str, Any], override: str) -> None:
    """Write one override, such as `policy.width=32`, into the document.

    Raises:
        InputError: it does not have that form, or does not fit the document.
    """
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise InputError(f"an override has the form name=value, such as policy.width=32, not {override!r}")
    place = document
    for depth, key in enumerate(keys[:-1]):
        if place.get(key) is None:
            place[key] = {}
        place = place[key]
        if not isinstance(place, dict):
            raise InputError(f"{'.'.join(keys[: depth + 1])} is a value, so {path.strip()} cannot be set inside it")
    place[keys[-1]] = _value(text, override)


def _value(text: str, override: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise InputError(f"the value of the override {override!r} is not valid YAML") from None


def _whole(number: float) -> int | float:
    return int(number) if number.is_integer() else number


def _refuse_unknown(document: Any, section: type[BaseModel], path: tuple[str, ...]) -> None:
    """Name the first setting that does not exist, with the one most like it."""
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        if key not in section.model_fields:
            known = [".".join((*path, name)) for name in section.model_fields]
            name = ".".join((*path, str(key)))
            raise InputError(f"there is no setting {name!r}; {nearest(name, known)}")
        annotation = section.model_fields[key].annotation
        if get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
            _refuse_unknown(value, annotation, (*path, key))
