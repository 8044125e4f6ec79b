"""Extremes and sums of exponentials that run along a dimension; imported when first asked for."""

from __future__ import annotations

import math

from dovetail.op import Sample, op
from dovetail.ops.angles import float_arrays
from dovetail.ops.elementwise import exp, log, where


def _cut(x, dim, start, stop):
    return x[(*(slice(None),) * dim, slice(start, stop), Ellipsis)]


def _scan(xp, parts, dim, combine):
    """Return arrays combined with all before them along ``dim``, in steps of 1, 2, 4, ... (Hillis and Steele, 1986)."""
    size, step = parts[0].shape[dim], 1
    while step < size:
        merged = combine([_cut(x, dim, 0, size - step) for x in parts], [_cut(x, dim, step, size) for x in parts])
        parts = [xp.concat([_cut(x, dim, 0, step), new], axis=dim) for x, new in zip(parts, merged, strict=True)]
        step *= 2
    return parts


def _extremes(xp, x, dim, wins):
    """Return the running extreme and where it is; of equal ones the last, and nan wins for good."""
    if not x.ndim:
        return xp.asarray(x, copy=True), xp.zeros((), dtype=xp.int64)
    dim = dim % x.ndim
    shape = [1] * x.ndim
    shape[dim] = x.shape[dim]
    places = xp.broadcast_to(xp.reshape(xp.arange(x.shape[dim], dtype=xp.int64), tuple(shape)), x.shape)

    def combine(before, after):
        taken = (after[0] != after[0]) | ((before[0] == before[0]) & wins(after[0], before[0]))
        return [xp.where(taken, new, old) for new, old in zip(after, before, strict=True)]

    values, indices = _scan(xp, [x, places], dim, combine)
    return xp.asarray(values, copy=True), xp.asarray(indices, copy=True)


@op(promote=None, outputs=("values", "indices"), no_grad_outputs=("indices",))
def cummax(xp, x, *, dim):
    """Return the largest element so far along ``dim``, and its index."""
    if x.dtype == xp.bool:
        values, indices = _extremes(xp, xp.astype(x, xp.uint8), dim, lambda after, before: after >= before)
        return xp.astype(values, xp.bool), indices
    return _extremes(xp, x, dim, lambda after, before: after >= before)


@op(promote=None, outputs=("values", "indices"), no_grad_outputs=("indices",))
def cummin(xp, x, *, dim):
    """Return the smallest element so far along ``dim``, and its index."""
    if x.dtype == xp.bool:
        values, indices = _extremes(xp, xp.astype(x, xp.uint8), dim, lambda after, before: after <= before)
        return xp.astype(values, xp.bool), indices
    return _extremes(xp, x, dim, lambda after, before: after <= before)


def _running_x(g, x_shape, indices, dim):
    values = g[0]
    return values if not x_shape else values.new_zeros(x_shape).scatter_add(dim, indices, values)


for _running in (cummax, cummin):
    _running.vjp(x=_running_x)
    _running.sample(lambda make: [Sample(make(3, 4), dim=1), Sample(make(7), dim=0), Sample(make(2, 5, 3), dim=-2)])


@op(promote=None)
def logcumsumexp(xp, x, *, dim):
    """Return the logarithm of the running sum of exponentials along ``dim``, computed without overflow."""
    float_arrays("logcumsumexp", xp, x, x)
    if not x.ndim:
        return xp.asarray(x, copy=True)
    (out,) = _scan(xp, [x], dim % x.ndim, lambda before, after: [xp.logaddexp(before[0], after[0])])
    return xp.asarray(out, copy=True)


def _logcumsumexp_x(g, x, out, dim):
    if not x.ndim:
        return g

    def part(wanted, size):
        """Return the sum over later places of a gradient of one sign, times exp(x - out) there."""
        logarithm = where(wanted, log(where(wanted, size, 1.0)), -math.inf)
        return exp(x + logcumsumexp((logarithm - finite).flip(dim), dim).flip(dim))

    finite = where(out == -math.inf, 0.0, out)
    return part(g > 0, g) - part(g < 0, -g) + g * 0.0  # the last for nan, which is neither


logcumsumexp.vjp(x=_logcumsumexp_x)
logcumsumexp.sample(lambda make: [Sample(make(3, 4), dim=1), Sample(make(5), dim=0)])
