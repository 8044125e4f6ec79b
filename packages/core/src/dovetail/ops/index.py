"""Reading and writing by index: slices as views, integer arrays and masks, gather, embedding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.op import Sample, op
from dovetail.ops.elementwise import where

# Basic indexing: integers, slices, None and ..., which give views


@op(promote=None, view=True)
def slice_view(xp, x, *, index):
    """Return a view by integers, slices, None and Ellipsis."""
    return x[index]


@op(promote=None)
def unslice(xp, g, *, index, shape):
    """Return zeros of ``shape`` with ``g`` at ``index``; the gradient of ``slice_view``."""
    out = xp.zeros(tuple(shape), dtype=g.dtype)
    kept = tuple(part for part in index if part is not None)  # the standard takes no new axis where it writes
    out[kept] = xp.reshape(g, out[kept].shape)
    return out


slice_view.vjp(x=lambda g, x_shape, index: unslice(g, index, x_shape))
slice_view.sample(
    lambda make: [
        Sample(make(3, 4), index=(slice(1, 3), Ellipsis)),
        Sample(make(3, 4), index=(1, slice(None, None, 2), None)),
        Sample(make(5), index=(2, Ellipsis)),
    ]
)
unslice.vjp(g=lambda g, index: slice_view(g, index))
unslice.sample(lambda make: [Sample(make(2, 4), index=(slice(1, 3), Ellipsis), shape=(3, 4))])


# Integer arrays and masks


def positions_of(index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return which elements, counted in the flattened array, an index picks."""
    host = tuple(
        np.asarray(part) if hasattr(part, "shape") and not isinstance(part, np.ndarray) else part for part in index
    )
    return np.arange(math.prod(shape)).reshape(shape)[host]


def add_at(xp, size: int, positions, values):
    """Return zeros of ``size`` rows to which row i of ``values`` is added at ``positions[i]``.

    The array standard has no scatter, so that this is a product with a one-hot matrix; backends do better.
    """
    hot = xp.astype(positions[None, :] == xp.arange(size)[:, None], values.dtype)
    return hot @ values


@op(promote=None)
def take(xp, x, *, index):
    """Return the elements picked by an index with integer arrays or masks, NumPy's rules."""
    positions = positions_of(index, x.shape)
    flat = xp.take(xp.reshape(x, (-1,)), xp.asarray(positions.reshape(-1)), axis=0)
    return xp.reshape(flat, positions.shape)


@op(promote=None)
def untake(xp, g, *, index, shape):
    """Return zeros of ``shape`` to which ``g`` is added at ``index``; the gradient of ``take``."""
    positions = positions_of(index, shape)
    flat = add_at(xp, math.prod(shape), xp.asarray(positions.reshape(-1)), xp.reshape(g, (-1, 1)))
    return xp.reshape(flat, tuple(shape))


take.vjp(x=lambda g, x_shape, index: untake(g, index, x_shape))
take.sample(
    lambda make: [
        Sample(make(4, 3), index=(np.array([0, 2, 2]),)),
        Sample(make(4, 3), index=(slice(1, None), np.array([[0], [2]]))),
        Sample(make(2, 2), index=(np.array([[True, False], [True, True]]),)),
    ]
)
untake.vjp(g=lambda g, index: take(g, index))
untake.sample(lambda make: [Sample(make(3, 3), index=(np.array([0, 2, 2]),), shape=(4, 3))])


def write_last(xp, x, positions: np.ndarray, values):
    """Return ``x`` with ``values`` at ``positions`` of its elements; the last of several writes to one wins."""
    size = math.prod(x.shape)
    last = np.full(size, -1)
    last[positions.reshape(-1)] = np.arange(positions.size)
    source = xp.asarray(np.maximum(last, 0))
    flat = xp.astype(xp.reshape(values, (-1,)), x.dtype)
    written = xp.take(flat, source, axis=0) if positions.size else xp.zeros(size, dtype=x.dtype)
    return xp.reshape(xp.where(xp.asarray(last >= 0), written, xp.reshape(x, (-1,))), x.shape)


@op(promote=None)
def put(xp, x, value, *, index):
    """Return ``x`` with ``value``, which broadcasts, at the elements picked by ``index``, of any kind."""
    positions = positions_of(index, x.shape)
    return write_last(xp, x, positions, xp.broadcast_to(value, positions.shape))


@op(promote=None)
def put_add(xp, x, value, *, index):
    """Return ``x`` with ``value`` added at the elements picked by ``index``; what is picked twice gets both."""
    positions = positions_of(index, x.shape)
    whole = xp.reshape(xp.broadcast_to(value, positions.shape), (-1, 1))
    if x.dtype == xp.bool:
        whole = xp.astype(whole, xp.int64)
    added = xp.reshape(add_at(xp, math.prod(x.shape), xp.asarray(positions.reshape(-1)), whole), x.shape)
    return xp.logical_or(x, added > 0) if x.dtype == xp.bool else x + added


def _picked(g, index):
    advanced = any(isinstance(part, np.ndarray) for part in index)
    return take(g, index=index) if advanced else slice_view(g, index=index)


put.vjp(x=lambda g, index: put(g, g.new_zeros(()), index), value=_picked)
put_add.vjp(x=lambda g: g, value=_picked)
for _write in (put, put_add):
    _write.sample(
        lambda make: [
            Sample(make(4, 3), make(2, 3), index=(np.array([0, 2]),)),
            Sample(make(2, 2), make(), index=(np.array([[True, False], [True, True]]),)),
            Sample(make(4, 3), make(2, 1), index=(slice(1, 3), Ellipsis)),
        ]
    )


@op(promote=None)
def nonzero(xp, x):
    """Return the indices of the elements that are not zero, as rows (count, dimensions)."""
    if not x.ndim:
        return xp.zeros((int(bool(x != 0)), 0), dtype=xp.int64)
    return xp.astype(xp.stack(xp.nonzero(x), axis=1), xp.int64)


nonzero.no_vjp("x")
nonzero.sample(
    lambda make: [Sample(make.booleans(3, 4)), Sample(make.constant([0.0, 2.0])), Sample(make.constant(1.0))]
)


# Rows of a table, and masks


@op(promote=None)
def embedding(xp, weight, indices, *, padding_idx=None):
    """Return the rows of ``weight`` (count, size) that ``indices`` (any shape, integers) name.

    Raises:
        IndexError: an index is negative or not below the count of rows.
    """
    rows = xp.take(weight, xp.reshape(indices, (-1,)), axis=0)
    return xp.reshape(rows, (*indices.shape, weight.shape[1]))


@op(promote=None)
def embedding_backward(xp, g, indices, *, count, padding_idx=None):
    """Return the gradient of ``embedding`` for its weight of ``count`` rows."""
    flat = xp.reshape(indices, (-1,))
    rows = xp.reshape(g, (-1, g.shape[-1]))
    if padding_idx is not None:
        rows = rows * xp.astype(flat != padding_idx, rows.dtype)[:, None]
    return add_at(xp, count, flat, rows)


embedding.no_vjp("indices")
embedding.vjp(
    weight=lambda g, indices, weight_shape, padding_idx: embedding_backward(
        g, indices, count=weight_shape[0], padding_idx=padding_idx
    )
)
embedding.sample(
    lambda make: [
        Sample(make(5, 3), make.integers(2, 4, high=5)),
        Sample(make(5, 3), make.constant([0, 2, 4, 2, 0, 3]), padding_idx=1),
    ]
)
embedding_backward.no_vjp("indices")


def _embedded(g, indices, padding_idx):
    rows = embedding(g, indices)
    return rows if padding_idx is None else where((indices == padding_idx).unsqueeze(-1), 0.0, rows)


embedding_backward.vjp(g=_embedded)
embedding_backward.sample(lambda make: [Sample(make(2, 4, 3), make.integers(2, 4, high=5), count=5)])


@embedding.checked_by
def _indices_in_range(weight, indices, padding_idx):
    if indices.dtype.category != 1:
        raise TypeError(f"embedding: indices must be integers, got {indices.dtype}; convert with .long()")
    count = weight.shape[0]
    if indices.numel():
        low, high = indices._device.backend.bounds(indices._array)
        if low < 0 or high >= count:
            wrong = low if low < 0 else high
            raise IndexError(f"embedding: index {wrong} is out of range; the weight has {count} rows, 0 to {count - 1}")


@op(promote=None)
def masked_fill(xp, x, mask, *, value):
    """Return ``x`` with ``value`` where the boolean ``mask``, which broadcasts to it, is true."""
    return xp.where(mask, xp.asarray(value, dtype=x.dtype), x)


masked_fill.no_vjp("mask")
masked_fill.vjp(x=lambda g, mask: masked_fill(g, mask, value=0.0))
masked_fill.sample(lambda make: [Sample(make(3, 4), make.booleans(4), value=-1.0)])
