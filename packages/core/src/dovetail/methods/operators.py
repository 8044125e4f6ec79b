"""Python's operators on tensors.

An operand that is no number leaves the operator to the operand's own class, as Python has it: ``NotImplemented``.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail import ops
from dovetail.dispatch import operator_of
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.getitem import getitem, setitem
from dovetail.methods.shape import permute, transpose
from dovetail.tensor import Tensor
from dovetail.writes import in_place

OPERANDS = (Tensor, builtins.int, builtins.float, builtins.complex, np.ndarray, np.generic)


def is_foreign(value: Any) -> bool:
    """Return whether a value is nothing that an operator of a tensor takes."""
    return not isinstance(value, OPERANDS)


def _no_factor(value: Any) -> bool:
    return not isinstance(value, (Tensor, np.ndarray))


def _guarded(call: Callable[..., Any], declines: Callable[[Any], bool]) -> Callable[..., Any]:
    def guarded(self: Tensor, other: Any) -> Any:
        return NotImplemented if other.__class__ is not Tensor and declines(other) else call(self, other)

    return guarded


def _reflected(call: Callable[..., Any], declines: Callable[[Any], bool] = is_foreign) -> Callable[..., Any]:
    def swapped(self: Tensor, other: Any) -> Any:
        return NotImplemented if declines(other) else call(other, self)

    return swapped


_minuend = operator_of(ops.rsub.definition, is_foreign)  # type: ignore[attr-defined]
for _name, _op in {
    "add": ops.add, "sub": ops.sub, "mul": ops.mul, "truediv": ops.div, "floordiv": ops.floor_divide,
    "mod": ops.remainder, "pow": ops.pow, "and": ops.bitwise_and, "or": ops.bitwise_or, "xor": ops.bitwise_xor,
    "lshift": ops.bitwise_left_shift, "rshift": ops.bitwise_right_shift,
}.items():  # fmt: skip
    _operator = operator_of(_op.definition, is_foreign)  # type: ignore[attr-defined]
    setattr(Tensor, f"__{_name}__", _operator)
    _commutes = {"add": _operator, "mul": _operator, "sub": _minuend}
    setattr(Tensor, f"__r{_name}__", _commutes.get(_name) or _reflected(_op))
    setattr(Tensor, f"__i{_name}__", _guarded(in_place(_op), is_foreign))

for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", operator_of(getattr(ops, _name).definition, is_foreign))


def _pos(self: Tensor) -> Tensor:
    if not self.dtype.category:
        raise DTypeError("+ takes numbers, got a tensor of dovetail.bool; convert with .int() or .float()")
    return self


def _matrices_transposed(self: Tensor) -> Tensor:
    """The tensor with its last two dimensions exchanged."""
    return transpose(self, -1, -2) if _is_matrix("mT", self) else self


def _reversed_dims(self: Tensor) -> Tensor:
    """The tensor with its dimensions in the opposite order; for a matrix its transpose."""
    if self.ndim != 2:
        _warn_about_dims(self)
    return permute(self, *reversed(range(self.ndim)))


def _warn_about_dims(self: Tensor) -> None:
    import warnings

    advice = "use .mT for the transpose of a batch of matrices, or .permute(*range(x.ndim)[::-1])"
    text = f"x.T of a tensor with {self.ndim} dimensions, not 2, is deprecated; {advice}"
    warnings.warn(text, UserWarning, stacklevel=3)


def _adjoint(self: Tensor) -> Tensor:
    """The matrix transposed, and conjugated where it is complex."""
    if self.ndim not in (0, 2):
        raise ShapeError(f"H is there for matrices, got sizes {tuple(self.shape)}; use .mH for batches of them")
    return _matrices_adjoint(self)


def _matrices_adjoint(self: Tensor) -> Tensor:
    """The tensor with its last two dimensions exchanged, and conjugated where it is complex."""
    flipped = transpose(self, -1, -2) if _is_matrix("mH", self) else self
    return flipped.conj() if self.is_complex() else flipped


def _is_matrix(name: str, x: Tensor) -> bool:
    """Return whether there are dimensions to exchange; a 0-d tensor has none."""
    if x.ndim == 1:
        raise ShapeError(f"{name} is there for matrices and batches of them, got a tensor of one dimension")
    return x.ndim > 0


for _name, _call in {
    "__matmul__": operator_of(ops.matmul.definition, _no_factor),  # type: ignore[attr-defined]
    "__rmatmul__": _reflected(ops.matmul, _no_factor),
    "__imatmul__": _guarded(in_place(ops.matmul), _no_factor),
    "__neg__": ops.neg,
    "__pos__": _pos,
    "__abs__": ops.abs,
    "__invert__": ops.bitwise_not,
    "__getitem__": getitem,
    "__setitem__": setitem,
    "T": property(_reversed_dims),
    "mT": property(_matrices_transposed),
    "H": property(_adjoint),
    "mH": property(_matrices_adjoint),
}.items():
    setattr(Tensor, _name, _call)
