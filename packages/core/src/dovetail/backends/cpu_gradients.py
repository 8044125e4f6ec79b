"""Gradients of the usual layers on bare NumPy arrays: the numbers of the ops' rules, in one function for each op.

Each is a function of a node's edges (None where no gradient is needed), the gradient that came back, and the saved
values in the order of ``op.kept``. None passes a case on to the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.backends import cpu_kernels


class Passed(Exception):
    """A case that the rules are to take."""


def array_of(value: Any, g: Any) -> Any:
    """Return a saved tensor's array: unchanged since it was saved, and of the dtype of ``g``."""
    alias, array = value._alias, value._array
    if (alias is not None and alias.version) or array.dtype is not g.dtype:
        raise Passed
    return array


def linear(edges: tuple, g: Any, saved: Any) -> Any:
    if g.ndim != 2:
        return None
    weight, x, _ = saved
    edge_x, edge_weight, edge_bias = edges
    return (
        None if edge_x is None else g.dot(array_of(weight, g)),
        None if edge_weight is None else g.T.dot(array_of(x, g)),
        None if edge_bias is None else np.add.reduce(g, 0),
    )


def matmul(edges: tuple, g: Any, saved: Any) -> Any:
    if g.ndim != 2:
        return None
    y, x = saved
    edge_x, edge_y = edges
    y = None if edge_x is None else array_of(y, g)
    x = None if edge_y is None else array_of(x, g)
    if (y is not None and y.ndim != 2) or (x is not None and x.ndim != 2):
        return None
    return None if y is None else g.dot(y.T), None if x is None else x.T.dot(g)


def relu(edges: tuple, g: Any, saved: Any) -> Any:
    return (g * (array_of(saved[0], g) > 0),)


def cross_entropy(edges: tuple, g: Any, saved: Any) -> Any:
    logits, log_probabilities, target, weight, ignore_index, label_smoothing, reduction = saved
    (g, _), target_alias = g, target._alias
    if weight is not None or (target_alias is not None and target_alias.version):
        return None
    slope = cpu_kernels.cross_entropy_backward(
        np, g, array_of(logits, g), array_of(log_probabilities, g), target._array, None, ignore_index=ignore_index,
        label_smoothing=label_smoothing, reduction=reduction,
    )  # fmt: skip
    return None if slope is NotImplemented else (slope, None, None)


def sum(edges: tuple, g: Any, saved: Any) -> Any:
    """Show one number at each element, without a copy."""
    shape = saved[0]
    return (np.ndarray(shape, g.dtype, np.asarray(g), 0, (0,) * len(shape)),) if g.ndim == 0 else None


#: By op: the function, and the ops whose kernels it stands for.
GRADIENTS: dict[str, tuple[Callable[[tuple, Any, Any], Any], tuple[str, ...]]] = {
    "linear": (linear, ("matmul", "linear_weight", "sum")),
    "matmul": (matmul, ("matmul",)),
    "relu": (relu, ("relu_backward",)),
    "cross_entropy": (cross_entropy, ("cross_entropy_backward",)),
    "sum": (sum, ("expand",)),
}
