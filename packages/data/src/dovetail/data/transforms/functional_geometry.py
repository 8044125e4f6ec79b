"""Flips, crops, padding, resizing, rotation, affine maps and perspective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dovetail.data.transforms.checks import padding_mode_name, padding_sides, size_pair
from dovetail.data.transforms.geometry import inverse_affine, perspective_coefficients, resized
from dovetail.data.transforms.interpolation import InterpolationMode, interpolation_of
from dovetail.data.transforms.kinds import dimensions, run

_WARPS = (InterpolationMode.NEAREST, InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)


def hflip(img: Any) -> Any:
    """Exchange left and right.

    Example::

        >>> import numpy as np
        >>> hflip(np.array([[1, 2], [3, 4]])).tolist()
        [[2, 1], [4, 3]]
    """
    return run("hflip", img)


def vflip(img: Any) -> Any:
    """Exchange top and bottom.

    Example::

        >>> import numpy as np
        >>> vflip(np.array([[1, 2], [3, 4]])).tolist()
        [[3, 4], [1, 2]]
    """
    return run("vflip", img)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """Cut a part out; what lies outside of the image is 0. Of arrays and tensors it is a view where all lies inside.

    Args:
        img: an image.
        top, left: the row and column of the part's first pixel.
        height, width: the part's size.

    Raises:
        ValueError: a size is below 1.

    Example::

        >>> import numpy as np
        >>> crop(np.array([[1, 2, 3], [4, 5, 6]]), top=0, left=1, height=2, width=2).tolist()
        [[2, 3], [5, 6]]
    """
    if height < 1 or width < 1:
        raise ValueError(f"crop takes a height and width of at least 1, got {height} and {width}")
    return run("crop", img, top, left, height, width)


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """Add pixels around an image; negative numbers take some away.

    Args:
        img: an image.
        padding: one number for all sides, (left and right, top and bottom), or (left, top, right, bottom).
        fill: the value of new pixels, or one for each channel, with "constant".
        padding_mode: "constant", "edge" (the last pixel again), "reflect" (mirrored at the last pixel) or "symmetric"
            (mirrored with the last pixel).

    Raises:
        TypeError, ValueError: an argument is something else, or nothing would be left.

    Example::

        >>> import numpy as np
        >>> pad(np.array([[1, 2, 3]]), (1, 0), padding_mode="reflect").tolist()
        [[2, 1, 2, 3, 2]]
    """
    sides = padding_sides("pad", padding)
    padding_mode_name("pad", padding_mode)
    if min(sides) < 0:
        _, height, width = dimensions(img)
        if height + sides[1] + sides[3] < 1 or width + sides[0] + sides[2] < 1:
            raise ValueError(f"pad: padding {padding} leaves nothing of an image of ({height}, {width})")
    return run("pad", img, sides, fill, padding_mode)


def resize(
    img: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Make an image larger or smaller, as Pillow does.

    Args:
        img: an image.
        size: (height, width), or one number for the smaller edge; the other follows.
        interpolation: how pixels are made. NEAREST and NEAREST_EXACT are the same here: Pillow's nearest.
        max_size: the longer edge gets no longer than this, if size is one number.
        antialias: False or None makes pixels of arrays and tensors of the nearest few only, even when the image gets
            smaller. Pillow's images are always smoothed then.

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import numpy as np
        >>> resize(np.array([[0, 100], [100, 200]], np.uint8), 1).tolist()
        [[100]]
    """
    mode = interpolation_of(interpolation)
    _, height, width = dimensions(img)
    if not isinstance(size, Sequence) or len(size) == 1:
        size = size_pair("resize", size)[:1]
    else:
        size = size_pair("resize", size)
    new = resized(height, width, size, max_size)
    if new == (height, width):
        return img
    return run("resize", img, (max(new[0], 1), max(new[1], 1)), mode, bool(antialias))


def center_crop(img: Any, output_size: Any) -> Any:
    """Cut the middle out; a smaller image is padded with 0.

    Args:
        img: an image.
        output_size: (height, width), or one number for both.

    Raises:
        TypeError, ValueError: ``output_size`` is something else.

    Example::

        >>> import numpy as np
        >>> center_crop(np.arange(16).reshape(4, 4), 2).tolist()
        [[5, 6], [9, 10]]
    """
    height, width = size_pair("center_crop", output_size, "size")
    _, whole_height, whole_width = dimensions(img)
    return crop(img, _start(whole_height, height), _start(whole_width, width), height, width)


def _start(whole: int, part: int) -> int:
    """Return where the middle begins; before the image, if the part is larger."""
    return -((part - whole) // 2) if part > whole else round((whole - part) / 2)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Cut a part out and resize it: ``crop``, then ``resize``.

    Example::

        >>> import numpy as np
        >>> resized_crop(np.arange(16, dtype=np.uint8).reshape(4, 4), 0, 0, 2, 2, size=(1, 1)).tolist()
        [[3]]
    """
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Any, size: Any) -> tuple[Any, ...]:
    """Cut out the four corners and the middle: top left, top right, bottom left, bottom right, middle.

    Args:
        img: an image.
        size: (height, width), or one number for both.

    Raises:
        TypeError, ValueError: ``size`` is something else, or larger than the image.

    Example::

        >>> import numpy as np
        >>> [part.item() for part in five_crop(np.arange(9).reshape(3, 3), 1)]
        [0, 2, 6, 8, 4]
    """
    height, width = size_pair("five_crop", size)
    _, whole_height, whole_width = dimensions(img)
    if height > whole_height or width > whole_width:
        raise ValueError(
            f"five_crop takes an image of at least ({height}, {width}), got one of ({whole_height}, {whole_width}); "
            "resize it or take a smaller size"
        )
    below, beside = whole_height - height, whole_width - width
    corners = [(0, 0), (0, beside), (below, 0), (below, beside)]
    parts = [crop(img, top, left, height, width) for top, left in corners]
    return (*parts, center_crop(img, (height, width)))


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """Cut out five parts of an image and five of its mirror image.

    Args:
        img: an image.
        size: (height, width), or one number for both.
        vertical_flip: mirror top to bottom instead of left to right.

    Raises:
        TypeError, ValueError: ``size`` is something else, or larger than the image.

    Example::

        >>> import numpy as np
        >>> [part.item() for part in ten_crop(np.arange(9).reshape(3, 3), 1)]
        [0, 2, 6, 8, 4, 2, 0, 8, 6, 4]
    """
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def _warp_mode(name: str, interpolation: Any) -> InterpolationMode:
    mode = interpolation_of(interpolation)
    if mode is InterpolationMode.NEAREST_EXACT:
        return InterpolationMode.NEAREST
    if mode not in _WARPS:
        raise ValueError(f"{name} takes interpolation NEAREST, BILINEAR or BICUBIC, got {mode.name}")
    return mode


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """Turn an image counter-clockwise.

    Args:
        img: an image.
        angle: in degrees.
        interpolation: NEAREST, BILINEAR or BICUBIC.
        expand: make the result large enough for all of the image.
        center: (x, y) of what stays in place, from the top left corner; None is the middle.
        fill: the value of pixels that come from outside, or one for each channel; None is 0.

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import numpy as np
        >>> rotate(np.array([[1, 2], [3, 4]]), 90).tolist()
        [[2, 4], [1, 3]]
    """
    mode = _warp_mode("rotate", interpolation)
    return run("rotate", img, float(angle), mode, expand, None if center is None else tuple(center), fill)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Any,
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """Shear, turn, scale and move an image; its size stays.

    Args:
        img: an image.
        angle: of the rotation, in degrees, clockwise.
        translate: (x, y) in pixels.
        scale: above 0.
        shear: degrees along x, or (along x, along y).
        interpolation: NEAREST, BILINEAR or BICUBIC.
        fill: the value of pixels that come from outside, or one for each channel; None is 0.
        center: (x, y) of what stays in place but for the translation; None is the middle.

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import numpy as np
        >>> affine(np.array([[1, 2, 3]]), angle=0, translate=(1, 0), scale=1, shear=0).tolist()
        [[0, 1, 2]]
    """
    mode = _warp_mode("affine", interpolation)
    shears = tuple(shear) if isinstance(shear, Sequence) else (shear, 0.0)
    shears = shears * 2 if len(shears) == 1 else shears
    if scale <= 0:
        raise ValueError(f"affine takes a scale above 0, got {scale}")
    if len(translate) != 2 or len(shears) != 2:
        raise ValueError(f"affine takes translate and shear as (x, y), got {translate} and {shear}")
    _, height, width = dimensions(img)
    middle = (width * 0.5, height * 0.5) if center is None else tuple(center)
    return run("affine", img, inverse_affine(middle, angle, translate, scale, shears), mode, fill)


def perspective(
    img: Any, startpoints: Any, endpoints: Any, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """Show an image as from elsewhere: four of its points come to lie on four others.

    Args:
        img: an image.
        startpoints: four points (x, y), such as the image's corners.
        endpoints: where they come to lie.
        interpolation: NEAREST, BILINEAR or BICUBIC.
        fill: the value of pixels that come from outside, or one for each channel; None is 0.

    Raises:
        TypeError, ValueError: an argument is something else.

    Example::

        >>> import numpy as np
        >>> corners = [(0, 0), (2, 0), (2, 2), (0, 2)]
        >>> moved = [(1, 0), (3, 0), (3, 2), (1, 2)]
        >>> perspective(np.array([[1, 2, 3]]), corners, moved, InterpolationMode.NEAREST).tolist()
        [[0, 1, 2]]
    """
    mode = _warp_mode("perspective", interpolation)
    return run("perspective", img, perspective_coefficients(startpoints, endpoints), mode, fill)
