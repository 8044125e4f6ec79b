"""Losses; each takes ``reduction``: "mean", "sum" or "none"."""

from __future__ import annotations

import warnings

from dovetail import Tensor, ops
from dovetail.errors import DTypeError, ShapeError
from dovetail.modes.base import one_op_under_autocast
from dovetail.nn._explain import explain_labels

_REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction: str) -> None:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction is 'mean', 'sum' or 'none'; got {reduction!r}")


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    check_reduction(reduction)
    return loss.sum() if reduction == "sum" else loss


def _reduce_weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Reduce ``loss`` times ``weight``; the mean is over the weights' sum."""
    if weight is None:
        return _reduce(loss, reduction)
    if weight.shape != loss.shape:
        raise ShapeError(f"weight has shape {tuple(weight.shape)}, the loss {tuple(loss.shape)}; they must agree")
    check_reduction(reduction)
    total = loss * weight
    return total.sum() / weight.sum() if reduction == "mean" else _reduce(total, reduction)


def _warn_unless_same_shape(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        warnings.warn(
            f"{name}: the target has shape {tuple(target.shape)} and the input {tuple(input.shape)}; they are "
            "broadcast against each other, which is seldom meant: reshape one, for example target.unsqueeze(1)",
            UserWarning,
            stacklevel=3,
        )


@one_op_under_autocast
def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Return the squared differences, reduced.

    Args:
        input: any shape, floating-point.
        target: the same shape; another one is broadcast with a warning.
        reduction: "mean", "sum" or "none".
        weight: factors of the same shape; the mean is then over their sum.

    Raises:
        ValueError: ``reduction`` is not known.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.mse_loss(dovetail.tensor([1.0, 2.0]), dovetail.tensor([1.0, 4.0]))
        tensor(2.)
    """
    _warn_unless_same_shape("mse_loss", input, target)
    difference = input - target
    return _reduce_weighted(difference * difference, weight, reduction)


@one_op_under_autocast
def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Return the absolute differences, reduced; the arguments are those of `mse_loss`.

    Raises:
        ValueError: ``reduction`` is not known.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.l1_loss(dovetail.tensor([1.0, 2.0]), dovetail.tensor([1.0, 4.0]))
        tensor(1.)
    """
    _warn_unless_same_shape("l1_loss", input, target)
    return _reduce_weighted((input - target).abs(), weight, reduction)


@one_op_under_autocast
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross entropy between unnormalised scores and classes.

    Args:
        input: scores, floating-point, shape (C,), (N, C) or (N, C, d1, ...).
        target: class indices, int64, shaped as the input without C; or probabilities shaped as the input.
        weight: a factor per class, shape (C,).
        ignore_index: a class index that counts for nothing.
        reduction: "mean" (over the weights of the classes that count), "sum" or "none".
        label_smoothing: the share of the target spread evenly over all classes, in [0, 1].

    Raises:
        DTypeError: the target is of neither kind.
        ShapeError: shapes do not agree.
        IndexError: a class index is not below C.
        ValueError: ``reduction`` or ``label_smoothing`` is out of range.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.cross_entropy(dovetail.zeros(2, 4), dovetail.tensor([0, 3]))
        tensor(1.3863)
    """
    if reduction not in _REDUCTIONS:
        check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing is from 0 to 1; got {label_smoothing}")
    if target.is_floating_point():
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    options = {"ignore_index": ignore_index, "label_smoothing": label_smoothing, "reduction": reduction}
    try:
        if input.ndim == 1:
            loss = ops.cross_entropy(input.unsqueeze(0), target.unsqueeze(0), weight, **options)[0]
            return loss.squeeze(0) if reduction == "none" else loss
        return ops.cross_entropy(input, target, weight, **options)[0]
    except Exception as error:
        raise (explain_labels("cross_entropy", input, target, weight, ignore_index) or error) from None


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    """Return the cross entropy against class probabilities."""
    if target.shape != input.shape:
        raise (DTypeError if target.ndim + 1 == input.ndim else ShapeError)(
            f"cross_entropy: a floating-point target holds class probabilities and has the input's shape "
            f"{tuple(input.shape)}; got {target.dtype} of shape {tuple(target.shape)}; for class indices use .long()"
        )
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    terms = ops.log_softmax(input, dim) * target
    if weight is not None:
        terms = terms * weight.reshape([classes] + [1] * (input.ndim - dim - 1))
    loss = -terms.sum(dim)
    if reduction == "mean":
        return loss.sum() / (input.numel() / classes)
    return _reduce(loss, reduction)


@one_op_under_autocast
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the negative of the log-probabilities at the target classes.

    The arguments are those of `cross_entropy`, but the input holds log-probabilities, as `log_softmax` returns them.

    Raises:
        ShapeError, DTypeError, IndexError, ValueError: as `cross_entropy`.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.nll_loss(dovetail.tensor([[-0.1, -2.0]]), dovetail.tensor([0]))
        tensor(0.1000)
    """
    check_reduction(reduction)
    problem = explain_labels("nll_loss", input, target, weight, ignore_index)
    if problem:
        raise problem
    if input.ndim == 1:
        loss = nll_loss(input.unsqueeze(0), target.unsqueeze(0), weight, ignore_index=ignore_index, reduction=reduction)
        return loss.squeeze(0) if reduction == "none" else loss
    kept: Tensor = ops.ne(target, ignore_index)
    classes = ops.where(kept, target, target * 0)
    picked = -input.gather(1, classes.unsqueeze(1)).squeeze(1)
    factor = kept.to(input.dtype) if weight is None else weight[classes] * kept
    loss = picked * factor
    if reduction == "mean":
        return loss.sum() / factor.sum()
    return _reduce(loss, reduction)


def _check_same_shape(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: the target must have the input's shape {tuple(input.shape)}; got {tuple(target.shape)}; "
            "reshape one, for example target.unsqueeze(1)"
        )
    if not target.is_floating_point():
        raise DTypeError(f"{name}: the target holds probabilities, floating-point; got {target.dtype}; use .float()")


@one_op_under_autocast
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Return the cross entropy between probabilities and targets in [0, 1], each logarithm being at least -100.

    Args:
        input: probabilities, any shape, floating-point.
        target: the same shape.
        weight: factors that broadcast to that shape.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError, DTypeError: the target is not like the input.
        ValueError: ``reduction`` is not known.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.binary_cross_entropy(dovetail.tensor([0.5]), dovetail.tensor([1.0]))
        tensor(0.6931)
    """
    _check_same_shape("binary_cross_entropy", input, target)
    loss = (target - 1) * (1 - input).log().clamp(min=-100) - target * input.log().clamp(min=-100)
    return _reduce(loss if weight is None else loss * weight, reduction)


@one_op_under_autocast
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Return the cross entropy between ``sigmoid(input)`` and targets in [0, 1], without overflow.

    Args:
        input: scores, any shape, floating-point.
        target: the same shape.
        weight: factors that broadcast to that shape.
        reduction: "mean", "sum" or "none".
        pos_weight: factors of the positive targets that broadcast to that shape.

    Raises:
        ShapeError, DTypeError: the target is not like the input.
        ValueError: ``reduction`` is not known.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.binary_cross_entropy_with_logits(dovetail.tensor([0.0]), dovetail.tensor([1.0]))
        tensor(0.6931)
    """
    _check_same_shape("binary_cross_entropy_with_logits", input, target)
    # log(1 + exp(-x)), written so that exp never overflows
    softened = (-input).clamp(min=0) + ((-input.abs()).exp() + 1).log()
    factor = 1 if pos_weight is None else (pos_weight - 1) * target + 1
    loss = (1 - target) * input + softened * factor
    return _reduce(loss if weight is None else loss * weight, reduction)
