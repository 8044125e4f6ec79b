"""Finding elements: in a set, and in what is in order."""

from __future__ import annotations

from dovetail.op import Sample, op


@op
def isin(xp, x, test):
    """Return which elements of ``x`` are among those of ``test``."""
    return xp.any(xp.expand_dims(x, axis=-1) == xp.reshape(test, (-1,)), axis=-1)


isin.no_vjp("x", "test")
isin.sample(lambda make: [Sample(make.integers(3, 4, high=5), make.constant([1, 3])), Sample(make(3), make(2, 2))])


@op
def searchsorted(xp, sequence, values, *, right=False):
    """Return where ``values`` (..., count) would keep the last dimension of ``sequence`` (..., size) in order.

    A ``sequence`` of one dimension serves values of any shape; nan counts as larger than every number.
    """
    inner, probe = xp.expand_dims(sequence, axis=-2), xp.expand_dims(values, axis=-1)
    if sequence.ndim == 1:
        inner = sequence
    below = inner <= probe if right else inner < probe
    nan = probe != probe
    below = xp.logical_or(below, nan if right else xp.logical_and(nan, inner == inner))
    return xp.astype(xp.sum(xp.astype(below, xp.int64), axis=-1), xp.int64)


searchsorted.no_vjp("sequence", "values")
searchsorted.sample(
    lambda make: [
        Sample(make.constant([0.0, 1.0, 2.0, 4.0]), make.constant([[0.0, 4.0], [1.5, 8.0]])),
        Sample(make.constant([1, 2, 2, 3]), make.integers(4, high=5), right=True),
        Sample(make.constant([[0.0, 1.0], [2.0, 4.0]]), make.constant([[0.5, 1.0], [1.0, 8.0]])),
    ]
)
