"""What plain values of a file must be like before they are hashed, and before they are handed on.

A tuple may be so deep that hashing it breaks the interpreter, many keys may have one hash so that a dict of them takes
hours, and lists may hold each other so that walking them never ends. No file needs that, so that none may have it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from dovetail.device import Device
from dovetail.dtypes import DType
from dovetail.layouts import Layout
from dovetail.sizes import Size
from dovetail.tensor import Tensor
from dovetail.torch_files.source import Source

_DEEPEST = 200
_LARGEST = 50_000_000  # values, one that is held at several places counting several times
_RARE_KEYS = 5000  # whose hashes a file can choose
_KEY_PARTS = 16
_SMALL = 16
_KNOWN_COST = 200  # bytes
_UNKNOWN = (0, 0)

_PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, range, slice, Size, DType, Device, Layout)
_LEAVES = frozenset((*_PLAIN, Tensor, np.ndarray))
_CONTAINERS = frozenset((list, tuple, dict, OrderedDict, Counter, set, frozenset))
_FREE_KEYS = frozenset((str, bytes, bool, type(None)))  # hashed by a secret, or few
_KEYS = frozenset((int, float, complex, Size, DType, Device, range))


class Keys:
    """Says which values may be keys of dicts and members of sets."""

    def __init__(self, fail: Callable[[str], NoReturn]) -> None:
        self.fail = fail
        self.rare = 0

    def check(self, key: Any) -> None:
        """Refuse a key of a type that nobody hashes, and too many whose hashes the file chose."""
        kind = type(key)
        if kind in _FREE_KEYS or (kind is int and key.bit_length() < 61):
            return
        self.rare += 1
        if self.rare > _RARE_KEYS:
            self.fail(f"its dicts and sets hold more than {_RARE_KEYS} keys that are tuples, floats or large integers")
        if not self._fit(key, [_KEY_PARTS]):
            self.fail(
                f"one of its dicts and sets holds a {kind.__name__} as a key; a key is text, a number or a tuple of "
                f"up to {_KEY_PARTS} of them"
            )

    def _fit(self, key: Any, left: list[int]) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        if type(key) in (tuple, frozenset):
            return len(key) <= left[0] and all(self._fit(part, left) for part in key)
        return type(key) in _FREE_KEYS or type(key) in _KEYS

    def set_of(self, items: Iterable[Any], spend: Callable[[int], None]) -> set[Any]:
        """Return a set of items that may be in one."""
        made = set()
        for item in items:
            spend(100)
            self.check(item)
            made.add(item)
        return made


class Check:
    """Refuses an object that is not data, or that would be endless, or huge, for who walks it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.known: dict[int, tuple[int, int] | None] = {}  # None while a container is being measured

    def measure(self, value: Any, depth: int = 0) -> tuple[int, int]:
        """Return how deep a value is and how many it holds, one at several places counting several times."""
        kind = type(value)
        if kind not in _CONTAINERS:
            if kind not in _LEAVES and not isinstance(value, np.dtype):
                self.source.fail(f"it holds {value}, which is no value by itself; save tensors, numbers and text")
            return 0, 1
        found = self.known.get(id(value), _UNKNOWN)
        if found is None:
            self.source.fail(f"it holds a {kind.__name__} that contains itself; save it without that")
        if found is _UNKNOWN:
            found = self._measured(value, depth)
        if depth + found[0] > _DEEPEST:
            self.source.fail(f"its containers are nested more than {_DEEPEST} deep; flatten them and save again")
        if found[1] > _LARGEST:
            self.source.fail(f"its containers hold each other, {found[1]} values in all; up to {_LARGEST} are loaded")
        return found

    def _measured(self, value: Any, depth: int) -> tuple[int, int]:
        if depth >= _DEEPEST:
            return 1, 1  # which the caller refuses
        self.known[id(value)] = None
        deepest, size = 0, 1
        for part in chain(value.keys(), value.values()) if isinstance(value, dict) else value:
            deep, count = self.measure(part, depth + 1)
            deepest, size = max(deepest, deep), size + count
        if deepest or size > _SMALL:
            self.source.spend(_KNOWN_COST)
            self.known[id(value)] = deepest + 1, size
        else:
            del self.known[id(value)]  # soon measured again
        return deepest + 1, size
