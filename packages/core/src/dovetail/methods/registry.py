"""Where functions become methods, and the same names of ``dovetail``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.tensor import Tensor

#: What is both ``dovetail.name(x, ...)`` and, mostly, ``x.name(...)``.
FUNCTIONS: dict[str, Callable[..., Any]] = {}


def function(call: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of this, and a function of ``dovetail``."""
    FUNCTIONS[call.__name__] = call
    setattr(Tensor, call.__name__, call)
    return call


def method(call: Any) -> Any:
    """Make a method of this; ``@method("name")`` under another name."""
    if isinstance(call, str):
        return lambda named: setattr(Tensor, call, named)
    setattr(Tensor, call.__name__, call)
    return call


def check_dim(x: Tensor, dim: int, extra: int = 0) -> int:
    """Return ``dim`` as an index of 0 or more.

    Raises:
        IndexError: ``x`` has no such dimension.
    """
    ndim = max(x.ndim + extra, 1)
    if not -ndim <= dim < ndim:
        raise IndexError(f"dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})")
    return dim + ndim if dim < 0 else dim
