"""Special functions under the names of ``torch.special``.

Example::

    >>> import dovetail
    >>> dovetail.special.expit(dovetail.tensor(0.0))
    tensor(0.5000)
"""

from __future__ import annotations

from typing import Any

from dovetail import ops
from dovetail.methods.elementwise import polygamma
from dovetail.methods.scaled import round
from dovetail.ops.angles import sinc
from dovetail.ops.special import digamma, erfc, erfinv, exp2, logit, xlogy
from dovetail.ops.special import lgamma as gammaln
from dovetail.tensor import Tensor

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p", "log_softmax", "logit",
    "logsumexp", "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

erf, expm1, log1p, logsumexp = ops.erf, ops.expm1, ops.log1p, ops.logsumexp
expit, psi = ops.sigmoid, digamma


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return exponentials that sum to 1 along ``dim``."""
    return ops.softmax(input if dtype is None else input.to(dtype), dim=dim)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return the logarithm of ``softmax``, computed without overflow."""
    return ops.log_softmax(input if dtype is None else input.to(dtype), dim=dim)


def entr(input: Tensor) -> Tensor:
    """Return ``-x * log(x)``: 0 at 0, and -inf below."""
    return ops.where(input < 0, float("-inf"), -xlogy(ops.clamp(input, min=0), ops.clamp(input, min=0)))


def xlog1py(input: Any, other: Any) -> Tensor:
    """Return ``input * log(1 + other)``, and 0 where ``input`` is 0."""
    zero = (input == 0) & ~ops.isnan(other) if isinstance(other, Tensor) else input == 0
    return ops.where(zero, 0.0, input * ops.log1p(ops.where(zero, 0.0, other) if isinstance(other, Tensor) else other))


def ndtr(input: Tensor) -> Tensor:
    """Return the normal distribution's cumulative function."""
    return erfc(input * (-(0.5**0.5))) * 0.5


def ndtri(input: Tensor) -> Tensor:
    """Return the number at which the normal distribution's cumulative function has this value."""
    return erfinv(2.0 * input - 1.0) * 2.0**0.5
