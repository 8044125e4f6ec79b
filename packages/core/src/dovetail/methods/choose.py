"""Functions that choose between elements: by a condition, by bounds."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dovetail import dtypes, ops
from dovetail.align import broadcast_clash, result_type
from dovetail.creation import tensor
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.index import expect_dtype, number, scalar
from dovetail.methods.registry import FUNCTIONS, function, method
from dovetail.methods.writing import spread, write_in_place
from dovetail.tensor import Tensor
from dovetail.views import assign, before, check_writable


@function
def nonzero(x: Tensor, *, as_tuple: bool = False) -> Any:
    """Return the indices of the elements that are not zero, as rows (count, dimensions) or as one tensor for each."""
    if not as_tuple:
        return ops.nonzero(x)
    return ops.nonzero(x if x.ndim else x.reshape(1)).unbind(1)


@function
def argwhere(x: Tensor) -> Tensor:
    """Return the indices of the elements that are not zero, as rows (count, dimensions)."""
    return nonzero(x)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Return ``input`` where ``condition`` is true, elsewhere ``other``; without these the indices of what is true.

    Raises:
        DTypeError: the condition is not boolean.

    Example::

        >>> import dovetail
        >>> dovetail.where(dovetail.tensor([True, False]), 1.0, 2.0)
        tensor([1., 2.])
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where: takes a condition alone, or with both of what to choose from")
    if isinstance(condition, Tensor) and condition.dtype is dtypes.uint8:
        warnings.warn("where: a uint8 condition is deprecated; use .bool()", UserWarning, stacklevel=2)
        condition = condition.bool()
    _expect_mask("where", "condition", condition)
    target = result_type(input, other)
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = tensor(input, dtype=target, device=condition.device)
    input, other = (value.to(target) if isinstance(value, Tensor) else value for value in (input, other))
    return ops.where(condition, input, other)


FUNCTIONS["where"] = where


@method("where")
def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """Return the tensor's elements where ``condition`` is true, elsewhere those of ``other``."""
    return where(condition, self, other)


# Masks


def _expect_mask(name: str, what: str, mask: Any) -> None:
    if not isinstance(mask, Tensor):
        raise TypeError(f"{name}: {what} must be a boolean tensor, got {type(mask).__name__}; use dovetail.tensor")
    if mask.dtype.category:
        raise DTypeError(f"{name}: {what} must be a boolean tensor, got {mask.dtype}; compare it, or use .bool()")


@function
def masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return the tensor with ``value``, a number or 0-d tensor, where ``mask``, which broadcasts, is true."""
    _expect_mask("masked_fill", "mask", mask)
    if isinstance(value, Tensor):
        return ops.where(mask, scalar("masked_fill", value, x), x)
    return ops.masked_fill(x, mask, value=number("masked_fill", value, x))


@method
def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """In-place version of ``masked_fill``; the mask broadcasts to the tensor."""
    _expect_mask("masked_fill", "mask", mask)
    mask = mask if mask._array.shape == self._array.shape else spread(mask, self)
    if not isinstance(value, Tensor):
        return write_in_place(ops.masked_fill, self, mask, value=number("masked_fill", value, self))
    filling = scalar("masked_fill", value, self)
    if filling._node is None and not filling._device.backend.level:
        return write_in_place(ops.masked_fill, self, mask, value=filling.item())
    check_writable(self, "masked_fill_")
    return assign(self, ops.where(mask, filling, before(self)))


def _masked_source(x: Tensor, mask: Tensor, source: Tensor) -> tuple[Tensor, tuple]:
    """Return as many elements of ``source`` as the mask is true, and where they go."""
    places = mask.expand(x.shape).numpy(force=True)
    count = int(np.count_nonzero(places))
    if source.numel() < count:
        raise ShapeError(f"masked_scatter: source has {source.numel()} elements, the mask is true {count} times")
    if not x.ndim:
        return source.reshape(-1)[:count].reshape(()) if count else x, (...,)
    return source.reshape(-1)[:count], (places.copy(),)


@function
def masked_scatter(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return the tensor with the elements of ``source``, in their order, where ``mask``, which broadcasts, is true."""
    _expect_mask("masked_scatter", "mask", mask)
    expect_dtype("masked_scatter", "source", source, x)
    x = x.expand(joint_sizes("masked_scatter", x, mask))
    source, places = _masked_source(x, mask, source)
    return ops.put(x, source, index=places)


@method
def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """In-place version of ``masked_scatter``; the mask broadcasts to the tensor."""
    _expect_mask("masked_scatter", "mask", mask)
    expect_dtype("masked_scatter", "source", source, self)
    source, places = _masked_source(self, mask, source)
    return write_in_place(ops.put, self, source, index=places)


def joint_sizes(name: str, x: Tensor, other: Tensor) -> tuple[int, ...]:
    """Return the sizes to which both broadcast.

    Raises:
        ShapeError: they do not.
    """
    clash = broadcast_clash([x.shape, other.shape])
    if clash:
        raise ShapeError(f"{name}: sizes {tuple(x.shape)} and {tuple(other.shape)} do not broadcast: {clash}")
    return np.broadcast_shapes(x.shape, other.shape)


@function
def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where ``mask``, with which the tensor broadcasts, is true, as one dimension."""
    _expect_mask("masked_select", "mask", mask)
    sizes = joint_sizes("masked_select", x, mask) or (1,)
    return x.expand(sizes)[mask.expand(sizes)]


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
