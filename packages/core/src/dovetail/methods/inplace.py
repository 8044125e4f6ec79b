"""Methods that write values into the tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail import ops
from dovetail.methods.choose import clamp, masked_fill
from dovetail.methods.index import index_add, scatter, scatter_add
from dovetail.methods.registry import method
from dovetail.methods.shape import squeeze, t, transpose, unsqueeze
from dovetail.tensor import Tensor
from dovetail.views import assign, become_view, before, check_writable, in_place


@method
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write the elements of ``src``, which broadcasts, into this tensor."""
    check_writable(self, "copy_")
    value = src.to(self)
    return assign(self, value if value.shape == self.shape else _spread(value, self))


def _spread(value: Tensor, target: Tensor) -> Tensor:
    while value.ndim > target.ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    return value.expand(target.shape)


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write ``value`` into every element."""
    check_writable(self, "fill_")
    if isinstance(value, Tensor) and value._device.backend.level:
        return self.copy_(value)
    number = value.item() if isinstance(value, Tensor) else value
    return assign(self, ops.fill(before(self), value=number))


@method
def zero_(self: Tensor) -> Tensor:
    """Write 0 into every element."""
    check_writable(self, "zero_")
    return assign(self, ops.fill(before(self), value=0))


# The ops that write where they read

_IN_PLACE = (
    "abs add ceil cos div exp floor log log1p mul neg pow reciprocal relu remainder round rsqrt sigmoid sign sin "
    "sqrt square sub tanh tril triu trunc"
)
for _call in (clamp, index_add, masked_fill, scatter, scatter_add, *[getattr(ops, name) for name in _IN_PLACE.split()]):
    setattr(Tensor, f"{_call.__name__}_", in_place(_call))


def _becoming(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the in-place form of what gives a view: the tensor itself gets the other sizes."""

    def changed(self: Tensor, *args: Any) -> Tensor:
        return become_view(self, call, *args)

    changed.__name__ = changed.__qualname__ = call.__name__ + "_"
    changed.__doc__ = f"Make the tensor what ``{call.__name__}`` gives."
    return changed


for _call in (squeeze, t, transpose, unsqueeze):
    setattr(Tensor, f"{_call.__name__}_", _becoming(_call))
