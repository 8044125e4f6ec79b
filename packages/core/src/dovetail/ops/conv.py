"""Two-dimensional convolution and its two gradients, each an op, so that a backend can give each a fast kernel.

A convolution is a product of matrices once every window of the input is a column: ``windows`` makes the columns and
``unwindow`` adds them back. Shapes: x (N, C, H, W), weight (O, C / groups, kh, kw), bias (O), result (N, O, H', W').
"""

from __future__ import annotations

import math

from dovetail.errors import ShapeError
from dovetail.op import Sample, op


def out_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return how many windows fit along a dimension."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def pad_planes(xp, x, padding, value=0.0):
    """Return x (N, C, H, W) with ``padding`` rows and columns of ``value`` around each plane."""
    above, beside = padding
    if not above and not beside:
        return x
    n, c, h, w = x.shape
    out = xp.full((n, c, h + 2 * above, w + 2 * beside), value, dtype=x.dtype)
    out[:, :, above : above + h, beside : beside + w] = x
    return out


def window_slices(kernel, stride, dilation, sizes):
    """Yield, for each place in the kernel, the slice of the padded planes that it meets in all windows."""
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            top, left = row * dilation[0], column * dilation[1]
            yield (
                slice(None),
                slice(None),
                slice(top, top + stride[0] * (sizes[0] - 1) + 1, stride[0]),
                slice(left, left + stride[1] * (sizes[1] - 1) + 1, stride[1]),
            )


def windows(xp, x, kernel, stride, padding, dilation, sizes):
    """Return x's windows as (N, C, kh * kw, H' * W')."""
    padded = pad_planes(xp, x, padding)
    parts = [padded[where] for where in window_slices(kernel, stride, dilation, sizes)]
    stacked = xp.stack(parts, axis=2)
    return xp.reshape(stacked, (*stacked.shape[:3], sizes[0] * sizes[1]))


def unwindow(xp, columns, shape, kernel, stride, padding, dilation, sizes):
    """Return the planes of ``shape`` to which each window's part was added; the reverse of ``windows``."""
    n, c, h, w = shape
    out = xp.zeros((n, c, h + 2 * padding[0], w + 2 * padding[1]), dtype=columns.dtype)
    parts = xp.reshape(columns, (n, c, kernel[0] * kernel[1], *sizes))
    for position, where in enumerate(window_slices(kernel, stride, dilation, sizes)):
        out[where] += parts[:, :, position, ...]
    return out[:, :, padding[0] : padding[0] + h, padding[1] : padding[1] + w]


def _sizes(shape, kernel, stride, padding, dilation):
    return tuple(out_size(shape[2 + d], kernel[d], stride[d], padding[d], dilation[d]) for d in (0, 1))


def _grouped(xp, array, groups):
    """Return (N, groups, rest, L) of (N, channels, ..., L)."""
    rest = math.prod(array.shape[1:-1]) // groups  # not -1, which says nothing for an empty batch
    return xp.reshape(array, (array.shape[0], groups, rest, array.shape[-1]))


@op(promote="match")
def conv2d(xp, x, weight, bias=None, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """Return the cross-correlation of ``x`` with ``weight``, plus ``bias``; options are pairs (height, width)."""
    kernel = weight.shape[2:]
    sizes = _sizes(x.shape, kernel, stride, padding, dilation)
    columns = _grouped(xp, windows(xp, x, kernel, stride, padding, dilation, sizes), groups)
    flat = xp.reshape(weight, (groups, weight.shape[0] // groups, -1))
    out = xp.reshape(xp.matmul(flat, columns), (x.shape[0], weight.shape[0], *sizes))
    return out if bias is None else out + xp.reshape(bias, (1, -1, 1, 1))


@op(promote="match")
def conv2d_input(xp, grad, weight, *, shape, stride, padding, dilation, groups):
    """Return the gradient of ``conv2d`` for its input, which had ``shape``."""
    kernel, sizes = weight.shape[2:], grad.shape[2:]
    outputs = xp.reshape(grad, (grad.shape[0], groups, weight.shape[0] // groups, sizes[0] * sizes[1]))
    flat = xp.reshape(weight, (groups, weight.shape[0] // groups, -1))
    columns = xp.matmul(xp.permute_dims(flat, (0, 2, 1)), outputs)
    return unwindow(xp, columns, shape, kernel, stride, padding, dilation, sizes)


@op(promote="match")
def conv2d_weight(xp, grad, x, *, shape, stride, padding, dilation, groups):
    """Return the gradient of ``conv2d`` for its weight, which had ``shape``."""
    kernel, sizes = shape[2:], grad.shape[2:]
    outputs = xp.reshape(grad, (grad.shape[0], groups, shape[0] // groups, sizes[0] * sizes[1]))
    columns = _grouped(xp, windows(xp, x, kernel, stride, padding, dilation, sizes), groups)
    total = xp.matmul(outputs, xp.permute_dims(columns, (0, 1, 3, 2)))
    total = xp.sum(total, axis=0, dtype=total.dtype)
    return xp.reshape(total, tuple(shape))


# The three are linear in each input, so that each one's rules are the other two.
conv2d.vjp(
    x=lambda g, x_shape, weight, stride, padding, dilation, groups: conv2d_input(
        g, weight, x_shape, stride, padding, dilation, groups
    ),
    weight=lambda g, x, weight_shape, stride, padding, dilation, groups: conv2d_weight(
        g, x, weight_shape, stride, padding, dilation, groups
    ),
    bias=lambda g: g.sum((0, 2, 3)),
)
conv2d_input.vjp(
    grad=lambda g, weight, stride, padding, dilation, groups: conv2d(
        g, weight, None, stride, padding, dilation, groups
    ),
    weight=lambda g, grad, weight_shape, stride, padding, dilation, groups: conv2d_weight(
        grad, g, weight_shape, stride, padding, dilation, groups
    ),
)
conv2d_weight.vjp(
    grad=lambda g, x, stride, padding, dilation, groups: conv2d(x, g, None, stride, padding, dilation, groups),
    x=lambda g, grad, x_shape, stride, padding, dilation, groups: conv2d_input(
        grad, g, x_shape, stride, padding, dilation, groups
    ),
)

_PLAIN = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
conv2d.sample(
    lambda make: [
        Sample(make(2, 3, 5, 4), make(4, 3, 3, 2), make(4)),
        Sample(make(1, 2, 6, 6), make(2, 2, 3, 3), None, stride=(2, 2), padding=(1, 1)),
        Sample(make(1, 4, 5, 5), make(4, 2, 2, 2), make(4), padding=(2, 1), dilation=(2, 1), groups=2),
    ]
)
conv2d_input.sample(
    lambda make: [
        Sample(make(2, 4, 3, 3), make(4, 3, 3, 2), shape=(2, 3, 5, 4), **_PLAIN),
        Sample(
            make(1, 2, 3, 3), make(2, 2, 3, 3), shape=(1, 2, 6, 6), **{**_PLAIN, "stride": (2, 2), "padding": (1, 1)}
        ),
    ]
)
conv2d_weight.sample(
    lambda make: [
        Sample(make(2, 4, 3, 3), make(2, 3, 5, 4), shape=(4, 3, 3, 2), **_PLAIN),
        Sample(
            make(1, 2, 3, 3), make(1, 2, 6, 6), shape=(2, 2, 3, 3), **{**_PLAIN, "stride": (2, 2), "padding": (1, 1)}
        ),
    ]
)


@conv2d.checked_by
def _conv2d_sizes(x, weight, bias, stride, padding, dilation, groups):
    given, wanted = tuple(x.shape), tuple(weight.shape)
    if len(given) != 4 or len(wanted) != 4:
        raise ShapeError(f"conv2d: takes an input (N, C, H, W) and a weight (O, C, kh, kw), got {given} and {wanted}")
    if given[1] != wanted[1] * groups:
        raise ShapeError(
            f"conv2d: the input {given} has {given[1]} channels, but the weight {wanted} with groups={groups} takes "
            f"{wanted[1] * groups}; make the layer with in_channels={given[1]}, or put the channels second"
        )
    if wanted[0] % groups:
        raise ShapeError(f"conv2d: {wanted[0]} output channels cannot be split into {groups} groups")
    for axis, side in ((0, "height"), (1, "width")):
        reach = dilation[axis] * (wanted[2 + axis] - 1) + 1
        if given[2 + axis] + 2 * padding[axis] < reach:
            raise ShapeError(
                f"conv2d: the kernel covers a {side} of {reach}, the padded input has "
                f"{given[2 + axis] + 2 * padding[axis]}; use a smaller kernel or more padding"
            )
