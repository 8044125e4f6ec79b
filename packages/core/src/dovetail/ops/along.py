"""Reading and writing along a dimension at the places that an index tensor names: gather, scatter, slices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.op import Sample, op
from dovetail.ops.elementwise import where
from dovetail.ops.index import add_at, unslice, untake, write_last


def places(index: Any, shape: tuple[int, ...], dim: int) -> np.ndarray:
    """Return which elements, counted in the flattened array, an index tensor names along ``dim``."""
    if not shape or not index.shape:  # a 0-d tensor is one of one element
        return np.asarray(index).reshape(-1)
    own = list(np.indices(index.shape, sparse=True))
    own[dim] = np.asarray(index)
    return np.ravel_multi_index(np.broadcast_arrays(*own), shape).reshape(-1)


def cut(src: Any, index: Any) -> Any:
    """Return the part of ``src`` that an index of smaller sizes uses."""
    same = len(index.shape) == len(src.shape)
    return src[tuple(slice(0, size) for size in index.shape)] if same and index.shape != src.shape else src


@op(promote=None)
def gather(xp, x, index, *, dim):
    """Return ``x[..., index[i], ...]`` along ``dim``, at each place i of ``index``."""
    if not x.ndim or not index.ndim:  # a 0-d tensor is one of one element
        return xp.reshape(xp.take(xp.reshape(x, (-1,)), xp.reshape(index, (-1,)), axis=0), index.shape)
    axis = dim % x.ndim
    spots = tuple(slice(None) if position == axis else slice(0, size) for position, size in enumerate(index.shape))
    return xp.take_along_axis(x[spots], xp.astype(index, xp.int64), axis=axis)


@op(promote=None)
def scatter(xp, x, index, src, *, dim):
    """Return ``x`` with ``src``, of at least the sizes of ``index`` or 0-d, written where ``index`` names."""
    return write_last(xp, x, places(index, x.shape, dim), _as_large(xp, cut(src, index), index))


def _as_large(xp, src, index):
    return xp.broadcast_to(src, index.shape) if index.ndim else xp.reshape(src, ())


@op(promote=None)
def scatter_add(xp, x, index, src, *, dim):
    """Return ``x`` with ``src`` added along ``dim`` at the places that ``index`` names."""
    if x.dtype == xp.bool:  # truth adds up as it does with |
        return xp.astype(scatter_add.definition.kernel(xp, *_counted(xp, x, index, src), dim=dim) > 0, xp.bool)
    where_to = xp.asarray(places(index, x.shape, dim))
    source = xp.reshape(cut(src, index), (-1, 1))
    return x + xp.reshape(add_at(xp, math.prod(x.shape), where_to, source), x.shape)


def _counted(xp, x, index, src):
    return xp.astype(x, xp.int64), index, xp.astype(src, xp.int64)


def _of_source(g, index, src_shape, dim):
    """Return the gradient of what was written: what came back at the places, 0 for what was left over."""
    picked = gather(g, index, dim)
    if tuple(index.shape) == tuple(src_shape) or len(src_shape) != index.ndim:
        return picked if index.ndim else picked.reshape(src_shape)
    return unslice(picked, tuple(slice(0, size) for size in index.shape), src_shape)


gather.no_vjp("index")
gather.vjp(x=lambda g, x_shape, index, dim: scatter_add(g.new_zeros(x_shape), index, g, dim))
gather.sample(
    lambda make: [
        Sample(make(3, 4), make.integers(3, 2, high=4), dim=1),
        Sample(make(3, 4), make.integers(5, 2, high=3), dim=0),
        Sample(make(), make.constant(0), dim=0),
    ]
)
scatter.no_vjp("index")
scatter.vjp(x=lambda g, index, dim: scatter(g, index, g.new_zeros(()), dim), src=_of_source)
scatter.sample(
    lambda make: [
        Sample(make(3, 4), make.constant([[1, 2], [0, 3], [3, 1]]), make(3, 2), dim=1),
        Sample(make(3, 4), make.constant([[1, 2], [0, 0]]), make(4, 3), dim=0),
        Sample(make(3), make.constant([2, 0]), make(), dim=0),
    ]
)
scatter_add.no_vjp("index")
scatter_add.vjp(x=lambda g: g, src=_of_source)
scatter_add.sample(
    lambda make: [
        Sample(make(3, 4), make.integers(3, 2, high=4), make(3, 2), dim=1),
        Sample(make(2, 4), make.integers(5, 3, high=2), make(6, 4), dim=0),
    ]
)


# Whole slices


@op(promote=None)
def index_select(xp, x, index, *, dim):
    """Return the slices of ``x`` along ``dim`` that the 1-d ``index`` names."""
    return xp.take(x, index, axis=dim)


def _unselect(g, index, x_shape, dim):
    if index._device.backend.level:  # each sample of a batch has its own places
        sides = [-1 if axis == dim % len(x_shape) else 1 for axis in range(len(x_shape))]
        return scatter_add(g.new_zeros(x_shape), index.reshape(sides).expand(g.shape), g, dim % len(x_shape))
    picks = tuple(slice(None) for _ in range(dim % len(x_shape)))
    return untake(g, (*picks, index.numpy(force=True)), x_shape)


index_select.no_vjp("index")
index_select.vjp(x=_unselect)
index_select.sample(lambda make: [Sample(make(3, 4), make.integers(5, high=4), dim=1)])


# Products and extremes

REDUCTIONS = ("prod", "amax", "amin")


@op(promote=None)
def scatter_reduce(xp, x, index, src, *, dim, reduce, include_self=True):
    """Return ``x`` with the ``prod``, ``amax`` or ``amin`` of what ``src`` holds for a place, and of what was there."""
    size, kind = math.prod(x.shape), x.dtype
    flat, values = xp.reshape(x, (-1,)), xp.reshape(cut(src, index), (-1,))
    if kind == xp.bool:
        flat, values = xp.astype(flat, xp.int8), xp.astype(values, xp.int8)
    hot = np.arange(size)[:, None] == places(index, x.shape, dim)[None, :]
    named = xp.asarray(hot)
    rows = xp.concat([flat[:, None], xp.broadcast_to(values[None, :], hot.shape)], axis=1)
    own = np.ones(size, dtype=np.bool_) if include_self else ~hot.any(axis=1)
    counted = xp.concat([xp.asarray(own)[:, None], named], axis=1)
    if reduce == "prod":
        out = xp.prod(xp.where(counted, rows, xp.ones_like(rows)), axis=1, dtype=rows.dtype)
    else:
        # what does not count gives way to the first that does
        first = xp.take_along_axis(rows, xp.asarray(np.argmax(np.asarray(counted), axis=1)[:, None]), axis=1)
        chosen = xp.where(counted, rows, first)
        out = xp.max(chosen, axis=1) if reduce == "amax" else xp.min(chosen, axis=1)
    return xp.reshape(xp.astype(out, kind), x.shape)


def _reduced_self(g, x, index, src, out, dim, reduce, include_self):
    if not include_self:
        g = scatter(g, index, g.new_zeros(()), dim)
    if reduce == "prod":
        return g * scatter_reduce(x.detach() * 0 + 1, index, src, dim, reduce) if include_self else g
    ties, share = _ties(x, index, cut(src, index), out, dim, include_self)
    return g * share * ties


def _reduced_source(g, x, index, src, out, dim, reduce, include_self):
    if tuple(src.shape) != tuple(index.shape):
        part = tuple(slice(0, size) for size in index.shape)
        inner = _reduced_source(g, x, index, src[part], out, dim, reduce, include_self)
        return unslice(inner, part, tuple(src.shape))
    if reduce != "prod":
        _, share = _ties(x, index, src, out, dim, include_self)
        return gather(g * share, index, dim) * (src == gather(out, index, dim)).to(g.dtype)
    zero = src == 0
    zeros = (x == 0).to(g.dtype)
    zeros = zeros if include_self else scatter(zeros, index, g.new_zeros(()), dim)
    zeros = scatter_add(zeros, index, zero.to(g.dtype), dim)
    whole = scatter_reduce(where(x == 0, 1.0, x), index, where(zero, 1.0, src), dim, reduce, include_self)
    others = gather(zeros, index, dim) == zero.to(g.dtype)  # no zero but itself
    return gather(g, index, dim) * where(others, gather(whole, index, dim) / where(zero, 1.0, src), 0.0)


def _ties(x, index, src, out, dim, include_self):
    """Return where ``x`` is the extreme, and the share that each of the equal ones gets of the gradient."""
    ties = (x == out).to(out.dtype)
    if not include_self:
        ties = where(scatter(x.detach() * 0 + 1, index, x.new_zeros(()), dim) == 0, 0.0, ties)
    count = scatter_add(ties, index, (src == gather(out, index, dim)).to(out.dtype), dim)
    return ties, 1 / where(count == 0, 1.0, count)


scatter_reduce.no_vjp("index")
scatter_reduce.vjp(x=_reduced_self, src=_reduced_source)
scatter_reduce.sample(
    lambda make: [
        Sample(make(3, 4), make.integers(3, 2, high=4), make(3, 2), dim=1, reduce="prod"),
        Sample(make(3, 4), make.integers(4, 3, high=3), make(5, 4), dim=0, reduce="amax"),
        Sample(make(5), make.constant([0, 2, 2]), make(3), dim=0, reduce="amin", include_self=False),
        Sample(make(5), make.constant([0, 2, 2]), make(3), dim=0, reduce="prod", include_self=False),
    ]
)
