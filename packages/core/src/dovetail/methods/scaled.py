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


FUNCTIONS["subtract"] = sub
setattr(Tensor, "subtract", sub)  # noqa: B010 (the class does not say its methods)
