"""Curricula as plain data, so that they travel inside an environment's arguments."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from inspect import signature
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
    known = list(signature(CURRICULA[kind]).parameters)[1:]
    for argument in arguments:
        if argument not in known:
            near = difflib.get_close_matches(argument, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(known) or 'none'}"
            raise ValueError(f"the curriculum {kind!r} takes no argument {argument!r}{hint}")
    return CURRICULA[kind](n_levels, **arguments)
