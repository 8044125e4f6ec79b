"""A worker's job on its way to a process that is started anew: all workers share the memory of large arrays."""

from __future__ import annotations

import io
import mmap
import os
import pickle
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from dovetail.data.workers.memory import Slot
from dovetail.data.workers.serving import Job

#: Arrays from this number of bytes on are shared; smaller ones are pickled with the rest.
LARGE = 1 << 16


class Shelf:
    """The large arrays of a loader, each once; a worker that writes to one has the written pages for itself."""

    def __init__(self) -> None:
        self.slot = Slot()
        self.size = 0
        self._places: dict[int, tuple[int, np.ndarray]] = {}  # by id; with the array, so that the id stays its own

    def put(self, array: np.ndarray) -> int:
        """Return where the array is on the shelf, after putting it there if it is new.

        Raises:
            OSError: there is no room.
        """
        if id(array) in self._places:
            return self._places[id(array)][0]
        start, order = self.size, "C" if array.flags.c_contiguous else "F"
        content = memoryview(array.reshape(-1, order=order).view(np.uint8))  # type: ignore[call-overload]
        self.slot.grow(start + len(content))
        done = 0
        while done < len(content):
            done += os.pwrite(self.slot.file, content[done:], start + done)
        self.size = -(-(start + done) // mmap.PAGESIZE) * mmap.PAGESIZE
        self._places[id(array)] = start, array
        return start


class Sent:
    """A job that is pickled with its large arrays on a shelf."""

    def __init__(self, job: Job, shelf: Shelf) -> None:
        self.job, self.shelf = job, shelf

    def __reduce__(self) -> Any:
        file = io.BytesIO()
        _Pickler(file, self.shelf).dump(self.job)
        return pickle.loads, (file.getvalue(),)


class _Pickler(ForkingPickler):
    def __init__(self, file: Any, shelf: Shelf) -> None:
        super().__init__(file, 5)
        self._shelf = shelf

    def reducer_override(self, value: Any) -> Any:
        # a part of a mapped file does not know where it begins, and what "c" has written is in no file
        if type(value) is np.memmap and isinstance(value.base, mmap.mmap) and value.filename and value.mode != "c":
            mode = "r" if value.mode == "r" else "r+"
            order = "C" if value.flags.c_contiguous else "F"
            return np.memmap, (value.filename, value.dtype, mode, value.offset, value.shape, order)
        if type(value) is not np.ndarray or value.nbytes < LARGE or value.dtype.hasobject or not value.flags.forc:
            return NotImplemented
        try:
            start = self._shelf.put(value)
        except OSError:  # no room: it goes with the rest
            return NotImplemented
        order = "C" if value.flags.c_contiguous else "F"
        return _taken, (self._shelf.slot, start, value.shape, value.dtype, order, value.flags.writeable)


def _taken(slot: Slot, start: int, shape: tuple[int, ...], dtype: np.dtype, order: Any, writeable: bool) -> np.ndarray:
    """Return an array on the shelf, in the process that was started."""
    array = np.ndarray(shape, dtype, slot.copied_when_written(), start, order=order)
    array.flags.writeable = writeable
    return array
