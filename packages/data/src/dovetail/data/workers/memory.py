"""Batches on their way from a worker process: in memory that the loader's process maps too.

A worker's batch lies in a slot, a file in memory that has no name: it cannot be left behind, whoever is killed, and no
limit of /dev/shm holds for it. Slots are used again and again, so their pages are made once.
"""

from __future__ import annotations

import io
import math
import mmap
import os
import pickle
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from multiprocessing import reduction
from typing import Any, NamedTuple

import numpy as np

import dovetail
from dovetail.data.allocation import empty, host_array, made_in

#: Whether a process that is being started can be given a file; where not, as on Windows, batches go through pipes.
AVAILABLE = hasattr(reduction, "DupFd")
_ALIGNED = 64  # bytes: a cache line
#: The slots of all loaders in this process; a forked worker closes those that are not its own.
made_here: weakref.WeakSet[Slot] = weakref.WeakSet()

#: How one array in a batch is sent: where it lies in the slot and its size, or its bytes where there was no room.
Placed = tuple[int, int] | bytes


class Slot:
    """A file in memory that a worker fills and the loader's process reads; both map it."""

    def __init__(self) -> None:
        self.file = -1
        self._map: mmap.mmap | None = None
        if hasattr(os, "memfd_create"):
            self.file = os.memfd_create("dovetail-batch")
        else:  # the file's name is gone at once, so nothing can be left behind here either
            with tempfile.TemporaryFile() as file:
                self.file = os.dup(file.fileno())
        made_here.add(self)

    def __getstate__(self) -> Any:
        return reduction.DupFd(self.file)  # a process that is being started gets the file itself

    def __setstate__(self, state: Any) -> None:
        self.file, self._map = state.detach(), None

    def grow(self, size: int) -> None:
        """Make the file at least this large; its pages are there afterwards, so that writing cannot fail.

        Raises:
            OSError: there is no room.
        """
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self.file, 0, size)
        elif os.fstat(self.file).st_size < size:
            os.ftruncate(self.file, size)

    def bytes(self, size: int = 0) -> np.ndarray:
        """Return the whole file, of which at least ``size`` bytes are known to be there, as a new array of uint8."""
        if self._map is None or len(self._map) < size:
            length = os.fstat(self.file).st_size
            if not length:
                return np.empty(0, np.uint8)
            self._map = mmap.mmap(self.file, length)
        return np.frombuffer(self._map, np.uint8)

    def copied_when_written(self) -> mmap.mmap:
        """Return the file mapped so that what this process writes to it is its own."""
        if self._map is None:
            self._map = mmap.mmap(self.file, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
        return self._map

    def close(self) -> None:
        """Let go of the file; its memory stays until the last array in it has gone."""
        self._map = None
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    __del__ = close


class Arena:
    """The memory of one slot, handed out from its beginning while one batch is made."""

    def __init__(self, slot: Slot) -> None:
        self.thread = threading.get_ident()
        self.slot = slot
        self.used = 0
        self.full = False
        self.mapped = [slot.bytes()]  # the newest last: a file that grows is mapped anew, older arrays stay

    def empty(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """Return an array in the slot, or one of this process where the slot cannot grow."""
        start = -(-self.used // _ALIGNED) * _ALIGNED
        end = start + math.prod(shape) * dtype.itemsize
        if end > len(self.mapped[-1]) and not self.full:
            try:
                self.slot.grow(end)
            except OSError:
                self.full = True
            else:
                self.mapped.append(self.slot.bytes(end))
        if end > len(self.mapped[-1]) or dtype.hasobject:
            return np.empty(shape, dtype)
        self.used = end
        return np.ndarray(shape, dtype, self.mapped[-1], start)

    def place(self, buffer: pickle.PickleBuffer) -> Placed:
        """Return where the buffer is in the slot, after copying it there if it is elsewhere."""
        raw = buffer.raw()
        if not raw.nbytes:
            return (0, 0)
        source = np.frombuffer(raw, np.uint8)
        for mapped in self.mapped:
            offset = _address(source) - _address(mapped)
            if offset >= 0 and offset + len(source) <= len(mapped):
                return offset, len(source)
        copy = self.empty((len(source),), source.dtype)
        if self.full:
            return raw.tobytes()
        copy[...] = source
        return self.used - len(source), len(source)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


class _Packer(pickle.Pickler):
    """Pickles a batch so that its arrays, each in one piece, need no copy but the one into the slot."""

    def __init__(self, file: Any, place: Callable[[pickle.PickleBuffer], None] | None) -> None:
        super().__init__(file, 5, buffer_callback=place)

    def reducer_override(self, value: Any) -> Any:
        array = host_array(value) if type(value) is dovetail.Tensor else None
        if array is not None:
            return dovetail.from_numpy, (np.asarray(array),)
        if type(value) is np.ndarray and not (value.flags.forc or value.dtype.hasobject):
            copy = empty(value.shape, value.dtype)
            copy[...] = value
            return copy.__reduce_ex__(5)
        return NotImplemented


class Packed(NamedTuple):
    """A batch on its way to the loader."""

    data: bytes
    placed: list[Placed]  # its arrays
    size: int  # bytes of the slot that are used
    full: bool  # whether the slot could not grow


def pack(batch: Any, arena: Arena | None) -> Packed:
    """Return a batch as bytes and the places of its arrays; without an arena, all of it as bytes."""
    file, placed = io.BytesIO(), []
    place = None if arena is None else lambda buffer: placed.append(arena.place(buffer))
    with made_in(arena):
        _Packer(file, place).dump(batch)
    if arena is None:
        return Packed(file.getvalue(), placed, 0, False)
    return Packed(file.getvalue(), placed, arena.used, arena.full)


def unpack(packed: Packed, memory: np.ndarray, copy: bool) -> Any:
    """Return the batch, its arrays in ``memory`` or copies of what is there."""
    buffers: list[Any] = []
    for place in packed.placed:
        if isinstance(place, bytes):
            buffers.append(bytearray(place))
            continue
        part = memory[place[0] : place[0] + place[1]]
        buffers.append(part.copy() if copy else part)
    return pickle.loads(packed.data, buffers=buffers)
