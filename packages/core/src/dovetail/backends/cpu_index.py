"""Kernels of NumPy arrays that read and write by index.

Those whose names end in ``_`` write into the array that they are given; the op's kernel does the same to a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from dovetail.backends.cpu_halves import HALVES

INT64 = np.dtype(np.int64)
_WIDE = 128  # elements from which adding one row costs less by itself than element by element
_SMALL = 4096  # elements up to which what NumPy needs for places is kept, or is not worth preparing


class Direct:
    """A kernel that is a function of arrays and options alone, takes every case and hardly ever overflows."""

    complete = True

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, xp: Any, *arrays: Any, **options: Any) -> Any:
        return self.function(*arrays, **options)


def slice_view(x: Any, *, index: Any) -> Any:
    return x[index]


def unslice(xp: Any, g: Any, *, index: Any, shape: Any) -> Any:
    out = np.zeros(shape, dtype=g.dtype)
    out[index] = g
    return out


def take(x: Any, *, index: Any) -> Any:
    """Read rows by ``ndarray.take``, which costs a third of what indexing does."""
    if len(index) == 1 and index[0].dtype is INT64:
        return x.take(index[0], 0)
    return x[index]


def untake(xp: Any, g: Any, *, index: Any, shape: Any) -> Any:
    return put_add_(xp, np.zeros(shape, dtype=g.dtype), g, index=index)


def put_(xp: Any, x: Any, value: Any, *, index: Any) -> Any:
    x[index] = value
    return x


def put_add_(xp: Any, x: Any, value: Any, *, index: Any) -> Any:
    if x.dtype in HALVES:
        x[...] = put_add_(xp, x.astype(np.float32), value.astype(np.float32), index=index)
        return x
    arrays = [part for part in index if isinstance(part, np.ndarray)]
    if all(part.dtype == np.bool_ for part in arrays[:1]) and len(arrays) < 2:  # nothing is picked twice
        x[index] = np.logical_or(x[index], value) if x.dtype == np.bool_ else x[index] + value
    elif len(index) == 1 and x.ndim > 1:
        add_rows(x, index[0], value)
    else:
        np.add.at(x, index, value)
    return x


def add_rows(x: Any, rows: Any, value: Any) -> None:
    """Add to whole rows: wide ones one after the other, since ``add.at`` goes element by element."""
    if x[:1].size < _WIDE:
        np.add.at(x, (rows,), value)
        return
    flat = rows.reshape(-1)
    values = np.broadcast_to(value, (*rows.shape, *x.shape[1:])).reshape(flat.size, *x.shape[1:])
    if flat.size and (flat.min() < -len(x) or flat.max() >= len(x)):
        raise IndexError(f"rows {flat.min()} to {flat.max()} of an array that has {len(x)}")
    for place, row in zip(flat.tolist(), values, strict=True):
        x[place] += row


def index_select(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    return x.take(index, dim)


# Along a dimension


def _places(x: Any, index: Any, dim: int) -> tuple:
    places = list(_grid(index.shape) if index.size <= _SMALL else _grid.__wrapped__(index.shape))
    places[dim] = index
    return tuple(places)


@lru_cache(maxsize=64)
def _grid(shape: tuple[int, ...]) -> tuple:
    return np.indices(shape, sparse=True)


def _cut(src: Any, index: Any) -> Any:
    if src.shape == index.shape or not src.ndim:
        return src
    return src[tuple([slice(0, size) for size in index.shape])]


def gather(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    if not x.ndim or not index.ndim:
        return NotImplemented
    if index.size > _SMALL and x.flags.c_contiguous:
        return x.reshape(-1).take(_flat_places(x, index, dim))
    return x[_places(x, index, dim)]


def _flat_places(x: Any, index: Any, dim: int) -> Any:
    """Return the places in the flattened array; for many of them one index is quicker than several."""
    strides = [stride // x.itemsize for stride in x.strides]
    places = index * strides[dim]
    for axis, own in enumerate(np.indices(index.shape, sparse=True)):
        if axis != dim:
            places += own * strides[axis]
    return places


def _prepared(x: Any, index: Any, src: Any, dim: int) -> tuple[Any, Any, Any]:
    """Return the array, the places in it and what goes there; a 0-d one stands for one element."""
    if x.ndim and index.ndim:
        if index.size > _SMALL and x.flags.c_contiguous:
            values = np.broadcast_to(_cut(src, index), index.shape)
            return x.reshape(-1), _flat_places(x, index, dim).reshape(-1), values.reshape(-1)
        return x, _places(x, index, dim), _cut(src, index)
    return x.reshape(-1), (index.reshape(-1),), src.reshape(-1)


def scatter_(xp: Any, x: Any, index: Any, src: Any, *, dim: int) -> Any:
    array, places, values = _prepared(x, index, src, dim)
    array[places] = values
    return x


def scatter_add_(xp: Any, x: Any, index: Any, src: Any, *, dim: int) -> Any:
    return _at(np.logical_or if x.dtype == np.bool_ else np.add, x, index, src, dim)


def _at(function: Any, x: Any, index: Any, src: Any, dim: int) -> Any:
    if x.dtype in HALVES:
        x[...] = _at(function, x.astype(np.float32), index, src.astype(np.float32), dim)
        return x
    array, places, values = _prepared(x, index, src, dim)
    function.at(array, places, values)
    return x


_REDUCTIONS: dict[str, Any] = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def scatter_reduce_(xp: Any, x: Any, index: Any, src: Any, *, dim: int, reduce: str, include_self: bool) -> Any:
    if not include_self:  # the last one written is among those that count: it stands for the identity
        if reduce == "prod":
            scatter_(xp, x, index, np.ones((), x.dtype), dim=dim)
        else:
            scatter_(xp, x, index, src, dim=dim)
    return _at(_REDUCTIONS[reduce], x, index, src, dim)


def masked_fill_(xp: Any, x: Any, mask: Any, *, value: Any) -> Any:
    np.copyto(x, np.asarray(value, x.dtype), where=mask)
    return x


def masked_fill(xp: Any, x: Any, mask: Any, *, value: Any) -> Any:
    shape = x.shape if mask.shape == x.shape else np.broadcast_shapes(x.shape, mask.shape)
    return masked_fill_(xp, np.array(np.broadcast_to(x, shape)), mask, value=value)


# Finding


def nonzero(xp: Any, x: Any) -> Any:
    return np.argwhere(x)


def isin(xp: Any, x: Any, test: Any) -> Any:
    return NotImplemented if "V" in (np.asarray(x).dtype.kind, np.asarray(test).dtype.kind) else np.isin(x, test)


def searchsorted(xp: Any, sequence: Any, values: Any, *, right: bool) -> Any:
    if sequence.ndim > 1 or sequence.dtype.kind == "V":
        return NotImplemented
    return np.asarray(sequence.searchsorted(values, "right" if right else "left"))


def _on_a_copy(kernel: Callable[..., Any]) -> Callable[..., Any]:
    def copying(xp: Any, x: Any, *inputs: Any, **options: Any) -> Any:
        return kernel(xp, x.copy(), *inputs, **options)

    return copying


#: What in-place operations use, by op name.
WRITERS: dict[str, Callable[..., Any]] = {
    kernel.__name__[:-1]: kernel for kernel in (put_, put_add_, scatter_, scatter_add_, scatter_reduce_, masked_fill_)
}

INDEX_KERNELS: dict[str, Callable[..., Any]] = {name: _on_a_copy(kernel) for name, kernel in WRITERS.items()} | {
    kernel.__name__: kernel
    for kernel in (gather, index_select, isin, masked_fill, nonzero, searchsorted, unslice, untake)
}
INDEX_KERNELS |= {"slice_view": Direct(slice_view), "take": Direct(take)}
