"""What can be done to arrays of shape (..., channels, height, width); ``on_pillow`` has the same names."""

from __future__ import annotations

from dovetail.data.transforms.arrays_color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    gaussian_blur,
    invert,
    posterize,
    solarize,
    to_grayscale,
)
from dovetail.data.transforms.arrays_geometry import crop, hflip, pad, resize, vflip
from dovetail.data.transforms.arrays_warp import affine, perspective, rotate

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "adjust_sharpness",
    "affine", "autocontrast", "crop", "equalize", "gaussian_blur", "hflip", "invert", "pad", "perspective",
    "posterize", "resize", "rotate", "solarize", "to_grayscale", "vflip",
]  # fmt: skip
