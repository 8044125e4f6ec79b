"""Kernels that are faster on NumPy arrays than the reference kernels, and give the same numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

#: Elements that the optimizer updates work on at a time, so that what they need stays in a core's cache.
BLOCK = 65536


class Direct:
    """A kernel that is just a function of two arrays, takes every case and hardly ever overflows."""

    complete = True

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function = function

    def __call__(self, xp: Any, x: Any, y: Any) -> Any:
        return self.function(x, y)


def pow(xp: Any, x: Any, y: Any) -> Any:
    """Take the usual exponents without the general power, as NumPy does for its Python numbers."""
    if np.ndim(y) == 0 and not isinstance(x, (int, float)):
        if y == 2:
            return x * x
        if y == 0.5 and x.dtype.kind == "f":
            return np.sqrt(x)
        if y == 3:
            return x * x * x
        if y == -1 and x.dtype.kind == "f":
            return 1.0 / x
    return x**y


def linear(xp: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """Add the bias in place."""
    if weight.ndim != 2:
        return NotImplemented
    out = x @ weight.T
    if bias is not None and out.ndim:
        out += bias
    return out


def where(xp: Any, condition: Any, x: Any, y: Any) -> Any:
    """Make numbers arrays of the other's dtype, which NumPy does not for bfloat16."""
    if y.__class__ is float and hasattr(x, "dtype"):
        y = np.asarray(y, x.dtype)
    elif x.__class__ is float and hasattr(y, "dtype"):
        x = np.asarray(x, y.dtype)
    return np.where(condition, x, y)


def sum(xp: Any, x: Any, *, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """Add bfloat16 up in float32; eight bits would stop counting at 256."""
    kind = x.dtype.kind
    if dtype is None and kind != "f":
        dtype = np.float32 if kind == "V" else np.int64 if kind in "bui" else None
    if isinstance(dim, (tuple, list)):
        dim = (tuple(dim) if x.ndim or not {*dim} <= {0, -1} else None) or None
    reduce: Any = np.add.reduce
    return reduce(x, axis=dim, dtype=dtype, keepdims=keepdim)


def mean(xp: Any, x: Any, *, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """As ``sum``."""
    if x.dtype.kind != "V" or dtype is not None or not x.size:
        return NotImplemented
    return np.mean(x, axis=tuple(dim) or None if isinstance(dim, (tuple, list)) else dim, keepdims=keepdim, dtype="f4")


# Complex numbers and their parts, on the same memory


def view_as_real(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return NotImplemented
    return x[..., None].view(x.real.dtype)


def view_as_complex(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "f" or x.itemsize < 4 or not x.ndim or x.shape[-1] != 2 or x.strides[-1] != x.itemsize:
        return NotImplemented
    return x.view("c8" if x.itemsize == 4 else "c16")[..., 0]


# Scatter


def untake(xp: Any, g: Any, *, index: Any, shape: Any) -> Any:
    out = np.zeros(shape, dtype=g.dtype)
    np.add.at(out, index, g)
    return out


def take(xp: Any, x: Any, *, index: Any) -> Any:
    return x[index]


def put(xp: Any, x: Any, value: Any, *, index: Any) -> Any:
    out = x.copy()
    out[index] = value
    return out


def scatter_add(xp: Any, x: Any, index: Any, src: Any, *, dim: int) -> Any:
    out = x.copy()
    if not index.size:
        return out
    places = list(np.indices(index.shape, sparse=True))
    if not places:
        return out + src
    places[dim] = index
    np.add.at(out, tuple(places), src[tuple(slice(0, size) for size in index.shape)])
    return out


def embedding_backward(xp: Any, g: Any, indices: Any, *, count: int, padding_idx: int | None = None) -> Any:
    out = np.zeros((count, g.shape[-1]), dtype=g.dtype)
    np.add.at(out, indices.reshape(-1), g.reshape(-1, g.shape[-1]))
    if padding_idx is not None:
        out[padding_idx] = 0
    return out


# Cross entropy of plain class indices


def _plain(logits: Any, target: Any, weight: Any, label_smoothing: float, ignore_index: int) -> bool:
    """Return whether every target is a class and counts as one, seen in one pass: negative ones are large unsigned."""
    return (
        weight is None
        and not label_smoothing
        and ignore_index < 0
        and logits.ndim == 2
        and target.dtype == np.int64
        and target.size > 0
        and np.maximum.reduce(target.view(np.uint64)) < logits.shape[1]
    )


def cross_entropy(
    xp: Any, logits: Any, target: Any, weight: Any = None, *, ignore_index: int, label_smoothing: float, reduction: str
) -> Any:
    if not _plain(logits, target, weight, label_smoothing, ignore_index):
        return NotImplemented
    log_probabilities = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
    log_probabilities -= np.log(np.add.reduce(np.exp(log_probabilities), axis=1, keepdims=True))
    each = -log_probabilities[np.arange(len(target)), target]
    if reduction == "none":
        return each, log_probabilities
    total = np.add.reduce(each)
    return total / len(target) if reduction == "mean" else total, log_probabilities


def cross_entropy_backward(
    xp: Any, grad: Any, logits: Any, log_probabilities: Any, target: Any, weight: Any = None, *, ignore_index: int,
    label_smoothing: float, reduction: str,
) -> Any:  # fmt: skip
    if not _plain(logits, target, weight, label_smoothing, ignore_index):
        return NotImplemented
    slope = np.exp(log_probabilities)
    slope[np.arange(len(target)), target] -= 1
    slope *= grad[:, None] if reduction == "none" else grad / len(target) if reduction == "mean" else grad
    return slope


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
    xp: Any, parameter: Any, gradient: Any, momentum_buffer: Any = None, *, lr: float, momentum: float,
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
    xp: Any, parameter: Any, gradient: Any, average: Any, square_average: Any, largest: Any = None, *, step: int,
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


_DIRECT = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}

KERNELS: dict[str, Callable[..., Any]] = {name: Direct(function) for name, function in _DIRECT.items()} | {
    kernel.__name__: kernel
    for kernel in (
        adam_step, cross_entropy, cross_entropy_backward, embedding_backward, linear, mean, pow, put, scatter_add,
        sgd_step, sum, take, untake, view_as_complex, view_as_real, where,
    )
}  # fmt: skip
