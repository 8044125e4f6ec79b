"""Looking at batches: many images in one, and an image in a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

import dovetail
from dovetail.atomic import name_of, replace
from dovetail.errors import MissingPackageError, ShapeError


def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> dovetail.Tensor:
    """Lay images out in rows, as one image.

    Args:
        tensor: a batch of shape (batch, channels, height, width), a list of images of one shape, or one image of shape
            (channels, height, width) or (height, width). Of one channel, it is repeated in three.
        nrow: how many images there are in a row.
        padding: pixels around each image.
        normalize: bring values to [0, 1], from those of all images or of ``value_range``.
        value_range: (smallest, largest), which become 0 and 1; what is beyond too.
        scale_each: bring each image to [0, 1] by its own values.
        pad_value: the value of the pixels around.

    Returns:
        An image of shape (channels, height, width). One image alone is returned without padding.

    Raises:
        TypeError: it is no tensor and no list of tensors. ShapeError: it has other dimensions. ValueError: another
        argument is out of range.

    Example::

        >>> make_grid(dovetail.rand(6, 3, 28, 28), nrow=3).shape
        dovetail.Size([3, 62, 92])
    """
    images = _as_batch(tensor)
    if nrow < 1 or padding < 0:
        raise ValueError(f"make_grid takes nrow of at least 1 and padding of at least 0, got {nrow} and {padding}")
    if normalize:
        images = _normalized(images, value_range, scale_each)
    if len(images) == 1:
        return dovetail.from_numpy(images[0].copy())
    count, channels, height, width = images.shape
    columns = min(nrow, count)
    rows = -(-count // columns)
    cells = np.full((rows * columns, channels, height + padding, width + padding), pad_value, images.dtype)
    cells[:count, :, padding:, padding:] = images
    grid = cells.reshape(rows, columns, *cells.shape[1:]).transpose(2, 0, 3, 1, 4)
    grid = grid.reshape(channels, rows * (height + padding), columns * (width + padding))
    around = ((0, 0), (0, padding), (0, padding))
    return dovetail.from_numpy(np.pad(grid, around, constant_values=pad_value))


def _as_batch(tensor: Any) -> np.ndarray:
    """Return images as an array of shape (batch, channels, height, width), of at least 3 channels if of 1."""
    if isinstance(tensor, Sequence) and tensor and all(isinstance(image, dovetail.Tensor) for image in tensor):
        shapes = {tuple(image.shape) for image in tensor}
        if len(shapes) > 1:
            raise ShapeError(f"make_grid takes images of one shape, got {', '.join(map(str, sorted(shapes)))}")
        tensor = dovetail.stack(list(tensor))
    if not isinstance(tensor, dovetail.Tensor):
        raise TypeError(f"make_grid takes a tensor or a list of tensors, got {type(tensor).__name__}")
    if not 2 <= tensor.ndim <= 4 or 0 in tensor.shape:
        raise ShapeError(
            "make_grid takes shape (batch, channels, height, width), or less for one image, none of them 0, got "
            f"{tuple(tensor.shape)}"
        )
    images = tensor.detach().cpu().numpy()
    images = images.reshape((1,) * (4 - images.ndim) + images.shape)
    return np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images


def _normalized(images: np.ndarray, value_range: tuple[float, float] | None, scale_each: bool) -> np.ndarray:
    """Return the images with their values brought to [0, 1]."""
    over = (1, 2, 3) if scale_each else (0, 1, 2, 3)
    low: Any = images.min(axis=over, keepdims=True)
    high: Any = images.max(axis=over, keepdims=True)
    if value_range is not None:
        if len(value_range) != 2 or not value_range[0] <= value_range[1]:
            raise ValueError(f"make_grid takes value_range as (smallest, largest), got {value_range!r}")
        low, high = value_range
    work = images.astype(images.dtype if images.dtype.kind == "f" else np.float32)
    return ((np.clip(work, low, high) - low) / np.maximum(high - low, 1e-5)).astype(work.dtype)


def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Write images to a file, which at every moment holds either what it held before or the whole new picture.

    Args:
        tensor: what ``make_grid`` takes, with values in [0, 1]; several images are laid out by it.
        fp: a path, a URL for fsspec, or a file open for writing bytes.
        format: Pillow's name of the format; if None, it is told from the path's suffix.
        kwargs: passed to ``make_grid``.

    Raises:
        TypeError, ShapeError, ValueError: see ``make_grid``; ValueError too if there is no such format.
        MissingPackageError: Pillow is not installed. OSError: the file cannot be written.

    Example::

        >>> import os, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> save_image(dovetail.rand(6, 3, 28, 28), os.path.join(folder.name, "batch.png"))
        >>> os.listdir(folder.name)
        ['batch.png']
        >>> folder.cleanup()
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingPackageError(
            f"{name_of(fp)}: pictures are written by Pillow, which is not installed; try: "
            'pip install "dovetail-data[image]"'
        ) from None
    grid = make_grid(tensor, **kwargs).numpy().astype(np.float64)
    if len(grid) not in (3, 4):
        raise ShapeError(f"save_image takes images of 1, 3 or 4 channels, got {len(grid)}")
    pixels = np.clip(grid * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    image, name = Image.fromarray(np.ascontiguousarray(pixels)), format or _format_of(fp)
    replace(fp, lambda file: image.save(file, format=name))


def _format_of(fp: Any) -> str:
    """Return the format that belongs to a file's suffix."""
    from PIL import Image

    name = name_of(fp)
    suffix = os.path.splitext(name)[1].lower()
    known = Image.registered_extensions()
    if suffix not in known or known[suffix] not in Image.SAVE:
        raise ValueError(
            f"{name}: no format that Pillow writes has the suffix {suffix!r}; try .png, or give format='PNG'"
        )
    return str(known[suffix])
