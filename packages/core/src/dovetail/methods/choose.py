"""Functions that choose between elements: by a condition, by bounds."""

from __future__ import annotations

from typing import Any

from dovetail import ops
from dovetail.align import result_type
from dovetail.creation import tensor
from dovetail.errors import DTypeError
from dovetail.methods.index import nonzero
from dovetail.methods.registry import FUNCTIONS, function, method
from dovetail.tensor import Tensor


def where(condition: Tensor, x: Any = None, y: Any = None) -> Any:
    """Return ``x`` where ``condition`` is true, elsewhere ``y``; without these the indices of what is true.

    Raises:
        DTypeError: the condition is not boolean.

    Example::

        >>> import dovetail
        >>> dovetail.where(dovetail.tensor([True, False]), 1.0, 2.0)
        tensor([1., 2.])
    """
    if x is None and y is None:
        return nonzero(condition, as_tuple=True)
    _expect_mask("where", "condition", condition)
    target = result_type(x, y)
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        x = tensor(x, dtype=target, device=condition.device)
    x, y = (value.to(target) if isinstance(value, Tensor) else value for value in (x, y))
    return ops.where(condition, x, y)


FUNCTIONS["where"] = where


@method("where")
def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """Return the tensor's elements where ``condition`` is true, elsewhere those of ``other``."""
    return where(condition, self, other)


def _expect_mask(name: str, what: str, mask: Any) -> None:
    if not isinstance(mask, Tensor) or mask.dtype.category:
        found = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise DTypeError(f"{name}: {what} must be a boolean tensor, got {found}; compare it, or convert with .bool()")


@function
def masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return the tensor with ``value`` where ``mask``, which broadcasts, is true."""
    _expect_mask("masked_fill", "mask", mask)
    if not isinstance(value, Tensor):
        return ops.masked_fill(x, mask, value=value)
    if value.ndim:
        raise DTypeError(f"masked_fill: value must be a number or a 0-d tensor, got sizes {tuple(value.shape)}")
    return ops.where(mask, value.to(x), x)


@function
def clamp(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Return ``x`` with what is below ``min`` or above ``max`` set to that bound, a number or a tensor.

    Raises:
        ValueError: neither bound is given.
    """
    bounds = [bound for bound in (min, max) if bound is not None]
    if not bounds:
        raise ValueError("clamp: at least one of min and max must be given")
    target = result_type(x, *bounds)
    x = x.to(target)
    if not any(isinstance(bound, Tensor) for bound in bounds):
        return ops.clamp(x, min=min, max=max)
    if min is not None:
        min = min.to(x) if isinstance(min, Tensor) else min
        x = ops.where(x < min, min, x)
    if max is not None:
        max = max.to(x) if isinstance(max, Tensor) else max
        x = ops.where(x > max, max, x)
    return x


@function
def clip(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Return ``clamp(x, min, max)``."""
    return clamp(x, min, max)
