"""Ops that treat each element by itself; two inputs broadcast, and the engine undoes that in their gradients."""

from __future__ import annotations

import math

from dovetail.op import Sample, op
from dovetail.ops.compare import expect_order, is_integer
from dovetail.ops.integers import expect_divisors, integer_power
from dovetail.ops.rounding import sign


def _one(make):
    return [Sample(make(3, 4)), Sample(make(2, 1, 3))]


def _positive(make):
    return [Sample(make(3, 4, low=0.2, high=3.0)), Sample(make(5, low=0.2, high=3.0))]


def _two(make):
    return [Sample(make(3, 4), make(3, 4)), Sample(make(3, 1), make(4)), Sample(make(3, 4), 2.5)]


def _two_nonzero(make):
    return [
        Sample(make(3, 4), make(3, 4, low=0.5, high=2.0)),
        Sample(make(3, 1), make(4, low=-2.0, high=-0.5)),
        Sample(make(3, 4), 2.5),
    ]


# Arithmetic


@op
def add(xp, x, y):
    """Return ``x + y``."""
    return x + y


add.vjp(x=lambda g: g, y=lambda g: g)
add.sample(_two)


@op(promote="number")
def sub(xp, x, y):
    """Return ``x - y``."""
    return x - y


sub.vjp(x=lambda g: g, y=lambda g: -g)
sub.sample(_two)


@op(promote="number")
def rsub(xp, x, y):
    """Return ``y - x``: what a number minus a tensor is."""
    return y - x


rsub.vjp(x=lambda g: -g, y=lambda g: g)
rsub.sample(_two)


@op
def mul(xp, x, y):
    """Return ``x * y``."""
    return x * y


mul.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)
mul.sample(_two)


@op(promote="float")
def div(xp, x, y):
    """Return ``x / y``, floating point also for integers."""
    return x / y


div.vjp(x=lambda g, y: g / y, y=lambda g, x, y: -g * x / (y * y))
div.sample(_two_nonzero)


@op(promote="number")
def floor_divide(xp, x, y):
    """Return ``x / y`` rounded down."""
    expect_divisors(xp, "floor_divide", x, y)
    return x // y


floor_divide.no_vjp("x", "y")
floor_divide.sample(_two_nonzero)


@op(promote="number")
def remainder(xp, x, y):
    """Return what remains of ``x / y``, with the sign of ``y``."""
    expect_divisors(xp, "remainder", x, y)
    return x % y


remainder.vjp(x=lambda g: g, y=lambda g, x, y: -g * floor_divide(x, y))
remainder.sample(_two_nonzero)


@op(promote="number")
def pow(xp, x, y):
    """Return ``x`` to the power ``y``; an integer to a negative tensor of integers is 0, but for 1 and -1."""
    whole = not isinstance(x, (float, complex)) and not isinstance(y, (float, complex))
    if whole and is_integer(xp, y if isinstance(x, int) else x):
        return integer_power(xp, x, y)
    return x**y


def _pow_x(g, x, y):
    if isinstance(y, (int, float)):
        return g * 0.0 if y == 0 else g * (y * x ** (y - 1))
    return g * where(y == 0, 0.0, y * x ** (y - 1))


def _real(y):
    return y.real if y.is_complex() else y


def _pow_y(g, x, y, out):
    # the limit of x**y * log(x) at x = 0 is 0 for positive y
    if isinstance(x, (int, float)):
        slope = g * (out * (math.log(x) if x > 0 else math.nan if x else -math.inf))
        return slope if x else where(_real(y) >= 0, 0.0, slope)
    return g * where((x == 0) & (_real(y) >= 0), 0.0, out * log(where(x == 0, 1.0, x)))


pow.vjp(x=_pow_x, y=_pow_y)
pow.sample(
    lambda make: [
        Sample(make(3, 4, low=0.3, high=2.0), make(3, 4)),
        Sample(make(3, 4), 3),
        Sample(make(3, 4, low=0.3, high=2.0), -0.5),
        Sample(make(3, 4), 2.0),
        Sample(2.0, make(3)),
    ]
)


@op(promote="number")
def neg(xp, x):
    """Return ``-x``."""
    return -x


neg.vjp(x=lambda g: -g)
neg.sample(_one)


@op(promote="number")
def abs(xp, x):
    """Return the absolute value."""
    return xp.abs(x)


abs.vjp(x=lambda g, x: g * (x.sgn() if x.dtype.is_complex else sign(x)))
abs.sample(lambda make: [Sample(make(3, 4, low=0.2, high=2.0)), Sample(make(3, low=-2.0, high=-0.2))])


@op(promote="number")
def square(xp, x):
    """Return ``x * x``."""
    return x * x


square.vjp(x=lambda g, x: g * (2 * x))
square.sample(_one)


@op(promote="float")
def reciprocal(xp, x):
    """Return ``1 / x``."""
    return 1.0 / x


reciprocal.vjp(x=lambda g, out: -g * (out * out))
reciprocal.sample(_positive)


@op
def maximum(xp, x, y):
    """Return the larger of each pair; nan wins."""
    expect_order(xp, "maximum", x, y)
    return xp.maximum(x, y)


maximum.vjp(
    x=lambda g, x, y: where(x > y, g, where(x == y, g * 0.5, 0.0)),
    y=lambda g, x, y: where(y > x, g, where(x == y, g * 0.5, 0.0)),
)
maximum.sample(_two)


@op
def minimum(xp, x, y):
    """Return the smaller of each pair; nan wins."""
    expect_order(xp, "minimum", x, y)
    return xp.minimum(x, y)


minimum.vjp(
    x=lambda g, x, y: where(x < y, g, where(x == y, g * 0.5, 0.0)),
    y=lambda g, x, y: where(y < x, g, where(x == y, g * 0.5, 0.0)),
)
minimum.sample(_two)


@op
def clamp(xp, x, *, min=None, max=None):
    """Return ``x`` with what is below ``min`` or above ``max`` set to that number."""
    if min is not None:
        x = xp.maximum(x, xp.asarray(min, dtype=x.dtype))
    if max is not None:
        x = xp.minimum(x, xp.asarray(max, dtype=x.dtype))
    return x


def _clamp_x(g, x, min, max):
    inside = (x >= min) if min is not None else None
    if max is not None:
        inside = (x <= max) if inside is None else inside & (x <= max)
    return g if inside is None else where(inside, g, 0.0)


clamp.vjp(x=_clamp_x)
clamp.sample(lambda make: [Sample(make(3, 4), min=-0.5, max=0.5), Sample(make(3), min=0.1), Sample(make(3), max=0.1)])


@op(promote=None)
def where(xp, condition, x, y):
    """Return ``x`` where ``condition`` is true, elsewhere ``y``."""
    return xp.where(condition, x, y)


where.no_vjp("condition")
where.vjp(x=lambda g, condition: where(condition, g, 0.0), y=lambda g, condition: where(condition, 0.0, g))
where.sample(
    lambda make: [
        Sample(make.booleans(3, 4), make(3, 4), make(3, 4)),
        Sample(make.booleans(3, 1), make(4), make(3, 1)),
        Sample(make.booleans(3), make(3), 0.0),
    ]
)


# Exponentials and powers


@op(promote="float")
def exp(xp, x):
    """Return e to the power ``x``."""
    return xp.exp(x)


exp.vjp(x=lambda g, out: g * out)
exp.sample(_one)


@op(promote="float")
def expm1(xp, x):
    """Return ``exp(x) - 1``, exact also for small ``x``."""
    return xp.expm1(x)


expm1.vjp(x=lambda g, out: g * (out + 1))
expm1.sample(_one)


@op(promote="float")
def log(xp, x):
    """Return the natural logarithm."""
    return xp.log(x)


log.vjp(x=lambda g, x: g / x)
log.sample(_positive)


@op(promote="float")
def log1p(xp, x):
    """Return ``log(1 + x)``, exact also for small ``x``."""
    return xp.log1p(x)


log1p.vjp(x=lambda g, x: g / (x + 1))
log1p.sample(_positive)


@op(promote="float")
def log2(xp, x):
    """Return the logarithm to base 2."""
    return xp.log2(x)


log2.vjp(x=lambda g, x: g / (x * math.log(2)))
log2.sample(_positive)


@op(promote="float")
def log10(xp, x):
    """Return the logarithm to base 10."""
    return xp.log10(x)


log10.vjp(x=lambda g, x: g / (x * math.log(10)))
log10.sample(_positive)


@op(promote="float")
def sqrt(xp, x):
    """Return the square root."""
    return xp.sqrt(x)


sqrt.vjp(x=lambda g, out: g / (2 * out))
sqrt.sample(_positive)


@op(promote="float")
def rsqrt(xp, x):
    """Return one over the square root."""
    return 1.0 / xp.sqrt(x)


rsqrt.vjp(x=lambda g, out: g * (-0.5 * (out * out * out)))
rsqrt.sample(_positive)


# Trigonometry


@op(promote="float")
def sin(xp, x):
    """Return the sine."""
    return xp.sin(x)


sin.vjp(x=lambda g, x: g * cos(x))
sin.sample(_one)


@op(promote="float")
def cos(xp, x):
    """Return the cosine."""
    return xp.cos(x)


cos.vjp(x=lambda g, x: -g * sin(x))
cos.sample(_one)


@op(promote="float")
def tan(xp, x):
    """Return the tangent."""
    return xp.tan(x)


tan.vjp(x=lambda g, out: g * (1 + out * out))
tan.sample(lambda make: [Sample(make(3, 4, low=-1.0, high=1.0))])


@op(promote="float")
def atan(xp, x):
    """Return the angle whose tangent is ``x``."""
    return xp.atan(x)


atan.vjp(x=lambda g, x: g / (1 + x * x))
atan.sample(_one)
