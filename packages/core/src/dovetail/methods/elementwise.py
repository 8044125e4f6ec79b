"""Elementwise functions that others compose; imported when first asked for."""

from __future__ import annotations

import math
from typing import Any

from dovetail import creation, dtypes, ops
from dovetail.align import result_type
from dovetail.errors import DTypeError
from dovetail.methods.choose import clamp
from dovetail.ops import special
from dovetail.tensor import Tensor


def sgn(input: Tensor) -> Tensor:
    """Return the sign; of complex numbers the number of size 1 in the same direction, and 0 of 0."""
    if not input.dtype.is_complex:
        return ops.sign(input)
    size = ops.abs(input)
    return input / ops.where(size == 0, 1.0, size)


def frac(input: Tensor) -> Tensor:
    """Return what is behind the point, with the sign of the number."""
    if not input.dtype.is_floating_point:
        raise DTypeError(f"frac: takes floating point, got {input.dtype}; convert with .float()")
    return input - ops.trunc(input)


def deg2rad(input: Tensor) -> Tensor:
    """Return angles given in degrees in radians."""
    return _scaled("deg2rad", input, math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Return angles given in radians in degrees."""
    return _scaled("rad2deg", input, 180 / math.pi)


def _scaled(name: str, input: Tensor, factor: float) -> Tensor:
    if input.dtype.is_complex:
        raise DTypeError(f"{name}: takes real numbers, got {input.dtype}; take .real or .abs() first")
    return input * factor


def positive(input: Tensor) -> Tensor:
    """Return the tensor as it is."""
    if not input.dtype.category:
        raise DTypeError("positive: takes numbers, got dovetail.bool; convert with .int()")
    return input


def polygamma(n: int, input: Tensor) -> Tensor:
    """Return derivative ``n`` of ``digamma``.

    Raises:
        ValueError: ``n`` is negative.
    """
    return special.digamma(input) if n == 0 else special.polygamma(input, n=n)


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    return polygamma(n, self)


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """Return ``log2(2 ** input + 2 ** other)``, computed without overflow."""
    if not (input.dtype.is_floating_point and other.dtype.is_floating_point):
        raise DTypeError(
            f"logaddexp2: takes floating point, got {input.dtype} and {other.dtype}; convert with .float()"
        )
    return special.logaddexp(input * math.log(2), other * math.log(2)) / math.log(2)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """Return ``input * 2 ** other``."""
    return input * ops.pow(2.0, other)


def float_power(input: Any, exponent: Any) -> Tensor:
    """Return ``input`` to the power ``exponent``, computed in float64 (complex128 for complex numbers)."""
    target = dtypes.complex128 if result_type(input, exponent).is_complex else dtypes.float64
    base, exponent = (value.to(target) if isinstance(value, Tensor) else value for value in (input, exponent))
    if not isinstance(base, Tensor):
        base = creation.tensor(base, dtype=target, device=exponent.device)
    return ops.pow(base, exponent)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Return the tensor with what is below ``min`` set to it."""
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Return the tensor with what is above ``max`` set to it."""
    return clamp(input, max=max)


def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the sum over ``dim`` (all by default) of what is a number."""
    kept = ops.where(ops.isnan(input), 0.0, input) if input.dtype.is_floating_point else input
    return ops.sum(kept, dim=dim, keepdim=keepdim, dtype=dtype)


def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Return the mean over ``dim`` (all by default) of what is a number."""
    if not (dtype or input.dtype).is_differentiable:
        raise DTypeError(f"nanmean: takes floating point or complex, got {input.dtype}; convert with .float()")
    count = ops.sum(ops.logical_not(ops.isnan(input)), dim=dim, keepdim=keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count
