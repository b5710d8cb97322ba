from pathlib import Path

import numpy as np
import pytest

from wmil_agents.analysis.attention import AttentionHistory, AttentionMaps
from wmil_agents.analysis.calibration import calibration
from wmil_agents.analysis.emergence import emergence_step
from wmil_agents.analysis.linear_probe import linear_probe
from wmil_agents.plots.analyses import draw_embedding, draw_emergence, draw_probes, draw_reliability
from wmil_agents.plots.attention_map import draw_attention, draw_attention_timelapse

pytest.importorskip("matplotlib")


def words_of(files: list[Path]) -> str:
    svg, png = files
    assert png.read_bytes().startswith(b"\x89PNG")
    return svg.read_text(encoding="utf-8")


def test_probes_stand_beside_their_controls(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    features = labels[:, None] + rng.normal(size=(60, 3))
    probes = {"there": linear_probe(features, labels), "still": linear_probe(features, np.zeros(60, int))}
    words = words_of(draw_probes(probes, tmp_path / "probes"))
    for word in ("there", "still is constant", "shuffled labels"):
        assert word in words


@pytest.mark.parametrize("n_labels", [3, 8, 40])
def test_an_embedding_names_its_labels(n_labels: int, tmp_path: Path) -> None:
    labels = np.arange(80) % n_labels
    points = np.random.default_rng(0).normal(size=(80, 2))
    assert "By label" in words_of(draw_embedding(points, labels, tmp_path / "points", "By label"))


def test_reliability_tells_the_error(tmp_path: Path) -> None:
    found = calibration(np.array([0.05, 0.95]), np.array([0, 1]))
    assert "Calibration error 0.050, 2 events" in words_of(draw_reliability(found, tmp_path / "reliability"))


@pytest.mark.parametrize(("entropies", "words"), [([1.0, 0.5], "emerged at step 10"), ([1.0, 0.9], "never below")])
def test_emergence_is_said_in_words(entropies: list[float], words: str, tmp_path: Path) -> None:
    found = emergence_step([0, 10], entropies)
    assert words in words_of(draw_emergence(np.array([0, 10]), np.array(entropies), found, tmp_path / "emergence"))


def test_maps_have_their_tokens_and_numbers(tmp_path: Path) -> None:
    maps = AttentionMaps(np.full((2, 1, 2, 2), 0.5), ("query", "symbol"), 8)
    words = words_of(draw_attention(maps, tmp_path / "attention"))
    for word in ("query", "symbol", "layer 2, head 1", ">.50<", "mean of 8 observations"):
        assert word in words


def test_a_timelapse_has_a_frame_for_each_step(tmp_path: Path) -> None:
    from PIL import Image

    weights = np.stack([np.full((1, 1, 2, 2), 0.5), np.eye(2)[None, None]])
    history = AttentionHistory(np.array([0, 100]), weights, np.array([0.69, 0.0]), ("query", "symbol"))
    path = draw_attention_timelapse(history, tmp_path / "attention.gif")
    with Image.open(path) as picture:
        assert picture.n_frames == 2
        assert picture.info["loop"] == 0
