"""Rotation, affine maps and perspective of arrays of shape (..., channels, height, width), as Pillow does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.data.transforms.arrays_geometry import limits
from dovetail.data.transforms.checks import channel_values
from dovetail.data.transforms.geometry import Matrix, rotation
from dovetail.data.transforms.interpolation import InterpolationMode, stepped

_PART = 2**15  # so many numbers are made at once
_FIXED_POINT_LIMIT = 32768  # Pillow computes with 16 binary places where all coordinates are below


def affine(
    image: np.ndarray, matrix: Matrix, mode: InterpolationMode, fill: Any, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Return an image whose pixel (x, y) comes from ``matrix @ (x, y, 1)``, where that lies in the image."""
    height, width = size or image.shape[-2:]
    if mode is InterpolationMode.NEAREST:
        columns, rows = _nearest_places(matrix, height, width)
        return _picked(image, columns, rows, fill)
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    a, b, c, d, e, f = matrix
    return _interpolated(image, a * x + b * y + c, d * x + e * y + f, mode, fill)


def rotate(
    image: np.ndarray, angle: float, mode: InterpolationMode, expand: bool, center: Sequence[float] | None, fill: Any
) -> np.ndarray:
    """Return the image turned counter-clockwise by an angle in degrees; quarter turns are exact."""
    angle %= 360.0
    height, width = image.shape[-2:]
    if center is None and (angle in (0, 180) or (angle in (90, 270) and (expand or height == width))):
        return np.rot90(image, int(angle) // 90, axes=(-2, -1)).copy()
    matrix, height, width = rotation(height, width, angle, center, expand)
    return affine(image, matrix, mode, fill, (height, width))


def perspective(image: np.ndarray, coefficients: Sequence[float], mode: InterpolationMode, fill: Any) -> np.ndarray:
    """Return the image seen from elsewhere: pixel (x, y) comes from the quotient of two linear maps."""
    height, width = image.shape[-2:]
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    a, b, c, d, e, f, g, h = coefficients
    divisor = g * x + h * y + 1.0
    with np.errstate(divide="ignore", invalid="ignore"):  # what lies at the horizon is not in the image
        columns, rows = (a * x + b * y + c) / divisor, (d * x + e * y + f) / divisor
        if mode is InterpolationMode.NEAREST:
            return _picked(image, np.floor(columns).astype(np.int64), np.floor(rows).astype(np.int64), fill)
        return _interpolated(image, columns, rows, mode, fill)


def _nearest_places(matrix: Matrix, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return column and row of the nearest pixel, computed with 16 binary places."""
    a, b, c, d, e, f = matrix
    x, y = np.arange(width), np.arange(height)[:, None]
    corners = [m * i + n * j + o for m, n, o in ((a, b, c), (d, e, f)) for i in (0, width) for j in (0, height)]
    if b == 0 and d == 0:
        columns, rows = stepped(c, a, width), stepped(f, e, height)[:, None]
        return np.floor(columns).astype(np.int64), np.floor(rows).astype(np.int64)
    if max(map(abs, corners)) >= _FIXED_POINT_LIMIT:
        columns = np.floor(a * (x + 0.5) + b * (y + 0.5) + c).astype(np.int64)
        return columns, np.floor(d * (x + 0.5) + e * (y + 0.5) + f).astype(np.int64)
    a, b, c, d, e, f = (
        int(np.floor(number * 65536.0 + 0.5)) for number in (a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5)
    )
    return (a * x + b * y + c) >> 16, (d * x + e * y + f) >> 16


def _filled(image: np.ndarray, values: np.ndarray, inside: np.ndarray, fill: Any) -> np.ndarray:
    """Return the values, ``(..., channels, height, width)``, with what is not inside of the image filled."""
    background = np.array(channel_values(fill, image.shape[-3])).astype(image.dtype)[:, None, None]
    return np.where(inside, values, background)


def _picked(image: np.ndarray, columns: np.ndarray, rows: np.ndarray, fill: Any) -> np.ndarray:
    height, width = image.shape[-2:]
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return _filled(image, _taken(image, columns, rows), inside, fill)


def _taken(image: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the pixels at these places; places outside stand for the nearest ones inside."""
    height, width = image.shape[-2:]
    places = np.clip(rows, 0, height - 1) * width + np.clip(columns, 0, width - 1)
    return np.take(image.reshape(*image.shape[:-2], height * width), places, axis=-1)


def _linear(values: list[np.ndarray], place: np.ndarray) -> np.ndarray:
    return values[0] + (values[1] - values[0]) * place


def _cubic(values: list[np.ndarray], place: np.ndarray) -> np.ndarray:
    """Return the cubic through the middle two of four values, with a = -1 as in Pillow's warps."""
    first, second, third, fourth = values
    p3, p4 = 2 * (first - second) + third - fourth, second - first + fourth - third
    return second + place * (third - first + place * (p3 + place * p4))


def _interpolated(
    image: np.ndarray, columns: np.ndarray, rows: np.ndarray, mode: InterpolationMode, fill: Any
) -> np.ndarray:
    """Return values between pixels, made in parts that stay in a core's cache."""
    image = np.ascontiguousarray(image)
    height, width = image.shape[-2:]
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    out = np.empty((*image.shape[:-2], *columns.shape), image.dtype)
    lines = max(1, _PART // (columns.shape[1] * (image.size // (height * width))))
    for start in range(0, len(columns), lines):
        part = slice(start, start + lines)
        out[..., part, :] = _between(image, columns[part], rows[part], mode)
    return _filled(out, out, inside, fill)


def _between(image: np.ndarray, columns: np.ndarray, rows: np.ndarray, mode: InterpolationMode) -> np.ndarray:
    """Return values between pixels, truncated as Pillow does where they are whole numbers."""
    height, width = image.shape[-2:]
    combine, taps = (_linear, range(2)) if mode is InterpolationMode.BILINEAR else (_cubic, range(-1, 3))
    x, y = np.floor(columns - 0.5), np.floor(rows - 0.5)
    dx, dy = columns - 0.5 - x, rows - 0.5 - y
    # Far outside, places may be too large for whole numbers; they are not used.
    x, y = (np.clip(place, -2, max(height, width)).astype(np.int64) for place in (x, y))
    lines = [combine([_taken(image, x + i, y + j).astype(np.float64) for i in taps], dx) for j in taps]
    values = combine(lines, dy)
    if image.dtype.kind in "iu":
        values = np.clip(values, *limits(image.dtype))
    return values.astype(image.dtype)
