"""Ops with randomness; the mask is drawn before, so that the op itself is a function of its inputs."""

from __future__ import annotations

from dovetail.op import Sample, op
from dovetail.ops.shape import fill


@op(promote=None)
def masked_scale(xp, x, mask, *, scale):
    """Return ``x * scale`` where ``mask`` is true, elsewhere 0: what dropout does once the mask is drawn."""
    return x * (xp.astype(mask, x.dtype) * scale)


masked_scale.no_vjp("mask")
masked_scale.vjp(x=lambda g, mask, scale: masked_scale(g, mask, scale))
masked_scale.sample(lambda make: [Sample(make(3, 4), make.booleans(3, 4), scale=2.0)])


@op(promote=None)
def redrawn(xp, x, drawn):
    """Return the random numbers ``drawn`` in the place of ``x``, on which they do not depend smoothly."""
    return xp.asarray(xp.broadcast_arrays(x, drawn)[1], copy=True)


redrawn.no_vjp("drawn")
redrawn.vjp(x=lambda g: fill(g, value=0.0))
redrawn.sample(lambda make: [Sample(make(3, 4), make(3, 4))])
