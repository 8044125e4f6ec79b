"""Pooling of planes (N, C, H, W): the largest or the mean of each window."""

from __future__ import annotations

from dovetail.errors import ShapeError
from dovetail.op import Sample, op
from dovetail.ops.conv import out_size, pad_planes, window_slices
from dovetail.ops.reduce import is_integer


def pool_sizes(shape, kernel_size, stride, padding, dilation, ceil_mode):
    """Return the number of windows down and across; with ``ceil_mode`` one may hang over the edge."""
    found = []
    for axis in (0, 1):
        size, k, s, p, d = (values[axis] for values in (shape[2:], kernel_size, stride, padding, dilation))
        count = out_size(size, k, s, p, d)
        if ceil_mode:
            count = -((-(size + 2 * p - d * (k - 1) - 1)) // s) + 1
            if (count - 1) * s >= size + p:  # a window must start inside the input or the padding before it
                count -= 1
        found.append(count)
    return tuple(found)


def _padded(xp, x, value, kernel_size, stride, padding, dilation, sizes):
    """Return the planes with padding, and room for windows that hang over."""
    out = pad_planes(xp, x, padding, value)
    reach = [stride[d] * (sizes[d] - 1) + dilation[d] * (kernel_size[d] - 1) + 1 - out.shape[2 + d] for d in (0, 1)]
    if max(reach) > 0:
        n, c, h, w = out.shape
        wide = xp.full((n, c, h + max(reach[0], 0), w + max(reach[1], 0)), value, dtype=x.dtype)
        wide[:, :, :h, :w] = out
        return wide
    return out


def _places(xp, shape, kernel_size, stride, padding, dilation, sizes):
    """Yield, for each place in the kernel, its slice of the padded planes and which element (h * W + w) it meets."""
    rows = xp.arange(sizes[0])[:, None] * stride[0] - padding[0]
    columns = xp.arange(sizes[1])[None, :] * stride[1] - padding[1]
    for position, where in enumerate(window_slices(kernel_size, stride, dilation, sizes)):
        row, column = divmod(position, kernel_size[1])
        yield where, (rows + row * dilation[0]) * shape[3] + columns + column * dilation[1]


@op(promote=None, outputs=("out", "indices"), no_grad_outputs=("indices",))
def max_pool2d(xp, x, *, kernel_size, stride, padding=(0, 0), dilation=(1, 1), ceil_mode=False):
    """Return the largest element of each window, and which it was, counted in its plane (int64)."""
    sizes = pool_sizes(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    least = xp.iinfo(x.dtype).min if is_integer(xp, x) else -float("inf")
    padded = _padded(xp, x, least, kernel_size, stride, padding, dilation, sizes)
    best = indices = None
    for where, place in _places(xp, x.shape, kernel_size, stride, padding, dilation, sizes):
        value = padded[where]
        place = xp.broadcast_to(place, value.shape)
        if best is None:
            best, indices = value, place
        else:
            larger = (value > best) | (value != value)  # nan wins
            best, indices = xp.where(larger, value, best), xp.where(larger, place, indices)
    return xp.asarray(best, copy=True), xp.astype(indices, xp.int64)


@op(promote=None)
def max_unpool2d_grad(xp, grad, indices, *, shape, kernel_size, stride, padding, dilation):
    """Return the gradient of ``max_pool2d`` for its input, which had ``shape``."""
    sizes = grad.shape[2:]
    n, c, h, w = shape
    out = _padded(xp, xp.zeros((n, c, h, w), dtype=grad.dtype), 0.0, kernel_size, stride, padding, dilation, sizes)
    out = xp.asarray(out, copy=True)
    for where, place in _places(xp, shape, kernel_size, stride, padding, dilation, sizes):
        out[where] += xp.where(indices == place, grad, xp.zeros_like(grad))
    return out[:, :, padding[0] : padding[0] + h, padding[1] : padding[1] + w]


@op(promote=None)
def max_pool2d_pick(xp, x, indices):
    """Return the elements of each plane that ``indices`` (from ``max_pool2d``) name."""
    n, c = x.shape[:2]
    flat = xp.take_along_axis(xp.reshape(x, (n, c, -1)), xp.reshape(indices, (n, c, -1)), axis=2)
    return xp.reshape(flat, indices.shape)


max_pool2d.vjp(
    x=lambda g, x_shape, indices, kernel_size, stride, padding, dilation: max_unpool2d_grad(
        g[0], indices, x_shape, kernel_size, stride, padding, dilation
    )
)
max_unpool2d_grad.no_vjp("indices")
max_unpool2d_grad.vjp(grad=lambda g, indices: max_pool2d_pick(g, indices))
max_pool2d_pick.no_vjp("indices")


def _unpicked(g, x_shape, indices):
    from dovetail.ops.along import scatter_add

    planes = (x_shape[0], x_shape[1], -1)
    flat = scatter_add(
        g.new_zeros((x_shape[0], x_shape[1], x_shape[2] * x_shape[3])), indices.reshape(planes), g.reshape(planes), 2
    )
    return flat.reshape(x_shape)


max_pool2d_pick.vjp(x=_unpicked)

_TWO = {"kernel_size": (2, 2), "stride": (2, 2)}
max_pool2d.sample(
    lambda make: [
        Sample(make(2, 3, 4, 6), **_TWO),
        Sample(make(1, 2, 5, 5), kernel_size=(3, 2), stride=(2, 1), padding=(1, 1)),
        Sample(make(1, 1, 5, 5), **_TWO, ceil_mode=True),
    ]
)
max_unpool2d_grad.sample(
    lambda make: [
        Sample(
            make(1, 1, 1, 2), make.constant([[[[0, 7]]]]), shape=(1, 1, 2, 4), padding=(0, 0), dilation=(1, 1), **_TWO
        )
    ]
)
max_pool2d_pick.sample(lambda make: [Sample(make(1, 1, 2, 4), make.constant([[[[0, 7]]]]))])


@max_pool2d.checked_by
def _planes(x, kernel_size, stride, padding, dilation, ceil_mode):
    if x.ndim != 4:
        raise ShapeError(f"max_pool2d: takes an input (N, C, H, W), got sizes {tuple(x.shape)}")
    if any(2 * p > k for p, k in zip(padding, kernel_size, strict=True)):
        raise ShapeError(f"max_pool2d: padding {padding} must be at most half of kernel_size {kernel_size}")
    if min(pool_sizes(x.shape, kernel_size, stride, padding, dilation, ceil_mode)) < 1:
        raise ShapeError(f"max_pool2d: no window of {kernel_size} fits into planes of {tuple(x.shape[2:])}")


@op(promote=None)
def avg_pool2d(xp, x, *, kernel_size, stride, padding=(0, 0)):
    """Return the mean of each window, padding counted as zeros."""
    sizes = pool_sizes(x.shape, kernel_size, stride, padding, (1, 1), False)
    padded = pad_planes(xp, x, padding)
    total = None
    for where in window_slices(kernel_size, stride, (1, 1), sizes):
        total = padded[where] if total is None else total + padded[where]
    return total / (kernel_size[0] * kernel_size[1])


@op(promote=None)
def avg_pool2d_input(xp, grad, *, shape, kernel_size, stride, padding):
    """Return the gradient of ``avg_pool2d`` for its input, which had ``shape``."""
    n, c, h, w = shape
    out = xp.zeros((n, c, h + 2 * padding[0], w + 2 * padding[1]), dtype=grad.dtype)
    share = grad / (kernel_size[0] * kernel_size[1])
    for where in window_slices(kernel_size, stride, (1, 1), grad.shape[2:]):
        out[where] += share
    return out[:, :, padding[0] : padding[0] + h, padding[1] : padding[1] + w]


avg_pool2d.vjp(
    x=lambda g, x_shape, kernel_size, stride, padding: avg_pool2d_input(g, x_shape, kernel_size, stride, padding)
)
avg_pool2d.sample(
    lambda make: [Sample(make(2, 3, 4, 6), **_TWO), Sample(make(1, 2, 5, 5), kernel_size=(3, 2), stride=(2, 1))]
)
avg_pool2d_input.vjp(grad=lambda g, kernel_size, stride, padding: avg_pool2d(g, kernel_size, stride, padding))
avg_pool2d_input.sample(lambda make: [Sample(make(1, 2, 2, 3), shape=(1, 2, 4, 6), padding=(0, 0), **_TWO)])
