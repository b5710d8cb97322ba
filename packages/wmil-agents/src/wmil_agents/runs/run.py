"""One run: settings in, a folder and a result out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import configure

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.runs.episode_layout import MEGABYTE, LogOptions, estimate_bytes
from wmil_agents.runs.episode_log import EpisodeLog
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
from wmil_agents.runs.run_files import EPISODES, METRICS, TRAIN, VERSIONS
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
    notice: Callable[[str], None] | None = None,
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
        notice: called with a sentence where there is an episode log: how large it will become, and that it reached its
            limit if it did.

    Raises:
        InputError: something does not exist or does not fit; then nothing has been written.
    """
    check_folder(folder)
    with torch_threads(settings.n_threads):
        experiment = build_experiment(settings)
        try:
            begin_folder(folder, settings, command)
            return _train(experiment, folder, progress, notice)
        finally:
            experiment.close()


def _train(
    experiment: Experiment,
    folder: Path,
    progress: Callable[[Progress], None] | None,
    notice: Callable[[str], None] | None,
) -> Result:
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
    log = _episode_log(experiment, folder)
    if log is not None and notice is not None:
        notice(str(estimate_bytes(model, settings.total_steps, log.options)))
    try:
        callbacks = CallbackList([RewardComponents(), evaluation, *([] if log is None else [log])])
        model.learn(settings.total_steps, callbacks, log_interval=settings.logging.interval)
    except KeyboardInterrupt:
        save_policy(folder, experiment)
        raise
    finally:
        if log is not None:
            log.close()
            if log.stopped is not None and notice is not None:
                notice(log.stopped)
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


def _episode_log(experiment: Experiment, folder: Path) -> EpisodeLog | None:
    """The log that the settings ask for; None where they ask for none."""
    settings, asked = experiment.settings, experiment.settings.episodes
    if asked.every == 0:
        return None
    options = LogOptions(
        every=asked.every,
        max_bytes=asked.max_megabytes * MEGABYTE,
        attention=asked.attention,
        features=asked.features,
        sample_every=asked.sample_every,
    )
    facts = json.loads((folder / VERSIONS).read_text(encoding="utf-8"))
    about = {"seed": settings.seed, "settings": settings.model_dump(mode="json"), "versions": facts}
    return EpisodeLog(folder / EPISODES, options, about)
