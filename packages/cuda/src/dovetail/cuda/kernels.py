"""Kernels where CuPy does better than the reference, or does not do what NumPy does.

CuPy adds with atomics where the reference multiplies by a one-hot matrix, and it wraps indices that are out of range
where NumPy raises, so that those are checked here.
"""

from __future__ import annotations

import math
from typing import Any

from dovetail.ops.index import positions_of

#: What CUDA's atomic addition takes; other dtypes are added in one of these.
ATOMIC = frozenset({"float16", "float32", "float64", "int32", "uint32", "uint64"})


def add_at(xp: Any, shape: tuple[int, ...], places: tuple, values: Any) -> Any:
    """Return zeros of ``shape`` to which ``values`` are added at ``places``; equal places add up."""
    dtype = values.dtype
    if dtype.kind == "c":
        real, imaginary = (add_at(xp, shape, places, part) for part in (values.real, values.imag))
        return (real + 1j * imaginary).astype(dtype)
    if dtype.name == "int64":
        # two's complement: the sum of the same bits without their sign
        return add_at(xp, shape, places, values.view(xp.uint64)).view(xp.int64)
    if dtype.name not in ATOMIC:
        return add_at(xp, shape, places, values.astype(xp.int32)).astype(dtype)
    out = xp.zeros(shape, dtype=dtype)
    xp.add.at(out, places, values)
    return out


def untake(xp: Any, g: Any, *, index: Any, shape: Any) -> Any:
    """Return zeros of ``shape`` to which ``g`` is added at ``index``."""
    positions = xp.asarray(positions_of(index, tuple(shape)).reshape(-1))
    return add_at(xp, (math.prod(shape),), (positions,), g.reshape(-1)).reshape(tuple(shape))


def put_add(xp: Any, x: Any, value: Any, *, index: Any) -> Any:
    """Return ``x`` with ``value`` added at ``index``; what is picked twice gets both."""
    if x.dtype.kind == "b":
        return NotImplemented
    positions = positions_of(index, x.shape)
    values = xp.broadcast_to(value, positions.shape).reshape(-1)
    return x + add_at(xp, (x.size,), (xp.asarray(positions.reshape(-1)),), values).reshape(x.shape)


def embedding_backward(xp: Any, g: Any, indices: Any, *, count: int, padding_idx: int | None = None) -> Any:
    """Return the gradient of an embedding's weight of ``count`` rows."""
    flat = indices.reshape(-1)
    rows = g.reshape(-1, g.shape[-1])
    if padding_idx is not None:
        rows = xp.where((flat != padding_idx)[:, None], rows, xp.zeros((), dtype=rows.dtype))
    return add_at(xp, (count, g.shape[-1]), (flat,), rows)


def scatter_add(xp: Any, x: Any, index: Any, src: Any, *, dim: int) -> Any:
    """Return ``x`` with ``src`` added along ``dim`` at the places that ``index`` names.

    Raises:
        IndexError: an index is out of range.
    """
    if x.ndim == 0:
        return x + src
    _check_range("scatter_add", index, x, dim)
    own = xp.indices(index.shape, sparse=True)
    places = tuple(index if axis == dim % x.ndim else own[axis] for axis in range(x.ndim))
    return x + add_at(xp, x.shape, places, src[tuple(slice(0, size) for size in index.shape)])


def gather(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    """Check the indices, then leave the work to the reference kernel.

    Raises:
        IndexError: an index is out of range.
    """
    _check_range("gather", index, x, dim)
    return NotImplemented


def index_select(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    """Check the indices, then leave the work to the reference kernel.

    Raises:
        IndexError: an index is out of range.
    """
    _check_range("index_select", index, x, dim)
    return NotImplemented


def _check_range(name: str, index: Any, x: Any, dim: int) -> None:
    if not index.size or not x.ndim:
        return
    low, high, size = int(index.min()), int(index.max()), x.shape[dim]
    if low < 0 or high >= size:
        wrong = low if low < 0 else high
        raise IndexError(f"{name}: index {wrong} is out of range; dimension {dim} has size {size}")


KERNELS = {
    kernel.__name__: kernel for kernel in (untake, put_add, embedding_backward, scatter_add, gather, index_select)
}
