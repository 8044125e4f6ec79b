"""Colours: brightness, contrast, saturation, hue, gamma, sharpness, blur, and ops of few values.

Floating-point images are in [0, 1]. Of 2 or 4 channels the last one is the alpha channel, which stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dovetail.data.transforms.kinds import run


def _factor(name: str, factor: float) -> float:
    if factor < 0:
        raise ValueError(f"{name} takes a factor of at least 0, got {factor}")
    return factor


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Make an image darker or brighter.

    Args:
        img: an image.
        brightness_factor: 0 gives black, 1 the image, 2 one twice as bright.

    Raises:
        ValueError: the factor is negative.

    Example::

        >>> import numpy as np
        >>> adjust_brightness(np.array([[10, 200]], np.uint8), 2).tolist()
        [[20, 255]]
    """
    return run("adjust_brightness", img, _factor("adjust_brightness", brightness_factor))


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Bring values nearer to the image's mean grey, or away from it.

    Args:
        img: an image.
        contrast_factor: 0 gives grey, 1 the image, 2 one of twice the contrast.

    Raises:
        ValueError: the factor is negative.

    Example::

        >>> import numpy as np
        >>> adjust_contrast(np.array([[100, 200]], np.uint8), 0.5).tolist()
        [[125, 175]]
    """
    return run("adjust_contrast", img, _factor("adjust_contrast", contrast_factor))


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Make colours paler or stronger.

    Args:
        img: an image.
        saturation_factor: 0 gives grey, 1 the image, 2 one with colours twice as strong.

    Raises:
        ValueError: the factor is negative.

    Example::

        >>> import numpy as np
        >>> adjust_saturation(np.array([[[100, 0, 0]]], np.uint8), 0).tolist()
        [[[30, 30, 30]]]
    """
    return run("adjust_saturation", img, _factor("adjust_saturation", saturation_factor))


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Turn hues around the circle of colours; grey stays.

    Args:
        img: an image.
        hue_factor: a part of the circle, in [-0.5, 0.5]; 0 gives the image, both ends the complementary colours.

    Raises:
        ValueError: the factor is out of range.

    Example::

        >>> import numpy as np
        >>> adjust_hue(np.array([[[1.0, 0.5, 0.5]]]), 0.5).tolist()
        [[[0.5, 1.0, 1.0]]]
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"adjust_hue takes a factor in [-0.5, 0.5], got {hue_factor}")
    return run("adjust_hue", img, hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """Raise values in [0, 1] to a power and multiply them.

    Args:
        img: an image.
        gamma: above 1 makes shadows darker, below 1 brighter.
        gain: the factor.

    Raises:
        ValueError: ``gamma`` is negative.

    Example::

        >>> import numpy as np
        >>> adjust_gamma(np.array([[64, 255]], np.uint8), 0.5).tolist()
        [[128, 255]]
    """
    if gamma < 0:
        raise ValueError(f"adjust_gamma takes a gamma of at least 0, got {gamma}")
    return run("adjust_gamma", img, gamma, gain)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Smooth an image or make it sharper; pixels at the border are not smoothed.

    Args:
        img: an image.
        sharpness_factor: 0 gives a smoothed image, 1 the image, 2 a sharper one.

    Raises:
        ValueError: the factor is negative.

    Example::

        >>> import numpy as np
        >>> adjust_sharpness(np.array([[0, 0, 0], [0, 130, 0], [0, 0, 0]], np.uint8), 0)[1].tolist()
        [0, 50, 0]
    """
    return run("adjust_sharpness", img, _factor("adjust_sharpness", sharpness_factor))


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Make an image grey (0.299 red, 0.587 green and 0.114 blue); an alpha channel is left out.

    Args:
        img: an image.
        num_output_channels: 1, or 3 equal ones.

    Raises:
        ValueError: another number of channels is asked for.

    Example::

        >>> import numpy as np
        >>> rgb_to_grayscale(np.array([[[100, 0, 0]]], np.uint8)).tolist()
        [[[30]]]
    """
    if num_output_channels not in (1, 3):
        raise ValueError(f"rgb_to_grayscale takes num_output_channels of 1 or 3, got {num_output_channels}")
    return run("to_grayscale", img, num_output_channels)


to_grayscale = rgb_to_grayscale


def invert(img: Any) -> Any:
    """Make the negative of an image.

    Example::

        >>> import numpy as np
        >>> invert(np.array([[0, 55]], np.uint8)).tolist()
        [[255, 200]]
    """
    return run("invert", img)


def posterize(img: Any, bits: int) -> Any:
    """Keep the highest bits of each value.

    Args:
        img: an image of uint8.
        bits: how many, from 0 to 8.

    Raises:
        ValueError: ``bits`` is something else. DTypeError: the image is not of uint8.

    Example::

        >>> import numpy as np
        >>> posterize(np.array([[100, 200]], np.uint8), 1).tolist()
        [[0, 128]]
    """
    if not 0 <= bits <= 8:
        raise ValueError(f"posterize takes bits from 0 to 8, got {bits}")
    return run("posterize", img, int(bits))


def solarize(img: Any, threshold: float) -> Any:
    """Invert the values from a threshold on.

    Args:
        img: an image.
        threshold: the lowest value that is inverted.

    Example::

        >>> import numpy as np
        >>> solarize(np.array([[100, 200]], np.uint8), 128).tolist()
        [[100, 55]]
    """
    return run("solarize", img, threshold)


def autocontrast(img: Any) -> Any:
    """Stretch each channel so that its darkest value becomes 0 and its brightest the largest there is.

    Example::

        >>> import numpy as np
        >>> autocontrast(np.array([[0.25, 0.5, 0.75]])).tolist()
        [[0.0, 0.5, 1.0]]
    """
    return run("autocontrast", img)


def equalize(img: Any) -> Any:
    """Spread each channel's values so that all of them are about equally frequent.

    Args:
        img: an image of uint8.

    Raises:
        DTypeError: the image is not of uint8.

    Example::

        >>> import numpy as np
        >>> dark = (np.arange(1024).reshape(32, 32) // 8).astype(np.uint8)
        >>> dark.max().item(), equalize(dark).max().item()
        (127, 255)
    """
    return run("equalize", img)


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """Blur an image with a normal distribution; the border is mirrored.

    Args:
        img: an image.
        kernel_size: how many pixels are weighed, an odd number, or (across, down).
        sigma: the standard deviation in pixels, or (across, down); ``0.15 * kernel_size + 0.35`` if None.

    Raises:
        TypeError, ValueError: ``kernel_size`` is not odd or ``sigma`` not above 0.

    Example::

        >>> import numpy as np
        >>> gaussian_blur(np.array([[0, 100, 0]], np.uint8), 3, sigma=1).tolist()
        [[55, 45, 55]]
    """
    sizes = kernel_sizes("gaussian_blur", kernel_size)
    if sigma is None:
        sigma = tuple(0.15 * size + 0.35 for size in sizes)
    sigmas = tuple(sigma) if isinstance(sigma, Sequence) else (sigma,)
    sigmas = sigmas * 2 if len(sigmas) == 1 else sigmas
    if len(sigmas) != 2 or min(sigmas) <= 0:
        raise ValueError(f"gaussian_blur takes a sigma above 0, or two of them (across, down), got {sigma}")
    return run("gaussian_blur", img, sizes, sigmas)


def kernel_sizes(owner: str, kernel_size: Any) -> tuple[int, int]:
    """Return the sizes (across, down) of a kernel given as one odd number or two.

    Raises:
        TypeError, ValueError: it is something else.
    """
    from dovetail.data.transforms.checks import size_pair

    sizes = size_pair(owner, kernel_size, "kernel_size")
    if not all(size % 2 for size in sizes):
        raise ValueError(f"{owner} takes a kernel_size of odd numbers, so that it has a middle, got {kernel_size!r}")
    return sizes
