"""Methods that write into the tensor: values, and random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail import creation, ops, random
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
    value = src.to(self) if isinstance(src, Tensor) else creation.tensor(src, dtype=self.dtype, device=self._device)
    return assign(self, value if value.shape == self.shape else _spread(value, self))


def _spread(value: Tensor, target: Tensor) -> Tensor:
    while value.ndim > target.ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    return value.expand(target.shape)


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write ``value`` into every element."""
    check_writable(self, "fill_")
    number = value.item() if isinstance(value, Tensor) else value
    return assign(self, ops.fill(before(self), value=number))


@method
def zero_(self: Tensor) -> Tensor:
    """Write 0 into every element."""
    check_writable(self, "zero_")
    return assign(self, ops.fill(before(self), value=0))


def _drawing(draw: Callable[..., np.ndarray], name: str, doc: str) -> None:
    def call(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
        check_writable(self, name)
        drawn = draw(tuple(self.shape), self.dtype.numpy, *args, generator=generator, **kwargs)
        return assign(self, creation.from_array(drawn, self._device))

    call.__name__ = name
    call.__doc__ = doc
    setattr(Tensor, name, call)


def _uniform(shape: Any, dtype: Any, from_: Any = 0.0, to: Any = 1.0, *, generator: Any = None, **renamed: Any) -> Any:
    return random.uniform(shape, dtype, renamed.get("from", from_), to, generator)


def _bernoulli(shape: Any, dtype: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    return random.bernoulli(p, shape, dtype, generator)


def _random(shape: Any, dtype: Any, low: Any = None, high: Any = None, *, generator: Any = None) -> Any:
    if low is None:
        return random.random_full_range(shape, dtype, generator)
    low, high = (0, low) if high is None else (low, high)
    return random.random_integers(low, high, shape, dtype, generator)


_drawing(random.normal, "normal_", "Write numbers of a normal distribution: ``normal_(mean=0, std=1)``.")
_drawing(_uniform, "uniform_", "Write numbers drawn evenly from ``[from, to)``: ``uniform_(from=0, to=1)``.")
_drawing(random.exponential, "exponential_", "Write exponentially distributed numbers: ``exponential_(rate=1)``.")
_drawing(_bernoulli, "bernoulli_", "Write 1 with probability ``p`` and 0 otherwise.")
_drawing(_random, "random_", "Write integers drawn evenly: ``random_(low, high)``, by default what the dtype holds.")


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
