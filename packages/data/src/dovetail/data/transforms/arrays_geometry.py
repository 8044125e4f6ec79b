"""Flips, crops, padding and resizing of arrays of shape (..., channels, height, width)."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.data.transforms.checks import channel_values
from dovetail.data.transforms.interpolation import InterpolationMode, nearest, weights

_NEAREST = (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT)


def as_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return floats as a dtype; for whole numbers they are rounded, a half up as in Pillow, and clipped, in place."""
    if dtype.kind in "iu":
        values += 0.5
        np.clip(np.floor(values, out=values), *limits(dtype), out=values)
    return values.astype(dtype, copy=False)


def limits(dtype: np.dtype) -> tuple[float, float]:
    """Return the smallest and the largest whole number of a dtype, or, of 64 bits, the largest that float64 has too."""
    info = np.iinfo(dtype)
    return float(info.min), float(info.max if info.bits < 64 else np.nextafter(float(info.max), 0.0))


def working_dtype(dtype: np.dtype) -> np.dtype:
    """Return the floating-point dtype to compute in: float32, or float64 where float32 does not hold all numbers."""
    return np.dtype(np.float64 if dtype.itemsize > 4 or (dtype.kind in "iu" and dtype.itemsize == 4) else np.float32)


def hflip(image: np.ndarray) -> np.ndarray:
    """Return the image with left and right exchanged."""
    return image[..., ::-1].copy()


def vflip(image: np.ndarray) -> np.ndarray:
    """Return the image with top and bottom exchanged."""
    return image[..., ::-1, :].copy()


def crop(image: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Return a part of the image, a view; what lies outside is 0."""
    whole_height, whole_width = image.shape[-2:]
    bottom, right = top + height, left + width
    if top >= 0 and left >= 0 and bottom <= whole_height and right <= whole_width:
        return image[..., top:bottom, left:right]
    out = np.zeros((*image.shape[:-2], height, width), image.dtype)
    inside = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    y, x = max(-top, 0), max(-left, 0)
    out[..., y : y + inside.shape[-2], x : x + inside.shape[-1]] = inside
    return out


def pad(image: np.ndarray, sides: tuple[int, int, int, int], fill: Any, mode: str) -> np.ndarray:
    """Return the image with pixels added on its left, top, right and bottom (or taken away, by negative numbers)."""
    height, width = image.shape[-2:]
    if min(sides) < 0:
        left, top, right, bottom = (max(-side, 0) for side in sides)
        image = crop(image, top, left, height - top - bottom, width - left - right)
    left, top, right, bottom = (max(side, 0) for side in sides)
    if mode != "constant":
        around = [(0, 0)] * (image.ndim - 2) + [(top, bottom), (left, right)]
        return np.pad(image, around, mode=mode)  # type: ignore[call-overload]
    height, width = image.shape[-2:]
    out = np.empty((*image.shape[:-2], top + height + bottom, left + width + right), image.dtype)
    out[...] = np.array(channel_values(fill, image.shape[-3])).astype(image.dtype)[:, None, None]
    out[..., top : top + height, left : left + width] = image
    return out


def resize(image: np.ndarray, size: tuple[int, int], mode: InterpolationMode, antialias: bool) -> np.ndarray:
    """Return the image in another size, as Pillow makes it: across and down one after the other, rounded after each.

    The order is that of Pillow 13; before, it was always across first.
    """
    (height, width), dtype = image.shape[-2:], image.dtype
    if mode in _NEAREST:
        return image[..., nearest(height, size[0])[:, None], nearest(width, size[1])]
    fewer_rows, fewer_columns = height - size[0], width - size[1]
    down_first = fewer_rows > 0 and fewer_rows > 2 * fewer_columns
    for down in (down_first, not down_first):
        before, after = (height, size[0]) if down else (width, size[1])
        if before != after:
            blocks = weights(before, after, mode, antialias, dtype == np.uint8)
            image = as_dtype(_weighed(image.astype(np.float64, order="C"), blocks, down), dtype)
    return image


def _weighed(image: np.ndarray, blocks: list[tuple[slice, np.ndarray]], down: bool) -> np.ndarray:
    """Return rows (or columns) made of weighed sums of an image's rows (or columns)."""
    if down:
        return np.concatenate([matrix @ image[..., old, :] for old, matrix in blocks], axis=-2)
    return np.concatenate([image[..., old] @ matrix.T for old, matrix in blocks], axis=-1)
