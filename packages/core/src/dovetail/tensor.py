"""The tensor: an array on a device, with a place in the autograd graph.

Methods that are ops, and the operators, are attached by ``methods.py``; here is what a tensor is.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from dovetail import device as devices
from dovetail import dtypes
from dovetail.autograd.graph import LEAF, Output
from dovetail.device import Device
from dovetail.dtypes import DType
from dovetail.errors import DeviceError, DTypeError, GradError
from dovetail.views import View, shared_of


class Size(tuple):
    """A tensor's sizes: a tuple that prints as PyTorch's and counts its elements.

    Example::

        >>> import dovetail
        >>> dovetail.zeros(2, 3).shape
        dovetail.Size([2, 3])
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements of a tensor of this size."""
        total = 1
        for size in self:
            total *= size
        return total

    def __repr__(self) -> str:
        return f"dovetail.Size({list(self)})"

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple(self) + tuple(other))


class Tensor:
    """An array of numbers of one dtype on one device, which can record what is computed from it.

    ``Tensor([1, 2])`` gives the default dtype whatever the numbers are, and ``Tensor(2, 3)`` an uninitialised tensor of
    these sizes, as in PyTorch; ``dovetail.tensor`` is the call to use in new code.

    Example::

        >>> import dovetail
        >>> dovetail.Tensor([1, 2])
        tensor([1., 2.])
    """

    __slots__ = ("__weakref__", "_alias", "_array", "_device", "_node", "grad")

    #: NumPy leaves mixed operations to the tensor.
    __array_priority__ = 1000

    def __init__(self, array: Any = (), device: Any = None, *sizes: int) -> None:
        if device.__class__ is not Device:
            array, device = _legacy_arguments(array, device, sizes)
        self._array = array
        self._device: Device = device
        self._node: Any = None
        self._alias: Any = None
        self.grad: Tensor | None = None

    @staticmethod
    def _plain(array: Any, device: Device) -> Tensor:
        return Tensor(array, device)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...

    # What it is

    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return Size(self._array.shape)

    def size(self, dim: int | None = None) -> Any:
        """Return the sizes, or the size of dimension ``dim``."""
        return self.shape if dim is None else self._array.shape[dim]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._array.shape)

    def dim(self) -> int:
        """Return the number of dimensions."""
        return len(self._array.shape)

    def numel(self) -> int:
        """Return the number of elements."""
        return self.shape.numel()

    nelement = numel

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return self._device.backend.dtype_of(self._array)

    @property
    def device(self) -> Device:
        """Where the elements are."""
        return self._device

    def element_size(self) -> int:
        """Return the bytes per element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.numel() * self.dtype.itemsize

    def is_floating_point(self) -> bool:
        """Return whether the dtype is floating point."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Return whether the dtype is complex."""
        return self.dtype.is_complex

    @property
    def is_cuda(self) -> bool:
        """Whether the tensor is on the device type that PyTorch's programs ask for by this name."""
        return self._device.type == "cuda"

    # Autograd

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Say whether a leaf's operations are to be recorded; returns the tensor.

        Raises:
            DTypeError: the dtype cannot need a gradient. GradError: the tensor is no leaf.
        """
        if not self.is_leaf:
            if requires_grad:
                return self
            raise GradError(
                "requires_grad can be changed on leaf tensors only, and this one was computed "
                f"(by {self.grad_fn}); use .detach() to get a tensor that needs no gradient"
            )
        if requires_grad and not self.dtype.is_differentiable:
            raise DTypeError(
                f"only tensors of floating point or complex dtype can require gradients, got {self.dtype}; "
                "convert with .float() first"
            )
        if requires_grad and self.dtype.is_complex:
            from dovetail.autograd import complex_numbers

            complex_numbers.allow()
        self._node = LEAF if requires_grad else None
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was not computed from ones that need a gradient."""
        return self._node is None or self._node is LEAF

    @property
    def grad_fn(self) -> Any:
        """The node that made this tensor, or None."""
        node = self._node
        return None if node is LEAF else node.node if type(node) is Output else node

    @property
    def _version(self) -> int:
        return 0 if self._alias is None else self._alias.version

    @property
    def _base(self) -> Tensor | None:
        return self._alias.base if type(self._alias) is View else None

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add this tensor's gradients to the ``grad`` of the leaves it was computed from; see ``autograd.backward``."""
        from dovetail.autograd import backward

        backward((self,), (gradient,), retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """Return a tensor on the same memory that is no part of the graph."""
        out = Tensor(self._array, self._device)
        out._alias = shared_of(self)
        return out

    def detach_(self) -> Tensor:
        """Cut this tensor from the graph that it was computed in; returns it."""
        self._node = None
        return self

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory; writes to it are not tracked."""
        return Tensor(self._array, self._device)

    @data.setter
    def data(self, value: Tensor) -> None:
        self._array, self._device = value._array, value._device

    # Out of the tensor

    def numpy(self, force: bool = False) -> np.ndarray:
        """Return the elements as a NumPy array, on the same memory when the tensor is on the CPU.

        Args:
            force: detach, and copy from another device, instead of refusing.

        Raises:
            GradError: the tensor needs a gradient. DeviceError: it is not on the CPU.
        """
        if not force:
            if self._node is not None:
                raise GradError("can't call numpy() on a tensor that requires grad; use tensor.detach().numpy()")
            if self._device is not devices.CPU:
                raise DeviceError(f"can't give a NumPy view of a tensor on '{self._device}'; use tensor.cpu().numpy()")
        return self._device.backend.to_numpy(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises:
            RuntimeError: there is not exactly one.
        """
        if self.numel() != 1:
            raise RuntimeError(
                f"item() takes the one element of a tensor, and this one has sizes {tuple(self.shape)}; "
                "index it, or use .tolist()"
            )
        return self.numpy(force=True).item() if self.dtype is not dtypes.bfloat16 else float(self.numpy(force=True))

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers."""
        return self.numpy(force=True).tolist()

    def __len__(self) -> int:
        if not self._array.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._array.shape[0]

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError(
                f"the truth value of a tensor of sizes {tuple(self.shape)} is ambiguous; use .any() or .all()"
            )
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.category > 1:
            raise TypeError(f"only integer tensors of one element can be an index, got {self.dtype}")
        return int(self.item())

    def __iter__(self) -> Any:
        if not self._array.shape:
            raise TypeError("iteration over a 0-d tensor")
        return (self[position] for position in range(self._array.shape[0]))

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())

    __hash__ = object.__hash__

    def __repr__(self, **kwargs: Any) -> str:
        from dovetail.printing import tensor_repr

        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._array.shape == () and spec else format(str(self), spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise GradError("only leaf tensors can be deep-copied; copy tensor.detach(), or tensor.clone()")
        if id(self) in memo:
            return memo[id(self)]
        out = _remade(type(self), self._device.backend.xp.asarray(self._array, copy=True), self._device, self._node)
        memo[id(self)] = out
        out.grad = None if self.grad is None else self.grad.__deepcopy__(memo)
        for name, value in getattr(self, "__dict__", {}).items():
            setattr(out, name, copy.deepcopy(value, memo))
        return out

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise GradError("only leaf tensors can be pickled; pickle tensor.detach()")
        attributes = dict(getattr(self, "__dict__", {}))
        return (_unpickle, (type(self), self.numpy(force=True), str(self._device), self.requires_grad, attributes))


def _unpickle(kind: type, array: np.ndarray, device: str, requires_grad: bool, attributes: dict[str, Any]) -> Tensor:
    placed = devices.resolve(device)
    array = placed.backend.from_numpy(array, placed.index or 0)
    out = _remade(kind, array, placed, LEAF if requires_grad else None)
    for name, value in attributes.items():
        setattr(out, name, value)
    return out


def _remade(kind: Any, array: Any, device: Device, node: Any) -> Any:
    """Return a tensor of a subclass, without calling the subclass."""
    out = kind.__new__(kind)
    Tensor.__init__(out, array, device)
    out._node = node
    return out


def _legacy_arguments(first: Any, second: Any, rest: tuple) -> tuple[Any, Device]:
    """Return the array and device for ``Tensor(data)`` and ``Tensor(*sizes)``."""
    from dovetail.creation import empty, tensor

    if isinstance(first, int) and not isinstance(first, bool):
        made = empty(first, *(() if second is None else (second,)), *rest)
    elif second is not None or rest:
        raise TypeError(f"Tensor takes data, or sizes as integers, got {first!r} and {second!r}")
    elif isinstance(first, Tensor):
        made = first.detach()
    else:
        made = tensor(first, dtype=dtypes.get_default_dtype())
    return made._array, made._device
