"""Angles and hyperbolic functions; few programs need them, so that they are imported when first asked for."""

from __future__ import annotations

from dovetail.errors import DTypeError
from dovetail.op import Sample, op
from dovetail.ops.elementwise import cos, rsqrt, where
from dovetail.ops.reduce import is_integer


def _one(make):
    return [Sample(make(3, 4)), Sample(make(2, 1, 3))]


def _inside(make):
    return [Sample(make(3, 4, low=-0.9, high=0.9)), Sample(make(5, low=-0.9, high=0.9))]


def _pairs(make):
    return [Sample(make(3, 4), make(3, 4)), Sample(make(3, 1), make(4)), Sample(make(3, 4), 2)]


@op(promote="float")
def acos(xp, x):
    """Return the angle, from 0 to pi, whose cosine is ``x``."""
    return xp.acos(x)


acos.vjp(x=lambda g, x: -g * rsqrt(1 - x * x))
acos.sample(_inside)


@op(promote="float")
def asin(xp, x):
    """Return the angle, from -pi/2 to pi/2, whose sine is ``x``."""
    return xp.asin(x)


asin.vjp(x=lambda g, x: g * rsqrt(1 - x * x))
asin.sample(_inside)


@op(promote="float")
def sinh(xp, x):
    """Return the hyperbolic sine."""
    return xp.sinh(x)


sinh.vjp(x=lambda g, x: g * cosh(x))
sinh.sample(_one)


@op(promote="float")
def cosh(xp, x):
    """Return the hyperbolic cosine."""
    return xp.cosh(x)


cosh.vjp(x=lambda g, x: g * sinh(x))
cosh.sample(_one)


@op(promote="float")
def asinh(xp, x):
    """Return the number whose hyperbolic sine is ``x``."""
    return xp.asinh(x)


asinh.vjp(x=lambda g, x: g * rsqrt(x * x + 1))
asinh.sample(_one)


@op(promote="float")
def acosh(xp, x):
    """Return the number of 0 or more whose hyperbolic cosine is ``x``."""
    return xp.acosh(x)


acosh.vjp(x=lambda g, x: g * rsqrt(x * x - 1))
acosh.sample(lambda make: [Sample(make(3, 4, low=1.3, high=3.0))])


@op(promote="float")
def atanh(xp, x):
    """Return the number whose hyperbolic tangent is ``x``."""
    return xp.atanh(x)


atanh.vjp(x=lambda g, x: g / (1 - x * x))
atanh.sample(_inside)


@op(promote="float")
def atan2(xp, x, y):
    """Return the angle, from -pi to pi, of the point ``(y, x)``: the sine's side comes first."""
    return xp.atan2(*as_arrays(xp, x, y))


def _over_square(part, x, y):
    """Return ``part`` over the squared distance from the origin, at which PyTorch gives 0."""
    square = x * x + y * y
    return where(square == 0, 0.0, part / square)


atan2.vjp(x=lambda g, x, y: g * _over_square(y, x, y), y=lambda g, x, y: -g * _over_square(x, x, y))
atan2.sample(_pairs)


def as_arrays(xp, x, y):
    """Return both as arrays of one dtype; the standard's functions of two take no Python number before 2024.12."""
    if not hasattr(x, "dtype"):
        return xp.asarray(x, dtype=y.dtype), y
    return x, y if hasattr(y, "dtype") else xp.asarray(y, dtype=x.dtype)


def float_arrays(name, xp, x, y):
    """Return both as arrays; refuse integers, for which this is not offered."""
    x, y = as_arrays(xp, x, y)
    if x.dtype == xp.bool or is_integer(xp, x):
        raise DTypeError(f"{name}: takes floating point, got {x.dtype}; convert with .float()")
    return x, y


@op
def hypot(xp, x, y):
    """Return ``sqrt(x * x + y * y)``, computed without overflow."""
    return xp.hypot(*float_arrays("hypot", xp, x, y))


hypot.vjp(x=lambda g, x, out: g * (x / out), y=lambda g, y, out: g * (y / out))
hypot.sample(_pairs)


@op(promote="float")
def sinc(xp, x):
    """Return ``sin(pi x) / (pi x)``, and 1 at 0."""
    angle = x * 3.141592653589793
    safe = xp.where(x == 0, xp.ones_like(angle), angle)
    return xp.where(x == 0, xp.ones_like(angle), xp.sin(safe) / safe)


def _sinc_x(g, x, out):
    slope = (cos(x * 3.141592653589793) - out) / where(x == 0, 1.0, x)
    return g * where(x == 0, 0.0, slope)


sinc.vjp(x=_sinc_x)
sinc.sample(_one)
