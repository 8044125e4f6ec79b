"""Draws of whole numbers and orders, as NumPy arrays that equal PyTorch's CPU ones after the same ``manual_seed``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.draws import cast
from dovetail.errors import DistributionError, DTypeError
from dovetail.generator import chosen, seen

_SMALLEST_64_BIT_RANGE = 2**28  # below it one number of 32 bits is even enough
_LARGEST_32_BIT_PERMUTATION = (2**32 - 1) // 20
_SMALLEST_VECTOR_PERMUTATION = 600  # below it, swapping one by one is faster
_DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}


@seen
def bernoulli(
    p: float | np.ndarray, shape: Sequence[int] | None = None, dtype: Any = np.bool_, generator: Any = None
) -> np.ndarray:
    """Return ones with probability ``p`` and zeros otherwise, an array of this shape (or of p's) and NumPy dtype.

    ``p`` is one number, or an array that broadcasts to ``shape``; as in PyTorch its dtype says how many bits are drawn.

    Raises:
        DistributionError: a probability is not in [0, 1].
        DTypeError: ``dtype`` is complex, or ``p`` an array that is not floating-point.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "c" and (shape is None or 0 not in shape):
        raise DTypeError(f"bernoulli: draws real numbers, got dtype {dtype.name}")
    if isinstance(p, np.ndarray):
        return _bernoulli_each(p, p.shape if shape is None else shape, dtype, generator)
    if not 0.0 <= p <= 1.0:
        raise DistributionError(f"bernoulli: a probability lies in [0, 1], got {p}")
    shape = () if shape is None else shape
    drawn = chosen(generator).double_words(math.prod(shape))
    drawn &= np.uint64(2**53 - 1)
    ones = drawn < np.uint64(math.ceil(p * 2.0**53))  # k * 2**-53 < p
    return ones.astype(dtype, copy=False).reshape(shape)


def _bernoulli_each(p: np.ndarray, shape: Sequence[int], dtype: np.dtype, generator: Any) -> np.ndarray:
    if p.dtype.kind not in "fV":
        raise DTypeError(f"bernoulli: probabilities are floating-point numbers, got {p.dtype.name}; use .float()")
    outside = p[~((p >= 0) & (p <= 1))]
    if outside.size:
        raise DistributionError(f"bernoulli: a probability lies in [0, 1], got {outside.flat[0]}")
    generator, count = chosen(generator), math.prod(shape)
    if p.dtype == np.float64:
        return (generator.doubles(count).reshape(shape) < p).astype(dtype, copy=False)
    drawn = (generator.words(count) & np.uint64(2**24 - 1)).astype(np.float32) * np.float32(2.0**-24)
    return (drawn.reshape(shape) < p.astype(np.float32)).astype(dtype, copy=False)


def _limits(dtype: np.dtype) -> tuple[float, float]:
    """Return the smallest and the largest number of a real dtype."""
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return int(info.min), int(info.max)
    largest = 65504.0 if dtype.name == "float16" else math.inf
    return -largest, largest


def _check_range(dtype: np.dtype, low: int, high: int) -> None:
    if dtype.kind == "c":
        raise DTypeError(f"random_: whole numbers are drawn as integers, floating-point numbers or bool, not {dtype}")
    smallest, largest = _limits(dtype)
    for name, bound in (("from", low), ("to - 1", high - 1)):
        if not smallest <= bound <= largest:
            raise DistributionError(f"random_: {name}={bound} is out of bounds for {dtype.name}")
        digits = _DIGITS.get(dtype.name, 64)
        if not -(2**digits) <= bound <= 2**digits:
            warnings.warn(
                f"random_: {name}={bound} is out of bounds [-(2^{digits}), 2^{digits}], within which {dtype.name} "
                "holds every whole number; the numbers drawn are rounded",
                stacklevel=4,
            )


def _representable(dtype: np.dtype, low: int, high: int) -> tuple[int, int]:
    """Return the range narrowed so that no draw rounds to a floating-point number outside it."""
    digits = _DIGITS.get(dtype.name)
    if digits is None:
        return low, high
    above, below = (int(cast(np.array(bound), dtype)) for bound in (low + 1, high - 1))
    if above < low:
        low = above + 2 ** (abs(low + 1).bit_length() - digits)
    if below >= high:
        high = below - 2 ** (abs(high - 1).bit_length() - digits)
    return low, high


@seen
def random_integers(
    low: int, high: int, shape: Sequence[int], dtype: Any = np.int64, generator: Any = None
) -> np.ndarray:
    """Return whole numbers drawn evenly from low (included) to high (excluded), an array of this shape and NumPy dtype.

    Raises:
        DistributionError: there is no such number, or the dtype does not hold them all.
        DTypeError: the dtype is complex.
    """
    dtype = np.dtype(dtype)
    if not (low >= -(2**63) and high < 2**63):
        raise DistributionError(f"whole numbers are drawn between bounds of 64 bits, got low={low}, high={high}")
    if not low < high:
        raise DistributionError(
            f"whole numbers are drawn from low (included) to high (excluded), got low={low}, high={high}"
        )
    if dtype != np.int64:
        _check_range(dtype, low, high)
        low, high = _representable(dtype, low, high)
        if not low < high:
            raise DistributionError(f"{dtype.name} holds no whole number of the range, rounded from={low}, to={high}")
    return _integers(low, high - low, shape, dtype, generator)


def _integers(low: int, width: int, shape: Sequence[int], dtype: np.dtype, generator: Any) -> np.ndarray:
    generator, count = chosen(generator), math.prod(shape)
    words = generator.words(count) if width < _SMALLEST_64_BIT_RANGE else generator.double_words(count)
    if width < 2**64:
        words %= np.uint64(width)
    if low:
        words += np.uint64(low % 2**64)
    return cast(words.view(np.int64), dtype).reshape(shape)


@seen
def random_full_range(shape: Sequence[int], dtype: Any, generator: Any = None) -> np.ndarray:
    """Return what PyTorch's ``Tensor.random_()`` gives: whole numbers from 0 to the largest that the dtype holds.

    For a floating-point dtype that is the largest up to which it holds every whole number, such as 2**24 for float32.

    Raises:
        DTypeError: the dtype is complex.
    """
    dtype, generator, count = np.dtype(dtype), chosen(generator), math.prod(shape)
    if count:
        _check_range(dtype, 0, 1)
    words = generator.double_words(count) if dtype.itemsize == 8 else generator.words(count)
    words %= np.uint64(_largest_whole(dtype) + 1)
    return cast(words, dtype).reshape(shape)


def _largest_whole(dtype: np.dtype) -> int:
    if dtype.kind == "c":
        return 1
    return 2 ** _DIGITS[dtype.name] if dtype.name in _DIGITS else int(_limits(dtype)[1])


@seen
def random_upwards(low: int, shape: Sequence[int], dtype: Any, generator: Any = None) -> np.ndarray:
    """Return what PyTorch's ``Tensor.random_(low, None)`` gives: whole numbers from ``low`` to the dtype's largest.

    Raises:
        DistributionError: ``low`` is beyond the largest. DTypeError: the dtype has no such range.
    """
    dtype = np.dtype(dtype)
    if low == -(2**63):
        if dtype.name not in ("int64", "float64", "float32", "bfloat16") and 0 not in shape:
            raise DTypeError(f"random_: all of 64 bits fit int64, float64, float32 and bfloat16, not {dtype.name}")
        return _integers(0, 2**64, shape, dtype, generator)
    largest = _largest_whole(dtype)
    if low > largest or (low == largest and dtype.kind in "fV"):
        raise DistributionError(f"random_: from={low} is not below the largest whole number of {dtype.name}, {largest}")
    _check_range(dtype, low, low + 1)
    low = _representable(dtype, low, low + 1)[0]
    return _integers(low, largest + 1 - low, shape, dtype, generator)


def random_int64(generator: Any = None) -> int:
    """Return one int in [0, 2**63): PyTorch's ``random_()`` for int64, from which its loader and sampler take seeds."""
    return int(chosen(generator).double_words(1)[0]) % 2**63


@seen
def geometric(shape: Sequence[int], dtype: Any, p: float, generator: Any = None) -> np.ndarray:
    """Return how many trials of probability ``p`` it takes to succeed, an array of this shape and NumPy dtype.

    Raises:
        DistributionError: ``p`` is not strictly between 0 and 1. DTypeError: the dtype is bool or complex.
    """
    dtype = np.dtype(dtype)
    if not 0.0 < p < 1.0:
        raise DistributionError(f"geometric: the probability lies in (0, 1), got p={p}")
    if dtype.kind in "bc" and 0 not in shape:
        raise DTypeError(f"geometric: draws whole numbers of 1 and more, got dtype {dtype.name}")
    drawn = chosen(generator).doubles(math.prod(shape))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        np.log(drawn, out=drawn)
        drawn /= math.log1p(-p)
        np.ceil(drawn, out=drawn)
        if dtype.kind in "iu":
            drawn = drawn.astype(np.int64)
        return cast(drawn, dtype).reshape(shape)


@seen
def permutation(n: int, generator: Any = None) -> np.ndarray:
    """Return the numbers 0 to n-1 in random order, as int64.

    Raises:
        DistributionError: ``n`` is negative.

    Source: Durstenfeld, "Algorithm 235: Random permutation", CACM 7(7), 1964.
    """
    if n < 0:
        raise DistributionError(f"a permutation has 0 or more elements, got n={n}")
    if n < 2:
        return np.arange(n)
    generator = chosen(generator)
    words = generator.words(n - 1) if n < _LARGEST_32_BIT_PERMUTATION else generator.double_words(n - 1)
    places = np.arange(n - 1, dtype=np.uint64)
    words %= np.uint64(n) - places
    words += places
    others = words.view(np.int64)
    if n >= _SMALLEST_VECTOR_PERMUTATION:
        return _swapped(others)
    order = list(range(n))  # a list: swapping its elements is ten times faster than an array's
    for place, other in enumerate(others.tolist()):
        order[place], order[other] = order[other], order[place]
    return np.array(order, np.int64)


def _swapped(others: np.ndarray) -> np.ndarray:
    """Return what swapping place i with ``others[i] >= i``, for i = 0, 1, ... in turn, makes of 0, 1, 2, ...

    Step i puts into place i what place ``others[i]`` holds, and that was put there by the latest earlier step with the
    same other place, or is there from the start. What a step puts away is what its own place i held, which came by
    the latest step with i as its other place; following these to the first gives the value. Both "latest" are found
    for all places at once: writing the steps to their other places leaves the last there; what it was not, comes next.
    """
    count = len(others) + 1
    latest, earlier, steps = np.full(count, -1), np.full(count, -1), np.arange(count - 1)
    latest[others] = steps
    own = np.flatnonzero(others == steps)
    last_step, targets = latest.copy(), others
    while len(steps):
        later = last_step.take(targets)
        waiting = np.flatnonzero(later != steps)  # places: indexing with booleans takes four times as long
        steps, targets = steps.take(waiting), targets.take(waiting)
        earlier[later.take(waiting)] = steps  # of several the largest, which is written last
        last_step[targets] = steps
    latest[own] = earlier.take(own)
    holder = np.where(latest < 0, np.arange(count), latest)
    while True:
        further = holder.take(holder)
        if np.array_equal(further, holder):
            break
        holder = further
    moved = np.flatnonzero(earlier >= 0)
    drawn = np.append(others, holder[-1])
    drawn[moved] = holder.take(earlier.take(moved))
    return drawn
