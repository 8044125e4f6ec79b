"""What samples draw: numbers that depend on the pass and on the sample, and not on who makes it."""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import Any

import numpy as np

import dovetail
from dovetail.generator import default_generator, replacement

_64_BITS = 2**64 - 1


def mixed(seed: int, *numbers: int) -> int:
    """Return a seed of 64 bits that belongs to these numbers: near ones give seeds that have nothing in common.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (SplitMix64).

    Example::

        >>> mixed(1, 2) == mixed(1, 2), mixed(1, 2) == mixed(1, 3)
        (True, False)
    """
    value = seed & _64_BITS
    for number in numbers:
        value = (value + 0x9E3779B97F4A7C15 * (number + 1)) & _64_BITS
        value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _64_BITS
        value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _64_BITS
        value ^= value >> 31
    return value


class SampleGenerator(dovetail.Generator):
    """The generator that a sample draws from; its seed is worked out when the sample draws its first number."""

    def __init__(self, device: Any = "cpu") -> None:
        super().__init__(device)
        self.pass_seed = 0
        self._numbers: tuple[int, ...] | None = None

    def begin(self, *numbers: int) -> None:
        """Start the stream of the sample that these numbers belong to."""
        self._numbers, self.next_normal = numbers, None

    def _settle(self) -> None:
        if self._numbers is not None:
            numbers, self._numbers = self._numbers, None
            self.manual_seed(mixed(self.pass_seed, *numbers))

    def words(self, count: int) -> np.ndarray:
        """Return the next ``count`` numbers of 32 bits, as a new array of uint64."""
        self._settle()
        return super().words(count)

    def state_bytes(self) -> bytes:
        """Return the whole state, in PyTorch's layout."""
        self._settle()
        return super().state_bytes()

    def manual_seed(self, seed: int) -> SampleGenerator:
        """Start the stream that belongs to ``seed``, as the sample's own code may."""
        self._numbers = None
        super().manual_seed(seed)
        return self

    def initial_seed(self) -> int:
        """Return the seed that the stream started from."""
        self._settle()
        return super().initial_seed()


class Draws:
    """The random numbers of a process or thread that makes batches.

    Before each sample, Dovetail's default generator stands at the start of the sample's own stream. Python's ``random``
    and ``numpy.random``, which take longer to seed, are seeded before each batch; in the loader's own process they are
    the program's again afterwards. Threads share these two, so there they are left alone.

    Args:
        place: where batches are made: "here", in a worker "process", or in a "thread".
    """

    def __init__(self, place: str = "here") -> None:
        self.place = place
        self.generator = SampleGenerator()
        self.sample = self.generator.begin  # seeds for one sample of the pass
        if place != "thread":  # late, as they take long to import; and before a sample does, unseeded
            self._python, self._numpy = importlib.import_module("random"), importlib.import_module("numpy.random")
        if place == "process":
            self._numpy.set_bit_generator(self._bits)

    @cached_property
    def _bits(self) -> Any:
        """What alone has the seeds of ``numpy.random.seed``; made late, as passes of whole batches need none."""
        return self._numpy.MT19937(0)

    def start(self, seed: int) -> None:
        """Begin a pass."""
        self.generator.pass_seed = seed

    def __enter__(self) -> None:
        self._token = replacement.set(self.generator)
        if self.place == "here":
            self._programs = self._python.getstate(), self._numpy.get_bit_generator()
            self._numpy.set_bit_generator(self._bits)

    def __exit__(self, *_: object) -> None:
        replacement.reset(self._token)
        if self.place == "here":
            self._python.setstate(self._programs[0])
            self._numpy.set_bit_generator(self._programs[1])

    def batch(self, *numbers: int) -> None:
        """Seed for one batch of the pass."""
        if self.place == "thread":
            return
        seed = mixed(self.generator.pass_seed, *numbers)
        if self.place == "process":
            default_generator.manual_seed(seed)  # which threads of the dataset's own draw from
        self._python.seed(seed)
        self._numpy.seed(seed % 2**32)
