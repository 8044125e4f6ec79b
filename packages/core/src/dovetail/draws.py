"""Draws from continuous distributions, as NumPy arrays that equal PyTorch's CPU ones after the same ``manual_seed``.

They equal PyTorch's bit for bit, up to the last bits of logarithm, sine, cosine and tangent. Whole numbers and orders
are in ``draws_whole``; tensors are made of the draws in ``creation_random`` and filled with them in ``methods.random``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.errors import DistributionError, DTypeError
from dovetail.generator import chosen, seen

_BLOCK = 16  # PyTorch's vectorised normal numbers come in blocks of 16: 8 radii, then 8 angles
_CHUNK = 2**15  # many numbers are made in pieces that stay in a core's cache
_24_BITS, _24_BIT_STEP = np.array(2**24 - 1, np.uint64), np.array(2.0**-24)  # arrays: scalars take longer
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_LARGEST = {"float16": 65504.0, "bfloat16": float.fromhex("0x1.fep127"), "float32": float.fromhex("0x1.fffffep127")}


def cast(drawn: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return numbers of 64 bits as ``dtype``; 16 bits come by way of 32, as in PyTorch, which may round twice."""
    if dtype.itemsize == 2 and dtype.kind in "fV":
        drawn = drawn.astype(np.float32, copy=False)
    return drawn.astype(dtype, copy=False)


def _expect_floating(name: str, dtype: np.dtype, shape: Sequence[int] = ()) -> bool:
    """Return whether there is something to draw; only then the dtype matters."""
    if 0 in shape:
        return False
    if dtype.kind not in "fV":
        raise DTypeError(f"{name}: draws floating-point numbers, got dtype {dtype.name}; use float32, or .float()")
    return True


def _unit(count: int, dtype: np.dtype, generator: Any) -> np.ndarray:
    """Return ``count`` numbers in [0, 1): 53 bits as float64 for float64, else 24 bits as float32."""
    if dtype is _FLOAT64:
        return generator.doubles(count)
    if count <= _CHUNK:
        return ((generator.words(count) & _24_BITS) * _24_BIT_STEP).astype(_FLOAT32)
    drawn = np.empty(count, _FLOAT32)
    with generator.lock:
        for start in range(0, count, _CHUNK):
            part = drawn[start : start + _CHUNK]
            words = generator.words(len(part))
            words &= _24_BITS
            part[...] = words.view(np.int64)
    drawn *= np.float32(2.0**-24)
    return drawn


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


def _check_uniform(dtype: np.dtype, low: float, high: float) -> None:
    largest = _LARGEST.get(dtype.name, float.fromhex("0x1.fffffffffffffp1023"))
    for name, bound in (("from", low), ("to", high)):
        if not -largest <= bound <= largest:
            raise DistributionError(f"uniform: {name}={bound} is out of bounds for {dtype.name}, at most {largest}")
    if not low <= high:
        raise DistributionError(f"uniform draws from low to high: low={low} must not exceed high={high}")
    if high - low > largest:
        raise DistributionError(
            f"uniform: to - from must not exceed the largest {dtype.name}, {largest}; got from={low}, to={high}"
        )


@seen
def uniform(
    shape: Sequence[int], dtype: Any = np.float32, low: float = 0.0, high: float = 1.0, generator: Any = None
) -> np.ndarray:
    """Return numbers drawn evenly from [low, high), an array of this shape and floating-point or complex NumPy dtype.

    Raises:
        DistributionError: ``low`` exceeds ``high``, or the dtype cannot hold them or their difference.
        DTypeError: the dtype is neither floating-point nor complex.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return _complex_pairs(uniform, shape, dtype, low, high, generator)
    plain = low == 0.0 and high == 1.0
    if plain and dtype is _FLOAT32:
        return _unit(math.prod(shape), dtype, chosen(generator)).reshape(shape)
    _expect_floating("uniform", dtype)
    low, high = float(low), float(high)
    _check_uniform(dtype, low, high)
    unit = _unit(math.prod(shape), dtype, chosen(generator))
    if plain:
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


@seen
def normal(
    shape: Sequence[int], dtype: Any = np.float32, mean: float = 0.0, std: float = 1.0, generator: Any = None,
    *, contiguous: bool = True,
) -> np.ndarray:  # fmt: skip
    """Return normally distributed numbers, an array of this shape and floating-point or complex NumPy dtype.

    Fewer than 16 numbers are drawn one by one in double precision, 16 and more in blocks, as PyTorch does; numbers
    that are not ``contiguous`` in memory come one by one, too.

    Raises:
        DistributionError: ``std`` is negative.
        DTypeError: the dtype is neither floating-point nor complex.

    Source: Box and Muller, "A note on the generation of random normal deviates", 1958.
    """
    dtype, generator = np.dtype(dtype), chosen(generator)
    if not std >= 0.0:
        raise DistributionError(f"normal: the standard deviation is 0 or more, got std={std}")
    if dtype.kind == "c":
        part = _complex_part(dtype)
        drawn = normal((*shape, 2), part, mean, std * math.sqrt(0.5), generator, contiguous=contiguous)
        return drawn.view(dtype).reshape(shape)
    if dtype != np.float32 and not _expect_floating("normal", dtype, shape):
        return np.empty(shape, dtype)
    count = math.prod(shape)
    if count < _BLOCK or not (contiguous and generator.normal_in_blocks):
        drawn = generator.normals(count)
        if mean != 0.0 or std != 1.0:
            drawn *= std
            drawn += mean
        return cast(drawn, dtype).reshape(shape)
    drawn = _normal_blocks(count, dtype, generator)
    if mean != 0.0 or std != 1.0:
        drawn *= drawn.dtype.type(std)
        drawn += drawn.dtype.type(mean)
    return drawn.astype(dtype, copy=False).reshape(shape)


def _normal_blocks(count: int, dtype: np.dtype, generator: Any) -> np.ndarray:
    """Return standard normal numbers in blocks of 16; the last 16 are drawn anew where they are no whole block."""
    rest = count % _BLOCK
    if not rest:
        return _box_muller(_unit(count, dtype, generator))
    # what the last part block would have got is drawn, too, but for 16-bit types, which draw block by block
    unused = rest if dtype.itemsize > 2 else 0
    unit = _unit(count - rest + unused + _BLOCK, dtype, generator)
    if unused:
        unit[-_BLOCK - unused : -unused] = unit[-_BLOCK:].copy()
    made = _box_muller(unit[: count - rest + _BLOCK])
    drawn = made[:count]
    drawn[-_BLOCK:] = made[-_BLOCK:].copy()  # over what the last whole block left
    return drawn


def _box_muller(unit: np.ndarray) -> np.ndarray:
    """Turn evenly distributed numbers into normal ones, 8 pairs in each block of 16."""
    pairs = unit.reshape(-1, 2, _BLOCK // 2)
    one = unit.dtype.type
    radius = one(1) - pairs[:, 0]
    np.log(radius, out=radius)
    radius *= one(-2)
    np.sqrt(radius, out=radius)
    angle = pairs[:, 1] * one(2 * math.pi)
    np.multiply(radius, np.cos(angle), out=pairs[:, 0])
    np.multiply(radius, np.sin(angle, out=angle), out=pairs[:, 1])
    return unit


def _complex_part(dtype: np.dtype) -> type:
    return np.float32 if dtype == np.complex64 else np.float64


def _complex_pairs(draw: Any, shape: Sequence[int], dtype: np.dtype, first: float, second: float, generator: Any):
    """Draw a complex array as real and imaginary parts side by side."""
    return draw((*shape, 2), _complex_part(dtype), first, second, generator).view(dtype).reshape(shape)


@seen
def exponential(shape: Sequence[int], dtype: Any = np.float32, rate: float = 1.0, generator: Any = None) -> np.ndarray:
    """Return exponentially distributed numbers, an array of this shape and floating-point NumPy dtype.

    Raises:
        DistributionError: ``rate`` is not positive.
        DTypeError: the dtype is not floating-point.
    """
    dtype = np.dtype(dtype)
    if not rate > 0.0:
        raise DistributionError(f"an exponential distribution's rate (lambda) is positive, got {rate}")
    if not _expect_floating("exponential", dtype, shape):
        return np.empty(shape, dtype)
    drawn = chosen(generator).doubles(math.prod(shape))
    np.negative(drawn, out=drawn)
    np.log1p(drawn, out=drawn)
    drawn *= -1.0 / rate
    return cast(drawn, dtype).reshape(shape)


@seen
def cauchy(
    shape: Sequence[int], dtype: Any = np.float32, median: float = 0.0, sigma: float = 1.0, generator: Any = None
) -> np.ndarray:
    """Return numbers of a Cauchy distribution, an array of this shape and floating-point NumPy dtype.

    Raises:
        DistributionError: ``sigma``, the distance from the median to the quartiles, is not positive.
        DTypeError: the dtype is not floating-point.
    """
    dtype = np.dtype(dtype)
    if not sigma > 0.0:
        raise DistributionError(f"a Cauchy distribution's sigma is positive, got {sigma}")
    _expect_floating("cauchy", dtype)
    drawn = chosen(generator).doubles(math.prod(shape))
    drawn -= 0.5
    drawn *= math.pi
    np.tan(drawn, out=drawn)
    drawn *= sigma
    drawn += median
    return cast(drawn, dtype).reshape(shape)


@seen
def log_normal(
    shape: Sequence[int], dtype: Any = np.float32, mean: float = 1.0, std: float = 2.0, generator: Any = None
) -> np.ndarray:
    """Return numbers whose logarithms are normally distributed, an array of this shape and floating-point NumPy dtype.

    Raises:
        DistributionError: ``std``, the deviation of the logarithms, is not positive.
        DTypeError: the dtype is not floating-point.
    """
    dtype = np.dtype(dtype)
    if not std > 0.0:
        raise DistributionError(f"log_normal: the standard deviation of the logarithms is positive, got std={std}")
    if not _expect_floating("log_normal", dtype, shape):
        return np.empty(shape, dtype)
    drawn = chosen(generator).normals(math.prod(shape))
    drawn *= std
    drawn += mean
    with np.errstate(over="ignore"):
        np.exp(drawn, out=drawn)
        return cast(drawn, dtype).reshape(shape)
