"""Ops that reduce dimensions: sums, extremes, statistics; and sums that run along one."""

from __future__ import annotations

import math

from dovetail.errors import DTypeError, ShapeError
from dovetail.op import Sample, op
from dovetail.ops.compare import is_integer
from dovetail.ops.elementwise import exp, where
from dovetail.ops.rounding import sign


def widen(g, shape, dim, keepdim):
    """Return ``g``, the gradient of a reduction over ``dim``, at each element that was reduced."""
    if not keepdim:
        for axis in axes_of(dim, len(shape)):
            g = g.unsqueeze(axis)
    return g.expand(shape)


def axes_of(dim, ndim: int) -> list[int]:
    """Return ``dim`` (None, an integer or several) as ascending axes of 0 or more."""
    if not ndim or dim is None or dim == () or dim == []:
        return list(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    return sorted(axis + ndim if axis < 0 else axis for axis in dims)


def anywhere(condition) -> bool:
    """Return whether a boolean tensor is true somewhere, in any sample of a batch; for rules that have two ways."""
    return condition._device.backend.any_true(condition._array)


def _axis(dim, ndim):
    """Return ``dim`` as the array standard's ``axis``; a 0-d array has dimension 0, and none for the standard."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return None
    if not ndim and {*dim} <= {0, -1} if isinstance(dim, (tuple, list)) else not ndim and dim in (0, -1):
        return None
    return tuple(dim) if isinstance(dim, list) else dim


def _accumulated(xp, x, dtype):
    """Return what to add or multiply up, and in which dtype: booleans and integers in int64."""
    is_bool = x.dtype == xp.bool
    if dtype is None and (is_bool or is_integer(xp, x)):
        dtype = xp.int64
    # the standard adds up numbers only
    return (xp.astype(x, dtype), dtype) if is_bool else (x, dtype)


def _reductions(make):
    return [
        Sample(make(3, 4)),
        Sample(make(3, 4), dim=1),
        Sample(make(2, 3, 4), dim=(0, -1), keepdim=True),
        Sample(make(2, 3), dim=0, keepdim=True),
    ]


@op
def sum(xp, x, *, dim=None, keepdim=False, dtype=None):
    """Return the sum over ``dim`` (all by default); of integers and booleans as int64."""
    x, dtype = _accumulated(xp, x, dtype)
    return xp.sum(x, axis=_axis(dim, x.ndim), keepdims=keepdim, dtype=dtype)


sum.vjp(x=lambda g, x_shape, dim, keepdim: widen(g, x_shape, dim, keepdim))
sum.sample(_reductions)


@op
def mean(xp, x, *, dim=None, keepdim=False, dtype=None):
    """Return the mean over ``dim`` (all by default).

    Raises:
        DTypeError: integers, whose mean would not be one.
    """
    if dtype is not None:
        x = xp.astype(x, dtype)
    if not math.prod(x.shape):
        return xp.sum(x, axis=_axis(dim, x.ndim), keepdims=keepdim) * math.nan  # without a warning
    return xp.mean(x, axis=_axis(dim, x.ndim), keepdims=keepdim)


def _reduced_count(shape, dim) -> int:
    return math.prod(shape[axis] for axis in axes_of(dim, len(shape)))


mean.vjp(x=lambda g, x_shape, dim, keepdim: widen(g / (_reduced_count(x_shape, dim) or 1), x_shape, dim, keepdim))
mean.sample(_reductions)


@mean.checked_by
def _mean_of_floats(x, dim, keepdim, dtype):
    if not (dtype or x.dtype).is_differentiable:
        raise DTypeError(f"mean: takes floating point or complex, got {x.dtype}; convert with .float() or give dtype=")


@op
def prod(xp, x, *, dim=None, keepdim=False, dtype=None):
    """Return the product over ``dim`` (all by default); of integers and booleans as int64."""
    x, dtype = _accumulated(xp, x, dtype)
    return xp.prod(x, axis=_axis(dim, x.ndim), keepdims=keepdim, dtype=dtype)


def _prod_x(g, x, out, dim, keepdim):
    wide = widen(out, x.shape, dim, keepdim)
    g = widen(g, x.shape, dim, keepdim)
    if not anywhere(x == 0):
        return g * wide / x
    # without dividing by zero: the product of the others, from the left and from the right
    axis = axes_of(dim, x.ndim)
    flat = x.permute([a for a in range(x.ndim) if a not in axis] + axis)
    rows = flat.reshape([*flat.shape[: x.ndim - len(axis)], -1])
    ones = rows.narrow(-1, 0, 1) * 0 + 1
    size = rows.shape[-1]
    from dovetail.ops.shape import cat

    left = cat(ones, rows.narrow(-1, 0, size - 1).cumprod(-1), dim=-1)
    right = cat(ones, rows.flip(-1).narrow(-1, 0, size - 1).cumprod(-1), dim=-1).flip(-1)
    others = (left * right).reshape(flat.shape)
    order = [a for a in range(x.ndim) if a not in axis] + axis
    return g * others.permute([order.index(a) for a in range(x.ndim)])


prod.vjp(x=_prod_x)
prod.sample(
    lambda make: [
        Sample(make(3, 4)),
        Sample(make(3, 4), dim=1),
        Sample(make(2, 3), dim=0, keepdim=True),
        Sample(make.constant([[2.0, 0.0, 3.0], [0.0, 1.5, 0.0]]), dim=1),
    ]
)


@op
def amax(xp, x, *, dim=None, keepdim=False):
    """Return the largest element over ``dim``; equal ones share the gradient."""
    return xp.max(x, axis=_axis(dim, x.ndim), keepdims=keepdim)


@op
def amin(xp, x, *, dim=None, keepdim=False):
    """Return the smallest element over ``dim``; equal ones share the gradient."""
    return xp.min(x, axis=_axis(dim, x.ndim), keepdims=keepdim)


def _extreme_x(g, x, out, dim, keepdim):
    chosen = x == widen(out, x.shape, dim, keepdim)
    count = chosen.to(x.dtype).sum(tuple(axes_of(dim, x.ndim)), keepdim=True)
    return where(chosen, widen(g, x.shape, dim, keepdim) / count, 0.0)


for _extreme in (amax, amin):
    _extreme.vjp(x=_extreme_x)
    _extreme.sample(_reductions)


@op
def argmax(xp, x, *, dim=None, keepdim=False):
    """Return the index of the largest element along ``dim``, or in the flattened tensor."""
    return xp.argmax(x, axis=dim, keepdims=keepdim)


@op
def argmin(xp, x, *, dim=None, keepdim=False):
    """Return the index of the smallest element along ``dim``, or in the flattened tensor."""
    return xp.argmin(x, axis=dim, keepdims=keepdim)


for _arg in (argmax, argmin):
    _arg.no_vjp("x")
    _arg.sample(lambda make: [Sample(make(3, 4)), Sample(make(3, 4), dim=1, keepdim=True)])


@op
def all(xp, x, *, dim=None, keepdim=False):
    """Return whether every element along ``dim`` is true."""
    return xp.all(x, axis=_axis(dim, x.ndim), keepdims=keepdim)


@op
def any(xp, x, *, dim=None, keepdim=False):
    """Return whether some element along ``dim`` is true."""
    return xp.any(x, axis=_axis(dim, x.ndim), keepdims=keepdim)


for _truth in (all, any):
    _truth.no_vjp("x")
    _truth.sample(lambda make: [Sample(make.booleans(3, 4)), Sample(make.booleans(3, 4), dim=1, keepdim=True)])


@op
def var(xp, x, *, dim=None, correction=1, keepdim=False):
    """Return the variance over ``dim``, with ``correction`` subtracted from the count."""
    return _variance(xp, x, dim, correction, keepdim)


@op
def std(xp, x, *, dim=None, correction=1, keepdim=False):
    """Return the standard deviation over ``dim``, with ``correction`` subtracted from the count."""
    return xp.sqrt(_variance(xp, x, dim, correction, keepdim))


def _variance(xp, x, dim, correction, keepdim):
    if _reduced_count(x.shape, dim) > correction:
        return xp.var(x, axis=_axis(dim, x.ndim), correction=correction, keepdims=keepdim)
    centred = x - xp.sum(x, axis=_axis(dim, x.ndim), keepdims=True) / max(_reduced_count(x.shape, dim), 1)
    total = xp.sum(centred * centred, axis=_axis(dim, x.ndim), keepdims=keepdim)
    return total / xp.zeros_like(total)  # nan or inf, without a warning


def _var_x(g, x, dim, correction, keepdim):
    count = max(_reduced_count(x.shape, dim) - correction, 0)
    return widen(g * (2.0 / count if count else math.inf), x.shape, dim, keepdim) * (
        x - x.mean(tuple(axes_of(dim, x.ndim)), keepdim=True)
    )


def _std_x(g, x, out, dim, correction, keepdim):
    # at 0 the slope has no limit; PyTorch gives 0
    return _var_x(where(out == 0, 0.0, g / (2 * out)), x, dim, correction, keepdim)


var.vjp(x=_var_x)
std.vjp(x=_std_x)
for _spread in (var, std):
    _spread.sample(lambda make: [*_reductions(make), Sample(make(3, 4), dim=0, correction=0)])


@var.checked_by
@std.checked_by
def _spread_of_floats(x, dim, correction, keepdim):
    if not x.dtype.is_differentiable:
        raise DTypeError(f"var and std: take floating point or complex, got {x.dtype}; convert with .float()")


@op
def logsumexp(xp, x, *, dim, keepdim=False):
    """Return the logarithm of the sum of exponentials over ``dim``, computed without overflow."""
    axis = _axis(dim, x.ndim)
    if not math.prod(x.shape):
        return xp.log(xp.sum(x, axis=axis, keepdims=keepdim))
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    total = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdim or not x.ndim else xp.squeeze(total, axis=tuple(axes_of(dim, x.ndim)))


logsumexp.vjp(
    x=lambda g, x, out, dim, keepdim: widen(g, x.shape, dim, keepdim) * exp(x - widen(out, x.shape, dim, keepdim))
)
logsumexp.sample(lambda make: [Sample(make(3, 4), dim=1), Sample(make(2, 3), dim=(0, 1), keepdim=True)])


@op
def vector_norm(xp, x, *, ord=2.0, dim=None, keepdim=False):
    """Return the ``ord``-norm over ``dim`` (all by default): the root of the sum of powers of the sizes."""
    axis = _axis(dim, x.ndim)
    if not x.ndim:
        axis = None
    if ord == 2:
        size = xp.abs(x) if is_complex(xp, x) else x
        return xp.sqrt(xp.sum(size * size, axis=axis, keepdims=keepdim))
    size = xp.abs(x)
    if ord == 0:
        return xp.sum(xp.astype(size != 0, size.dtype), axis=axis, keepdims=keepdim, dtype=size.dtype)
    if ord in (math.inf, -math.inf):
        return (xp.max if ord > 0 else xp.min)(size, axis=axis, keepdims=keepdim)
    if ord == 1:
        return xp.sum(size, axis=axis, keepdims=keepdim)
    return xp.sum(size ** float(ord), axis=axis, keepdims=keepdim) ** (1.0 / ord)


def is_complex(xp, x) -> bool:
    """Return whether an array holds complex numbers."""
    kind = getattr(x.dtype, "kind", None)  # NumPy says so at once
    return x.dtype in (xp.complex64, xp.complex128) if kind is None else kind == "c"


def _vector_norm_x(g, x, out, ord, dim, keepdim):
    """The slope has no limit where the norm is 0; PyTorch gives 0 there."""
    wide, g = widen(out, x.shape, dim, keepdim), widen(g, x.shape, dim, keepdim)
    if ord == 0:
        return x * 0.0
    direction = x.sgn() if x.dtype.is_complex else sign(x)
    if ord == 1:
        return g * direction
    if ord == 2:
        return x * where(wide == 0, 0.0, g / wide)
    size = x.abs()
    if ord in (math.inf, -math.inf):
        chosen = (size == wide).to(size.dtype)
        count = chosen.sum(tuple(axes_of(dim, x.ndim)), keepdim=True)
        return direction * (chosen * (g / count))
    powers = size ** (ord - 1.0) if ord >= 1 else where(size == 0, 0.0, where(size == 0, 1.0, size) ** (ord - 1.0))
    return direction * powers * where(wide == 0, 0.0, g / wide ** (ord - 1.0))


vector_norm.vjp(x=_vector_norm_x)
vector_norm.sample(
    lambda make: [
        *_reductions(make),
        *(Sample(make(3, 4), ord=p, dim=1) for p in (0, 1, 3.0, 0.5, math.inf, -math.inf)),
    ]
)


@vector_norm.checked_by
def _norm_of_floats(x, ord, dim, keepdim):
    if not x.dtype.is_differentiable:
        raise DTypeError(f"norm: takes floating point or complex, got {x.dtype}; convert with .float()")
    shape = x._array.shape
    wrong = [axis for axis in axes_of(dim, len(shape) or 1) if not 0 <= axis < max(len(shape), 1)]
    if wrong:
        ends = f"[{-max(len(shape), 1)}, {max(len(shape), 1) - 1}]"
        raise IndexError(f"norm: dimension out of range (expected to be in range of {ends}, but got {dim})")
    if (ord < 0 or ord == math.inf) and 0 in [shape[axis] for axis in axes_of(dim, len(shape))]:
        raise ShapeError(f"norm: order {ord} has no value for no elements, got sizes {tuple(shape)}")


@op
def cumsum(xp, x, *, dim, dtype=None):
    """Return the running sum along ``dim``."""
    x, dtype = _accumulated(xp, x, dtype)
    along = xp.reshape(x, (1,)) if not x.ndim else x
    return xp.reshape(xp.cumulative_sum(along, axis=dim, dtype=dtype), x.shape)


cumsum.vjp(x=lambda g, dim: g.flip(dim).cumsum(dim).flip(dim))
cumsum.sample(lambda make: [Sample(make(3, 4), dim=1), Sample(make(3), dim=0)])


@op
def cumprod(xp, x, *, dim, dtype=None):
    """Return the running product along ``dim``."""
    x, dtype = _accumulated(xp, x, dtype)
    along = xp.reshape(x, (1,)) if not x.ndim else x
    return xp.reshape(xp.cumulative_prod(along, axis=dim, dtype=dtype), x.shape)


def _cumprod_x(g, x, out, dim):
    if anywhere(x == 0):
        # d out[j] / d x[i] is the product of the others up to j; each is taken apart, without dividing by zero
        from dovetail.ops.shape import cat, stack

        if not x.ndim:
            return g
        parts = []
        for position in range(x.shape[dim]):
            ones = x.narrow(dim, position, 1) * 0 + 1
            before, after = x.narrow(dim, 0, position), x.narrow(dim, position + 1, x.shape[dim] - position - 1)
            others = cat(before, ones, after, dim=dim).cumprod(dim)
            size = x.shape[dim] - position
            parts.append((others.narrow(dim, position, size) * g.narrow(dim, position, size)).sum(dim))
        return stack(*parts, dim=dim)
    return (g * out).flip(dim).cumsum(dim).flip(dim) / x


cumprod.vjp(x=_cumprod_x)
cumprod.sample(
    lambda make: [
        Sample(make(3, 4), dim=1),
        Sample(make(3), dim=0),
        Sample(make.constant([2.0, 0.0, 3.0, 0.0, 1.5]), dim=0),
    ]
)
