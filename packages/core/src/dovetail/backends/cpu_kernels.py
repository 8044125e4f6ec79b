"""Kernels that are faster on NumPy arrays than the reference kernels, and give the same numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy import asarray

from dovetail.backends.cpu_index import INDEX_KERNELS, Direct, add_rows
from dovetail.backends.cpu_softmax import SOFTMAX_KERNELS
from dovetail.ops.compare import refuse_order

#: Elements that the optimizer updates work on at a time, so that what they need stays in a core's cache.
BLOCK = 65536


ZEROS = {np.dtype(code): np.zeros((), code) for code in "efd"}


def zero_like(x: Any) -> Any:
    """Return 0 of an array's dtype: NumPy takes twice as long to compare with Python's."""
    zero = ZEROS.get(x.dtype)
    return np.zeros((), x.dtype) if zero is None else zero


def relu(x: Any) -> Any:
    """Compare scalars in Python, which takes a tenth of what a ufunc does."""
    if x.__class__ is np.ndarray:
        return np.maximum(x, zero_like(x))
    return x if x > 0 or x != x else x.dtype.type(0)


def round(x: Any) -> Any:
    return x.copy() if x.dtype.kind in "iu" else np.rint(x)


def relu_backward(g: Any, out: Any) -> Any:
    return g * (out > zero_like(out))


def matmul(x: Any, y: Any) -> Any:
    """Multiply two matrices without the search for batches."""
    if x.ndim == 2 == y.ndim and x.dtype.kind != "V":
        return x.dot(y)
    out = np.matmul(x, y)
    return out if out.dtype is x.dtype else out.astype(x.dtype)  # of bfloat16 NumPy makes float32


def _dtype(x: Any, y: Any) -> Any:
    """Return the dtype of the one of two operands that is an array, or the first of both."""
    return x.dtype if hasattr(x, "dtype") else y.dtype


def pow(xp: Any, x: Any, y: Any) -> Any:
    """Take the usual exponents without the general power, as NumPy does for its Python numbers."""
    if _dtype(x, y).kind in "iu":
        return NotImplemented
    if getattr(y, "ndim", 0) == 0 and not isinstance(x, (int, float, complex)):
        if y == 2:
            return x * x
        if y == 0.5 and x.dtype.kind == "f":
            return np.sqrt(x)
        if y == 3:
            return x * x * x
        if y == -1 and x.dtype.kind == "f":
            return 1.0 / x
    return x**y


def floor_divide(xp: Any, x: Any, y: Any) -> Any:
    """Divide at once where no integer is divided by 0; the reference kernel says what is wrong."""
    return x // y if _divides(x, y) else NotImplemented


def remainder(xp: Any, x: Any, y: Any) -> Any:
    """As ``floor_divide``."""
    return x % y if _divides(x, y) else NotImplemented


def _divides(x: Any, y: Any) -> bool:
    kind = _dtype(x, y).kind
    return kind in "fV" or (kind in "iu" and bool(y if y.__class__ is int else y.all()))


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Add the bias in place."""
    out = matmul(x, weight.T if weight.ndim == 2 else weight)
    if bias is not None:
        out = out + bias if out.ndim == 0 else np.add(out, bias, out=out)
    return out


def linear_weight(grad: Any, x: Any) -> Any:
    """Multiply two matrices without the search for batches."""
    if grad.ndim != 2:
        grad, x = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
    return matmul(grad.T, x)


def where(xp: Any, condition: Any, x: Any, y: Any) -> Any:
    """Make numbers arrays of the other's dtype, which NumPy does not for bfloat16."""
    if y.__class__ is float and hasattr(x, "dtype"):
        y = np.asarray(y, x.dtype)
    elif x.__class__ is float and hasattr(y, "dtype"):
        x = np.asarray(x, y.dtype)
    return np.where(condition, x, y)


def sum(x: Any, *, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """Add halves up in float32, as PyTorch does; bfloat16 would stop counting at 256."""
    kind, narrow = x.dtype.kind, False
    if dtype is None and (kind != "f" or x.dtype.itemsize == 2):
        narrow = kind in "fV"
        dtype = np.float32 if narrow else np.int64 if kind in "bui" else None
    if isinstance(dim, (tuple, list)):
        dim = (tuple(dim) if x.ndim or not {*dim} <= {0, -1} else None) or None
    total = add_reduce(x, dim, dtype, None, keepdim)
    return total.astype(x.dtype) if narrow else total


def mean(x: Any, *, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """Divide the sum; NumPy's function does the same in Python, at five times the cost."""
    narrow = dtype is None and x.dtype.itemsize == 2
    total = sum(x, dim=dim, keepdim=keepdim, dtype=np.float32 if narrow else dtype)
    out = total / asarray(x.size / total.size if x.size else math.nan if total.size else 1, total.dtype)
    return out.astype(x.dtype) if narrow else out


add_reduce: Any = np.add.reduce


# Complex numbers and their parts, on the same memory


def view_as_real(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return NotImplemented
    return x[..., None].view(x.real.dtype)


def view_as_complex(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "f" or x.itemsize < 4 or not x.ndim or x.shape[-1] != 2 or x.strides[-1] != x.itemsize:
        return NotImplemented
    return x.view("c8" if x.itemsize == 4 else "c16")[..., 0]


# Embedding


def embedding_backward(xp: Any, g: Any, indices: Any, *, count: int, padding_idx: int | None = None) -> Any:
    out = np.zeros((count, g.shape[-1]), dtype=g.dtype)
    add_rows(out, indices.reshape(-1), g.reshape(-1, g.shape[-1]))
    if padding_idx is not None:
        out[padding_idx] = 0
    return out


# Optimizer updates, in place and block by block


def _blocks(*arrays: Any) -> Iterable[tuple]:
    """Return flat pieces of arrays of one shape; small ones, and any not in order in memory, come whole."""
    first = arrays[0]
    if first.ndim > 0 and first.size <= BLOCK:
        return (arrays,)
    if not all(array is None or array.flags.c_contiguous for array in arrays):
        return (arrays,)
    flat = [None if array is None else array.reshape(-1) for array in arrays]
    return [
        tuple([None if array is None else array[start : start + BLOCK] for array in flat])
        for start in range(0, first.size, BLOCK)
    ]


def sgd_step(
    parameter: Any, gradient: Any, momentum_buffer: Any = None, *, lr: float, momentum: float,
    dampening: float, weight_decay: float, nesterov: bool, maximize: bool, first: bool,
) -> Any:  # fmt: skip
    for p, g, buffer in _blocks(parameter, gradient, momentum_buffer):
        step = np.negative(g) if maximize else g
        if weight_decay:
            step = step + weight_decay * p
        if buffer is not None:
            if first:
                np.copyto(buffer, step)
            else:
                buffer *= momentum
                buffer += step if dampening == 0 else (1 - dampening) * step
            step = step + momentum * buffer if nesterov else buffer
        p -= lr * step
    return parameter, momentum_buffer


def adam_step(
    parameter: Any, gradient: Any, average: Any, square_average: Any, largest: Any = None, *, step: int,
    lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, decoupled: bool, maximize: bool,
) -> Any:  # fmt: skip
    # sqrt(v) / c + eps is (sqrt(v) + eps * c) / c: the correction of v moves into two numbers
    correction = math.sqrt(1 - beta2**step)
    size, eps = lr * correction / (1 - beta1**step), eps * correction
    for p, g, m, v, top in _blocks(parameter, gradient, average, square_average, largest):
        if maximize:
            g = np.negative(g)
        if weight_decay and decoupled:
            p *= 1 - lr * weight_decay
        elif weight_decay:
            g = g + weight_decay * p
        scratch = g * (1 - beta1)
        m *= beta1
        m += scratch
        np.multiply(g, g, out=scratch)
        scratch *= 1 - beta2
        v *= beta2
        v += scratch
        if top is not None:
            np.maximum(top, v, out=top)
        np.sqrt(v if top is None else top, out=scratch)
        scratch += eps
        np.divide(m, scratch, out=scratch)
        scratch *= size
        p -= scratch
    return parameter, average, square_average, largest


# Comparisons that need an order, which complex numbers do not have


def _ordering(name: str, function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def ordered(x: Any, y: Any) -> Any:
        if _dtype(x, y).kind == "c":
            refuse_order(name)
        return function(x, y)

    return ordered


_ORDERED: dict[str, Any] = {
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "maximum": np.maximum,
    "minimum": np.minimum,
}  # fmt: skip

_DIRECT: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "neg": operator.neg,
    "abs": operator.abs, "eq": operator.eq, "ne": operator.ne,
    "bitwise_and": operator.and_, "bitwise_or": operator.or_, "bitwise_xor": operator.xor,
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
    "log2": np.log2, "log10": np.log10, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": round, "square": np.square, "isnan": np.isnan,
    "isinf": np.isinf, "isfinite": np.isfinite, "relu": relu, "relu_backward": relu_backward, "matmul": matmul,
    "linear": linear, "linear_weight": linear_weight, "sum": sum, "mean": mean, "sgd_step": sgd_step,
    "adam_step": adam_step,
}  # fmt: skip
_DIRECT |= {name: _ordering(name, function) for name, function in _ORDERED.items()}

KERNELS: dict[str, Callable[..., Any]] = {name: Direct(function) for name, function in _DIRECT.items()} | {
    kernel.__name__: kernel
    for kernel in (
        embedding_backward, floor_divide, pow, remainder, view_as_complex, view_as_real, where,
    )
} | INDEX_KERNELS | SOFTMAX_KERNELS  # fmt: skip
