"""One run: settings in, a folder and a result out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from wmil_agents.checkpoints.continuing import continue_learning
from wmil_agents.checkpoints.exact_checkpoint_callback import ExactCheckpointCallback
from wmil_agents.checkpoints.loop_state import load_loop_state
from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.quantity import number
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.runs.atomic_file import replace_text
from wmil_agents.runs.continuation import Continuation, continue_from, inexact_parts_of_run
from wmil_agents.runs.disk_errors import disk_errors
from wmil_agents.runs.episode_layout import MEGABYTE, LogOptions, estimate_bytes
from wmil_agents.runs.episode_log import EpisodeLog
from wmil_agents.runs.evaluation_callback import EvaluatedStep, EvaluationCallback, Progress
from wmil_agents.runs.evaluation_history import EvaluationHistory, read_history
from wmil_agents.runs.experiment import (
    Experiment,
    build_experiment,
    return_threshold,
    torch_threads,
    world_model_scale,
)
from wmil_agents.runs.finite_guard import FiniteGuard
from wmil_agents.runs.folder_lock import locked
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.metrics import MetricsFile, metrics_row
from wmil_agents.runs.privilege import privilege
from wmil_agents.runs.progress_file import ProgressFile
from wmil_agents.runs.recorded_run import read_document
from wmil_agents.runs.reward_components import RewardComponents
from wmil_agents.runs.run_files import (
    CHECKPOINTS,
    DONE,
    EPISODES,
    EVALUATIONS,
    METRICS,
    NOT_FINITE,
    PROGRESS,
    SETTINGS,
    TRAIN,
    VERDICT,
    VERSIONS,
)
from wmil_agents.runs.run_folder import begin_folder, end_folder, make_folder, save_policy, write_json
from wmil_agents.runs.run_logger import run_logger
from wmil_agents.runs.run_stopped import RunStopped
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.runs.settings_text import settings_text
from wmil_agents.runs.standing import standing
from wmil_agents.runs.stop_when_asked import StopWhenAsked
from wmil_agents.runs.verdict import Verdict, fallback_refusal, judge
from wmil_agents.runs.versions import versions


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
    stop: Callable[[], str | None] | None = None,
) -> Result:
    """Train as the settings say, and write everything measured into a folder.

    Called again with the same settings and folder, it continues from the newest checkpoint that is whole, to the bits
    that the run would have had without the interruption; of a run that is done it reads the result.

    It can be called from any process: arguments and result can be pickled, no signal handler is installed, and torch's
    number of threads is put back. Torch's, NumPy's and Python's global generators are seeded, by Stable-Baselines3.
    Interrupted from the keyboard, it leaves what was measured until then and the weights.

    Args:
        settings: what to do.
        folder: where to; it must be empty, not there, or hold this very run.
        progress: called some times a second, and after every evaluation.
        command: the words that started the run, for the record.
        notice: called with sentences that people should read: from where a run is continued, what was skipped, what is
            not exact; and of an episode log how large it will become, and that it reached its limit if it did.
        stop: asked at the start of every rollout; where it returns a reason, a checkpoint is written and the run ends.

    Raises:
        InputError: something does not exist or does not fit; then nothing has been written.
        RunStopped: `stop` asked for it.
        NotFiniteError: a reward, observation, loss or gradient is NaN or infinite; a dump says which.
        RunFailedError: the disk cannot be written to, full for instance.
    """
    tell = notice or _say_nothing
    if standing(folder, settings) == "done":
        return read_result(folder)
    with torch_threads(settings.n_threads):
        experiment = build_experiment(settings)
        try:
            make_folder(folder)
            with disk_errors(folder), locked(folder):
                return _run(experiment, folder, progress, command, tell, stop)
        finally:
            experiment.close()


def read_result(folder: Path) -> Result:
    """What came out of a run that is done.

    Raises:
        InputError: the folder holds no such run, or its files were changed.
    """
    document = read_document(folder / VERDICT)
    if document is None or not (folder / DONE).is_file():
        raise InputError(f"the run in {folder} is not done: `wmil resume {folder}` continues it")
    try:
        verdict = Verdict.from_dict(document)
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / VERDICT} is not the verdict on a run") from error
    settings = load_settings(str(folder / SETTINGS))
    return Result(folder, settings, tuple(read_history(folder / EVALUATIONS)), verdict)


def _run(
    experiment: Experiment,
    folder: Path,
    progress: Callable[[Progress], None] | None,
    command: Sequence[str],
    tell: Callable[[str], None],
    stop: Callable[[], str | None] | None,
) -> Result:
    """Begin or continue; this process is the only one in the folder."""
    continuation = None
    match standing(folder, experiment.settings):
        case "done":  # by another process, a moment ago
            return read_result(folder)
        case "begun":
            replace_text(folder / SETTINGS, settings_text(experiment.settings))  # with the budget of now
            continuation = continue_from(folder, experiment, tell, command)
        case "empty":
            begin_folder(folder, experiment.settings, command)
    if not (folder / VERSIONS).is_file():
        write_json(folder / VERSIONS, versions(experiment.settings.seed, command))
    history = _train(experiment, folder, progress, tell, stop, continuation)
    verdict = _verdict(experiment, history)
    end_folder(folder, experiment, verdict, inexact_parts_of_run(folder))
    return Result(folder, experiment.settings, tuple(history), verdict)


def _train(
    experiment: Experiment,
    folder: Path,
    progress: Callable[[Progress], None] | None,
    tell: Callable[[str], None],
    stop: Callable[[], str | None] | None,
    continuation: Continuation | None,
) -> list[EvaluatedStep]:
    """The evaluations of the whole run."""
    settings, model = experiment.settings, experiment.model
    kept = [] if continuation is None else continuation.history
    with ExitStack() as files:
        metrics = files.enter_context(closing(MetricsFile(folder / METRICS)))
        for evaluated in kept:
            metrics.write(metrics_row(evaluated.step, evaluated.evaluation))
        history = files.enter_context(closing(EvaluationHistory(folder / EVALUATIONS, kept)))
        (folder / TRAIN).mkdir(exist_ok=True)
        table = ProgressFile(folder / TRAIN / PROGRESS, 0 if continuation is None else continuation.n_progress_rows)
        model.set_logger(files.enter_context(closing(run_logger(settings, folder, table, model.num_timesteps))))

        def keep(evaluated: EvaluatedStep) -> None:
            history.append(evaluated)
            metrics.write(metrics_row(evaluated.step, evaluated.evaluation))

        def score(_: BaseAlgorithm) -> float | None:
            evaluation.make_if_due()
            return number(history.evaluations[-1].evaluation.episode_return) if history.evaluations else None

        evaluation = EvaluationCallback(
            experiment.evaluate,
            settings.evaluation.interval,
            settings.total_steps,
            keep,
            progress,
            kept[-1] if kept else None,
        )
        asked = settings.checkpoints
        checkpoints = ExactCheckpointCallback(
            folder / CHECKPOINTS,
            asked.interval,
            asked.keep_last,
            score if asked.keep_best else False,
            more=lambda: {"evaluations_bytes": history.n_bytes, "progress_rows": table.n_rows},
        )
        guard = files.enter_context(closing(FiniteGuard(folder / NOT_FINITE)))
        stopping = StopWhenAsked(checkpoints, stop)
        log = _episode_log(experiment, folder)
        if log is not None:
            tell(str(estimate_bytes(model, settings.total_steps, log.options)))
            files.callback(_close_log, log, tell)
        others = [RewardComponents(), evaluation, *([] if log is None else [log])]
        callbacks = CallbackList([guard, stopping, checkpoints, *others])
        try:
            with guard.watching():
                _learn(model, callbacks, others, settings, continuation)
        except KeyboardInterrupt:
            save_policy(folder, experiment)
            raise
        if checkpoints.has_stopped:
            save_policy(folder, experiment)
            raise RunStopped(folder, stopping.step, stopping.reason)
        return history.evaluations


def _learn(
    model: BaseAlgorithm,
    callbacks: CallbackList,
    others: Sequence[BaseCallback],
    settings: Settings,
    continuation: Continuation | None,
) -> None:
    """What is left of it; `others` end with it, also where nothing is left."""
    if continuation is None:
        model.learn(settings.total_steps, callbacks, log_interval=settings.logging.interval)
    elif continuation.restored.step < settings.total_steps:
        continue_learning(model, continuation.restored, callbacks, settings.total_steps)
    else:  # it was interrupted after the last step
        callbacks.init_callback(model)
        load_loop_state(model, callbacks, continuation.restored.loop)
        for callback in others:
            callback.num_timesteps = model.num_timesteps
            callback.on_training_end()


def _verdict(experiment: Experiment, history: Sequence[EvaluatedStep]) -> Verdict:
    settings, world = experiment.settings, world_of(experiment.evaluation_env)
    return judge(
        history,
        settings.total_steps,
        None if world is None else world.bank,
        world_model_is_trained=world_model_scale(settings) > 0.0,
        return_threshold=return_threshold(settings),
        mark=privilege(settings),
        refusal=fallback_refusal(world_of(experiment.env), experiment.model.num_timesteps),
    )


def _close_log(log: EpisodeLog, tell: Callable[[str], None]) -> None:
    log.close()
    if log.stopped is not None:
        tell(log.stopped)


def _say_nothing(_: str) -> None:
    """For callers who want no notices."""


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
