"""The error of what a caller gave: settings, a file, a folder."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What was given cannot be used; the message is a sentence that says what to change."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for an unknown word: the known one most like it, else all of them."""
    words = sorted(known)
    alike = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {alike[0]!r}?" if alike else f"there are {', '.join(words) or 'none'}"
