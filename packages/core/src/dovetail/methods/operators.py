"""Python's operators on tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail import ops
from dovetail.methods.index import getitem, setitem
from dovetail.methods.shape import permute, transpose
from dovetail.tensor import Tensor
from dovetail.views import in_place


def _reflected(call: Callable[..., Any]) -> Callable[..., Any]:
    def swapped(self: Tensor, other: Any) -> Tensor:
        return call(other, self)

    return swapped


def _operator(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the op as a comparison operator: unlike what an op says, == with something else is just not equal."""

    def compare(self: Tensor, other: Any) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else call(self, other)

    return compare


for _name, _op in {
    "add": ops.add, "sub": ops.sub, "mul": ops.mul, "truediv": ops.div, "floordiv": ops.floor_divide,
    "mod": ops.remainder, "pow": ops.pow, "matmul": ops.matmul, "and": ops.bitwise_and, "or": ops.bitwise_or,
    "xor": ops.bitwise_xor,
}.items():  # fmt: skip
    setattr(Tensor, f"__{_name}__", _op)
    setattr(Tensor, f"__r{_name}__", _op if _name in ("add", "mul") else _reflected(_op))
    setattr(Tensor, f"__i{_name}__", in_place(_op))


def _shift(name: str) -> Callable[..., Any]:
    return lambda self, other: getattr(ops, name)(self, other)  # the op's family is imported when first asked for


for _name, _shifted in {"lshift": _shift("bitwise_left_shift"), "rshift": _shift("bitwise_right_shift")}.items():
    setattr(Tensor, f"__{_name}__", _shifted)
    setattr(Tensor, f"__r{_name}__", _reflected(_shifted))
    setattr(Tensor, f"__i{_name}__", in_place(_shifted))

for _name in ("lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", getattr(ops, _name))
for _name in ("eq", "ne"):
    setattr(Tensor, f"__{_name}__", _operator(getattr(ops, _name)))
for _name, _call in {
    "__neg__": ops.neg,
    "__pos__": lambda self: self,
    "__abs__": ops.abs,
    "__invert__": ops.bitwise_not,
    "__getitem__": getitem,
    "__setitem__": setitem,
    "T": property(lambda self: permute(self, *reversed(range(self.ndim)))),
    "mT": property(lambda self: transpose(self, -1, -2)),
}.items():
    setattr(Tensor, _name, _call)
