"""Transforms of colours."""

from __future__ import annotations

from typing import Any

from dovetail.data.transforms import functional as F
from dovetail.data.transforms.base import WithProbability
from dovetail.data.transforms.checks import pair
from dovetail.data.transforms.drawing import order, uniform
from dovetail.data.transforms.functional_color import kernel_sizes

Range = tuple[float, float] | None


def _jitter(name: str, value: Any, center: float, lowest: float, highest: float) -> Range:
    """Return the range to draw from, or None where it holds nothing but what changes no image."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"ColorJitter takes {name} of at least 0, or a range (from, to), got {value!r}")
        value = (max(center - float(value), lowest) if center else -float(value), center + float(value))
    low, high = pair("ColorJitter", name, value, lowest, highest)
    return None if low == high == center else (float(low), float(high))


class ColorJitter:
    """Change brightness, contrast, saturation and hue, in an order and by amounts drawn anew each time.

    Args:
        brightness, contrast, saturation: the factor's range (from, to); one number stands for (1 - number, 1 + number).
        hue: the range in [-0.5, 0.5]; one number stands for (-number, number).

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import dovetail
        >>> ColorJitter(brightness=0.2, hue=0.1)(dovetail.rand(3, 4, 4)).shape
        dovetail.Size([3, 4, 4])
    """

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        self.brightness = _jitter("brightness", brightness, 1, 0, float("inf"))
        self.contrast = _jitter("contrast", contrast, 1, 0, float("inf"))
        self.saturation = _jitter("saturation", saturation, 1, 0, float("inf"))
        self.hue = _jitter("hue", hue, 0, -0.5, 0.5)

    @staticmethod
    def get_params(
        brightness: Range, contrast: Range, saturation: Range, hue: Range
    ) -> tuple[list[int], float | None, float | None, float | None, float | None]:
        """Draw the order of the four changes and the amount of each; None for those that are turned off."""
        places = order(4)
        ranges = (brightness, contrast, saturation, hue)
        first, second, third, fourth = (None if limits is None else uniform(*limits) for limits in ranges)
        return places, first, second, third, fourth

    def __call__(self, img: Any) -> Any:
        places, *amounts = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for place in places:
            if (amount := amounts[place]) is not None:
                img = changes[place](img, amount)
        return img

    def __repr__(self) -> str:
        return (
            f"ColorJitter(brightness={self.brightness}, contrast={self.contrast}, saturation={self.saturation}, "
            f"hue={self.hue})"
        )


class Grayscale:
    """Make images grey; an alpha channel is left out.

    Args:
        num_output_channels: 1, or 3 equal ones.

    Raises:
        ValueError: another number of channels is asked for.

    Example::

        >>> import dovetail
        >>> Grayscale()(dovetail.rand(3, 4, 4)).shape
        dovetail.Size([1, 4, 4])
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale takes num_output_channels of 1 or 3, got {num_output_channels!r}")
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"Grayscale(num_output_channels={self.num_output_channels})"


class RandomGrayscale(WithProbability):
    """Make images grey with probability ``p``; they keep as many channels.

    Args:
        p: the probability.

    Raises:
        ValueError: ``p`` is not in [0, 1].

    Example::

        >>> import numpy as np
        >>> RandomGrayscale(p=1.0)(np.array([[[100, 0, 0]]], np.uint8)).tolist()
        [[[30, 30, 30]]]
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def transform(self, img: Any) -> Any:
        """Return the image without saturation."""
        return F.adjust_saturation(img, 0.0)


class GaussianBlur:
    """Blur images with a normal distribution, whose width is drawn anew each time.

    Args:
        kernel_size: how many pixels are weighed, an odd number, or (across, down).
        sigma: the standard deviation in pixels, or the range (from, to) to draw it from.

    Raises:
        TypeError, ValueError: ``kernel_size`` is not odd or ``sigma`` not above 0.

    Example::

        >>> import dovetail
        >>> GaussianBlur(3)(dovetail.rand(3, 4, 4)).shape
        dovetail.Size([3, 4, 4])
    """

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        self.kernel_size = kernel_sizes("GaussianBlur", kernel_size)
        sigma = (sigma, sigma) if isinstance(sigma, (int, float)) else sigma
        self.sigma = pair("GaussianBlur", "sigma", sigma, positive=True)

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """Draw the standard deviation."""
        return uniform(sigma_min, sigma_max)

    def __call__(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, (sigma, sigma))

    def __repr__(self) -> str:
        return f"GaussianBlur(kernel_size={self.kernel_size}, sigma={self.sigma})"


class RandomInvert(WithProbability):
    """Make the negative of images with probability ``p``.

    Args:
        p: the probability.

    Raises:
        ValueError: ``p`` is not in [0, 1].

    Example::

        >>> import numpy as np
        >>> RandomInvert(p=1.0)(np.array([[0, 55]], np.uint8)).tolist()
        [[255, 200]]
    """

    def transform(self, img: Any) -> Any:
        """Return the negative."""
        return F.invert(img)


class RandomPosterize(WithProbability):
    """Keep the highest bits of each value with probability ``p``.

    Args:
        bits: how many, from 0 to 8.
        p: the probability.

    Raises:
        ValueError: ``bits`` or ``p`` is something else. DTypeError: called with an image that is not of uint8.

    Example::

        >>> import numpy as np
        >>> RandomPosterize(1, p=1.0)(np.array([[100, 200]], np.uint8)).tolist()
        [[0, 128]]
    """

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        if not 0 <= bits <= 8:
            raise ValueError(f"RandomPosterize takes bits from 0 to 8, got {bits!r}")
        self.bits = bits

    def transform(self, img: Any) -> Any:
        """Return the image with the highest bits kept."""
        return F.posterize(img, self.bits)

    def __repr__(self) -> str:
        return f"RandomPosterize(bits={self.bits},p={self.p})"


class RandomSolarize(WithProbability):
    """Invert the values from a threshold on with probability ``p``.

    Args:
        threshold: the lowest value that is inverted.
        p: the probability.

    Raises:
        ValueError: ``p`` is not in [0, 1].

    Example::

        >>> import numpy as np
        >>> RandomSolarize(128, p=1.0)(np.array([[100, 200]], np.uint8)).tolist()
        [[100, 55]]
    """

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def transform(self, img: Any) -> Any:
        """Return the image with values from the threshold on inverted."""
        return F.solarize(img, self.threshold)

    def __repr__(self) -> str:
        return f"RandomSolarize(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(WithProbability):
    """Smooth images or make them sharper with probability ``p``.

    Args:
        sharpness_factor: 0 gives a smoothed image, 1 the image, 2 a sharper one.
        p: the probability.

    Raises:
        ValueError: the factor is negative, or ``p`` is not in [0, 1].

    Example::

        >>> import dovetail
        >>> RandomAdjustSharpness(2, p=1.0)(dovetail.rand(3, 4, 4)).shape
        dovetail.Size([3, 4, 4])
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        if sharpness_factor < 0:
            raise ValueError(f"RandomAdjustSharpness takes a factor of at least 0, got {sharpness_factor!r}")
        self.sharpness_factor = sharpness_factor

    def transform(self, img: Any) -> Any:
        """Return the image smoothed or sharper."""
        return F.adjust_sharpness(img, self.sharpness_factor)

    def __repr__(self) -> str:
        return f"RandomAdjustSharpness(sharpness_factor={self.sharpness_factor},p={self.p})"


class RandomAutocontrast(WithProbability):
    """Stretch the values of each channel to the whole range with probability ``p``.

    Args:
        p: the probability.

    Raises:
        ValueError: ``p`` is not in [0, 1].

    Example::

        >>> import numpy as np
        >>> RandomAutocontrast(p=1.0)(np.array([[0.25, 0.5, 0.75]])).tolist()
        [[0.0, 0.5, 1.0]]
    """

    def transform(self, img: Any) -> Any:
        """Return the image with its values stretched."""
        return F.autocontrast(img)


class RandomEqualize(WithProbability):
    """Make all values about equally frequent in each channel, with probability ``p``.

    Args:
        p: the probability.

    Raises:
        ValueError: ``p`` is not in [0, 1]. DTypeError: called with an image that is not of uint8.

    Example::

        >>> import numpy as np
        >>> RandomEqualize(p=1.0)(np.array([[7, 7]], np.uint8)).tolist()
        [[7, 7]]
    """

    def transform(self, img: Any) -> Any:
        """Return the image with its values spread."""
        return F.equalize(img)
