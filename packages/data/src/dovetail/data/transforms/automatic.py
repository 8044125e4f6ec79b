"""AutoAugment and its successors: ops and magnitudes drawn from a list.

Arrays and tensors must be of uint8, since some of the ops count in bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np

import dovetail
from dovetail.data.transforms import functional as F
from dovetail.data.transforms.checks import fill_value
from dovetail.data.transforms.drawing import dirichlet, integer, unit
from dovetail.data.transforms.interpolation import InterpolationMode, interpolation_of
from dovetail.data.transforms.kinds import dimensions, numbers_of, with_numbers
from dovetail.data.transforms.policies import policies


def _affine(
    img: Any, mode: Any, fill: Any, translate: Any = (0, 0), shear: Any = (0.0, 0.0), center: Any = None
) -> Any:
    return F.affine(img, 0.0, translate, 1.0, shear, mode, fill, center)


def _degrees(slope: float) -> float:
    return math.degrees(math.atan(slope))


# Each op of an image, a magnitude, an interpolation and a fill.
_OPS: dict[str, Callable[[Any, float, Any, Any], Any]] = {
    "Identity": lambda img, m, mode, fill: img,
    "ShearX": lambda img, m, mode, fill: _affine(img, mode, fill, shear=(_degrees(m), 0.0), center=(0, 0)),
    "ShearY": lambda img, m, mode, fill: _affine(img, mode, fill, shear=(0.0, _degrees(m)), center=(0, 0)),
    "TranslateX": lambda img, m, mode, fill: _affine(img, mode, fill, translate=(int(m), 0)),
    "TranslateY": lambda img, m, mode, fill: _affine(img, mode, fill, translate=(0, int(m))),
    "Rotate": lambda img, m, mode, fill: F.rotate(img, m, mode, fill=fill),
    "Brightness": lambda img, m, mode, fill: F.adjust_brightness(img, 1.0 + m),
    "Color": lambda img, m, mode, fill: F.adjust_saturation(img, 1.0 + m),
    "Contrast": lambda img, m, mode, fill: F.adjust_contrast(img, 1.0 + m),
    "Sharpness": lambda img, m, mode, fill: F.adjust_sharpness(img, 1.0 + m),
    "Posterize": lambda img, m, mode, fill: F.posterize(img, int(m)),
    "Solarize": lambda img, m, mode, fill: F.solarize(img, m),
    "AutoContrast": lambda img, m, mode, fill: F.autocontrast(img),
    "Equalize": lambda img, m, mode, fill: F.equalize(img),
    "Invert": lambda img, m, mode, fill: F.invert(img),
}
_SIGNED = frozenset(list(_OPS)[1:10])  # from ShearX to Sharpness: the magnitude may be negative
_WITHOUT_MAGNITUDE = frozenset(["Identity", "AutoContrast", "Equalize", "Invert"])
_DRAWN = list(_OPS)[:-1]  # in the order in which PyTorch counts them; only AutoAugment inverts
_MIXED = [*_DRAWN[1:6], *_DRAWN[10:], *_DRAWN[6:10]]  # AugMix counts colours last


@lru_cache(maxsize=128)
def _steps(low: float, high: float, count: int) -> list[float]:
    return dovetail.linspace(low, high, count).tolist()


def _magnitude(op: str, place: int | None, count: int, ranges: dict[str, float], bits: tuple[int, int]) -> float:
    """Return a magnitude: step number ``place`` of ``count`` in an op's range, which begins at 0 unless said here."""
    if op in _WITHOUT_MAGNITUDE or place is None:
        return 0.0
    if op == "Posterize":
        return bits[0] - round(place / ((count - 1) / bits[1]))
    if op == "Solarize":
        return _steps(255.0, 0.0, count)[place]
    return _steps(0.0, ranges.get(op, ranges[""]), count)[place]


def _ranges(height: int, width: int) -> dict[str, float]:
    """Return where the ranges of AutoAugment and RandAugment end; "" is for all ops that are not named."""
    across, down = 150.0 / 331.0 * width, 150.0 / 331.0 * height
    return {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": across, "TranslateY": down, "Rotate": 30.0, "": 0.9}


def _signed(op: str, magnitude: float) -> float:
    """Return the magnitude, negative for half of the draws if the op has a sign."""
    return -magnitude if op in _SIGNED and integer(0, 2) else magnitude


class AutoAugmentPolicy(Enum):
    """The data sets for which AutoAugment's policies were found.

    Example::

        >>> AutoAugmentPolicy.CIFAR10.value
        'cifar10'
    """

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


class AutoAugment:
    """Do one of 25 pairs of ops, each op with its probability and magnitude.

    Args:
        policy: whose pairs: ``AutoAugmentPolicy.IMAGENET``, ``CIFAR10`` or ``SVHN``.
        interpolation: NEAREST, BILINEAR or BICUBIC, for the geometric ops.
        fill: the value of pixels that come from outside, or one for each channel; None is 0.

    Raises:
        TypeError, ValueError: an argument is something else. DTypeError: called with an image that is not of uint8.

    Source: Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data", 2018.

    Example::

        >>> image = dovetail.zeros(3, 32, 32, dtype=dovetail.uint8)
        >>> AutoAugment(AutoAugmentPolicy.CIFAR10)(image).shape
        dovetail.Size([3, 32, 32])
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        self.policy = AutoAugmentPolicy(policy)
        self.interpolation = interpolation_of(interpolation)
        self.fill = None if fill is None else fill_value("AutoAugment", fill)

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, list[float], list[int]]:
        """Draw which pair it is, and for each op a number for its probability and a sign."""
        return integer(0, transform_num), [unit(), unit()], [integer(0, 2), integer(0, 2)]

    def __call__(self, img: Any) -> Any:
        pairs = policies(self.policy.value)
        place, drawn, signs = self.get_params(len(pairs))
        _, height, width = dimensions(img)
        for (op, p, step), number, sign in zip(pairs[place], drawn, signs, strict=True):
            if number <= p:
                magnitude = _magnitude(op, step, 10, _ranges(height, width), (8, 4))
                magnitude = -magnitude if op in _SIGNED and not sign else magnitude
                img = _OPS[op](img, magnitude, self.interpolation, self.fill)
        return img

    def __repr__(self) -> str:
        return f"AutoAugment(policy={self.policy}, fill={self.fill})"


class RandAugment:
    """Do some ops drawn at random, all with the same magnitude.

    Args:
        num_ops: how many.
        magnitude: the step in each op's range, from 0.
        num_magnitude_bins: how many steps a range has.
        interpolation: NEAREST, BILINEAR or BICUBIC, for the geometric ops.
        fill: the value of pixels that come from outside, or one for each channel; None is 0.

    Raises:
        TypeError, ValueError: an argument is something else. DTypeError: called with an image that is not of uint8.

    Source: Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space", 2019.

    Example::

        >>> RandAugment()(dovetail.zeros(3, 32, 32, dtype=dovetail.uint8)).shape
        dovetail.Size([3, 32, 32])
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        if not 0 <= magnitude < num_magnitude_bins:
            raise ValueError(
                f"RandAugment takes a magnitude from 0 to num_magnitude_bins - 1 = {num_magnitude_bins - 1}, "
                f"got {magnitude}"
            )
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation_of(interpolation)
        self.fill = None if fill is None else fill_value("RandAugment", fill)

    def __call__(self, img: Any) -> Any:
        _, height, width = dimensions(img)
        for _ in range(self.num_ops):
            op = _DRAWN[integer(0, len(_DRAWN))]
            magnitude = _magnitude(op, self.magnitude, self.num_magnitude_bins, _ranges(height, width), (8, 4))
            img = _OPS[op](img, _signed(op, magnitude), self.interpolation, self.fill)
        return img

    def __repr__(self) -> str:
        return (
            f"RandAugment(num_ops={self.num_ops}, magnitude={self.magnitude}, "
            f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, fill={self.fill})"
        )


class TrivialAugmentWide:
    """Do one op drawn at random, with a magnitude drawn at random.

    Args:
        num_magnitude_bins: how many steps a range has.
        interpolation: NEAREST, BILINEAR or BICUBIC, for the geometric ops.
        fill: the value of pixels that come from outside, or one for each channel; None is 0.

    Raises:
        TypeError, ValueError: an argument is something else. DTypeError: called with an image that is not of uint8.

    Source: Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", 2021.

    Example::

        >>> TrivialAugmentWide()(dovetail.zeros(3, 32, 32, dtype=dovetail.uint8)).shape
        dovetail.Size([3, 32, 32])
    """

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Any = InterpolationMode.NEAREST, fill: Any = None
    ) -> None:
        if num_magnitude_bins < 2:
            raise ValueError(f"TrivialAugmentWide takes num_magnitude_bins of at least 2, got {num_magnitude_bins}")
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation_of(interpolation)
        self.fill = None if fill is None else fill_value("TrivialAugmentWide", fill)

    def __call__(self, img: Any) -> Any:
        op = _DRAWN[integer(0, len(_DRAWN))]
        ranges = {"TranslateX": 32.0, "TranslateY": 32.0, "Rotate": 135.0, "": 0.99}
        place = None if op in _WITHOUT_MAGNITUDE else integer(0, self.num_magnitude_bins)
        magnitude = _signed(op, _magnitude(op, place, self.num_magnitude_bins, ranges, (8, 6)))
        return _OPS[op](img, magnitude, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"TrivialAugmentWide(num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, "
            f"fill={self.fill})"
        )


class AugMix:
    """Mix an image with others that chains of ops make of it.

    Args:
        severity: how many of the ten steps of each range are drawn from, from 1 to 10.
        mixture_width: how many chains.
        chain_depth: how many ops in a chain; one to three, drawn at random, if not above 0.
        alpha: of the Dirichlet distribution of the shares.
        all_ops: include brightness, contrast, saturation and sharpness.
        interpolation: NEAREST, BILINEAR or BICUBIC, for the geometric ops.
        fill: the value of pixels that come from outside, or one for each channel; None is 0.

    Raises:
        TypeError, ValueError: an argument is something else. DTypeError: called with an image that is not of uint8.

    Source: Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty", 2019.

    Example::

        >>> AugMix()(dovetail.zeros(3, 32, 32, dtype=dovetail.uint8)).shape
        dovetail.Size([3, 32, 32])
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        if not 1 <= severity <= 10:
            raise ValueError(f"AugMix takes a severity from 1 to 10, got {severity}")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation_of(interpolation)
        self.fill = None if fill is None else fill_value("AugMix", fill)

    def __call__(self, img: Any) -> Any:
        numbers = numbers_of(img)
        batch = len(numbers) if isinstance(img, dovetail.Tensor) and img.ndim >= 4 else 1
        kept = [dirichlet([self.alpha, self.alpha]) for _ in range(batch)]
        shares = [dirichlet([self.alpha] * self.mixture_width) for _ in range(batch)]
        shape = (batch, *[1] * (numbers.ndim - 1))
        mixed = np.array([own for own, _ in kept], np.float32).reshape(shape) * numbers
        for place in range(self.mixture_width):
            weights = [own[place] * chains for own, (_, chains) in zip(shares, kept, strict=True)]
            mixed += np.array(weights, np.float32).reshape(shape) * numbers_of(self._chain(img))
        return with_numbers(mixed.astype(numbers.dtype), img)

    def _chain(self, img: Any) -> Any:
        """Return the image after some ops."""
        _, height, width = dimensions(img)
        ranges = {**_ranges(height, width), "TranslateX": width / 3.0, "TranslateY": height / 3.0}
        ops = _MIXED if self.all_ops else _MIXED[:-4]
        for _ in range(self.chain_depth if self.chain_depth > 0 else integer(1, 4)):
            op = ops[integer(0, len(ops))]
            place = None if op in _WITHOUT_MAGNITUDE else integer(0, self.severity)
            magnitude = _signed(op, _magnitude(op, place, 10, ranges, (4, 4)))
            img = _OPS[op](img, magnitude, self.interpolation, self.fill)
        return img

    def __repr__(self) -> str:
        return (
            f"AugMix(severity={self.severity}, mixture_width={self.mixture_width}, chain_depth={self.chain_depth}, "
            f"alpha={self.alpha}, all_ops={self.all_ops}, interpolation={self.interpolation}, fill={self.fill})"
        )
