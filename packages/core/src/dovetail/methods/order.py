"""Sorting, and what is found by it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail import creation, ops, return_types
from dovetail.creation import from_array
from dovetail.dtypes import iinfo
from dovetail.errors import ShapeError
from dovetail.methods.registry import check_dim, function
from dovetail.tensor import Tensor


@function
def argsort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Return the indices that put the elements along ``dim`` in order; the order of equal ones is kept."""
    return ops.argsort(x, dim=check_dim(x, dim), descending=descending)


@function
def sort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Return the elements along ``dim`` in order, and the indices where they were.

    Example::

        >>> import dovetail
        >>> dovetail.tensor([3, 1, 2]).sort().values
        tensor([1, 2, 3])
    """
    indices = argsort(x, dim, descending)
    return return_types.sort(ops.gather(x, indices, dim=check_dim(x, dim)) if x.ndim else x.clone(), indices)


@function
def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """Return the ``k`` largest (or smallest) elements along ``dim``, in order, and their indices.

    Raises:
        ShapeError: there are fewer than ``k``.
    """
    axis = check_dim(x, dim)
    size = x.shape[axis] if x.ndim else 1
    if not 0 <= k <= size:
        raise ShapeError(f"topk: k is {k}, but dimension {dim} has {size} elements")
    found = sort(x, dim, largest)
    return return_types.topk(*(part.narrow(axis, 0, k) if x.ndim else part for part in found))


@function
def median(x: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the median of all elements, the lower of two; with ``dim`` the medians along it and their indices."""
    if dim is None:
        if not x.numel():
            return creation.full((), math.nan if x.dtype.category > 1 else iinfo(x.dtype).min, dtype=x.dtype)
        return median(x.reshape(-1), 0).values
    axis = check_dim(x, dim)
    if not x.ndim:
        return return_types.median(*sort(x))
    if not x.shape[axis]:
        raise ShapeError(f"median: needs at least one element along dimension {dim}, got sizes {tuple(x.shape)}")
    middle = (x.shape[axis] - 1) // 2
    ordered = sort(x, axis)
    found = [part.narrow(axis, middle, 1) for part in ordered]
    if x.dtype.is_floating_point:  # nan wins, and stands last
        last = [part.narrow(axis, x.shape[axis] - 1, 1) for part in ordered]
        found = [ops.where(ops.isnan(last[0]), part, other) for part, other in zip(last, found, strict=True)]
    return return_types.median(*(part if keepdim else part.squeeze(axis) for part in found))


@function
def unique(
    x: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return the different elements, or the different slices along ``dim``, in order.

    If asked for, also where each is among them, and how often.
    """
    array = x.numpy(force=True)
    axis = None if dim is None else check_dim(x, dim)
    if axis is not None and not array.size and array.shape[axis]:
        raise ShapeError(f"unique: slices along dimension {dim} of sizes {tuple(x.shape)} have no elements to compare")
    values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    parts = [values]
    if return_inverse:
        parts.append(inverse.reshape(array.shape if axis is None else -1))
    if return_counts:
        parts.append(counts)
    found = tuple(from_array(part, x.device) for part in parts)
    return found if len(found) > 1 else found[0]
