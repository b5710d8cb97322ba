"""The logger of a run: train/progress.csv, and what else the settings ask for."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat

from wmil_agents.runs.progress_file import ProgressFile
from wmil_agents.runs.run_files import TRAIN
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.trackers import TrackioWriter, WandbWriter


def run_logger(settings: Settings, folder: Path, table: ProgressFile, step: int) -> Logger:
    """A logger of Stable-Baselines3 with all its outputs.

    Args:
        settings: of the run.
        folder: of the run.
        table: its progress.csv.
        step: that the run begins at; what TensorBoard has of later ones is hidden.
    """
    train = str(folder / TRAIN)
    outputs: list[KVWriter] = [table]
    if settings.logging.tensorboard:
        outputs.append(_ContinuedTensorBoard(train, step) if step else TensorBoardOutputFormat(train))
    if settings.logging.wandb:
        outputs.append(WandbWriter(settings, folder))
    if settings.logging.trackio:
        outputs.append(TrackioWriter(settings, folder))
    return Logger(train, outputs)


class _ContinuedTensorBoard(TensorBoardOutputFormat):
    """TensorBoard's files of a run that is continued: it shows nothing twice.

    Args:
        folder: where they are.
        step: that the run begins at.
    """

    def __init__(self, folder: str, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # with TensorBoard installed alone

        self.writer = SummaryWriter(log_dir=folder, purge_step=step + 1)
        self._is_closed = False
