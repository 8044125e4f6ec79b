"""Numbers in a row, rounded as PyTorch rounds them: each is counted from an end, or from the start of a block."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from dovetail import dtypes
from dovetail.device import CPU
from dovetail.dtypes import DType, as_dtype, get_default_dtype, scalar_dtype
from dovetail.errors import DTypeError, ShapeError
from dovetail.from_data import from_array, into
from dovetail.tensor import Tensor

#: Products are added without rounding them first, as by the instruction that multiplies and adds.
EXACT = np.longdouble
#: The elements that PyTorch counts from one number, which is rounded to the dtype: as many as AVX2 works on.
BLOCK = 32


def _number(name: str, what: str, value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    if value.ndim:
        raise ShapeError(f"{name}: {what} must be a number or a 0-d tensor, got one of sizes {tuple(value.shape)}")
    return value.item()


def _finish(name: str, array: np.ndarray, out: Tensor | None, dtype: DType, device: Any, requires_grad: bool) -> Tensor:
    if out is not None:
        return into(out, from_array(array, CPU), name)
    return from_array(array, device, requires_grad)


def _dtype_for(name: str, numbers: tuple, dtype: Any, out: Tensor | None, default: DType) -> DType:
    if dtype is None:
        return default if out is None else out.dtype
    found = as_dtype(dtype)
    if out is not None and out.dtype is not found:
        raise DTypeError(f"{name}: dtype is {found}, but out is {out.dtype}; leave one of them out")
    return found


def arange(
    start: Any = None, end: Any = None, step: Any = 1, *, out: Tensor | None = None, dtype: DType | None = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return the numbers from ``start`` (0 when only one is given) by ``step`` up to and without ``end``.

    Raises:
        RuntimeError: ``step`` is 0 or does not lead from ``start`` to ``end``, or one of them is no finite number.

    Example::

        >>> import dovetail
        >>> dovetail.arange(1, 2, 0.25)
        tensor([1.0000, 1.2500, 1.5000, 1.7500])
    """
    if end is None:
        start, end = None, start
    if end is None:
        raise TypeError("arange() needs 'end'")
    start = 0 if start is None else start
    start, end, step = (_number("arange", "each of start, end and step", value) for value in (start, end, step))
    _expect_way("arange", start, end, step)
    whole = all(isinstance(value, (int, np.integer)) for value in (start, end, step))
    kind = _dtype_for("arange", (), dtype, out, dtypes.int64 if whole else get_default_dtype())
    if kind.category not in (1, 2):
        raise DTypeError(f"arange: counts in integers or floating-point numbers, got dtype {kind}")
    if kind.category == 1:
        start, end, step = int(start), int(end), int(step)
        if not step:
            raise ValueError("arange: step must not be zero as an integer")
        array = np.arange(start, end, step, dtype=np.int64).astype(kind.numpy)
    else:
        array = _counted(start, step, max(math.ceil((end - start) / step), 0), kind)
    return _finish("arange", array, out, kind, device, requires_grad)


def _expect_way(name: str, start: Any, end: Any, step: Any) -> None:
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ShapeError(f"{name}: start and end must be finite numbers, got {start} and {end}")
    if step == 0 or math.isnan(step):
        raise ShapeError(f"{name}: step must be nonzero, got {step}; it does not lead from {start} to {end}")
    if (end - start) * step < 0:
        raise ShapeError(f"{name}: step {step} does not lead from {start} to {end}; change the sign of one")


def _counted(start: Any, step: Any, count: int, dtype: DType) -> np.ndarray:
    """Return ``start + step * i``: whole pairs of blocks from the rounded first number of each, the rest one by one."""
    width = BLOCK // dtype.itemsize
    whole = count // (2 * width) * 2 * width
    wide = EXACT if dtype is dtypes.float64 else np.float64
    start, step = wide(start), wide(step)
    if not whole:
        return (start + step * np.arange(count)).astype(dtype.numpy)
    out = np.empty(count, dtype.numpy)
    firsts = (start + step * np.arange(0, whole, width)).astype(dtype.numpy).astype(wide)
    out[:whole] = (firsts[:, None] + step * np.arange(width)).reshape(-1)
    out[whole:] = start + step * np.arange(whole, count)
    return out


def range(
    start: Any, end: Any, step: Any = 1, *, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return the numbers from ``start`` by ``step`` up to ``end``, which is included; deprecated, as in PyTorch."""
    advice = "use dovetail.arange, which leaves the end out as Python's range does"
    warnings.warn(f"range is deprecated; {advice}", UserWarning, stacklevel=2)
    start, end, step = (_number("range", "each of start, end and step", value) for value in (start, end, step))
    _expect_way("range", start, end, step)
    kind = _dtype_for("range", (), dtype, out, get_default_dtype())
    count = math.floor((end - start) / step) + 1
    array = (np.float64(start) + np.float64(step) * np.arange(count)).astype(kind.numpy)
    return _finish("range", array, out, kind, device, requires_grad)


def _spaced(name: str, start: Any, end: Any, steps: Any, dtype: Any, out: Tensor | None) -> tuple[np.ndarray, DType]:
    """Return numbers at equal distances, the first half counted from the start and the second from the end."""
    if steps is None:
        raise TypeError(f"{name}() needs 'steps'")
    if steps < 0:
        raise ShapeError(f"{name}: number of steps must be non-negative, got {steps}")
    start, end = _number(name, "start", start), _number(name, "end", end)
    natural = dtypes.promote_types(scalar_dtype(start), dtypes.promote_types(scalar_dtype(end), get_default_dtype()))
    kind = _dtype_for(name, (start, end), dtype, out, natural)
    if natural.is_complex and not kind.is_complex:
        raise DTypeError(f"{name}: numbers between {start} and {end} are complex, got dtype {kind}")
    if not kind.category:
        raise DTypeError(f"{name}: takes a dtype of numbers, got {kind}")
    if steps <= 1:
        return np.full(steps, start, kind.numpy), kind
    index = np.arange(steps)
    if kind.itemsize == 2 and kind.is_floating_point:  # every step is rounded
        start, end, index = kind.numpy.type(start), kind.numpy.type(end), index.astype(kind.numpy)
        step = (end - start) / kind.numpy.type(steps - 1)
        array = np.where(np.arange(steps) < steps // 2, start + step * index, end - step * index[::-1])
    elif kind.is_complex:
        step = (complex(end) - complex(start)) / (steps - 1)
        array = np.where(index < steps // 2, start + step * index, end - step * index[::-1])
    else:
        own = np.float32 if kind is dtypes.float32 else np.float64
        wide = np.float64 if kind is dtypes.float32 else EXACT
        step = wide((own(end) - own(start)) / own(steps - 1))
        start, end = wide(own(start)), wide(own(end))
        array = np.where(index < steps // 2, start + step * index, end - step * index[::-1]).astype(own)
    return array.astype(kind.numpy), kind


def linspace(
    start: Any, end: Any, steps: Any = None, *, out: Tensor | None = None, dtype: DType | None = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return ``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    Raises:
        ShapeError: ``steps`` is negative. DTypeError: the dtype cannot hold the numbers.

    Example::

        >>> import dovetail
        >>> dovetail.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    array, kind = _spaced("linspace", start, end, steps, dtype, out)
    return _finish("linspace", array, out, kind, device, requires_grad)


def logspace(
    start: Any, end: Any, steps: Any = None, base: float = 10.0, *, out: Tensor | None = None,
    dtype: DType | None = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return ``base`` to the powers that ``linspace`` gives.

    Example::

        >>> import dovetail
        >>> dovetail.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    kind = _dtype_for("logspace", (), dtype, out, get_default_dtype())
    if kind.category == 1:
        powers = _spaced("logspace", start, end, steps, dtypes.float64, None)[0]
    else:
        powers, kind = _spaced("logspace", start, end, steps, dtype, out)
    wide = np.complex128 if kind.is_complex else np.float64
    with np.errstate(all="ignore"):
        array = np.power(wide(base), powers.astype(wide)).astype(kind.numpy)
    return _finish("logspace", array, out, kind, device, requires_grad)
