"""What a surgeon sees of a model: how widely each head attends, and how much it puts out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from torch import nn

from wmil_agents.evaluation.policy_table import as_tensors
from wmil_agents.networks.transformer import SelfAttention
from wmil_agents.surgeons.head_watch import HeadWatch, OurHeads, TorchHeads
from wmil_agents.surgeons.score import Model, evaluating
from wmil_agents.surgery.anatomy import module_of

Readings = npt.NDArray[np.float32]


class HeadReadings:
    """Two numbers for every attention head, as means over what the model is run on.

    The entropy of its attention weights, as a share of the highest possible, log n for n keys that can be seen; and the
    logarithm of the root mean square of what it puts out, before the output projection. Heads that a forward does not
    run, as those of a critic of its own, read 0. Our `SelfAttention` is read, and `nn.MultiheadAttention`.

    Args:
        model: a torch module, or an algorithm of Stable-Baselines3, whose policy is meant.

    Raises:
        ValueError: it has no attention heads that can be read.
    """

    def __init__(self, model: Model) -> None:
        self.module = module_of(model)
        self._watches: list[HeadWatch] = []
        self.heads: list[str] = []
        """Every head, as `targets(model)` calls it without the last word."""
        for name, part in self.module.named_modules():
            match part:
                case SelfAttention():
                    self._watches.append(OurHeads(part))
                case nn.MultiheadAttention():
                    self._watches.append(TorchHeads(part))
                case _:
                    continue
            place = f"{name}." if name else ""
            self.heads += [f"{place}heads.{head}" for head in range(self._watches[-1].n_heads)]
        if not self._watches:
            raise ValueError(
                f"{type(self.module).__name__} has no attention heads that could be read: a surgeon needs a model with "
                "the transformer of wmil_agents or with nn.MultiheadAttention"
            )
        self.names = [f"{head}.{what}" for what in ("entropy", "log_rms") for head in self.heads]
        """What each number is, in the order of a reading."""

    def read(self, observations: Any) -> Readings:
        """Runs the model in evaluation mode, and reads its heads.

        Args:
            observations: (n, ...) rows as an environment gives them, or a dict of such.

        Returns:
            (2 x heads,) the readings.
        """
        with self.recording(), evaluating(self.module), torch.no_grad():
            _run(self.module, observations)
        return self.recorded()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """A block in which every forward of the model is read; afterwards nothing watches it any more."""
        was_fused = torch.backends.mha.get_fastpath_enabled()
        # torch's fused encoder layer would not pass by the watches.
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            for watch in self._watches:
                watch.begin()
            yield
        finally:
            for watch in self._watches:
                watch.end()
            torch.backends.mha.set_fastpath_enabled(was_fused)

    def recorded(self) -> Readings:
        """(2 x heads,) what was read in the last `recording`: first all entropies, then all logarithms."""
        entropies = [watch.entropies() for watch in self._watches]
        return torch.cat([*entropies, *(watch.log_rms() for watch in self._watches)]).cpu().numpy().astype(np.float32)


def _run(module: nn.Module, observations: Any) -> None:
    """One forward pass, without drawing anything."""
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    rows = as_tensors(observations, device)
    match module:
        case ActorCriticPolicy() if not hasattr(module, "lstm_actor"):
            module.get_distribution(rows)
        case BasePolicy():
            module._predict(rows, deterministic=True)
        case _:
            module(rows)
