"""HTML and SVG from functions: text is escaped by its type, so nothing that was read from a file becomes markup."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_VOID = {"meta", "br", "wbr"}
_REVERSING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Classes of invisible letters that turn the order of what follows around."""


class Markup(str):
    """Text that is markup already; every other string is escaped where it is used."""

    __slots__ = ()


Child = str | None | Iterable["Child"]
Attribute = str | float | None


def element(tag: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element; `class_` stands for `class`, and `stroke_width` for `stroke-width`.

    Children that are no `Markup` are escaped, lists are joined, None is left out, and so are attributes that are None.
    """
    words = [tag, *(f'{_name(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)]
    start = f"<{' '.join(words)}>"
    return Markup(start if tag in _VOID else f"{start}{joined(children)}</{tag}>")


def joined(children: Iterable[Child]) -> Markup:
    """Children one after the other."""
    return Markup("".join(_text(child) for child in children))


def written(coordinate: float) -> str:
    """A coordinate, to a tenth."""
    text = f"{coordinate:.1f}"
    return text[:-2] if text.endswith(".0") else text


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    return _escaped(child) if isinstance(child, str) else joined(child)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return _escaped(value) if isinstance(value, str) else written(value)


def _escaped(text: str) -> str:
    return html.escape(text if text.isascii() and text.isprintable() else "".join(map(_harmless, text)))


@lru_cache(maxsize=4096)
def _harmless(letter: str) -> str:
    """The letter, or the replacement character for one that is invisible and does something."""
    is_harmful = unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t"
    return "\N{REPLACEMENT CHARACTER}" if is_harmful or unicodedata.bidirectional(letter) in _REVERSING else letter
