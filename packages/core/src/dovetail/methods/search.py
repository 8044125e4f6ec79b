"""Finding elements: in a set, and in what is in order."""

from __future__ import annotations

from typing import Any

from dovetail import dtypes, ops
from dovetail.align import result_type
from dovetail.creation import tensor
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.registry import FUNCTIONS
from dovetail.methods.scatter import gather
from dovetail.tensor import Tensor


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Return which ``elements`` are among ``test_elements``, or are not with ``invert``; one may be a number.

    Example::

        >>> import dovetail
        >>> dovetail.isin(dovetail.tensor([1, 2, 3]), dovetail.tensor([3, 1]))
        tensor([ True, False,  True])
    """
    given = next((value for value in (elements, test_elements) if isinstance(value, Tensor)), None)
    if given is None:
        raise TypeError("isin: at least one of elements and test_elements must be a tensor")
    both = [
        value if isinstance(value, Tensor) else tensor(value, device=given._device)
        for value in (elements, test_elements)
    ]
    if dtypes.bool_ in (both[0].dtype, both[1].dtype):
        raise DTypeError("isin: takes numbers, got booleans; convert with .int()")
    found = ops.isin(*both)
    return ops.logical_not(found) if invert else found


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Return where each value of ``input`` would keep the last dimension of ``sorted_sequence`` in order.

    That is before equal elements, or after them with ``right`` (``side="right"``).

    Raises:
        ShapeError: a sequence of several dimensions whose sizes, but for the last, are not those of ``input``.

    Example::

        >>> import dovetail
        >>> dovetail.searchsorted(dovetail.tensor([1, 3, 5]), dovetail.tensor([0, 3, 9]))
        tensor([0, 1, 3])
    """
    if side not in (None, "left", "right"):
        raise ShapeError(f"searchsorted: side is 'left' or 'right', got {side!r}")
    if side == "left" and right:
        raise ShapeError("searchsorted: side is 'left' while right is True; give one of them")
    sequence = sorted_sequence
    if not sequence.ndim:
        raise ShapeError("searchsorted: sorted_sequence must have at least one dimension, got 0")
    if sorter is not None:
        sequence = _in_order(sequence, sorter)
    values = input if isinstance(input, Tensor) else tensor(input, dtype=None, device=sequence._device)
    if sequence.ndim > 1 and tuple(sequence.shape[:-1]) != tuple(values.shape[:-1]) or values.ndim < sequence.ndim > 1:
        raise ShapeError(
            "searchsorted: sorted_sequence must have one dimension, or all but the last as the input has them; got "
            f"sizes {tuple(sequence.shape)} and {tuple(values.shape)}"
        )
    kind = result_type(sequence, input)
    found = ops.searchsorted(sequence.to(kind), values.to(kind), right=right or side == "right")
    return found.to(dtypes.int32) if out_int32 else found


def _in_order(sequence: Tensor, sorter: Tensor) -> Tensor:
    if sorter.shape != sequence.shape:
        raise ShapeError(f"searchsorted: sorter has sizes {tuple(sorter.shape)}, the sequence {tuple(sequence.shape)}")
    if sorter.dtype is not dtypes.int64:
        raise DTypeError(f"searchsorted: sorter must be int64, got {sorter.dtype}")
    return gather(sequence.detach(), -1, sorter)


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Return the index of the bucket between the sorted ``boundaries``, a vector, in which each value lies."""
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize: boundaries must be a vector, got sizes {tuple(boundaries.shape)}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


FUNCTIONS.update(isin=isin, searchsorted=searchsorted, bucketize=bucketize)
