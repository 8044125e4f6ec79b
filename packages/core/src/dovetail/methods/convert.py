"""Methods that change device, dtype or memory order."""

from __future__ import annotations

from typing import Any

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
        out = ops.cast(out, dtype=dtype)
    return out.clone() if copy and out is self else out


def _target(self: Tensor, args: tuple, kwargs: dict[str, Any]) -> tuple[Device, DType, bool]:
    device, dtype, copy = kwargs.pop("device", None), kwargs.pop("dtype", None), kwargs.pop("copy", False)
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to() takes device, dtype, copy and non_blocking, got {sorted(kwargs)}")
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value._device, value.dtype
        elif isinstance(value, (str, Device)):
            device = value
        elif isinstance(value, DType) or value in (float, int, bool):
            dtype = value
        elif value is not None and not isinstance(value, bool):
            raise TypeError(f"to() takes a device, a dtype or a tensor, got {value!r}")
    placed = self._device if device is None else resolve(device)
    return placed, self.dtype if dtype is None else as_dtype(dtype), copy


@method
def cpu(self: Tensor) -> Tensor:
    """Return the tensor on the CPU."""
    return self.to("cpu")


@method
def cuda(self: Tensor, device: Any = None) -> Tensor:
    """Return the tensor on a CUDA device."""
    return self.to("cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device)


@method
def type(self: Tensor, dtype: DType | None = None) -> Any:
    """Return the tensor as ``dtype``, or without one the name of its type."""
    return f"dovetail.{self.dtype.name}" if dtype is None else self.to(dtype)


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor as the dtype and on the device of ``other``."""
    return self.to(other)


def _cast_method(name: str, dtype: DType) -> None:
    def cast(self: Tensor) -> Tensor:
        return self.to(dtype)

    cast.__name__ = name
    cast.__doc__ = f"Return the tensor as {dtype}."
    setattr(Tensor, name, cast)


for _name, _dtype in {**dtypes.ALIASES, "bool": dtypes.bool_, "bfloat16": dtypes.bfloat16}.items():
    _cast_method(_name, _dtype)
