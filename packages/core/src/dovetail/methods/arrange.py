"""Joining, turning and repeating tensors, and tensors of indices; imported when first asked for."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from dovetail import creation, dtypes, ops
from dovetail.creation import from_array
from dovetail.errors import ShapeError
from dovetail.methods.registry import check_dim
from dovetail.methods.shape import cat, stack
from dovetail.tensor import Size, Tensor


def _listed(tensors: tuple) -> list[Tensor]:
    return list(tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors)


# Broadcasting


def broadcast_shapes(*shapes: Any) -> Size:
    """Return the sizes to which all of these broadcast.

    Raises:
        ShapeError: there are none; the text says which dimension.
    """
    from dovetail.align import broadcast_clash

    listed = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    clash = broadcast_clash(listed)
    if clash:
        raise ShapeError(f"broadcast_shapes: {' and '.join(map(str, listed))} do not broadcast: {clash}")
    width = max(map(len, listed), default=0)
    padded = [(1,) * (width - len(shape)) + shape for shape in listed]
    return Size(0 if 0 in sizes else max(sizes) for sizes in zip(*padded, strict=True))


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Return views of the tensors expanded to the sizes to which all broadcast."""
    listed = _listed(tensors)
    shape = broadcast_shapes(*(x.shape for x in listed))
    return tuple(x.expand(shape) for x in listed)


# Joining


def _each(tensors: tuple, change: Any) -> Any:
    listed = _listed(tensors)
    alone = len(tensors) == 1 and isinstance(tensors[0], Tensor)
    return change(listed[0]) if alone else tuple(change(x) for x in listed)


def atleast_1d(*tensors: Any) -> Any:
    """Return the tensor, or each of several, with at least one dimension."""
    return _each(tensors, lambda x: x if x.ndim else x.reshape(1))


def atleast_2d(*tensors: Any) -> Any:
    """Return the tensor, or each of several, with at least two dimensions; a vector becomes a row."""
    return _each(tensors, lambda x: x if x.ndim > 1 else x.reshape(1, -1))


def atleast_3d(*tensors: Any) -> Any:
    """Return the tensor, or each of several, with at least three dimensions; new ones come around a vector."""
    return _each(tensors, lambda x: x if x.ndim > 2 else x.unsqueeze(-1) if x.ndim == 2 else x.reshape(1, -1, 1))


def column_stack(tensors: Any) -> Tensor:
    """Return the tensors joined along the second dimension, vectors as columns."""
    return cat([x if x.ndim > 1 else x.reshape(-1, 1) for x in tensors], 1)


def dstack(tensors: Any) -> Tensor:
    """Return the tensors, of at least three dimensions, joined along the third."""
    return cat([atleast_3d(x) for x in tensors], 2)


def block_diag(*tensors: Tensor) -> Tensor:
    """Return the matrix that has the given ones, vectors as rows, along its diagonal, and 0 elsewhere."""
    for position, x in enumerate(tensors):
        if x.ndim > 2:
            raise ShapeError(f"block_diag: takes matrices, got sizes {tuple(x.shape)} at position {position}")
    blocks = [atleast_2d(x) for x in tensors] or [creation.zeros(1, 0)]
    width, rows, start = sum(x.shape[1] for x in blocks), [], 0
    for x in blocks:
        stop = start + x.shape[1]
        rows.append(cat([x.new_zeros(len(x), start), x, x.new_zeros(len(x), width - stop)], 1))
        start = stop
    return cat(rows)


def cartesian_prod(*tensors: Any) -> Tensor:
    """Return all combinations of the elements of vectors, one a row, the last vector's changing fastest."""
    from dovetail.methods.more import meshgrid

    vectors = _listed(tensors)
    if any(x.ndim != 1 for x in vectors):
        raise ShapeError(f"cartesian_prod: takes vectors, got sizes {[tuple(x.shape) for x in vectors]}")
    if len(vectors) == 1:
        return vectors[0]
    return stack([grid.reshape(-1) for grid in meshgrid(*vectors)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return all choices of ``r`` elements of a vector in their order, one a row."""
    if input.ndim != 1:
        raise ShapeError(f"combinations: takes a vector, got sizes {tuple(input.shape)}")
    if r < 0:
        raise ValueError(f"combinations: r must be 0 or more, got {r}")
    if r == 0:
        return input.new_empty(0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(len(input)), r)), dtype=np.int64).reshape(-1, r)
    return input[from_array(places, input.device)]


# Turning


def fliplr(input: Tensor) -> Tensor:
    """Return the tensor with its second dimension in reverse order."""
    if input.ndim < 2:
        raise ShapeError(f"fliplr: takes at least 2 dimensions, got sizes {tuple(input.shape)}")
    return ops.flip(input, dims=(1,))


def flipud(input: Tensor) -> Tensor:
    """Return the tensor with its first dimension in reverse order."""
    if input.ndim < 1:
        raise ShapeError("flipud: takes at least 1 dimension, got sizes ()")
    return ops.flip(input, dims=(0,))


def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Return the tensor turned ``k`` times by a quarter, from the first of ``dims`` to the second."""
    if len(dims) != 2 or input.ndim < 2:
        raise ShapeError(f"rot90: takes 2 dims of at least 2, got dims {list(dims)} of sizes {tuple(input.shape)}")
    first, second = (check_dim(input, dim) for dim in dims)
    if first == second:
        raise ShapeError(f"rot90: dims must be different, got {list(dims)}")
    k %= 4
    if k == 0:
        return input.clone()
    if k == 2:
        return ops.flip(input, dims=(first, second))
    return ops.flip(input, dims=(second if k == 1 else first,)).transpose(first, second)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return matrices in dimensions ``dim1`` and ``dim2`` that have the last dimension as their diagonal."""
    first, second = check_dim(input, dim1, extra=1), check_dim(input, dim2, extra=1)
    if first == second:
        raise ShapeError(f"diag_embed: dim1 and dim2 must be different dimensions, got {dim1} and {dim2}")
    if first > second:
        first, second, offset = second, first, -offset
    size = input.shape[-1] + abs(offset)
    places = np.arange(input.shape[-1])
    index = (Ellipsis, places - min(offset, 0), places + max(offset, 0))
    square = ops.put(input.new_zeros((*input.shape[:-1], size, size)), input, index=index)
    return square.movedim((-2, -1), (first, second))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """Return the matrix that has all elements as its diagonal."""
    return diag_embed(input.reshape(-1), offset)


# Indices, powers and windows


def _triangle(name: str, row: int, col: int, offset: int, dtype: Any, device: Any, upper: bool) -> Tensor:
    if row < 0 or col < 0:
        raise ShapeError(f"{name}: rows and columns must be 0 or more, got {row} and {col}")
    found = np.triu_indices(row, offset, col) if upper else np.tril_indices(row, offset, col)
    out = from_array(np.stack(found).astype(np.int64), device)
    return out if dtype is None else out.to(dtype)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return the rows and columns (2, count) of the elements on and below a diagonal."""
    return _triangle("tril_indices", row, col, offset, dtype, device, False)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return the rows and columns (2, count) of the elements on and above a diagonal."""
    return _triangle("triu_indices", row, col, offset, dtype, device, True)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Return the powers of a vector's elements, one element a row, from the highest power to 0."""
    if x.ndim != 1:
        raise ShapeError(f"vander: takes a vector, got sizes {tuple(x.shape)}")
    x = x if x.dtype.category > 1 else x.to(dtypes.int64)
    count = len(x) if N is None else N
    if count < 0:
        raise ValueError(f"vander: N must be 0 or more, got {N}")
    columns = [ops.fill(x, value=1)]
    while len(columns) < count:
        columns.append(columns[-1] * x)
    columns = columns[:count]
    return stack(columns if increasing else columns[::-1], 1) if count else x.new_zeros(len(x), 0)


def _window(name: str, length: int, periodic: bool, factors: tuple[float, ...], dtype: Any, device: Any) -> Tensor:
    """Return a window that is a sum of cosines (Harris, "On the use of windows", 1978)."""
    if length < 0:
        raise ValueError(f"{name}: window_length must be 0 or more, got {length}")
    angle = 2 * math.pi * np.arange(length) / max(length if periodic else length - 1, 1)
    values = sum((-1) ** n * factor * np.cos(n * angle) for n, factor in enumerate(factors))
    return creation.tensor(np.ones(1) if length == 1 else values + np.zeros(length), device=device).to(
        dtype or dtypes.get_default_dtype()
    )


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return Hann's window, a raised cosine; ``periodic`` for spectra, symmetric otherwise."""
    out = _window("hann_window", window_length, periodic, (0.5, 0.5), dtype, device)
    return out.requires_grad_(requires_grad)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return Hamming's window, ``alpha - beta * cos``."""
    out = _window("hamming_window", window_length, periodic, (alpha, beta), dtype, device)
    return out.requires_grad_(requires_grad)


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return Blackman's window, of two cosines."""
    out = _window("blackman_window", window_length, periodic, (0.42, 0.5, 0.08), dtype, device)
    return out.requires_grad_(requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return Bartlett's window, a triangle."""
    _window("bartlett_window", window_length, periodic, (1.0,), dtype, device)  # for its check
    places = np.arange(window_length)
    span = max(window_length if periodic else window_length - 1, 1)
    values = np.ones(1) if window_length == 1 else 1 - np.abs(2 * places / span - 1)
    out = creation.tensor(values, device=device).to(dtype or dtypes.get_default_dtype())
    return out.requires_grad_(requires_grad)


# Integrals by the trapezoidal rule


def _slices(name: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    """Return the area between each two neighbours along ``dim``, now the last dimension."""
    if not y.ndim:
        raise ShapeError(f"{name}: takes a tensor of at least one dimension")
    y = y.movedim(check_dim(y, dim), -1)
    size = max(y.shape[-1] - 1, 0)
    pairs = y.narrow(-1, min(1, y.shape[-1]), size) + y.narrow(-1, 0, size)
    if x is None:
        return pairs * (0.5 * dx)
    if x.ndim != 1:
        x = x.expand(y.movedim(-1, check_dim(y, dim)).shape).movedim(check_dim(y, dim), -1)
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"{name}: x has {x.shape[-1]} points, but y {y.shape[-1]} along dimension {dim}")
    return pairs * (x.narrow(-1, min(1, x.shape[-1]), size) - x.narrow(-1, 0, size)) / 2


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """Return the integral of samples ``y`` along ``dim``, at points ``x`` or ``dx`` apart, by the trapezoidal rule."""
    return _slices("trapezoid", y, x, dx, dim).sum(-1)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """Return the running integral of samples ``y`` along ``dim``, one place less than there are samples."""
    return _slices("cumulative_trapezoid", y, x, dx, dim).cumsum(-1).movedim(-1, check_dim(y, dim))
