"""Reductions, comparisons of whole tensors and products, whose arguments PyTorch's overloads allow in several forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail import ops, return_types
from dovetail.dtypes import promote_types
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.registry import check_dim, function
from dovetail.ops.linalg import expect_matrices
from dovetail.tensor import Tensor


def _both(
    extreme: Callable[..., Tensor], arg: Callable[..., Tensor], pairwise: Callable[..., Tensor], name: str
) -> Any:
    named = getattr(return_types, name)

    def call(x: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        if isinstance(dim, Tensor) or other is not None:
            return pairwise(x, dim if other is None else other)
        if not x.numel() and (dim is None or x.shape[dim] == 0):
            raise ShapeError(f"{name}: needs at least one element to reduce, got sizes {tuple(x.shape)}")
        if dim is None:
            return extreme(x)
        check_dim(x, dim)
        indices = arg(x, dim=dim, keepdim=True)
        values = ops.gather(x, indices, dim=dim) if x.ndim else x
        return named(*((values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))))

    call.__name__ = name
    call.__doc__ = (
        f"Return the {name} of all elements; with ``dim`` the values and their indices along it; with another tensor "
        "that of each pair."
    )
    return function(call)


_both(ops.amax, ops.argmax, ops.maximum, "max")
_both(ops.amin, ops.argmin, ops.minimum, "min")


@function
def var(x: Tensor, dim: Any = None, unbiased: Any = None, *, correction: Any = None, keepdim: bool = False):
    """Return the variance over ``dim`` (all by default), with 1 subtracted from the count unless said otherwise."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = (1 if unbiased is None else int(unbiased)) if correction is None else correction
    return ops.var(x, dim=dim, correction=correction, keepdim=keepdim)


@function
def std(x: Tensor, dim: Any = None, unbiased: Any = None, *, correction: Any = None, keepdim: bool = False):
    """Return the standard deviation over ``dim`` (all by default)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = (1 if unbiased is None else int(unbiased)) if correction is None else correction
    return ops.std(x, dim=dim, correction=correction, keepdim=keepdim)


def as_norm_dtype(x: Tensor, dtype: Any) -> Tensor:
    """Return ``x`` in the dtype in which its norm is wanted, which must hold all its numbers."""
    if dtype is None:
        return x
    if promote_types(x.dtype, dtype) is not dtype:
        raise DTypeError(f"norm: numbers of {x.dtype} do not fit into {dtype}; convert the tensor with .to(dtype)")
    return x.to(dtype)


@function
def norm(x: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the p-norm over ``dim`` (all by default); ``p`` may be ``"fro"``, inf, -inf, ``"nuc"`` too."""
    x = as_norm_dtype(x, dtype)
    if p == "nuc":
        from dovetail.linalg import matrix_norm

        return matrix_norm(x, "nuc", (-2, -1) if dim is None else dim, keepdim)
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p is a number, 'fro' or 'nuc', got {p!r}")
    return ops.vector_norm(x, ord=2.0 if p in ("fro", None) else p, dim=dim, keepdim=keepdim)


@function
def allclose(x: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Return whether all elements differ by at most ``atol + rtol * |other|``."""
    pair = (x.numpy(force=True), other.numpy(force=True))
    return bool(np.allclose(*pair, rtol=rtol, atol=atol, equal_nan=equal_nan))


@function
def isclose(x: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Return for each element whether the two differ by at most ``atol + rtol * |other|``."""
    close = (x == other) | (ops.isfinite(other) & (ops.abs(x - other) <= atol + rtol * ops.abs(other)))
    return close | (ops.isnan(x) & ops.isnan(other)) if equal_nan else close


@function
def equal(x: Tensor, other: Tensor) -> bool:
    """Return whether sizes and all elements are equal."""
    return x.shape == other.shape and bool(ops.all(ops.eq(x, other)))


# Products


@function
def mm(x: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices."""
    expect_matrices("mm", x, mat2, 2)
    return ops.matmul(x, mat2)


@function
def bmm(x: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two batches of matrices."""
    expect_matrices("bmm", x, mat2, 3)
    return ops.matmul(x, mat2)


@function
def dot(x: Tensor, other: Tensor) -> Tensor:
    """Return the sum of the products of two vectors."""
    expect_matrices("dot", x, other, 1)
    return ops.matmul(x, other)
