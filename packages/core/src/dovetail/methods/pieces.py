"""Methods and functions that give parts of a tensor as views: slices, pieces, diagonals, windows, bits."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from dovetail import ops
from dovetail.dtypes import DType
from dovetail.errors import ShapeError
from dovetail.methods.getitem import getitem, places_along
from dovetail.methods.registry import check_dim, function, method
from dovetail.tensor import Tensor
from dovetail.views import mark_several, shared_of


def _expect_dimensions(name: str, x: Tensor, least: int = 1) -> None:
    if x.ndim < least:
        raise ShapeError(f"{name}: expects a tensor with at least {least} dimensions, got one with {x.ndim}")


@function
def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return a view of ``length`` elements along ``dim`` from ``start``."""
    _expect_dimensions("narrow", x)
    dim = check_dim(x, dim)
    start = int(start)
    size = x._array.shape[dim]
    if not -size <= start <= size:
        raise IndexError(f"narrow: start {start} is out of range for dimension {dim}, of size {size}")
    start = start + size if start < 0 else start
    if length < 0 or start + length > size:
        raise ShapeError(f"narrow: start {start} and length {length} exceed dimension {dim}, of size {size}")
    return getitem(x, (*(slice(None),) * dim, slice(start, start + length)))


@function
def select(x: Tensor, dim: int, index: int) -> Tensor:
    """Return a view of one place along ``dim``, without that dimension."""
    if not x.ndim:
        raise IndexError("select: cannot be applied to a 0-dim tensor")
    dim = check_dim(x, dim)
    if not -x._array.shape[dim] <= index < x._array.shape[dim]:
        raise IndexError(f"select: index {index} is out of range for dimension {dim}, of size {x._array.shape[dim]}")
    return getitem(x, (*(slice(None),) * dim, int(index)))


@function
def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the views of each place along ``dim``."""
    if not x.ndim:
        raise IndexError(f"unbind: dimension specified as {dim} but the tensor has no dimensions")
    return places_along(x, check_dim(x, dim))


@function
def split(x: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of pieces along ``dim``: all of one size but the last, or of the sizes listed."""
    _expect_dimensions("split", x)
    dim = check_dim(x, dim)
    size = x._array.shape[dim]
    if isinstance(split_size_or_sections, int):
        if split_size_or_sections < 0 or (size and not split_size_or_sections):
            raise ShapeError(
                f"split: pieces of {split_size_or_sections} of dimension {dim}, of size {size}; give 1 or more"
            )
        step = max(split_size_or_sections, 1)
        lengths = [min(step, size - start) for start in range(0, size, step)] or [0]
    else:
        lengths = list(split_size_or_sections)
        if sum(lengths) != size:
            raise ShapeError(f"split: sections {lengths} must add up to {size}, the size of dimension {dim}")
    starts = [sum(lengths[:position]) for position in range(len(lengths))]
    pieces = tuple(narrow(x, dim, start, length) for start, length in zip(starts, lengths, strict=True))
    return mark_several(pieces, "split")


@function
def split_with_sizes(x: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of pieces of the sizes listed along ``dim``."""
    return split(x, list(split_sizes), dim)


@function
def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of at most ``chunks`` equal pieces along ``dim``."""
    _expect_dimensions("chunk", x)
    size = x.shape[check_dim(x, dim)]
    if chunks < 1:
        raise ShapeError(f"chunk: the number of chunks must be 1 or more, got {chunks}")
    if not size:
        return split(x, [0] * chunks, dim)
    return split(x, max(math.ceil(size / chunks), 1), dim)


@function
def tensor_split(x: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of that many pieces along ``dim``, their sizes as equal as they can be, or of those between indices.

    Example::

        >>> import dovetail
        >>> dovetail.arange(5).tensor_split(2)
        (tensor([0, 1, 2]), tensor([3, 4]))
        >>> dovetail.arange(5).tensor_split((1, 3))
        (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    _expect_dimensions("tensor_split", x)
    dim = check_dim(x, dim)
    size = x._array.shape[dim]
    given = indices_or_sections.tolist() if isinstance(indices_or_sections, Tensor) else indices_or_sections
    if isinstance(given, int):
        if given < 1:
            raise ShapeError(f"tensor_split: the number of sections must be larger than 0, got {given}")
        base, longer = divmod(size, given)
        cuts = [number * base + min(number, longer) for number in range(given + 1)]
    else:
        cuts = [0, *(slice(0, index).indices(size)[1] for index in given), size]
    return tuple(narrow(x, dim, min(start, size), max(end - start, 0)) for start, end in pairwise(cuts))


def _even(name: str, x: Tensor, indices_or_sections: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    _expect_dimensions(name, x, least)
    if isinstance(indices_or_sections, int) and (indices_or_sections < 1 or x.shape[dim] % indices_or_sections):
        raise ShapeError(
            f"{name}: cannot split dimension {dim}, of size {x.shape[dim]}, which is not divisible by the split size "
            f"{indices_or_sections}; use tensor_split for unequal pieces"
        )
    return tensor_split(x, indices_or_sections, dim)


@function
def hsplit(x: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Return views of equal pieces, or of those between indices, along dimension 1 (of vectors 0)."""
    return _even("hsplit", x, indices_or_sections, 1 if x.ndim > 1 else 0, 1)


@function
def vsplit(x: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Return views of equal pieces, or of those between indices, along dimension 0."""
    return _even("vsplit", x, indices_or_sections, 0, 2)


@function
def dsplit(x: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Return views of equal pieces, or of those between indices, along dimension 2."""
    return _even("dsplit", x, indices_or_sections, 2, 3)


@function
def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a view of the diagonal over two dimensions as the last one; ``offset`` counts to the right.

    Example::

        >>> import dovetail
        >>> x = dovetail.zeros(2, 2)
        >>> x.diagonal().fill_(1)
        tensor([1., 1.])
        >>> x
        tensor([[1., 0.],
                [0., 1.]])
    """
    first, second = check_dim(x, dim1), check_dim(x, dim2)
    if first == second:
        raise ShapeError(f"diagonal: dim1 and dim2 must be different dimensions, got {dim1} and {dim2}")
    return ops.diagonal(x, offset=offset, dim1=first, dim2=second)


@method
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return a view of all windows of ``size`` along ``dimension``, ``step`` apart, as a new last dimension.

    Raises:
        ShapeError: the size is larger than the dimension or negative, or the step is not positive.

    Example::

        >>> import dovetail
        >>> dovetail.arange(5).unfold(0, 3, 1)
        tensor([[0, 1, 2],
                [1, 2, 3],
                [2, 3, 4]])
    """
    axis = check_dim(self, dimension)
    available = self.shape[axis] if self.ndim else 1
    if not 0 <= size <= available:
        raise ShapeError(
            f"unfold: size is {size} but must be >= 0, and the maximum size for dimension {dimension} is {available}"
        )
    if step <= 0:
        raise ShapeError(f"unfold: step is {step} but must be > 0")
    return ops.unfold(self, dimension=axis, size=size, step=step) if self.ndim else self.unsqueeze(0)[:size]


def view_as_dtype(x: Tensor, dtype: DType) -> Tensor:
    """Return a tensor on the same memory with its bits read as another dtype; no gradient goes through it.

    Raises:
        ShapeError: elements of another size do not fit the last dimension, or are not side by side.
        DeviceError: the backend cannot do it.
    """
    old, new = x.dtype.itemsize, dtype.itemsize
    if dtype is x.dtype:
        return x.view(x.shape)
    if old != new:
        what = f"to view {x.dtype} as {dtype} (different element sizes)"
        if not x.ndim:
            raise ShapeError(f"view: self.dim() cannot be 0 {what}")
        if x.stride(-1) != 1:
            raise ShapeError(f"view: self.stride(-1) must be 1 {what}, but got {x.stride(-1)}; use .contiguous() first")
        if old < new and x.shape[-1] % (new // old):
            raise ShapeError(f"view: self.size(-1) must be divisible by {new // old} {what}, but got {x.shape[-1]}")
    backend = x._device.backend
    out = Tensor(backend.reinterpreted(x._memory(), backend.native_dtype(dtype)), x._device)
    out._alias = shared_of(x)
    return out
