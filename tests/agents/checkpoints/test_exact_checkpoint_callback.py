from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from wmil_agents import ExactCheckpointCallback, continue_learning, restore_checkpoint, save_checkpoint
from wmil_agents.checkpoints.checkpoint_folder import step_folders
from wmil_agents.checkpoints.loop_state import loop_state
from wmil_agents.checkpoints.state_folder import check_state


def make() -> A2C:
    return A2C("MlpPolicy", make_vec_env("CartPole-v1", 2, seed=0), n_steps=3, seed=0)


def steps(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in step_folders(folder)]


def test_it_saves_at_or_past_each_interval_and_at_the_end(tmp_path: Path) -> None:
    make().learn(50, ExactCheckpointCallback(tmp_path, 10, keep_last=100))
    assert steps(tmp_path) == [12, 24, 30, 42, 54]


def test_the_default_interval_leaves_out_what_costs_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def slow(*args: Any, **kwargs: Any) -> None:
        clock[0] += 1.0
        save_checkpoint(*args, **kwargs)

    def now() -> float:
        clock[0] += 0.3
        return clock[0]

    module = "wmil_agents.checkpoints.exact_checkpoint_callback"
    monkeypatch.setattr(f"{module}.save_checkpoint", slow)
    monkeypatch.setattr(f"{module}.time.monotonic", now)
    monkeypatch.setattr(f"{module}.DEFAULT_INTERVAL", 10)
    make().learn(1800, ExactCheckpointCallback(tmp_path, keep_last=100))
    first, second, last = steps(tmp_path)
    assert (first, last) == (18, 1800), "not in the first second"
    assert second == pytest.approx(6 * 216, rel=0.03)  # 1.3 seconds are 2 % of the 65 that 216 rollouts take


def test_it_keeps_the_last_and_the_best(tmp_path: Path) -> None:
    scores = {12: 0.0, 24: 5.0, 30: 1.0, 42: None, 54: 2.0}
    callback = ExactCheckpointCallback(tmp_path, 10, keep_last=2, keep_best=lambda model: scores[model.num_timesteps])
    make().learn(50, callback)
    assert steps(tmp_path) == [24, 42, 54]
    assert check_state(step_folders(tmp_path)[0]).score == 5.0


def test_the_best_is_known_after_an_interruption(tmp_path: Path) -> None:
    make().learn(25, ExactCheckpointCallback(tmp_path, 10, 1, keep_best=lambda model: -model.num_timesteps))
    assert steps(tmp_path) == [12, 30]
    model = make()
    restored = restore_checkpoint(step_folders(tmp_path)[-1], model)
    again = ExactCheckpointCallback(tmp_path, 10, 1, keep_best=lambda model: -model.num_timesteps)
    continue_learning(model, restored, again, total_timesteps=50)
    assert steps(tmp_path) == [12, 54]


def test_the_mean_return_is_a_score(tmp_path: Path) -> None:
    model = make()
    model.learn(50, ExactCheckpointCallback(tmp_path, 10, keep_best=True))
    assert model.ep_info_buffer
    mean = sum(info["r"] for info in model.ep_info_buffer) / len(model.ep_info_buffer)
    assert check_state(step_folders(tmp_path)[-1]).score == pytest.approx(mean)


def test_more_is_asked_for_each_time(tmp_path: Path) -> None:
    counts: list[int] = []

    def more() -> dict[str, Any]:
        counts.append(len(counts))
        return {"count": counts[-1]}

    make().learn(25, ExactCheckpointCallback(tmp_path, 10, more=more))
    assert [restore_checkpoint(path, make()).more["count"] for path in step_folders(tmp_path)] == [0, 1, 2]


class StopAt(BaseCallback):
    """Asks for the end, as a signal handler would, at some step."""

    def __init__(self, checkpoints: ExactCheckpointCallback, step: int) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.step = step

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    def _on_step(self) -> bool:
        if self.num_timesteps == self.step:
            self.checkpoints.stop()
        return True


def test_a_run_that_was_stopped_continues_to_the_same_bits(tmp_path: Path) -> None:
    def learn(folder: Path, stop_at: int) -> tuple[A2C, ExactCheckpointCallback]:
        model, checkpoints = make(), ExactCheckpointCallback(folder, 1000)
        model.learn(60, [checkpoints, StopAt(checkpoints, stop_at)])
        return model, checkpoints

    whole, callback = learn(tmp_path / "whole", -1)
    assert not callback.has_stopped
    _, callback = learn(tmp_path / "stopped", 20)
    assert callback.has_stopped
    assert steps(tmp_path / "stopped") == [24]
    model, checkpoints = make(), ExactCheckpointCallback(tmp_path / "stopped", 1000)
    restored = restore_checkpoint(step_folders(tmp_path / "stopped")[-1], model)
    assert restored.is_exact
    continue_learning(model, restored, [checkpoints, StopAt(checkpoints, -1)])
    assert all(torch.equal(*pair) for pair in zip(whole.policy.parameters(), model.policy.parameters(), strict=True))


def test_a_stop_before_the_beginning_is_not_lost(tmp_path: Path) -> None:
    checkpoints = ExactCheckpointCallback(tmp_path, 10)
    checkpoints.stop()
    make().learn(20, checkpoints)
    assert checkpoints.has_stopped
    assert steps(tmp_path) == [0]
    model = make()
    continue_learning(model, restore_checkpoint(step_folders(tmp_path)[0], model), checkpoints)
    assert steps(tmp_path) == [0, 12, 24]


def test_settings_without_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="interval must be at least 1"):
        ExactCheckpointCallback(tmp_path, 0)
    with pytest.raises(ValueError, match="keep_last must be at least 1"):
        ExactCheckpointCallback(tmp_path, keep_last=0)


def test_continuing_what_is_done_already_changes_nothing(tmp_path: Path) -> None:
    done, again = make(), make()
    done.learn(12, ExactCheckpointCallback(tmp_path, 6))
    continue_learning(
        again, restore_checkpoint(step_folders(tmp_path)[-1], again), ExactCheckpointCallback(tmp_path, 6)
    )
    assert again.num_timesteps == done.num_timesteps == 12
    ends = [loop_state(model, None) for model in (done, again)]
    for part in ("first_step", "logged", "spaces"):
        assert ends[0][part] == ends[1][part]
    assert torch.equal(ends[0]["generators"]["torch"], ends[1]["generators"]["torch"])
