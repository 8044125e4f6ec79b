"""The Mersenne Twister that draws PyTorch's CPU numbers, and its state in PyTorch's layout."""

from __future__ import annotations

import math
import operator
import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from dovetail.device import Device
from dovetail.errors import DistributionError
from dovetail.modes import state

if TYPE_CHECKING:
    from dovetail.tensor import Tensor

#: The seed of a new Generator, PyTorch's own.
DEFAULT_SEED = 67280421310721

# PyTorch's state, byte for byte, so that a state saved by either continues in the other.
_STATE = np.dtype(
    [
        ("seed", "<u8"), ("left", "<i4"), ("seeded", "<i4"), ("next", "<u8"), ("words", "<u8", (624,)),
        ("normal_x", "<f8"), ("normal_y", "<f8"), ("normal_rho", "<f8"), ("has_normal", "<i4"), ("_pad", "<i4"),
        ("normal_float", "<f4"), ("has_normal_float", "?"), ("_end", "V3"),
    ]
)  # fmt: skip


_32, _53_BITS = np.array(32, np.uint64), np.array(2**53 - 1, np.uint64)  # arrays: scalars take longer


def _normal_pair(first: float, second: float) -> tuple[float, float]:
    radius, angle = math.sqrt(-2.0 * math.log1p(-second)), 2.0 * math.pi * first
    return radius * math.cos(angle), radius * math.sin(angle)


def normal_pairs(unit: np.ndarray) -> np.ndarray:
    """Return normal numbers for evenly distributed doubles, each pair of which gives a pair (Box and Muller)."""
    radius = np.sqrt(np.log1p(-unit[1::2]) * -2.0)
    angle = unit[0::2] * (2.0 * math.pi)
    drawn = np.empty_like(unit)
    np.multiply(radius, np.cos(angle), out=drawn[0::2])
    np.multiply(radius, np.sin(angle), out=drawn[1::2])
    return drawn


def checked_seed(seed: Any) -> int:
    """Return the seed as an int of 64 bits; negative ones count from 2**64 down, as in PyTorch."""
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"a seed is an int, got {seed!r} ({type(seed).__name__}); int(...) makes one") from None
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"a seed lies in [-2**63, 2**64), got {number}")
    return number % 2**64


class Generator:
    """A stream of random numbers of its own: the ones that PyTorch's CPU generator gives for the same seed.

    Every device draws from it, so a program gives the same numbers wherever it runs. Draws lock the generator, so
    threads may share one.

    Args:
        device: kept as ``generator.device``; it does not change the numbers.

    Source: Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998.

    Example::

        >>> import dovetail
        >>> generator = dovetail.Generator().manual_seed(0)
        >>> dovetail.rand(2, generator=generator)
        tensor([0.4963, 0.7682])
    """

    def __init__(self, device: str | Device = "cpu") -> None:
        self.device = Device(device)
        self.lock = threading.RLock()
        self._seed = DEFAULT_SEED
        self._bits: Any = None
        self._started = False  # whether the bits belong to the seed: they are made when first needed
        self._fresh = True  # whether nothing was drawn since the seed, which PyTorch's state tells apart
        #: The second number of a scalar Box-Muller pair, given by the next scalar draw.
        self.next_normal: float | None = None
        self._next_normal_float: float | None = None  # another of float32, which nothing draws here, but states keep

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to ``seed``, an int in [-2**63, 2**64), and return the generator.

        Raises:
            TypeError: the seed is no int.
            ValueError: the seed does not fit in 64 bits.
        """
        number = checked_seed(seed)
        with self.lock:
            self._seed, self._started, self._fresh = number, False, True
            self.next_normal = self._next_normal_float = None
        return self

    def seed(self) -> int:
        """Start a stream that nobody can foresee and return its seed."""
        number = int.from_bytes(os.urandom(8), "little") % 2**53
        self.manual_seed(number)
        return number

    def initial_seed(self) -> int:
        """Return the seed that the stream started from."""
        return self._seed

    # Raw draws: each call moves the stream on.

    #: Whether 16 and more normal numbers are drawn in blocks, as PyTorch's CPU generator does.
    normal_in_blocks = True

    def _twister(self, drawing: bool = True) -> Any:
        if drawing:
            self._fresh = False
        if self._bits is None:
            from numpy.random import MT19937  # late: it takes longer to import than the rest of Dovetail

            self._bits = MT19937(0)
        if not self._started:
            self._bits._legacy_seeding(self._seed % 2**32)  # the reference seeding, of which PyTorch uses 32 bits
            self._started = True
        return self._bits

    def words(self, count: int) -> np.ndarray:
        """Return the next ``count`` numbers of 32 bits, as a new array of uint64."""
        with self.lock:
            bits = self._twister(count > 0) if self._fresh else self._bits
            return bits.random_raw(count)

    def double_words(self, count: int) -> np.ndarray:
        """Return the next ``count`` numbers of 64 bits, each made of two of 32, the higher one first."""
        pairs = self.words(2 * count)
        drawn = pairs[0::2] << _32
        drawn |= pairs[1::2]
        return drawn

    def doubles(self, count: int) -> np.ndarray:
        """Return the next ``count`` doubles in [0, 1), of 53 bits each."""
        drawn = self.double_words(count)
        drawn &= _53_BITS
        return drawn.view(np.int64) * 2.0**-53

    def double(self) -> float:
        """Return the next double in [0, 1)."""
        high, low = self.words(2).tolist()
        return (((high & 0x1FFFFF) << 32) | low) * 2.0**-53

    def scalar_normal(self) -> float:
        """Return one standard normal double: a half of a Box-Muller pair, whose other half comes next."""
        with self.lock:
            if self.next_normal is not None:
                value, self.next_normal = self.next_normal, None
                return value
            words = self.words(4).tolist()
            first, second = (((high & 0x1FFFFF) << 32 | low) * 2.0**-53 for high, low in (words[:2], words[2:]))
            value, self.next_normal = _normal_pair(first, second)
            return value

    def normals(self, count: int) -> np.ndarray:
        """Return ``count`` standard normal doubles, the same as ``scalar_normal`` gives one by one."""
        with self.lock:
            if count < 16:
                return np.array([self.scalar_normal() for _ in range(count)], np.float64)
            kept = [] if self.next_normal is None else [self.scalar_normal()]
            unit = self.doubles(2 * ((count - len(kept) + 1) // 2))
            if len(kept) + len(unit) > count:
                self.next_normal = _normal_pair(*unit[-2:].tolist())[1]  # the state has the same last bits as PyTorch's
            drawn = normal_pairs(unit)
            return np.concatenate([kept, drawn])[:count]

    # State

    def state_bytes(self) -> bytes:
        """Return the whole state, in PyTorch's layout of 5056 bytes."""
        with self.lock:
            own = self._twister(drawing=False).state["state"]
            record = np.zeros((), _STATE)
            position = int(own["pos"])
            record["seed"], record["seeded"], record["words"] = self._seed, 1, own["key"]
            record["left"], record["next"] = 625 - position, 0 if self._fresh else position
            if self.next_normal is not None:
                record["normal_y"], record["has_normal"] = self.next_normal, 1
            if self._next_normal_float is not None:
                record["normal_float"], record["has_normal_float"] = self._next_normal_float, True
            return record.tobytes()

    def set_state_bytes(self, state: bytes) -> None:
        """Go on from a state that ``state_bytes`` or PyTorch gave.

        Raises:
            DistributionError: the bytes are no such state.
        """
        if len(state) != _STATE.itemsize:
            raise DistributionError(f"a generator's state has {_STATE.itemsize} bytes, got {len(state)}")
        record = np.frombuffer(state, _STATE)[0]
        left, position, words = int(record["left"]), int(record["next"]), record["words"]
        if not 1 <= left <= 625 or position > 624 or words.max() >= 2**32 or not words.any():
            raise DistributionError(
                "these bytes are not a generator's state; get one from get_state() or get_rng_state()"
            )
        with self.lock:
            self.manual_seed(int(record["seed"]))
            position = 624 if left == 1 else position
            inner = {"key": words.astype(np.uint32), "pos": position}
            self._twister(drawing=False).state = {"bit_generator": "MT19937", "state": inner}
            self._fresh = left == 1 and int(record["next"]) == 0
            self.next_normal = float(record["normal_y"]) if record["has_normal"] else None
            self._next_normal_float = float(record["normal_float"]) if record["has_normal_float"] else None

    def get_state(self) -> Tensor:
        """Return the whole state as a uint8 tensor of 5056 bytes, which PyTorch's generator takes too."""
        from dovetail.creation import from_numpy

        return from_numpy(np.frombuffer(self.state_bytes(), np.uint8).copy())

    def set_state(self, new_state: Tensor) -> None:
        """Go on from a state that ``get_state`` gave.

        Raises:
            TypeError: the state is no uint8 tensor.
            DistributionError: the bytes are not a generator's state.
        """
        array = getattr(new_state, "numpy", lambda: new_state)()
        if getattr(array, "dtype", None) != np.uint8:
            raise TypeError(f"a generator's state is a uint8 tensor, as get_state() gives it, got {new_state!r:.80}")
        self.set_state_bytes(array.tobytes())

    def clone_state(self) -> Generator:
        """Return a new generator at the same place of the same stream."""
        clone = type(self)(device=self.device)
        clone.set_state_bytes(self.state_bytes())
        return clone

    def __getstate__(self) -> dict[str, Any]:
        return {"device": self.device, "state": self.state_bytes()}  # a lock cannot be copied or sent

    def __setstate__(self, values: dict[str, Any]) -> None:
        type(self).__init__(self, device=values["device"])
        self.set_state_bytes(values["state"])

    def __repr__(self) -> str:
        return f"<dovetail.Generator device={self.device} seed={self._seed}>"


#: The generator that everything draws from unless told otherwise.
default_generator = Generator()
default_generator.seed()

#: What stands in for the default generator in a block of ``dovetail.random.counter_based``.
replacement: ContextVar[Any] = ContextVar("dovetail's default generator", default=None)


def chosen(generator: Any = None) -> Any:
    """Return the generator to draw from: the given one or, for None, the default one.

    Raises:
        TypeError: it is no generator.
    """
    if generator is None:
        return replacement.get() or default_generator
    if not hasattr(generator, "double_words"):
        raise TypeError(
            f"a generator is a dovetail.Generator or a dovetail.random.CounterGenerator, got {generator!r:.80}; "
            "dovetail.Generator().manual_seed(seed) makes one"
        )
    return generator


def seen(draw: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Let ``vmap`` say what a function that draws arrays gives inside it."""

    @wraps(draw)
    def call(*args: Any, **kwargs: Any) -> np.ndarray:
        return draw(*args, **kwargs) if state.draw is None else state.draw(draw, args, kwargs)

    return call
