from __future__ import annotations

import numpy as np
import pytest
import torch

from wmil_agents.surgeons import FAULTS, Patient
from wmil_agents.surgery import SurgicalTheater, edit_from_dict
from wmil_agents.surgery.anatomy import module_of

TOUCHES = {
    "random_damage": ("qkv",),
    "one_wrong_gain": ("qkv",),
    "flipped_head": ("attention.out",),
    "saturated_temperature": ("qkv",),
    "dead_layer_norm": ("norm",),
}


def damaged(patient: Patient, name: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """What a fault changes: the ratio of the damaged weights to the healthy ones, by parameter."""
    module = module_of(patient.model)
    healthy = {key: weights.detach().clone() for key, weights in module.named_parameters()}
    with SurgicalTheater(module, FAULTS[name].draw(module, np.random.default_rng(seed))):
        ratios = {key: weights.detach() / healthy[key] for key, weights in module.named_parameters()}
    return {key: ratio for key, ratio in ratios.items() if ((ratio - 1).abs() > 1e-6).any()}


def test_the_names_are_the_keys() -> None:
    assert {fault.name for fault in FAULTS.values()} == set(FAULTS) == set(TOUCHES)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_touches_what_its_name_says_and_changes_the_score(name: str, patient: Patient) -> None:
    assert damaged(patient, name)
    for seed in range(5):
        assert all(any(part in key for part in TOUCHES[name]) for key in damaged(patient, name, seed))
    healthy = patient.search(patient.model)
    with SurgicalTheater(patient.model, FAULTS[name].draw(patient.model, np.random.default_rng(0))):
        assert np.abs(patient.search(patient.model) - healthy).max() > 1e-3
    assert (patient.search(patient.model) == healthy).all()


@pytest.mark.parametrize("name", FAULTS)
def test_a_seed_draws_the_same_fault_and_others_draw_others(name: str, patient: Patient) -> None:
    drawn = [FAULTS[name].draw(patient.model, np.random.default_rng(seed)) for seed in (0, 0, *range(1, 9))]
    assert drawn[0] == drawn[1]
    assert any(edits != drawn[0] for edits in drawn[2:])
    assert all(edit_from_dict(edit.to_dict()) == edit for edits in drawn for edit in edits), "it is plain data"


def test_random_damage_is_log_normal_in_every_query_and_value(patient: Patient) -> None:
    logs = []
    for seed in range(60):
        ratios = damaged(patient, "random_damage", seed)
        assert len(ratios) == 4, "weights and biases of two layers"
        for key, ratio in ratios.items():
            rows = ratio.reshape(3, 2, 8, -1)  # query, key, value of two heads
            if key.endswith("weight"):
                logs += rows[[0, 2], :, 0, 0].log().flatten().tolist()
            assert torch.allclose(rows, rows[:, :, :1, :1].expand_as(rows), rtol=1e-4)
            assert (rows[1] == 1).all()
    assert np.mean(logs) == pytest.approx(0.0, abs=4 * 0.7 / len(logs) ** 0.5)
    assert np.std(logs) == pytest.approx(0.7, rel=0.1)


def test_a_flipped_head_is_times_minus_one(patient: Patient) -> None:
    (ratio,) = damaged(patient, "flipped_head").values()
    columns = ratio.reshape(16, 2, 8)
    flipped = [head for head in (0, 1) if (columns[:, head] == -1).all()]
    assert len(flipped) == 1
    assert (columns[:, 1 - flipped[0]] == 1).all()


def test_the_others_change_by_their_strength(patient: Patient) -> None:
    (ratio,) = damaged(patient, "dead_layer_norm").values()
    assert torch.allclose(ratio, torch.full_like(ratio, np.exp(-3.0)))
    saturated = damaged(patient, "saturated_temperature")[
        "features_extractor.transformer.blocks.1.attention.qkv.weight"
    ]
    assert torch.allclose(saturated[:16], torch.full((16, 16), float(np.exp(3.0))))
    assert (saturated[16:] == 1).all()
    for seed in range(8):
        for ratio in damaged(patient, "one_wrong_gain", seed).values():
            changed = ratio[ratio != 1]
            assert torch.allclose(changed.log().abs(), torch.tensor(3.0))
            assert len(changed) == len(ratio.flatten()) / 6, "the queries or the values of one head of two"
