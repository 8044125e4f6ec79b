"""Functions that others compose."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail import ops
from dovetail.creation import from_array
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.registry import FUNCTIONS, check_dim, function
from dovetail.methods.shape import cat
from dovetail.modes.base import one_op_under_autocast
from dovetail.ops.linalg import expect_matrices
from dovetail.tensor import Tensor


@function
def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """Return the diagonal of a matrix, or the matrix with a vector as its diagonal."""
    if x.ndim == 2:
        return FUNCTIONS["diagonal"](x, diagonal).clone()
    if x.ndim != 1:
        raise ShapeError(f"diag: takes a vector or a matrix, got sizes {tuple(x.shape)}")
    size = len(x) + abs(diagonal)
    places = np.arange(len(x))
    index = (places - min(diagonal, 0), places + max(diagonal, 0))
    return ops.put(x.new_zeros(size, size), x, index=index)


@function
@one_op_under_autocast
def trace(x: Tensor) -> Tensor:
    """Return the sum of the diagonal of a matrix."""
    if x.ndim != 2:
        raise ShapeError(f"trace: takes a matrix, got sizes {tuple(x.shape)}")
    return FUNCTIONS["diagonal"](x).sum()


@function
def mv(x: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix and a vector."""
    if x.ndim != 2 or vec.ndim != 1:
        raise ShapeError(f"mv: takes a matrix and a vector, got sizes {tuple(x.shape)} and {tuple(vec.shape)}")
    expect_matrices("mv", x, vec.unsqueeze(1), 2)
    return ops.matmul(x, vec)


@function
def count_nonzero(x: Tensor, dim: Any = None) -> Tensor:
    """Return how many elements are not zero, over ``dim`` (all by default)."""
    return ops.sum(x != 0, dim=dim)


@function
def bincount(x: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often each of 0, 1, ... is among the integers of a vector, or the sum of their ``weights``."""
    if x.ndim != 1 or x.dtype.category != 1:
        raise DTypeError(f"bincount: takes a vector of integers, got {x.dtype} of sizes {tuple(x.shape)}")
    if minlength < 0 or bool((x < 0).any()):
        raise ShapeError(f"bincount: the integers and minlength must be 0 or more, got minlength {minlength} and {x}")
    if weights is not None and weights.shape != x.shape:
        raise ShapeError(f"bincount: weights must be one for each of {len(x)} integers, got {tuple(weights.shape)}")
    given = None if weights is None else weights.numpy(force=True)
    return from_array(np.bincount(x.numpy(force=True), given, minlength), x.device)


@function
def repeat_interleave(
    x: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Return the tensor (flattened by default) with each place along ``dim`` repeated, all alike or as listed.

    ``repeat_interleave(repeats)`` repeats 0, 1, ... as listed. ``output_size`` is how many there will be, if known.
    """
    if repeats is None:
        x, repeats = from_array(np.arange(x.numel()), x.device), x
    if dim is None:
        x, dim = x.reshape(-1), 0
    count = repeats.numpy(force=True) if isinstance(repeats, Tensor) else np.asarray(repeats)
    size = x.shape[check_dim(x, dim)]
    if count.ndim > 1 or count.dtype.kind not in "iu" or (count.ndim and count.size not in (1, size)):
        raise ShapeError(
            f"repeat_interleave: repeats must be an integer or {size} of them, got {count.dtype} of sizes {count.shape}"
        )
    if (count < 0).any():
        raise ShapeError(f"repeat_interleave: repeats must not be negative, got {repeats}")
    places = np.repeat(np.arange(size), count)
    if output_size is not None and output_size != len(places):
        raise ShapeError(f"repeat_interleave: repeats give {len(places)} places, but output_size is {output_size}")
    return ops.index_select(x, from_array(places, x.device), dim=check_dim(x, dim))


@function
def nan_to_num(x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Return the tensor with numbers for nan, inf and -inf; for the latter the largest that the dtype holds."""
    from dovetail.dtypes import finfo

    limits = finfo(x.dtype)
    x = ops.where(ops.isnan(x), nan, x)
    x = ops.where(x == float("inf"), limits.max if posinf is None else posinf, x)
    return ops.where(x == float("-inf"), limits.min if neginf is None else neginf, x)


def vstack(tensors: Any) -> Tensor:
    """Return the tensors joined as rows; vectors count as one row each."""
    return cat([x.reshape(1, -1) if x.ndim < 2 else x for x in tensors])


def hstack(tensors: Any) -> Tensor:
    """Return the tensors joined along the second dimension, vectors along their only one."""
    parts = [x.reshape(-1) if not x.ndim else x for x in tensors]
    return cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return the coordinates of a grid over vectors; ``indexing="xy"`` exchanges the first two dimensions."""
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing is 'ij' or 'xy', got {indexing!r}")
    vectors = list(tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors)
    sizes = [x.numel() for x in vectors]
    grids = [
        x.reshape([-1 if axis == place else 1 for axis in range(len(vectors))]).expand(sizes)
        for place, x in enumerate(vectors)
    ]
    return tuple(grid.transpose(0, 1) if indexing == "xy" and len(vectors) > 1 else grid for grid in grids)


FUNCTIONS.update(vstack=vstack, row_stack=vstack, hstack=hstack, meshgrid=meshgrid)
