"""Clipping gradients, and parameters as one flat vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

import dovetail
from dovetail import Tensor
from dovetail.errors import ShapeError


def _listed(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Return the norm of all tensors taken as one vector, 0-dimensional.

    Raises:
        RuntimeError: ``error_if_nonfinite`` is set and the norm is not finite.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import utils
        >>> utils.get_total_norm([dovetail.tensor([3.0]), dovetail.tensor([4.0])])
        tensor(5.)
    """
    tensors = _listed(tensors)
    if not tensors:
        return dovetail.tensor(0.0)
    if math.isinf(norm_type):
        total = dovetail.stack([tensor.abs().max() for tensor in tensors]).max()
    else:
        norms = [(tensor.abs() ** norm_type).sum() ** (1.0 / norm_type) for tensor in tensors]
        total = (dovetail.stack(norms) ** norm_type).sum() ** (1.0 / norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"the gradients' norm of order {norm_type} is {total.item()}; look for an overflow or a division by zero, "
            "or pass error_if_nonfinite=False to go on"
        )
    return total


def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor) -> None:
    """Scale the gradients by ``max_norm / total_norm`` where that is below 1, in place."""
    grads = [parameter.grad for parameter in _listed(parameters) if parameter.grad is not None]
    factor = float(max_norm) / (total_norm + 1e-6)
    with dovetail.no_grad():
        scale = factor.clamp(max=1.0)
        for grad in grads:
            grad.mul_(scale)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale the gradients, in place, so that the norm of all of them as one vector is at most ``max_norm``.

    Args:
        parameters: tensors whose ``grad`` is clipped; those without one are passed over.
        max_norm: the largest norm allowed.
        norm_type: the order of the norm; ``float("inf")`` is the largest absolute value.
        error_if_nonfinite: whether a norm that is not finite is an error.

    Returns:
        The norm before clipping, 0-dimensional.

    Raises:
        RuntimeError: ``error_if_nonfinite`` is set and the norm is not finite.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> weight = nn.Parameter(dovetail.tensor([3.0, 4.0]))
        >>> (weight * weight).sum().backward()
        >>> nn.utils.clip_grad_norm_([weight], 1.0)
        tensor(10.)
        >>> weight.grad
        tensor([0.6000, 0.8000])
    """
    parameters = _listed(parameters)
    with dovetail.no_grad():
        grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
        total = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every gradient's values to [-clip_value, clip_value], in place."""
    limit = float(clip_value)
    with dovetail.no_grad():
        for parameter in _listed(parameters):
            if parameter.grad is not None:
                parameter.grad.clamp_(-limit, limit)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all parameters' values one after another, shape (total,).

    Example::

        >>> from dovetail import nn
        >>> tuple(nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape)
        (8,)
    """
    return dovetail.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy consecutive pieces of a vector, shape (total,), into the parameters, in order.

    Raises:
        TypeError: ``vec`` is not a tensor.
        ShapeError: the vector is not as long as the parameters together.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters takes a Tensor; got {type(vec).__name__}")
    parameters = list(parameters)
    total = sum(parameter.numel() for parameter in parameters)
    if vec.numel() != total:
        raise ShapeError(f"the vector has {vec.numel()} values and the parameters {total}; they must agree")
    start = 0
    with dovetail.no_grad():
        for parameter in parameters:
            parameter.copy_(vec[start : start + parameter.numel()].reshape(parameter.shape))
            start += parameter.numel()
