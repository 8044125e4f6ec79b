"""Making tensors: from data, filled, ranges; and like another tensor. Random ones are in ``creation_random``."""

from __future__ import annotations

import builtins
import math
import operator
from typing import Any

import numpy as np

from dovetail import dtypes
from dovetail.device import CPU, Device, resolve
from dovetail.dtypes import DType, as_dtype, get_default_dtype
from dovetail.modes import state
from dovetail.tensor import Tensor


def from_array(array: np.ndarray, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of a NumPy array that nobody else holds, placed on ``device``."""
    if array.__class__ is not np.ndarray and state.draw is not None:
        from dovetail.func.randomness import spread_draw

        return spread_draw(array, device, requires_grad)
    placed = resolve(device)
    if placed is not CPU:
        array = placed.backend.from_numpy(array, placed.index or 0)
    elif not array.shape:
        array = array[()]  # a scalar: what the backend keeps 0-d results as
    out = Tensor(array, placed)
    return out.requires_grad_() if requires_grad else out


def tensor(data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a new tensor with a copy of ``data``.

    Args:
        data: a number, nested sequences of numbers, a NumPy array or a tensor.
        dtype: by default that of an array or tensor; for Python numbers the default dtype, int64 or bool.
        device: by default the default device.
        requires_grad: whether operations on it are recorded.

    Raises:
        TypeError: ``data`` is not numbers. ValueError: sequences of unequal length.

    Example::

        >>> import dovetail
        >>> dovetail.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
    """
    if isinstance(data, Tensor):
        out = data.detach().clone()
        out = out.to(device or data.device, dtype or data.dtype)
        return out.requires_grad_() if requires_grad else out
    array = _array_of(data, dtype)
    return from_array(array, device, requires_grad)


def _array_of(data: Any, dtype: DType | None) -> np.ndarray:
    """Return a new NumPy array of data, of PyTorch's default dtypes."""
    wanted = None if dtype is None else as_dtype(dtype).numpy
    if isinstance(data, (np.ndarray, np.generic)):
        if wanted is None:
            wanted = dtypes.from_numpy(data.dtype).numpy
        return np.array(data, dtype=wanted)
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        data = _plain_numbers(data)
    try:
        array = np.array(data, dtype=wanted)
    except ValueError as error:
        raise ValueError(f"tensor: sequences of unequal length cannot be a tensor: {error}") from None
    if wanted is None:
        if array.dtype.kind == "f" and not _has_arrays(data):
            array = array.astype(get_default_dtype().numpy)
        elif array.dtype.kind == "c" and not _has_arrays(data):
            array = array.astype("complex128" if get_default_dtype() is dtypes.float64 else "complex64")
        elif array.dtype.kind not in "biufc":
            raise TypeError(f"tensor: takes numbers, nested sequences of them or arrays, got {_shorten(data)}")
        elif array.size == 0 and isinstance(data, (list, tuple)):
            array = array.astype(get_default_dtype().numpy)
    return array


def _holds_tensors(data: Any) -> bool:
    return any(isinstance(part, Tensor) or (isinstance(part, (list, tuple)) and _holds_tensors(part)) for part in data)


def _plain_numbers(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.tolist()
    return [_plain_numbers(part) for part in data] if isinstance(data, (list, tuple)) else data


def _has_arrays(data: Any) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.ndarray, np.generic))


def _shorten(data: Any) -> str:
    text = repr(data)
    return f"{type(data).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Return ``data`` as a tensor, on the same memory where dtype and device allow."""
    if isinstance(data, Tensor):
        return data.to(device if device is not None else data.device, dtype or data.dtype)
    if isinstance(data, np.ndarray):
        out = from_numpy(data)
        return out.to(resolve(device), dtype or out.dtype)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: np.ndarray) -> Tensor:
    """Return a CPU tensor on the memory of a NumPy array.

    Raises:
        TypeError: not an array. DTypeError: no dtype for the array's.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy takes a numpy.ndarray, got {type(array).__name__}; use dovetail.tensor")
    dtypes.from_numpy(array.dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return Tensor(array, Device("cpu"))


def sizes_of(sizes: tuple) -> tuple[int, ...]:
    """Return sizes given one by one, or as one sequence, as a tuple of integers."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    return tuple(map(operator.index, sizes))


def full(
    size: Any, fill_value: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of ``size`` filled with ``fill_value``, whose dtype it has by default."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    dtype = as_dtype(dtype) if dtype is not None else dtypes.scalar_dtype(fill_value)
    return _filled(sizes_of((size,)), fill_value, dtype, device, requires_grad)


def _filled(shape: tuple, value: Any, dtype: DType | None, device: Any, requires_grad: bool) -> Tensor:
    dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
    placed = resolve(device)
    backend = placed.backend
    with backend.use(placed.index or 0):
        native = backend.native_dtype(dtype)
        array = backend.xp.full(shape, value, dtype=native) if value else backend.xp.zeros(shape, dtype=native)
    out = Tensor(array, placed)
    return out.requires_grad_() if requires_grad else out


def zeros(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros.

    Example::

        >>> import dovetail
        >>> dovetail.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    return _filled(sizes_of(size), 0, dtype, device, requires_grad)


def ones(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones."""
    return _filled(sizes_of(size), 1, dtype, device, requires_grad)


def empty(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor whose elements may be anything; here they are zeros, so that a run repeats."""
    return _filled(sizes_of(size), 0, dtype, device, requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: DType | None = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return the numbers from ``start`` (0 when only one is given) by ``step`` up to and without ``end``."""
    if end is None:
        start, end = 0, start
    start, end, step = (value.item() if isinstance(value, Tensor) else value for value in (start, end, step))
    if step == 0 or (end - start) * step < 0:
        raise RuntimeError(f"arange: step {step} does not lead from {start} to {end}")
    if dtype is None:
        whole = builtins.all(isinstance(value, int) for value in (start, end, step))
        dtype = dtypes.int64 if whole else get_default_dtype()
    count = max(math.ceil((end - start) / step), 0)
    array = (start + step * np.arange(count)).astype(as_dtype(dtype).numpy)
    return from_array(array, device, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: DType | None = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return ``steps`` numbers at equal distances from ``start`` to ``end``, both included."""
    array = np.linspace(float(start), float(end), int(steps)).astype(as_dtype(dtype or get_default_dtype()).numpy)
    return from_array(array, device, requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return ones on the diagonal of an (n, m) matrix of zeros."""
    return from_array(np.eye(n, m, dtype=as_dtype(dtype or get_default_dtype()).numpy), device, requires_grad)


# Like another tensor


def _like(x: Tensor, dtype: DType | None, device: Any) -> dict[str, Any]:
    return {"dtype": dtype or x.dtype, "device": x._device if device is None else device}


def zeros_like(x: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of the sizes, dtype and device of ``x``."""
    return zeros(x.shape, requires_grad=requires_grad, **_like(x, dtype, device))


def ones_like(x: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of the sizes, dtype and device of ``x``."""
    return ones(x.shape, requires_grad=requires_grad, **_like(x, dtype, device))


def empty_like(x: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of the sizes, dtype and device of ``x`` whose elements may be anything."""
    return empty(x.shape, requires_grad=requires_grad, **_like(x, dtype, device))


def full_like(x: Tensor, fill_value: Any, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Return a tensor of the sizes, dtype and device of ``x`` filled with ``fill_value``."""
    return full(x.shape, fill_value, **_like(x, dtype, device))
