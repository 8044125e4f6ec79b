"""How pixels between pixels are made, and the weights by which a row of pixels becomes a longer or shorter one."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np


class InterpolationMode(Enum):
    """How a pixel is made of those around it, when an image is resized, rotated or warped.

    Example::

        >>> InterpolationMode.BILINEAR.value
        'bilinear'
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


#: Pillow's numbers for them; Pillow's nearest is what PyTorch calls nearest-exact.
PILLOW_NUMBERS = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}
_BY_NUMBER = {number: mode for mode, number in PILLOW_NUMBERS.items() if mode is not InterpolationMode.NEAREST_EXACT}


def interpolation_of(value: Any) -> InterpolationMode:
    """Return the mode that is meant by a mode or by Pillow's number for it.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, InterpolationMode):
        return value
    if isinstance(value, int) and value in _BY_NUMBER:
        return _BY_NUMBER[value]
    raise TypeError(
        f"interpolation takes an InterpolationMode or Pillow's number for one (0 to 5), got {value!r}; "
        "try InterpolationMode.BILINEAR"
    )


def _cubic(x: np.ndarray) -> np.ndarray:
    """Return Keys' cubic with a = -0.5 (IEEE TASSP 29(6), 1981)."""
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1.0, ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _hamming(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 1.0, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0.0)


# Each filter with the distance from which on it is 0.
_FILTERS: dict[InterpolationMode, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    InterpolationMode.BILINEAR: (1.0, lambda x: np.maximum(1.0 - np.abs(x), 0.0)),
    InterpolationMode.BICUBIC: (2.0, _cubic),
    InterpolationMode.BOX: (0.5, lambda x: np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)),
    InterpolationMode.HAMMING: (1.0, _hamming),
    InterpolationMode.LANCZOS: (3.0, lambda x: np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)),
}


_BLOCK = 16  # so many new pixels are made at once, of the few old ones that they need
_BINARY_PLACES = 22  # of Pillow's weights for bytes


@lru_cache(maxsize=8)
def weights(
    before: int, after: int, mode: InterpolationMode, antialias: bool, rounded: bool
) -> list[tuple[slice, np.ndarray]]:
    """Return what makes ``before`` pixels in a row to ``after`` ones: parts of them, and a matrix for each part.

    Where pixels get fewer, the filter gets wider, so that each of them counts (unless ``antialias`` is off).
    """
    support, function = _FILTERS[mode]
    scale = before / after
    widening = max(scale, 1.0) if antialias else 1.0
    centers = (np.arange(after) + 0.5) * scale
    first = np.maximum(np.trunc(centers - support * widening + 0.5), 0).astype(np.intp)
    end = np.minimum(np.trunc(centers + support * widening + 0.5), before).astype(np.intp)
    blocks = []
    for start in range(0, after, _BLOCK):
        new, old = slice(start, min(start + _BLOCK, after)), slice(first[start], end[start : start + _BLOCK].max())
        pixels = np.arange(old.start, old.stop)
        matrix = function((pixels - centers[new, None] + 0.5) / widening)
        matrix = np.where((pixels >= first[new, None]) & (pixels < end[new, None]), matrix, 0.0)
        matrix /= matrix.sum(axis=1, keepdims=True)
        if rounded:
            matrix = np.trunc(matrix * 2**_BINARY_PLACES + np.copysign(0.5, matrix)) / 2**_BINARY_PLACES
        blocks.append((old, matrix))
    return blocks


def stepped(start: float, step: float, count: int) -> np.ndarray:
    """Return the middles of ``count`` steps, added up one by one as Pillow does: at borders the last bits matter."""
    steps = np.full(count, step)
    steps[0] = start + step * 0.5
    return np.cumsum(steps)


@lru_cache(maxsize=8)
def nearest(before: int, after: int) -> np.ndarray:
    """Return the place, among ``before`` pixels in a row, of each of ``after`` pixels."""
    places = np.minimum(stepped(0.0, before / after, after).astype(np.intp), before - 1)
    places.setflags(write=False)
    return places
