import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.learning.event_replay_buffer")


def test_a_corridor_pays_at_its_goal_alone(benchmark: Any) -> None:
    env = benchmark.Corridor()
    for action, rewards in ((1.0, [0.0] * 7 + [1.0]), (-1.0, [0.0] * 50)):
        env.reset()
        steps = [env.step(np.array([action], np.float32)) for _ in rewards]
        assert [reward for _, reward, *_ in steps] == rewards
        assert [terminated or truncated for _, _, terminated, truncated, _ in steps] == [False] * (len(rewards) - 1) + [
            True
        ]


def test_both_arms_are_the_same_run_until_the_first_event(benchmark: Any) -> None:
    lake = benchmark.CASES[0]
    drawn = []
    for replay in ({}, benchmark.EVENTS):
        model = lake.make_model(lake.make_env(), buffer_size=lake.buffer_size, seed=0, **replay).learn(150)
        assert not model.replay_buffer.rewards.any()
        drawn.append(model.policy.parameters_to_vector())
    assert np.array_equal(*drawn)


def test_the_table_has_a_row_for_each_case(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = [case._replace(limit=200) for case in benchmark.CASES]
    monkeypatch.setattr(benchmark, "CASES", short)
    benchmark.main(["--seeds", "2", "--table", str(tmp_path / "table.md")])
    lines = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"| {' | '.join(benchmark.HEADER)} |"
    assert [line.split(" | ")[0] for line in lines[2:5]] == [f"| {case.name}" for case in short]
    assert lines[-1].endswith(
        "`python -m benchmarks.learning.event_replay_buffer --seeds 2 --table " + f"{tmp_path}/table.md`."
    )
