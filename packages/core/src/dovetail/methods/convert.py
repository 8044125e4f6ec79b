"""Methods that change device, dtype or memory order."""

from __future__ import annotations

import builtins
import warnings
from typing import Any

from numpy.exceptions import ComplexWarning

from dovetail import dtypes, ops
from dovetail.device import Device, resolve
from dovetail.dtypes import DType, as_dtype
from dovetail.methods.registry import method
from dovetail.tensor import Tensor
from dovetail.transfer import transfer


@method
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Return the tensor on another device, of another dtype, or like another tensor; itself when it is already.

    Called as ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(other)``; ``copy=True`` always copies.
    """
    device, dtype, copy = _target(self, args, dict(kwargs))
    out = self
    if device is not out._device:
        out = transfer(out, device)
    if dtype is not out.dtype:
        out = _cast(out, dtype)
    return out.clone() if copy and out is self else out


def _cast(x: Tensor, dtype: DType) -> Tensor:
    """Return the tensor as another dtype; what a complex number has beside its real part is lost with a warning."""
    if x.is_complex() and not dtype.is_complex and dtype.category:
        text = "the imaginary part is discarded; use .real to say so, or .abs()"
        warnings.warn(f"to({dtype}): {text}", ComplexWarning, stacklevel=4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ComplexWarning)
            return ops.cast(x, dtype=dtype)
    return ops.cast(x, dtype=dtype)


def _target(self: Tensor, args: tuple, kwargs: dict[str, Any]) -> tuple[Device, DType, bool]:
    device, dtype, copy = kwargs.pop("device", None), kwargs.pop("dtype", None), kwargs.pop("copy", False)
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to() takes device, dtype, copy and non_blocking, got {sorted(kwargs)}")
    flags = [value for value in args if isinstance(value, bool)]
    copy = copy or flags[1:] == [True]  # by position, non_blocking comes first
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value._device, value.dtype
        elif isinstance(value, (str, Device)) or (isinstance(value, int) and not isinstance(value, bool)):
            device = f"cuda:{value}" if isinstance(value, int) else value
        elif isinstance(value, (DType, builtins.type)):
            dtype = value
        elif value is not None and not isinstance(value, bool):
            raise TypeError(f"to() takes a device, a dtype or a tensor, got {value!r}")
    placed = self._device if device is None else resolve(device)
    return placed, self.dtype if dtype is None else as_dtype(dtype), copy


@method
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """Return the tensor on the CPU."""
    return self.to("cpu")


@method
def cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """Return the tensor on a CUDA device."""
    return self.to("cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device)


@method
def type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Return the tensor as a dtype, or as what the name of a typed class says; without one the name of its class.

    Raises:
        ValueError: there is no type of that name.
    """
    from dovetail.legacy import named_type, type_name

    if dtype is None:
        return type_name(self)
    if isinstance(dtype, str):
        dtype, device = named_type(dtype)
        return self.to(device, dtype)
    return self.to(getattr(dtype, "dtype", dtype))


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor as the dtype and on the device of ``other``."""
    return self.to(other)


def _cast_method(name: str, dtype: DType) -> None:
    def cast(self: Tensor, memory_format: Any = None) -> Tensor:
        return self.to(dtype)

    cast.__name__ = name
    cast.__doc__ = f"Return the tensor as {dtype}."
    setattr(Tensor, name, cast)


for _name, _dtype in {
    **dtypes.ALIASES,
    "bool": dtypes.bool_,
    "bfloat16": dtypes.bfloat16,
    "byte": dtypes.uint8,
    "char": dtypes.int8,
}.items():
    _cast_method(_name, _dtype)
