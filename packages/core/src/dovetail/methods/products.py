"""Products of vectors, matrices and tensors, and distances; imported when first asked for."""

from __future__ import annotations

import math
from typing import Any

from dovetail import ops
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.reduce import norm
from dovetail.methods.registry import check_dim
from dovetail.methods.shape import cat
from dovetail.ops.linalg import expect_matrices
from dovetail.tensor import Tensor


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Return the sum of products over the last ``dims`` dimensions of ``a`` and the first of ``b``, or those named.

    ``dims`` may be a pair of lists of dimensions, or a tensor of them.

    Example::

        >>> import dovetail
        >>> dovetail.tensordot(dovetail.ones(2, 3), dovetail.ones(4, 3), dims=([1], [1])).shape
        dovetail.Size([2, 4])
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: dims must be from 0 to {min(a.ndim, b.ndim)}, got {dims}")
        dims = (range(a.ndim - dims, a.ndim), range(dims))
    first, second = ([dim] if isinstance(dim, int) else list(dim) for dim in dims)
    first, second = [check_dim(a, dim) for dim in first], [check_dim(b, dim) for dim in second]
    if len(first) != len(second):
        raise ShapeError(f"tensordot: both lists of dims must be of one length, got {first} and {second}")
    for left, right in zip(first, second, strict=True):
        if a.shape[left] == 1 != b.shape[right]:
            b = b.sum(right, keepdim=True, dtype=b.dtype)
        elif b.shape[right] == 1 != a.shape[left]:
            a = a.sum(left, keepdim=True, dtype=a.dtype)
        if a.shape[left] != b.shape[right]:
            raise ShapeError(
                f"tensordot: contracted dimensions must match, but the first has size {a.shape[left]} in dimension "
                f"{left} and the second {b.shape[right]} in dimension {right}"
            )
    rows, columns = [d for d in range(a.ndim) if d not in first], [d for d in range(b.ndim) if d not in second]
    shape = [*(a.shape[d] for d in rows), *(b.shape[d] for d in columns)]
    count = math.prod(a.shape[d] for d in first)
    left = a.permute(rows + first).reshape(math.prod(a.shape[d] for d in rows), count)
    right = b.permute(second + columns).reshape(count, math.prod(b.shape[d] for d in columns))
    return ops.matmul(left, right).reshape(shape)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the products over the last dimension of both; with a 0-d tensor all products."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            f"inner: the last dimensions must match, got sizes {tuple(input.shape)} and {tuple(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Return the sum of the products of two vectors, the first conjugated if complex."""
    expect_matrices("vdot", input, other, 1)
    if input.dtype.is_complex:
        from dovetail.ops.parts import conj

        input = conj(input)
    return ops.matmul(input, other)


def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """Return the products of each element of one vector with each of another, as ``outer``."""
    expect_matrices("ger", input, vec2, 1)
    return ops.outer(input, vec2)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Return Kronecker's product: each element of ``input`` replaced by its product with ``other``."""
    ndim = max(input.ndim, other.ndim)
    x, y = (value.reshape((1,) * (ndim - value.ndim) + tuple(value.shape)) for value in (input, other))
    pairs = [(rows, columns) for rows, columns in zip(x.shape, y.shape, strict=True)]
    x = x.reshape([part for rows, _ in pairs for part in (rows, 1)])
    y = y.reshape([part for _, columns in pairs for part in (1, columns)])
    return (x * y).reshape([rows * columns for rows, columns in pairs])


# A product added to something


def _plus(name: str, input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    if input.dtype is not product.dtype:
        raise DTypeError(
            f"{name}: input and the product must have one dtype, got {input.dtype} and {product.dtype}; use .to(dtype)"
        )
    if input.ndim > product.ndim or any(
        have not in (1, size) for have, size in zip(reversed(input.shape), reversed(product.shape), strict=False)
    ):
        raise ShapeError(
            f"{name}: input of sizes {tuple(input.shape)} does not broadcast to the product's {tuple(product.shape)}"
        )
    if not product.dtype.is_differentiable:
        alpha, beta = int(alpha), int(beta)
    product = product if alpha == 1 else product * alpha
    if beta == 0:  # then nan and inf of the input do not count; its gradient is 0
        return product + ops.fill(input, value=0) if input.requires_grad else product
    return (input if beta == 1 else input * beta) + product


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * (mat1 @ mat2)``."""
    expect_matrices("addmm", mat1, mat2, 2)
    return _plus("addmm", input, ops.matmul(mat1, mat2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * (mat @ vec)``."""
    return _plus("addmv", input, mat.mv(vec), beta, alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * outer(vec1, vec2)``."""
    expect_matrices("addr", vec1, vec2, 1)
    return _plus("addr", input, ops.outer(vec1, vec2), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input + alpha * (batch1 @ batch2)`` of batches of matrices."""
    expect_matrices("baddbmm", batch1, batch2, 3)
    return _plus("baddbmm", input, ops.matmul(batch1, batch2), beta, alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return ``beta * input`` plus ``alpha`` times the sum over the batch of the products of its matrices."""
    expect_matrices("addbmm", batch1, batch2, 3)
    return _plus("addbmm", input, ops.matmul(batch1, batch2).sum(0), beta, alpha)


def chain_matmul(*matrices: Tensor) -> Tensor:
    """Return the product of several matrices, in the cheapest order."""
    from dovetail.linalg import multi_dot

    matrices = tuple(matrices[0]) if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)) else matrices
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Return the vector products along ``dim``, of size 3; by default the first such dimension."""
    if dim is None:
        dim = next((axis for axis, size in enumerate(input.shape) if size == 3), None)
        if dim is None:
            raise ShapeError(f"cross: no dimension of size 3 in sizes {tuple(input.shape)}")
    if input.ndim != other.ndim:
        raise ShapeError(f"cross: inputs must have as many dimensions, got {input.ndim} and {other.ndim}")
    axis = check_dim(input, dim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise ShapeError(
            f"cross: dimension {dim} must have size 3, got sizes {tuple(input.shape)} and {tuple(other.shape)}"
        )
    x, y = ([part.select(axis, place) for place in range(3)] for part in (input, other))
    parts = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
    return ops.stack(*parts, dim=axis)


# Distances


def dist(input: Tensor, other: Tensor, p: Any = 2) -> Tensor:
    """Return the p-norm of ``input - other``."""
    difference = input - other
    if not difference.dtype.is_differentiable:
        raise DTypeError(f"dist: takes floating point or complex, got {difference.dtype}; convert with .float()")
    return norm(difference, p)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """Return the p-norm distances of each row of ``x1`` (..., n, size) and each of ``x2`` (..., m, size): (..., n, m).

    ``compute_mode`` is for PyTorch's programs and changes nothing: no digits are lost in a product of matrices.
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"cdist: takes tensors of at least 2 dimensions with rows of one size, got sizes {tuple(x1.shape)} and "
            f"{tuple(x2.shape)}"
        )
    if p < 0:
        raise ValueError(f"cdist: p must be 0 or more, got {p}")
    return _norm_of_rows(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Return the p-norm distances of all pairs of rows of a matrix: first and second, first and third, ..."""
    if input.ndim != 2:
        raise ShapeError(f"pdist: takes a matrix, got sizes {tuple(input.shape)}")
    rows = [input[row + 1 :] - input[row] for row in range(input.shape[0] - 1)]
    return _norm_of_rows(cat(rows), p) if rows else input.new_zeros(0)


def _norm_of_rows(difference: Tensor, p: float) -> Tensor:
    """Return the norms over the last dimension, with a gradient of 0 where that is 0 and has none."""
    size = ops.abs(difference)
    if not difference.shape[-1]:
        return ops.sum(size, dim=-1)
    if p == math.inf:
        return ops.amax(size, dim=-1)
    if p == 0:
        return ops.sum(ops.ne(difference, 0).to(difference.dtype), dim=-1) + ops.sum(
            ops.fill(difference, value=0.0), dim=-1
        )
    if p == 1:
        return ops.sum(size, dim=-1)
    power = ops.sum(difference * difference if p == 2 else size**p, dim=-1)
    zero = power == 0
    root = ops.where(zero, 1.0, power)
    return ops.where(zero, 0.0, ops.sqrt(root) if p == 2 else root ** (1.0 / p))


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between two tensors along ``dim``; norms below ``eps`` count as ``eps``."""
    x, y = ops.mul(x1, 1.0) if not x1.dtype.is_differentiable else x1, x2
    squares = [ops.sum(value * value, dim=dim, keepdim=True) for value in (x, y)]
    x, y = (value / ops.sqrt(ops.clamp(size, min=eps * eps)) for value, size in zip((x, y), squares, strict=True))
    return ops.sum(x * y, dim=dim)
