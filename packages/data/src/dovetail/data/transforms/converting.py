"""Transforms from one kind of image to another, and of a tensor's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import dovetail
from dovetail.data.transforms import functional as F


class ToTensor:
    """From a Pillow image or an array to a tensor of shape (channels, height, width), bytes to numbers in [0, 1].

    Raises:
        TypeError: called with something else. ShapeError: called with an array of other dimensions.

    Example::

        >>> ToTensor()(np.array([[0, 255]], np.uint8))
        tensor([[[0., 1.]]])
    """

    def __call__(self, pic: Any) -> dovetail.Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor:
    """From a Pillow image to a tensor of shape (channels, height, width) of the same numbers.

    Raises:
        TypeError: called with something else.

    Example::

        >>> from PIL import Image
        >>> PILToTensor()(Image.new("L", (2, 1), color=7)).tolist()
        [[[7, 7]]]
    """

    def __call__(self, pic: Any) -> dovetail.Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage:
    """From a tensor of shape (channels, height, width) or an array to a Pillow image; floats are in [0, 1].

    Args:
        mode: Pillow's mode; if None, by the number of channels and the dtype.

    Raises:
        TypeError, ShapeError, ValueError: called with what has no such mode. MissingPackageError: Pillow is missing.

    Example::

        >>> ToPILImage()(dovetail.rand(3, 4, 6)).size
        (6, 4)
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return "ToPILImage()" if self.mode is None else f"ToPILImage(mode={self.mode})"


class ConvertImageDtype:
    """Bring a tensor to another dtype and its numbers to that dtype's range.

    Args:
        dtype: the dtype.

    Raises:
        TypeError, DTypeError: called with no tensor, or with numbers that the dtype cannot be made of.

    Example::

        >>> ConvertImageDtype(dovetail.uint8)(dovetail.tensor([0.0, 0.5, 1.0])).tolist()
        [0, 127, 255]
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def __call__(self, image: dovetail.Tensor) -> dovetail.Tensor:
        return F.convert_image_dtype(image, self.dtype)

    def __repr__(self) -> str:
        return "ConvertImageDtype()"


class Normalize:
    """Subtract a mean from each channel of a tensor and divide it by a standard deviation.

    Args:
        mean, std: one number, or one for each channel.
        inplace: change the tensor itself.

    Raises:
        TypeError, DTypeError, ShapeError, ValueError: called with no floating-point tensor of as many channels, or a
        standard deviation is 0.

    Example::

        >>> Normalize(mean=[0.5], std=[0.5])(dovetail.tensor([[[0.0, 1.0]]]))
        tensor([[[-1.,  1.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        if not np.all(np.asarray(std)):
            raise ValueError(f"Normalize divides by std, which must not be 0, got {std}")
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, tensor: dovetail.Tensor) -> dovetail.Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"
