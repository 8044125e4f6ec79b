"""Normalisation: batch and layer norm, with what their gradients need as extra results."""

from __future__ import annotations

import math

from dovetail.errors import ShapeError
from dovetail.op import Sample, op
from dovetail.ops.elementwise import rsqrt


def _statistics(xp, x, axes, eps):
    mean = xp.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    return mean, centred, 1.0 / xp.sqrt(xp.mean(centred * centred, axis=axes, keepdims=True) + eps)


def _normalise_grad(xp, grad, x, weight, mean, rstd, axes):
    """Return the gradients of ``(x - mean) * rstd`` scaled by ``weight``: for x, and the normalised x."""
    normal = (x - mean) * rstd
    scaled = grad if weight is None else grad * weight
    centre = xp.mean(scaled, axis=axes, keepdims=True)
    slope = xp.mean(scaled * normal, axis=axes, keepdims=True)
    return (scaled - centre - normal * slope) * rstd, normal


def _composed_grad(grad, x, weight, axes, eps, weight_axes):
    """Return the same, in differentiable ops, for second derivatives."""
    mean = x.mean(axes, keepdim=True)
    centred = x - mean
    rstd = rsqrt((centred * centred).mean(axes, keepdim=True) + eps)
    normal = centred * rstd
    scaled = grad if weight is None else grad * weight
    inner = scaled - scaled.mean(axes, keepdim=True) - normal * (scaled * normal).mean(axes, keepdim=True)
    return inner * rstd, (grad * normal).sum(weight_axes), grad.sum(weight_axes)


# Batch norm: statistics of each channel over the batch and the planes


def _channel_axes(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim))


def _per_channel(xp, values, ndim):
    return None if values is None else xp.reshape(values, (1, -1) + (1,) * (ndim - 2))


@op(promote="match", outputs=("out", "mean", "rstd"), no_grad_outputs=("mean", "rstd"))
def batch_norm(xp, x, weight=None, bias=None, *, eps=1e-5):
    """Return x (N, C, ...) normalised over all but C, and each channel's mean and 1 / std; Ioffe, Szegedy, 2015."""
    mean, centred, rstd = _statistics(xp, x, _channel_axes(x.ndim), eps)
    scale = rstd if weight is None else rstd * _per_channel(xp, weight, x.ndim)
    out = centred * scale
    if bias is not None:
        out = out + _per_channel(xp, bias, x.ndim)
    return out, xp.reshape(mean, (-1,)), xp.reshape(rstd, (-1,))


@op(promote=None, outputs=("x_grad", "weight_grad", "bias_grad"))
def batch_norm_backward(xp, grad, x, weight=None, mean=None, rstd=None, *, eps):
    """Return the gradients of ``batch_norm`` for its three inputs."""
    mean, rstd, weight = (_per_channel(xp, values, x.ndim) for values in (mean, rstd, weight))
    axes = _channel_axes(x.ndim)
    x_grad, normal = _normalise_grad(xp, grad, x, weight, mean, rstd, axes)
    return x_grad, xp.sum(grad * normal, axis=axes), xp.sum(grad, axis=axes)


def _batch_norm_composed(grad, x, weight, mean, rstd, eps):
    axes = _channel_axes(x.ndim)
    scale = None if weight is None else weight.reshape(1, -1, *(1,) * (x.ndim - 2))
    return _composed_grad(grad, x, scale, axes, eps, axes)


batch_norm.vjp_all(lambda g, x, weight, mean, rstd, eps: batch_norm_backward(g[0], x, weight, mean, rstd, eps))
batch_norm_backward.no_vjp("mean", "rstd")
batch_norm_backward.vjp_of(_batch_norm_composed)
batch_norm.sample(
    lambda make: [Sample(make(3, 2, 2, 3), make(2), make(2)), Sample(make(4, 3), None, None), Sample(make(4, 2, 3))]
)
batch_norm_backward.sample(
    lambda make: [
        Sample(*_with_statistics(make(3, 2, 2), make(3, 2, 2), make(2), (0, 2)), eps=1e-5),
        Sample(*_with_statistics(make(4, 3), make(4, 3), None, (0,)), eps=1e-5),
    ]
)


def _with_statistics(grad, x, weight, axes, keepdims=False):
    """Return the inputs of a backward op with the statistics that really belong to ``x``."""
    return grad, x, weight, x.mean(axes, keepdims=keepdims), 1 / (x.var(axes, keepdims=keepdims) + 1e-5) ** 0.5


@batch_norm.checked_by
def _batch_norm_sizes(x, weight, bias, eps):
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: takes an input (N, C, ...), got sizes {tuple(x.shape)}")
    if math.prod(x.shape) == x.shape[1]:
        raise ShapeError(
            f"batch_norm: expected more than 1 value per channel when training, got input size {tuple(x.shape)}; "
            "use a larger batch (drop_last=True), or .eval()"
        )
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None and tuple(values.shape) != (x.shape[1],):
            raise ShapeError(f"batch_norm: {name} has sizes {tuple(values.shape)}, the input {x.shape[1]} channels")


# Layer norm: statistics of each sample over its last dimensions


@op(promote="match", outputs=("out", "mean", "rstd"), no_grad_outputs=("mean", "rstd"))
def layer_norm(xp, x, weight=None, bias=None, *, dims, eps=1e-5):
    """Return x normalised over its last ``dims`` dimensions, with their mean and 1 / std; Ba, Kiros, Hinton, 2016."""
    mean, centred, rstd = _statistics(xp, x, tuple(range(x.ndim - dims, x.ndim)), eps)
    out = centred * rstd
    if weight is not None:
        out = out * weight
    return (out if bias is None else out + bias), mean, rstd


@op(promote=None, outputs=("x_grad", "weight_grad", "bias_grad"))
def layer_norm_backward(xp, grad, x, weight=None, mean=None, rstd=None, *, dims, eps):
    """Return the gradients of ``layer_norm`` for its three inputs."""
    x_grad, normal = _normalise_grad(xp, grad, x, weight, mean, rstd, tuple(range(x.ndim - dims, x.ndim)))
    outer = tuple(range(x.ndim - dims))
    return x_grad, xp.sum(grad * normal, axis=outer), xp.sum(grad, axis=outer)


def _layer_norm_composed(grad, x, weight, mean, rstd, dims, eps):
    outer = tuple(range(x.ndim - dims))
    x_grad, weight_grad, bias_grad = _composed_grad(grad, x, weight, tuple(range(x.ndim - dims, x.ndim)), eps, outer)
    return x_grad, weight_grad, bias_grad


layer_norm.vjp_all(
    lambda g, x, weight, mean, rstd, dims, eps: layer_norm_backward(g[0], x, weight, mean, rstd, dims, eps)
)
layer_norm_backward.no_vjp("mean", "rstd")
layer_norm_backward.vjp_of(_layer_norm_composed)
layer_norm.sample(
    lambda make: [
        Sample(make(3, 4), make(4), make(4), dims=1),
        Sample(make(2, 3, 2), make(3, 2), make(3, 2), dims=2),
        Sample(make(3, 4), None, None, dims=1),
    ]
)
layer_norm_backward.sample(
    lambda make: [Sample(*_with_statistics(make(3, 4), make(3, 4), make(4), (1,), keepdims=True), dims=1, eps=1e-5)]
)


@layer_norm.checked_by
def _layer_norm_sizes(x, weight, bias, dims, eps):
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None and tuple(values.shape) != tuple(x.shape[x.ndim - dims :]):
            raise ShapeError(
                f"layer_norm: {name} has sizes {tuple(values.shape)}, the input's last {dims} dimensions are "
                f"{tuple(x.shape[x.ndim - dims :])}"
            )
