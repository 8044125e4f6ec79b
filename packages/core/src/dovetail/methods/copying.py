"""Copying and pickling tensors: tensors that share memory share it afterwards, within one copy or pickle."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from dovetail import device as devices
from dovetail.autograd.graph import LEAF
from dovetail.device import CPU, Device
from dovetail.errors import GradError
from dovetail.methods.registry import method
from dovetail.tensor import Tensor
from dovetail.views import shared_of


def remade(kind: Any, array: Any, device: Device, requires_grad: bool, attributes: dict[str, Any]) -> Any:
    """Return a tensor of a subclass, without calling the subclass."""
    out = object.__new__(kind)._set(array, device)
    out._node = LEAF if requires_grad else None
    for name, value in attributes.items():
        setattr(out, name, value)
    return out


def _attributes(self: Tensor) -> dict[str, Any]:
    return dict(getattr(self, "__dict__", {}))


@method("__copy__")
def _shallow(self: Tensor) -> Tensor:
    """Return a leaf on the same memory."""
    out = remade(type(self), self._array, self._device, self.requires_grad, _attributes(self))
    out._alias = shared_of(self)
    return out


@method("__deepcopy__")
def _deep(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """Return a copy of a leaf, its gradient and its attributes.

    Raises:
        GradError: the tensor is no leaf.
    """
    if not self.is_leaf:
        raise GradError("only leaf tensors can be deep-copied; copy tensor.detach(), or tensor.clone()")
    if id(self) in memo:
        return memo[id(self)]
    out = remade(type(self), _copied(self, memo), self._device, self.requires_grad, {})
    memo[id(self)] = out
    out._grad = None if self._grad is None else self._grad.__deepcopy__(memo)
    for name, value in _attributes(self).items():
        setattr(out, name, copy.deepcopy(value, memo))
    return out


def _copied(self: Tensor, memo: dict[int, Any]) -> Any:
    """Return a copy of the array, a view of the copy of its base where another tensor may have that base too."""
    array = self._array
    base, place = _place(array) if self._device is CPU else (array, None)
    if place is None and id(base) not in memo and (self._alias is None or self._device is not CPU):
        return self._device.backend.xp.asarray(array, copy=True)
    found = memo.get(id(base))
    if found is None:
        found = memo[id(base)] = np.copy(base, order="K")
        memo.setdefault(id(memo), []).append(base)  # keeps it alive, so that its id stays its own
    return found if place is None else _at(found, place)


def _place(array: np.ndarray) -> tuple[np.ndarray, Any]:
    """Return the array that owns the memory, and where ``array`` is in it; None where it is all of it."""
    base = array.base
    if not isinstance(base, np.ndarray) or base.dtype != array.dtype:
        return array, None
    start = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    if start < 0 or not (base.flags.c_contiguous or base.flags.f_contiguous):
        return array, None
    if (array.shape, array.strides, start) == (base.shape, base.strides, 0):
        return base, None
    return base, (array.shape, array.strides, start)


def _at(base: np.ndarray, place: tuple) -> np.ndarray:
    shape, strides, start = place
    return np.ndarray(shape, base.dtype, base, start, strides)


@method("__reduce_ex__")
def _pickled(self: Tensor, protocol: Any) -> Any:
    """Return what a pickle keeps; the arrays are those of NumPy, so that tensors of one memory stay so."""
    if self._device is CPU:
        base, place = _place(self._array)
    else:
        base, place = self.numpy(force=True), None
    return (_unpickle, (type(self), base, place, str(self._device), self.requires_grad, _attributes(self)))


def _unpickle(kind: type, base: Any, place: Any, device: str, requires_grad: bool, attributes: dict[str, Any]) -> Any:
    placed = devices.resolve(device)
    array = base if place is None else _at(base, place)
    if placed is not CPU:
        array = placed.backend.from_numpy(array, placed.index or 0)
    return remade(kind, array, placed, requires_grad, attributes)
