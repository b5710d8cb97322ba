"""A callback that stops learning at the first number that is NaN or infinite, and keeps what led to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.callbacks import BaseCallback
from torch.optim import Optimizer

from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.state_folder import write_state
from wmil_agents.runs.run_stopped import NotFiniteError

_MAX_NAMED = 3
_OF_A_STEP = ("actions", "rewards", "new_obs", "dones")
_LEARNER_ADVICE = (
    "try a smaller learner.arguments.learning_rate or learner.arguments.max_grad_norm, and look for huge rewards or "
    "observations in the dump"
)
_ENV_ADVICE = "it comes from the environment: look at its arguments, and at the actions in the dump"


class FiniteGuard(BaseCallback):
    """Looks at every reward and observation, at every gradient before it is applied, and at the losses logged.

    So the parameters stay finite, and the last checkpoint is a good one. What was found, where and at which step, with
    the batch, is written with `write_state`, so `read_state` reads it. Parameters can be finite and so large that what
    the policy answers is not: then drawing an action fails, and `watching` says why.

    Args:
        dump: the folder for that.
    """

    def __init__(self, dump: Path) -> None:
        super().__init__()
        self._dump = dump
        self._handle: Any = None

    def state_dict(self) -> dict[str, Any]:
        """Nothing: it only looks."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""

    def close(self) -> None:
        """Look at no more gradients."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """A block around learning, in which an error that comes from what the policy answers is told as such.

        Raises:
            NotFiniteError: there was an error, and what the policy answers now is not finite.
        """
        try:
            yield
        except NotFiniteError:
            raise
        except (RuntimeError, ValueError):
            where = self._first_output_not_finite()
            if where is not None:
                self._stop("policy's answer", where, _LEARNER_ADVICE)
            raise

    def _on_training_start(self) -> None:
        self.close()
        self._handle = self.model.policy.optimizer.register_step_pre_hook(self._check_gradients)
        self._check_observations(self.locals["self"]._last_obs)

    def _on_training_end(self) -> None:
        self._check_losses()
        self.close()

    def _on_rollout_start(self) -> None:
        self._check_losses()

    def _on_step(self) -> bool:
        rewards = self.locals["rewards"]
        if not np.isfinite(rewards).all():
            self._stop("reward", _places(rewards), _ENV_ADVICE)
        self._check_observations(self.locals["new_obs"])
        return True

    def _check_observations(self, observations: Any) -> None:
        for name, rows in _parts(observations):
            if rows.dtype.kind == "f" and not np.isfinite(rows).all():
                self._stop("observation", f"{name}{_places(rows)}", _ENV_ADVICE)

    def _check_losses(self) -> None:
        logged = self.logger.name_to_value
        losses = {name: value for name, value in logged.items() if name.startswith("train/") and name.endswith("loss")}
        if not np.isfinite(list(losses.values())).all():
            where = ", ".join(name for name, value in losses.items() if not np.isfinite(value))
            self._stop("loss", where, _LEARNER_ADVICE)

    def _check_gradients(self, optimizer: Optimizer, *_: Any) -> None:
        gradients = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        # One number for all of them, whatever their sizes: a sum of norms is finite only if everything is.
        if gradients and not torch.stack(torch._foreach_norm(gradients, 1)).sum().isfinite():
            names = [
                name
                for name, parameter in self.model.policy.named_parameters()
                if parameter.grad is not None and not parameter.grad.isfinite().all()
            ]
            more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
            self._stop("gradient", ", ".join(names[:_MAX_NAMED]) + more, _LEARNER_ADVICE)

    def _first_output_not_finite(self) -> str | None:
        """The first part of the policy that answers the observations of this moment with such a number; else None."""
        found: list[str] = []

        def look(name: str) -> Callable[[Any, Any, Any], None]:
            def hook(part: Any, inputs: Any, output: Any) -> None:
                outputs = output if isinstance(output, tuple) else (output,)
                if not all(one.isfinite().all() for one in outputs if isinstance(one, torch.Tensor)):
                    found.append(name)

            return hook

        policy, observations = self.model.policy, self.model._last_obs
        if observations is None:
            return None
        handles = [part.register_forward_hook(look(name)) for name, part in policy.named_modules() if name]
        try:
            with torch.no_grad(), suppress(RuntimeError, ValueError):
                policy(policy.obs_to_tensor(observations)[0])
        finally:
            for handle in handles:
                handle.remove()
        return found[0] if found else None

    def _stop(self, what: str, where: str, advice: str) -> None:
        step = self.model.num_timesteps
        kept = f"what led to it is in {self._dump}"
        try:
            write_state(self._dump, self._batch() | {"what": what, "where": where, "step": step}, step=step)
        except CheckpointError as error:
            kept = f"what led to it is not kept: {error}"
        raise NotFiniteError(f"step {step:,}: a {what} is not finite ({where}); {kept}; {advice}")

    def _batch(self) -> dict[str, Any]:
        """The rollout so far, the last step, and the gradients."""
        buffer = getattr(self.model, "rollout_buffer", None)
        rollout = _arrays(vars(buffer)) if isinstance(buffer, BaseBuffer) else {}
        last: dict[str, Any] = {name: self.locals[name] for name in _OF_A_STEP if name in self.locals}
        gradients = {
            name: parameter.grad.detach().clone()
            for name, parameter in self.model.policy.named_parameters()
            if isinstance(parameter.grad, torch.Tensor)
        }
        return {
            "rollout": rollout,
            "last_step": _arrays(last),
            "observations": _arrays({name or "all": rows for name, rows in _parts(self.model._last_obs)}),
            "gradients": gradients,
            "logged": {
                name: np.array(value, dtype=np.float64)
                for name, value in self.logger.name_to_value.items()
                if np.isscalar(value) and not isinstance(value, str)
            },
        }


def _parts(observations: Any) -> Iterator[tuple[str, Any]]:
    """The arrays that an observation is made of, by name; without one where there is only one."""
    if isinstance(observations, Mapping):
        for name, rows in observations.items():
            yield str(name), np.asarray(rows)
    elif observations is not None:
        yield "", np.asarray(observations)


def _places(rows: Any) -> str:
    """Which environments it is."""
    bad = np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1))
    listed = ", ".join(map(str, bad[:_MAX_NAMED].tolist()))
    return f" of environment {listed}" + (f" and {len(bad) - _MAX_NAMED} more" if len(bad) > _MAX_NAMED else "")


def _arrays(named: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in named.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            found[name] = value
        elif isinstance(value, Mapping):
            found[name] = _arrays(value)
    return found
