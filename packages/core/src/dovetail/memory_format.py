"""How a tensor's dimensions are ordered in memory: ``dovetail.channels_last`` and its relatives."""

from __future__ import annotations

from typing import Any

from dovetail.errors import ShapeError
from dovetail.layouts import Constant


class memory_format(Constant):
    """An order of the dimensions in memory; the four there are are constants of ``dovetail``.

    Backends whose arrays have no strides keep every tensor as they like, and call it contiguous.

    Example::

        >>> import dovetail
        >>> x = dovetail.ones(2, 3, 4, 5).contiguous(memory_format=dovetail.channels_last)
        >>> x.stride()
        (60, 1, 15, 3)
    """

    __slots__ = ()


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")

_ORDERS = {channels_last: (0, 2, 3, 1), channels_last_3d: (0, 2, 3, 4, 1)}


def order_of(format: Any, ndim: int) -> tuple[int, ...] | None:
    """Return the dimensions as they follow each other in memory, the outermost first; None to keep what there is.

    Raises:
        TypeError: ``format`` is none. ShapeError: it is for tensors of another number of dimensions.
    """
    if format is preserve_format:
        return None
    if format is None or format is contiguous_format:
        return tuple(range(ndim))
    order = _ORDERS.get(format) if isinstance(format, memory_format) else None
    if order is None:
        raise TypeError(
            "memory_format is dovetail.contiguous_format, channels_last, channels_last_3d or preserve_format, "
            f"got {format!r}"
        )
    if len(order) != ndim:
        raise ShapeError(f"{format} takes a tensor of rank {len(order)} (dimensions), got one of {ndim}")
    return order


def is_ordered(shape: Any, strides: Any, order: tuple[int, ...]) -> bool:
    """Return whether elements that are ``strides`` apart lie side by side in memory in this order of dimensions."""
    expected = 1
    if 0 in shape:
        return True
    for dim in reversed(order):
        if shape[dim] != 1:
            if strides[dim] != expected:
                return False
            expected *= shape[dim]
    return True
