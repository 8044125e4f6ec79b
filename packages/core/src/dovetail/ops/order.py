"""Ops that put elements in order."""

from __future__ import annotations

from dovetail.op import Sample, op


@op
def argsort(xp, x, *, dim=-1, descending=False):
    """Return the indices that put the elements along ``dim`` in order; equal ones keep theirs."""
    if not x.ndim:
        return xp.zeros((), dtype=xp.int64)
    if not descending:
        return xp.argsort(x, axis=dim, stable=True)
    backwards = xp.argsort(xp.flip(x, axis=dim), axis=dim, stable=True)
    return xp.flip(x.shape[dim] - 1 - backwards, axis=dim)


argsort.no_vjp("x")
argsort.sample(lambda make: [Sample(make(3, 4)), Sample(make(3, 4), dim=0, descending=True)])
