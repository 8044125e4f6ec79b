"""Rounding and signs: steps, whose gradient is zero almost everywhere."""

from __future__ import annotations

from dovetail.op import Sample, op


@op(promote="number")
def floor(xp, x):
    """Return ``x`` rounded down."""
    return xp.floor(x)


@op(promote="number")
def ceil(xp, x):
    """Return ``x`` rounded up."""
    return xp.ceil(x)


@op(promote="number")
def round(xp, x):
    """Return ``x`` rounded to the nearest integer, halves to the even one."""
    return xp.round(x)


@op(promote="number")
def trunc(xp, x):
    """Return ``x`` rounded towards zero."""
    return xp.trunc(x)


@op(promote="number")
def sign(xp, x):
    """Return -1, 0 or 1; 0 also for nan, as in PyTorch."""
    return xp.where(x == x, xp.sign(x), xp.zeros_like(x))


# PyTorch gives these zeros, no missing gradient.
for _step in (floor, ceil, round, trunc, sign):
    _step.vjp(x=lambda g: g * 0.0)
    _step.sample(lambda make: [Sample(make(3, 4, low=0.1, high=0.4)), Sample(make(3, low=1.6, high=1.9))])
