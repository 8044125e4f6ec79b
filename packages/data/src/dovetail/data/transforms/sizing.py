"""Transforms that resize, crop and pad."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dovetail.data.transforms import functional as F
from dovetail.data.transforms.checks import fill_value, padding_mode_name, padding_sides, pair, size_pair
from dovetail.data.transforms.drawing import area_and_aspect, integer
from dovetail.data.transforms.interpolation import InterpolationMode, interpolation_of
from dovetail.data.transforms.kinds import dimensions


class Resize:
    """Make images larger or smaller, as Pillow does.

    Args:
        size: (height, width), or one number for the smaller edge; the other follows.
        interpolation: an ``InterpolationMode`` or Pillow's number for one.
        max_size: the longer edge gets no longer than this, if size is one number.
        antialias: False makes pixels of arrays and tensors of the nearest few only.

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import dovetail
        >>> Resize(8)(dovetail.rand(3, 16, 32)).shape
        dovetail.Size([3, 8, 16])
    """

    def __init__(
        self,
        size: Any,
        interpolation: Any = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        size_pair("Resize", size)
        self.size = size
        self.interpolation = interpolation_of(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"Resize(size={self.size}, interpolation={self.interpolation.value}, max_size={self.max_size}, "
            f"antialias={self.antialias})"
        )


class CenterCrop:
    """Cut the middle out; a smaller image is padded with 0.

    Args:
        size: (height, width), or one number for both.

    Raises:
        TypeError, ValueError: ``size`` is something else.

    Example::

        >>> import numpy as np
        >>> CenterCrop(2)(np.arange(16).reshape(4, 4)).tolist()
        [[5, 6], [9, 10]]
    """

    def __init__(self, size: Any) -> None:
        self.size = size_pair("CenterCrop", size)

    def __call__(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class FiveCrop:
    """Cut out the four corners and the middle, as a tuple.

    Args:
        size: (height, width), or one number for both.

    Raises:
        TypeError, ValueError: ``size`` is something else, or an image is smaller.

    Example::

        >>> import numpy as np
        >>> [part.item() for part in FiveCrop(1)(np.arange(9).reshape(3, 3))]
        [0, 2, 6, 8, 4]
    """

    def __init__(self, size: Any) -> None:
        self.size = size_pair("FiveCrop", size)

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"FiveCrop(size={self.size})"


class TenCrop:
    """Cut out five parts of an image and five of its mirror image, as a tuple.

    Args:
        size: (height, width), or one number for both.
        vertical_flip: mirror top to bottom instead of left to right.

    Raises:
        TypeError, ValueError: ``size`` is something else, or an image is smaller.

    Example::

        >>> import numpy as np
        >>> len(TenCrop(1)(np.arange(9).reshape(3, 3)))
        10
    """

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        self.size = size_pair("TenCrop", size)
        self.vertical_flip = vertical_flip

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"TenCrop(size={self.size}, vertical_flip={self.vertical_flip})"


class Pad:
    """Add pixels around images.

    Args:
        padding: one number for all sides, (left and right, top and bottom), or (left, top, right, bottom).
        fill: the value of new pixels, or one for each channel, with "constant".
        padding_mode: "constant", "edge", "reflect" or "symmetric"; see ``functional.pad``.

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import numpy as np
        >>> Pad((1, 0), fill=9)(np.array([[1, 2]])).tolist()
        [[9, 1, 2, 9]]
    """

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        padding_sides("Pad", padding)
        self.padding = padding
        self.fill = fill_value("Pad", fill)
        self.padding_mode = padding_mode_name("Pad", padding_mode)

    def __call__(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class RandomCrop:
    """Cut a part out, at a place drawn anew each time.

    Args:
        size: (height, width) of the part, or one number for both.
        padding: pixels added around the image before; see ``Pad``.
        pad_if_needed: pad images that are smaller than the part.
        fill, padding_mode: see ``Pad``.

    Raises:
        TypeError, ValueError: an argument is something else, or an image is smaller and ``pad_if_needed`` is False.

    Example::

        >>> import dovetail
        >>> RandomCrop(32, padding=4)(dovetail.rand(3, 32, 32)).shape
        dovetail.Size([3, 32, 32])
    """

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = size_pair("RandomCrop", size)
        if padding is not None:
            padding_sides("RandomCrop", padding)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill_value("RandomCrop", fill)
        self.padding_mode = padding_mode_name("RandomCrop", padding_mode)

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw top, left, height and width of the part."""
        _, height, width = dimensions(img)
        rows, columns = output_size
        if height < rows or width < columns:
            raise ValueError(
                f"RandomCrop takes images of at least {(rows, columns)}, got one of {(height, width)}; "
                "use pad_if_needed=True"
            )
        if (height, width) == (rows, columns):
            return 0, 0, height, width
        top = integer(0, height - rows + 1)
        return top, integer(0, width - columns + 1), rows, columns

    def __call__(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, height, width = dimensions(img)
            if width < self.size[1]:
                img = F.pad(img, (self.size[1] - width, 0), self.fill, self.padding_mode)
            if height < self.size[0]:
                img = F.pad(img, (0, self.size[0] - height), self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomResizedCrop:
    """Cut out a part of random size, shape and place, and resize it: the usual augmentation of photographs.

    Args:
        size: (height, width) of the result, or one number for both.
        scale: (from, to) of the part's area, of the image's.
        ratio: (from, to) of the part's width by its height.
        interpolation: an ``InterpolationMode`` or Pillow's number for one.
        antialias: False makes pixels of arrays and tensors of the nearest few only.

    Raises:
        TypeError, ValueError: an argument is something else.

    Source: Szegedy et al., "Going Deeper with Convolutions", 2014.

    Example::

        >>> import dovetail
        >>> RandomResizedCrop(8)(dovetail.rand(3, 20, 30)).shape
        dovetail.Size([3, 8, 8])
    """

    def __init__(
        self,
        size: Any,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        self.size = size_pair("RandomResizedCrop", size)
        self.scale = pair("RandomResizedCrop", "scale", scale, positive=True)
        self.ratio = pair("RandomResizedCrop", "ratio", ratio, positive=True)
        self.interpolation = interpolation_of(interpolation)
        self.antialias = antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Draw top, left, height and width of the part; after ten parts that do not fit it is the middle."""
        _, height, width = dimensions(img)
        for _ in range(10):
            area, aspect = area_and_aspect(height * width, scale, ratio)
            columns, rows = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < columns <= width and 0 < rows <= height:
                top = integer(0, height - rows + 1)
                return top, integer(0, width - columns + 1), rows, columns
        rows, columns = height, width
        if width / height < min(ratio):
            rows = round(width / min(ratio))
        elif width / height > max(ratio):
            columns = round(height * max(ratio))
        return (height - rows) // 2, (width - columns) // 2, rows, columns

    def __call__(self, img: Any) -> Any:
        part = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *part, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        return (
            f"RandomResizedCrop(size={self.size}, scale={tuple(round(s, 4) for s in self.scale)}, "
            f"ratio={tuple(round(r, 4) for r in self.ratio)}, interpolation={self.interpolation.value}, "
            f"antialias={self.antialias})"
        )
