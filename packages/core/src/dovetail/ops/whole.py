"""Remainders, signs, divisors and bits: elementwise ops that few programs need, imported when first asked for."""

from __future__ import annotations

from dovetail.errors import DTypeError
from dovetail.op import Sample, op
from dovetail.ops.angles import as_arrays
from dovetail.ops.elementwise import div, where
from dovetail.ops.integers import expect_divisors
from dovetail.ops.reduce import is_integer
from dovetail.ops.rounding import trunc


def _pairs(make):
    return [
        Sample(make(3, 4), make(3, 4, low=0.5, high=2.0)),
        Sample(make(3, 1), make(4, low=-2.0, high=-0.5)),
    ]


def _integers(make):
    return [Sample(make.integers(3, 4, low=-20, high=40), make.integers(3, 4, low=1, high=7))]


@op(promote="number")
def fmod(xp, x, y):
    """Return what remains of ``x / y``, with the sign of ``x``."""
    expect_divisors(xp, "fmod", x, y)
    x, y = as_arrays(xp, x, y)
    left = xp.remainder(xp.abs(x), xp.abs(y))
    return xp.where(x < 0, -left, left)


fmod.vjp(x=lambda g: g, y=lambda g, x, y: -g * trunc(div(x, y)))
fmod.sample(_pairs)


@op(promote="number")
def floor_quotient(xp, x, y):
    """Return ``x / y`` rounded down; unlike for ``floor_divide`` a gradient of 0 is meant."""
    expect_divisors(xp, "div", x, y)
    return x // y


@op(promote="number")
def trunc_quotient(xp, x, y):
    """Return ``x / y`` rounded towards zero."""
    expect_divisors(xp, "div", x, y)
    x, y = as_arrays(xp, x, y)
    if is_integer(xp, x):
        down = x // y
        return down + xp.astype((down < 0) & (down * y != x), down.dtype)
    return xp.trunc(x / y)


for _quotient in (floor_quotient, trunc_quotient):
    _quotient.vjp(x=lambda g: g * 0.0, y=lambda g: g * 0.0)
    _quotient.sample(
        lambda make: [
            Sample(make(3, 4, low=0.1, high=0.4), make(4, low=0.5, high=2.0)),
            Sample(make(3, low=1.6, high=1.9), make(3, low=1.2, high=1.5)),
        ]
    )


@op(promote="float")
def copysign(xp, x, y):
    """Return ``x`` with the sign of ``y``, also of a negative zero."""
    return xp.copysign(*as_arrays(xp, x, y))


copysign.vjp(x=lambda g, x, out: g * where(x == 0, 0.0, out / x), y=lambda g: g * 0.0)
copysign.sample(_pairs)


@op
def signbit(xp, x):
    """Return whether the number is negative, negative zero included."""
    if x.dtype == xp.bool:
        return xp.zeros_like(x)
    if is_integer(xp, x):
        return x < 0
    return xp.signbit(x)


signbit.no_vjp("x")
signbit.sample(lambda make: [Sample(make(3, 4))])


@op
def heaviside(xp, x, y):
    """Return 0 where ``x`` is negative, 1 where positive, and ``y`` where it is 0."""
    x, y = as_arrays(xp, x, y)
    step = xp.astype(x > 0, x.dtype)
    return xp.where(x == 0, y, xp.where(x == x, step, xp.zeros_like(x)) if x.dtype == y.dtype else step)


heaviside.no_vjp("x", "y")
heaviside.sample(_pairs)


@op
def nextafter(xp, x, y):
    """Return the next number after ``x`` in the direction of ``y`` that the dtype holds."""
    return xp.nextafter(*as_arrays(xp, x, y))


nextafter.no_vjp("x", "y")
nextafter.sample(lambda make: [Sample(make(3, 4), make(3, 4))])


def _integers_only(name, xp, x, y):
    x, y = as_arrays(xp, x, y)
    if not is_integer(xp, x):
        raise DTypeError(f"{name}: takes integers, got {x.dtype}; convert with .long()")
    return x, y


@op(promote="number")
def gcd(xp, x, y):
    """Return the greatest common divisor of integers, by Euclid's algorithm."""
    x, y = _integers_only("gcd", xp, x, y)
    x, y = xp.broadcast_arrays(xp.abs(x), xp.abs(y))
    while bool(xp.any(y != 0)):
        x, y = (
            xp.where(y == 0, x, y),
            xp.where(y == 0, y, xp.remainder(x, xp.where(y == 0, xp.ones_like(y), y))),
        )
    return x


gcd.no_vjp("x", "y")
gcd.sample(_integers)


@op(promote="number")
def lcm(xp, x, y):
    """Return the least common multiple of integers."""
    x, y = _integers_only("lcm", xp, x, y)
    divisor = gcd.definition.kernel(xp, x, y)
    return xp.abs(x // xp.where(divisor == 0, xp.ones_like(divisor), divisor) * y)


lcm.no_vjp("x", "y")
lcm.sample(_integers)
