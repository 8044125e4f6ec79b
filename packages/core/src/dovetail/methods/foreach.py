"""PyTorch's ``_foreach_`` functions: the same operation on each tensor of a list; imported when first asked for.

They are loops here, and give and take what PyTorch's do, so that optimizers written with them run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.errors import ShapeError
from dovetail.tensor import Tensor
from dovetail.writes import in_place

ONE = [
    "abs", "acos", "asin", "atan", "ceil", "clone", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "frac",
    "lgamma", "log", "log10", "log1p", "log2", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh",
    "sqrt", "tan", "tanh", "trunc", "zero",
]  # fmt: skip
PAIRS = ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "clamp_min", "clamp_max", "copy"]
NAMES = [f"_foreach_{name}" for name in (*ONE, *PAIRS, "addcmul", "addcdiv", "lerp", "norm")]
_METHODS = {"maximum": "clamp_min", "minimum": "clamp_max"}  # where the other side is a number


def _expect_as_many(name: str, tensors: Any, *others: Any) -> None:
    if not len(tensors):
        raise ShapeError(f"{name}: expected a list of at least one tensor")
    for other in others:
        if len(other) != len(tensors):
            raise ShapeError(f"{name}: lists must be of one length, got {len(tensors)} and {len(other)}")


def _each(name: str, tensors: Any, other: Any) -> list:
    """Return what goes with each tensor: one number for all, or one of a list for each."""
    if not isinstance(other, (list, tuple)):
        return [other] * len(tensors)
    _expect_as_many(name, tensors, other)
    return list(other)


def _method(name: str) -> Callable[..., Any]:
    """Return a method, or the in-place form of one that has none of its own."""
    found = getattr(Tensor, name, None)
    return in_place(getattr(Tensor, name.removesuffix("_"))) if found is None else found


def _one(name: str) -> Callable[..., Any]:
    def call(self: Any) -> Any:
        _expect_as_many(f"_foreach_{name}", self)
        found = [_method(name)(x) for x in self]
        return tuple(found) if not name.endswith("_") else list(self)

    return call


def _pair(name: str) -> Callable[..., Any]:
    def call(self: Any, other: Any = None, *, alpha: Any = 1, **named: Any) -> Any:
        other = next(iter(named.values())) if named else other
        _expect_as_many(f"_foreach_{name}", self)
        plain = name.removesuffix("_")
        found = []
        for x, value in zip(self, _each(f"_foreach_{name}", self, other), strict=True):
            method = name if isinstance(value, Tensor) else name.replace(plain, _METHODS.get(plain, plain))
            change = _method(method)
            found.append(change(x, value) if alpha == 1 else change(x, value, alpha=alpha))
        return tuple(found) if not name.endswith("_") else list(self)

    return call


def _scaled_product(name: str) -> Callable[..., Any]:
    def call(self: Any, tensor1: Any, tensor2: Any, value: Any = 1, **named: Any) -> Any:
        value = next(iter(named.values())) if named else value
        value = value.tolist() if isinstance(value, Tensor) and value.ndim else value
        _expect_as_many(f"_foreach_{name}", self, tensor1, tensor2)
        factors = _each(f"_foreach_{name}", self, value)
        found = [getattr(x, name)(a, b, value=f) for x, a, b, f in zip(self, tensor1, tensor2, factors, strict=True)]
        return tuple(found) if not name.endswith("_") else list(self)

    return call


def _lerp(name: str) -> Callable[..., Any]:
    def call(self: Any, tensors1: Any, weight: Any = None, **named: Any) -> Any:
        weight = next(iter(named.values())) if named else weight
        _expect_as_many(f"_foreach_{name}", self, tensors1)
        weights = _each(f"_foreach_{name}", self, weight)
        found = [getattr(x, name)(end, w) for x, end, w in zip(self, tensors1, weights, strict=True)]
        return tuple(found) if not name.endswith("_") else list(self)

    return call


def _foreach_norm(self: Any, ord: Any = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    """Return the norm of each tensor."""
    _expect_as_many("_foreach_norm", self)
    return tuple(x.norm(ord, dtype=dtype) for x in self)


def __getattr__(name: str) -> Any:
    """Return one of the functions, made now."""
    plain = name.removeprefix("_foreach_")
    if plain == name or name.removesuffix("_") not in NAMES:
        raise AttributeError(f"there is no {name!r}", name=name)
    base = plain.removesuffix("_")
    make = _scaled_product if base in ("addcmul", "addcdiv") else _lerp if base == "lerp" else None
    call = (make or (_one if base in ONE else _pair))(plain)
    call.__name__ = name
    call.__doc__ = f"Do what ``Tensor.{plain}`` does for each tensor of a list."
    globals()[name] = call
    return call
