"""One run: settings in, a folder and a result out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import configure

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.runs.evaluation_callback import EvaluatedStep, EvaluationCallback, Progress
from wmil_agents.runs.experiment import (
    Experiment,
    build_experiment,
    return_threshold,
    torch_threads,
    world_model_scale,
)
from wmil_agents.runs.metrics import MetricsFile, metrics_row
from wmil_agents.runs.privilege import privilege
from wmil_agents.runs.reward_components import RewardComponents
from wmil_agents.runs.run_files import METRICS, TRAIN
from wmil_agents.runs.run_folder import begin_folder, check_folder, end_folder, save_policy
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.verdict import Verdict, fallback_refusal, judge


@dataclass(frozen=True)
class Result:
    """What came out of a run."""

    folder: Path
    settings: Settings
    history: tuple[EvaluatedStep, ...]
    """Every evaluation; the first is of the untrained policy."""
    verdict: Verdict

    @property
    def evaluation(self) -> Evaluation:
        """The last one."""
        return self.history[-1].evaluation


def run(
    settings: Settings,
    folder: Path,
    progress: Callable[[Progress], None] | None = None,
    command: Sequence[str] = (),
) -> Result:
    """Train as the settings say, and write everything measured into a folder.

    It can be called from any process: arguments and result can be pickled, no signal handler is installed, and torch's
    number of threads is put back. Torch's, NumPy's and Python's global generators are seeded, by Stable-Baselines3.
    Interrupted from the keyboard, it leaves what was measured until then and the weights.

    Args:
        settings: what to do.
        folder: where to; it must be empty or not there.
        progress: called some times a second, and after every evaluation.
        command: the words that started the run, for the record.

    Raises:
        InputError: something does not exist or does not fit; then nothing has been written.
    """
    check_folder(folder)
    with torch_threads(settings.n_threads):
        experiment = build_experiment(settings)
        try:
            begin_folder(folder, settings, command)
            return _train(experiment, folder, progress)
        finally:
            experiment.close()


def _train(experiment: Experiment, folder: Path, progress: Callable[[Progress], None] | None) -> Result:
    settings, model = experiment.settings, experiment.model
    history: list[EvaluatedStep] = []
    metrics = MetricsFile(folder / METRICS)

    def keep(evaluated: EvaluatedStep) -> None:
        history.append(evaluated)
        metrics.write(metrics_row(evaluated.step, evaluated.evaluation))

    formats = ["csv", "tensorboard"] if settings.logging.tensorboard else ["csv"]
    model.set_logger(configure(str(folder / TRAIN), formats))
    evaluation = EvaluationCallback(
        experiment.evaluate, settings.evaluation.interval, settings.total_steps, keep, progress
    )
    try:
        callbacks = CallbackList([RewardComponents(), evaluation])
        model.learn(settings.total_steps, callbacks, log_interval=settings.logging.interval)
    except KeyboardInterrupt:
        save_policy(folder, experiment)
        raise
    finally:
        metrics.close()
        model.logger.close()
    world = world_of(experiment.evaluation_env)
    verdict = judge(
        history,
        settings.total_steps,
        None if world is None else world.bank,
        world_model_is_trained=world_model_scale(settings) > 0.0,
        return_threshold=return_threshold(settings),
        mark=privilege(settings),
        refusal=fallback_refusal(world_of(experiment.env), model.num_timesteps),
    )
    end_folder(folder, experiment, verdict)
    return Result(folder, settings, tuple(history), verdict)
