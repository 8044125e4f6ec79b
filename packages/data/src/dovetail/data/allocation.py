"""Where a batch's arrays are made: in memory of this process or, in a worker, where the loader's process sees them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dovetail.data.workers.memory import Arena

_arena: Arena | None = None  # where the worker that this process is makes its batch


def empty(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Return an array for a batch, in memory that the loader's process sees where a worker makes the batch.

    Example::

        >>> empty((2, 3), np.float32).shape
        (2, 3)
    """
    arena = _arena
    if arena is None or arena.thread != threading.get_ident():
        return np.empty(shape, dtype)
    return arena.empty(shape, np.dtype(dtype))


def host_array(tensor: Any) -> Any:
    """Return a tensor's NumPy array; None where it has a gradient to carry or is elsewhere."""
    array = tensor._array
    return array if tensor._node is None and isinstance(array, np.ndarray | np.generic) else None


@contextmanager
def made_in(arena: Arena | None) -> Iterator[None]:
    """Have ``empty`` give memory of this arena."""
    global _arena
    _arena = arena
    try:
        yield
    finally:
        _arena = None
