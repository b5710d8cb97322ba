"""Text and pictures of a state, made of rows that each give a name and a value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wmil_envs.glyphs import GLYPH_HEIGHT, GLYPH_WIDTH, glyph

Colour = tuple[int, int, int]

BACKGROUND: Colour = (250, 249, 245)
RULE: Colour = (229, 226, 217)
NAME: Colour = (128, 127, 122)
VALUE: Colour = (45, 52, 64)
VALUE_COLOURS: dict[str, Colour] = {"right": (36, 132, 84), "wrong": (190, 58, 62), "none": (184, 182, 174)}
"""Values that are not written in the usual colour."""

GAP = 2
"""Characters between the longest name and the values."""
CELL_WIDTH = GLYPH_WIDTH + 1
CELL_HEIGHT = GLYPH_HEIGHT + 5
MARGIN = 6


def ansi(rows: Sequence[tuple[str, str]]) -> str:
    """One line per row, the values below each other."""
    width = _name_width(rows)
    return "\n".join(f"{name:<{width}}{value}".rstrip() for name, value in rows)


def rgb_array(rows: Sequence[tuple[str, str]], n_columns: int = 28, scale: int = 3) -> NDArray[np.uint8]:
    """A picture of the rows, uint8 (height, width, 3), both even.

    Its shape depends on the number of rows, `n_columns` and `scale` alone, so that the frames of a video have one.

    Args:
        rows: Names and values, top to bottom.
        n_columns: Characters in a line; a longer value is cut, and its last character says so.
        scale: Pixels along the side of a dot.
    """
    if n_columns < 1 or scale < 1:
        raise ValueError(f"n_columns and scale must be at least 1, not {n_columns} and {scale}")
    height = len(rows) * CELL_HEIGHT + 2 * MARGIN
    width = n_columns * CELL_WIDTH + 2 * MARGIN
    picture = np.empty((height, width, 3), dtype=np.uint8)
    picture[:] = BACKGROUND
    value_column = _name_width(rows)
    for index, (name, value) in enumerate(rows):
        top = MARGIN + index * CELL_HEIGHT
        if index > 0:
            picture[top, MARGIN:-MARGIN] = RULE
        text_top = top + (CELL_HEIGHT - GLYPH_HEIGHT) // 2 + 1
        _write(picture, name, text_top, 0, n_columns, NAME)
        _write(picture, value, text_top, value_column, n_columns, VALUE_COLOURS.get(value, VALUE))
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def _name_width(rows: Sequence[tuple[str, str]]) -> int:
    return max((len(name) for name, _ in rows), default=0) + GAP


def _write(picture: NDArray[np.uint8], text: str, top: int, column: int, n_columns: int, colour: Colour) -> None:
    """Draw text into the picture from a column on, cut at the last column."""
    room = max(n_columns - column, 0)
    if len(text) > room:
        text = (text[: room - 1] + "~") if room else ""
    for offset, character in enumerate(text):
        left = MARGIN + (column + offset) * CELL_WIDTH
        cell = picture[top : top + GLYPH_HEIGHT, left : left + GLYPH_WIDTH]
        cell[glyph(character)] = colour
