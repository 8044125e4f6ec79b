"""Making tensors of data: numbers, nested sequences of them, arrays and other tensors."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dovetail import dtypes
from dovetail.device import CPU, resolve
from dovetail.dtypes import DType, as_dtype
from dovetail.errors import DataError, DTypeError
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


def into(out: Tensor, made: Tensor, name: str) -> Tensor:
    """Write a new tensor into the one given as ``out``, which gets its sizes."""
    from dovetail.autograd import no_grad

    if not isinstance(out, Tensor):
        raise TypeError(f"{name}: out must be a tensor, got {type(out).__name__}")
    made = made.to(out.device, out.dtype)
    with no_grad():
        if out.shape == made.shape:
            return out.copy_(made)
    out._array = made._array
    return out


def tensor(
    data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """Return a new tensor with a copy of ``data``.

    Args:
        data: a number, nested sequences of numbers, a NumPy array or a tensor.
        dtype: by default that of an array or tensor; for Python numbers the default dtype, int64 or bool.
        device: by default the default device.
        requires_grad: whether operations on it are recorded.
        pin_memory: taken for the sake of PyTorch's programs; memory is what the backend has.

    Raises:
        DataError: ``data`` is not numbers, its sequences are of unequal length, or a number is out of range.

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
    return from_array(_array_of(data, None if dtype is None else as_dtype(dtype)), device, requires_grad)


def _array_of(data: Any, dtype: DType | None) -> np.ndarray:
    """Return a new NumPy array of data, of PyTorch's default dtypes."""
    if not isinstance(data, (list, tuple, np.ndarray, np.generic, bool, int, float, complex)):
        data = _sequence_of(data)
    if isinstance(data, (np.ndarray, np.generic)):
        return np.array(data, dtype=(dtypes.from_numpy(data.dtype) if dtype is None else dtype).numpy)
    if isinstance(data, (list, tuple)):
        kinds: set[Any] = set()
        if _gather_kinds(data, kinds):
            data = _plain_numbers(data)
        natural = _common_dtype(kinds, data)
    else:
        natural = dtypes.scalar_dtype(data)
    try:
        with np.errstate(all="ignore"):
            if dtype is None or dtype is natural or dtype.category > 1:
                return np.array(data, dtype=(dtype or natural).numpy)
            return _within(np.array(data, dtype=natural.numpy), dtype, data)
    except OverflowError:
        raise DataError(f"tensor: a number does not fit into {dtype or natural}, in {_shorten(data)}") from None
    except (TypeError, ValueError) as error:
        raise (error if isinstance(error, DataError) else _unequal(data, error)) from None


def _sequence_of(data: Any) -> Any:
    """Return what is neither a number nor a list as an array or as a list, or refuse it."""
    if hasattr(data, "__array__"):
        return np.asarray(data)
    if isinstance(data, (str, bytes)) or not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        raise DataError(f"tensor: takes numbers, nested sequences of them or arrays, got {_shorten(data)}")
    if hasattr(data, "keys"):
        raise DataError(f"tensor: takes numbers, nested sequences of them or arrays, got {_shorten(data)}")
    return list(data)


def _gather_kinds(data: Any, kinds: set[Any]) -> bool:
    """Add the types of the numbers in nested sequences to ``kinds``; return whether there are tensors or arrays."""
    found = set(map(type, data))
    others = False
    if list in found or tuple in found:
        found -= {list, tuple}
        for part in data:
            if isinstance(part, (list, tuple)):
                others = _gather_kinds(part, kinds) or others
    for kind in found:
        if kind is np.ndarray or issubclass(kind, Tensor):
            others = True
            kinds.update(part.dtype for part in data if isinstance(part, kind))
        else:
            kinds.add(kind)
    return others


def _common_dtype(kinds: set[Any], data: Any) -> DType:
    """Return the dtype that holds all numbers of these kinds; the default dtype when there are none."""
    if len(kinds) == 1 and float in kinds:
        return dtypes.get_default_dtype()
    return (
        functools.reduce(dtypes.promote_types, [_dtype_of_kind(kind, data) for kind in kinds])
        if kinds
        else dtypes.get_default_dtype()
    )


def _dtype_of_kind(kind: Any, data: Any) -> DType:
    if isinstance(kind, DType):
        return kind
    if isinstance(kind, np.dtype):
        return dtypes.from_numpy(kind)
    if issubclass(kind, np.generic):
        try:
            return dtypes.from_numpy(np.dtype(kind))
        except DTypeError as error:
            raise DataError(f"tensor: {error}") from None
    for python, dtype in ((bool, dtypes.bool_), (int, dtypes.int64), (float, dtypes.get_default_dtype())):
        if issubclass(kind, python):
            return dtype
    if issubclass(kind, complex):
        return dtypes.scalar_dtype(0j)
    raise DataError(
        f"tensor: takes numbers, nested sequences of them or arrays; could not infer a dtype of {kind.__name__} in "
        f"{_shorten(data)}"
    )


def _plain_numbers(data: Any) -> Any:
    if isinstance(data, (Tensor, np.ndarray)):
        return data.tolist()
    return [_plain_numbers(part) for part in data] if isinstance(data, (list, tuple)) else data


def _within(array: np.ndarray, dtype: DType, data: Any) -> np.ndarray:
    """Return numbers as booleans or integers, which must be in range; negative ones count back from an unsigned end."""
    if dtype.category and array.size:
        limits = np.iinfo(dtype.numpy)
        least = limits.min or -int(limits.max)
        if array.dtype.kind == "c":
            raise DataError(f"tensor: a complex number is no {dtype}, in {_shorten(data)}")
        if not (least <= array.min() and array.max() <= limits.max):
            raise DataError(f"tensor: a number does not fit into {dtype}, in {_shorten(data)}")
        if array.dtype.kind == "f":
            array = array.astype(np.int64)
    return array.astype(dtype.numpy)


def _unequal(data: Any, error: Exception) -> Exception:
    """Return the error for sequences that are not all of one length, naming the first that differs."""
    found = _odd_one(data, 0)
    return DataError(f"tensor: {found or error}, in {_shorten(data)}")


def _odd_one(data: Any, depth: int) -> str | None:
    if not isinstance(data, (list, tuple)) or not data:
        return None
    lengths = [len(part) if isinstance(part, (list, tuple)) else None for part in data]
    for length in lengths:
        if length != lengths[0]:
            wanted = "a number" if lengths[0] is None else f"a sequence of length {lengths[0]}"
            got = "a number" if length is None else f"length {length}"
            return f"sequences of unequal length cannot be a tensor: expected {wanted} at dim {depth + 1} (got {got})"
    return next((found for part in data if (found := _odd_one(part, depth + 1))), None)


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


def asarray(
    obj: Any, *, dtype: DType | None = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """Return ``obj`` as a tensor, on the same memory where that can be.

    Args:
        obj: a tensor, an array, an object of DLPack or of Python's buffer protocol, numbers or sequences of them.
        dtype, device: by default those of ``obj``.
        copy: True always copies; False refuses to; None copies when it has to.
        requires_grad: whether operations on it are recorded.

    Raises:
        ValueError: a copy is needed, and ``copy`` is False.

    Example::

        >>> import dovetail
        >>> x = dovetail.ones(2)
        >>> dovetail.asarray(x) is x
        True
    """
    shared = _sharing(obj, dtype)
    out = (
        tensor(obj, dtype=dtype, device=device)
        if shared is None
        else shared.to(shared.device if device is None else resolve(device), shared.dtype if dtype is None else dtype)
    )
    if copy is False and out is not shared:
        kind = f"{shared.dtype} on {shared.device}" if shared is not None else type(obj).__name__
        raise ValueError(
            f"asarray: {kind} cannot become {out.dtype} on {out.device} without a copy; leave copy=False out"
        )
    if copy and shared is not None and out is shared:
        out = shared.clone()
    if out.requires_grad and not requires_grad:
        return out.detach()
    return out.requires_grad_() if requires_grad else out


def _sharing(obj: Any, dtype: DType | None) -> Tensor | None:
    """Return a tensor on the memory of ``obj``, if it has memory."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, np.ndarray):
        return from_numpy(obj)
    if hasattr(obj, "__dlpack__"):
        from dovetail.exchange import from_dlpack

        return from_dlpack(obj)
    try:
        memoryview(obj)
    except TypeError:
        return None
    if isinstance(obj, np.generic):
        return None
    from dovetail.exchange import frombuffer

    return frombuffer(obj, dtype=dtype or dtypes.get_default_dtype())


def from_numpy(array: np.ndarray) -> Tensor:
    """Return a CPU tensor on the memory of a NumPy array; a read-only array stays so.

    Raises:
        TypeError: not an array. DTypeError: no dtype for the array's.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy takes a numpy.ndarray, got {type(array).__name__}; use dovetail.tensor")
    dtypes.from_numpy(array.dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return Tensor(np.asarray(array), CPU)
