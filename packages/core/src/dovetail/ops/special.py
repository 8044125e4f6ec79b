"""Special functions that the array standard does not have; imported when first asked for.

In float64 all are good to about 1e-13, relative (absolute beside a zero); float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

import math

from dovetail.op import Sample, op
from dovetail.ops.activation import erf_array, erfc_tail, sigmoid
from dovetail.ops.angles import as_arrays, float_arrays
from dovetail.ops.elementwise import div, exp, log, where

PI = math.pi
#: Bernoulli numbers B2, B4, ...
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
FAR = 10  # from where on the asymptotic series are exact with these terms


def _positive(make):
    return [Sample(make(3, 4, low=0.3, high=3.0)), Sample(make(2, 5, low=2.6, high=14.0))]


def _pairs(make):
    return [Sample(make(3, 4), make(3, 4)), Sample(make(3, 1), make(4)), Sample(make(3, 4), 2)]


def widened(compute):
    """Return the kernel computed in float32 for the shorter dtypes."""

    def kernel(xp, x):
        if x.dtype in (xp.float32, xp.float64):
            return compute(xp, x)
        return xp.astype(compute(xp, xp.astype(x, xp.float32)), x.dtype)

    return kernel


def _sin_pi(xp, x):
    """Return ``sin(pi x)`` exactly reduced: at most 1/4 turn is left."""
    turn = xp.remainder(x, xp.full_like(x, 2.0))
    turn = xp.where(turn > 1.5, turn - 2.0, xp.where(turn > 0.5, 1.0 - turn, turn))
    return xp.sin(PI * turn)


def _tan_pi(xp, x):
    turn = xp.remainder(x, xp.ones_like(x))
    return xp.tan(PI * xp.where(turn > 0.5, turn - 1.0, turn))


# The logarithm of the gamma function and its derivatives

# Taylor series of lgamma(2 + z) / z in z: 1 - Euler's constant, then (-1)^k (zeta(k) - 1) / k for k from 2; Abramowitz
# and Stegun, 6.1.33. It is used for |z| up to 1/2.
_NEAR_TWO = (
    0.42278433509846713, 0.3224670334241132, -0.0673523010531981, 0.020580808427784546, -0.007385551028673986,
    0.0028905103307415234, -0.001192753911703261, 0.0005096695247430425, -0.00022315475845357939,
    9.945751278180853e-05, -4.492623673813314e-05, 2.050721277567069e-05, -9.439488275268397e-06,
    4.374866789907488e-06, -2.039215753801366e-06, 9.55141213040742e-07, -4.492469198764566e-07,
    2.1207184805554665e-07, -1.0043224823968099e-07, 4.7698101693639804e-08, -2.2711094608943164e-08,
    1.0838659214896955e-08, -5.183475041970047e-09, 2.4836745438024785e-09, -1.1921401405860912e-09,
    5.731367241678862e-10, -2.7595228851242334e-10, 1.330476437424449e-10, -6.4229645638381e-11,
)  # fmt: skip


def _stirling(xp, x):
    """Return lgamma of numbers above FAR; Abramowitz and Stegun, 6.1.40."""
    inverse = 1.0 / (x * x)
    series = xp.zeros_like(x)
    for place in range(len(BERNOULLI), 0, -1):
        series = series * inverse + BERNOULLI[place - 1] / (2 * place * (2 * place - 1))
    return (x - 0.5) * (xp.log(x) - 1.0) + (0.5 * math.log(2 * PI) - 0.5) + series / x


def _lgamma_positive(xp, x):
    """Return lgamma of positive numbers: moved by the recurrence to 1.5 ... 2.5, or far away by Stirling's series."""
    near = xp.where(x < FAR, x, xp.full_like(x, 2.0))
    product = xp.ones_like(x)
    for _ in range(FAR - 2):
        above = near >= 2.5
        near = xp.where(above, near - 1.0, near)
        product = xp.where(above, product * near, product)
    tiny, small = near < 0.5, (near >= 0.5) & (near < 1.5)
    z = xp.where(tiny, near, xp.where(small, near - 1.0, near - 2.0))
    series = xp.zeros_like(z)
    for coefficient in reversed(_NEAR_TWO):
        series = series * z + coefficient
    # lgamma(z) = lgamma(2 + z) - log(z (1 + z)), and without losing digits beside the zero at 1
    below = xp.where(tiny, xp.log(xp.where(tiny, z, xp.ones_like(z))), xp.zeros_like(z))
    below = below + xp.where(tiny | small, xp.log1p(xp.where(tiny | small, z, xp.zeros_like(z))), xp.zeros_like(z))
    close = series * z - below + xp.log(product)
    return xp.where(x < FAR, close, _stirling(xp, xp.where(x < FAR, xp.full_like(x, FAR), x)))


@op(promote="float")
def lgamma(xp, x):
    """Return the logarithm of the absolute value of the gamma function."""
    return widened(_lgamma)(xp, x)


def _lgamma(xp, x):
    negative = x < 0
    found = _lgamma_positive(xp, xp.where(x > 0, x, xp.where(negative, 1.0 - x, xp.ones_like(x))))
    whole = (x <= 0) & (x == xp.floor(x))
    sine = xp.abs(_sin_pi(xp, xp.where(negative & ~whole, x, xp.full_like(x, 0.5))))
    found = xp.where(negative, math.log(PI) - xp.log(sine) - found, found)  # the reflection formula
    infinite = whole | (xp.abs(x) == math.inf)
    return xp.where(infinite, xp.full_like(x, math.inf), xp.where(x == x, found, x))


lgamma.vjp(x=lambda g, x: g * digamma(x))
lgamma.sample(lambda make: [*_positive(make), Sample(make(3, low=-0.9, high=-0.1))])


@op(promote="float")
def digamma(xp, x):
    """Return the derivative of lgamma."""
    return widened(_digamma)(xp, x)


def _digamma(xp, x):
    negative = x < 0
    whole = (x <= 0) & (x == xp.floor(x))
    z = xp.where(whole, xp.ones_like(x), xp.where(negative, 1.0 - x, x))
    total = xp.zeros_like(x)
    for _ in range(FAR):  # psi(z) = psi(z + 1) - 1 / z
        low = z < FAR
        total = xp.where(low, total - 1.0 / z, total)
        z = xp.where(low, z + 1.0, z)
    inverse = 1.0 / (z * z)
    series = xp.zeros_like(x)  # Abramowitz and Stegun, 6.3.18
    for place in range(len(BERNOULLI), 0, -1):
        series = (series + BERNOULLI[place - 1] / (2 * place)) * inverse
    found = total + xp.log(z) - 0.5 / z - series
    reflected = found - PI / _tan_pi(xp, xp.where(negative & ~whole, x, xp.full_like(x, 0.25)))
    found = xp.where(negative, reflected, found)
    pole = xp.where(x == 0, xp.copysign(xp.full_like(x, math.inf), -x), xp.full_like(x, math.nan))
    return xp.where(whole, pole, found)


digamma.vjp(x=lambda g, x: g * polygamma(x, n=1))
digamma.sample(lambda make: [*_positive(make), Sample(make(3, low=-0.9, high=-0.1))])


@op(promote="float")
def polygamma(xp, x, *, n):
    """Return derivative ``n`` (1 or more) of digamma."""
    return widened(lambda xp, x: _polygamma(xp, x, n))(xp, x)


def _polygamma(xp, x, n):
    """Return (-1)^(n+1) n! zeta(n + 1, x), the sum of 1 / (x + k)^(n+1), by the formula of Euler and Maclaurin."""
    order, total, z = n + 1, xp.zeros_like(x), x
    finite = xp.where(xp.isfinite(x), x, xp.zeros_like(x))
    least = float(xp.min(finite)) if math.prod(x.shape) else 0.0
    for _ in range(max(FAR + n - math.floor(least), 0)):
        low = z < FAR + n
        total = xp.where(low, total + 1.0 / z**order, total)
        z = xp.where(low, z + 1.0, z)
    series, factor = xp.zeros_like(x), float(order)
    power = z ** (-order - 1.0)
    for place, bernoulli in enumerate(BERNOULLI, 1):
        series = series + (bernoulli * factor / math.factorial(2 * place)) * power
        factor *= (order + 2 * place - 1) * (order + 2 * place)
        power = power / (z * z)
    tail = z ** (1.0 - order) / (order - 1) + 0.5 * z ** (-float(order)) + series
    return (total + tail) * ((-1.0) ** order * math.factorial(n))


polygamma.vjp(x=lambda g, x, n: g * polygamma(x, n=n + 1))
polygamma.sample(lambda make: [Sample(*sample.inputs, n=n) for n in (1, 2, 4) for sample in _positive(make)])


@polygamma.checked_by
def _polygamma_order(x, n):
    if n < 1:
        raise ValueError(f"polygamma: n must be 0 or more, got {n}")


# The error function's relatives


@op(promote="float")
def erfc(xp, x):
    """Return ``1 - erf(x)``, exact also where that is small."""
    return widened(_erfc)(xp, x)


def _erfc(xp, x):
    size = xp.abs(x)
    tail = erfc_tail(xp, size)
    return xp.where(size < 0.5, 1.0 - erf_array(xp, x), xp.where(x < 0, 2.0 - tail, tail))


erfc.vjp(x=lambda g, x: g * (-2 / math.sqrt(PI) * exp(-(x * x))))
erfc.sample(lambda make: [Sample(make(3, 4)), Sample(make(5, low=-4.0, high=4.0))])

# Giles, "Approximating the erfinv function", 2012, single precision: in w = -log(1 - x * x), around 2.5 below 5, and
# in sqrt(w) around 3 above.
_GILES_CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
                 -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_GILES_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
               0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


@op(promote="float")
def erfinv(xp, x):
    """Return the number whose error function is ``x``: Giles's approximation, then steps of Halley's method."""
    return widened(_erfinv)(xp, x)


def _erfinv(xp, x):
    inside = xp.abs(x) < 1
    size = xp.where(inside, xp.abs(x), xp.zeros_like(x))
    w = -xp.log1p(-size) - xp.log1p(size)
    central = w < 5
    u = xp.where(central, w - 2.5, xp.sqrt(w) - 3.0)
    centre, far = xp.zeros_like(x), xp.zeros_like(x)
    for one, other in zip(_GILES_CENTRE, _GILES_TAIL, strict=True):
        centre, far = centre * u + one, far * u + other
    found = xp.where(central, centre, far) * size
    # beyond what his tail was made for: erfc(y) is about exp(-y * y) / (y sqrt(pi))
    rest = -xp.log(xp.where(w > 14, 1.0 - size, xp.full_like(size, 1e-6)))
    found = xp.where(w > 14, xp.sqrt(rest - 0.5 * xp.log(PI * rest)), found)
    for _ in range(3 if x.dtype == xp.float64 else 1):
        # erf(found) - size without losing digits where both are almost 1
        near, tail = erf_array(xp, found) - size, (1.0 - size) - erfc_tail(xp, found)
        step = xp.where(found < 0.5, near, tail) * (0.5 * math.sqrt(PI)) * xp.exp(found * found)
        found = found - step / (1.0 + found * step)
    edge = xp.where(xp.abs(x) == 1, xp.full_like(x, math.inf), xp.full_like(x, math.nan))
    return xp.copysign(xp.where(inside, found, edge), x)


erfinv.vjp(x=lambda g, out: g * (0.5 * math.sqrt(PI) * exp(out * out)))
erfinv.sample(lambda make: [Sample(make(3, 4, low=-0.95, high=0.95))])


# Exponentials and logarithms


@op(promote="float")
def exp2(xp, x):
    """Return 2 to the power ``x``."""
    return 2.0**x


exp2.vjp(x=lambda g, out: g * (out * math.log(2)))
exp2.sample(lambda make: [Sample(make(3, 4))])


@op
def logaddexp(xp, x, y):
    """Return ``log(exp(x) + exp(y))``, computed without overflow."""
    return xp.logaddexp(*float_arrays("logaddexp", xp, x, y))


logaddexp.vjp(x=lambda g, x, y: g * sigmoid(x - y), y=lambda g, x, y: g * sigmoid(y - x))
logaddexp.sample(_pairs)


@op(promote="float")
def xlogy(xp, x, y):
    """Return ``x * log(y)``, and 0 where ``x`` is 0 and ``y`` a number."""
    x, y = as_arrays(xp, x, y)
    zero = (x == 0) & (y == y)
    return xp.where(zero, xp.zeros_like(x), x * xp.log(xp.where(zero, xp.ones_like(y), y)))


xlogy.vjp(
    x=lambda g, x, y: g * where((x == 0) & (y <= 0), 0.0, log(y)),
    y=lambda g, x, y: g * div(x, y),
)
xlogy.sample(lambda make: [Sample(make(3, 4), make(3, 4, low=0.3, high=2.0)), Sample(make(3, 1), make(4, low=0.2))])


@op(promote="float")
def logit(xp, x, *, eps=None):
    """Return ``log(x / (1 - x))``; with ``eps``, ``x`` is first brought between ``eps`` and ``1 - eps``."""
    if eps is not None:
        x = xp.maximum(xp.minimum(x, xp.full_like(x, 1.0 - eps)), xp.full_like(x, eps))
    return xp.log(x / (1.0 - x))


def _logit_x(g, x, eps):
    low, high = (0.0, 1.0) if eps is None else (eps, 1.0 - eps)
    return where((x >= low) & (x <= high), g / (x * (1 - x)), math.nan if eps is None else 0.0)


logit.vjp(x=_logit_x)
logit.sample(lambda make: [Sample(make(3, 4, low=0.1, high=0.9)), Sample(make(3, low=0.2, high=0.8), eps=0.1)])
