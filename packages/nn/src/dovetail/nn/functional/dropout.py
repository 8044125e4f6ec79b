"""Dropout: of single values and of whole channels, to zero and so that self-normalizing networks stay normal.

The masks are PyTorch's after the same ``manual_seed``.
"""

from __future__ import annotations

import math
import warnings

import dovetail
from dovetail import Tensor, ops
from dovetail.creation_random import kept_scale, mask_like
from dovetail.errors import DTypeError, ShapeError

_ALPHA = 1.7580993408473766  # SELU's scale times its alpha: what the negative side of SELU tends to


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return the input with each value set to 0 with probability ``p`` and the others divided by ``1 - p``.

    Args:
        input: any shape, floating-point.
        p: the probability of a zero, in [0, 1].
        training: whether to do anything at all.
        inplace: whether the input itself is changed.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).

    Raises:
        ValueError: ``p`` is not in [0, 1].
        DTypeError: the input is not floating-point.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.dropout(dovetail.ones(3), p=0.5, training=False)
        tensor([1., 1., 1.])
    """
    return _scaled(input, p, training, inplace, channels=False)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return the input, (N, C, L) or (C, L), with whole channels set to 0; see `dropout`.

    Source: Tompson et al., "Efficient object localization using convolutional networks" (2015).

    Raises:
        ValueError: ``p`` is not in [0, 1]. ShapeError: the input has neither 2 nor 3 dimensions.
    """
    check_probability(p)
    if input.ndim not in (2, 3):
        raise ShapeError(f"dropout1d takes (N, C, L) or (C, L); got sizes {tuple(input.shape)}")
    return _of_batch(input, p, training, inplace, batched=input.ndim == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return the input, (N, C, H, W), with whole channels set to 0; see `dropout1d`.

    Three dimensions are taken as (N, C, L), with a warning.

    Raises:
        ValueError: ``p`` is not in [0, 1]. ShapeError: the input has fewer than 2 dimensions.
    """
    check_probability(p)
    if input.ndim == 3:
        warnings.warn("dropout2d: 3 dimensions are taken as (N, C, L); use dropout1d for these", stacklevel=2)
    elif input.ndim != 4:
        warnings.warn(f"dropout2d takes (N, C, H, W); got {input.ndim} dimensions; use dropout for these", stacklevel=2)
    return _scaled(input, p, training, inplace, channels=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return the input, (N, C, D, H, W) or (C, D, H, W), with whole channels set to 0; see `dropout1d`.

    Raises:
        ValueError: ``p`` is not in [0, 1]. ShapeError: the input has no dimension.
    """
    check_probability(p)
    if input.ndim not in (4, 5):
        warnings.warn(
            f"dropout3d takes (N, C, D, H, W) or (C, D, H, W); got {input.ndim} dimensions; use dropout for these",
            stacklevel=2,
        )
    return _of_batch(input, p, training, inplace, batched=input.ndim == 5)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Return the input with values set to SELU's lowest with probability ``p``, its mean and variance kept.

    Args:
        input: any shape, floating-point, of mean 0 and variance 1.
        p: the probability, in [0, 1].
        training: whether to do anything at all.
        inplace: whether the input itself is changed.

    Source: Klambauer et al., "Self-normalizing neural networks" (2017).

    Raises:
        ValueError: ``p`` is not in [0, 1]. DTypeError: the input is not floating-point.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.alpha_dropout(dovetail.ones(2))
        tensor([1., 1.])
    """
    return _normal_kept(input, p, training, inplace, channels=False)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Return the input, (N, C, *), with whole channels set to SELU's lowest value; see `alpha_dropout`.

    Raises:
        ValueError: ``p`` is not in [0, 1]. DTypeError: the input is not floating-point.
        ShapeError: the input has fewer than 2 dimensions.
    """
    return _normal_kept(input, p, training, inplace, channels=True)


def check_probability(p: float) -> None:
    """Raise a ValueError unless ``p`` is a probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout's p is a probability, from 0 to 1; got {p}")


def _of_batch(input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    if batched:
        return _scaled(input, p, training, inplace, channels=True)
    out = _scaled(input.unsqueeze(0), p, training, inplace, channels=True)
    return input if inplace else out.squeeze(0)


def _left_as_it_is(input: Tensor, p: float, training: bool) -> bool:
    check_probability(p)
    return not training or p == 0 or input.numel() == 0


def _mask(input: Tensor, p: float, channels: bool) -> Tensor:
    """Return true where the input, or a channel of it, is kept."""
    if not input.is_floating_point():
        raise DTypeError(f"dropout takes floating-point numbers; got {input.dtype}; convert with .float()")
    if not channels:
        return mask_like(input, 1 - p)
    if input.ndim < 2:
        raise ShapeError(f"dropout of channels takes 2 or more dimensions, (N, C, *); got sizes {tuple(input.shape)}")
    shape = (*input.shape[:2], *[1] * (input.ndim - 2))
    return dovetail.empty(shape, dtype=dovetail.bool, device=input.device).bernoulli_(1 - p)


def _nothing_left(input: Tensor, inplace: bool) -> Tensor:
    zero = dovetail.zeros((), dtype=input.dtype, device=input.device)
    return input.mul_(zero) if inplace else input * zero


def _scaled(input: Tensor, p: float, training: bool, inplace: bool, channels: bool) -> Tensor:
    if _left_as_it_is(input, p, training):
        return input
    if p == 1:
        return _nothing_left(input, inplace)
    out = ops.masked_scale(input, _mask(input, p, channels), scale=kept_scale(1 - p, input.dtype))
    return input.copy_(out) if inplace else out


def _normal_kept(input: Tensor, p: float, training: bool, inplace: bool, channels: bool) -> Tensor:
    if _left_as_it_is(input, p, training):
        return input
    if p == 1:
        return _nothing_left(input, inplace)
    with dovetail.no_grad():
        kept = _mask(input, p, channels).to(input.dtype)
        factor = 1 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
        summand = kept.sub(1).mul_(_ALPHA * factor).add_(_ALPHA * factor * p)
        kept.mul_(factor)
    return input.mul_(kept).add_(summand) if inplace else input * kept + summand
