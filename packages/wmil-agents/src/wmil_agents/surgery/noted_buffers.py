"""The buffers of a model, noted and put back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class NotedBuffers:
    """Remembers every buffer of some modules, and puts back those that have changed since.

    Whether one has changed is seen in its bits: some forwards, like batch norm's, change a buffer without the version
    counter that would tell, and writing to one that has not changed would spoil a graph that was recorded before.
    Reading by NumPy takes a tenth of the time where buffers are small; other devices need torch.

    Args:
        modules: whose.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._holders: list[tuple[dict[str, Tensor | None], str, Tensor]] = [
            (part._buffers, name, buffer)
            for part in modules
            for name, buffer in part._buffers.items()
            if buffer is not None and not is_lazy(buffer) and not buffer.is_meta
        ]
        self._buffers = list({id(buffer): buffer for _, _, buffer in self._holders}.values())
        self._values = [buffer.detach() for buffer in self._buffers]
        self._pointers = self._pointers_now()
        bits = list(map(_bits, self._values))
        self._bits = [one for one in bits if one.device.type == "cpu"]
        self._read = [one.numpy().tobytes for one in self._bits]
        self._bits_elsewhere = [one for one in bits if one.device.type != "cpu"]
        self._noted: list[bytes] = []
        self._noted_elsewhere: list[Tensor] = []

    @property
    def n_bytes(self) -> int:
        """Memory that they take."""
        return sum(buffer.nbytes for buffer in self._buffers)

    def are_in_place(self) -> bool:
        """Whether the modules hold the same buffers in the same memory."""
        for holder, name, buffer in self._holders:
            if holder.get(name) is not buffer:
                return False
        return self._pointers_now() == self._pointers

    def note(self) -> None:
        """Remembers how they are."""
        self._noted = [read() for read in self._read]
        self._noted_elsewhere = [bits.clone() for bits in self._bits_elsewhere]

    def put_back(self) -> None:
        """Gives them the memory and the bits that they had."""
        if not self.are_in_place():
            for holder, name, buffer in self._holders:
                holder[name] = buffer
            for buffer, values in zip(self._buffers, self._values, strict=True):
                buffer.data = values
        if [read() for read in self._read] != self._noted:
            for bits, read, noted in zip(self._bits, self._read, self._noted, strict=True):
                if read() != noted:
                    array = np.frombuffer(noted, dtype=bits.numpy().dtype).reshape(bits.shape)
                    bits.copy_(torch.from_numpy(array.copy()))
        for bits, before in zip(self._bits_elsewhere, self._noted_elsewhere, strict=True):
            if not torch.equal(bits, before):
                bits.copy_(before)

    def _pointers_now(self) -> list[int]:
        return [buffer.data_ptr() for buffer in self._buffers]


def _bits(tensor: Tensor) -> Tensor:
    """A view of the same memory as integers, so that -0.0 and 0.0 differ and NaN equals itself."""
    real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return real.view(INTEGERS[real.element_size()])
