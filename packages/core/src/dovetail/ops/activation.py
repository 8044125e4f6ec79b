"""Activation functions, each with its own gradient rule where that is cheaper or more exact than a composition."""

from __future__ import annotations

import math

from dovetail.op import Sample, op
from dovetail.ops.elementwise import exp, where


def _one(make):
    return [Sample(make(3, 4)), Sample(make(2, 1, 3))]


@op(promote="float")
def tanh(xp, x):
    """Return the hyperbolic tangent."""
    return xp.tanh(x)


tanh.vjp(x=lambda g, out: g * (1 - out * out))
tanh.sample(_one)


@op(promote="float")
def sigmoid(xp, x):
    """Return ``1 / (1 + exp(-x))``."""
    return 0.5 * xp.tanh(0.5 * x) + 0.5  # exp would overflow far from zero


sigmoid.vjp(x=lambda g, out: g * (out * (1 - out)))
sigmoid.sample(_one)


@op(promote="number")
def relu(xp, x):
    """Return ``max(x, 0)``."""
    return xp.maximum(x, xp.asarray(0, dtype=x.dtype))


@op(promote=None)
def relu_backward(xp, g, out):
    """Return ``g`` where the result of relu was positive, elsewhere 0."""
    return g * xp.astype(out > 0, g.dtype)


relu.vjp(x=lambda g, out: relu_backward(g, out))
relu.sample(lambda make: [Sample(make(3, 4)), Sample(make(5, low=0.1, high=1.0))])
relu_backward.vjp(g=lambda g, out: relu_backward(g, out))
relu_backward.no_vjp("out")
relu_backward.sample(lambda make: [Sample(make(3, 4), make(3, 4))])


@op
def leaky_relu(xp, x, *, negative_slope=0.01):
    """Return ``x`` where positive, elsewhere ``negative_slope * x``."""
    return xp.where(x > 0, x, x * negative_slope)


leaky_relu.vjp(x=lambda g, x, negative_slope: where(x > 0, g, g * negative_slope))
leaky_relu.sample(lambda make: [Sample(make(3, 4)), Sample(make(3), negative_slope=0.2)])


@op(promote="float")
def silu(xp, x):
    """Return ``x * sigmoid(x)``."""
    return x * (0.5 * xp.tanh(0.5 * x) + 0.5)


def _silu_x(g, x):
    gate = sigmoid(x)
    return g * (gate * (1 + x * (1 - gate)))


silu.vjp(x=_silu_x)
silu.sample(_one)


@op(promote="float")
def softplus(xp, x, *, beta=1.0, threshold=20.0):
    """Return ``log(1 + exp(beta * x)) / beta``, and ``x`` where ``beta * x`` is above ``threshold``."""
    scaled = x * beta
    soft = xp.log1p(xp.exp(-xp.abs(scaled))) + xp.maximum(scaled, xp.zeros_like(scaled))
    return xp.where(scaled > threshold, x, soft / beta)


softplus.vjp(x=lambda g, x, beta, threshold: where(x * beta > threshold, g, g * sigmoid(x * beta)))
softplus.sample(lambda make: [Sample(make(3, 4)), Sample(make(3), beta=2.0)])


# Coefficients of a Chebyshev series for log(erfc(x) * exp(x * x) / t) in t = 2 / (2 + x), over t from 0.069 to 0.8,
# that is x from 0.5 to 27; fitted in 50 digits, the first one left out is below 1e-18.
_ERFC = (
    -0.7431948752792996, 0.4699080228193188, 0.01534192065903093, -0.0035581756125312894, -0.0004448156080684415,
    6.917794661048473e-05, 1.3632049016709482e-05, -2.1182869485691767e-06, -4.4211056348849995e-07,
    8.512135487715121e-08, 1.3803798982615917e-08, -3.849641996988913e-09, -3.444990852039877e-10,
    1.741826222956894e-10, 1.8009500891729962e-12, -7.16964678962128e-12, 5.445120836645968e-13,
    2.3680624872633384e-13, -4.617965501407335e-14, -4.179324042585344e-15, 2.316234969490055e-15,
    -1.471856918438492e-16, -6.722951652925454e-17, 1.6516039365265425e-17,
)  # fmt: skip
# The Taylor series of erf(x) / x in x * x, which converges fast below 0.5.
_ERF_NEAR_ZERO = tuple(2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(13))


def erfc_tail(xp, size):
    """Return ``erfc`` of an array of numbers from 0.5 on."""
    terms = 24 if str(size.dtype).endswith("64") else 11  # what is left out is below the dtype's precision
    t = 2.0 / (2.0 + xp.minimum(size, xp.full_like(size, 27.0)))
    u = (2.0 * t - (0.8 + 0.069)) / (0.8 - 0.069)
    last, before = xp.zeros_like(u), xp.zeros_like(u)
    for coefficient in _ERFC[terms - 1 : 0 : -1]:
        last, before = 2.0 * u * last - before + coefficient, last
    return t * xp.exp(u * last - before + _ERFC[0] - size * size)


def erf_array(xp, x):
    """Return the error function of an array; the array standard has none."""
    size = xp.abs(x)
    far = 1.0 - erfc_tail(xp, size)
    squared = x * x
    near = xp.full_like(x, _ERF_NEAR_ZERO[12])
    for coefficient in _ERF_NEAR_ZERO[11::-1]:
        near = near * squared + coefficient
    return xp.where(size < 0.5, near * x, xp.where(x < 0, -far, far))


@op(promote="float")
def erf(xp, x):
    """Return the error function."""
    return erf_array(xp, x)


erf.vjp(x=lambda g, x: g * (2 / math.sqrt(math.pi) * exp(-(x * x))))
erf.sample(lambda make: [Sample(make(3, 4)), Sample(make(5, low=-4.0, high=4.0))])


@op(promote="float")
def gelu(xp, x, *, approximate="none"):
    """Return ``x`` times the normal distribution's cumulative function at ``x``; Hendrycks and Gimpel, 2016.

    ``approximate="tanh"`` computes it by their formula with tanh.
    """
    if approximate == "tanh":
        return 0.5 * x * (1.0 + xp.tanh(_GELU_SCALE * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + erf_array(xp, x * math.sqrt(0.5)))


_GELU_SCALE = math.sqrt(2 / math.pi)


def _gelu_x(g, x, approximate):
    if approximate == "tanh":
        inner = tanh(_GELU_SCALE * (x + 0.044715 * x * x * x))
        slope = (1 - inner * inner) * (_GELU_SCALE * (1 + 0.134145 * x * x))
        return g * (0.5 * (1 + inner) + 0.5 * x * slope)
    return g * (0.5 * (1 + erf(x * math.sqrt(0.5))) + x * (exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))))


gelu.vjp(x=_gelu_x)
gelu.sample(lambda make: [Sample(make(3, 4)), Sample(make(3, 4), approximate="tanh")])


@gelu.checked_by
def _gelu_checked(x, approximate):
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")


@op(promote="float")
def softmax(xp, x, *, dim):
    """Return exponentials that sum to 1 along ``dim``."""
    if not math.prod(x.shape):
        return xp.asarray(x, copy=True)
    powers = xp.exp(x - xp.max(x, axis=dim, keepdims=True))
    return powers / xp.sum(powers, axis=dim, keepdims=True)


@op(promote=None)
def softmax_backward(xp, grad, out, *, dim):
    """Return the gradient of ``softmax`` for its input."""
    return out * (grad - xp.sum(grad * out, axis=dim, keepdims=True))


softmax.vjp(x=lambda g, out, dim: softmax_backward(g, out, dim=dim))
softmax_backward.vjp_of(lambda grad, out, dim: out * (grad - (grad * out).sum(dim, keepdim=True)))
softmax_backward.sample(lambda make: [Sample(make(3, 4), make(3, 4), dim=1), Sample(make(2, 3), make(2, 3), dim=0)])
softmax.sample(lambda make: [Sample(make(3, 4), dim=1), Sample(make(2, 3, 2), dim=0), Sample(make(3), dim=-1)])


@op(promote="float")
def log_softmax(xp, x, *, dim):
    """Return the logarithm of ``softmax``, computed without overflow."""
    if not math.prod(x.shape):
        return xp.asarray(x, copy=True)
    shifted = x - xp.max(x, axis=dim, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=dim, keepdims=True))


@op(promote=None)
def log_softmax_backward(xp, grad, out, *, dim):
    """Return the gradient of ``log_softmax`` for its input."""
    return grad - xp.exp(out) * xp.sum(grad, axis=dim, keepdims=True)


log_softmax.vjp(x=lambda g, out, dim: log_softmax_backward(g, out, dim=dim))
log_softmax_backward.vjp_of(lambda grad, out, dim: grad - exp(out) * grad.sum(dim, keepdim=True))
log_softmax_backward.sample(lambda make: [Sample(make(3, 4), make(3, 4), dim=1), Sample(make(2, 3), make(2, 3), dim=0)])
log_softmax.sample(lambda make: [Sample(make(3, 4), dim=1), Sample(make(2, 3, 2), dim=0), Sample(make(3), dim=-1)])
