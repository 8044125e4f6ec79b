"""Reading and writing where each sample of a batch has places of its own, by ops that take indices as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail import creation, ops, ranges
from dovetail.errors import VmapError
from dovetail.tensor import Tensor
from dovetail.views import assign, before, check_writable


def read(x: Tensor, index: Any) -> Tensor:
    """Return the part of ``x`` at an index with integer tensors; what ``x[index]`` does inside ``vmap``."""
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
    for array, size in zip(reversed(arrays), reversed(moved.shape[: len(places)]), strict=True):
        flat = flat + ops.where(array < 0, array + size, array) * count
        count *= size
    rows = moved.reshape((count, *rest))
    out = ops.index_select(rows, flat.expand(sizes).reshape(-1), dim=0).reshape((*sizes, *rest))
    if places[-1] - places[0] >= len(places):  # apart from each other: their dimensions come first
        return out
    return out.movedim(list(range(len(sizes))), [places[0] + place for place in range(len(sizes))])


def _whole(x: Tensor, index: Any) -> list[Any]:
    """Return an index as a list with a part for each dimension, and None for each new one."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = sum(part.ndim if _is_mask(part) else 1 for part in parts if part is not None and part is not Ellipsis)
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
    parts = index if isinstance(index, tuple) else (index,)
    old = before(x)
    old._array = x._device.backend.xp.asarray(x._array, copy=True)
    old._alias = None
    value = value.to(x.dtype)
    if len(parts) == 1 and _is_mask(parts[0]):
        mask = parts[0]
        if value.ndim:
            raise VmapError(
                "vmap: a mask that is mapped over has other numbers of places in each sample, so that only one number "
                f"can be written there, got sizes {tuple(value.shape)}; use dovetail.where(mask, values, x)"
            )
        assign(x, ops.where(mask.reshape((*mask.shape, *(1,) * (x.ndim - mask.ndim))), value, old))
        return
    places = read(ranges.arange(x.numel()).reshape(x.shape), index)
    spread = value.expand(places.shape).reshape(-1)
    assign(x, _put(old.reshape(-1), 0, places.reshape(-1), spread).reshape(x.shape))


def scatter(x: Tensor, axis: int, index: Tensor, src: Tensor) -> Tensor:
    """Return ``x`` with ``src`` written along ``axis`` where ``index``, of each sample's own, says."""
    value = src.expand(index.shape) if not src.ndim else src[tuple(slice(0, size) for size in index.shape)]
    return _put(x, axis, index, value)


def index_add(x: Tensor, axis: int, index: Tensor, source: Tensor) -> Tensor:
    """Return ``x`` with the slices of ``source`` added along ``axis`` where ``index``, of each sample's own, says."""
    wide = index.reshape([-1 if place == axis else 1 for place in range(x.ndim)]).expand(source.shape)
    return ops.scatter_add(x, wide, source, dim=axis)


def _put(x: Tensor, axis: int, index: Tensor, value: Tensor) -> Tensor:
    """Return ``x`` with ``value`` at ``index``; the mean of it where one place is named several times."""
    empty = x.new_zeros(tuple(x.shape))
    count = ops.scatter_add(empty, index, creation.ones_like(value), dim=axis)
    total = ops.scatter_add(empty, index, value, dim=axis)
    several = ops.maximum(count, 1)
    mean = total / several if x.dtype.is_floating_point else ops.floor_divide(total, several)
    return ops.where(count > 0, mean, x)
