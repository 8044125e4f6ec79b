"""Tensors of random numbers, drawn on the CPU and moved, so that a seed gives the same numbers on every device."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail import draws, draws_whole
from dovetail.creation import from_array, sizes_of
from dovetail.dtypes import DType, as_dtype, get_default_dtype, int64
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.random import in_memory_order, memory_order
from dovetail.tensor import Tensor


def _sizes(size: tuple) -> tuple[int, ...]:
    shape = sizes_of(size)
    if shape and min(shape) < 0:
        raise ShapeError(f"a tensor's sizes are 0 or more, got {shape}")
    return shape


def fitted(out: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return ``out``, given other sizes where its own differ."""
    if out.shape != shape:
        if out.numel():
            warnings.warn(f"an output of sizes {tuple(out.shape)} was resized to {shape}", stacklevel=4)
        backend = out._device.backend
        out._array = backend.xp.zeros(shape, dtype=backend.native_dtype(out.dtype))
    return out


def rand(
    *size: Any, generator: Any = None, out: Tensor | None = None, dtype: DType | None = None, device: Any = None,
    requires_grad: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """Return numbers drawn uniformly from [0, 1), the same as PyTorch draws on the CPU after the same seed.

    Raises:
        DTypeError: the dtype is neither floating-point nor complex.
    """
    dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
    shape = _sizes(size or _named_size("rand", named))
    if out is None:
        return from_array(draws.uniform(shape, dtype.numpy, generator=generator), device, requires_grad)
    return fitted(out, shape).uniform_(generator=generator)


def _named_size(name: str, named: dict[str, Any]) -> tuple:
    size = named.pop("size", ())
    if named:
        raise TypeError(f"{name}() got an unexpected argument {next(iter(named))!r}")
    return (size,)


def randn(
    *size: Any, generator: Any = None, out: Tensor | None = None, dtype: DType | None = None, device: Any = None,
    requires_grad: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """Return numbers of mean 0 and variance 1, the same as PyTorch draws on the CPU after the same seed.

    Raises:
        DTypeError: the dtype is neither floating-point nor complex.

    Example::

        >>> import dovetail
        >>> _ = dovetail.manual_seed(0)
        >>> dovetail.randn(3)
        tensor([ 1.5410, -0.2934, -2.1788])
    """
    dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
    shape = _sizes(size or _named_size("randn", named))
    if out is None:
        return from_array(draws.normal(shape, dtype.numpy, generator=generator), device, requires_grad)
    return fitted(out, shape).normal_(generator=generator)


def randint(
    low: Any = None, high: Any = None, size: Any = None, *, generator: Any = None, out: Tensor | None = None,
    dtype: DType | None = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return integers drawn uniformly from ``low`` (0 when left out) to ``high - 1``.

    Raises:
        DistributionError: there is no such number, or the dtype does not hold them all.
        TypeError: a bound is no int, or ``size`` no sequence of ints.
    """
    if size is None:
        low, high, size = 0, low, high
    low = 0 if low is None else low
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint(): size is a tuple of ints, got {size!r}")
    low, high, shape = operator.index(low), operator.index(high), _sizes((size,))
    if out is not None:
        return fitted(out, shape).random_(low, high, generator=generator)
    dtype = int64 if dtype is None else as_dtype(dtype)
    return from_array(draws_whole.random_integers(low, high, shape, dtype.numpy, generator), device, requires_grad)


#: The largest permutation that a dtype holds; one more than its numbers without a gap.
_MOST = {"float16": 2**11 + 1, "float32": 2**24 + 1, "float64": 2**53 + 1, "bfloat16": 2**63}


def randperm(
    n: int, *, generator: Any = None, out: Tensor | None = None, dtype: DType | None = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return the numbers 0 to n - 1 in random order.

    Raises:
        DistributionError: ``n`` is negative. DTypeError: the dtype does not hold the numbers.
    """
    dtype = as_dtype(dtype or (int64 if out is None else out.dtype))
    if dtype.category not in (1, 2):
        raise DTypeError(f"randperm: draws integers or floating-point numbers, got dtype {dtype}")
    n = operator.index(n)
    most = _MOST[dtype.name] if dtype.name in _MOST else np.iinfo(dtype.numpy).max + (dtype is not int64)
    if n > most:
        raise DTypeError(f"randperm: {dtype} holds a permutation of at most {most}, got n={n}")
    drawn = from_array(draws.cast(draws_whole.permutation(n, generator), dtype.numpy), device, requires_grad)
    return drawn if out is None else fitted(out, (n,)).copy_(drawn)


# Like another tensor: also in the order in which its elements lie in memory


def _like(x: Tensor, draw: Callable[..., np.ndarray], dtype: DType | None, device: Any, requires_grad: bool) -> Tensor:
    native = (x.dtype if dtype is None else as_dtype(dtype)).numpy
    drawn = in_memory_order(lambda shape: draw(shape, native), x._array)
    return from_array(drawn, x.device if device is None else device, requires_grad)


def rand_like(
    x: Tensor, *, generator: Any = None, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return uniform random numbers of the sizes, dtype and device of ``x``."""
    return _like(
        x, lambda shape, native: draws.uniform(shape, native, generator=generator), dtype, device, requires_grad
    )


def randn_like(
    x: Tensor, *, generator: Any = None, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return normal random numbers of the sizes, dtype and device of ``x``."""
    straight = memory_order(x._array) is None
    return _like(
        x, lambda shape, native: draws.normal(shape, native, generator=generator, contiguous=straight), dtype, device,
        requires_grad,
    )  # fmt: skip


def randint_like(
    x: Tensor, low: Any = None, high: Any = None, *, generator: Any = None, dtype: DType | None = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return integers from ``low`` (0 when left out) to ``high - 1`` of the sizes, dtype and device of ``x``."""
    low, high = (0, low) if high is None else (0 if low is None else low, high)
    low, high = operator.index(low), operator.index(high)
    return _like(
        x, lambda shape, native: draws_whole.random_integers(low, high, shape, native, generator), dtype, device,
        requires_grad,
    )  # fmt: skip


def mask_like(x: Tensor, p: float, generator: Any = None) -> Tensor:
    """Return bool of the sizes and device of ``x``, true with probability ``p``: what dropout keeps."""
    drawn = in_memory_order(lambda shape: draws_whole.bernoulli(p, shape, np.bool_, generator), x._array)
    return from_array(drawn, x._device)


def kept_scale(keep: float, dtype: DType) -> float:
    """Return ``1 / keep`` as PyTorch's dropout has it: divided in float32 (or float64), and rounded to ``dtype``."""
    precise = np.float64 if dtype.itemsize == 8 else np.float32
    return float((precise(1) / precise(keep)).astype(dtype.numpy))
