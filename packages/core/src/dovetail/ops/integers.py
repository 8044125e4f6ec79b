"""What only integers do: shifts of their bits; and what they cannot do: divide by 0, and have inverses."""

from __future__ import annotations

from dovetail.errors import DivisionByZeroError, DTypeError
from dovetail.op import Sample, op
from dovetail.ops.compare import is_complex, is_integer


def expect_divisors(xp, name, x, y):
    """Refuse to divide integers by 0, and complex numbers with a remainder."""
    array = y if isinstance(x, (int, float, complex)) else x
    if is_integer(xp, array) and not xp.all(xp.asarray(y) != 0) and 0 not in getattr(x, "shape", ()):
        raise DivisionByZeroError(
            f"{name}: ZeroDivisionError: an integer is divided by 0; convert with .float() for inf"
        )
    if is_complex(xp, array):
        raise DTypeError(f"{name}: takes real numbers, got {array.dtype}; complex ones have no order to round in")


def integer_power(xp, x, y):
    """Return the power of integers, whose inverses are not integers."""
    if isinstance(y, int):
        if y < 0:
            raise DTypeError(
                f"pow: integers to negative integer powers are no integers, got {y}; convert with .float()"
            )
        return x**y
    if not xp.any(y < 0):
        return x**y
    x = xp.asarray(x, dtype=y.dtype) if isinstance(x, int) else x
    parity = xp.where(y % 2 == 0, xp.ones_like(x * y), xp.broadcast_to(x, (x * y).shape))
    inverse = xp.where(xp.abs(x) == 1, parity, xp.zeros_like(parity))
    return xp.where(y < 0, inverse, x ** xp.where(y < 0, xp.zeros_like(y), y))


def _integers(xp, x, y, name):
    """Return both as arrays of integers, and how many bits these have; NumPy's shifts take booleans too."""
    array = y if isinstance(x, (int, float)) else x
    if not is_integer(xp, array):
        raise DTypeError(f"{name}: shifts integers, got {array.dtype}; convert with .int() or .long()")
    x, y = (xp.asarray(value, dtype=array.dtype) if isinstance(value, int) else value for value in (x, y))
    return x, y, xp.iinfo(array.dtype).bits


@op
def bitwise_left_shift(xp, x, y):
    """Return the integers ``x`` shifted ``y`` bits to the left; 0 where ``y`` is negative or as large as the dtype."""
    x, y, bits = _integers(xp, x, y, "bitwise_left_shift")
    inside = (y >= 0) & (y < bits)
    return xp.where(inside, x << xp.where(inside, y, xp.zeros_like(y)), xp.zeros_like(x))


@op
def bitwise_right_shift(xp, x, y):
    """Return ``x`` shifted ``y`` bits to the right, keeping the sign; all bits where ``y`` is negative or too large."""
    x, y, bits = _integers(xp, x, y, "bitwise_right_shift")
    inside = (y >= 0) & (y < bits)
    return (
        x >> xp.where(inside, y, xp.full_like(y, bits - 1))
        if x.dtype != xp.uint8
        else xp.where(inside, x >> xp.where(inside, y, xp.zeros_like(y)), xp.zeros_like(x))
    )


for _shift in (bitwise_left_shift, bitwise_right_shift):
    _shift.no_vjp("x", "y")
    _shift.sample(
        lambda make: [
            Sample(make.integers(3, 4, high=99), make.integers(3, 4, high=9)),
            Sample(make.integers(3, 1, high=99), make.integers(4, low=-1, high=70)),
            Sample(make.integers(3, low=-9, high=9), 2),
        ]
    )
