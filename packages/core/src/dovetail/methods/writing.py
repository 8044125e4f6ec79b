"""What the in-place operations by index share: values of the tensor's dtype, and writing straight into the memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail import creation, modes
from dovetail.dispatch import fail, record
from dovetail.dtypes import finfo, iinfo
from dovetail.errors import DTypeError
from dovetail.modes import state
from dovetail.tensor import Tensor
from dovetail.views import View, assign, before, check_origin, check_overlap, check_writable, shared_of, written
from dovetail.writes import is_remembered

FLOATING = 2  # DType.category
SURE = 65504.0  # every floating-point dtype holds numbers up to here

_prepared: dict[tuple[Any, Any], Any] = {}  # what backends make of their writers


def as_scalar(value: Any, like: Tensor, strict: bool = True) -> Tensor:
    """Return a Python number as a 0-d tensor of the dtype of ``like``; see ``number_of``."""
    return creation.tensor(number_of(value, like, strict), dtype=like.dtype, device=like._device)


def number_of(value: Any, like: Tensor, strict: bool = True) -> Any:
    """Return a Python number as the dtype of ``like`` holds it; what is after the point of an integer is cut off.

    Where not ``strict``, what is too large for a dtype of two bytes becomes infinite.

    Raises:
        DTypeError: the dtype cannot hold it.
    """
    if value.__class__ is float and -SURE <= value <= SURE and like._device.categories[like._array.dtype] == FLOATING:
        return value
    dtype = like.dtype
    number: Any = value
    fits = True
    if dtype.category == 0:
        number = bool(value)
    elif isinstance(value, complex) and not dtype.is_complex:
        fits, number = not value.imag, value.real
    if dtype.category == 1:
        fits = fits and math.isfinite(number)
        limits = iinfo(dtype)
        number = int(number) if fits else 0
        fits = fits and (limits.min or -limits.max) <= number <= limits.max
        number = number if limits.min else number % (limits.max + 1)  # unsigned ones wrap around
    elif dtype.category > 1 and not isinstance(number, complex) and _exceeds(number, finfo(dtype).max):
        fits = not strict and dtype.itemsize == 2
        number = math.copysign(math.inf, number)
    if not fits or (isinstance(value, int) and value >= 2**63):
        raise DTypeError(
            f"the value {value!r} cannot be converted to {dtype} without overflow; convert the tensor first"
        )
    return number


def _exceeds(number: Any, largest: float) -> bool:
    return abs(number) > largest and not (isinstance(number, float) and math.isinf(number))


def as_value(value: Any, like: Tensor) -> Tensor:
    """Return what is to be written as a tensor: numbers, and what makes an array, of the dtype of ``like``."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float, complex)):
        return as_scalar(value, like, strict=False)
    if isinstance(value, (list, tuple, range, np.ndarray, np.generic)):
        return creation.tensor(value, device=like._device).to(like.dtype)
    raise TypeError(f"a tensor's elements are set to a number, a tensor or an array, got {type(value).__name__}")


def spread(value: Tensor, target: Tensor) -> Tensor:
    """Return ``value`` expanded to the sizes of ``target``, without leading dimensions of size 1 that it has not."""
    while value.ndim > target.ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    return value.expand(target.shape)


def write_in_place(call: Any, target: Tensor, *inputs: Tensor, **options: Any) -> Tensor:
    """Run an op on ``target`` and let the result take its place; returns ``target``.

    Where the backend has a writer for the op only the elements that change are touched, and what is recorded is the op
    itself; elsewhere the op makes a new array, which is then copied.
    """
    op, device, array = call.definition, target._device, target._array
    check_writable(target, "indexed assignment" if op.name == "put" else op.name + "_")
    arrays = None if modes.active and state.modes else _writable(op, target, inputs)
    if state.grad and _recorded(target, inputs):
        # a rule may need the value that is about to be overwritten
        old = copy_of(target) if _keeps_target(op, target, inputs) else before(target)
    else:
        old = None
    if op.name not in ("put", "masked_fill"):
        check_overlap(target, inputs, op.name + "_")
    if arrays is None:
        if state.grad and is_remembered(target, *inputs):
            old = copy_of(target)
        return assign(target, call(before(target) if old is None else old, *inputs, **options))
    writer = device.backend.writers[op.name]
    prepared = _prepared.get((writer, device))
    if prepared is None:
        prepared = _prepared[writer, device] = device.backend.prepare(writer, None)
    check_origin(target, old is not None)
    try:
        prepared(array, *arrays, **options)
    except Exception as error:
        fail(op, (target, *inputs), options, error)
    new = type(target)._plain(array, device)
    if old is not None:
        record(op, (old, *inputs), {name: copied(value) for name, value in options.items()}, (new,))
    return written(target, new)


def copy_of(target: Tensor) -> Tensor:
    """Return a tensor that keeps what ``target`` holds before a write, and its history."""
    old = before(target)
    old._array, old._alias = target._device.backend.xp.asarray(target._array, copy=True), None
    return old


def _writable(op: Any, target: Tensor, inputs: tuple) -> list | None:
    """Return the arrays of the inputs where the backend can write the op's result into ``target`` itself."""
    device = target._device
    if op.name not in device.backend.writers or not target._array.flags.writeable:
        return None
    return None if any(value._device is not device for value in inputs) else [value._array for value in inputs]


def _recorded(target: Tensor, inputs: tuple) -> bool:
    alias = target._alias
    if target._node is not None or (alias.__class__ is View and alias.base._node is not None):
        return True
    return any(value._node is not None for value in inputs)


def write_nothing(target: Tensor, what: str) -> Tensor:
    """Count a write that changes no element."""
    check_writable(target, what)
    shared_of(target).version += 1
    return target


def copied(option: Any) -> Any:
    """Return an option, an index say, with copies of its arrays: these may be written to before a gradient."""
    if not isinstance(option, tuple):
        return option
    return tuple([part.copy() if isinstance(part, np.ndarray) else part for part in option])


def _keeps_target(op: Any, target: Tensor, others: tuple) -> bool:
    needs = [value._node is not None for value in (target, *others)]
    return any(needed and op.inputs[0] in keeps for needed, keeps in zip(needs, op.keeps_by_input, strict=False))
