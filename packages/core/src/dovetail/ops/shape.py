"""Ops that change sizes and order: views where the backend has them, and joining and repeating."""

from __future__ import annotations

from functools import partial

from dovetail.errors import ShapeError
from dovetail.modes import state
from dovetail.op import Sample, op
from dovetail.ops.reduce import is_complex


@op(promote=None)
def cast(xp, x, *, dtype):
    """Return ``x`` as another dtype; of complex numbers as a real one the real part."""
    if is_complex(xp, x) and dtype not in (xp.complex64, xp.complex128):
        x = xp.real(x)
    return xp.astype(x, dtype)


@cast.checked_by
def _cast_to_complex(x, dtype):
    if dtype.is_complex and x._node is not None and state.grad:
        from dovetail.autograd import complex_numbers

        complex_numbers.allow()


cast.vjp(x=lambda g, x_dtype: g.to(x_dtype))
cast.sample(lambda make: [Sample(make(3, 4), dtype=make.dtype("float64"))])


@op(promote=None)
def clone(xp, x):
    """Return a copy."""
    return xp.asarray(x, copy=True)


clone.vjp(x=lambda g: g)
clone.sample(lambda make: [Sample(make(3, 4))])


@op(promote=None, view="maybe")
def reshape(xp, x, *, shape):
    """Return the elements in the same order under other sizes; one may be -1."""
    return xp.reshape(x, tuple(shape))


reshape.vjp(x=lambda g, x_shape: g.reshape(x_shape))
reshape.sample(lambda make: [Sample(make(3, 4), shape=(2, 6)), Sample(make(3, 4), shape=(-1,))])


@op(promote=None, view=True)
def permute(xp, x, *, dims):
    """Return a view with the dimensions in another order."""
    return xp.permute_dims(x, tuple(dim + len(dims) if dim < 0 else dim for dim in dims))


def _inverse(dims):
    dims = [dim + len(dims) if dim < 0 else dim for dim in dims]
    return [dims.index(axis) for axis in range(len(dims))]


permute.vjp(x=lambda g, dims: permute(g, _inverse(dims)))
permute.sample(lambda make: [Sample(make(2, 3, 4), dims=(2, 0, 1)), Sample(make(2, 3), dims=(-1, 0))])


@op(promote=None, view=True)
def transpose(xp, x, *, dim0, dim1):
    """Return a view with two dimensions exchanged."""
    order = list(range(x.ndim))
    if not order and dim0 in (0, -1) and dim1 in (0, -1):
        return x
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return xp.permute_dims(x, tuple(order))


transpose.vjp(x=lambda g, dim0, dim1: g.transpose(dim0, dim1))
transpose.sample(lambda make: [Sample(make(2, 3), dim0=0, dim1=1), Sample(make(2, 3, 4), dim0=-1, dim1=0)])


@op(promote=None, view=True)
def expand(xp, x, *, shape):
    """Return a view in which dimensions of size 1 are repeated to ``shape``; -1 keeps a size."""
    extra = len(shape) - x.ndim
    sizes = tuple(x.shape[axis - extra] if size == -1 else size for axis, size in enumerate(shape))
    return xp.broadcast_to(x, sizes)


def _expand_x(g, x_shape):
    """Sum over the dimensions in which the input was repeated."""
    extra = g.ndim - len(x_shape)
    repeated = [extra + dim for dim, size in enumerate(x_shape) if size == 1]
    dims = (*range(extra), *repeated)
    return (g.sum(dims, keepdim=True) if dims else g).reshape(x_shape)


expand.vjp(x=_expand_x)
expand.sample(lambda make: [Sample(make(3, 1), shape=(3, 4)), Sample(make(3), shape=(2, -1))])


@op(promote=None, view=True)
def squeeze(xp, x, *, dim=None):
    """Return a view without the dimensions of size 1, or without those of ``dim`` that are."""
    wanted = range(x.ndim) if dim is None else (dim if isinstance(dim, (tuple, list)) else (dim,))
    axes = tuple(axis + x.ndim if axis < 0 else axis for axis in wanted)
    return xp.reshape(x, tuple(size for axis, size in enumerate(x.shape) if axis not in axes or size != 1))


squeeze.vjp(x=lambda g, x_shape: g.reshape(x_shape))
squeeze.sample(lambda make: [Sample(make(3, 1, 2)), Sample(make(1, 3, 1), dim=0), Sample(make(3, 2), dim=1)])


@op(promote=None, view=True)
def unsqueeze(xp, x, *, dim):
    """Return a view with a dimension of size 1 inserted at ``dim``."""
    return xp.expand_dims(x, axis=dim)


unsqueeze.vjp(x=lambda g, x_shape: g.reshape(x_shape))
unsqueeze.sample(lambda make: [Sample(make(3, 2), dim=1), Sample(make(3), dim=-1)])


@op
def cat(xp, *tensors, dim=0):
    """Return the tensors joined along ``dim``."""
    # a 1-d tensor without elements joins anything, as in PyTorch
    parts = [x for x in tensors if x.shape != (0,)] or tensors[:1]
    return xp.concat(parts, axis=dim)


def _cat_tensors(g, tensors_shape, dim):
    parts, start = [], 0
    for shape in tensors_shape:
        if shape == (0,) and g.ndim != 1:
            parts.append(g.new_zeros(shape))
            continue
        size = shape[dim]
        parts.append(g.narrow(dim, start, size))
        start += size
    return parts


cat.vjp(tensors=_cat_tensors)
cat.sample(lambda make: [Sample(make(2, 3), make(4, 3)), Sample(make(2, 1), make(2, 3), make(2, 2), dim=-1)])


@cat.checked_by
def _cat_sizes(*tensors, dim):
    kept = [x for x in tensors if tuple(x.shape) != (0,)]
    first = kept[0] if kept else tensors[0]
    if first.ndim == 0:
        raise ShapeError("cat: zero-dimensional tensors cannot be joined; use dovetail.stack")
    for position, other in enumerate(kept[1:], 1):
        same = other.ndim == first.ndim and all(
            a == b for axis, (a, b) in enumerate(zip(first.shape, other.shape, strict=True)) if axis != dim % first.ndim
        )
        if not same:
            raise ShapeError(
                f"cat: sizes of tensors must match except in dimension {dim}: the first has {tuple(first.shape)}, "
                f"number {position} has {tuple(other.shape)}"
            )


@op
def stack(xp, *tensors, dim=0):
    """Return the tensors, all of one size, joined along a new dimension ``dim``."""
    return xp.stack(tensors, axis=dim)


stack.vjp(tensors=lambda g, tensors_shape, dim: [g.select(dim, index) for index in range(len(tensors_shape))])
stack.sample(lambda make: [Sample(make(2, 3), make(2, 3)), Sample(make(2), make(2), make(2), dim=-1)])


@stack.checked_by
def _stack_sizes(*tensors, dim):
    for position, other in enumerate(tensors[1:], 1):
        if other.shape != tensors[0].shape:
            raise ShapeError(
                f"stack: each tensor must have the same sizes: the first has {tuple(tensors[0].shape)}, "
                f"number {position} has {tuple(other.shape)}; use dovetail.cat to join along an existing dimension"
            )


@op(promote=None)
def repeat(xp, x, *, sizes):
    """Return ``x`` repeated ``sizes[d]`` times along each dimension ``d``."""
    return xp.tile(x, tuple(sizes))


def _repeat_x(g, x_shape, sizes):
    padded = [1] * (len(sizes) - len(x_shape)) + list(x_shape)
    split = g.reshape([part for count, size in zip(sizes, padded, strict=True) for part in (count, size)])
    return split.sum(tuple(range(0, 2 * len(sizes), 2))).reshape(x_shape)


repeat.vjp(x=_repeat_x)
repeat.sample(lambda make: [Sample(make(2, 3), sizes=(2, 2)), Sample(make(3), sizes=(2, 3))])


@op(promote=None)
def flip(xp, x, *, dims):
    """Return ``x`` in reverse order along ``dims``."""
    if x.ndim:
        x = xp.flip(x, axis=tuple(dims) if isinstance(dims, (tuple, list)) else dims)
    return xp.asarray(x, copy=True)  # NumPy gives a view, and a write to it would go unnoticed


flip.vjp(x=lambda g, dims: flip(g, dims))
flip.sample(lambda make: [Sample(make(3, 4), dims=(0, 1)), Sample(make(3), dims=0)])


@op(promote=None)
def roll(xp, x, *, shifts, dims=None):
    """Return ``x`` with its elements moved ``shifts`` places on along ``dims``, those at the end to the start."""
    return xp.roll(x, shifts, axis=dims)


def _roll_x(g, shifts, dims):
    back = tuple(-shift for shift in shifts) if isinstance(shifts, (tuple, list)) else -shifts
    return roll(g, back, dims)


roll.vjp(x=_roll_x)
roll.sample(lambda make: [Sample(make(3, 4), shifts=1, dims=1), Sample(make(3), shifts=(-1,), dims=(0,))])


@op(promote=None)
def tril(xp, x, *, diagonal=0):
    """Return the lower triangle of the last two dimensions, elsewhere 0."""
    return xp.tril(x, k=diagonal)


@op(promote=None)
def triu(xp, x, *, diagonal=0):
    """Return the upper triangle of the last two dimensions, elsewhere 0."""
    return xp.triu(x, k=diagonal)


def _is_matrix(name, x, diagonal):
    if x.ndim < 2:
        raise ShapeError(f"{name}: takes a tensor of at least 2 dimensions, got sizes {tuple(x.shape)}")


tril.vjp(x=lambda g, diagonal: tril(g, diagonal))
triu.vjp(x=lambda g, diagonal: triu(g, diagonal))
for _triangle in (tril, triu):
    _triangle.checked_by(partial(_is_matrix, _triangle.definition.name))
    _triangle.sample(lambda make: [Sample(make(3, 4)), Sample(make(2, 3, 3), diagonal=1)])


@op(promote=None)
def fill(xp, x, *, value):
    """Return the sizes and dtype of ``x`` with every element ``value``."""
    return xp.full_like(x, value)


fill.vjp(x=lambda g: g * 0.0)
fill.sample(lambda make: [Sample(make(3, 4), value=2.0)])
