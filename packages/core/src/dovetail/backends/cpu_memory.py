"""What NumPy allows and the array standard does not: views by strides, and results written where they belong."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

#: By op: what writes the result into the first array. The dispatcher has seen that dtypes agree.
UPDATES: dict[str, Callable[..., Any]] = {
    "add": operator.iadd, "sub": operator.isub, "mul": operator.imul, "div": operator.itruediv,
    "bitwise_and": operator.iand, "bitwise_or": operator.ior, "bitwise_xor": operator.ixor,
    "neg": np.negative, "abs": np.abs, "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
    "log2": np.log2, "log10": np.log10, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
    "relu": lambda x, out: np.maximum(x, np.zeros((), x.dtype), out),
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "square": np.square, "sign": np.sign,
}  # fmt: skip


def span_of(array: np.ndarray) -> tuple[int, int]:
    """Return the addresses at which a dense array begins and ends."""
    start = array.__array_interface__["data"][0]
    return start, start + array.nbytes


def steps_of(array: np.ndarray) -> list[tuple[int, int]]:
    """Return size and step in bytes of the dimensions that have more than one place."""
    return [(size, step) for size, step in zip(array.shape, array.strides, strict=True) if size != 1]


def is_dense(array: np.ndarray) -> bool:
    """Return whether the elements, in some order, lie side by side in memory, each once."""
    if array.flags.c_contiguous:
        return True
    expected = array.itemsize
    for size, step in sorted(steps_of(array), key=operator.itemgetter(1)):
        if step != expected:
            return False
        expected *= size
    return True


def memory_of(array: np.ndarray) -> tuple[np.ndarray, int] | None:
    """Return the bytes of the memory that an array is part of, and where in it the array begins; None where unknown."""
    root = array if array.base is None else array.base
    if type(root) is not np.ndarray or not is_dense(root):
        return None
    flat = root.ravel(order="K").view(np.uint8)
    return flat, array.__array_interface__["data"][0] - root.__array_interface__["data"][0]


def strided(array: np.ndarray, shape: Any, strides: Any, start: int = 0) -> np.ndarray | None:
    """Return the view of the memory of ``array`` with these sizes and steps in bytes, ``start`` bytes after its begin.

    None where the memory is not NumPy's own. NumPy's ``as_strided`` takes ten times as long.
    """
    memory = memory_of(array)
    if memory is None:
        return None
    flat, offset = memory
    if 0 in shape:
        strides, start = (0,) * len(shape), 0
    return np.ndarray(shape, array.dtype, flat, offset + start, strides)


def diagonal(xp: Any, x: Any, *, offset: int, dim1: int, dim2: int) -> Any:
    out = x.diagonal(offset, dim1, dim2)
    out.flags.writeable = x.flags.writeable
    return out


def unfold(xp: Any, x: Any, *, dimension: int, size: int, step: int) -> Any:
    if not x.ndim:
        return NotImplemented
    count = (x.shape[dimension] - size) // step + 1
    shape = (*x.shape[:dimension], count, *x.shape[dimension + 1 :], size)
    stride = x.strides[dimension]
    strides = (*x.strides[:dimension], stride * step, *x.strides[dimension + 1 :], stride)
    out = strided(x, shape, strides)
    return NotImplemented if out is None else out


def as_strided(xp: Any, x: Any, *, size: Any, stride: Any, start: int, layout: Any) -> Any:
    if tuple(step * x.itemsize for step in layout) != x.strides:
        return NotImplemented  # a gradient may have another order in memory than what it is the gradient of
    out = strided(x, tuple(size), tuple(step * x.itemsize for step in stride), start * x.itemsize)
    return NotImplemented if out is None else out


def diagonal_backward(xp: Any, g: Any, *, shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    out = np.zeros(shape, g.dtype)
    part = out.diagonal(offset, dim1, dim2)
    part.flags.writeable = True
    part[...] = g
    return out


def arranged(xp: Any, x: Any, *, order: tuple[int, ...]) -> Any:
    if not x.ndim:
        return x.copy()
    back = tuple([order.index(dim) for dim in range(len(order))])
    return np.array(x.transpose(order), order="C").transpose(back)


def clone(xp: Any, x: Any) -> Any:
    """Keep the order in memory; but NumPy would put repeated dimensions last."""
    return np.array(x, order="C" if 0 in x.strides else "K")


def cat(xp: Any, *tensors: Any, dim: int) -> Any:
    """Join in order: NumPy follows the inputs' memory, PyTorch only images' that have their channels last."""
    parts = [x for x in tensors if x.shape != (0,)] or tensors[:1]
    return _in_order(np.concatenate(parts, dim))


def stack(xp: Any, *tensors: Any, dim: int) -> Any:
    """As ``cat``."""
    return _in_order(np.stack(tensors, dim))


def _in_order(x: np.ndarray) -> np.ndarray:
    if x.flags.c_contiguous or (x.ndim in (4, 5) and np.moveaxis(x, 1, -1).flags.c_contiguous):
        return x
    return np.ascontiguousarray(x)


VIEW_KERNELS: dict[str, Callable[..., Any]] = {
    kernel.__name__: kernel for kernel in (arranged, as_strided, cat, clone, diagonal, diagonal_backward, stack, unfold)
}
