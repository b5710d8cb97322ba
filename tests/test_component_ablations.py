import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture
def ablations(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.learning.ablations")


def rows_of(ablations: Any, learner: str, component: str, whole: tuple[int | None, ...], cut: tuple[Any, ...]) -> Any:
    (found,) = (one for one in ablations.COMPONENTS if one.name == component)
    return [ablations.Row(learner, None, whole, whole), ablations.Row(learner, found, cut, whole)]


def test_the_table_tells_medians_pairs_and_verdicts(ablations: Any) -> None:
    whole = (100, 200, 300, 400, 500, 600)
    harmful = rows_of(ablations, "plain", "attention", whole, (50, 150, 250, 350, 450, 550))
    useful = rows_of(ablations, "plain", "baseline", whole, (200, 300, 400, None, None, None))
    nothing = rows_of(ablations, "plain", "world model", whole, whole)
    text = ablations.table([*harmful, *useful[1:], *nothing[1:]])
    assert "| **REINFORCE, world model; PatternEcho** |  | 350 [150, 550] | 6 of 6 |  |" in text
    assert "| attention | its output is 0 | 300 [100, 500] | 6 of 6 | **faster** by 50 [50, 50] |" in text
    assert "| 3 of 6 | slower by 1,250 [100, 2,550] |" in text  # gives up at 3,000
    assert "| world model | none | 350 [150, 550] | 6 of 6 | no effect shown, 0 [0, 0] |" in text


def test_every_component_is_cut_out_of_learners_that_there_are(ablations: Any) -> None:
    for component in ablations.COMPONENTS:
        assert set(component.learners) <= set(ablations.LEARNERS)
        assert component.learners
    assert len({component.name for component in ablations.COMPONENTS}) == len(ablations.COMPONENTS)


def test_a_cut_component_is_gone(ablations: Any) -> None:
    from wmil_agents.reinforce import REINFORCE
    from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

    def policy() -> Any:
        env = make_batch_vec_env("wmil_envs:WMIL/SequenceNext-v0", 8, 0, n_symbols=8)
        return REINFORCE("TransformerPolicy", env, seed=0, policy_kwargs={"distinct_observations": False}).policy

    def features(of: Any, *rows: list[int]) -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = of.extract_features(torch.tensor(rows, dtype=torch.int32))
        return found

    shown = [3, 4, 5, 0, 0]
    rows_in_another_order = [5, 3, 4, 0, 0]
    whole = policy()
    before = features(whole, shown)
    assert not torch.allclose(features(whole, rows_in_another_order), before, atol=1e-4)
    ablations.without_identity(whole)
    assert torch.allclose(features(whole, rows_in_another_order), features(whole, shown), atol=1e-5)

    unmasked = policy()
    ablations.without_mask(unmasked)
    assert not torch.allclose(features(unmasked, shown), before, atol=1e-4)

    deaf = policy()
    ablations.without_attention(deaf)

    def effect_of_the_first(of: Any, *others: int) -> torch.Tensor:
        return features(of, [1, *others, 0, 0]) - features(of, [2, *others, 0, 0])

    assert torch.allclose(effect_of_the_first(deaf, 4, 5), effect_of_the_first(deaf, 6, 7), atol=1e-5)
    assert not torch.allclose(effect_of_the_first(policy(), 4, 5), effect_of_the_first(policy(), 6, 7), atol=1e-3)

    loud = policy()
    ablations.with_plain_action_head(loud)
    assert loud.action_net.weight.std() > 10 * whole.action_net.weight.std()


def test_whole_and_cut_runs_share_their_seeds_and_write_the_table(
    ablations: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablations, "LEARNERS", {"replay": ablations.LEARNERS["replay"]})
    chosen = tuple(one for one in ablations.COMPONENTS if one.name in ("distinct observations", "event replay"))
    monkeypatch.setattr(ablations, "COMPONENTS", chosen)
    monkeypatch.setattr(ablations.measure, "__defaults__", (1, ("replay",)))
    whole, cut, same = ablations.main(["--seeds", "3", "--table", str(tmp_path / "table.md")])
    assert cut.component.name == "event replay"
    assert cut.difference[0] > 0
    assert same.steps == whole.steps  # eight rows are too few to look for distinct ones
    text = (tmp_path / "table.md").read_text()
    assert "python -m benchmarks.learning.ablations --seeds 3" in text
    assert text.count("3 of 3") == 3


VISIBLE = [
    ("plain", "small action head"),
    ("replay", "event replay"),
    ("replay", "mask of absent attributes"),
    ("replay", "read-out of the attributes"),
    ("sequence", "attention"),
    ("sequence", "own rows per attribute (what stands where)"),
]
"""Where docs/tables/component_ablations.md shows an effect that another machine will show as well."""


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "component"), VISIBLE)
def test_without_a_component_that_matters_learning_is_slower(ablations: Any, learner: str, component: str) -> None:
    (found,) = (one for one in ablations.COMPONENTS if one.name == component)
    seeds = ablations.spawn_seeds(0, 20)
    whole, cut = (
        tuple(ablations.steps(ablations.LEARNERS[learner], one, seed) for seed in seeds) for one in (None, found)
    )
    _, (low, _) = ablations.Row(learner, found, cut, whole).difference
    assert low > 0.0
