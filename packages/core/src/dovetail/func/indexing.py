"""Reading and writing where each sample of a batch has places of its own, by ops that take indices as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail import creation, ops, ranges
from dovetail.errors import VmapError
from dovetail.methods.index import check_bounds, expect_dtype
from dovetail.methods.writing import copy_of, spread
from dovetail.tensor import Tensor
from dovetail.views import assign, check_writable


def read(x: Tensor, index: Any) -> Tensor:
    """Return the part of ``x`` at an index with integer tensors; what ``x[index]`` does inside ``vmap``.

    Raises:
        VmapError: the index holds a mask. IndexError: an index is out of range.
    """
    parts = _whole(x, index)
    if any(_is_mask(part) for part in parts):
        raise VmapError(
            "vmap: a mask that is mapped over picks other numbers of elements in each sample, so that the results have "
            "no common size; use dovetail.where(mask, x, 0) and go on with all elements"
        )
    view = x[tuple(slice(None) if _is_array(part) else part for part in parts)]
    places, axis = [], 0
    for part in parts:
        if _is_array(part):
            places.append(axis)
        axis += 0 if isinstance(part, int) else 1
    given = [part for part in parts if _is_array(part)]
    arrays = [part if isinstance(part, Tensor) else creation.tensor(np.asarray(part)) for part in given]
    sizes = np.broadcast_shapes(*[tuple(array.shape) for array in arrays])
    moved = view.movedim(places, list(range(len(places))))
    rest = tuple(moved.shape[len(places) :])
    flat: Any = 0
    count = 1
    for dim, array in reversed(list(enumerate(arrays))):
        size = moved.shape[dim]
        if array.numel():
            check_bounds("indexing", array._device.backend.bounds(array._array), size, places[dim], -size)
        flat = flat + ops.where(array < 0, array + size, array) * count
        count *= size
    rows = moved.reshape((count, *rest))
    out = ops.index_select(rows, flat.expand(sizes).reshape(-1), dim=0).reshape((*sizes, *rest))
    if places[-1] - places[0] >= len(places):  # apart from each other: their dimensions come first
        return out
    return out.movedim(list(range(len(sizes))), [places[0] + place for place in range(len(sizes))])


def _whole(x: Tensor, index: Any) -> list[Any]:
    """Return an index as a list with a part for each dimension, and None for each new one."""
    parts = list(index) if isinstance(index, (tuple, list)) else [index]
    used = sum(part.ndim if _is_mask(part) else 1 for part in parts if part is not None and part is not Ellipsis)
    if used > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim} (got {used})")
    fill = [slice(None)] * (x.ndim - used)
    spot = next((place for place, part in enumerate(parts) if part is Ellipsis), None)
    return [*parts, *fill] if spot is None else [*parts[:spot], *fill, *parts[spot + 1 :]]


def _is_array(part: Any) -> bool:
    return isinstance(part, (Tensor, np.ndarray, list))


def _is_mask(part: Any) -> bool:
    return isinstance(part, Tensor) and part.dtype.category == 0


def write(x: Tensor, index: Any, value: Tensor) -> None:
    """Write ``value`` to the part of ``x`` at an index with tensors; what ``x[index] = value`` does inside ``vmap``."""
    check_writable(x, "indexed assignment")
    assign(x, put(copy_of(x), value, index))


def put(x: Tensor, value: Tensor, index: Any, accumulate: bool = False) -> Tensor:
    """Return ``x`` with ``value``, which broadcasts, written or added at an index with tensors of each sample's own.

    Raises:
        VmapError: the index holds a mask, and there is more than one number to write. DTypeError: ``value`` has another
            dtype. IndexError: an index is out of range.
    """
    parts = tuple(index) if isinstance(index, (tuple, list)) else (index,)
    if len(parts) == 1 and _is_mask(parts[0]):
        mask = parts[0].reshape((*parts[0].shape, *(1,) * (x.ndim - parts[0].ndim)))
        value = value.to(x.dtype)
        if value.ndim:
            raise VmapError(
                "vmap: a mask that is mapped over has other numbers of places in each sample, so that only one number "
                f"can be written there, got sizes {tuple(value.shape)}; use dovetail.where(mask, values, x)"
            )
        return ops.where(mask, x + value if accumulate else value, x)
    expect_dtype("index put", "the value", value, x)
    places = read(ranges.arange(x.numel()).reshape(x.shape), parts)
    values = spread(value, places).reshape(-1)
    call = ops.scatter_add if accumulate else ops.scatter
    return call(x.reshape(-1), places.reshape(-1), values, dim=0).reshape(x.shape)
