"""Poisson, binomial and multinomial draws, as NumPy arrays that equal PyTorch's CPU ones after the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.draws import cast
from dovetail.errors import DistributionError, DTypeError, ShapeError
from dovetail.generator import chosen


def _expect_floating(name: str, *arrays: np.ndarray) -> None:
    for array in arrays:
        if array.dtype.kind not in "fV":
            raise DTypeError(f"{name}: takes floating-point numbers, got dtype {array.dtype.name}; use .float()")


def poisson(rate: np.ndarray, generator: Any = None) -> np.ndarray:
    """Return Poisson distributed whole numbers, an array of the shape and floating-point dtype of the rates.

    Raises:
        DistributionError: a rate is negative or nan. DTypeError: the rates are not floating-point.

    Source: Knuth, "The Art of Computer Programming", vol. 2 (rates below 10); Hörmann, "The transformed rejection
    method for generating Poisson random variables", 1993.
    """
    _expect_floating("poisson", rate)
    rates = rate.astype(np.float64)
    if rates.size and not rates.min() >= 0:
        raise DistributionError(f"poisson: a rate is 0 or more, got {rates.min()}")
    generator = chosen(generator)
    with generator.lock:
        drawn = [_poisson(value, generator.double) for value in rates.ravel().tolist()]
    return cast(np.array(drawn, np.float64).reshape(rate.shape), rate.dtype)


def _poisson(rate: float, uniform: Callable[[], float]) -> float:
    if rate >= 10.0:
        return _poisson_large(rate, uniform)
    if rate == 0.0:
        return 0.0
    smallest, product, count = math.exp(-rate), uniform(), 0.0
    while product > smallest:
        product *= uniform()
        count += 1.0
    return count


def _poisson_large(rate: float, uniform: Callable[[], float]) -> float:
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    limit = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        count = _floor((2.0 * a / us + b) * u + rate + 0.43) if us else -math.inf
        if us >= 0.07 and v <= limit:
            return count
        if count < 0.0 or (us < 0.013 and v > us):
            continue
        accepted = math.log(v) if v else -math.inf
        accepted += math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if accepted <= count * math.log(rate) - rate - math.lgamma(count + 1.0):
            return count


def _floor(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


def binomial(count: np.ndarray, probability: np.ndarray, generator: Any = None) -> np.ndarray:
    """Return how many of ``count`` trials succeed, each with ``probability``: an array of their broadcast shape.

    Where the count is not positive, 0 succeed; a probability below 0 counts as 0, one above 1 as 1.

    Raises:
        DTypeError: the arrays are not floating-point, or of two dtypes.

    Source: Kachitvichyanukul and Schmeiser, "Binomial random variate generation", 1988 (small means); Hörmann, "The
    generation of binomial random variates", 1993.
    """
    _expect_floating("binomial", count, probability)
    if count.dtype != probability.dtype:
        raise DTypeError(f"binomial: count and prob are of one dtype, got {count.dtype} and {probability.dtype}")
    counts, probabilities = np.broadcast_arrays(count.astype(np.float64), probability.astype(np.float64))
    generator = chosen(generator)
    pairs = zip(counts.ravel().tolist(), probabilities.ravel().tolist(), strict=True)
    with generator.lock:
        drawn = [_binomial(trials, p, generator.double) for trials, p in pairs]
    return cast(np.array(drawn, np.float64).reshape(counts.shape), count.dtype)


def _binomial(count: float, p: float, uniform: Callable[[], float]) -> float:
    if count <= 0.0 or p <= 0.0:
        return 0.0
    if p >= 1.0:
        return count
    if p <= 0.5:
        return _fewer_than_half(count, p, uniform)
    return count - _fewer_than_half(count, 1.0 - p, uniform) if p > 0.5 else math.nan


def _fewer_than_half(count: float, p: float, uniform: Callable[[], float]) -> float:
    if count * p >= 10.0:
        return _binomial_large(count, p, uniform)
    successes, trials, log_failure = 0.0, 0.0, math.log1p(-p)
    while True:
        unit = uniform()
        trials += math.ceil(math.log(unit) / log_failure) if unit else math.inf
        if trials > count:
            return successes
        successes += 1.0


def _binomial_large(count: float, p: float, uniform: Callable[[], float]) -> float:
    deviation = math.sqrt(count * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    limit, ratio, alpha = 0.92 - 4.2 / b, p / (1 - p), (2.83 + 5.1 / b) * deviation
    mode = math.floor((count + 1) * p)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        drawn = _floor((2 * a / us + b) * u + count * p + 0.5) if us else -math.inf
        if us >= 0.07 and v <= limit:
            return drawn
        if drawn < 0 or drawn > count:
            continue
        scaled = v * alpha / (a / (us * us) + b)
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (ratio * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - drawn + 1))
            + (drawn + 0.5) * math.log(ratio * (count - drawn + 1) / (drawn + 1))
            + _stirling(mode) + _stirling(count - mode) - _stirling(drawn) - _stirling(count - drawn)
        )  # fmt: skip
        if not scaled or math.log(scaled) <= bound:
            return drawn


def _stirling(count: float) -> float:
    """Return what Stirling's approximation of the logarithm of ``count!`` lacks."""
    if count <= 9:
        exact = math.lgamma(count + 1) - (count + 0.5) * math.log(count + 1) + (count + 1)
        return exact - 0.5 * math.log(2 * math.pi)
    square = (count + 1) * (count + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (count + 1)


def multinomial(
    weights: np.ndarray, samples: int, replacement: bool = False, generator: Any = None,
    *, exponential: Callable[[], np.ndarray],
) -> np.ndarray:  # fmt: skip
    """Return ``samples`` indices for each row of weights, drawn in proportion to them, as int64.

    Args:
        weights: one row or several, floating-point; they need not add up to 1.
        samples: how many to draw for each row.
        replacement: whether an index may be drawn again.
        generator: what to draw from.
        exponential: gives numbers of the exponential distribution of the weights' shape and dtype; the largest
            quotients of weights and these are drawn where nothing is put back.

    Raises:
        DistributionError: a weight is negative, infinite or nan, all of a row are 0, or too few are there to draw.
        DTypeError: the weights are not floating-point. ShapeError: they are not one row or several.

    Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006 (without replacement).
    """
    _check_multinomial(weights, samples, replacement)
    if replacement and samples > 1:
        return _with_replacement(weights, samples, chosen(generator))
    if not weights.size:
        return np.zeros((*weights.shape[:-1], samples), np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        keys = weights / exponential()
    if samples == 1:
        return keys.argmax(-1)[..., None]
    return np.argsort(-keys.astype(np.float64), axis=-1, kind="stable")[..., :samples]


def _check_multinomial(weights: np.ndarray, samples: int, replacement: bool) -> None:
    _expect_floating("multinomial", weights)
    if weights.ndim not in (1, 2):
        raise ShapeError(f"multinomial: takes one row of weights or several (1 or 2 dim), got sizes {weights.shape}")
    if isinstance(samples, float):
        raise TypeError(f"multinomial: num_samples is an int, got {samples!r}")
    if samples <= 0:
        raise DistributionError(f"multinomial: num_samples is 1 or more, got {samples}")
    if samples > weights.shape[-1] and not replacement:
        raise DistributionError(
            f"multinomial: cannot draw {samples} samples of {weights.shape[-1]} without replacement; "
            "pass replacement=True, or a smaller num_samples"
        )
    if not weights.shape[-1]:
        raise DistributionError(f"multinomial: there is nothing to draw from, sizes {weights.shape}")
    exact = weights.astype(np.float64)
    bad = exact[~((exact >= 0) & (exact < np.inf))]
    if bad.size:
        raise DistributionError(f"multinomial: a weight is 0 or more and finite, got {bad[0]}")
    if not exact.sum(-1).all():
        raise DistributionError("multinomial: the sum of the weights of a row must not be 0; all of them are")


def _with_replacement(weights: np.ndarray, samples: int, generator: Any) -> np.ndarray:
    rows = weights.reshape(-1, weights.shape[-1])
    precise = np.float64 if weights.dtype == np.float64 else np.float32
    unit = generator.doubles(len(rows) * samples).reshape(len(rows), samples)
    drawn = np.empty((len(rows), samples), np.int64)
    for row, numbers, found in zip(rows, unit, drawn, strict=True):
        cumulative = np.cumsum(row, dtype=precise)
        share = (cumulative / cumulative[-1]).astype(np.float64)
        share[-1] = 1
        found[...] = np.searchsorted(share, numbers)
    return drawn.reshape(*weights.shape[:-1], samples)
