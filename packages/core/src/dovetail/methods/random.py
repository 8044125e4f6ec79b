"""Methods that fill the tensor with random numbers, in the order in which its elements lie in memory."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail import draws, draws_whole, ops
from dovetail.creation import from_array
from dovetail.methods.registry import method
from dovetail.modes import state
from dovetail.tensor import Tensor
from dovetail.views import View, assign, before, check_overlap, check_writable, written


def memory_order(array: Any) -> tuple[int, ...] | None:
    """Return an array's axes by falling distance in memory, or None where they already come so, or have none."""
    strides = getattr(array, "strides", None)
    if strides is None or len(strides) < 2 or array.flags.c_contiguous:
        return None
    shape = array.shape
    far = [axis for axis in range(len(shape)) if shape[axis] > 1]
    order = sorted(far, key=lambda axis: -abs(strides[axis]))
    return None if order == far else (*order, *[axis for axis in range(len(shape)) if shape[axis] <= 1])


def in_memory_order(draw: Callable[..., np.ndarray], array: Any) -> np.ndarray:
    """Return what ``draw`` gives for an array's sizes, the first number for the first element in memory."""
    axes = memory_order(array)
    if axes is None:
        return draw(array.shape)
    drawn = draw(tuple([array.shape[axis] for axis in axes]))
    return drawn.transpose(np.argsort(axes))


def is_contiguous(array: Any) -> bool:
    """Return whether an array's elements lie side by side, row by row; a library without strides has no others."""
    return not hasattr(array, "strides") or array.flags.c_contiguous


def _fill(x: Tensor, draw: Callable[..., np.ndarray], name: str) -> Tensor:
    """Write what ``draw`` gives into the tensor; a gradient that passes here is 0."""
    check_writable(x, name)
    check_overlap(x, (), name)
    value = from_array(in_memory_order(draw, x._array), x._device)
    if state.grad and (x._node is not None or type(x._alias) is View):
        return assign(x, ops.redrawn(before(x), value) if x._node is not None else value)
    if value._device is not x._device:
        return assign(x, value)
    # no history: what assign comes to, in a third of the time
    x._array = x._device.backend.write(x._array, value._array)
    return written(x, value)


@method
def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **renamed: Any) -> Tensor:
    """Write numbers drawn evenly from ``[from, to)``.

    Raises:
        DistributionError: ``from`` exceeds ``to``, or the dtype cannot hold them. DTypeError: the dtype is integer.

    Example::

        >>> import dovetail
        >>> dovetail.empty(2).uniform_(1, 2, generator=dovetail.Generator().manual_seed(0))
        tensor([1.4963, 1.7682])
    """
    low, dtype = renamed.pop("from", from_), self.dtype.numpy  # "from" is no name in Python
    if renamed:
        raise TypeError(f"uniform_() takes from, to and generator, got {', '.join(renamed)}")
    return _fill(self, lambda shape: draws.uniform(shape, dtype, low, to, generator), "uniform_")


@method
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Write normally distributed numbers.

    Raises:
        DistributionError: ``std`` is negative. DTypeError: the dtype is integer.
    """
    dtype, side_by_side = self.dtype.numpy, is_contiguous(self._array)
    return _fill(
        self, lambda shape: draws.normal(shape, dtype, mean, std, generator, contiguous=side_by_side), "normal_"
    )


@method
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Write exponentially distributed numbers of mean ``1 / lambd``.

    Raises:
        DistributionError: ``lambd`` is not positive. DTypeError: the dtype is not floating-point.
    """
    dtype = self.dtype.numpy
    return _fill(self, lambda shape: draws.exponential(shape, dtype, lambd, generator), "exponential_")


@method
def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Tensor:
    """Write numbers of a Cauchy distribution.

    Raises:
        DistributionError: ``sigma`` is not positive. DTypeError: the dtype is not floating-point.
    """
    dtype = self.dtype.numpy
    return _fill(self, lambda shape: draws.cauchy(shape, dtype, median, sigma, generator), "cauchy_")


@method
def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> Tensor:
    """Write numbers whose logarithms have the mean and standard deviation given.

    Raises:
        DistributionError: ``std`` is not positive. DTypeError: the dtype is not floating-point.
    """
    dtype = self.dtype.numpy
    return _fill(self, lambda shape: draws.log_normal(shape, dtype, mean, std, generator), "log_normal_")


@method
def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Write how many trials of probability ``p`` it takes to succeed.

    Raises:
        DistributionError: ``p`` is not in (0, 1). DTypeError: the dtype is bool or complex.
    """
    dtype = self.dtype.numpy
    return _fill(self, lambda shape: draws_whole.geometric(shape, dtype, p, generator), "geometric_")


@method
def bernoulli_(self: Tensor, p: float | Tensor = 0.5, *, generator: Any = None) -> Tensor:
    """Write 1 with probability ``p``, a number or a tensor that broadcasts to this one, and 0 otherwise.

    Raises:
        DistributionError: a probability is not in [0, 1]. DTypeError: this dtype is complex, or p's not floating-point.
    """
    dtype = self.dtype.numpy
    if not isinstance(p, Tensor):
        return _fill(self, lambda shape: draws_whole.bernoulli(p, shape, dtype, generator), "bernoulli_")
    each = p.detach().expand(self.shape).numpy(force=True)
    axes = memory_order(self._array)
    each = each if axes is None else each.transpose(axes)
    return _fill(self, lambda shape: draws_whole.bernoulli(each, shape, dtype, generator), "bernoulli_")


@method
def random_(self: Tensor, *bounds: Any, generator: Any = None, **renamed: Any) -> Tensor:
    """Write whole numbers: ``random_(to)`` from 0, ``random_(from, to)``, or all from 0 that the dtype holds.

    Raises:
        DistributionError: there is no such number, or the dtype does not hold them all. DTypeError: it is complex.
        TypeError: a bound is no int.

    Example::

        >>> import dovetail
        >>> dovetail.zeros(3).random_(5, 8, generator=dovetail.Generator().manual_seed(0))
        tensor([7., 5., 7.])
    """
    low, high = _bounds(bounds, renamed)
    dtype = self.dtype.numpy
    if low is None:
        return _fill(self, lambda shape: draws_whole.random_full_range(shape, dtype, generator), "random_")
    if high is None:
        return _fill(self, lambda shape: draws_whole.random_upwards(low, shape, dtype, generator), "random_")
    return _fill(self, lambda shape: draws_whole.random_integers(low, high, shape, dtype, generator), "random_")


def _bounds(bounds: tuple, renamed: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return from and to of a call of ``random_``; None where it names none."""
    names = ("to",) if len(bounds) == 1 and "to" not in renamed else ("from", "to")
    given = dict(zip(names, bounds, strict=False)) | renamed
    if len(bounds) > 2 or set(given) - {"from", "to"}:
        raise TypeError(f"random_() takes (to), (from, to) or nothing, got {(*bounds, *renamed)}")
    for name, bound in given.items():
        if isinstance(bound, float) or (bound is None and name == "from"):
            raise TypeError(f"random_(): {name} is an int, got {bound!r}")
    if not given:
        return None, None
    low = operator.index(given.get("from", 0))
    high = given.get("to")
    return low, None if high is None else operator.index(high)


@method
def bernoulli(self: Tensor, p: float | None = None, *, generator: Any = None) -> Tensor:
    """Return what ``dovetail.bernoulli`` does."""
    from dovetail import sampling

    return sampling.bernoulli(self, p, generator=generator)


@method
def multinomial(self: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Return what ``dovetail.multinomial`` does."""
    from dovetail import sampling

    return sampling.multinomial(self, num_samples, replacement, generator=generator)
