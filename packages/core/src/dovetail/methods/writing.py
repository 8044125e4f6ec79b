"""What the in-place operations by index share: values of the tensor's dtype, and writing straight into the memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail import creation, modes
from dovetail.align import ready
from dovetail.dispatch import fail, record
from dovetail.dtypes import finfo, iinfo
from dovetail.errors import DTypeError
from dovetail.modes import state
from dovetail.tensor import Tensor
from dovetail.views import View, assign, before, check_writable, rebase, shared_of


def as_scalar(value: Any, like: Tensor, strict: bool = True) -> Tensor:
    """Return a Python number as a 0-d tensor of the dtype of ``like``; what is after the point of an integer is cut off.

    Where not ``strict``, what is too large for a dtype of two bytes becomes infinite.

    Raises:
        DTypeError: the dtype cannot hold it.
    """
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
        raise DTypeError(f"the value {value!r} cannot be converted to {dtype} without overflow; convert the tensor first")
    return creation.tensor(number, dtype=dtype, device=like._device)


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
    op = call.definition
    check_writable(target, "indexed assignment" if op.name == "put" else op.name + "_")
    writer = target._device.backend.writers.get(op.name)
    found = None
    if writer is not None and not (modes.active and state.modes) and getattr(target._array, "flags", None) is not None:
        found = ready(op, (target, *inputs)) if target._array.flags.writeable else None
    alias = target._alias
    base = alias.base if type(alias) is View else target
    recorded = state.grad and any(value._node is not None for value in (target, base, *inputs))
    old = before(target) if recorded or found is None else target
    if recorded and _keeps_target(op, target, inputs):
        # a rule needs the value that is about to be overwritten
        old._array, old._alias = target._device.backend.xp.asarray(target._array, copy=True), None
    if found is None:
        return assign(target, call(old, *inputs, **options))
    if op.check is not None:
        op.check(target, *inputs, **options)
    try:
        target._device.backend.prepare(writer, None)(*found[0], **options)
    except Exception as error:
        fail(op, (target, *inputs), options, error)
    shared = shared_of(target)
    shared.version += 1
    if recorded:
        new = type(target)._plain(target._array, target._device)
        record(op, (old, *inputs), {name: copied(value) for name, value in options.items()}, (new,))
        rebase(target, new, shared)
    return target


def write_nothing(target: Tensor, what: str) -> Tensor:
    """Count a write that changes no element."""
    check_writable(target, what)
    shared_of(target).version += 1
    return target


def copied(option: Any) -> Any:
    """Return an option, an index say, with copies of the index arrays in it, which may be written to before a gradient is asked for."""
    if not isinstance(option, tuple):
        return option
    return tuple([part.copy() if isinstance(part, np.ndarray) else part for part in option])


def _keeps_target(op: Any, target: Tensor, others: tuple) -> bool:
    needs = [value._node is not None for value in (target, *others)]
    return any(needed and op.inputs[0] in keeps for needed, keeps in zip(needs, op.keeps_by_input, strict=False))
