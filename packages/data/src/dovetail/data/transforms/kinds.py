"""The kinds of image: Pillow's, NumPy arrays and tensors; an op gives back the kind that it was given."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import dovetail
from dovetail.data.transforms import on_arrays, on_pillow
from dovetail.errors import MissingPackageError, ShapeError

TAKEN = "a Pillow image, a NumPy array of shape (height, width) or (height, width, channels), or a tensor of shape " \
    "(..., channels, height, width)"  # fmt: skip


def pillow() -> Any:
    """Return Pillow's module of images.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingPackageError(
            'Pillow, which reads, writes and holds images, is not installed; try: pip install "dovetail-data[image]"'
        ) from None
    return Image


def is_pillow(image: Any) -> bool:
    """Return whether this is a Pillow image; Pillow is not imported for that."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def run(name: str, image: Any, *arguments: Any) -> Any:
    """Do an op to an image of any kind.

    Raises:
        TypeError: it is no image. ShapeError: the array or tensor has too few or too many dimensions.
    """
    kind: Any = type(image)
    return _runner(kind)(name, image, arguments)


def dimensions(image: Any) -> tuple[int, int, int]:
    """Return channels, height and width of an image of any kind.

    Raises:
        TypeError: it is no image. ShapeError: the array or tensor has too few or too many dimensions.
    """
    if is_pillow(image):
        width, height = image.size
        return len(image.getbands()), height, width
    if isinstance(image, np.ndarray):
        _check_array(image)
        return (1 if image.ndim == 2 else image.shape[2]), image.shape[0], image.shape[1]
    if isinstance(image, dovetail.Tensor):
        _check_tensor(image)
        shape = image.shape
        return (1 if len(shape) == 2 else shape[-3]), shape[-2], shape[-1]
    raise _refused(type(image))


@cache
def _runner(kind: type) -> Callable[[str, Any, tuple[Any, ...]], Any]:
    """Return what runs ops for a type of image."""
    if issubclass(kind, np.ndarray):
        return _on_array
    if issubclass(kind, dovetail.Tensor):
        return _on_tensor
    module = sys.modules.get("PIL.Image")
    if module is not None and issubclass(kind, module.Image):
        return _on_pillow
    raise _refused(kind)


def _refused(kind: type) -> TypeError:
    return TypeError(f"a transform takes {TAKEN}; got {kind.__module__}.{kind.__qualname__}".replace("builtins.", ""))


def _on_pillow(name: str, image: Any, arguments: tuple[Any, ...]) -> Any:
    return getattr(on_pillow, name)(image, *arguments)


def _check_array(image: np.ndarray) -> None:
    if image.ndim not in (2, 3):
        raise ShapeError(
            f"an image in an array has shape (height, width) or (height, width, channels), got {image.shape}; for a "
            "batch, use a tensor of shape (batch, channels, height, width)"
        )


def _on_array(name: str, image: np.ndarray, arguments: tuple[Any, ...]) -> np.ndarray:
    _check_array(image)
    first = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    out = getattr(on_arrays, name)(first, *arguments)
    return out[0] if image.ndim == 2 and len(out) == 1 else out.transpose(1, 2, 0)


def _check_tensor(image: dovetail.Tensor) -> None:
    if image.ndim < 2:
        raise ShapeError(f"an image in a tensor has shape (..., channels, height, width), got {tuple(image.shape)}")


def _on_tensor(name: str, image: dovetail.Tensor, arguments: tuple[Any, ...]) -> dovetail.Tensor:
    """Run by way of NumPy, whatever the tensor's device: images are small and there, gradients do not flow."""
    _check_tensor(image)
    array = as_array(image)
    out = getattr(on_arrays, name)(array[None] if array.ndim == 2 else array, *arguments)
    return as_tensor(out[0] if array.ndim == 2 and len(out) == 1 else out, image)


def as_array(image: dovetail.Tensor) -> np.ndarray:
    """Return a tensor's numbers, which may be its own memory."""
    return image.detach().cpu().numpy()


def as_tensor(array: np.ndarray, like: dovetail.Tensor) -> dovetail.Tensor:
    """Return a tensor of these numbers, on the device of another."""
    return dovetail.from_numpy(array).to(like.device)


def numbers_of(image: Any) -> np.ndarray:
    """Return the numbers of an image of any kind, in the order that this kind has; they are not to be changed."""
    return as_array(image) if isinstance(image, dovetail.Tensor) else np.asarray(image)


def with_numbers(numbers: np.ndarray, like: Any) -> Any:
    """Return an image of these numbers, of the same kind as another; the reverse of ``numbers_of``."""
    if isinstance(like, dovetail.Tensor):
        return as_tensor(numbers, like)
    return numbers if isinstance(like, np.ndarray) else pillow().fromarray(numbers)
