"""What an index means: PyTorch's rules, as a part that is a view of the tensor and a part that picks elements of it."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from dovetail.tensor import Tensor

ALL = slice(None)
_MANY = 32  # a longer list is data, whatever it holds


class BatchedIndexError(Exception):
    """An index holds a tensor inside ``vmap``, of which each sample has its own places."""


def split_index(index: Any, shape: tuple[int, ...]) -> tuple[tuple | None, tuple]:
    """Return an index of a tensor of sizes ``shape`` as two: of integers, slices, None and ``...``, and of arrays.

    The first gives a view, None where that is the tensor itself; of the view the second picks elements, by masks and
    integer arrays; it is empty where there are none. Integers belong to the first, also where arrays stand beside
    them: they take their dimension away before the arrays are looked at, which is not so in NumPy.

    Raises:
        IndexError: what cannot be an index, too many of them, or one out of range. ValueError: a step below 1.
    """
    parts = [_plain(part) for part in _as_tuple(index)]
    wanted = sum(_width(part) for part in parts)
    if wanted > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)} (got {wanted})")
    basic: list[Any] = []
    arrays: list[Any] = []  # one for each dimension of the view
    source = 0  # the dimension of the tensor that the next part is for
    for part in parts:
        if part is Ellipsis:
            skipped = len(shape) - wanted
            basic += [ALL] * skipped
            arrays += [ALL] * skipped
            source += skipped
        elif part is None or part.__class__ is bool:
            basic.append(None)
            arrays.append(ALL if part is None else np.arange(int(part)))
        elif part.__class__ is int:
            basic.append(_position(part, source, shape))
            source += 1
        else:
            source = _take_dimensions(part, source, shape, basic, arrays)
    while arrays and arrays[-1] is ALL:
        arrays.pop()
    if arrays:
        viewed = _sizes_of_view(basic, shape)
        arrays = _checked(arrays, viewed)
        if len(viewed) == len(shape) and all(part is ALL for part in basic):
            return None, tuple(arrays)
    return (*basic, Ellipsis), tuple(arrays)


def _sizes_of_view(basic: list, shape: tuple[int, ...]) -> list[int]:
    """Return the sizes of the view that the first part of a split index gives."""
    sizes, source = [], 0
    for part in basic:
        if part is None:
            sizes.append(1)
            continue
        if part.__class__ is slice:
            sizes.append(len(range(*part.indices(shape[source]))))
        source += 1
    return [*sizes, *shape[source:]]


def _take_dimensions(part: Any, source: int, shape: tuple[int, ...], basic: list, arrays: list) -> int:
    """Add a slice or an array to both indices; return the dimension that comes next."""
    if isinstance(part, slice):
        if source >= len(shape):
            raise IndexError(f"slice at dimension {source} of a tensor of {len(shape)} dimensions")
        basic.append(_positive(part, shape[source]))
        arrays.append(ALL)
        return source + 1
    width = _width(part)
    if source + width > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    sizes = shape[source : source + width]
    basic += [ALL] * width
    if part.dtype == np.bool_ and part.shape != tuple(sizes):
        raise IndexError(
            f"the shape of the mask {list(part.shape)} at index {source} does not match the shape of the indexed "
            f"tensor {list(shape)} at index {source}; they must be equal from there on"
        )
    arrays.append(part)
    return source + width


def _as_tuple(index: Any) -> tuple:
    """Return the parts of an index; a list that holds sequences, slices, None or ``...`` is a tuple."""
    if isinstance(index, tuple):
        return index
    if not _is_sequence(index) or isinstance(index, (Tensor, np.ndarray)) or len(index) >= _MANY:
        return (index,)
    if not any(
        isinstance(part, (Tensor, slice)) or part is None or part is Ellipsis or _is_sequence(part) for part in index
    ):
        return (index,)
    warnings.warn(
        "a list of lists, tensors or slices as an index counts as a tuple of them, as in PyTorch, which will take it "
        "for one array; write x[tuple(index)], or x[dovetail.tensor(index)]",
        UserWarning,
        stacklevel=5,
    )
    return tuple(index)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple, range, np.ndarray))


def _plain(part: Any) -> Any:
    """Return one part as an int, a bool, a slice, None, ``...`` or an array of booleans or int64."""
    kind = part.__class__
    if kind in (int, bool, slice) or part is None or part is Ellipsis:
        return part
    if isinstance(part, Tensor):
        if part.dtype.name not in ("int64", "int32", "uint8", "bool"):
            raise IndexError(
                f"tensors used as indices must be integers or booleans, got {part.dtype}; of the integers int64 and "
                "int32 can be an index; convert with .long() or .bool()"
            )
        if part._device.backend.level:
            raise BatchedIndexError
        return _array(part.numpy(force=True), part)
    if isinstance(part, np.ndarray):
        return _array(part, part)
    if isinstance(part, (list, tuple, range)):
        return _array(np.asarray([item.tolist() if isinstance(item, Tensor) else item for item in part]), part)
    try:
        return operator.index(part)
    except TypeError:
        raise _unknown(part) from None


def _array(array: np.ndarray, part: Any) -> Any:
    """Return an array of booleans, or of int64, as an index; of one element without dimensions the element."""
    if array.dtype == np.uint8 and not isinstance(part, (list, tuple, range)):
        warnings.warn("a uint8 index counts as a mask, which is deprecated; use .bool()", UserWarning, stacklevel=6)
        array = array.astype(np.bool_)
    elif array.size == 0 and array.dtype.kind != "b":
        array = array.astype(np.int64)
    elif array.dtype.kind not in "biu":
        raise _unknown(part)
    elif array.dtype.kind != "b":
        array = array.astype(np.int64, copy=False)
    return array if array.ndim else array.item()


def _unknown(part: Any) -> IndexError:
    return IndexError(f"an index is made of integers, slices, None, ..., masks and integer arrays, got {part!r}")


def _width(part: Any) -> int:
    """Return how many dimensions of the tensor a part is for."""
    if part is None or part is Ellipsis or part.__class__ is bool:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == np.bool_ else 1


def _position(position: int, dim: int, shape: tuple[int, ...]) -> int:
    if dim >= len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    if not -shape[dim] <= position < shape[dim]:
        raise IndexError(f"index {position} is out of bounds for dimension {dim} with size {shape[dim]}")
    return position


def _positive(part: slice, size: int) -> slice:
    """Return a slice with bounds that lie within ``size``.

    Raises:
        ValueError: its step is not above 0.
    """
    if part.step is not None and operator.index(part.step) < 1:
        raise ValueError(f"slice step must be greater than zero, got {part.step}; use .flip(dim) to turn the order")
    start, stop, step = part.indices(size)
    return ALL if (start, stop, step) == (0, size, 1) else slice(start, max(start, stop), step)


def _checked(arrays: list, shape: list[int]) -> list:
    """Return the index arrays of a view of sizes ``shape``, in range.

    Raises:
        IndexError: they do not broadcast together, or an index is out of range.
    """
    try:
        joint = _joint_sizes(arrays)
    except ValueError:
        listed = ", ".join(str(list(sizes)) for sizes in _sizes_of(arrays))
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {listed}"
        ) from None
    if 0 in joint:  # nothing is picked, so that no index is looked at
        nothing = np.zeros(joint, dtype=np.int64)
        return [other for part in arrays for other in ([ALL] if part is ALL else [nothing] * _width(part))]
    empty = 0 in picked_sizes(tuple(arrays), tuple(shape))
    dim = 0
    for place, part in enumerate(arrays):
        if part is ALL or part.dtype == np.bool_:
            dim += 1 if part is ALL else part.ndim
            continue
        if empty and shape[dim]:
            arrays[place] = np.zeros_like(part)
        low, high = arrays[place].min(), arrays[place].max()
        if low < -shape[dim] or high >= shape[dim]:
            wrong = high if high >= shape[dim] else low
            raise IndexError(f"index {wrong} is out of bounds for dimension {dim} with size {shape[dim]}")
        dim += 1
    return arrays


def _sizes_of(arrays: Any) -> list[tuple[int, ...]]:
    """Return the sizes of the index arrays; a mask is one dimension of what it picks."""
    parts = [part for part in arrays if part is not ALL]
    return [(int(np.count_nonzero(part)),) if part.dtype == np.bool_ else part.shape for part in parts]


def _joint_sizes(arrays: Any) -> tuple[int, ...]:
    sizes = _sizes_of(arrays)
    return sizes[0] if len(sizes) == 1 else np.broadcast_shapes(*sizes)


def picked_sizes(arrays: tuple, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of what the second part of a split index picks of a tensor of sizes ``shape``."""
    places = [place for place, part in enumerate(arrays) if part is not ALL]
    kept: list[Any] = []
    source = 0
    for place, part in enumerate(arrays):
        if part is ALL:
            kept.append(shape[source])
            source += 1
        else:
            source += _width(part)
            if place == places[0]:
                kept.append(None)  # where the arrays' own dimensions go, if no slice stands between them
    beside = places[-1] - places[0] + 1 == len(places)
    at = kept.index(None) if beside else 0
    kept = [size for size in kept if size is not None]
    return (*kept[:at], *_joint_sizes(arrays), *kept[at:], *shape[source:])
