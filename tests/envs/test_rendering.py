"""Text and pictures of a state."""

import string
from collections.abc import Sequence

import numpy as np
import pytest

from wmil_envs.glyphs import SHEET, glyph
from wmil_envs.rendering import BACKGROUND, VALUE_COLOURS, ansi, rgb_array

ROWS = [("symbol", "3"), ("last action", "none"), ("feedback", "right")]


def has_colour(picture: np.ndarray, colour: Sequence[int]) -> bool:
    return bool((picture == np.array(colour)).all(axis=-1).any())


def test_text_has_a_line_per_row_with_the_values_below_each_other() -> None:
    assert ansi(ROWS) == "symbol       3\nlast action  none\nfeedback     right"


def test_a_picture_has_one_shape_whatever_the_rows_say() -> None:
    empty = rgb_array([("", "")] * 3)
    long = rgb_array([("a name", "a value that is far longer than the line" * 3)] * 3)
    assert rgb_array(ROWS).shape == empty.shape == long.shape == (162, 540, 3)
    assert rgb_array(ROWS).dtype == np.uint8
    assert rgb_array(ROWS[:2]).shape[0] < 162
    assert rgb_array([]).shape[1] == 540


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("n_columns", [1, 7, 28])
def test_both_sides_are_even_as_video_codecs_ask(n_columns: int, scale: int) -> None:
    height, width, _ = rgb_array(ROWS, n_columns=n_columns, scale=scale).shape
    assert height % 2 == 0
    assert width % 2 == 0


def test_right_is_green_and_wrong_is_red() -> None:
    right, wrong = rgb_array(ROWS), rgb_array([*ROWS[:2], ("feedback", "wrong")])
    assert has_colour(right, VALUE_COLOURS["right"])
    assert not has_colour(right, VALUE_COLOURS["wrong"])
    assert has_colour(wrong, VALUE_COLOURS["wrong"])
    assert not has_colour(wrong, VALUE_COLOURS["right"])


def test_every_value_gives_another_picture() -> None:
    pictures = {rgb_array([("symbol", str(value))]).tobytes() for value in range(64)}
    assert len(pictures) == 64


def test_a_cut_value_does_not_look_like_a_short_one() -> None:
    cut = rgb_array([("n", "123456")], n_columns=8)
    for short in ("1234", "12345"):
        assert (rgb_array([("n", short)], n_columns=8) != cut).any()


def test_ink_stays_inside_the_margin() -> None:
    picture = rgb_array([("name", "gjpqy" * 20)] * 2, scale=1)
    for edge in (picture[:6], picture[-6:], picture[:, :6], picture[:, -6:]):
        assert (edge == np.array(BACKGROUND)).all()


def test_pictures_do_not_share_memory() -> None:
    first = rgb_array(ROWS)
    first[:] = 0
    assert rgb_array(ROWS).any()


@pytest.mark.parametrize("argument", ["n_columns", "scale"])
def test_a_size_below_one_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        rgb_array(ROWS, **{argument: 0})


def test_every_printable_character_has_a_drawing_of_its_own() -> None:
    printable = string.digits + string.ascii_letters + string.punctuation
    assert sorted("".join(SHEET)) == sorted(printable)
    drawings = {glyph(character).tobytes() for character in [*printable, " ", "\N{SNOWMAN}"]}
    assert len(drawings) == len(printable) + 2
    assert all(glyph(character).any() for character in printable)


def test_a_glyph_is_drawn_as_on_its_sheet() -> None:
    lines = ["".join("#" if dot else "." for dot in row) for row in glyph("L")]
    assert lines == ["#...."] * 6 + ["#####"] + ["....."] * 2
