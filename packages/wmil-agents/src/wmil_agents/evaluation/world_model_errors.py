"""How well a policy's world model predicts, beside the least error possible and that of looking at nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wmil_agents.attached_policy import AttachedPolicy
from wmil_agents.auxiliary_losses.world_model import WorldModelHead
from wmil_agents.evaluation.policy_table import Model, actor_critic, as_tensors, evaluating, policy_table
from wmil_agents.vec_env.history_space import HistorySpace
from wmil_envs.bank import Bank
from wmil_envs.oracle import Unavailable
from wmil_envs.outcomes import Outcomes, outcome_probabilities, prediction_floors, skill
from wmil_envs.world import World

Floats = npt.NDArray[np.float64]

NO_WORLD_MODEL = Unavailable("the policy has no world model")
OF_HISTORIES = Unavailable("the policy sees histories, and the tables know single observations")


@dataclass(frozen=True)
class PredictionError:
    """The one-hot mean squared error of predictions, exact: summed over everything that can happen."""

    error: float
    """Every start instance of the level and every action weighing the same."""
    floor: float
    """The least possible, given what is visible and the action."""
    mean_error: float
    """That of the best predictor that looks at nothing."""
    on_policy_error: float
    """The first step's error where actions weigh as the policy takes them; comparable with nothing but itself."""

    @property
    def skill(self) -> float | None:
        """1 at the floor, 0 for the mean predictor, negative if worse; None where nothing can be predicted."""
        return skill(self.error, self.floor, self.mean_error)


@dataclass(frozen=True)
class WorldModelErrors:
    """The errors of each predicted attribute, and their mean."""

    attributes: Mapping[str, PredictionError]
    mean: PredictionError

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data, with the skills."""
        named = {**self.attributes, "mean": self.mean}
        return {name: asdict(error) | {"skill": error.skill} for name, error in named.items()}


def world_model_errors(model: Model, world: World, level: int | None = None) -> WorldModelErrors | Unavailable:
    """The exact errors of a policy's world model at one level, the world's own for None.

    Attributes count that the world model predicts and whose next value the bank knows as a distribution.
    """
    head = world_model_head(model)
    if head is None:
        return NO_WORLD_MODEL
    if isinstance(actor_critic(model).observation_space, HistorySpace):
        return OF_HISTORIES
    index = world.level if level is None else world.task.level_index(level)
    outcomes, floors = _possible(world.bank, index)
    observations, looks = start_observations(world, outcomes)
    predicted = _predicted(model, head, observations, looks, outcomes.actions)
    predicted = {name: q for name, q in predicted.items() if name in outcomes.probabilities}
    if not predicted:
        return Unavailable("the world model predicts no attribute that the bank knows")
    taken = policy_table(model, observations)[looks, outcomes.actions]
    return WorldModelErrors(*prediction_errors(predicted, outcomes, taken / taken.sum(), floors))


def prediction_errors(
    predicted: Mapping[str, Floats],
    outcomes: Outcomes,
    taken: Floats,
    floors: tuple[Mapping[str, float], Mapping[str, float]] | None = None,
) -> tuple[dict[str, PredictionError], PredictionError]:
    """The error of each attribute and their mean.

    Args:
        predicted: for each attribute (C, n_values), the predicted distribution in every cell.
        outcomes: the true ones, C cells.
        taken: (C,) how likely the policy is to be in each cell.
        floors: what `prediction_floors` says about the outcomes, if that is known already.
    """
    least, mean_errors = prediction_floors(outcomes) if floors is None else floors
    errors = {}
    for name, q in predicted.items():
        target = outcomes.probabilities[name]
        by_cell = ((q - target) ** 2 + target * (1.0 - target)).mean(1)
        errors[name] = PredictionError(float(by_cell.mean()), least[name], mean_errors[name], float(by_cell @ taken))
    columns = np.array([[e.error, e.floor, e.mean_error, e.on_policy_error] for e in errors.values()])
    return errors, PredictionError(*columns.mean(0).tolist())


def world_model_head(model: Model) -> WorldModelHead | None:
    """The head of the model's world model; None where it has none."""
    try:
        policy = actor_critic(model)
    except TypeError:
        return None
    if not isinstance(policy, AttachedPolicy):
        return None
    heads = (head for head in policy.auxiliary_heads.values() if isinstance(head, WorldModelHead))
    return next(heads, None)


def start_observations(world: World, outcomes: Outcomes) -> tuple[Any, npt.NDArray[np.int64]]:
    """The distinct first observations of a level, in the world's form, and each cell's place among them (C,)."""
    rows = np.ascontiguousarray(world.starts[:, : world.observation.n_columns])
    _, first, looks = np.unique(world.bank.visible_ids[outcomes.instances], return_index=True, return_inverse=True)
    distinct = rows[outcomes.instances[first]]
    encode = world.observation.encoder()
    return distinct if encode is None else encode(distinct), looks.reshape(-1)


@lru_cache(maxsize=32)
def _possible(bank: Bank, level: int) -> tuple[Outcomes, tuple[dict[str, float], dict[str, float]]]:
    """What can follow the start instances of a level, with the floors; the same at every evaluation of a run."""
    outcomes = outcome_probabilities(bank, level)
    return outcomes, prediction_floors(outcomes)


def _predicted(
    model: Model, head: WorldModelHead, observations: Any, looks: npt.NDArray[np.int64], actions: npt.NDArray[np.int64]
) -> dict[str, Floats]:
    """For each attribute that the head predicts (C, n_values), its probabilities in every cell."""
    policy = actor_critic(model)
    with torch.no_grad(), evaluating(policy):
        features = policy.extract_features(as_tensors(observations, policy.device))
        features = features[0] if isinstance(features, tuple) else features
        cells = torch.as_tensor(actions, device=policy.device)
        probabilities = (
            head.predict(features[torch.as_tensor(looks, device=policy.device)], cells).double().cpu().numpy()
        )
    return {
        column.entry or column.name: probabilities[:, place, : column.n_values]
        for place, column in enumerate(head.columns)
    }
