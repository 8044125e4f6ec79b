"""The ops that are methods and functions as they are, and other names of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail import creation, ops
from dovetail.device import resolve
from dovetail.methods.registry import FUNCTIONS, method
from dovetail.methods.shape import cat, stack
from dovetail.tensor import Tensor

# New tensors like this one


def _new(name: str, make: Callable[..., Tensor]) -> None:
    def call(self: Tensor, *args: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Tensor:
        return make(*args, dtype=dtype or self.dtype, device=device or self._device, **kwargs)

    call.__name__ = name
    call.__doc__ = f"Return what ``dovetail.{name.removeprefix('new_')}`` does, of this tensor's dtype and device."
    setattr(Tensor, name, call)


for _name in ("zeros", "ones", "empty", "empty_strided", "full", "tensor"):
    _new(f"new_{_name}", getattr(creation, _name))


@method
def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """Return a tensor of this one's dtype and device, of sizes given one by one or as a ``Size``, or of data."""
    from dovetail.legacy import build

    return build(args, self.dtype, self._device if device is None else resolve(device))


# The ops that are methods and functions as they are

_AS_THEY_ARE = (
    "abs add all amax amin any argmax argmin atan bitwise_and bitwise_left_shift bitwise_not bitwise_or "
    "bitwise_right_shift bitwise_xor ceil clone cos "
    "cumprod cumsum div eq erf exp expm1 floor floor_divide ge gt isfinite isinf isnan le log log10 log1p log2 "
    "log_softmax logical_and logical_not logical_or logical_xor logsumexp lt matmul maximum mean minimum mul ne neg "
    "outer pow prod reciprocal relu remainder roll round rsqrt sigmoid sign sin softmax sqrt square sub sum tan tanh "
    "tril triu trunc"
)
for _name in _AS_THEY_ARE.split():
    FUNCTIONS[_name] = getattr(ops, _name)
    setattr(Tensor, _name, getattr(ops, _name))

for _name, _other in {
    "multiply": "mul", "divide": "div", "true_divide": "div", "subtract": "sub", "negative": "neg",
    "absolute": "abs", "fix": "trunc", "arctan": "atan", "greater": "gt", "less": "lt", "not_equal": "ne",
}.items():  # fmt: skip
    FUNCTIONS[_name] = FUNCTIONS[_other]
    setattr(Tensor, _name, FUNCTIONS[_other])

FUNCTIONS.update(cat=cat, concat=cat, concatenate=cat, stack=stack)
