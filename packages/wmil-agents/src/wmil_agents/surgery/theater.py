"""The place where a live model is edited, and put back to the last bit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from threading import get_ident
from time import perf_counter
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn

from wmil_agents.surgery import operating_order
from wmil_agents.surgery.anatomy import Anatomy, HasPolicy, module_of
from wmil_agents.surgery.boxes import union
from wmil_agents.surgery.bystanders import Bystanders
from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.operating_order import LOCK, Session
from wmil_agents.surgery.preparation import Placed, Prepared, checked_strengths, place
from wmil_agents.surgery.region import Region


class SurgicalTheater:
    """A block in which a model's weights are edited in place; afterwards all is as it was, to the last bit.

    Only the touched parts are saved, those that several edits touch once, and copied back on exit, whatever happened
    inside. Buffers, training flags and `requires_grad` are left as found, too. Nothing else is touched: parameters and
    the state of their optimizer stay the same objects in the same memory. Version counters count the edits, so a
    backward pass through a graph that saw other weights raises as torch always does.

    Theaters on one model may be nested. One theater can be used again and again, which costs little: parts are looked
    up and memory is allocated once. What was trained inside is undone in the touched parts, unless it is kept.

    Args:
        model: a torch module, or an algorithm of Stable-Baselines3, whose policy is meant.
        edits: one or several, carried out in this order.
    """

    def __init__(self, model: nn.Module | HasPolicy, edits: Edit | Iterable[Edit]) -> None:
        self.module = module_of(model)
        self._edits = (edits,) if isinstance(edits, Edit) else tuple(edits)
        self._strengths: list[float] | None = None
        self._room: _Room | None = None
        self._session: Session | None = None
        self._kept = False
        self._seconds = 0.0

    def prepare(self) -> Self:
        """Looks up the parts and allocates memory for them; otherwise the first use does so.

        Raises:
            ValueError: an edit means nothing in this model, or cannot be made there.
        """
        with LOCK:
            self._prepare()
        return self

    def __enter__(self) -> Self:
        start = perf_counter()
        with LOCK:
            if self._session is not None:
                where = "" if self._session.thread == get_ident() else " by another thread"
                raise RuntimeError(f"this theater is in use{where}: make another one, or use it when it is free")
            room = self._prepare()
            self._kept = False
            self._session = session = operating_order.opened(room.things)
        try:
            room.bystanders.note()
            room.save()
            try:
                room.apply(self._numbers())
            except BaseException:
                room.put_back()
                room.bystanders.put_back()
                raise
        except BaseException:
            self._close(session)
            raise
        self._seconds = perf_counter() - start
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        start = perf_counter()
        room, session = self._opened("left")
        operating_order.check_may_close(session)
        try:
            try:
                if not self._kept:
                    room.put_back()
            finally:
                room.bystanders.put_back()
        finally:
            self._close(session)
        self._seconds += perf_counter() - start

    def keep(self) -> None:
        """Makes the weights stay as they are now; only a theater around this one can still undo it.

        Raises:
            RuntimeError: the theater is not in use, or in use by another thread.
        """
        self._opened("kept")
        self._kept = True

    def operate(self, strengths: Iterable[float]) -> None:
        """Sets all strengths, those of the first edit first: inside the block at once, otherwise for the next use.

        Inside, the weights become the original ones with these edits; edits do not add up.

        Args:
            strengths: `n_strengths` numbers.

        Raises:
            ValueError: there are not as many, or they are not finite.
        """
        numbers = checked_strengths(strengths, self.n_strengths)
        if self._session is not None:
            room, _ = self._opened("operated in")
            room.put_back()
            try:
                room.apply(numbers)
            except BaseException:
                room.put_back()
                raise
        self._strengths = numbers

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits with their strengths as they are now."""
        if self._strengths is None:
            return self._edits
        edits, first = [], 0
        for one in self._ready().placed:
            own = self._strengths[first : first + len(one.strengths())]
            is_single = len(own) == 1 and not isinstance(one.edit.strength, tuple)
            edits.append(replace(one.edit, strength=own[0] if is_single else tuple(own)))
            first += len(own)
        return tuple(edits)

    @property
    def n_strengths(self) -> int:
        """How many numbers `operate` takes."""
        return len(self._ready().first_strengths)

    @property
    def strengths(self) -> list[float]:
        """The numbers as they are now."""
        return list(self._numbers())

    @property
    def bytes_saved(self) -> int:
        """Memory for the touched weights: as many bytes as they have."""
        return self._ready().bytes_saved

    @property
    def buffer_bytes(self) -> int:
        """Memory for the buffers, which any forward may change."""
        return self._ready().bystanders.buffers.n_bytes

    @property
    def share_of_clone(self) -> float:
        """`bytes_saved` as a share of what a copy of all parameters and buffers takes."""
        clone = sum(tensor.nbytes for tensor in chain(self.module.parameters(), self.module.buffers()))
        return self.bytes_saved / clone if clone else 0.0

    @property
    def seconds(self) -> float:
        """How long the last use took for saving, editing and putting back, without what was done inside."""
        return self._seconds

    def _prepare(self) -> _Room:
        if self._room is None or (self._session is None and not self._room.is_as_it_was()):
            self._room = _Room(self.module, self._edits)
        return self._room

    def _ready(self) -> _Room:
        if self._room is None:
            self.prepare()
        assert self._room is not None
        return self._room

    def _numbers(self) -> list[float]:
        return self._ready().first_strengths if self._strengths is None else self._strengths

    def _opened(self, done: str) -> tuple[_Room, Session]:
        session, room = self._session, self._room
        if session is None or room is None:
            raise RuntimeError(f"a theater can be {done} only while it is in use")
        if session.thread != get_ident():
            raise RuntimeError(f"this theater is in use by another thread, and cannot be {done} by this one")
        return room, session

    def _close(self, session: Session) -> None:
        with LOCK:
            operating_order.close(session)
            self._session = None


class _Room:
    """The touched parts of a model, with memory to save them.

    Args:
        module: the model.
        edits: what will be done to it.
    """

    def __init__(self, module: nn.Module, edits: Iterable[Edit]) -> None:
        anatomy = Anatomy(module)
        self.placed: list[Placed] = place(edits, anatomy)
        self.first_strengths = [number for one in self.placed for number in one.strengths()]
        touched: dict[str, list[Region]] = {}
        for one in self.placed:
            for region in one.site.regions:
                touched.setdefault(region.tensor, []).append(region)
        self._regions = [
            Region(name, box) for name, regions in touched.items() for box in union(region.box for region in regions)
        ]
        with torch.inference_mode(False):
            tensors = {name: anatomy.parameters[name].detach() for name in touched}
            self._views = [region.of(tensors[region.tensor]) for region in self._regions]
            self._saved = [torch.empty_like(view, memory_format=torch.contiguous_format) for view in self._views]
            self._prepared = self._prepared_edits(tensors)
            self.bystanders = Bystanders(module)
        self._places = [_Place.of(module, name) for name in touched]
        self._pointers = [(one.holder, one.name, one.parameter, one.pointer) for one in self._places]
        self.things = frozenset(map(id, chain(module.modules(), module.parameters())))
        self.bytes_saved = sum(saved.nbytes for saved in self._saved)

    def is_as_it_was(self) -> bool:
        """Whether the model still has its modules, buffers and touched parameters where they were."""
        return self._is_in_place() and self.bystanders.are_the_same()

    def save(self) -> None:
        """Copies the touched parts."""
        if self._views:
            torch._foreach_copy_(self._saved, self._views)

    def put_back(self) -> None:
        """Copies them back.

        Raises:
            RuntimeError: a parameter has another type or shape now.
        """
        if self._views:
            torch._foreach_copy_(self._views, self._saved)
        if not self._is_in_place():
            self._put_back_elsewhere()

    def apply(self, strengths: list[float]) -> None:
        """Carries out all edits."""
        first = 0
        for one in self._prepared:
            one.apply(strengths[first : first + one.n_strengths])
            first += one.n_strengths

    def _prepared_edits(self, tensors: dict[str, Tensor]) -> list[Prepared]:
        def part_of(region: Region) -> Tensor:
            return region.of(tensors[region.tensor])

        return [one.prepared(part_of) for one in self.placed]

    def _is_in_place(self) -> bool:
        for holder, name, parameter, pointer in self._pointers:  # at every use, so without a call for each
            if holder.get(name) is not parameter or parameter.data_ptr() != pointer:
                return False
        return True

    def _put_back_elsewhere(self) -> None:
        """Copies the parts to where the parameters are now: they were moved or exchanged inside the block."""
        places = {one.full_name: one for one in self._places}
        for region, saved in zip(self._regions, self._saved, strict=True):
            parameter = places[region.tensor].now()
            if parameter is None or parameter.dtype != saved.dtype or parameter.shape != places[region.tensor].shape:
                raise RuntimeError(
                    f"{region.tensor} was given another type or shape inside the theater, so it cannot be put back"
                )
            region.of(parameter.detach()).copy_(saved)


@dataclass(frozen=True)
class _Place:
    """Where a parameter was found."""

    full_name: str
    holder: dict[str, nn.Parameter | None]
    name: str
    parameter: nn.Parameter
    pointer: int
    shape: torch.Size

    @classmethod
    def of(cls, module: nn.Module, full_name: str) -> _Place:
        """Of a parameter of a module."""
        path, _, name = full_name.rpartition(".")
        holder = module.get_submodule(path)._parameters
        parameter = holder[name]
        assert parameter is not None
        return cls(full_name, holder, name, parameter, parameter.data_ptr(), parameter.shape)

    def now(self) -> nn.Parameter | None:
        """The parameter that stands there now."""
        return self.holder.get(self.name)
