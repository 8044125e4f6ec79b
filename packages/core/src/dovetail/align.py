"""The dispatcher's slow path: inputs of several dtypes or devices, Python numbers, arrays; and failures explained."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from dovetail import dtypes
from dovetail.device import CPU, Device
from dovetail.dtypes import DType
from dovetail.errors import DeviceError, DovetailError, DTypeError, ShapeError
from dovetail.op import Op
from dovetail.tensor import Tensor

_NUMBERS = (builtins.bool, builtins.int, builtins.float, builtins.complex)
_AS_CATEGORY = (builtins.bool, builtins.int, builtins.float, builtins.complex)


def align(op: Op, inputs: tuple) -> tuple[tuple, tuple, Device]:
    """Return the inputs as tensors of fitting dtypes on one device, their arrays, and the device.

    Python numbers stay numbers where an op promotes, since namespaces treat them as PyTorch does.

    Raises:
        DeviceError: tensors on several devices. DTypeError: dtypes that the op does not mix.
        TypeError: an input is no tensor.
    """
    beside = _with_number(op, inputs)
    if beside is not None:
        return beside
    if not inputs:
        raise ShapeError(f"{op.name}: expected a non-empty list of tensors")
    device = _common_device(op, inputs)
    inputs = tuple(_as_input(op, value, position, device) for position, value in enumerate(inputs))
    if op.promote is not None:
        inputs = _promoted(op, inputs, device)
    arrays = tuple(value._array if isinstance(value, Tensor) else value for value in inputs)
    return inputs, arrays, device


def _with_number(op: Op, inputs: tuple) -> tuple[tuple, tuple, Device] | None:
    """Return what ``align`` does for a number beside a tensor whose dtype the result has, without a search for it."""
    if len(inputs) != 2 or op.promote not in ("same", "number", "float"):
        return None
    first = isinstance(inputs[0], Tensor)
    x, number = inputs if first else inputs[::-1]
    if not isinstance(x, Tensor) or number.__class__ not in (builtins.float, builtins.int):
        return None
    dtype = x.dtype
    if dtype.category < (2 if number.__class__ is builtins.float or op.least > 1 else 1) or dtype.is_complex:
        return None
    if dtype.category == 2:
        number = x._device.backend.number(builtins.float(number), dtype)
    if first:
        return (x, number), (x._array, number), x._device
    return (number, x), (number, x._array), x._device


def _common_device(op: Op, inputs: tuple) -> Device:
    """Return the one device of the inputs; 0-d tensors on the CPU may join any."""
    found: dict[Device, str] = {}
    for position, value in enumerate(inputs):
        if isinstance(value, Tensor) and (value._array.shape != () or value._device is not CPU):
            found.setdefault(value._device, _input_name(op, position))
    if len(found) > 1:
        highest = max(found, key=lambda device: device.backend.level)
        if highest.backend.level:
            return highest
        places = ", ".join(f"{name!r} is on {device}" for device, name in found.items())
        raise DeviceError(f"{op.name}: inputs are on several devices: {places}; bring them together with .to(device)")
    return next(iter(found), CPU)


def _as_input(op: Op, value: Any, position: int, device: Device) -> Any:
    if isinstance(value, Tensor):
        return value if value._device is device else value.to(device)
    if value is None:
        if _input_name(op, position) in op.optional:
            return None
    elif isinstance(value, np.generic):
        return value.item()
    elif isinstance(value, _NUMBERS):
        return value
    elif isinstance(value, np.ndarray):
        from dovetail.from_data import as_tensor

        return as_tensor(value, device=device)
    raise TypeError(f"{op.name}: {_input_name(op, position)!r} must be a tensor or a number, got {_describe(value)}")


def _input_name(op: Op, position: int) -> str:
    return op.inputs[min(position, len(op.inputs) - 1)]


def _promoted(op: Op, inputs: tuple, device: Device) -> tuple:
    tensors = [value for value in inputs if isinstance(value, Tensor)]
    if op.promote == "match":
        return _matched(op, inputs, tensors, device)
    target = result_type(*[value for value in inputs if value is not None])
    if op.promote == "float" and target.category < 2:
        target = dtypes.get_default_dtype()
    if target.category < op.least:
        raise DTypeError(f"{op.name}: takes numbers, got {target}; convert with .int() or .float(), or use & | ^ ~")
    if not tensors:
        from dovetail.from_data import tensor

        inputs = (tensor(inputs[0], dtype=target, device=device), *inputs[1:])
    return tuple(_converted(value, target, device) for value in inputs)


def _matched(op: Op, inputs: tuple, tensors: list[Tensor], device: Device) -> tuple:
    """Refuse inputs of several dtypes."""
    from dovetail.from_data import tensor

    kinds = {value.dtype for value in tensors}
    if len(kinds) > 1:
        listed = ", ".join(
            f"{_input_name(op, position)!r} is {value.dtype}"
            for position, value in enumerate(inputs)
            if isinstance(value, Tensor)
        )
        raise DTypeError(f"{op.name}: inputs must have one dtype: {listed}; convert with .to(dtype)")
    return tuple(tensor(value, device=device) if isinstance(value, _NUMBERS) else value for value in inputs)


def _converted(value: Any, target: DType, device: Device) -> Any:
    if isinstance(value, Tensor):
        return value if value.dtype is target else value.to(target)
    if value is None or isinstance(value, builtins.complex):
        return value
    number = _AS_CATEGORY[min(target.category, 2)](value)
    return device.backend.number(number, target) if target.itemsize == 2 and target.category == 2 else number


def wrapped(arrays: tuple, device: Device) -> tuple:
    """Return the operands with an integer that is out of the other's range brought into it, modulo its size.

    Raises:
        OverflowError: the integer does not even fit into 64 bits.
    """
    (array,) = (value for value in arrays if not isinstance(value, _NUMBERS))
    bits = 8 * device.backend.dtype_of(array).itemsize
    return tuple(
        wrapped_number(value, bits, device.backend.dtype_of(array).is_signed) if isinstance(value, int) else value
        for value in arrays
    )


def wrapped_number(number: int, bits: int, signed: bool) -> int:
    """Return an integer modulo the size of a dtype of so many bits."""
    if not -(2**63) <= number < 2**64:
        raise OverflowError("the integer does not fit into 64 bits; convert it to a float, or the tensor")
    number %= 2**bits
    return number - 2**bits if signed and number >= 2 ** (bits - 1) else number


def result_type(*values: Any) -> DType:
    """Return the dtype that an operation on these tensors and Python numbers gives.

    Example::

        >>> import dovetail
        >>> dovetail.result_type(dovetail.ones(2, dtype=dovetail.int32), 1.5)
        dovetail.float32
    """
    if not values:
        raise TypeError("result_type: takes at least one tensor or number")
    dimensioned = zero_dim = scalar = None
    for value in values:
        if isinstance(value, Tensor):
            dtype = value.dtype
            if value._array.shape == ():
                zero_dim = dtype if zero_dim is None else dtypes.promote_types(zero_dim, dtype)
            else:
                dimensioned = dtype if dimensioned is None else dtypes.promote_types(dimensioned, dtype)
        else:
            if not isinstance(value, (*_NUMBERS, np.generic)):
                raise TypeError(f"result_type: takes tensors and numbers, got {type(value).__name__}")
            dtype = dtypes.scalar_dtype(value)
            scalar = dtype if scalar is None else dtypes.promote_types(scalar, dtype)
    return dtypes.combine(dimensioned, zero_dim, scalar)


def explain(op: Op, inputs: tuple, options: dict[str, Any], error: Exception) -> Exception:
    """Return the error to raise for a kernel that failed: it names the op and what it was given."""
    wrong = _wrong_dim(inputs, options)
    if wrong is not None and not isinstance(error, DovetailError):
        ndim = max(inputs[0].ndim, 1)
        return IndexError(
            f"{op.name}: dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {wrong})"
        )
    if isinstance(error, (DovetailError, IndexError, MemoryError)):
        return error
    shapes = [value.shape for value in inputs if isinstance(value, Tensor)]
    clash = broadcast_clash(shapes) if op.promote in ("same", "number", "float") else None
    if clash:
        sizes = " and ".join(str(tuple(shape)) for shape in shapes)
        return ShapeError(f"{op.name}: sizes {sizes} do not broadcast: {clash}; make these equal, or one of them 1")
    given = ", ".join(f"{_input_name(op, position)}={_describe(value)}" for position, value in enumerate(inputs))
    given += "".join(f", {name}={value!r}" for name, value in options.items())
    kind = type(error) if isinstance(error, (TypeError, OverflowError)) else ShapeError
    return kind(f"{op.name}: cannot take {given}: {error}")


def _wrong_dim(inputs: tuple, options: dict[str, Any]) -> int | None:
    """Return the first ``dim`` or ``dims`` that the first input does not have."""
    dims = options.get("dim", options.get("dims"))
    first = inputs[0] if inputs else None
    if dims is None or not isinstance(first, Tensor):
        return None
    ndim = max(first.ndim, 1)
    dims = dims if isinstance(dims, (tuple, list)) else (dims,)
    return next((dim for dim in dims if isinstance(dim, int) and not -ndim <= dim < ndim), None)


def broadcast_clash(shapes: list) -> str | None:
    """Return which dimension keeps shapes from broadcasting together, or None when none does."""
    for back in range(1, max((len(shape) for shape in shapes), default=0) + 1):
        sizes = {shape[-back] for shape in shapes if len(shape) >= back} - {1}
        if len(sizes) > 1:
            return f"dimension {-back} is {' and '.join(map(str, sorted(sizes)))}"
    return None


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype.name}{tuple(value.shape)}"
    return f"{type(value).__name__} {value!r}" if isinstance(value, _NUMBERS) else f"{type(value).__name__}"
