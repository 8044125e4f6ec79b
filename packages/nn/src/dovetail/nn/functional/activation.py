"""Activations, softmax and dropout."""

from __future__ import annotations

import warnings
from typing import Any

import dovetail
from dovetail import Tensor, ops


def sigmoid(input: Tensor) -> Tensor:
    """Return ``1 / (1 + exp(-input))``; any shape.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.sigmoid(dovetail.zeros(1))
        tensor([0.5000])
    """
    return ops.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent; any shape.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.tanh(dovetail.zeros(1))
        tensor([0.])
    """
    return ops.tanh(input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return the input times the normal distribution's probability below it; any shape.

    Args:
        input: any shape, floating-point.
        approximate: "none" for the exact function, "tanh" for its approximation.

    Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016).

    Raises:
        ValueError: ``approximate`` is another word.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.gelu(dovetail.tensor([0.0, 2.0]))
        tensor([0.0000, 1.9545])
    """
    return ops.gelu(input, approximate=approximate)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return the input where it is positive, else 0; any shape.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.relu(dovetail.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    return input.relu_() if inplace else ops.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return the input where it is positive, else ``negative_slope`` times it; any shape.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.leaky_relu(dovetail.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.5000,  2.0000])
    """
    if inplace:
        return input.copy_(ops.leaky_relu(_kept(input), negative_slope=negative_slope))
    return ops.leaky_relu(input, negative_slope=negative_slope)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``input * sigmoid(input)``; any shape.

    Source: Elfwing et al., "Sigmoid-weighted linear units for neural network function approximation" (2017).

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.silu(dovetail.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """
    return input.copy_(ops.silu(_kept(input))) if inplace else ops.silu(input)


def _kept(input: Tensor) -> Tensor:
    """Return what a gradient rule may keep of an input that is then written to."""
    return input.clone() if input.requires_grad else input


def _softmax_dim(name: str, input: Tensor, dim: int | None) -> int:
    if dim is not None:
        return dim
    chosen = 0 if input.ndim in (0, 1, 3) else 1
    warnings.warn(f"{name} without dim guesses dim={chosen} from the number of dimensions; pass dim", stacklevel=3)
    return chosen


def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return the exponentials along ``dim`` divided by their sum; any shape.

    Args:
        input: the scores.
        dim: the dimension that sums to 1; leaving it out is deprecated and warns.
        dtype: what to convert the input to first.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.softmax(dovetail.zeros(2, 4), dim=1)[0]
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    dim = _softmax_dim("softmax", input, dim)
    return ops.softmax(input if dtype is None else input.to(dtype), dim=dim)


def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return the logarithm of the softmax along ``dim``, without overflow; any shape.

    Args:
        input: the scores.
        dim: the dimension whose exponentials sum to 1; leaving it out is deprecated and warns.
        dtype: what to convert the input to first.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.log_softmax(dovetail.zeros(1, 2), dim=1)
        tensor([[-0.6931, -0.6931]])
    """
    dim = _softmax_dim("log_softmax", input, dim)
    return ops.log_softmax(input if dtype is None else input.to(dtype), dim=dim)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return a tensor with one more dimension that holds a 1 at each class index and 0 elsewhere.

    Args:
        tensor: class indices, int64, any shape.
        num_classes: the new dimension's size; -1 means one more than the largest index.

    Returns:
        int64, shape (*, num_classes).

    Raises:
        DTypeError: the indices are not integers.
        ValueError: an index is negative or not below ``num_classes``.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.one_hot(dovetail.tensor([0, 2]), 3)
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    if tensor.dtype != dovetail.int64:
        from dovetail.errors import DTypeError

        raise DTypeError(f"one_hot takes class indices of dtype int64; got {tensor.dtype}; convert with .long()")
    bounds = tensor._device.backend.bounds
    lowest, highest = bounds(tensor._array) if tensor.numel() else (0, num_classes - 1)
    size = highest + 1 if num_classes == -1 else num_classes
    if lowest < 0 or highest >= size:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(f"one_hot: index {wrong} is out of range; with num_classes={size} allowed are 0 to {size - 1}")
    classes = dovetail.arange(size, device=tensor.device)
    return (tensor.unsqueeze(-1) == classes).long()
