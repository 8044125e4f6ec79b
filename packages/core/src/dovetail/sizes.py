"""The sizes of a tensor."""

from __future__ import annotations

from typing import Any

tuple_item = tuple.__getitem__


class Size(tuple):
    """A tensor's sizes: a tuple that prints as PyTorch's and counts its elements.

    Example::

        >>> import dovetail
        >>> dovetail.zeros(2, 3).shape
        dovetail.Size([2, 3])
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements of a tensor of this size."""
        total = 1
        for size in self:
            total *= size
        return total

    def __repr__(self) -> str:
        return f"dovetail.Size({list(self)})"

    def __getitem__(self, index: Any) -> Any:
        found = tuple_item(self, index)
        return found if index.__class__ is int else Size(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, tuple(other) if isinstance(other, list) else other))

    def __radd__(self, other: Any) -> Size:
        return Size(tuple.__add__(other, self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, count: Any) -> Size:
        return Size(tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __reduce__(self) -> Any:
        return (Size, (tuple(self),))
