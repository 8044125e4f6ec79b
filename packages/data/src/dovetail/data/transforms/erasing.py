"""Random erasing: a part of a tensor gives way to a value or noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import dovetail
from dovetail.data.transforms import functional as F
from dovetail.data.transforms.base import WithProbability
from dovetail.data.transforms.checks import fill_value, pair
from dovetail.data.transforms.drawing import area_and_aspect, integer
from dovetail.errors import ShapeError


class RandomErasing(WithProbability):
    """Put a value or noise in the place of a part of a tensor, with probability ``p``.

    Args:
        p: the probability.
        scale: (from, to) of the part's area, of the image's.
        ratio: (from, to) of the part's height by its width.
        value: a number, one for each channel, or "random" for normal numbers.
        inplace: change the tensor itself.

    Raises:
        TypeError, ValueError: an argument is something else. TypeError: called with no tensor.

    Source: Zhong et al., "Random Erasing Data Augmentation", 2017.

    Example::

        >>> erased = RandomErasing(p=1.0)(dovetail.ones(3, 32, 32))
        >>> bool((erased == 0).any())
        True
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p)
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing takes a value of numbers or 'random', got {value!r}")
        self.scale = pair("RandomErasing", "scale", scale, 0, 1)
        self.ratio = pair("RandomErasing", "ratio", ratio, positive=True)
        self.value = value if isinstance(value, str) else fill_value("RandomErasing", value)
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: dovetail.Tensor, scale: Sequence[float], ratio: Sequence[float], value: list[float] | None = None
    ) -> tuple[int, int, int, int, dovetail.Tensor]:
        """Draw top, left, height, width and values of the part; all of the image if ten parts do not fit."""
        channels, height, width = img.shape[-3:]
        for _ in range(10):
            area, aspect = area_and_aspect(height * width, scale, ratio)
            rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if rows < height and columns < width:
                if value is None:
                    values = dovetail.randn(channels, rows, columns)
                else:
                    values = dovetail.tensor(value)[:, None, None]
                top = integer(0, height - rows + 1)
                return top, integer(0, width - columns + 1), rows, columns, values
        return 0, 0, height, width, img

    def transform(self, img: dovetail.Tensor) -> dovetail.Tensor:
        """Return the tensor with a part of it erased."""
        if not isinstance(img, dovetail.Tensor):
            raise TypeError(f"RandomErasing takes a tensor, got {type(img).__name__}; put ToTensor() before it")
        if img.ndim < 3:
            raise ShapeError(f"RandomErasing takes shape (..., channels, height, width), got {tuple(img.shape)}")
        value = None if self.value == "random" else [float(part) for part in _listed(self.value)]
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(
                f"RandomErasing takes one value or one for each of the {img.shape[-3]} channels, got {self.value!r}"
            )
        top, left, height, width, values = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, top, left, height, width, values.to(img.device), self.inplace)

    def __repr__(self) -> str:
        return (
            f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )


def _listed(value: Any) -> Sequence[float]:
    return value if isinstance(value, Sequence) else (value,)
