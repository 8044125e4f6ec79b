"""Reading and writing by index, and along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail import creation, dtypes, ops
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.registry import check_dim, function
from dovetail.tensor import Tensor
from dovetail.views import assign, before, check_writable

_BASIC = (int, slice, type(None), type(Ellipsis))


class BatchedIndexError(Exception):
    """An index holds a tensor inside ``vmap``, of which each sample has its own places."""


def _normalised(index: Any) -> tuple[tuple, bool]:
    """Return an index as a tuple of what NumPy takes, and whether it gives a view."""
    parts = index if isinstance(index, tuple) else (index,)
    out, basic = [], True
    for part in parts:
        kind = part.__class__
        if kind is bool:
            part, basic = np.asarray(part), False
        elif isinstance(part, Tensor):
            if part.dtype.category > 1:
                raise IndexError(f"tensors used as indices must be integers or booleans, got {part.dtype}")
            if part._device.backend.level:
                raise BatchedIndexError
            part = part.numpy(force=True)
            if part.ndim == 0 and part.dtype != np.bool_:
                part = int(part)
            else:
                basic = False
        elif not isinstance(part, _BASIC):
            if hasattr(part, "__index__") and not isinstance(part, np.ndarray):
                part = part.__index__()
            else:
                part, basic = _index_array(part), False
        out.append(part)
    if basic and Ellipsis not in out:
        out.append(Ellipsis)  # a 0-d result is then a view too
    return tuple(out), basic


def _index_array(part: Any) -> np.ndarray:
    array = np.asarray([_plain(item) for item in part] if isinstance(part, (list, tuple, range)) else part)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "biu":
        raise IndexError(f"an index is made of integers, slices, None, ..., masks and integer arrays, got {part!r}")
    return array


def _plain(item: Any) -> Any:
    return item.tolist() if isinstance(item, Tensor) else item


def getitem(self: Tensor, index: Any) -> Tensor:
    """Return the part of the tensor at ``index``: a view where it is made of integers, slices, None and ``...``."""
    try:
        parts, basic = _normalised(index)
    except BatchedIndexError:
        from dovetail.func.indexing import read

        return read(self, index)
    return ops.slice_view(self, index=parts) if basic else ops.take(self, index=parts)


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """Write ``value``, which broadcasts, to the part of the tensor at ``index``."""
    try:
        parts, basic = _normalised(index)
    except BatchedIndexError:
        from dovetail.func.indexing import write

        return write(self, index, _as_operand(value, self))
    if basic:
        target = ops.slice_view(self, index=parts)
        target.copy_(_as_operand(value, self))
        return
    check_writable(self, "indexed assignment")
    assign(self, ops.put(before(self), _as_operand(value, self).to(self), index=parts))


def _as_operand(value: Any, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else creation.tensor(value, device=like._device).to(like.dtype)


@function
def nonzero(x: Tensor, *, as_tuple: bool = False) -> Any:
    """Return the indices of the elements that are not zero, as rows (count, dimensions) or as one tensor for each."""
    if not as_tuple and not x.ndim:
        return creation.zeros(int(bool(x)), 0, dtype=dtypes.int64, device=x.device)
    found = np.nonzero(np.atleast_1d(x.numpy(force=True)))
    if as_tuple:
        return tuple(creation.from_array(part, x._device) for part in found)
    return creation.from_array(np.stack(found, axis=1), x._device)


@function
def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the elements along ``dim`` that ``index`` names."""
    return ops.gather(x, index, dim=check_dim(x, dim))


def _expect_vector(name: str, index: Tensor) -> None:
    if index.ndim > 1 or index.dtype.category != 1:
        raise IndexError(f"{name}: index must be a vector of integers, got {index.dtype} of sizes {tuple(index.shape)}")


@function
def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the slices along ``dim`` that the 1-d ``index`` names."""
    _expect_vector("index_select", index)
    return ops.index_select(x, index, dim=check_dim(x, dim))


@function
def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return the tensor with ``src`` added along ``dim`` at the places that ``index`` names."""
    return ops.scatter_add(x, index, src, dim=check_dim(x, dim))


@function
def scatter(x: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
    """Return the tensor with ``src``, a tensor or a number, written along ``dim`` at the places that ``index`` names.

    Example::

        >>> import dovetail
        >>> dovetail.zeros(2, 3).scatter(1, dovetail.tensor([[2], [0]]), 1.0)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    axis = check_dim(x, dim)
    if index.ndim != x.ndim:
        raise ShapeError(f"scatter: index has {index.ndim} dimensions, the tensor {x.ndim}; they must have as many")
    if index._device.backend.level:
        from dovetail.func.indexing import scatter as scatter_batched

        return scatter_batched(x, axis, index, src if isinstance(src, Tensor) else _as_operand(src, x))
    places: list[Any] = list(np.indices(index.shape, sparse=True))
    places[axis] = index.numpy(force=True)
    if isinstance(src, Tensor):
        value = src[tuple(slice(0, size) for size in index.shape)]
        if value.dtype is not x.dtype:
            raise DTypeError(f"scatter: src is {src.dtype}, the tensor {x.dtype}; convert with .to(dtype)")
    else:
        value = _as_operand(src, x)
    return ops.put(x, value, index=tuple(places))


@function
def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Return the tensor with each slice of ``source`` along ``dim``, times ``alpha``, added where ``index`` says."""
    _expect_vector("index_add", index)
    if index._device.backend.level:
        from dovetail.func.indexing import index_add as index_add_batched

        return index_add_batched(x, check_dim(x, dim), index, source if alpha == 1 else source * alpha)
    picks = (*(slice(None),) * check_dim(x, dim), index.numpy(force=True))
    return x + ops.untake(source if alpha == 1 else source * alpha, index=picks, shape=tuple(x.shape))


@function
def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where ``mask``, with which the tensor broadcasts, is true, as one dimension."""
    sizes = np.broadcast_shapes(x.shape, mask.shape)
    return x.expand(sizes)[mask.expand(sizes)]


@function
def take_along_dim(x: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return the elements along ``dim`` (of the flattened tensor by default) that ``indices`` name; they broadcast."""
    if dim is None:
        return x.reshape(-1)[indices.reshape(-1)]
    axis = check_dim(x, dim)
    sizes = np.broadcast_shapes(*[(*t.shape[:axis], 1, *t.shape[axis + 1 :]) for t in (x, indices)])
    x, indices = (t.expand((*sizes[:axis], t.shape[axis], *sizes[axis + 1 :])) for t in (x, indices))
    return ops.gather(x, indices, dim=axis)
