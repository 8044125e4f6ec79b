"""Losses that deserve a kernel of their own: cross entropy with class indices."""

from __future__ import annotations

import math

from dovetail.errors import DTypeError, ShapeError
from dovetail.op import Sample, op
from dovetail.ops.activation import softmax
from dovetail.ops.elementwise import where


def _class_weights(xp, logits, target, weight, ignore_index):
    """Return each position's weight as (N, 1, ...): that of its class, 0 where the target is to be ignored."""
    counted = xp.astype(target != ignore_index, logits.dtype)
    if weight is not None:
        safe = xp.where(target == ignore_index, xp.zeros_like(target), target)
        counted = counted * xp.reshape(xp.take(weight, xp.reshape(safe, (-1,)), axis=0), target.shape)
    return xp.expand_dims(counted, axis=1)


def expect_classes(xp, target, classes, ignore_index):
    """Raise IndexError unless every target is below ``classes`` or to be ignored."""
    counted = xp.where(target == ignore_index, xp.zeros_like(target), target)
    if not math.prod(counted.shape):
        return
    low, high = int(xp.min(counted)), int(xp.max(counted))
    if low < 0 or high >= classes:
        raise IndexError(
            f"cross_entropy: target {high if high >= classes else low} is out of bounds; there are {classes} classes, "
            f"0 to {classes - 1}, and ignore_index={ignore_index}"
        )


def _one_hot(xp, logits, target):
    """Return (N, C, ...) with 1 at each position's class; all 0 where the target is no class."""
    classes = xp.reshape(xp.arange(logits.shape[1]), (1, -1) + (1,) * (target.ndim - 1))
    return xp.astype(xp.expand_dims(target, axis=1) == classes, logits.dtype)


def _target_share(xp, logits, target, weight, ignore_index, label_smoothing):
    """Return how much each log-probability counts, negated in the loss: (N, C, ...)."""
    share = _one_hot(xp, logits, target) * (1.0 - label_smoothing)
    share = share * _class_weights(xp, logits, target, weight, ignore_index)
    if label_smoothing:
        spread = xp.astype(xp.expand_dims(target != ignore_index, axis=1), logits.dtype)
        if weight is not None:
            spread = spread * xp.reshape(weight, (1, -1) + (1,) * (target.ndim - 1))
        share = share + spread * (label_smoothing / logits.shape[1])
    return share


@op(promote=None, outputs=("out", "log_probabilities"), no_grad_outputs=("log_probabilities",))
def cross_entropy(xp, logits, target, weight=None, *, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    """Return the negative log-probability of each target class, and the log-probabilities.

    Args:
        logits: (N, C, ...) scores; target: (N, ...) int64 classes; weight: (C) or None.
        ignore_index, label_smoothing, reduction: as for ``torch.nn.functional.cross_entropy``.
    """
    expect_classes(xp, target, logits.shape[1], ignore_index)
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    log_probabilities = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
    share = _target_share(xp, logits, target, weight, ignore_index, label_smoothing)
    # where nothing counts, not even an infinite log-probability does
    each = -xp.sum(xp.where(share == 0, xp.zeros_like(share), share * log_probabilities), axis=1)
    if reduction == "none":
        return each, log_probabilities
    total = xp.sum(each)
    if reduction == "mean":
        total = total / xp.sum(_class_weights(xp, logits, target, weight, ignore_index))
    return total, log_probabilities


@op(promote=None)
def cross_entropy_backward(
    xp, grad, logits, log_probabilities, target, weight=None, *, ignore_index, label_smoothing, reduction
):
    """Return the gradient of ``cross_entropy`` for the logits."""
    share = _target_share(xp, logits, target, weight, ignore_index, label_smoothing)
    slope = xp.exp(log_probabilities) * xp.sum(share, axis=1, keepdims=True) - share
    if reduction == "mean":
        grad = grad / xp.sum(_class_weights(xp, logits, target, weight, ignore_index))
    return slope * (xp.expand_dims(grad, axis=1) if reduction == "none" else grad)


cross_entropy.no_vjp("target", "weight")
cross_entropy.vjp(
    logits=lambda g, logits, log_probabilities, target, weight, ignore_index, label_smoothing, reduction: (
        cross_entropy_backward(
            g[0], logits, log_probabilities, target, weight, ignore_index, label_smoothing, reduction
        )
    )
)


def _scale(target, weight, ignore_index, reduction, label_smoothing, logits):
    """Return what the softmax's slope is multiplied by at each position, apart from the incoming gradient."""
    kept = (target != ignore_index).to(logits.dtype)
    each = kept if weight is None else kept * weight[where(target == ignore_index, 0, target)]
    total = each
    if label_smoothing:
        smooth = kept * label_smoothing if weight is None else kept * (weight.sum() * (label_smoothing / len(weight)))
        total = each * (1 - label_smoothing) + smooth
    return (total / each.sum() if reduction == "mean" else total).unsqueeze(1)


def _second_logits(g, grad, logits, target, weight, ignore_index, label_smoothing, reduction):
    """The slope is softmax times a constant minus a constant: differentiate the softmax."""
    probabilities = softmax(logits, 1)
    spread = grad.unsqueeze(1) if reduction == "none" else grad
    weighted = g * spread * _scale(target, weight, ignore_index, reduction, label_smoothing, logits)
    return probabilities * (weighted - (weighted * probabilities).sum(1, keepdim=True))


def _second_grad(g, grad_shape, logits, log_probabilities, target, weight, ignore_index, label_smoothing, reduction):
    unit = logits.new_ones(grad_shape)
    slope = cross_entropy_backward(
        unit, logits, log_probabilities, target, weight, ignore_index, label_smoothing, reduction
    )
    return (g * slope).sum(1) if reduction == "none" else (g * slope).sum()


cross_entropy_backward.no_vjp("log_probabilities", "target", "weight")
cross_entropy_backward.vjp(grad=_second_grad, logits=_second_logits)


def _samples(make):
    return [
        Sample(make(4, 3), make.integers(4, high=3)),
        Sample(make(4, 3), make.constant([0, -100, 2, 1]), make(3, low=0.5, high=1.5), label_smoothing=0.1),
        Sample(make(2, 3, 2), make.integers(2, 2, high=3), reduction="none"),
        Sample(make(4, 3), make.integers(4, high=3), None, reduction="sum"),
    ]


cross_entropy.sample(_samples)


def _backward_samples(make):
    import numpy as np

    found = []
    for sample in _samples(make):
        logits, target = sample.inputs[:2]
        options = {"ignore_index": -100, "label_smoothing": 0.0, "reduction": "mean", **sample.options}
        grad = make(*target.shape) if options["reduction"] == "none" else make()
        log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        found.append(Sample(grad, logits, log_probabilities, target, *sample.inputs[2:], **options))
    return found


cross_entropy_backward.sample(_backward_samples)


@cross_entropy.checked_by
def _targets_in_range(logits, target, weight, ignore_index, label_smoothing, reduction):
    rows, count = logits._array.shape, target._array.shape
    if len(rows) == 2 and count == rows[:1] and weight is None and reduction == "mean" and target.dtype.category == 1:
        return
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    if target.dtype.category != 1:
        raise DTypeError(f"cross_entropy: targets are classes, of an integer dtype, got {target.dtype}; use .long()")
    sizes, given = tuple(logits._array.shape), tuple(target._array.shape)
    wanted = (sizes[0], *sizes[2:]) if len(sizes) > 1 else None
    if given != wanted:
        raise ShapeError(
            f"cross_entropy: logits of sizes {sizes}, (N, C, ...), take targets of sizes {wanted}, got {given}"
        )
    classes = sizes[1]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ShapeError(
            f"cross_entropy: weight needs one number for each of {classes} classes, got {tuple(weight.shape)}"
        )
