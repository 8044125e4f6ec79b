"""``x[index]`` and ``x[index] = value``.

Reading by integers and slices, and writing where nothing is recorded, cost little more than NumPy's own indexing: these
cases are written out, as the dispatcher's are. Every other case, and every error, takes the general way.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from weakref import ref

import numpy as np

from dovetail import modes, ops
from dovetail.autograd.graph import LEAF, Output, SmallNode, new_node, next_sequence
from dovetail.device import Device
from dovetail.dispatch import record
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.parts import BatchedIndexError, picked_sizes, split_index
from dovetail.methods.writing import FLOATING, SURE, as_value, copied, spread, write_in_place
from dovetail.modes import state, unrecorded
from dovetail.op import Op
from dovetail.ops.index import slice_view, take
from dovetail.tensor import Tensor, new_tensor
from dovetail.views import NO_GRAD, Shared, View, assign, before, check_writable, mark_origin, mark_several, shared_of

active_modes = modes.active
ndarray = np.ndarray
SLICE_VIEW, TAKE = slice_view.definition, take.definition
INT64, BOOL = np.dtype(np.int64), np.dtype(np.bool_)  # the dtypes of arrays that are an index as they are


def getitem(self: Tensor, index: Any) -> Tensor:
    """Return the part of the tensor at ``index``: a view where it is made of integers, slices, None and ``...``."""
    device = self._device
    if not device.direct or (active_modes and state.modes):
        return _getitem(self, index)
    kind = index.__class__
    if kind is int or (kind is slice and index.step is None):
        key: Any = (index, ...) if kind is int else (index,)  # with the dots what is 0-d is a view too
    elif kind is tuple:
        key = None
        for part in index:
            kind = part.__class__
            if kind is not int:
                if (part.step is not None) if kind is slice else (part is not None and part is not ...):
                    return _taken(self, index)
                key = index
        key = key or (*index, ...)
    else:
        return _taken(self, (index,)) if kind is Tensor else _getitem(self, index)
    array, alias = self._array, self._alias or shared_of(self)
    try:
        result = array[key]
    except Exception:
        result = None
    if result.__class__ is not array.__class__:  # an error, or a number: of x[None, 0] in one dimension, say
        return _getitem(self, index)
    out = new_tensor()
    view = out._alias = View()  # what mark_view makes
    out._array, out._device = result, device
    out._node = out._grad = None
    view.base, view.source = self, None
    if alias.__class__ is View:
        alias = _of_view(view, alias)
    view.op, view.options, view.shared = SLICE_VIEW, key, alias
    if len(alias.views) < alias.limit:  # what alias.add does
        alias.views.append(ref(out))
    else:
        alias.add(out)
    if unrecorded and not state.grad:
        return mark_origin(out, NO_GRAD)
    return out if self._node is None else _recorded(self, out, SLICE_VIEW, key)


def _of_view(view: View, source: View) -> Shared:
    """Make ``view`` one of the view ``source``; return what it shares with it."""
    view.base, view.source = source.base, source
    if source.origin is not None:
        view.origin = source.origin
    return source.shared


def _recorded(self: Tensor, out: Tensor, op: Op, key: tuple) -> Tensor:
    """Make ``out`` the result of ``op``, whose gradient needs the sizes and the index alone."""
    edge = self._node
    node = out._node = SmallNode()
    node.op, node.sequence, node.shape = op, next_sequence(), out._array.shape
    node.first, node.second, node.versions = self if edge is LEAF else edge, None, None
    node.saved_first, node.saved_second = self._array.shape, key
    return out


def _taken(self: Tensor, index: tuple) -> Tensor:
    """Return what integer arrays and masks pick, where an index holds nothing else."""
    device = self._device
    parts = []
    for part in index:
        if part.__class__ is not Tensor or not _picks(part._array):
            return _getitem(self, index)
        parts.append(part._array)
    key, array = tuple(parts), self._array
    kernel = TAKE.kernels.get(device)
    try:
        result = kernel(array, index=key)
    except Exception:
        return _getitem(self, index)
    out = new_tensor()
    out._array, out._device = result, device
    out._node = out._alias = out._grad = None
    return out if self._node is None or not state.grad else _recorded(self, out, TAKE, copied(key))


def picked_along(call: Any, x: Tensor, index: Tensor, dim: int) -> Tensor:
    """Return what ``call``, an op such as gather, does; its arguments are known to fit, so little is left to do."""
    op, device = call.definition, x._device
    kernel = op.kernels.get(device)
    if kernel is None or index._device is not device or (active_modes and state.modes):
        return call(x, index, dim=dim)
    out = Tensor(kernel(x._array, index._array, dim=dim), device)
    if x._node is not None and state.grad:
        record(op, (x, index), {"dim": dim}, (out,))
    return out


def _getitem(self: Tensor, index: Any) -> Tensor:
    """Return the part at ``index``, whatever it is."""
    learn(self._device)
    try:
        basic, arrays = split_index(index, self._array.shape)
    except BatchedIndexError:
        from dovetail.func.indexing import read

        return read(self, index)
    out = self if basic is None else ops.slice_view(self, index=basic)
    if not arrays:
        return out
    return ops.take(out, index=copied(arrays) if out._node is not None and state.grad else arrays)


def learn(device: Device) -> None:
    """Note whether the arrays of a device are indexed as NumPy's are: views that can be written to."""
    device.direct = {"views", "writes"} <= device.backend.capabilities and not device.backend.level


def places_along(self: Tensor, dim: int) -> tuple[Tensor, ...]:
    """Return the view of each place along ``dim``, without that dimension; they share one node."""
    device, array, alias = self._device, self._array, self._alias
    before, count = (slice(None),) * dim, array.shape[dim]
    if not device.direct or (active_modes and state.modes):
        return mark_several(tuple([_getitem(self, (*before, place)) for place in range(count)]), "unbind")
    if alias is None:
        alias = self._alias = Shared()
    base, source, shared = (alias.base, alias, alias.shared) if alias.__class__ is View else (self, None, alias)
    found = []
    for place in range(count):
        out = new_tensor()
        view = out._alias = View()
        key = view.options = (*before, place, ...) if dim else (place, ...)
        out._array, out._device = array[key], device
        out._node = out._grad = None
        view.op, view.base, view.source, view.shared = SLICE_VIEW, base, source, shared
        if source is not None and source.origin is not None:
            view.origin = source.origin
        found.append(mark_origin(out, "unbind" if state.grad else NO_GRAD))
    shared.add_all(found)
    edge = self._node
    if edge is not None and state.grad and count:
        shape = found[0]._array.shape
        node = new_node(_unbinding(count), (self if edge is LEAF else edge,), (shape,) * count if count > 1 else shape)
        node.saved = (array.shape, dim)
        for place, out in enumerate(found):
            out._node = Output(node, place) if count > 1 else node
    return tuple(found)


@lru_cache(maxsize=64)
def _unbinding(count: int) -> Op:
    """Return what stands for ``unbind`` of ``count`` places in a graph; each is a result of it."""
    op = Op(_unbind, promote=None, view=False, mutates=(), outputs=map(str, range(count)), no_grad_outputs=())
    op.vjp_all(_bound)
    return op


def _unbind(xp: Any, x: Any, *, dim: int) -> Any:
    raise AssertionError("this op is only recorded, never run")


def _bound(g: Any, x_shape: tuple[int, ...], dim: int) -> tuple[Tensor]:
    parts = g if isinstance(g, tuple) else (g,)
    sizes = (*x_shape[:dim], *x_shape[dim + 1 :])
    given = next(part for part in parts if part is not None)
    return (ops.stack(*[given.new_zeros(sizes) if part is None else part for part in parts], dim=dim),)


# Writing


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """Write ``value``, which broadcasts, to the part of the tensor at ``index``."""
    device, array, alias = self._device, self._array, self._alias
    base = alias.base if alias.__class__ is View else self
    if not device.direct or self._node is not None or base._node is not None or (active_modes and state.modes):
        return _setitem(self, index, value)
    kind, given = value.__class__, value
    if kind is float:
        sure = -SURE <= value <= SURE and device.categories[array.dtype] == FLOATING
    elif kind is int:
        sure = -SURE <= value <= SURE
    else:
        sure = isinstance(value, Tensor) and value._node is None and value._array.dtype is array.dtype
        given = value._array if sure else None
    key = _direct(index, array) if sure else None
    if key is None or (alias is not None and not _apart(alias.shared, value)):
        return _setitem(self, index, value)
    try:
        array[key] = given
    except Exception:
        return _setitem(self, index, value)
    if alias is None:
        alias = self._alias = Shared()
    alias.shared.version += 1
    return None


def _apart(shared: Shared, value: Any) -> bool:
    """Return whether no more than numbers is to be written, and the value is not on the memory written to."""
    found = getattr(value, "_alias", None)
    return not shared.guarded and (found is None or found.shared is not shared)


def _direct(index: Any, array: Any) -> Any:
    """Return an index that ``array`` takes as PyTorch does, or None for one that has to be looked at more closely.

    Index arrays are left to NumPy alone: others wrap around what is out of range.
    """
    kind = index.__class__
    if kind is int or (kind is slice and index.step is None):
        return index
    if kind is tuple:
        for part in index:
            kind = part.__class__
            if kind is int:
                continue
            if (part.step is not None) if kind is slice else (part is not None and part is not ...):
                return None
        return index
    return index._array if kind is Tensor and array.__class__ is ndarray and _picks(index._array) else None


def _picks(array: Any) -> bool:
    """Return whether an index tensor's array is an index for NumPy as it is; empty ones are looked at more closely."""
    if array.__class__ is not ndarray or not array.ndim or not array.size:
        return False
    return array.dtype is INT64 or array.dtype is BOOL


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    """Write to the part at ``index``, whatever it is."""
    learn(self._device)
    if index is False:  # PyTorch does not look at the value either
        return
    value = as_value(value, self)
    try:
        basic, arrays = split_index(index, self._array.shape)
    except BatchedIndexError:
        from dovetail.func.indexing import write

        return write(self, index, value)
    if "views" not in self._device.backend.capabilities and basic is not None:
        check_writable(self, "indexed assignment")
        part = ops.slice_view(before(self), index=basic)
        part = ops.put(part, fitting(value, part, arrays), index=arrays) if arrays else spread(value.to(self), part)
        assign(self, ops.put(before(self), part, index=basic))
        return
    target = self if basic is None else ops.slice_view(self, index=basic)
    if arrays:
        write_in_place(ops.put, target, fitting(value, target, arrays), index=arrays)
    else:
        target.copy_(value if value._array.shape == target._array.shape else spread(value, target))


def fitting(value: Tensor, target: Tensor, arrays: tuple) -> Tensor:
    """Return ``value`` of the target's dtype and of no more dimensions than what ``arrays`` pick.

    Raises:
        DTypeError: it is of another dtype, and more than one number for a mask. ShapeError: it does not broadcast.
    """
    picking = [part for part in arrays if part.__class__ is ndarray]
    if len(picking) == 1 and picking[0].dtype == np.bool_ and value.numel() == 1:
        value = value.to(target)
        return value.reshape(()) if value.ndim else value
    if value.dtype is not target.dtype:
        raise DTypeError(
            f"index put: the value is {value.dtype}, the tensor written to {target.dtype}; these must be one dtype, "
            "convert with .to(dtype)"
        )
    sizes = picked_sizes(arrays, target._array.shape)
    while value.ndim > len(sizes) and value.shape[0] == 1:
        value = value.squeeze(0)
    extra = len(sizes) - value.ndim
    if extra < 0 or any(have not in (1, size) for have, size in zip(value.shape, sizes[extra:], strict=True)):
        raise ShapeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of "
            f"shape {list(sizes)}"
        )
    return value
