"""Linear algebra: norms, solutions and decompositions of matrices or batches of them, as ``torch.linalg``.

Example::

    >>> import dovetail
    >>> dovetail.linalg.det(dovetail.tensor([[2.0, 1.0], [1.0, 3.0]]))
    tensor(5.)
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from dovetail import creation, ops
from dovetail.errors import DTypeError, LinAlgError, ShapeError
from dovetail.methods import arrange, more, products
from dovetail.methods.decompose import (
    cholesky,
    det,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    expect_floats,
    inv,
    lstsq,
    matrix_rank,
    pinv,
    qr,
    slogdet,
    solve,
    solve_triangular,
    svd,
    svdvals,
)
from dovetail.methods.reduce import as_norm_dtype
from dovetail.methods.registry import check_dim
from dovetail.ops import decompositions
from dovetail.tensor import Tensor

__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq",
    "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet",
    "solve", "solve_triangular", "svd", "svdvals", "vander", "vecdot", "vector_norm",
]  # fmt: skip


# Norms


def vector_norm(x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the ``ord``-norm over ``dim``, of all elements by default."""
    return ops.vector_norm(as_norm_dtype(x, dtype), ord=ord, dim=dim, keepdim=keepdim)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return a norm of each matrix: ``"fro"``, ``"nuc"``, 2 and -2 by singular values, 1, -1, inf, -inf by sums.

    Raises:
        ValueError: another order. ShapeError: fewer than two dimensions.
    """
    x = as_norm_dtype(A, dtype)
    if not x.dtype.is_differentiable:
        raise DTypeError(f"matrix_norm: takes floating point or complex, got {x.dtype}; convert with .float()")
    if x.ndim < 2:
        raise ShapeError(f"matrix_norm: takes at least 2 dimensions, got sizes {tuple(x.shape)}")
    if isinstance(dim, int) or len(dim) != 2:
        raise ShapeError(f"matrix_norm: dim must be two dimensions, got {dim}")
    rows, columns = (check_dim(x, axis) for axis in dim)
    if rows == columns:
        raise ShapeError(f"matrix_norm: dims must be different, got {dim}")
    if not x.shape[rows] * x.shape[columns] and ord in ("nuc", 1, 2, math.inf):
        ord = "fro"  # all are 0 of no elements
    if ord == "fro":
        return ops.vector_norm(x, dim=(rows, columns), keepdim=keepdim)
    if ord in ("nuc", 2, -2):
        values = svdvals(x.movedim((rows, columns), (-2, -1)))
        out = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
    elif ord in (1, -1, math.inf, -math.inf):
        added, chosen = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = x.abs().sum(added, keepdim=True)
        out = (sums.amax if ord > 0 else sums.amin)((added, chosen))
    else:
        raise ValueError(f"matrix_norm: order {ord!r} is not there; use 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    return out.unsqueeze(min(rows, columns)).unsqueeze(max(rows, columns)) if keepdim else out


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return a vector norm over one dimension, a matrix norm over two; without ``ord`` the 2-norm over any."""
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if isinstance(ord, str) or (dim is None and A.ndim == 2) or (dim is not None and np.size(dim) == 2):
        if dim is None and A.ndim > 2:
            raise ShapeError(f"norm: order {ord!r} of {A.ndim} dimensions needs dim, the two of the matrices")
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if dim is None and A.ndim > 2:
        raise ShapeError(f"norm: order {ord} of {A.ndim} dimensions needs dim, one or two of them")
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def cond(A: Tensor, p: Any = None) -> Tensor:
    """Return the condition number of each matrix: a norm of it times that of its inverse."""
    if p in (None, 2, -2):
        values = svdvals(A)
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


# Products and functions of matrices


def matrix_power(A: Tensor, n: int) -> Tensor:
    """Return the product of ``n`` times each square matrix; of its inverse for negative ``n``."""
    if not isinstance(n, int):
        raise TypeError(f"matrix_power: n must be an integer, got {n!r}")
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"matrix_power: takes square matrices, got sizes {tuple(A.shape)}")
    if n == 0:
        return ops.fill(A, value=0) + creation.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    base, n = (inv(A), -n) if n < 0 else (A, n)
    out: Any = None
    while n:
        if n & 1:
            out = base if out is None else ops.matmul(out, base)
        n >>= 1
        base = ops.matmul(base, base) if n else base
    return A.clone() if out is A else out


# Coefficients of the Padé approximant of order 13; Higham, "The scaling and squaring method for the matrix
# exponential revisited", 2005. It is good to the precision of float64 up to a 1-norm of 5.37.
_PADE = (64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
         670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1)  # fmt: skip


def matrix_exp(A: Tensor) -> Tensor:
    """Return the exponential of each square matrix, by scaling and squaring (Higham, 2005)."""
    expect_floats("matrix_exp", A)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"matrix_exp: takes square matrices, got sizes {tuple(A.shape)}")
    if not A.numel():
        return A.clone()
    size = float(A.detach().abs().sum(-2).amax())
    squarings = max(0, math.ceil(math.log2(size / 5.3))) if 0 < size < math.inf else 0
    x = A / 2.0**squarings
    scaled = [coefficient / _PADE[0] for coefficient in _PADE]  # of the size of float32's numbers
    eye = creation.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    square = ops.matmul(x, x)
    even, odd, power = eye * scaled[0], eye * scaled[1], square
    for place in range(2, 14, 2):
        even, odd = even + power * scaled[place], odd + power * scaled[place + 1]
        power = ops.matmul(power, square) if place < 12 else power
    odd = ops.matmul(x, odd)
    out = decompositions.solve(even - odd, even + odd)
    for _ in range(squarings):
        out = ops.matmul(out, out)
    return out


def multi_dot(tensors: Any) -> Tensor:
    """Return the product of several matrices in the cheapest order; the first and the last may be vectors."""
    listed = list(tensors)
    if len(listed) < 2:
        raise ShapeError(f"multi_dot: takes at least 2 tensors, got {len(listed)}")
    if any(x.ndim != 2 for x in listed[1:-1]) or not all(x.ndim in (1, 2) for x in listed):
        raise ShapeError(f"multi_dot: takes matrices, and vectors at the ends, got {[tuple(x.shape) for x in listed]}")
    first, last = listed[0].ndim == 1, listed[-1].ndim == 1
    if first:
        listed[0] = listed[0].unsqueeze(0)
    if last:
        listed[-1] = listed[-1].unsqueeze(1)
    for before, after in pairwise(listed):
        if before.shape[1] != after.shape[0]:
            raise ShapeError(f"multi_dot: sizes {tuple(before.shape)} and {tuple(after.shape)} cannot be multiplied")
    out = _in_order(listed, _cheapest([x.shape[0] for x in listed] + [listed[-1].shape[1]]), 0, len(listed) - 1)
    out = out.squeeze(0) if first else out
    return out.squeeze(-1) if last else out


def _cheapest(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Return for each run of matrices after which one it is best split; Cormen et al., "Introduction to Algorithms"."""
    count = len(sizes) - 1
    cost = {(place, place): 0 for place in range(count)}
    split = {}
    for length in range(1, count):
        for start in range(count - length):
            stop = start + length
            cost[start, stop], split[start, stop] = min(
                (cost[start, at] + cost[at + 1, stop] + sizes[start] * sizes[at + 1] * sizes[stop + 1], at)
                for at in range(start, stop)
            )
    return split


def _in_order(matrices: list[Tensor], split: dict[tuple[int, int], int], start: int, stop: int) -> Tensor:
    if start == stop:
        return matrices[start]
    at = split[start, stop]
    return ops.matmul(_in_order(matrices, split, start, at), _in_order(matrices, split, at + 1, stop))


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the sums of the products along ``dim``, the first conjugated if complex."""
    return ops.sum((x.conj() if x.dtype.is_complex else x) * y, dim=dim)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Return the vector products along ``dim``, of size 3."""
    return products.cross(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return the diagonal of each matrix as the last dimension."""
    return more.diagonal(A, offset, dim1, dim2)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Return the powers of a vector's elements, one element a row, from 0 on."""
    return arrange.vander(x, N, increasing=True)


matmul = ops.matmul
