"""Transforms that flip, turn and warp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dovetail.data.transforms import functional as F
from dovetail.data.transforms.base import WithProbability
from dovetail.data.transforms.checks import angles, fill_value, pair
from dovetail.data.transforms.drawing import integer, uniform
from dovetail.data.transforms.interpolation import InterpolationMode, interpolation_of
from dovetail.data.transforms.kinds import dimensions


class RandomHorizontalFlip(WithProbability):
    """Exchange left and right with probability ``p``.

    Args:
        p: the probability.

    Raises:
        ValueError: ``p`` is not in [0, 1].

    Example::

        >>> import numpy as np
        >>> RandomHorizontalFlip(p=1.0)(np.array([[1, 2]])).tolist()
        [[2, 1]]
    """

    def transform(self, img: Any) -> Any:
        """Return the image with left and right exchanged."""
        return F.hflip(img)


class RandomVerticalFlip(WithProbability):
    """Exchange top and bottom with probability ``p``.

    Args:
        p: the probability.

    Raises:
        ValueError: ``p`` is not in [0, 1].

    Example::

        >>> import numpy as np
        >>> RandomVerticalFlip(p=1.0)(np.array([[1], [2]])).tolist()
        [[2], [1]]
    """

    def transform(self, img: Any) -> Any:
        """Return the image with top and bottom exchanged."""
        return F.vflip(img)


def _center(owner: str, center: Any) -> Any:
    if center is not None and (not isinstance(center, Sequence) or len(center) != 2):
        raise ValueError(f"{owner} takes a center (x, y) or None, got {center!r}")
    return center


class RandomRotation:
    """Turn images by an angle drawn anew each time.

    Args:
        degrees: (from, to), counter-clockwise; one number stands for (-number, number).
        interpolation: NEAREST, BILINEAR or BICUBIC.
        expand: make the result large enough for all of the image.
        center: (x, y) of what stays in place, from the top left corner; None is the middle.
        fill: the value of pixels that come from outside, or one for each channel.

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import dovetail
        >>> RandomRotation(30)(dovetail.rand(3, 20, 20)).shape
        dovetail.Size([3, 20, 20])
    """

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        self.degrees = angles("RandomRotation", "degrees", degrees)
        self.interpolation = interpolation_of(interpolation)
        self.expand = expand
        self.center = _center("RandomRotation", center)
        self.fill = fill_value("RandomRotation", fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw the angle."""
        return uniform(degrees[0], degrees[1])

    def __call__(self, img: Any) -> Any:
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation.value}, expand={self.expand}"
            f"{center}, fill={self.fill})"
        )


class RandomAffine:
    """Turn, move, scale and shear images, each by what is drawn anew each time; their size stays.

    Args:
        degrees: (from, to) of the rotation, clockwise; one number stands for (-number, number).
        translate: the largest shift (along x, along y), as a part of the image's width and height.
        scale: (from, to).
        shear: degrees (from, to) along x, or four numbers for x and y; one number stands for (-number, number).
        interpolation: NEAREST, BILINEAR or BICUBIC.
        fill: the value of pixels that come from outside, or one for each channel.
        center: (x, y) of what stays in place but for the shift; None is the middle.

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import dovetail
        >>> RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1))(dovetail.rand(3, 20, 20)).shape
        dovetail.Size([3, 20, 20])
    """

    def __init__(
        self,
        degrees: Any,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        if translate is not None and (len(translate) != 2 or not all(0 <= part <= 1 for part in translate)):
            raise ValueError(f"RandomAffine takes translate as two parts of the size in [0, 1], got {translate!r}")
        self.degrees = angles("RandomAffine", "degrees", degrees)
        self.translate = translate
        self.scale = None if scale is None else pair("RandomAffine", "scale", scale, positive=True)
        self.shear = None if shear is None else angles("RandomAffine", "shear", shear, (2, 4))
        self.interpolation = interpolation_of(interpolation)
        self.fill = fill_value("RandomAffine", fill)
        self.center = _center("RandomAffine", center)

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Draw angle, shift, scale and shear for an image of this width and height."""
        angle = uniform(degrees[0], degrees[1])
        shift_x = shift_y = 0
        if translate is not None:
            across, down = translate[0] * img_size[0], translate[1] * img_size[1]
            shift_x = round(uniform(-across, across))
            shift_y = round(uniform(-down, down))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear_x = 0.0 if shears is None else uniform(shears[0], shears[1])
        shear_y = uniform(shears[2], shears[3]) if shears is not None and len(shears) == 4 else 0.0
        return angle, (shift_x, shift_y), scale, (shear_x, shear_y)

    def __call__(self, img: Any) -> Any:
        _, height, width = dimensions(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, (width, height))
        return F.affine(img, *drawn, interpolation=self.interpolation, fill=self.fill, center=self.center)

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in ("translate", "scale", "shear")}
        if self.interpolation is not InterpolationMode.NEAREST:
            shown["interpolation"] = self.interpolation.value
        shown["fill"] = None if self.fill == 0 else self.fill
        shown["center"] = self.center
        parts = [f", {name}={value}" for name, value in shown.items() if value is not None]
        return f"RandomAffine(degrees={self.degrees}{''.join(parts)})"


class RandomPerspective(WithProbability):
    """Show images as from elsewhere, with probability ``p``.

    Args:
        distortion_scale: how far corners move, at most: a part of the half of the image, in [0, 1].
        p: the probability.
        interpolation: NEAREST, BILINEAR or BICUBIC.
        fill: the value of pixels that come from outside, or one for each channel.

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import dovetail
        >>> RandomPerspective(p=1.0)(dovetail.rand(3, 20, 20)).shape
        dovetail.Size([3, 20, 20])
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__(p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError(f"RandomPerspective takes a distortion_scale in [0, 1], got {distortion_scale!r}")
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation_of(interpolation)
        self.fill = fill_value("RandomPerspective", fill)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the corners, from the top left one clockwise, and draw where they come to lie."""
        across, down = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        corners = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
        moved = []
        for x, y in corners:
            column = integer(width - across - 1, width) if x else integer(0, across + 1)
            moved.append((column, integer(height - down - 1, height) if y else integer(0, down + 1)))
        return corners, moved

    def transform(self, img: Any) -> Any:
        """Return the image as from elsewhere."""
        _, height, width = dimensions(img)
        corners, moved = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, corners, moved, self.interpolation, self.fill)
