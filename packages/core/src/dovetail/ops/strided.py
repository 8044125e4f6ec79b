"""Views that need strides: diagonals, windows, any steps through memory; copied where a backend has none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.errors import ShapeError
from dovetail.op import Sample, op
from dovetail.ops.index import untake


def _last_two(ndim: int, dim1: int, dim2: int) -> list[int]:
    return [dim for dim in range(ndim) if dim not in (dim1, dim2)] + [dim1, dim2]


def _size_of_diagonal(rows: int, columns: int, offset: int) -> int:
    return max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)


@op(promote=None, view="kept")
def diagonal(xp, x, *, offset=0, dim1=0, dim2=1):
    """Return the diagonal over two dimensions, each 0 or more, as the last dimension of a view."""
    rows, columns = x.shape[dim1], x.shape[dim2]
    moved = xp.permute_dims(x, tuple(_last_two(x.ndim, dim1, dim2)))
    places = np.arange(_size_of_diagonal(rows, columns, offset))
    flat = (places - min(offset, 0)) * columns + places + max(offset, 0)
    return xp.take(xp.reshape(moved, (*moved.shape[:-2], rows * columns)), xp.asarray(flat), axis=-1)


@op(promote=None)
def diagonal_backward(xp, g, *, shape, offset, dim1, dim2):
    """Return zeros of ``shape`` with ``g`` as the diagonal; the gradient of ``diagonal``."""
    order = _last_two(len(shape), dim1, dim2)
    rows, columns = shape[dim1], shape[dim2]
    if not g.shape[-1]:
        return xp.zeros(tuple(shape), dtype=g.dtype)
    row = np.arange(rows)
    places = np.clip(row + min(offset, 0), 0, g.shape[-1] - 1)
    mask = row[:, None] + offset == np.arange(columns)[None, :]
    spread = xp.take(g, xp.asarray(places), axis=-1)[..., None]
    filled = xp.where(xp.asarray(mask), spread, xp.zeros((), dtype=g.dtype))
    return xp.permute_dims(filled, tuple(order.index(dim) for dim in range(len(shape))))


diagonal.vjp(x=lambda g, x_shape, offset, dim1, dim2: diagonal_backward(g, x_shape, offset, dim1, dim2))
diagonal.sample(
    lambda make: [
        Sample(make(3, 4)),
        Sample(make(4, 2, 3), offset=1, dim1=0, dim2=2),
        Sample(make(3, 4), offset=-1, dim1=1, dim2=0),
        Sample(make(2, 2), offset=5),
    ]
)
diagonal_backward.vjp(g=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2))
diagonal_backward.sample(lambda make: [Sample(make(4, 3), shape=(3, 4, 4), offset=1, dim1=0, dim2=1)])


@op(promote=None, view="kept")
def unfold(xp, x, *, dimension, size, step):
    """Return a view of the windows of ``size`` along a dimension, ``step`` apart, as a new last dimension."""
    count = (x.shape[dimension] - size) // step + 1
    places = (np.arange(count)[:, None] * step + np.arange(size)).reshape(-1)
    taken = xp.take(x, xp.asarray(places), axis=dimension)
    windows = xp.reshape(taken, (*x.shape[:dimension], count, size, *x.shape[dimension + 1 :]))
    return xp.moveaxis(windows, dimension + 1, -1)


@op(promote=None)
def unfold_backward(xp, g, *, shape, dimension, size, step):
    """Return zeros of ``shape`` to which each window of ``g`` is added where it was; the gradient of ``unfold``."""
    out = xp.zeros(tuple(shape), dtype=g.dtype)
    count = g.shape[dimension]
    for place in range(size):
        where = (*(slice(None),) * dimension, slice(place, place + (count - 1) * step + 1, step), Ellipsis)
        out[where] = out[where] + g[..., place]
    return out


unfold.vjp(x=lambda g, x_shape, dimension, size, step: unfold_backward(g, x_shape, dimension, size, step))
unfold.sample(
    lambda make: [
        Sample(make(2, 5, 3), dimension=1, size=3, step=1),
        Sample(make(6), dimension=0, size=2, step=3),
        Sample(make(2, 3), dimension=1, size=0, step=1),
    ]
)
unfold_backward.vjp(g=lambda g, dimension, size, step: unfold(g, dimension, size, step))
unfold_backward.sample(lambda make: [Sample(make(2, 2, 2), shape=(2, 5), dimension=1, size=2, step=2)])


def _places(shape: Any, strides: Any) -> np.ndarray:
    places = np.zeros(tuple(shape), dtype=np.int64)
    for axis, (size, step) in enumerate(zip(shape, strides, strict=True)):
        places += (np.arange(size) * step).reshape([-1 if dim == axis else 1 for dim in range(len(shape))])
    return places


def elements_at(shape: Any, size: Any, stride: Any, start: int, layout: Any) -> np.ndarray:
    """Return which elements, counted in the flattened array, a view by strides shows.

    Raises:
        ShapeError: it shows memory between or beyond the elements of the array.
    """
    own, wanted = _places(shape, layout), _places(size, stride) + start
    table = np.full(int(own.max(initial=-1)) + 2, -1)  # the last is for what lies beyond
    table[own] = np.arange(own.size).reshape(own.shape)
    found = table[np.where((wanted < 0) | (wanted >= len(table)), -1, wanted)]
    if (found < 0).any():
        raise ShapeError(
            f"as_strided: sizes {list(size)}, strides {list(stride)} from element {start} on reach beyond the elements "
            f"of the tensor of sizes {tuple(shape)}"
        )
    return found


@op(promote=None, view="kept")
def as_strided(xp, x, *, size, stride, start, layout):
    """Return a view of these sizes and strides; ``start`` is relative to x, whose own strides are ``layout``."""
    found = elements_at(x.shape, size, stride, start, layout)
    return xp.reshape(xp.take(xp.reshape(x, (-1,)), xp.asarray(found.reshape(-1)), axis=0), tuple(size))


def _as_strided_x(g, x_shape, size, stride, start, layout):
    found = elements_at(x_shape, size, stride, start, layout).reshape(-1)
    return untake(g.reshape(-1), (found,), (math.prod(x_shape),)).reshape(x_shape)


as_strided.vjp(x=_as_strided_x)
as_strided.sample(
    lambda make: [
        Sample(make(3, 4), size=(2, 2), stride=(4, 2), start=1, layout=(4, 1)),
        Sample(make(5), size=(3, 2), stride=(1, 1), start=0, layout=(1,)),
    ]
)


@op(promote=None)
def arranged(xp, x, *, order):
    """Return a copy whose dimensions follow each other in memory in ``order``, where a backend has a say in that."""
    return xp.asarray(x, copy=True)


arranged.vjp(x=lambda g: g)
arranged.sample(lambda make: [Sample(make(3, 4), order=(1, 0))])
