"""What can be done to Pillow's images; ``on_arrays`` has the same names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.data.transforms import arrays_color
from dovetail.data.transforms.arrays_geometry import pad as pad_array
from dovetail.data.transforms.checks import channel_values
from dovetail.data.transforms.geometry import Matrix
from dovetail.data.transforms.interpolation import PILLOW_NUMBERS, InterpolationMode

Image = Any  # a PIL.Image.Image; Pillow is imported where its modules are needed, since not everybody has it
_FLIP_LEFT_RIGHT, _FLIP_TOP_BOTTOM, _AFFINE, _PERSPECTIVE = 0, 1, 0, 2  # Pillow's numbers
_WITHOUT_HUE = ("L", "LA", "1", "I", "F")


def _fill(image: Image, fill: Any) -> Any:
    """Return what to fill with, in the form that Pillow takes."""
    values = channel_values(fill, len(image.getbands()))
    values = values if image.mode == "F" else tuple(int(value) for value in values)
    return values[0] if len(values) == 1 else values


def _of_colors(image: Image, function: Callable[[Image], Image]) -> Image:
    """Return the function's result on the colours, with the alpha channel, if there is one, as it was."""
    if image.mode not in ("LA", "RGBA"):
        return function(image)
    result = function(image.convert(image.mode[:-1]))
    result.putalpha(image.getchannel("A"))
    return result


def hflip(image: Image) -> Image:
    """Return the image with left and right exchanged."""
    return image.transpose(_FLIP_LEFT_RIGHT)


def vflip(image: Image) -> Image:
    """Return the image with top and bottom exchanged."""
    return image.transpose(_FLIP_TOP_BOTTOM)


def crop(image: Image, top: int, left: int, height: int, width: int) -> Image:
    """Return a part of the image; what lies outside is 0."""
    return image.crop((left, top, left + width, top + height))


def pad(image: Image, sides: tuple[int, int, int, int], fill: Any, mode: str) -> Image:
    """Return the image with pixels added on its left, top, right and bottom (or taken away, by negative numbers)."""
    left, top, right, bottom = sides
    if mode != "constant":
        return _as_array(image, lambda array: pad_array(array, sides, 0, mode))
    color = _fill(image, fill)
    if not np.any(color):
        return image.crop((-left, -top, image.width + right, image.height + bottom))
    from PIL import Image as Images

    size = (left + image.width + right, top + image.height + bottom)
    out = Images.new(image.mode, size, color)
    if image.mode == "P":
        out.putpalette(image.getpalette())
    out.paste(image, (left, top))
    return out


def _as_array(image: Image, function: Callable[[np.ndarray], np.ndarray]) -> Image:
    """Return an image of what a function makes of an array of shape (channels, height, width)."""
    from PIL import Image as Images

    array = np.asarray(image)
    out = function(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))
    result = Images.fromarray(np.ascontiguousarray(out[0] if array.ndim == 2 else out.transpose(1, 2, 0)))
    if image.mode == "P":
        result.putpalette(image.getpalette())
    return result


def resize(image: Image, size: tuple[int, int], mode: InterpolationMode, antialias: bool) -> Image:
    """Return the image in another size; Pillow's filters always get wider when pixels get fewer."""
    return image.resize((size[1], size[0]), PILLOW_NUMBERS[mode])


def affine(image: Image, matrix: Matrix, mode: InterpolationMode, fill: Any) -> Image:
    """Return an image whose pixel (x, y) comes from ``matrix @ (x, y, 1)``, where that lies in the image."""
    return image.transform(image.size, _AFFINE, matrix, PILLOW_NUMBERS[mode], fillcolor=_fill(image, fill))


def rotate(
    image: Image, angle: float, mode: InterpolationMode, expand: bool, center: Sequence[float] | None, fill: Any
) -> Image:
    """Return the image turned counter-clockwise by an angle in degrees; quarter turns are exact."""
    return image.rotate(angle, PILLOW_NUMBERS[mode], expand, center, fillcolor=_fill(image, fill))


def perspective(image: Image, coefficients: Sequence[float], mode: InterpolationMode, fill: Any) -> Image:
    """Return the image seen from elsewhere: pixel (x, y) comes from the quotient of two linear maps."""
    number = PILLOW_NUMBERS[mode]
    return image.transform(image.size, _PERSPECTIVE, coefficients, number, fillcolor=_fill(image, fill))


def adjust_brightness(image: Image, factor: float) -> Image:
    """Return the image between black (0) and itself (1), or brighter."""
    from PIL import ImageEnhance

    return ImageEnhance.Brightness(image).enhance(factor)


def adjust_contrast(image: Image, factor: float) -> Image:
    """Return the image between its mean grey (0) and itself (1), or with more contrast."""
    from PIL import ImageEnhance

    return ImageEnhance.Contrast(image).enhance(factor)


def adjust_saturation(image: Image, factor: float) -> Image:
    """Return the image between grey (0) and itself (1), or with more colour."""
    from PIL import ImageEnhance

    return ImageEnhance.Color(image).enhance(factor)


def adjust_sharpness(image: Image, factor: float) -> Image:
    """Return the image between smoothed (0) and itself (1), or sharper."""
    from PIL import ImageEnhance

    return ImageEnhance.Sharpness(image).enhance(factor)


def to_grayscale(image: Image, channels: int) -> Image:
    """Return the brightness of the colours, in 1 channel or 3 equal ones."""
    grey = image.convert("L")
    return grey if channels == 1 else grey.convert("RGB")


def adjust_gamma(image: Image, gamma: float, gain: float) -> Image:
    """Return ``gain * image ** gamma`` of values in [0, 1]."""
    table = [int((255 + 1 - 0.001) * gain * (value / 255.0) ** gamma) for value in range(256)]
    return _of_colors(image, lambda colors: colors.point(table * len(colors.getbands())))


def adjust_hue(image: Image, factor: float) -> Image:
    """Return the image with its hues turned by a part of the circle of colours."""
    if image.mode in _WITHOUT_HUE:
        return image
    from PIL import Image as Images

    def turned(colors: Image) -> Image:
        hue, saturation, value = colors.convert("HSV").split()
        hue = hue.point([(step + int(factor * 255)) % 256 for step in range(256)])
        return Images.merge("HSV", (hue, saturation, value)).convert(colors.mode)

    return _of_colors(image, turned)


def invert(image: Image) -> Image:
    """Return the negative."""
    from PIL import ImageOps

    return _of_colors(image, ImageOps.invert)


def posterize(image: Image, bits: int) -> Image:
    """Return the image with only the highest bits of each value kept."""
    table = [value & (256 - 2 ** (8 - bits)) for value in range(256)]
    return _of_colors(image, lambda colors: colors.point(table * len(colors.getbands())))


def solarize(image: Image, threshold: float) -> Image:
    """Return the image with values from the threshold on inverted."""
    table = [value if value < threshold else 255 - value for value in range(256)]
    return _of_colors(image, lambda colors: colors.point(table * len(colors.getbands())))


def autocontrast(image: Image) -> Image:
    """Return the image with each channel stretched so that it begins at black and ends at white."""
    from PIL import ImageOps

    return _of_colors(image, ImageOps.autocontrast)


def equalize(image: Image) -> Image:
    """Return the image with each channel's values spread so that all are about equally frequent."""
    from PIL import ImageOps

    return _of_colors(image, ImageOps.equalize)


def gaussian_blur(image: Image, size: tuple[int, int], sigma: tuple[float, float]) -> Image:
    """Return the image blurred across and down; the border is mirrored. Pillow's own blur is an approximation."""
    return _as_array(image, lambda array: arrays_color.gaussian_blur(array, size, sigma))
