"""Batch norm and layer norm."""

from __future__ import annotations

from collections.abc import Sequence

import dovetail
from dovetail import Tensor, ops
from dovetail.errors import ShapeError
from dovetail.modes.base import one_op_under_autocast


@one_op_under_autocast
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return each feature less its mean, divided by its standard deviation, scaled and shifted.

    Args:
        input: shape (N, C, ...).
        running_mean: shape (C,); changed in place when ``training``.
        running_var: shape (C,); changed in place when ``training``.
        weight: the scale, shape (C,).
        bias: the shift, shape (C,).
        training: whether to take the batch's own mean and variance rather than the running ones.
        momentum: how much of the running ones the batch's replace.
        eps: added to the variance.

    Returns:
        The input's shape.

    Source: Ioffe and Szegedy, "Batch normalization" (2015).

    Raises:
        ShapeError: ``training`` with one value per feature, or shapes that do not fit.
        ValueError: not ``training`` without running statistics.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.batch_norm(dovetail.tensor([[0.0], [2.0]]), None, None, training=True, eps=0.0)
        tensor([[-1.],
                [ 1.]])
    """
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm without training=True needs running_mean and running_var; got None")
        return _normalised(input, running_mean, running_var, weight, bias, eps)
    out, mean, rstd = ops.batch_norm(input, weight, bias, eps=eps)
    if running_mean is not None and running_var is not None:
        count = input.numel() // input.shape[1]
        with dovetail.no_grad():
            # the running variance is the unbiased one, the variance that normalises is not
            variance = (1.0 / (rstd * rstd) - eps) * (count / (count - 1))
            running_mean.mul_(1 - momentum).add_(mean * momentum)
            running_var.mul_(1 - momentum).add_(variance * momentum)
    return out


def _normalised(
    input: Tensor, mean: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Return the input normalised by statistics that do not depend on it."""
    scale = (variance + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    shape = (1, -1, *(1,) * (input.ndim - 2))
    return input * scale.reshape(shape) + shift.reshape(shape)


@one_op_under_autocast
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return each sample less its mean over the last dimensions, divided by its standard deviation, scaled and shifted.

    Args:
        input: shape (*, *normalized_shape).
        normalized_shape: the last dimensions.
        weight: the scale, of that shape.
        bias: the shift, of that shape.
        eps: added to the variance.

    Returns:
        The input's shape.

    Source: Ba et al., "Layer normalization" (2016).

    Raises:
        ShapeError: the input does not end in ``normalized_shape``.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.layer_norm(dovetail.tensor([0.0, 2.0]), (2,), eps=0.0)
        tensor([-1.,  1.])
    """
    wanted = tuple(normalized_shape)
    if not wanted or tuple(input.shape[-len(wanted) :]) != wanted:
        ends = ", ".join(map(str, wanted))
        raise ShapeError(
            f"LayerNorm with normalized_shape={wanted} takes an input of shape (..., {ends}); got {tuple(input.shape)}"
        )
    return ops.layer_norm(input, weight, bias, dims=len(wanted), eps=eps)[0]
