"""Colours of arrays of shape (..., channels, height, width): what Pillow does to 8 bits, and the same to other dtypes.

Floating-point images are in [0, 1], whole numbers from 0 to the largest of their dtype. Of 2 or 4 channels the last one
is the alpha channel, which stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from dovetail.data.transforms.arrays_geometry import as_dtype, limits, pad, working_dtype
from dovetail.errors import DTypeError, ShapeError

_RED, _GREEN, _BLUE = 19595, 38470, 7471  # ITU-R 601 in 16 binary places


def largest(dtype: np.dtype) -> float:
    """Return the value of white."""
    return limits(dtype)[1] if dtype.kind in "iu" else 1.0


def _of_colors(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Give a function the colours, and its result the alpha channel, if there is one."""

    @wraps(function)
    def call(image: np.ndarray, *arguments: Any) -> np.ndarray:
        channels = image.shape[-3]
        if channels > 4:
            raise ShapeError(
                f"{function.__name__} takes images of 1 or 3 channels, or 2 or 4 with alpha, got {channels}; tensors "
                "are (channels, height, width), arrays (height, width, channels)"
            )
        if channels in (1, 3):
            return function(image, *arguments)
        colors, alpha = image[..., :-1, :, :], image[..., -1:, :, :]
        return np.concatenate([function(colors, *arguments), alpha], axis=-3)

    return call


def _by_table(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Let a function of single values see 256 of them, in place of each pixel, where there are no more."""

    @wraps(function)
    def call(image: np.ndarray, *arguments: Any) -> np.ndarray:
        if image.dtype != np.uint8:
            return function(image, *arguments)
        return function(np.arange(256, dtype=np.uint8), *arguments)[image]

    return call


def _grey(image: np.ndarray) -> np.ndarray:
    """Return the brightness of colours, with one channel."""
    if image.shape[-3] == 1:
        return image
    red, green, blue = (image[..., channel : channel + 1, :, :] for channel in range(3))
    if image.dtype == np.uint8:
        total: Any = red * np.uint32(_RED) + green * np.uint32(_GREEN) + blue * np.uint32(_BLUE)
        return ((total + np.uint32(2**15)) >> np.uint32(16)).astype(np.uint8)
    work = working_dtype(image.dtype)
    total = red * work.type(_RED) + green * work.type(_GREEN) + blue * work.type(_BLUE)
    return as_dtype(total / work.type(2**16), image.dtype)


def _blend(other: Any, image: np.ndarray, factor: float) -> np.ndarray:
    """Return the point between (or beyond) two images: ``other`` at 0, ``image`` at 1."""
    work = working_dtype(image.dtype)
    start = np.asarray(other).astype(work)
    values = np.clip(start + work.type(factor) * (image.astype(work) - start), 0, largest(image.dtype))
    return values.astype(image.dtype)  # whole numbers are truncated, as Pillow does


@_of_colors
def adjust_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Return the image between black (0) and itself (1), or brighter."""
    return _blend(0, image, factor)


@_of_colors
def adjust_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Return the image between its mean grey (0) and itself (1), or with more contrast."""
    mean = _grey(image).mean(axis=(-3, -2, -1), keepdims=True, dtype=np.float64)
    return _blend(np.floor(mean + 0.5) if image.dtype.kind in "iu" else mean, image, factor)


@_of_colors
def adjust_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Return the image between grey (0) and itself (1), or with more colour."""
    return _blend(_grey(image), image, factor)


@_of_colors
def adjust_sharpness(image: np.ndarray, factor: float) -> np.ndarray:
    """Return the image between smoothed (0) and itself (1), or sharper; pixels at the border are not smoothed."""
    if min(image.shape[-2:]) < 3:
        return image
    work = image.astype(working_dtype(image.dtype))
    height, width = image.shape[-2:]
    windows = [work[..., i : height - 2 + i, j : width - 2 + j] for i in range(3) for j in range(3)]
    smooth = image.copy()
    smooth[..., 1:-1, 1:-1] = as_dtype((sum(windows) + 4 * windows[4]) / work.dtype.type(13), image.dtype)
    return _blend(smooth, image, factor)


def to_grayscale(image: np.ndarray, channels: int) -> np.ndarray:
    """Return the brightness of the colours, in 1 channel or 3 equal ones."""
    grey = _grey(image[..., :3, :, :] if image.shape[-3] >= 3 else image[..., :1, :, :])
    return np.repeat(grey, channels, axis=-3) if channels > 1 else grey.copy()


@_of_colors
@_by_table
def adjust_gamma(image: np.ndarray, gamma: float, gain: float) -> np.ndarray:
    """Return ``gain * image ** gamma`` of values in [0, 1]."""
    white = largest(image.dtype)
    levels = white + 1 - 0.001 if image.dtype.kind in "iu" else white  # whole numbers are truncated
    return np.clip(levels * gain * (image / white) ** gamma, 0, white).astype(image.dtype)


@_of_colors
def invert(image: np.ndarray) -> np.ndarray:
    """Return the negative."""
    white = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else 1
    return image.dtype.type(white) - image


@_of_colors
def posterize(image: np.ndarray, bits: int) -> np.ndarray:
    """Return the image with only the highest bits of each value kept."""
    _expect_bytes("posterize", image)
    return image & np.uint8(256 - 2 ** (8 - bits))


@_of_colors
def solarize(image: np.ndarray, threshold: float) -> np.ndarray:
    """Return the image with values from the threshold on inverted."""
    return np.where(image >= threshold, invert(image), image)


@_of_colors
def autocontrast(image: np.ndarray) -> np.ndarray:
    """Return the image with each channel stretched so that it begins at black and ends at white."""
    white = largest(image.dtype)
    low = image.min(axis=(-2, -1), keepdims=True).astype(np.float64)
    high = image.max(axis=(-2, -1), keepdims=True).astype(np.float64)
    flat = high <= low
    scale = white / np.where(flat, 1.0, high - low)
    values = np.clip(image * scale - low * scale, 0, white)
    return np.where(flat, image, values.astype(image.dtype))


@_of_colors
def equalize(image: np.ndarray) -> np.ndarray:
    """Return the image with each channel's values spread so that all are about equally frequent."""
    _expect_bytes("equalize", image)
    channels = [_equalized(channel) for channel in image.reshape(-1, *image.shape[-2:])]
    return np.stack(channels).reshape(image.shape)


def _equalized(channel: np.ndarray) -> np.ndarray:
    counts = np.bincount(channel.ravel(), minlength=256)
    used = counts[counts > 0]
    step = (used.sum() - used[-1]) // 255
    if step == 0:
        return channel
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.minimum((below + step // 2) // step, 255).astype(np.uint8)[channel]


def _expect_bytes(name: str, image: np.ndarray) -> None:
    if image.dtype != np.uint8:
        raise DTypeError(
            f"{name} takes images of dtype uint8, got {image.dtype}; try convert_image_dtype(image, dovetail.uint8)"
        )


@_of_colors
def adjust_hue(image: np.ndarray, factor: float) -> np.ndarray:
    """Return the image with its hues turned by a part of the circle of colours."""
    if image.shape[-3] == 1:
        return image
    if image.dtype == np.uint8:
        return _turned_bytes(image, factor)
    white = largest(image.dtype)
    hue, saturation, value = _hue_saturation(image / working_dtype(image.dtype).type(white))
    colors = _colors((hue + factor) % 1.0 * 6.0, saturation, value)
    return as_dtype(np.stack(colors, axis=-3) * white, image.dtype)


def _turned_bytes(image: np.ndarray, factor: float) -> np.ndarray:
    """Turn hues in 256 steps, as Pillow has them."""
    hue, saturation, value = _hue_saturation(image.astype(np.float32))
    hue, saturation = np.trunc(hue * np.float64(255)), np.trunc(saturation * np.float64(255))
    hue = (hue + int(factor * 255)) % 256
    colors = _colors(hue * 6.0 / 255.0, (saturation / 255).astype(np.float32).astype(np.float64), value)
    return np.floor(np.stack(colors, axis=-3) + 0.5).astype(np.uint8)


def _hue_saturation(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hue in [0, 1), saturation in [0, 1] and value (as large as the largest colour)."""
    red, green, blue = (image[..., channel, :, :] for channel in range(3))
    value = image.max(axis=-3)
    spread = value - image.min(axis=-3)
    grey = spread == 0
    divisor = np.where(grey, 1, spread)
    # The quotients are of the image's precision and what is made of them of 64 bits, as in Pillow: hues are truncated.
    r, g, b = (((value - color) / divisor).astype(np.float64) for color in (red, green, blue))
    hue = np.where(red == value, b - g, np.where(green == value, 2.0 + r - b, 4.0 + g - r)).astype(image.dtype)
    hue = np.where(grey, 0, np.fmod(hue / np.float64(6.0) + 1.0, 1.0)).astype(image.dtype)
    return hue, np.where(grey, 0, spread / np.where(value == 0, 1, value)), value


def _colors(sixths: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> list[np.ndarray]:
    """Return red, green and blue of a hue in sixths of the circle."""
    sector = np.floor(sixths)
    part = sixths - sector
    p, q = value * (1.0 - saturation), value * (1.0 - saturation * part)
    t = value * (1.0 - saturation * (1.0 - part))
    where = sector.astype(np.int64) % 6
    of_sectors = ((value, q, p, p, t, value), (t, value, value, q, p, p), (p, p, t, value, value, q))
    return [np.choose(where, choices) for choices in of_sectors]


def gaussian_blur(image: np.ndarray, size: tuple[int, int], sigma: tuple[float, float]) -> np.ndarray:
    """Return the image blurred across and down; the border is mirrored."""
    across, down = (_bell(length, width) for length, width in zip(size, sigma, strict=True))
    x, y = size[0] // 2, size[1] // 2
    work = pad(image.astype(working_dtype(image.dtype)), (x, y, x, y), 0, "reflect")
    height, width = image.shape[-2:]
    work = sum(weight * work[..., place : place + width] for place, weight in enumerate(across))  # type: ignore[assignment]
    work = sum(weight * work[..., place : place + height, :] for place, weight in enumerate(down))  # type: ignore[assignment]
    return as_dtype(work, image.dtype)


def _bell(length: int, sigma: float) -> list[float]:
    """Return the weights of a normal distribution at whole distances, adding up to 1."""
    distances = np.arange(length) - (length - 1) * 0.5
    heights = np.exp(-0.5 * (distances / sigma) ** 2)
    return (heights / heights.sum()).tolist()
