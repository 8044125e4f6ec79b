"""Random tensors whose distribution other tensors give; a gradient that arrives at these is 0, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail import draws, draws_rare, draws_whole, ops
from dovetail.creation import from_array
from dovetail.creation_random import fitted
from dovetail.dtypes import DType, float32, get_default_dtype
from dovetail.errors import DistributionError, DTypeError
from dovetail.methods.random import in_memory_order
from dovetail.modes import state
from dovetail.tensor import Tensor


def _given(drawn: np.ndarray, out: Tensor | None, *sources: Tensor) -> Tensor:
    """Return drawn numbers as a tensor that, for autograd, depends on ``sources``; or written into ``out``."""
    if out is not None:
        return fitted(out, drawn.shape).copy_(from_array(drawn, "cpu"))
    value = from_array(drawn, sources[0].device)
    for source in sources:
        if state.grad and source.requires_grad:
            value = ops.redrawn(source.expand(value.shape), value)
    return value


def bernoulli(input: Tensor, p: float | None = None, *, generator: Any = None, out: Tensor | None = None) -> Tensor:
    """Return 1 with the probability that an element of ``input`` is, or with probability ``p``, and 0 otherwise.

    Args:
        input: floating-point, any shape; with ``p`` only its sizes and dtype count.
        p: one probability for all.
        generator: what to draw from.
        out: what to write into.

    Raises:
        DistributionError: a probability is not in [0, 1]. DTypeError: the probabilities are not floating-point.

    Example::

        >>> import dovetail
        >>> dovetail.bernoulli(dovetail.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    if isinstance(p, Tensor):
        raise TypeError("bernoulli(): p is a float; give probabilities as the first argument")
    shape, dtype = tuple(input.shape), input.dtype.numpy
    probability = input.numpy(force=True) if p is None else p
    drawn = draws_whole.bernoulli(probability, shape, dtype, generator)
    return _given(drawn, out, input)


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Return Poisson distributed whole numbers for a tensor of rates, of its sizes and floating-point dtype.

    Raises:
        DistributionError: a rate is negative. DTypeError: the rates are not floating-point.

    Example::

        >>> import dovetail
        >>> dovetail.poisson(dovetail.zeros(2))
        tensor([0., 0.])
    """
    return _given(draws_rare.poisson(input.numpy(force=True), generator), None, input)


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Return how many of ``count`` trials succeed, each with probability ``prob``; the two broadcast.

    Raises:
        DTypeError: the tensors are not floating-point, or of two dtypes.

    Example::

        >>> import dovetail
        >>> dovetail.binomial(dovetail.tensor([5.0, 5.0]), dovetail.tensor([0.0, 1.0]))
        tensor([0., 5.])
    """
    drawn = draws_rare.binomial(count.numpy(force=True), prob.numpy(force=True), generator)
    return _given(drawn, None, count, prob)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None, out: Tensor | None = None
) -> Tensor:
    """Return indices drawn in proportion to the weights in each row of ``input``, one row or several.

    Args:
        input: floating-point weights of 0 and more, (categories,) or (rows, categories); any sum.
        num_samples: how many indices to draw for each row.
        replacement: whether an index may come again.
        generator: what to draw from.
        out: what to write into, int64.

    Returns:
        int64, (num_samples,) or (rows, num_samples).

    Raises:
        DistributionError: a weight is negative or not finite, a row's are all 0, or there are too few to draw.
        DTypeError: the weights are not floating-point, or ``out`` not int64. ShapeError: there are no rows.

    Example::

        >>> import dovetail
        >>> dovetail.multinomial(dovetail.tensor([0.0, 3.0]), 2, replacement=True)
        tensor([1, 1])
    """
    if out is not None and out.dtype.name != "int64":
        raise DTypeError(f"multinomial: out holds indices, int64, got {out.dtype}")
    weights = input.numpy(force=True)

    def exponential() -> np.ndarray:
        return in_memory_order(lambda shape: draws.exponential(shape, weights.dtype, 1.0, generator), weights)

    drawn = draws_rare.multinomial(weights, num_samples, replacement, generator, exponential=exponential)
    return (
        fitted(out, drawn.shape).copy_(from_array(drawn, "cpu")) if out is not None else from_array(drawn, input.device)
    )


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, out: Tensor | None = None,
    dtype: DType | None = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return normally distributed numbers: of one mean and deviation in ``size``, or of tensors of them that broadcast.

    Raises:
        DistributionError: a standard deviation is negative. DTypeError: the dtype is integer, or ``std`` complex.
        TypeError: ``mean`` and ``std`` are numbers and there is no ``size``.

    Example::

        >>> import dovetail
        >>> dovetail.normal(dovetail.tensor([1.0, 2.0]), 0.0)
        tensor([1., 2.])
    """
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal(): needs a size where mean and std are numbers: normal(0.0, 1.0, (2, 3))")
        if out is not None:
            return fitted(out, tuple(size)).normal_(mean, std, generator=generator)
        dtype = get_default_dtype() if dtype is None else dtype
        drawn = draws.normal(tuple(size), dtype.numpy, mean, std, generator)
        return from_array(drawn, device, requires_grad)
    return _normal_of_tensors(mean, std, generator, out)


def _normal_of_tensors(mean: Any, std: Any, generator: Any, out: Tensor | None) -> Tensor:
    if isinstance(std, Tensor):
        if std.is_complex():
            raise DTypeError(f"normal: a standard deviation is a real number, got {std.dtype}")
        if std.numel() and not bool((std.detach() >= 0).all()):
            raise DistributionError("normal: every standard deviation is 0 or more, got std with a negative one or nan")
    elif not std >= 0:
        raise DistributionError(f"normal: the standard deviation is 0 or more, got std={std}")
    tensors = [value for value in (mean, std) if isinstance(value, Tensor)]
    shape = np.broadcast_shapes(*[tuple(value.shape) for value in tensors])
    dtype = tensors[0].dtype if out is None else out.dtype
    from dovetail.autograd import no_grad

    with no_grad():
        of_one = not isinstance(std, Tensor)
        drawn = from_array(draws.normal(shape, dtype.numpy, 0.0, std if of_one else 1.0, generator), tensors[0].device)
        drawn = drawn if of_one else drawn.mul_(_spread(std, drawn))
        value = drawn.add_(_spread(mean, drawn)).numpy(force=True)
    return _given(value, out, *tensors)


def _spread(value: Any, like: Tensor) -> Any:
    """Return a tensor of no dimensions with some, so that its dtype counts, which is at least float32's precision."""
    if not isinstance(value, Tensor) or value.ndim or value.is_complex():
        return value
    return value.to(like.dtype if like.element_size() > 4 else float32).expand(like.shape)
