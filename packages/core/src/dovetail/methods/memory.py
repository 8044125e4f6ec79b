"""Methods about the memory behind a tensor: its order, its sizes, whose it is."""

from __future__ import annotations

import math
from typing import Any

from dovetail import creation, ops
from dovetail.autograd.graph import LEAF
from dovetail.errors import DeviceError, DTypeError, GradError, ShapeError
from dovetail.memory_format import is_ordered, order_of
from dovetail.methods import attach  # noqa: F401 - its clone takes no memory format, this comes after
from dovetail.methods.registry import function, method
from dovetail.tensor import Tensor
from dovetail.views import Shared, View, check_writable, shared_of


def _in_order(shape: Any) -> tuple[int, ...]:
    """Return the strides of elements in order."""
    return tuple([math.prod([max(size, 1) for size in shape[axis + 1 :]]) for axis in range(len(shape))])


def _strides(x: Tensor) -> Any:
    """Return an array's strides in bytes, None where there are no views to which they would matter."""
    return getattr(x._array, "strides", None) if "views" in x._device.backend.capabilities else None


def layout_of(x: Tensor) -> tuple[tuple[int, ...], int]:
    """Return how many elements apart neighbours along each dimension are in memory, and the place of the first.

    On a backend without strides these are what they would be if the base was in order in memory.
    """
    array, alias = x._memory(), x._alias
    strides = _strides(x)
    if strides is not None:
        if 0 in array.shape:
            return _in_order(array.shape), x._device.backend.offset_of(array)
        steps = [step // array.itemsize for step in strides]
        for axis in reversed(range(len(steps))):
            if not steps[axis] and array.shape[axis] == 1:  # what unsqueeze adds
                steps[axis] = steps[axis + 1] * array.shape[axis + 1] if axis + 1 < len(steps) else 1
        return tuple(steps), x._device.backend.offset_of(array)
    if type(alias) is not View or not x.numel():
        return _in_order(x.shape), 0
    from dovetail.view_copies import positions_of

    places = positions_of(alias.steps, tuple(alias.base.shape))
    first = int(places.reshape(-1)[0])
    fallback = _in_order(x.shape)
    steps = [
        int(places[tuple(int(dim == axis) for dim in range(x.ndim))]) - first if size > 1 else fallback[axis]
        for axis, size in enumerate(x.shape)
    ]
    return tuple(steps), first


@method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Return how many elements apart neighbours along each dimension, or along ``dim``, are in memory."""
    steps = layout_of(self)[0]
    return steps if dim is None else steps[dim]


@method
def storage_offset(self: Tensor) -> int:
    """Return how many elements the memory holds before the tensor's first one."""
    return layout_of(self)[1]


@method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Return whether the elements are in order in memory, or in the order of ``memory_format``."""
    if _strides(self) is None:
        return True
    if memory_format is None:
        return bool(self._array.flags.c_contiguous)
    try:
        order = order_of(memory_format, self.ndim)
    except ShapeError:
        return False
    return is_ordered(self.shape, layout_of(self)[0], order or tuple(range(self.ndim)))


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """Return the tensor with its elements in order in memory, or in that of ``memory_format``; itself when they are."""
    order = order_of(memory_format, self.ndim)
    if order is None:
        raise ShapeError("contiguous: preserve_format names no order; use contiguous_format or channels_last")
    return self if self.is_contiguous(memory_format) else ops.arranged(self, order=order)


@function
def clone(x: Tensor, *, memory_format: Any = None) -> Tensor:
    """Return a copy, by default with the dimensions in memory in the order in which they are."""
    order = None if memory_format is None else order_of(memory_format, x.ndim)
    return ops.clone(x) if order is None else ops.arranged(x, order=order)


@function
def as_strided(x: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Return a view of the tensor's memory with these sizes and strides, from element ``storage_offset`` on.

    Raises:
        ShapeError: sizes and strides are not as many, are negative, or reach beyond the memory.

    Example::

        >>> import dovetail
        >>> dovetail.arange(6).as_strided((2, 2), (1, 2), 1)
        tensor([[1, 3],
                [2, 4]])
    """
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride) or any(number < 0 for number in (*size, *stride)):
        raise ShapeError(f"as_strided: takes as many strides as sizes, none negative, got {list(size)}, {list(stride)}")
    base = x._alias.base if type(x._alias) is View else x
    layout, first = layout_of(base)
    offset = x.storage_offset() if storage_offset is None else storage_offset
    needed = 0 if 0 in size else offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
    available = base._device.backend.memory_size(base._memory()) // base.element_size()
    if needed > available or offset < 0:
        raise ShapeError(
            f"as_strided: sizes {list(size)}, strides {list(stride)} and storage offset {offset} need {needed} "
            f"elements and are out of bounds for a memory of {available}"
        )
    return ops.as_strided(base, size=size, stride=stride, start=offset - first, layout=layout)


# Whose memory it is


class Storage:
    """The memory behind a tensor, which views of it share."""

    __slots__ = ("_array", "device")

    def __init__(self, tensor: Tensor) -> None:
        self._array = tensor._memory()
        self.device = tensor._device

    def data_ptr(self) -> int:
        """Return the address of the first byte."""
        backend = self.device.backend
        array = self._array
        return backend.address_of(array) - backend.offset_of(array) * backend.dtype_of(array).itemsize

    def nbytes(self) -> int:
        """Return how many bytes there are."""
        return self.device.backend.memory_size(self._array)

    size = __len__ = nbytes


@method
def untyped_storage(self: Tensor) -> Storage:
    """Return the memory behind the tensor."""
    return Storage(self)


@method
def data_ptr(self: Tensor) -> int:
    """Return the address of the first element; on a backend that does not tell, a number that stands for the array."""
    return self._device.backend.address_of(self._memory())


@method
def _is_view(self: Tensor) -> bool:
    """Return whether the tensor is a view of another one, its ``_base``."""
    return type(self._alias) is View and not self._alias.own


@method
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Return whether both are the same elements of the same memory in the same order."""
    return (
        self.dtype is tensor.dtype
        and self.shape == tensor.shape
        and self.stride() == tensor.stride()
        and self.data_ptr() == tensor.data_ptr()
    )


@method
def is_shared(self: Tensor) -> bool:
    """Return whether the memory is shared with processes forked from this one; see ``share_memory_``."""
    return self._device.backend.is_shared(self._memory())


@method
def share_memory_(self: Tensor) -> Tensor:
    """Move the elements, where they are not, to memory that processes forked from this one share; returns the tensor.

    Views made before follow; what shares the memory otherwise (NumPy arrays, ``detach()``) stays behind.
    """
    if not self.is_shared():
        base = self._alias.base if type(self._alias) is View else self
        base._array = base._device.backend.shared_copy(base._memory())
        if base._alias is not None:
            from dovetail.view_copies import refresh

            refresh(base._alias.shared)
    return self


# Other memory for the same tensor


@method
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give the tensor other sizes: of the memory behind it where that is enough, otherwise of new, longer memory.

    New elements are uninitialised. Unlike in PyTorch, views made before keep the old memory when that was too short.

    Raises:
        GradError: the tensor needs a gradient.
    """
    if self._node is not None:
        raise GradError("resize_: cannot resize tensors that require grad; use .detach() or .reshape(...)")
    shape = creation.sizes_of(sizes)
    if any(size < 0 for size in shape):
        raise ShapeError(f"resize_: sizes must be 0 or more, got {shape}")
    if shape == tuple(self.shape):
        return self
    order = order_of(memory_format, len(shape)) or tuple(range(len(shape)))
    ordered = tuple(shape[dim] for dim in order)
    version = self._version
    found = self._device.backend.resized(self._memory(), ordered)
    self._array = found if found is not None else _longer(self, ordered)
    if order != tuple(range(len(shape))):
        self._array = self._device.backend.xp.permute_dims(
            self._array, tuple(order.index(dim) for dim in range(len(order)))
        )
    shared = self._alias.shared if found is not None and self._alias is not None else Shared()
    shared.version = version + 1
    self._alias = shared
    return self


def _longer(x: Tensor, shape: tuple[int, ...]) -> Any:
    """Return an array of ``shape`` that begins with the elements of ``x``."""
    xp, count = x._device.backend.xp, math.prod(shape)
    with x._device.backend.use(x._device.index or 0):
        flat = xp.reshape(x._array, (-1,))
        missing = max(count - flat.shape[0], 0)
        parts = [flat[: count - missing], xp.empty((missing,), dtype=flat.dtype)]
        return xp.reshape(xp.concat(parts), shape)


@method
def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """Give the tensor the sizes of another one."""
    return self.resize_(tuple(the_template.shape), memory_format=memory_format)


@method
def set_(self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
    """Make the tensor show the memory of ``source``, a tensor or ``untyped_storage()``; without it, nothing.

    Raises:
        DTypeError: ``source`` has another dtype. DeviceError: it is on another device.
    """
    check_writable(self, "set_")
    if source is None:
        source = self.new_empty(0)
    elif isinstance(source, Storage):
        array = source.device.backend.memory_as(source._array, self._array.dtype)
        source = Tensor(array, source.device)
        size = (source.numel() - storage_offset,) if size is None else size
    if source.dtype is not self.dtype:
        raise DTypeError(f"set_: could not set a tensor of type {self.dtype} to one of type {source.dtype}")
    if source._device is not self._device:
        raise DeviceError(f"set_: the tensor is on {self._device}, the source on {source._device}")
    if size is not None:
        source = source.detach().as_strided(size, _in_order(tuple(size)) if stride is None else stride, storage_offset)
    self._array, self._node = source._memory(), None if self._node is not LEAF else LEAF
    self._alias = shared_of(source)
    self._alias.version += 1
    return self
