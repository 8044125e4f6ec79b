"""Rules for products, layers and losses: the batch is folded into a dimension that the op treats apart anyway."""

from __future__ import annotations

from typing import Any

from dovetail import ops
from dovetail.func.batched import BatchedArray, aligned, physical
from dovetail.func.rules import rule
from dovetail.op import Op
from dovetail.ranges import arange
from dovetail.tensor import Tensor

# Products


@rule("matmul")
def _matmul(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    x, y = arrays
    first, second = len(x.shape), len(y.shape)
    if not y.batched and (second <= 2 or first == 1):
        if first == 1 and second > 2:
            return op.call(x.tensor.reshape(size, *(1,) * (second - 2), 1, x.shape[0]), y.tensor).squeeze(-2)
        return op.call(x.tensor, y.tensor)
    left = x.tensor.unsqueeze(-2) if first == 1 else x.tensor
    right = y.tensor.unsqueeze(-1) if second == 1 else y.tensor
    ndim = max(first, second, 2)
    left = aligned(BatchedArray(left, x.batched), ndim)
    right = aligned(BatchedArray(right, y.batched), ndim)
    out = op.call(left, right)
    if first == 1:
        out = out.squeeze(-2)
    return out.squeeze(-1) if second == 1 else out


@rule("linear")
def _linear(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    x, weight, bias = (*arrays, None)[:3]
    if len(weight.shape) != 2:
        return NotImplemented
    same = bias is None or not bias.batched
    if not weight.batched:
        out = op.call(x.tensor, weight.tensor, bias.tensor if same and bias is not None else None)
        return out if same else out + aligned(bias, len(x.shape))
    turned = BatchedArray(weight.tensor.transpose(-1, -2), True)
    out = _matmul(ops.matmul.definition, size, (x, turned), {})
    return out if bias is None else out + aligned(bias, len(x.shape))


@rule("linear_weight")
def _linear_weight(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    grad, x = (physical(value, size).reshape(size, _count(value.shape[:-1]), value.shape[-1]) for value in arrays)
    return ops.matmul(grad.transpose(1, 2), x)


def _count(sizes: tuple[int, ...]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


@rule("outer")
def _outer(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    return arrays[0].tensor.unsqueeze(-1) * arrays[1].tensor.unsqueeze(-2)


# Planes: a batch joins the samples (N) where weights are shared, and the channels (C) where each sample has its own


def _into_rows(value: Any, size: int) -> Any:
    """Return (N, ...) of each sample as one tensor (batch * N, ...)."""
    tensor = physical(value, size)
    return tensor.reshape(size * value.shape[0], *value.shape[1:])


def _out_of_rows(tensor: Tensor, size: int) -> Tensor:
    return tensor.reshape(size, tensor.shape[0] // (size or 1), *tensor.shape[1:])


def _into_channels(value: Any, size: int) -> Any:
    """Return (N, C, ...) of each sample as one tensor (N, batch * C, ...)."""
    tensor = physical(value, size).transpose(0, 1)
    return tensor.reshape(value.shape[0], size * value.shape[1], *value.shape[2:])


def _out_of_channels(tensor: Tensor, size: int) -> Tensor:
    shape = tensor.shape
    return tensor.reshape(shape[0], size, shape[1] // (size or 1), *shape[2:]).transpose(0, 1)


@rule("conv2d")
def _conv2d(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    x, weight, bias = (*arrays, None)[:3]
    if not weight.batched:
        same = bias is None or not bias.batched
        rows = _into_rows(x, size) if x.batched else x.tensor
        out = op.call(rows, weight.tensor, bias.tensor if same and bias is not None else None, **options)
        out = _out_of_rows(out, size) if x.batched else out.unsqueeze(0)
        return out if same else out + bias.tensor.reshape(size, 1, -1, 1, 1)
    options = {**options, "groups": options["groups"] * size}
    given = None if bias is None else physical(bias, size).reshape(-1)
    return _out_of_channels(op.call(_into_channels(x, size), _into_rows(weight, size), given, **options), size)


@rule("conv2d_input")
def _conv2d_input(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    grad, weight = arrays
    n, c, *planes = options["shape"]
    if not weight.batched:
        return _out_of_rows(
            op.call(_into_rows(grad, size), weight.tensor, **{**options, "shape": (size * n, c, *planes)}), size
        )
    options = {**options, "shape": (n, size * c, *planes), "groups": options["groups"] * size}
    return _out_of_channels(op.call(_into_channels(grad, size), _into_rows(weight, size), **options), size)


@rule("conv2d_weight")
def _conv2d_weight(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    grad, x = (_into_channels(value, size) for value in arrays)
    o, *rest = options["shape"]
    options = {**options, "shape": (size * o, *rest), "groups": options["groups"] * size}
    return _out_of_rows(op.call(grad, x, **options), size)


@rule("max_pool2d", "max_unpool2d_grad", "max_pool2d_pick", "avg_pool2d", "avg_pool2d_input")
def _pool(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    if "shape" in options:
        options = {**options, "shape": (size * options["shape"][0], *options["shape"][1:])}
    found = op.call(*[_into_rows(value, size) for value in arrays], **options)
    if isinstance(found, tuple):
        return tuple([_out_of_rows(part, size) for part in found])
    return _out_of_rows(found, size)


# Normalisation


@rule("batch_norm", "batch_norm_backward")
def _batch_norm(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    inputs = [
        None if value is None else _into_channels(value, size) if len(value.shape) > 1 else _into_rows(value, size)
        for value in arrays
    ]
    first, *rest = op.call(*inputs, **options)
    return (_out_of_channels(first, size), *[part.reshape(size, -1) for part in rest])


@rule("layer_norm")
def _layer_norm(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    x, weight, bias = (*arrays, None, None)[:3]
    tensor = physical(x, size)
    if not any(value is not None and value.batched for value in (weight, bias)):
        return op.call(tensor, *[None if value is None else value.tensor for value in (weight, bias)], **options)
    out, mean, rstd = op.call(tensor, None, None, **options)
    if weight is not None:
        out = out * aligned(weight, len(x.shape))
    return (out if bias is None else out + aligned(bias, len(x.shape))), mean, rstd


@rule("layer_norm_backward")
def _layer_norm_backward(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    grad, x, mean, rstd = (physical(arrays[place], size) for place in (0, 1, 3, 4))
    weight, ndim = arrays[2], len(arrays[1].shape)
    scaled = grad if weight is None else grad * aligned(weight, ndim)
    x_grad = op.call(scaled, x, None, mean, rstd, **options)[0]
    outer = tuple(range(1, 1 + ndim - options["dims"]))
    weight_grad, bias_grad = grad * ((x - mean) * rstd), grad
    if outer:
        weight_grad, bias_grad = weight_grad.sum(outer), bias_grad.sum(outer)
    return x_grad, weight_grad, bias_grad


# Classes


def _offset(indices: Any, size: int, count: int) -> Tensor:
    """Return indices into the rows of all samples, of which each has ``count``."""
    tensor = physical(indices, size)
    start = arange(size, dtype=tensor.dtype, device=tensor.device) * count
    return tensor + start.reshape(size, *(1,) * len(indices.shape))


@rule("embedding")
def _embedding(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    weight, indices = arrays
    if not weight.batched:
        return op.call(weight.tensor, indices.tensor, **options)
    return op.call(_into_rows(weight, size), _offset(indices, size, weight.shape[0]))


@rule("embedding_backward")
def _embedding_backward(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    g, indices = arrays
    count, padding = options["count"], options["padding_idx"]
    rows = physical(g, size)
    if padding is not None:
        rows = ops.where((physical(indices, size) == padding).unsqueeze(-1), 0.0, rows)
    return _out_of_rows(op.call(rows, _offset(indices, size, count), count=size * count), size)


def _reduced(each: Tensor, arrays: tuple, size: int, options: dict[str, Any]) -> Tensor:
    """Return each sample's sum or mean of its positions' losses (batch, N, ...)."""
    if options["reduction"] == "none":
        return each
    total = each.reshape(size, -1).sum(1)
    return total if options["reduction"] == "sum" else total / _weight_sum(arrays, size, options)


def _weight_sum(arrays: tuple, size: int, options: dict[str, Any]) -> Tensor:
    """Return the sum of the weights of each sample's targets, by which a mean is divided."""
    logits, target, weight = arrays
    counted = physical(target, size).reshape(size, -1)
    kept = (counted != options["ignore_index"]).to(logits.dtype)
    if weight is not None:
        safe = ops.where(counted == options["ignore_index"], 0, counted)
        kept = kept * ops.gather(physical(weight, size), safe, dim=1)
    return kept.sum(1)


@rule("cross_entropy")
def _cross_entropy(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    logits, target, weight = arrays = (*arrays, None)[:3]
    if weight is not None and weight.batched:
        return NotImplemented
    inputs = (_into_rows(logits, size), _into_rows(target, size), None if weight is None else weight.tensor)
    each, log_probabilities = op.call(*inputs, **{**options, "reduction": "none"})
    return _reduced(_out_of_rows(each, size), arrays, size, options), _out_of_rows(log_probabilities, size)


@rule("cross_entropy_backward")
def _cross_entropy_backward(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    grad, logits, log_probabilities, target, weight = (*arrays, None)[:5]
    if weight is not None and weight.batched:
        return NotImplemented
    each = physical(grad, size)
    if options["reduction"] == "mean":
        each = each / _weight_sum((logits, target, weight), size, options)
    if options["reduction"] != "none":
        each = each.reshape(size, *(1,) * len(target.shape)).expand((size, *target.shape))
    inputs = [each.reshape(size * target.shape[0], *target.shape[1:])]
    inputs += [_into_rows(value, size) for value in (logits, log_probabilities, target)]
    found = op.call(*inputs, None if weight is None else weight.tensor, **{**options, "reduction": "none"})
    return _out_of_rows(found, size)
