"""From one kind of image to another, and what is done to tensors alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import dovetail
from dovetail.data.transforms.kinds import as_array, as_tensor, dimensions, is_pillow, pillow
from dovetail.errors import DTypeError, ShapeError

_PILLOW_DTYPES = {"I": np.int32, "I;16": np.int16, "F": np.float32}
_UNSAFE = {("float32", "int32"), ("float32", "int64"), ("float64", "int64")}
# The modes that Pillow may be asked for, by the number of channels; the first one is taken if none is asked for.
_MODES = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}
_GREY_MODES = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}


def get_dimensions(img: Any) -> list[int]:
    """Return channels, height and width.

    Example::

        >>> get_dimensions(np.zeros((4, 6, 3)))
        [3, 4, 6]
    """
    return list(dimensions(img))


def get_image_size(img: Any) -> list[int]:
    """Return width and height.

    Example::

        >>> get_image_size(np.zeros((4, 6, 3)))
        [6, 4]
    """
    _, height, width = dimensions(img)
    return [width, height]


def to_tensor(pic: Any) -> dovetail.Tensor:
    """Make a tensor of shape (channels, height, width); bytes become numbers in [0, 1] of the default dtype.

    Args:
        pic: a Pillow image, or an array of shape (height, width) or (height, width, channels).

    Raises:
        TypeError: it is something else. ShapeError: an array has other dimensions.

    Example::

        >>> to_tensor(np.array([[0, 255]], np.uint8))
        tensor([[[0., 1.]]])
    """
    if is_pillow(pic):
        array = np.asarray(pic, _PILLOW_DTYPES.get(pic.mode, np.uint8))
        if pic.mode == "1":
            array = array * np.uint8(255)
    elif isinstance(pic, np.ndarray):
        array = pic
    else:
        raise TypeError(f"to_tensor takes a Pillow image or a NumPy array, got {type(pic).__name__}")
    if array.ndim not in (2, 3):
        raise ShapeError(f"to_tensor takes shape (height, width) or (height, width, channels), got {array.shape}")
    first = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    if first.dtype != np.uint8:
        return dovetail.from_numpy(first.copy(order="C"))
    default = dovetail.get_default_dtype()
    if default is not dovetail.float32:
        return dovetail.from_numpy(first.copy(order="C")).to(default).div(255)
    out = np.empty(first.shape, np.float32)
    return dovetail.from_numpy(np.divide(first, np.float32(255), out=out, dtype=np.float32))


def pil_to_tensor(pic: Any) -> dovetail.Tensor:
    """Make a tensor of shape (channels, height, width) of the same numbers.

    Args:
        pic: a Pillow image.

    Raises:
        TypeError: it is something else.

    Example::

        >>> from PIL import Image
        >>> pil_to_tensor(Image.new("L", (2, 1), color=7))
        tensor([[[7, 7]]], dtype=dovetail.uint8)
    """
    if not is_pillow(pic):
        raise TypeError(f"pil_to_tensor takes a Pillow image, got {type(pic).__name__}; of arrays, use to_tensor")
    array = np.asarray(pic)
    return dovetail.from_numpy((array[None] if array.ndim == 2 else array.transpose(2, 0, 1)).copy(order="C"))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """Make a Pillow image.

    Args:
        pic: a tensor of shape (channels, height, width) or (height, width), or an array of shape (height, width) or
            (height, width, channels), of at most 4 channels. Floating-point numbers are in [0, 1].
        mode: Pillow's mode; if None, L, LA, RGB or RGBA by the number of channels, or that of a grey dtype.

    Raises:
        TypeError: it is something else, or no mode holds its dtype. ShapeError: it has other dimensions. ValueError:
        the mode does not have as many channels. MissingPackageError: Pillow is not installed.

    Example::

        >>> to_pil_image(np.zeros((2, 3, 3), np.uint8))
        <PIL.Image.Image image mode=RGB size=3x2...>
    """
    if isinstance(pic, dovetail.Tensor):
        array = as_array(pic)
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    elif isinstance(pic, np.ndarray):
        array = pic
    else:
        raise TypeError(f"to_pil_image takes a tensor or a NumPy array, got {type(pic).__name__}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= 4):
        raise ShapeError(f"to_pil_image takes one image of at most 4 channels, got shape {tuple(pic.shape)}")
    if array.dtype.kind == "f" and mode != "F":
        array = (array * 255).astype(np.uint8)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    mode = _mode(array, mode)
    image = pillow().fromarray(np.ascontiguousarray(array))
    if image.mode == mode:
        return image
    return pillow().frombytes(mode, image.size, array.tobytes())


def _mode(array: np.ndarray, mode: str | None) -> str:
    """Return the mode for an array, checked if one is given."""
    if array.ndim == 2:
        allowed: tuple[str, ...] = (_GREY_MODES[array.dtype.name],) if array.dtype.name in _GREY_MODES else ()
    else:
        allowed = _MODES[array.shape[2]] if array.dtype == np.uint8 else ()
    if not allowed:
        raise DTypeError(
            f"Pillow has no mode for {1 if array.ndim == 2 else array.shape[2]} channels of {array.dtype}; try "
            "convert_image_dtype(image, dovetail.uint8)"
        )
    if mode is not None and mode not in allowed:
        raise ValueError(f"an image of shape {array.shape} and {array.dtype} takes mode {' or '.join(allowed)}, "
                         f"got {mode!r}")  # fmt: skip
    return mode or allowed[0]


def convert_image_dtype(image: dovetail.Tensor, dtype: Any = None) -> dovetail.Tensor:
    """Bring a tensor to another dtype, and its numbers to that dtype's range: [0, 1], or to the largest whole number.

    Args:
        image: a tensor.
        dtype: float32 if None.

    Raises:
        TypeError: it is no tensor. DTypeError: whole numbers as large as these cannot be made of so short floats.

    Example::

        >>> convert_image_dtype(dovetail.tensor([0, 51, 255], dtype=dovetail.uint8))
        tensor([0.0000, 0.2000, 1.0000])
        >>> convert_image_dtype(dovetail.tensor([0.0, 0.5, 1.0]), dovetail.uint8)
        tensor([  0, 127, 255], dtype=dovetail.uint8)
    """
    dtype = dovetail.float32 if dtype is None else dtype
    if not isinstance(image, dovetail.Tensor):
        raise TypeError(f"convert_image_dtype takes a tensor, got {type(image).__name__}; make one by to_tensor")
    if image.dtype == dtype:
        return image
    if image.dtype.is_floating_point and dtype.is_floating_point:
        return image.to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / _white(image.dtype)
    white = _white(dtype)
    if image.dtype.is_floating_point:
        names = (image.dtype.name, dtype.name)
        if names in _UNSAFE:
            raise DTypeError(f"{names[0]} does not hold all numbers of {names[1]}; convert to a smaller dtype")
        return (image * (white + 1 - 0.001)).to(dtype)
    old = _white(image.dtype)
    if old > white:
        return dovetail.floor_divide(image, int((old + 1) // (white + 1))).to(dtype)
    return image.to(dtype) * int((white + 1) // (old + 1))


def _white(dtype: Any) -> float:
    return 1.0 if dtype == dovetail.bool else float(dovetail.iinfo(dtype).max)


def normalize(
    tensor: dovetail.Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> dovetail.Tensor:
    """Subtract a mean from each channel and divide it by a standard deviation.

    Args:
        tensor: floating-point, of shape (..., channels, height, width).
        mean, std: one number, or one for each channel.
        inplace: change the tensor itself.

    Raises:
        TypeError: it is no tensor. DTypeError: its dtype is not floating-point. ShapeError: it has fewer than three
        dimensions, or another number of channels. ValueError: a standard deviation is 0.

    Example::

        >>> normalize(dovetail.ones(2, 1, 1), mean=[0.5, 0.0], std=[0.5, 2.0]).flatten()
        tensor([1.0000, 0.5000])
    """
    if not isinstance(tensor, dovetail.Tensor):
        raise TypeError(f"normalize takes a tensor, got {type(tensor).__name__}; put ToTensor() before it")
    array = as_array(tensor)
    if array.dtype.kind not in "fV":
        raise DTypeError(f"normalize takes floating-point numbers, got {tensor.dtype}; try convert_image_dtype")
    if array.ndim < 3:
        raise ShapeError(f"normalize takes shape (..., channels, height, width), got {tuple(array.shape)}")
    means, deviations = _per_channel("mean", mean, array), _per_channel("std", std, array)
    if not deviations.all():
        raise ValueError(f"normalize divides by std, which must not be 0 in {array.dtype}, got {std}")
    if inplace:
        return tensor.sub_(as_tensor(means, tensor)).div_(as_tensor(deviations, tensor))
    out = array - means
    out /= deviations
    return as_tensor(out, tensor)


def _per_channel(name: str, values: Any, image: np.ndarray) -> np.ndarray:
    """Return numbers for an image's channels, in a shape that fits them."""
    numbers = np.asarray(values, image.dtype).reshape(-1, 1, 1)
    if len(numbers) not in (1, image.shape[-3]):
        raise ShapeError(
            f"normalize takes one {name} or one for each of the {image.shape[-3]} channels, got {len(numbers)}; the "
            f"image has shape {tuple(image.shape)}"
        )
    return numbers


def erase(img: dovetail.Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> dovetail.Tensor:
    """Put a value in the place of a part of a tensor.

    Args:
        img: a tensor of shape (..., channels, height, width).
        i, j, h, w: the part's first row and column, its height and width.
        v: a number or a tensor that broadcasts to the part.
        inplace: change the tensor itself.

    Raises:
        TypeError: it is no tensor.

    Example::

        >>> erase(dovetail.ones(1, 2, 2), 0, 0, 1, 2, v=0)
        tensor([[[0., 0.],
                 [1., 1.]]])
    """
    if not isinstance(img, dovetail.Tensor):
        raise TypeError(f"erase takes a tensor, got {type(img).__name__}; put ToTensor() before it")
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out
