"""Reading and writing by an index tensor of whole slices, of elements, or by a mask; each as PyTorch has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail import dtypes, ops
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.getitem import fitting, picked_along
from dovetail.methods.parts import ALL, BatchedIndexError, split_index
from dovetail.methods.registry import check_dim, function, method
from dovetail.methods.writing import as_scalar, copied, copy_of, number_of, write_in_place
from dovetail.modes.base import one_op_under_autocast
from dovetail.tensor import Tensor
from dovetail.views import assign, check_writable

# Whole slices


def _expect_vector(name: str, index: Any, kinds: tuple[str, ...] = ("int64", "int32")) -> None:
    if isinstance(index, Tensor) and len(index._array.shape) < 2 and index.dtype is dtypes.int64:
        return
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}: index must be a tensor of integers, got {type(index).__name__}")
    if index.dtype.name not in kinds:
        raise DTypeError(f"{name}: index must be a vector of {' or '.join(kinds)}, got {index.dtype}; use .long()")
    if index.ndim > 1:
        raise IndexError(f"{name}: index must be a vector of integers, got sizes {tuple(index.shape)}")


def _expect_tensor(name: str, what: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: {what} must be a tensor, got {type(value).__name__}")


def expect_dtype(name: str, what: str, value: Any, x: Tensor) -> None:
    """Refuse what is no tensor, or of another dtype than the tensor written to."""
    _expect_tensor(name, what, value)
    if value.dtype is not x.dtype:
        raise DTypeError(f"{name}: {what} is {value.dtype}, the tensor {x.dtype}; convert with .to(dtype)")


def _in_range(name: str, index: Tensor, size: int, dim: int, negative: bool = False) -> Any:
    """Return a host array of positions, from 0 on unless ``negative`` ones may count from the end.

    Inside ``vmap``, where each sample has its own, the tensor itself, as one dimension.

    Raises:
        IndexError: one is out of range.
    """
    backend = index._device.backend
    if backend.level:
        if index.numel():
            check_bounds(name, backend.bounds(index._array), size, dim, -size if negative else 0)
        return index.reshape(-1)
    array = backend.to_numpy(index._array).reshape(-1)
    if array.dtype != np.int64:
        array = array.astype(np.int64)
    check_range(name, array, size, dim, -size if negative else 0)
    return array


def check_range(name: str, array: Any, size: int, dim: int, least: int = 0) -> None:
    """Refuse positions below ``least``, or not below ``size``.

    Raises:
        IndexError: one is out of range.
    """
    if array.size == 0:
        return
    if array.__class__ is np.ndarray and array.dtype == np.int64 and not least:
        largest: Any = np.maximum.reduce
        if largest(array.view(np.uint64), axis=None) < size:  # negative ones are large without their sign
            return
    check_bounds(name, (int(array.min()), int(array.max())), size, dim, least)


def check_bounds(name: str, bounds: tuple[int, int], size: int, dim: int, least: int = 0) -> None:
    """Refuse positions of which the smallest is below ``least``, or the largest not below ``size``.

    Raises:
        IndexError: one is out of range.
    """
    low, high = bounds
    if low < least or high >= size:
        wrong = high if high >= size else low
        raise IndexError(f"{name}: index {wrong} is out of bounds for dimension {dim} with size {size}")


@function
def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the slices along ``dim`` that ``index``, a vector, names.

    Raises:
        IndexError: an index is negative or too large. DTypeError: the indices are no integers.
    """
    _expect_vector("index_select", index)
    axis = check_dim(x, dim)
    sizes = x._array.shape
    _in_range("index_select", index, sizes[axis] if sizes else 1, axis)
    if not sizes:
        if index.numel() != 1:
            raise ShapeError(f"index_select: a 0-d tensor is selected by one index, got {index.numel()}")
        return x.clone()
    return picked_along(ops.index_select, x, index if index._array.ndim else index.reshape(1), axis)


def _slices(name: str, x: Tensor, dim: int, index: Tensor, source: Tensor) -> tuple[Tensor, tuple]:
    """Return a tensor of at least one dimension and the index of its slices along ``dim``; check ``source``."""
    axis = check_dim(x, dim)
    count = source.shape[axis] if source.ndim > axis else 1
    if index.numel() != count:
        raise IndexError(f"{name}: {index.numel()} indices for a source with {count} slices along dimension {dim}")
    sizes, given = list(x.shape), list(source.shape)
    if sizes and not given:
        raise ShapeError(f"{name}: a 0-d source for a tensor of sizes {tuple(sizes)}")
    several = len(given) > 1 or len(sizes) > 1
    others = [shape[:axis] + shape[axis + 1 :] for shape in (given, sizes)]
    if several and (len(given) != len(sizes) or others[0] != others[1]):
        raise IndexError(
            f"{name}: source has sizes {tuple(given)}, the tensor {tuple(sizes)}; they must be equal apart from "
            f"dimension {dim}"
        )
    places = _in_range(name, index, sizes[axis] if sizes else 1, axis)
    return source if sizes else source.reshape(()), (*(ALL,) * axis, places) if sizes else (...,)


def _written(call: Any, x: Tensor, value: Tensor, places: tuple) -> Tensor:
    """Return what ``call``, ops.put or ops.put_add, gives, also where each sample of a batch has its own places."""
    if any(isinstance(part, Tensor) for part in places):
        from dovetail.func.indexing import put as put_batched

        return put_batched(x, value, places, accumulate=call is ops.put_add)
    return call(x, value, index=copied(places))


def _write(call: Any, x: Tensor, value: Tensor, places: tuple) -> Tensor:
    """In-place version of ``_written``."""
    if any(isinstance(part, Tensor) for part in places):
        check_writable(x, "indexed assignment")
        return assign(x, _written(call, copy_of(x), value, places))
    return write_in_place(call, x, value, index=places)


def _index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, alpha: Any) -> tuple[Tensor, tuple]:
    _expect_vector("index_add", index)
    expect_dtype("index_add", "source", source, x)
    source, places = _slices("index_add", x, dim, index, source)
    return source if alpha == 1 else source * (alpha if x.dtype.category > 1 else int(alpha)), places


@function
def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Return the tensor with each slice of ``source`` along ``dim``, times ``alpha``, added where ``index`` says."""
    source, places = _index_add(x, dim, index, source, alpha)
    return _written(ops.put_add, x, source, places)


@method
def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """In-place version of ``index_add``."""
    source, places = _index_add(self, dim, index, source, alpha)
    return _write(ops.put_add, self, source, places)


def _index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> tuple[Tensor, tuple]:
    _expect_vector("index_copy", index, ("int64",))
    expect_dtype("index_copy", "source", source, x)
    return _slices("index_copy", x, dim, index, source)


@function
@one_op_under_autocast
def index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return the tensor with the slices of ``source`` along ``dim`` written where ``index`` says."""
    source, places = _index_copy(x, dim, index, source)
    return _written(ops.put, x, source, places)


@method
def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """In-place version of ``index_copy``."""
    source, places = _index_copy(self, dim, index, source)
    return _write(ops.put, self, source, places)


def number(name: str, value: Any, x: Tensor) -> Any:
    """Return the Python number that is written everywhere, as the tensor's dtype holds it."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"{name}: value must be a number or a 0-d tensor, got {type(value).__name__}")
    return number_of(value, x)


def scalar(name: str, value: Any, x: Tensor) -> Tensor:
    """Return the number that is written everywhere as a 0-d tensor of the tensor's dtype."""
    if not isinstance(value, Tensor):
        return as_scalar(number(name, value, x), x)
    if value.ndim:
        raise DTypeError(f"{name}: value must be a number or a 0-d tensor, got sizes {tuple(value.shape)}")
    return value.to(x)


def _index_fill(x: Tensor, dim: int, index: Tensor, value: Any) -> tuple[Tensor, tuple]:
    if isinstance(index, Tensor) and index.ndim > 1:
        raise ShapeError(f"index_fill: index must be a vector of integers, got sizes {tuple(index.shape)}")
    _expect_vector("index_fill", index, ("int64",))
    axis = check_dim(x, dim)
    size = x._array.shape[axis] if x.ndim else 1
    places = _in_range("index_fill", index, size, axis, negative=True)
    if isinstance(places, Tensor):
        from dovetail.func.indexing import put as put_batched

        named = put_batched(x.new_zeros(x.shape or (1,)), x.new_ones(()), (*(ALL,) * axis, places))
        return scalar("index_fill", value, x), (named.reshape(x.shape) != 0,)
    # each place once, or the value's gradient would count it twice
    places = np.unique(places % max(size, 1))
    whole: tuple = (...,) if places.size else (np.zeros(0, dtype=np.int64),)
    return scalar("index_fill", value, x), (*(ALL,) * axis, places) if x.ndim else whole


@function
def index_fill(x: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return the tensor with ``value``, a number or 0-d tensor, in the slices along ``dim`` that ``index`` names."""
    value, places = _index_fill(x, dim, index, value)
    return _written(ops.put, x, value, places)


@method
def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """In-place version of ``index_fill``."""
    value, places = _index_fill(self, dim, index, value)
    return _write(ops.put, self, value, places)


# Elements, by one index tensor for each dimension


def _put_arguments(x: Tensor, indices: Any, values: Tensor) -> tuple[Tensor, tuple]:
    _expect_tensor("index_put", "values", values)
    parts = tuple(indices)
    for part in parts:
        _expect_tensor("index_put", "each of the indices", part)
    if not parts:
        raise ShapeError("index_put: expected at least one index tensor")
    parts = tuple(part.reshape(1) if not part.ndim else part for part in parts)
    try:
        arrays = split_index(parts, x._array.shape)[1]
    except BatchedIndexError:
        return values, parts
    return fitting(values, x, arrays), arrays


@function
@one_op_under_autocast
def index_put(x: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """Return the tensor with ``values`` written, or added, at ``indices``: a tuple of index tensors or masks.

    Example::

        >>> import dovetail
        >>> places = (dovetail.tensor([0, 0]),)
        >>> dovetail.zeros(2).index_put(places, dovetail.tensor([1.0, 2.0]), accumulate=True)
        tensor([3., 0.])
    """
    values, places = _put_arguments(x, indices, values)
    return _written(ops.put_add if accumulate else ops.put, x, values, places)


@method
def index_put_(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """In-place version of ``index_put``."""
    values, places = _put_arguments(self, indices, values)
    return _write(ops.put_add if accumulate else ops.put, self, values, places)


# Elements, counted in the flattened tensor


def _flat_places(name: str, x: Tensor, index: Tensor) -> tuple:
    """Return the index of elements that are counted in the flattened tensor, for a tensor of any sizes."""
    _expect_tensor(name, "index", index)
    if index.dtype.name != "int64":
        raise DTypeError(f"{name}: index must be int64, got {index.dtype}; convert with .long()")
    places = _in_range(name, index, x.numel(), 0, negative=True)
    if isinstance(places, Tensor):
        return tuple(part.reshape(index.shape) for part in _unravelled(places, tuple(x.shape) or (1,)))
    places = places % max(x.numel(), 1)
    return tuple(part.reshape(index.shape) for part in np.unravel_index(places, tuple(x.shape) or (1,)))


def _unravelled(places: Tensor, shape: tuple[int, ...]) -> list[Tensor]:
    found: list[Tensor] = []
    for size in reversed(shape):
        found.insert(0, places.remainder(size))
        places = ops.floor_divide(places, size)
    return found


@function
def take(x: Tensor, index: Tensor) -> Tensor:
    """Return the elements that ``index``, of any sizes, names; they are counted in the flattened tensor."""
    places = _flat_places("take", x, index)
    x = x if x.ndim else x.reshape(1)
    return x[places] if any(isinstance(part, Tensor) for part in places) else ops.take(x, index=places)


def _put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool) -> tuple[Any, Tensor, tuple]:
    expect_dtype("put", "source", source, x)
    places = _flat_places("put", x, index)
    if index.numel() != source.numel():
        raise IndexError(f"put: {index.numel()} indices for a source of {source.numel()} elements")
    return ops.put_add if accumulate else ops.put, source.reshape(index.shape), places


@function
def put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return the tensor with ``source`` written, or added, at the elements ``index``, counted when flattened."""
    call, source, places = _put(x, index, source, accumulate)
    return _written(call, x if x.ndim else x.reshape(1), source, places).reshape(x.shape)


@method
def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """In-place version of ``put``."""
    call, source, places = _put(self, index, source, accumulate)
    _write(call, self if self.ndim else self.unsqueeze(0), source, places)
    return self


# Part of another tensor, as a copy


def _with_part(x: Tensor, src: Tensor, part: Tensor, index: tuple) -> Tensor:
    if part.shape != src.shape:
        raise ShapeError(
            f"expected src to have the sizes of the slice: src has {tuple(src.shape)}, the slice {tuple(part.shape)}"
        )
    return ops.put(x, src.to(x.dtype), index=index)


@function
def select_scatter(x: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Return a copy of the tensor with ``src`` in place of ``x.select(dim, index)``."""
    return _with_part(x, src, x.select(dim, index), (*(ALL,) * check_dim(x, dim), int(index), ...))


@function
def slice_scatter(
    x: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Return a copy of the tensor with ``src`` in place of the slice ``start:end:step`` along ``dim``."""
    if step < 1:
        raise ShapeError(f"slice_scatter: the step must be positive, got {step}")
    axis = check_dim(x, dim)
    index = (*(ALL,) * axis, slice(*slice(start, end, step).indices(x.shape[axis])), ...)
    return _with_part(x, src, ops.slice_view(x, index=index), index)


@function
def diagonal_scatter(x: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a copy of the tensor with ``src`` in place of ``x.diagonal(offset, dim1, dim2)``."""
    first, second = check_dim(x, dim1), check_dim(x, dim2)
    size = x.diagonal(offset, dim1, dim2).shape[-1]
    index: list[Any] = [ALL] * x.ndim
    index[first], index[second] = np.arange(size) - min(offset, 0), np.arange(size) + max(offset, 0)
    sizes = [size for dim, size in enumerate(x.shape) if dim not in (first, second)]
    if tuple(src.shape) != (*sizes, size):
        raise ShapeError(f"expected src to have the sizes of the diagonal, {(*sizes, size)}, got {tuple(src.shape)}")
    beside = abs(first - second) == 1
    moved = src.movedim(-1, min(first, second) if beside else 0)
    return ops.put(x, moved.to(x.dtype), index=tuple(index))


@function
def narrow_copy(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return a copy of ``length`` elements along ``dim`` from ``start``."""
    return x.narrow(dim, start, length).clone()
