"""Reading and writing along a dimension at the places that an index tensor names: gather, scatter, their reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail import dtypes, ops
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.getitem import picked_along
from dovetail.methods.index import check_bounds, check_range, expect_dtype
from dovetail.methods.registry import check_dim, function, method
from dovetail.methods.writing import as_scalar, write_in_place, write_nothing
from dovetail.modes.base import one_op_under_autocast
from dovetail.tensor import Tensor


def _check(name: str, x: Tensor, dim: int, index: Any, src: Any = None) -> int:
    """Return ``dim`` from 0 on, after looking at whether the sizes fit and all indices are in range.

    Raises:
        DTypeError: the indices are no integers. ShapeError: sizes. IndexError: an index is out of range.
    """
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}: index must be a tensor of integers, got {type(index).__name__}")
    axis = check_dim(x, dim)
    if index.dtype is not dtypes.int64 and index.dtype is not dtypes.int32:
        raise DTypeError(f"{name}: index must be int64 or int32, got {index.dtype}; convert with .long()")
    sizes, own = tuple(index._array.shape), tuple(x._array.shape)
    if 0 in sizes:
        return axis
    if sizes != own:
        _fits(name, axis, sizes, own, "tensor", apart=True)
    if src is not None:
        _fits(name, axis, sizes, tuple(src._array.shape), "src", apart=False)
    array, size = index._array, own[axis] if own else 1
    if array.__class__ is np.ndarray:
        check_range(name, array, size, dim)
    else:
        check_bounds(name, index._device.backend.bounds(array), size, dim)
    return axis


def _fits(name: str, axis: int, sizes: tuple, others: tuple, what: str, apart: bool) -> None:
    """Refuse an index that has other dimensions, or is larger (``apart`` from dimension ``axis``)."""
    if max(len(sizes), 1) != max(len(others), 1):
        raise ShapeError(f"{name}: index has {len(sizes)} dimensions, the {what} {len(others)}; they must have as many")
    for place, (size, most) in enumerate(zip(sizes or (1,), others or (1,), strict=True)):
        if size > most and not (apart and place == axis):
            raise ShapeError(
                f"{name}: index has sizes {sizes}, the {what} {others}; it may not be larger"
                + (f" apart from dimension {axis}" if apart else "")
            )


@function
def gather(x: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return the elements along ``dim`` that ``index`` names.

    Raises:
        IndexError: an index is negative or too large. ShapeError: the sizes of the index do not fit.
    """
    axis = _check("gather", x, dim, index)
    if index._array.ndim == x._array.ndim or index.numel():
        return picked_along(ops.gather, x, index, axis)
    return x.new_zeros(index.shape) + x.sum() * 0 if x.requires_grad else x.new_zeros(index.shape)


def _source(name: str, x: Tensor, dim: int, index: Tensor, src: Any) -> tuple[int, Tensor]:
    if isinstance(src, Tensor):
        expect_dtype(name, "src", src, x)
        return _check(name, x, dim, index, src), src
    if not isinstance(src, (bool, int, float, complex)):
        raise TypeError(f"{name}: src must be a tensor or a number, got {type(src).__name__}")
    return _check(name, x, dim, index), as_scalar(src, x)


_REDUCE = {"add": "sum", "multiply": "prod"}


def _scattering(x: Tensor, dim: int, index: Tensor, src: Any, value: Any, reduce: str | None) -> tuple[Any, ...]:
    """Return the op, its inputs after the tensor and its options, for a call of scatter."""
    if (src is None) == (value is None):
        raise TypeError("scatter: takes src, a tensor or number, or value, a number")
    axis, src = _source("scatter", x, dim, index, value if src is None else src)
    if reduce is None:
        return ops.scatter, index, src, {"dim": axis}
    if reduce not in _REDUCE:
        raise ShapeError(f"scatter: reduce must be either 'add' or 'multiply', got {reduce!r}")
    if not src.ndim and index.ndim:
        src = src.expand(index.shape)
    if reduce == "add":
        return ops.scatter_add, index, src, {"dim": axis}
    return ops.scatter_reduce, index, src, {"dim": axis, "reduce": "prod", "include_self": True}


@function
def scatter(
    x: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """Return the tensor with ``src``, a tensor or a number, written along ``dim`` at the places that ``index`` names.

    ``reduce`` is "add" or "multiply" where what is there already counts.

    Example::

        >>> import dovetail
        >>> dovetail.zeros(2, 3).scatter(1, dovetail.tensor([[2], [0]]), 1.0)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    call, index, src, options = _scattering(x, dim, index, src, value, reduce)
    return call(x, index, src, **options) if index.numel() else x.clone()


@method
def scatter_(
    self: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """In-place version of ``scatter``."""
    call, index, src, options = _scattering(self, dim, index, src, value, reduce)
    return write_in_place(call, self, index, src, **options) if index.numel() else write_nothing(self, "scatter_")


@function
@one_op_under_autocast
def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return the tensor with ``src`` added along ``dim`` at the places that ``index`` names."""
    expect_dtype("scatter_add", "src", src, x)
    axis = _check("scatter_add", x, dim, index, src)
    return ops.scatter_add(x, index, src, dim=axis) if index.numel() else x.clone()


@method
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """In-place version of ``scatter_add``."""
    expect_dtype("scatter_add", "src", src, self)
    axis = _check("scatter_add", self, dim, index, src)
    if not index.numel():
        return write_nothing(self, "scatter_add_")
    return write_in_place(ops.scatter_add, self, index, src, dim=axis)


# Reductions


@function
def scatter_reduce(
    x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return the tensor with what ``src`` holds for each place reduced: "sum", "prod", "mean", "amax" or "amin".

    Without ``include_self`` the element that is there already does not count; where no index leads it stays.

    Example::

        >>> import dovetail
        >>> index, src = dovetail.tensor([0, 0, 1]), dovetail.tensor([1.0, 5.0, 2.0])
        >>> dovetail.zeros(3).scatter_reduce(0, index, src, "amax")
        tensor([5., 2., 0.])
    """
    return _reduced("scatter_reduce", ("sum", "prod", "mean", "amax", "amin"), x, dim, index, src, reduce, include_self)


def _reduced(
    name: str, allowed: tuple, x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Tensor:
    if reduce not in allowed:
        raise ShapeError(f"{name}: reduce must be one of {', '.join(allowed)}, got {reduce!r}")
    expect_dtype(name, "src", src, x)
    axis = _check(name, x, dim, index, src)
    if not index.numel():
        return x.clone()
    if reduce in ("prod", "amax", "amin"):
        return ops.scatter_reduce(x, index, src, dim=axis, reduce=reduce, include_self=include_self)
    if reduce == "mean" and x.dtype is dtypes.bool_:
        raise DTypeError(f"{name}: a mean is of numbers, got {x.dtype}; convert with .float()")
    total = x if include_self else ops.scatter(x, index, x.new_zeros(()), dim=axis)
    total = ops.scatter_add(total, index, src, dim=axis)
    if reduce == "sum":
        return total
    counted = x.new_ones(x.shape)
    count = counted if include_self else ops.scatter(counted, index, x.new_zeros(()), dim=axis)
    count = ops.scatter_add(count, index, src.new_ones(src.shape), dim=axis)
    count = count.masked_fill(count == 0, 1)
    return total / count if x.dtype.category > 1 else ops.floor_divide(total, count)


@function
def index_reduce(
    x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return the tensor with the slices of ``source`` along ``dim`` that go to one place reduced.

    ``reduce`` is "prod", "mean", "amax" or "amin"; see ``scatter_reduce``.
    """
    axis = check_dim(x, dim)
    if not isinstance(index, Tensor) or index.dtype.name not in ("int64", "int32") or index.ndim > 1:
        raise IndexError(f"index_reduce: index must be a vector of integers, got {index!r}")
    sizes = [*source.shape]
    if len(sizes) != x.ndim or [*sizes[:axis], *sizes[axis + 1 :]] != [*x.shape[:axis], *x.shape[axis + 1 :]]:
        raise ShapeError(
            f"index_reduce: source has sizes {tuple(sizes)}, the tensor {tuple(x.shape)}; they must be equal apart "
            f"from dimension {dim}"
        )
    if index.numel() != (sizes[axis] if sizes else 1):
        raise ShapeError(f"index_reduce: {index.numel()} indices for {sizes[axis] if sizes else 1} slices")
    spread = index.reshape([-1 if place == axis else 1 for place in range(x.ndim)]).expand(sizes)
    return _reduced("index_reduce", ("prod", "mean", "amax", "amin"), x, dim, spread, source, reduce, include_self)


@function
def take_along_dim(x: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return the elements along ``dim`` (of the flattened tensor by default) that ``indices`` name; they broadcast."""
    if not isinstance(indices, Tensor) or indices.dtype.name != "int64":
        found = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise DTypeError(f"take_along_dim: indices must be an int64 tensor, got {found}; convert with .long()")
    if dim is None:
        return gather(x.reshape(-1), 0, indices.reshape(-1))
    if not x.ndim:
        raise IndexError(f"take_along_dim: dim is {dim}, but the tensor has no dimensions")
    axis = check_dim(x, dim)
    if indices.ndim != x.ndim:
        raise ShapeError(
            f"take_along_dim: indices have {indices.ndim} dimensions, the tensor {x.ndim}; they must have as many"
        )
    sizes = np.broadcast_shapes(*[(*t.shape[:axis], 1, *t.shape[axis + 1 :]) for t in (x, indices)])
    x, indices = (t.expand((*sizes[:axis], t.shape[axis], *sizes[axis + 1 :])) for t in (x, indices))
    size = x.shape[axis]
    return gather(x, axis, ops.where(indices < 0, indices + size, indices))
