"""The typed tensor classes of old programs: ``FloatTensor([1, 2])``, ``isinstance(x, LongTensor)``."""

from __future__ import annotations

import warnings
from typing import Any

from dovetail import dtypes
from dovetail.creation import empty, sizes_of, tensor
from dovetail.device import Device, resolve
from dovetail.dtypes import DType
from dovetail.errors import DataError, DTypeError
from dovetail.tensor import Size, Tensor

#: The word for each dtype in the names of the classes.
WORDS = {
    dtypes.float32: "Float", dtypes.float64: "Double", dtypes.float16: "Half", dtypes.bfloat16: "BFloat16",
    dtypes.uint8: "Byte", dtypes.int8: "Char", dtypes.int16: "Short", dtypes.int32: "Int", dtypes.int64: "Long",
    dtypes.bool_: "Bool", dtypes.complex64: "ComplexFloat", dtypes.complex128: "ComplexDouble",
}  # fmt: skip
_DTYPES = {f"{word}Tensor": dtype for dtype, word in WORDS.items()}


def type_name(x: Tensor) -> str:
    """Return the name of a tensor's typed class, such as ``dovetail.FloatTensor``, with the device type if not ``cpu``.

    Example::

        >>> import dovetail
        >>> dovetail.ones(1).type()
        'dovetail.FloatTensor'
    """
    place = "" if x.is_cpu else f"{x.device.type}."
    return f"dovetail.{place}{WORDS[x.dtype]}Tensor"


def named_type(name: str) -> tuple[DType, str]:
    """Return the dtype and the device type that the name of a typed class stands for.

    Raises:
        ValueError: it is no such name.
    """
    package, *place = name.split(".")
    word = place.pop() if place else ""
    if package in ("dovetail", "torch") and len(place) <= 1 and word in (*_DTYPES, "Tensor"):
        return _DTYPES.get(word, dtypes.get_default_dtype()), place[0] if place else "cpu"
    raise ValueError(f"invalid type: {name!r}; a type is one such as 'dovetail.FloatTensor', or a dtype")


class _Typed(type):
    """What makes ``FloatTensor(...)`` a tensor and ``isinstance(x, FloatTensor)`` a question about its dtype."""

    dtype: DType

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype and value.is_cpu

    def __call__(cls, *args: Any) -> Tensor:
        return build(args, cls.dtype, resolve("cpu"))


def build(args: tuple, dtype: DType, device: Device) -> Tensor:
    """Return a tensor of sizes given one by one or as a ``Size``, of data, or an empty one.

    Raises:
        DTypeError: a tensor of another dtype was given. DataError: one number that is no size.
    """
    (first, *rest) = args or ((),)
    if isinstance(first, Size) or (rest or isinstance(first, int)) and not isinstance(first, bool):
        return empty(sizes_of(args), dtype=dtype, device=device)
    if isinstance(first, Tensor):
        if first.dtype is not dtype:
            raise DTypeError(f"{WORDS[dtype]}Tensor: takes tensors of {dtype}, got {first.dtype}; use .to(dtype)")
        return first.detach()
    if isinstance(first, (bool, float, complex)):
        raise DataError(f"{WORDS[dtype]}Tensor: data must be a sequence, got {first!r}; use dovetail.tensor")
    return tensor(first, dtype=dtype, device=device)


def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype by a typed class or its name; deprecated in favour of ``set_default_dtype``.

    Raises:
        DTypeError: the class is not one of floating-point numbers.
    """
    advice = "use dovetail.set_default_dtype and dovetail.set_default_device"
    warnings.warn(f"set_default_tensor_type is deprecated; {advice}", UserWarning, stacklevel=2)
    dtypes.set_default_dtype(named_type(t)[0] if isinstance(t, str) else getattr(t, "dtype", t))


for _word, _dtype in _DTYPES.items():
    _doc = f"Old programs' class of {_dtype} tensors on the CPU: makes one of sizes or data, and recognises them."
    globals()[_word] = _Typed(_word, (), {"dtype": _dtype, "__doc__": _doc, "__module__": "dovetail"})
