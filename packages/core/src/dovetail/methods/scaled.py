"""Sums with a factor, as optimizers written for PyTorch use them; each also in place.

Operators lead to the ops directly, so that these cost them nothing.
"""

from __future__ import annotations

from typing import Any

from dovetail import ops
from dovetail.methods import attach  # noqa: F401 - its sums are without the factor, these come after
from dovetail.methods.registry import FUNCTIONS, function
from dovetail.tensor import Tensor


@function
def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Return ``input + alpha * other``.

    Example::

        >>> import dovetail
        >>> dovetail.ones(2).add_(dovetail.ones(2), alpha=-0.5)
        tensor([0.5000, 0.5000])
    """
    return ops.add(input, other if alpha == 1 else other * alpha)


@function
def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Return ``input - alpha * other``."""
    return ops.sub(input, other if alpha == 1 else other * alpha)


@function
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Return ``input / other``, rounded towards zero (``"trunc"``) or down (``"floor"``) if asked for.

    Raises:
        ValueError: another rounding mode.
    """
    if rounding_mode is None:
        return ops.div(input, other)
    if rounding_mode not in ("trunc", "floor"):
        raise ValueError(f"div: rounding_mode is None, 'trunc' or 'floor', got {rounding_mode!r}")
    return getattr(ops, f"{rounding_mode}_quotient")(input, other)


@function
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Return the nearest number of ``decimals`` digits behind the point, of two the even one."""
    if not decimals:
        return ops.round(input)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return ops.div(ops.round(ops.mul(input, scale)), scale)
    return ops.mul(ops.round(ops.div(input, scale)), scale)


@function
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return ``input + value * tensor1 * tensor2``."""
    product = tensor1 * tensor2
    return ops.add(input, product if value == 1 else product * value)


@function
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return ``input + value * tensor1 / tensor2``."""
    return ops.add(input, (tensor1 if value == 1 else tensor1 * value) / tensor2)


@function
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Return ``input + weight * (end - input)``."""
    return ops.add(input, (end - input) * weight)


for _name, _call in {"subtract": sub, "divide": div, "true_divide": ops.div}.items():
    FUNCTIONS[_name] = _call
    setattr(Tensor, _name, _call)
