from wmil_agents.runs.experiment import build_experiment
from wmil_agents.runs.levels import levels_document
from wmil_agents.runs.settings_sources import load_settings

SMALL = ["policy.width=16", "policy.n_layers=1"]


def test_every_level_is_evaluated_beside_its_own_floor_and_ceiling() -> None:
    experiment = build_experiment(
        load_settings("mvp", [*SMALL, "env={id: WMIL/SequenceNext-v0, arguments: {level: 2}}"])
    )
    document = levels_document(experiment)
    assert document is not None
    assert document["trained"] == 2
    names = [level["name"] for level in document["levels"]]
    assert names[0] == "count on from 2"
    assert document["levels"][2]["success"] == {"kind": "exact", "value": float(experiment.evaluate().success)}
    hidden = document["levels"][names.index("hidden rule")]
    assert hidden["success_ceiling"]["value"] < 1.0
    assert hidden["oracle"]["random_success"]["value"] == 0.125
    experiment.close()


def test_a_world_without_tables_has_no_levels() -> None:
    experiment = build_experiment(load_settings("mvp", [*SMALL, "env={id: CartPole-v1, arguments: {}}"]))
    assert levels_document(experiment) is None
    experiment.close()
