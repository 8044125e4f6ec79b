"""Comparisons and logic: results of dtype bool, through which no gradient flows."""

from __future__ import annotations

from dovetail.errors import DTypeError
from dovetail.op import Sample, op


def _truth(xp, x):
    return xp.astype(xp.asarray(x), xp.bool)


def expect_order(xp, name, x, y):
    """Refuse complex numbers, which have no order; NumPy would look at the real parts first."""
    if is_complex(xp, y if isinstance(x, (int, float)) else x):
        refuse_order(name)


def is_integer(xp, x) -> bool:
    """Return whether an array holds integers. ``xp.isdtype`` knows only a namespace's own dtypes, and not bfloat16."""
    if getattr(x.dtype, "kind", "") == "f":  # NumPy says so at once
        return False
    return x.dtype in (xp.int64, xp.int32, xp.int16, xp.int8, xp.uint8)


def is_complex(xp, x):
    """Return whether an array holds complex numbers."""
    return x.dtype in (getattr(xp, "complex64", None), getattr(xp, "complex128", None))


def refuse_order(name):
    """Say that complex numbers cannot be compared by ``name``."""
    raise DTypeError(f"{name}: complex numbers have no order; compare their .abs(), or parts")


@op
def eq(xp, x, y):
    """Return whether ``x == y``."""
    return x == y


@op
def ne(xp, x, y):
    """Return whether ``x != y``."""
    return x != y


@op
def lt(xp, x, y):
    """Return whether ``x < y``."""
    expect_order(xp, "lt", x, y)
    return x < y


@op
def le(xp, x, y):
    """Return whether ``x <= y``."""
    expect_order(xp, "le", x, y)
    return x <= y


@op
def gt(xp, x, y):
    """Return whether ``x > y``."""
    expect_order(xp, "gt", x, y)
    return x > y


@op
def ge(xp, x, y):
    """Return whether ``x >= y``."""
    expect_order(xp, "ge", x, y)
    return x >= y


for _compare in (eq, ne, lt, le, gt, ge):
    _compare.no_vjp("x", "y")
    _compare.sample(lambda make: [Sample(make(3, 4), make(3, 4)), Sample(make(3, 1), make(4)), Sample(make(3), 0.0)])


@op
def logical_and(xp, x, y):
    """Return whether both are true (not zero)."""
    return xp.logical_and(_truth(xp, x), _truth(xp, y))


@op
def logical_or(xp, x, y):
    """Return whether one is true (not zero)."""
    return xp.logical_or(_truth(xp, x), _truth(xp, y))


@op
def logical_xor(xp, x, y):
    """Return whether exactly one is true (not zero)."""
    return xp.logical_xor(_truth(xp, x), _truth(xp, y))


@op
def bitwise_and(xp, x, y):
    """Return ``x & y`` of integers or booleans."""
    return x & y


@op
def bitwise_or(xp, x, y):
    """Return ``x | y`` of integers or booleans."""
    return x | y


@op
def bitwise_xor(xp, x, y):
    """Return ``x ^ y`` of integers or booleans."""
    return x ^ y


for _logic in (logical_and, logical_or, logical_xor, bitwise_and, bitwise_or, bitwise_xor):
    _logic.no_vjp("x", "y")
    _logic.sample(lambda make: [Sample(make.booleans(3, 4), make.booleans(3, 4))])


@op
def logical_not(xp, x):
    """Return whether ``x`` is false (zero)."""
    return xp.logical_not(_truth(xp, x))


@op
def bitwise_not(xp, x):
    """Return ``~x`` of integers or booleans."""
    return ~x


for _logic in (logical_not, bitwise_not):
    _logic.no_vjp("x")
    _logic.sample(lambda make: [Sample(make.booleans(3, 4))])


@op
def isnan(xp, x):
    """Return whether ``x`` is not a number."""
    return xp.isnan(x)


@op
def isinf(xp, x):
    """Return whether ``x`` is infinite."""
    return xp.isinf(x)


@op
def isfinite(xp, x):
    """Return whether ``x`` is neither infinite nor nan."""
    return xp.isfinite(x)


for _test in (isnan, isinf, isfinite):
    _test.no_vjp("x")
    _test.sample(lambda make: [Sample(make(3, 4))])
