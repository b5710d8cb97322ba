"""Curricula as plain data, so that they travel inside an environment's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wmil_envs.curricula.mastery import MasteryCurriculum
from wmil_envs.curricula.uniform import UniformCurriculum
from wmil_envs.curriculum import Curriculum

CurriculumSpecification = Curriculum | str | Mapping[str, Any]

CURRICULA: dict[str, type[Curriculum]] = {"mastery": MasteryCurriculum, "uniform": UniformCurriculum}


def make_curriculum(specification: CurriculumSpecification, n_levels: int) -> Curriculum:
    """The curriculum that a specification describes, or the object itself.

    Args:
        specification: `"mastery"`, `"uniform"`, or a mapping with the `"kind"` and the constructor's arguments, such as
            `{"kind": "mastery", "threshold": 0.9}`; or a `Curriculum`, which several envs may then share.
        n_levels: number of levels of the task.

    Raises:
        ValueError: an unknown kind, arguments that it does not take, or an object made for another number of levels.
    """
    if isinstance(specification, Curriculum):
        if specification.n_levels != n_levels:
            raise ValueError(f"the task has {n_levels} levels, the curriculum {specification.n_levels}")
        return specification
    arguments = dict(specification) if isinstance(specification, Mapping) else {"kind": specification}
    kind = arguments.pop("kind", None)
    if not isinstance(kind, str) or kind not in CURRICULA:
        raise ValueError(f"a curriculum is one of {', '.join(CURRICULA)}, not {kind!r}")
    try:
        return CURRICULA[kind](n_levels, **arguments)
    except TypeError as error:
        raise ValueError(f"the curriculum {kind!r} does not take these arguments: {error}") from error
