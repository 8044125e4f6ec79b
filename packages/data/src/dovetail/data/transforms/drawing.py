"""Single random numbers from Dovetail's default generator: those that PyTorch draws for the same seed, at little cost.

A transform draws for every sample, so these skip the tensor that ``dovetail.rand(1)`` would make.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from dovetail.generator import chosen
from dovetail.random import permutation

_24_BITS = 2**24 - 1


def unit() -> float:
    """Return the number that ``dovetail.rand(1)`` would draw."""
    return (int(chosen().words(1)[0]) & _24_BITS) * 2.0**-24


def uniform(low: float, high: float) -> float:
    """Return the number that ``dovetail.empty(1).uniform_(low, high)`` would draw."""
    first, excluded = np.float32(low), np.float32(high)
    start = float(first)
    drawn = float(np.float32(unit() * float(excluded - first) + start))
    return start if drawn == excluded else drawn


def integer(low: int, high: int) -> int:
    """Return the number that ``dovetail.randint(low, high, (1,))`` would draw, for less than 2**32 numbers."""
    return low + int(chosen().words(1)[0]) % (high - low)


def order(count: int) -> list[int]:
    """Return the order that ``dovetail.randperm(count)`` would draw."""
    return permutation(count).tolist()


@lru_cache(maxsize=32)
def _logarithms(low: float, high: float) -> tuple[float, float]:
    return float(np.log(np.float32(low))), float(np.log(np.float32(high)))


def area_and_aspect(area: int, scale: Sequence[float], ratio: Sequence[float]) -> tuple[float, float]:
    """Draw an area, as a part of another, and a ratio of its sides, whose logarithm is evenly distributed."""
    drawn = area * uniform(scale[0], scale[1])
    return drawn, float(np.exp(np.float32(uniform(*_logarithms(ratio[0], ratio[1])))))


def choice(weights: Sequence[float]) -> int:
    """Return the place of one of these weights, as ``dovetail.multinomial`` would draw it."""
    from dovetail import multinomial, tensor

    total = sum(weights)
    return int(multinomial(tensor([weight / total for weight in weights]), 1))


def dirichlet(alphas: list[float]) -> list[float]:
    """Return shares that add up to 1, as ``torch.distributions.Dirichlet`` draws them in float32."""
    gammas = [max(_gamma(float(np.float32(alpha))), np.finfo(np.float64).tiny) for alpha in alphas]
    total = sum(gammas)
    smallest, largest = float(np.finfo(np.float32).tiny), 1.0 - float(np.finfo(np.float32).eps) / 2
    return [min(max(float(np.float32(gamma / total)), smallest), largest) for gamma in gammas]


def _gamma(alpha: float) -> float:
    """Return a number with the gamma distribution (Marsaglia and Tsang, ACM TOMS 26(3), 2000)."""
    generator, scale = chosen(), 1.0
    if alpha < 1.0:
        scale, alpha = (1.0 - generator.double()) ** (1.0 / alpha), alpha + 1.0
    d = alpha - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = generator.scalar_normal()
        if (root := 1.0 + c * x) <= 0.0:
            continue
        v = root**3
        u = 1.0 - generator.double()
        squeezed = u < 1.0 - 0.0331 * x**4
        if squeezed or math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return scale * d * v
