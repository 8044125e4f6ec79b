"""Random numbers that are a function of a key and a place in the stream: Philox, a counter-based generator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.errors import DistributionError
from dovetail.generator import Generator, checked_seed, normal_pairs

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_32_BITS = 0xFFFFFFFF
_CHUNK = 2**14  # blocks of four words made at once stay in a core's cache
_FOLDING = _32_BITS  # the counter's last word where it makes keys; where it makes numbers it is 0


def philox4x32(counter: tuple[Any, Any, Any, Any], key: tuple[int, int], rounds: int = 10) -> tuple:
    """Return the four words of 32 bits that Philox makes of a counter of four and a key of two.

    Args:
        counter: four uint64 arrays of one shape, of any library, or four ints; each element below 2**32.
        key: two ints below 2**32.
        rounds: how often the words are mixed; fewer than 7 are not random enough.

    Returns:
        four of what the counter is, each element below 2**32.

    Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11, 2011.
    """
    first, second, third, fourth = counter
    for turn in range(rounds):
        left, right = [(part + turn * step) & _32_BITS for part, step in zip(key, _KEY_STEPS, strict=True)]
        product, other = first * _MULTIPLIERS[0], third * _MULTIPLIERS[1]
        first, third = (other >> 32) ^ second ^ left, (product >> 32) ^ fourth ^ right
        second, fourth = other & _32_BITS, product & _32_BITS
    return first, second, third, fourth


def philox_words(xp: Any, seed: int, offset: int, count: int) -> Any:
    """Return words number ``offset`` to ``offset + count`` of the stream of a seed of 64 bits, as uint64.

    Only names of the array API standard are used, so that every backend can give them, the same bits.
    """
    start, skipped = divmod(offset, 4)
    number = start + xp.arange((skipped + count + 3) // 4, dtype=xp.uint64)
    zero = xp.zeros_like(number)
    counter = (number & _32_BITS, number >> 32, zero, zero)
    words = philox4x32(counter, (seed & _32_BITS, seed >> 32))
    return xp.reshape(xp.stack(words, axis=1), (-1,))[skipped : skipped + count]


class CounterGenerator(Generator):
    """A stream of random numbers, each of which is a function of the seed and its place alone.

    It can be given wherever a generator can. The same numbers come on every backend, a part of a stream can be had
    without what comes before, and streams for other uses, such as one for each layer, worker or step, are a call away.
    Unlike ``Generator`` it does not give PyTorch's numbers.

    Args:
        seed: an int in [-2**63, 2**64).
        device: kept as ``generator.device``; it does not change the numbers.

    Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11, 2011 (Philox4x32-10).

    Example::

        >>> import dovetail
        >>> generator = dovetail.random.CounterGenerator(0)
        >>> x = dovetail.rand(100, generator=generator)
        >>> bool((dovetail.rand(10, generator=generator.at(90)) == x[90:]).all())
        True
        >>> generator.fold_in(3).initial_seed() != generator.fold_in(4).initial_seed()
        True
    """

    normal_in_blocks = False

    def __init__(self, seed: int = 0, device: Any = "cpu") -> None:
        super().__init__(device)
        self._seed, self.offset = checked_seed(seed), 0

    def manual_seed(self, seed: int) -> CounterGenerator:
        """Start the stream that belongs to ``seed``, an int in [-2**63, 2**64), and return the generator.

        Raises:
            TypeError: the seed is no int.
            ValueError: the seed does not fit in 64 bits.
        """
        number = checked_seed(seed)
        with self.lock:
            self._seed, self.offset = number, 0
        return self

    def at(self, offset: int) -> CounterGenerator:
        """Return a generator of the same stream that goes on at word ``offset``; this one stays where it is.

        A float32 of ``rand`` takes one word of 32 bits, a float64 two, a normal number two, a pair of them at a time.

        Raises:
            DistributionError: the offset is negative.
        """
        if offset < 0:
            raise DistributionError(f"a place in a stream of random numbers is 0 or more, got offset={offset}")
        other = CounterGenerator(self._seed, self.device)
        other.offset = offset
        return other

    def fold_in(self, number: int) -> CounterGenerator:
        """Return a generator with a stream of its own for ``number``, an int of 64 bits; this one stays as it is."""
        counter = (number & _32_BITS, (number >> 32) & _32_BITS, 0, _FOLDING)
        low, high, *_ = philox4x32(counter, self._key())
        return CounterGenerator(low | high << 32, self.device)

    def split(self, count: int = 2) -> list[CounterGenerator]:
        """Return ``count`` generators with streams of their own, those of ``fold_in(0)``, ``fold_in(1)``, ..."""
        return [self.fold_in(number) for number in range(count)]

    def _key(self) -> tuple[int, int]:
        return self._seed & _32_BITS, self._seed >> 32

    def words(self, count: int) -> np.ndarray:
        """Return the next ``count`` numbers of 32 bits, as a new array of uint64."""
        with self.lock:
            offset, self.offset = self.offset, self.offset + count
        if 0 < count <= 4 - offset % 4:  # numbers one by one are made ten times faster of ints
            block = philox4x32((offset // 4 & _32_BITS, offset >> 34, 0, 0), self._key())
            return np.array(block[offset % 4 : offset % 4 + count], np.uint64)
        if count <= 4 * _CHUNK:
            return philox_words(np, self._seed, offset, count)
        drawn = np.empty(count, np.uint64)
        for start in range(0, count, 4 * _CHUNK):
            part = drawn[start : start + 4 * _CHUNK]
            part[...] = philox_words(np, self._seed, offset + start, len(part))
        return drawn

    def scalar_normal(self) -> float:
        """Return one standard normal double."""
        return float(self.normals(1)[0])

    def normals(self, count: int) -> np.ndarray:
        """Return ``count`` standard normal doubles, made in pairs; the second one of a last pair may be lost."""
        return normal_pairs(self.doubles(2 * math.ceil(count / 2)))[:count]

    def state_bytes(self) -> bytes:
        """Return the seed and the place in the stream, 8 bytes each."""
        with self.lock:
            return np.array([self._seed, self.offset], "<u8").tobytes()

    def set_state_bytes(self, state: bytes) -> None:
        """Go on from a state that ``state_bytes`` gave.

        Raises:
            DistributionError: the bytes are no such state.
        """
        if len(state) != 16:
            raise DistributionError(f"a counter-based generator's state has 16 bytes, got {len(state)}")
        with self.lock:
            self._seed, self.offset = np.frombuffer(state, "<u8").tolist()

    def __repr__(self) -> str:
        return f"<dovetail.random.CounterGenerator seed={self._seed} offset={self.offset}>"
