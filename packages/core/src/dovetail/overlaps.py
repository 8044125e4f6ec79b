"""Which arrays lie in the same memory, and that memory itself: what a file stores once and several tensors show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def bounds(array: np.ndarray) -> tuple[int, int]:
    """Return the addresses of an array's first byte and of the one after its last; it must not be empty."""
    return np.lib.array_utils.byte_bounds(array)


def overlapping(arrays: Mapping[Any, np.ndarray]) -> list[list[Any]]:
    """Return the arrays' keys, together where what lies between first and last byte overlaps.

    Groups, and keys in them, are in the order in which they were given.
    """
    order = {key: position for position, key in enumerate(arrays)}
    groups: list[list[Any]] = []
    end = -1
    filled = {key: bounds(array) for key, array in arrays.items() if array.size}
    for key, (low, high) in sorted(filled.items(), key=lambda item: item[1]):
        if low < end:
            groups[-1].append(key)
        else:
            groups.append([key])
        end = max(end, high)
    groups += [[key] for key in arrays if key not in filled]
    groups = [sorted(group, key=order.__getitem__) for group in groups]
    return sorted(groups, key=lambda group: order[group[0]])


def memory(low: int, high: int, owners: Any) -> np.ndarray:
    """Return the bytes between two addresses, which belong to ``owners``."""
    return np.asarray(_Memory(low, high - low, owners)) if high > low else np.empty(0, np.uint8)


class _Memory:
    """Some bytes in memory, which its owners keep alive."""

    def __init__(self, low: int, count: int, owners: Any) -> None:
        self.owners = owners
        self.__array_interface__ = {"data": (low, True), "shape": (count,), "typestr": "|u1", "version": 3}
