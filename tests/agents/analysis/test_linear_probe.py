import numpy as np
import pytest

from wmil_agents.analysis.linear_probe import linear_probe, probe_attributes

pytest.importorskip("sklearn")


def labelled(n: int = 400, d: int = 8, n_labels: int = 4, noise: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_labels, n)
    return np.eye(n_labels, d)[labels] + noise * rng.normal(size=(n, d)), labels


def test_what_is_there_is_read_and_the_shuffled_control_is_at_chance() -> None:
    features, labels = labelled()
    probe = linear_probe(features, labels)
    assert probe.score is not None
    assert probe.control is not None
    assert probe.score > 0.97
    assert probe.control == pytest.approx(0.25, abs=0.05)
    assert probe.beats_control
    assert probe.is_grouped
    assert probe.note == ""


@pytest.mark.parametrize("seed", range(5))
def test_features_without_the_attribute_are_at_chance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probe = linear_probe(rng.normal(size=(400, 8)), rng.integers(0, 4, 400), seed=seed)
    assert probe.score == pytest.approx(0.25, abs=0.1)
    assert not probe.beats_control


def test_a_number_is_read_by_r_squared_as_worked_out_from_the_noise() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2_000, 5))
    labels = features @ [1.0, 2.0, 0.0, 0.0, 0.0] + np.sqrt(5.0) * rng.normal(size=2_000)  # as much signal as noise
    probe = linear_probe(features, labels, "number")
    assert probe.score == pytest.approx(0.5, abs=0.05)
    assert probe.interval is not None
    assert probe.interval[0] < probe.score < probe.interval[1]
    assert probe.control == pytest.approx(0.0, abs=0.02)


def test_a_constant_attribute_is_said_to_be_one() -> None:
    probe = linear_probe(np.random.default_rng(0).normal(size=(20, 3)), np.ones(20, int))
    assert probe.score is None
    assert probe.beats_control is None
    assert probe.note == "constant: nothing to tell"


def test_copies_of_an_observation_are_no_evidence() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(40, 64)), rng.integers(0, 2, 40)
    once, often = linear_probe(features, labels), linear_probe(np.repeat(features, 25, 0), np.repeat(labels, 25))
    assert often.n_distinct == once.n_distinct == 40
    assert often.is_grouped
    assert not often.beats_control  # memorising the copies would give 1
    assert once.interval is not None
    assert often.interval is not None
    width = [high - low for low, high in (once.interval, often.interval)]
    assert width[1] == pytest.approx(width[0], rel=0.2)


def test_one_observation_for_each_label_is_said_to_prove_no_generalisation() -> None:
    features = np.repeat(np.random.default_rng(0).normal(size=(8, 64)), 20, 0)
    probe = linear_probe(features, np.repeat(np.arange(8), 20))
    assert not probe.is_grouped
    assert "not whether they generalise" in probe.note
    assert probe.control == 1.0  # any naming of 8 points in 64 dimensions is separable: the control says so
    assert not probe.beats_control


def test_every_attribute_has_a_probe() -> None:
    features, labels = labelled()
    probes = probe_attributes(features, {"there": labels, "number": features[:, 0], "constant": np.zeros(400, int)})
    assert [probe.kind for probe in probes.values()] == ["category", "number", "category"]
    assert probes["constant"].score is None


def test_the_same_seed_gives_the_same_figures() -> None:
    features, labels = labelled(noise=1.0)
    assert linear_probe(features, labels, seed=3) == linear_probe(features, labels, seed=3)


def test_rows_without_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="a label for each"):
        linear_probe(np.zeros((10, 2)), np.zeros(9))
