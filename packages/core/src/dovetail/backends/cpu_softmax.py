"""Softmax and cross entropy along the rows of a matrix.

NumPy finds the largest of each of many short rows slowly; here short rows are turned into columns first, and of long
ones the largest is found by its place. Sums of rows are products with ones, which BLAS has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from dovetail.backends.cpu_halves import in_float32
from dovetail.backends.cpu_index import Direct

REMEMBERED = 4096  # up to how many numbers are kept for the next call
SHORT = 32  # up to how many elements a row is turned into a column
INT64, UINT64 = np.dtype(np.int64), np.dtype(np.uint64)


def in_rows(x: Any, dim: int) -> Any:
    """Return a matrix whose rows go along ``dim``, on the memory of ``x``; None where it is not that easy."""
    if dim not in (-1, x.ndim - 1) or not x.ndim or not x.size or x.dtype.char not in "fd" or not x.flags.c_contiguous:
        return None
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def sums_of(rows: Any) -> Any:
    """Return the sum of each row, as a column."""
    return rows.dot(ones_of(rows.shape[1], rows.dtype))[:, None]


def largest_of(rows: Any) -> Any:
    """Return the largest of each row, as a column; nan where there is one."""
    return rows[row_numbers(len(rows)), rows.argmax(1)][:, None]


def ones_of(count: int, dtype: Any) -> np.ndarray:
    """Return as many ones; not to be written to."""
    return _few_ones(count, dtype) if count <= REMEMBERED else np.ones(count, dtype)


def row_numbers(count: int) -> np.ndarray:
    """Return 0 to ``count`` - 1; not to be written to."""
    return _few_row_numbers(count) if count <= REMEMBERED else np.arange(count)


_few_ones, _few_row_numbers = lru_cache(maxsize=16)(np.ones), lru_cache(maxsize=16)(np.arange)


def softmax_rows(rows: Any) -> Any:
    """Return the softmax of each row."""
    if rows.shape[1] <= SHORT:
        columns = np.array(rows.T, order="C")
        columns -= np.maximum.reduce(columns, 0)
        np.exp(columns, columns)
        columns /= np.add.reduce(columns, 0)
        return np.ascontiguousarray(columns.T)
    out = rows - largest_of(rows)
    np.exp(out, out)
    out /= sums_of(out)
    return out


def log_softmax_rows(rows: Any) -> Any:
    """Return the logarithm of the softmax of each row."""
    if rows.shape[1] <= SHORT:
        columns = np.array(rows.T, order="C")
        columns -= np.maximum.reduce(columns, 0)
        columns -= np.log(np.add.reduce(np.exp(columns), 0))
        return np.ascontiguousarray(columns.T)
    out = rows - largest_of(rows)
    out -= np.log(sums_of(np.exp(out)))
    return out


def softmax(xp: Any, x: Any, *, dim: int) -> Any:
    rows = in_rows(x, dim)
    return NotImplemented if rows is None else softmax_rows(rows).reshape(x.shape)


def log_softmax(xp: Any, x: Any, *, dim: int) -> Any:
    rows = in_rows(x, dim)
    return NotImplemented if rows is None else log_softmax_rows(rows).reshape(x.shape)


def softmax_backward(xp: Any, grad: Any, out: Any, *, dim: int) -> Any:
    chances, rows = in_rows(out, dim), in_rows(grad, dim)
    if rows is None or chances is None:
        return NotImplemented
    slope = chances * rows
    slope -= chances * sums_of(slope)
    return slope.reshape(grad.shape)


def log_softmax_backward(xp: Any, grad: Any, out: Any, *, dim: int) -> Any:
    logarithms, rows = in_rows(out, dim), in_rows(grad, dim)
    if rows is None or logarithms is None:
        return NotImplemented
    slope = np.exp(logarithms)
    slope *= sums_of(rows)
    return np.subtract(rows, slope, slope).reshape(grad.shape)


# Cross entropy of plain class indices


def _reference(name: str, *arrays: Any, **options: Any) -> Any:
    """Return what an op's reference kernel gives, run as it would be without a kernel here."""
    from dovetail.backends.cpu import quietly
    from dovetail.op import OPS

    return quietly(in_float32(OPS[name].kernel))(*arrays, **options)


def _plain(logits: Any, target: Any, weight: Any, label_smoothing: float, ignore_index: int) -> bool:
    """Return whether every target is a class and counts as one, seen in one pass: negative ones are large unsigned."""
    return (
        weight is None
        and not label_smoothing
        and ignore_index < 0
        and logits.ndim == 2
        and logits.dtype.char in "fd"
        and target.dtype is INT64
        and target.size > 0
        and target.view(UINT64)[target.view(UINT64).argmax()] < logits.shape[1]
    )


def cross_entropy(
    logits: Any, target: Any, weight: Any = None, *, ignore_index: int, label_smoothing: float, reduction: str
) -> Any:
    if not _plain(logits, target, weight, label_smoothing, ignore_index):
        return _reference(
            "cross_entropy", logits, target, weight, ignore_index=ignore_index, label_smoothing=label_smoothing,
            reduction=reduction,
        )  # fmt: skip
    log_probabilities = log_softmax_rows(logits)
    each = log_probabilities[row_numbers(len(target)), target]
    if reduction == "none":
        return np.negative(each), log_probabilities
    total = -np.add.reduce(each)
    return total / len(target) if reduction == "mean" else total, log_probabilities


def cross_entropy_backward(
    grad: Any, logits: Any, log_probabilities: Any, target: Any, weight: Any = None, *, ignore_index: int,
    label_smoothing: float, reduction: str,
) -> Any:  # fmt: skip
    if not _plain(logits, target, weight, label_smoothing, ignore_index):
        return _reference(
            "cross_entropy_backward", grad, logits, log_probabilities, target, weight, ignore_index=ignore_index,
            label_smoothing=label_smoothing, reduction=reduction,
        )  # fmt: skip
    return plain_slope(grad, log_probabilities, target, reduction)


def plain_slope(grad: Any, log_probabilities: Any, target: Any, reduction: str) -> Any:
    """Return the gradient of cross entropy for the logits, where every target is a class and counts as one."""
    slope = np.exp(log_probabilities)
    slope[row_numbers(len(target)), target] -= 1
    slope *= grad[:, None] if reduction == "none" else grad / len(target) if reduction == "mean" else grad
    return slope


SOFTMAX_KERNELS: dict[str, Callable[..., Any]] = {
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softmax_backward": softmax_backward,
    "log_softmax_backward": log_softmax_backward,
    "cross_entropy": Direct(cross_entropy),
    "cross_entropy_backward": Direct(cross_entropy_backward),
}
