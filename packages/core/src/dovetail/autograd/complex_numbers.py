"""Gradients through complex tensors, in PyTorch's convention: the conjugate Wirtinger derivative.

Nothing here costs real tensors anything: only when a complex tensor first gets a history do the ops' rules learn to
look at what they are given. A rule ``g * f'(x)`` that is right for real numbers is, between conjugates, right for a
holomorphic f too: ``conj(conj(g) * f'(x))`` is ``g * conj(f'(x))``. So the rules of such ops are called that way, those
of a few others are right as they are, and an op in neither list is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.errors import DTypeError
from dovetail.op import OPS, Op

#: Ops whose rules, written for real numbers, are right between conjugates.
HOLOMORPHIC = frozenset([
    "add", "sub", "mul", "div", "neg", "square", "reciprocal", "pow", "exp", "expm1", "log", "log1p", "log2", "log10",
    "sqrt", "rsqrt", "sin", "cos", "tan", "tanh", "atan", "sigmoid", "where", "masked_fill", "acos", "asin", "sinh",
    "cosh", "asinh", "acosh", "atanh", "sinc", "exp2", "sum", "mean", "prod", "cumsum", "cumprod", "matmul", "linear",
    "linear_weight", "outer", "clone", "reshape", "permute", "transpose", "expand", "squeeze", "unsqueeze", "cat",
    "stack", "repeat", "flip", "roll", "tril", "triu", "fill", "slice_view", "take", "untake", "put", "gather",
    "index_select", "index_add", "scatter_add", "overwritten",
])  # fmt: skip
#: Ops whose rules are right for complex numbers as they are.
AS_THEY_ARE = frozenset([
    "cast", "abs", "vector_norm", "real", "imag", "conj", "angle", "make_complex", "view_as_real", "view_as_complex",
    "inv", "solve", "det", "cholesky", "pinv", "fourier", "real_fourier", "fourier_to_real",
])  # fmt: skip

_allowed = False


def allow() -> None:
    """Have the rules of all ops look out for complex numbers from now on."""
    global _allowed
    if _allowed:
        return
    _allowed = True
    for op in OPS.values():
        op.evaluators = evaluators_of(op)
    from dovetail.views import OVERWRITE

    OVERWRITE.evaluators = evaluators_of(OVERWRITE)
    Op.finish = evaluators_of


def evaluators_of(op: Op) -> tuple[Callable[..., Any] | None, ...]:
    """Return what runs an op's rules, made to look out for complex numbers."""
    return tuple(None if evaluate is None else _watching(op, evaluate) for evaluate in op.evaluators)


def _watching(op: Op, evaluate: Callable[..., Any]) -> Callable[..., Any]:
    if op.name in AS_THEY_ARE:
        return evaluate
    if op.name in HOLOMORPHIC:
        return lambda g, saved: _conjugated(evaluate(_conjugated(g), saved)) if is_complex(g) else evaluate(g, saved)

    def refusing(g: Any, saved: Any) -> Any:
        if is_complex(g) or is_complex(saved):
            raise DTypeError(
                f"{op.name}: its gradient for complex numbers is not known to be right; detach the tensor, or keep the "
                "parts apart as real numbers"
            )
        return evaluate(g, saved)

    return refusing


def is_complex(value: Any) -> bool:
    """Return whether a tensor, or one of several, holds complex numbers."""
    if isinstance(value, (tuple, list)):
        return any(map(is_complex, value))
    return getattr(getattr(value, "dtype", None), "is_complex", False)  # NumPy's dtypes, of an index, do not say


def _conjugated(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(map(_conjugated, value))
    return value.conj() if is_complex(value) else value
