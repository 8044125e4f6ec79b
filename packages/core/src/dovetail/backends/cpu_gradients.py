"""Gradients of the usual layers on bare NumPy arrays: the numbers of the ops' rules, in one function for each op.

Each is a function of a node and the gradient that came back. None passes a case on to the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.backends.cpu_kernels import relu_backward
from dovetail.backends.cpu_softmax import INT64, log_softmax_backward, plain_slope, softmax_backward


class PassedError(Exception):
    """A case that the rules are to take."""


def array_of(value: Any, node: Any, slot: int, g: Any) -> Any:
    """Return the array of a tensor that a node saved: unchanged since, and of the dtype of ``g``."""
    alias, array = value._alias, value._array
    if alias is not None and alias.version != (0 if node.versions is None else node.versions[slot]):
        raise PassedError
    if array.dtype is not g.dtype:
        raise PassedError
    return array


def linear(node: Any, g: Any) -> Any:
    if g.ndim != 2:
        return None
    edge_x, edge_weight, edge_bias = node.edges
    weight, x, _, _ = node.saved
    return (
        None if edge_x is None else g.dot(array_of(weight, node, 0, g)),
        None if edge_weight is None else g.T.dot(array_of(x, node, 1, g)),
        None if edge_bias is None else np.add.reduce(g, 0),
    )


def matmul(node: Any, g: Any) -> Any:
    if g.ndim != 2:
        return None
    y = None if node.first is None else array_of(node.saved_first, node, 0, g)
    x = None if node.second is None else array_of(node.saved_second, node, 1, g)
    if (y is not None and y.ndim != 2) or (x is not None and x.ndim != 2):
        return None
    return None if y is None else g.dot(y.T), None if x is None else x.T.dot(g)


def relu(node: Any, g: Any) -> Any:
    return (relu_backward(g, array_of(node.saved_first, node, 0, g)),)


def cross_entropy(node: Any, g: Any) -> Any:
    logits, log_probabilities, target, weight, _, label_smoothing, reduction = node.saved
    if weight is not None or label_smoothing or target._alias is not None or logits.ndim != 2:
        return None
    classes, g = target._array, g[0]
    if classes.dtype is not INT64 or not classes.size or classes[classes.argmin()] < 0:  # some ignored
        return None
    return plain_slope(g, array_of(log_probabilities, node, 1, g), classes, reduction), None, None


def softmax(node: Any, g: Any) -> Any:
    out, dim = node.saved
    found = softmax_backward(np, g, array_of(out, node, 0, g), dim=dim)
    return None if found is NotImplemented else (found,)


def log_softmax(node: Any, g: Any) -> Any:
    out, dim = node.saved
    found = log_softmax_backward(np, g, array_of(out, node, 0, g), dim=dim)
    return None if found is NotImplemented else (found,)


def sum(node: Any, g: Any) -> Any:
    """Show one number at each element, without a copy."""
    shape = node.saved[0]
    return (np.ndarray(shape, g.dtype, np.asarray(g), 0, (0,) * len(shape)),) if g.ndim == 0 else None


#: By op: the function, and the ops whose kernels it stands for.
GRADIENTS: dict[str, tuple[Callable[[Any, Any], Any], tuple[str, ...]]] = {
    "linear": (linear, ("matmul", "linear_weight", "sum")),
    "matmul": (matmul, ("matmul",)),
    "relu": (relu, ("relu_backward",)),
    "cross_entropy": (cross_entropy, ("cross_entropy_backward",)),
    "softmax": (softmax, ("softmax_backward",)),
    "log_softmax": (log_softmax, ("log_softmax_backward",)),
    "sum": (sum, ("expand",)),
}
