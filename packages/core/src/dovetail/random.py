"""Random numbers: the default generator, and draws that equal PyTorch's CPU ones after the same ``manual_seed``.

The draws give NumPy arrays; ``dovetail.rand`` and the like make tensors of them, on any device. They equal PyTorch's
bit for bit, up to the last bits of logarithm, sine and cosine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from dovetail.generator import Generator
from dovetail.modes import state

if TYPE_CHECKING:
    from dovetail.tensor import Tensor

__all__ = [
    "Generator", "bernoulli", "default_generator", "exponential", "fork_rng", "get_rng_state", "initial_seed",
    "manual_seed", "normal", "permutation", "random_full_range", "random_int64", "random_integers", "seed",
    "set_rng_state", "uniform",
]  # fmt: skip

#: The generator that everything draws from unless told otherwise.
default_generator = Generator()
default_generator.seed()

_BLOCK = 16  # PyTorch's vectorised normal numbers come in blocks of 16: 8 radii, then 8 angles
_SMALLEST_64_BIT_RANGE = 2**28  # below it one number of 32 bits is even enough
_LARGEST_32_BIT_PERMUTATION = (2**32 - 1) // 20


def manual_seed(seed: int) -> Generator:
    """Seed the default generator and return it; the same seed gives PyTorch's numbers.

    Args:
        seed: an int in [-2**63, 2**64); negative ones count from 2**64 down.

    Raises:
        TypeError: the seed is no int.
        ValueError: the seed does not fit in 64 bits.

    Example::

        >>> import dovetail
        >>> _ = dovetail.manual_seed(42)
        >>> dovetail.rand(3)
        tensor([0.8823, 0.9150, 0.3829])
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Give the default generator a seed that nobody can foresee and return it."""
    return default_generator.seed()


def initial_seed() -> int:
    """Return the seed that the default generator started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Return the default generator's state, a uint8 tensor of 5056 bytes that PyTorch takes too."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator into a state that ``get_rng_state`` gave.

    Raises:
        TypeError: the state is no uint8 tensor.
        ValueError: the bytes are not a generator's state.
    """
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Iterable[Any] | None = None, enabled: bool = True) -> Iterator[None]:
    """Run a block whose draws leave the default generator as it was before.

    Args:
        devices: has no effect, since every device draws from the one default generator.
        enabled: False makes the context do nothing.

    Example::

        >>> import dovetail
        >>> _ = dovetail.manual_seed(0)
        >>> with dovetail.random.fork_rng():
        ...     _ = dovetail.rand(100)
        >>> dovetail.rand(2)
        tensor([0.4963, 0.7682])
    """
    if not enabled:
        yield
        return
    before = default_generator.state_bytes()
    try:
        yield
    finally:
        default_generator.set_state_bytes(before)


# Draws: NumPy arrays


def _seen(draw: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Let ``vmap`` say what a function draws inside it."""

    @wraps(draw)
    def call(*args: Any, **kwargs: Any) -> np.ndarray:
        return draw(*args, **kwargs) if state.draw is None else state.draw(draw, args, kwargs)

    return call


def _unit(count: int, dtype: np.dtype, generator: Generator) -> np.ndarray:
    """Return ``count`` numbers in [0, 1): 53 bits as float64 for float64, else 24 bits as float32."""
    if dtype == np.float64:
        return (generator.double_words(count) & np.uint64(2**53 - 1)) * 2.0**-53
    return (generator.words(count) & np.uint64(2**24 - 1)).astype(np.float32) * np.float32(2.0**-24)


def _multiply_add(x: np.ndarray, factor: float, summand: float) -> np.ndarray:
    """Return ``x * factor + summand`` rounded once, as a fused multiply-add does (Dekker's exact product)."""
    product = x * factor
    if summand == 0.0 or abs(factor) > 2.0**900:
        return product + summand
    splitter = 2.0**27 + 1
    high = x * splitter - (x * splitter - x)
    factor_high = factor * splitter - (factor * splitter - factor)
    low, factor_low = x - high, factor - factor_high
    error = ((high * factor_high - product) + high * factor_low + low * factor_high) + low * factor_low
    total = product + summand
    summand_part = total - product
    return total + ((product - (total - summand_part)) + (summand - summand_part) + error)


@_seen
def uniform(
    shape: Sequence[int], dtype: Any = np.float32, low: float = 0.0, high: float = 1.0,
    generator: Generator | None = None,
) -> np.ndarray:  # fmt: skip
    """Return numbers drawn evenly from [low, high), an array of this shape and floating-point or complex NumPy dtype.

    Raises:
        ValueError: ``low`` exceeds ``high``.
    """
    dtype, low, high = np.dtype(dtype), float(low), float(high)
    if not low <= high:
        raise ValueError(f"uniform draws from low to high: low={low} must not exceed high={high}")
    if dtype.kind == "c":
        return _complex_pairs(uniform, shape, dtype, low, high, generator)
    unit = _unit(math.prod(shape), dtype, generator or default_generator)
    if (low, high) == (0.0, 1.0):
        drawn = unit
    elif dtype == np.float64:
        drawn = _multiply_add(unit, high - low, low)
    else:  # exact in float64, and so rounded once
        drawn = unit.astype(np.float64) * float(np.float32(high) - np.float32(low)) + float(np.float32(low))
        drawn = drawn.astype(np.float32)
    drawn = drawn.astype(dtype, copy=False)
    first, excluded = np.array([low, high]).astype(unit.dtype).astype(dtype)
    if first != excluded:
        drawn[drawn == excluded] = first  # rounding may reach the upper bound
    return drawn.reshape(shape)


@_seen
def normal(
    shape: Sequence[int], dtype: Any = np.float32, mean: float = 0.0, std: float = 1.0,
    generator: Generator | None = None,
) -> np.ndarray:  # fmt: skip
    """Return normally distributed numbers, an array of this shape and floating-point or complex NumPy dtype.

    Fewer than 16 numbers are drawn one by one in double precision, 16 and more in blocks, as PyTorch does.

    Raises:
        ValueError: ``std`` is negative.

    Source: Box and Muller, "A note on the generation of random normal deviates", 1958.
    """
    dtype, generator = np.dtype(dtype), generator or default_generator
    if not std >= 0.0:
        raise ValueError(f"a normal distribution's std is 0 or more, got {std}")
    if dtype.kind == "c":
        return _complex_pairs(normal, shape, dtype, mean, std * math.sqrt(0.5), generator)
    count = math.prod(shape)
    with generator.lock:
        if count < _BLOCK:
            drawn = np.array([generator.scalar_normal() * std + mean for _ in range(count)], np.float64)
            return drawn.astype(dtype).reshape(shape)
        whole = count - count % _BLOCK
        unit = _unit(count if dtype.itemsize > 2 else whole, dtype, generator)  # 16-bit types draw block by block
        tail = _unit(_BLOCK, dtype, generator) if count % _BLOCK else None
    drawn = np.empty(count, unit.dtype)
    drawn[:whole] = _box_muller(unit[:whole])
    if tail is not None:
        drawn[-_BLOCK:] = _box_muller(tail)  # the last 16 are drawn anew, over what the last whole block left
    if (mean, std) != (0.0, 1.0):
        drawn *= unit.dtype.type(std)
        drawn += unit.dtype.type(mean)
    return drawn.astype(dtype, copy=False).reshape(shape)


def _box_muller(unit: np.ndarray) -> np.ndarray:
    """Turn evenly distributed numbers into normal ones, 8 pairs in each block of 16."""
    pairs = unit.reshape(-1, 2, _BLOCK // 2)
    one = unit.dtype.type
    radius = np.sqrt(one(-2) * np.log(one(1) - pairs[:, 0]))
    angle = one(2 * math.pi) * pairs[:, 1]
    result = np.empty_like(pairs)
    np.multiply(radius, np.cos(angle), out=result[:, 0])
    np.multiply(radius, np.sin(angle), out=result[:, 1])
    return result.reshape(-1)


def _complex_pairs(draw: Any, shape: Sequence[int], dtype: np.dtype, first: float, second: float, generator: Any):
    """Draw a complex array as real and imaginary parts side by side."""
    part = np.float32 if dtype == np.complex64 else np.float64
    return draw((*shape, 2), part, first, second, generator).view(dtype).reshape(shape)


@_seen
def exponential(
    shape: Sequence[int], dtype: Any = np.float32, rate: float = 1.0, generator: Generator | None = None
) -> np.ndarray:
    """Return exponentially distributed numbers, an array of this shape and floating-point NumPy dtype.

    Raises:
        ValueError: ``rate`` is not positive.
    """
    if not rate > 0.0:
        raise ValueError(f"an exponential distribution's rate is positive, got {rate}")
    unit = _unit(math.prod(shape), np.dtype(np.float64), generator or default_generator)
    return (np.log1p(-unit) * (-1.0 / rate)).astype(dtype).reshape(shape)


@_seen
def bernoulli(
    p: float | np.ndarray, shape: Sequence[int] | None = None, dtype: Any = np.bool_,
    generator: Generator | None = None,
) -> np.ndarray:  # fmt: skip
    """Return ones with probability ``p`` and zeros otherwise, an array of this shape (or of p's) and NumPy dtype.

    ``p`` is one number, or an array that broadcasts to ``shape``; as in PyTorch its dtype says how many bits are drawn.

    Raises:
        ValueError: a probability is not in [0, 1].
    """
    probability = np.asarray(p)
    shape = probability.shape if shape is None else shape
    outside = probability[~((probability >= 0) & (probability <= 1))]
    if outside.size:
        raise ValueError(f"a probability lies in [0, 1], got {outside.flat[0]}")
    precise = np.dtype(np.float64 if probability.dtype == np.float64 else np.float32)
    unit = _unit(math.prod(shape), precise, generator or default_generator).reshape(shape)
    return (unit < probability.astype(precise)).astype(dtype, copy=False)


@_seen
def random_integers(
    low: int, high: int, shape: Sequence[int], dtype: Any = np.int64, generator: Generator | None = None
) -> np.ndarray:
    """Return whole numbers drawn evenly from low (included) to high (excluded), an array of this shape and NumPy dtype.

    Raises:
        ValueError: there is no such number.
    """
    if not low < high:
        raise ValueError(f"whole numbers are drawn from low (included) to high (excluded), got low={low}, high={high}")
    generator, count, width = generator or default_generator, math.prod(shape), high - low
    words = generator.words(count) if width < _SMALLEST_64_BIT_RANGE else generator.double_words(count)
    if width < 2**64:
        words = words % np.uint64(width)
    return (words.view(np.int64) + np.int64(low)).astype(dtype, copy=False).reshape(shape)


@_seen
def random_full_range(shape: Sequence[int], dtype: Any, generator: Generator | None = None) -> np.ndarray:
    """Return what PyTorch's ``Tensor.random_()`` gives: whole numbers from 0 to the largest that the dtype holds.

    For a floating-point dtype that is the largest up to which it holds every whole number, such as 2**24 for float32.
    """
    dtype, generator, count = np.dtype(dtype), generator or default_generator, math.prod(shape)
    if dtype.kind in "biu":
        largest = 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
    else:
        largest = 2 ** {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}[dtype.name]
    words = generator.double_words(count) if dtype.itemsize == 8 else generator.words(count)
    return (words % np.uint64(largest + 1)).astype(dtype).reshape(shape)


def random_int64(generator: Generator | None = None) -> int:
    """Return one int in [0, 2**63): PyTorch's ``random_()`` for int64, from which its loader and sampler take seeds."""
    return int((generator or default_generator).double_words(1)[0]) % 2**63


@_seen
def permutation(n: int, generator: Generator | None = None) -> np.ndarray:
    """Return the numbers 0 to n-1 in random order, as int64.

    Raises:
        ValueError: ``n`` is negative.

    Source: Durstenfeld, "Algorithm 235: Random permutation", CACM 7(7), 1964.
    """
    if n < 0:
        raise ValueError(f"a permutation has 0 or more elements, got n={n}")
    if n < 2:
        return np.arange(n)
    generator = generator or default_generator
    words = generator.words(n - 1) if n < _LARGEST_32_BIT_PERMUTATION else generator.double_words(n - 1)
    places = np.arange(n - 1, dtype=np.uint64)
    order = list(range(n))  # a list: swapping its elements is ten times faster than an array's
    for place, other in enumerate((words % (np.uint64(n) - places) + places).tolist()):
        order[place], order[other] = order[other], order[place]
    return np.array(order, np.int64)
