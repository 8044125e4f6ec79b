"""The tensor: an array on a device, with a place in the autograd graph.

Methods that are ops, and the operators, are attached by ``methods.py``; here is what a tensor is.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from dovetail import autograd, dtypes
from dovetail import device as devices
from dovetail.autograd.graph import LEAF, Output
from dovetail.device import Device
from dovetail.dtypes import DType
from dovetail.errors import DeviceError, DTypeError, GradError
from dovetail.modes import active as active_modes
from dovetail.modes import state, tell
from dovetail.sizes import Size
from dovetail.views import Shared, shared_of

#: What an array's ``item()`` may give as it is; NumPy has scalars of its own for bfloat16.
PLAIN = frozenset((float, int, bool, complex))


class _TensorType(type):
    """The type of ``Tensor``: it takes a call's arguments, so that the class itself needs no ``__init__``.

    A call of a class that has one takes half as long again; ``new_tensor`` makes each result of an op without.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Tensor and len(args) == 2 and args[1].__class__ is Device:
            out = new_tensor()
            out._array, out._device = args
            out._node = out._alias = out._grad = None
            return out
        if cls.__new__ is not object.__new__ or cls.__init__ is not object.__init__:  # type: ignore[misc]  # its own
            return type.__call__(cls, *args, **kwargs)
        array, device = args if len(args) == 2 and args[1].__class__ is Device else _legacy_arguments(*args, **kwargs)
        return type.__call__(cls)._set(array, device)


class Tensor(metaclass=_TensorType):
    """An array of numbers of one dtype on one device, which can record what is computed from it.

    ``Tensor([1, 2])`` gives the default dtype whatever the numbers are, and ``Tensor(2, 3)`` an uninitialised tensor of
    these sizes, as in PyTorch; ``dovetail.tensor`` is the call to use in new code.

    Example::

        >>> import dovetail
        >>> dovetail.Tensor([1, 2])
        tensor([1., 2.])
    """

    __slots__ = ("__weakref__", "_alias", "_array", "_device", "_grad", "_hooks", "_node")

    def _set(self, array: Any, device: Device) -> Any:
        """Make this the tensor of an array without history, and return it."""
        self._array, self._device = array, device
        self._node = self._alias = self._grad = None
        return self

    def _memory(self) -> Any:
        """Return the array, in memory that others may share from now on."""
        array = self._array = self._device.backend.shareable(self._array)
        return array

    @staticmethod
    def _plain(array: Any, device: Device) -> Tensor:
        return Tensor(array, device)

    if TYPE_CHECKING:
        _array: Any
        _device: Device
        _node: Any
        _alias: Any
        _grad: Any
        grad: Tensor | None

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
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

    #: The number of dimensions; read by C, as these are asked for often.
    ndim: Any = property(attrgetter("_array.ndim"))
    dim = ndimension = lambda self: self._array.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return self._array.size

    nelement = numel

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return self._device.dtypes[self._array.dtype]

    @property
    def device(self) -> Device:
        """Where the elements are."""
        return self._device.backend.device_of(self._array, self._device)

    def is_floating_point(self) -> bool:
        """Return whether the dtype is floating point."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Return whether the dtype is complex."""
        return self.dtype.is_complex

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
        return self._alias.base if self._is_view() else None

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add this tensor's gradients to the ``grad`` of the leaves it was computed from; see ``autograd.backward``."""
        autograd.backward((self,), (gradient,), retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """Return a tensor on the same memory that is no part of the graph."""
        out = Tensor(self._device.backend.detached(self._memory()), self._device)
        out._alias = shared_of(self)
        if active_modes and state.modes:
            tell("detached", self, out)
        return out

    def detach_(self) -> Tensor:
        """Cut this tensor from the graph that it was computed in; returns it.

        Raises:
            GradError: the tensor is a view, whose base would still have the history.
        """
        if self._is_view():
            raise GradError("can't detach views in-place; use .detach(), which returns a tensor without history")
        self._node = None
        self._array = self._device.backend.detached(self._array)
        if active_modes and state.modes:
            tell("detached", self, self)
        return self

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory; writes to it are not tracked."""
        out = Tensor(self._device.backend.detached(self._memory()), self._device)
        if active_modes and state.modes:
            tell("detached", self, out)
        return out

    @data.setter
    def data(self, value: Tensor) -> None:
        if self._node is not None and value.dtype.category < 2:
            raise DTypeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype, got "
                f"{value.dtype}"
            )
        self._array, self._device = value._memory(), value._device

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
            if self._device is not devices.CPU and not self._device.backend.level:
                raise DeviceError(f"can't give a NumPy view of a tensor on '{self._device}'; use tensor.cpu().numpy()")
        if active_modes and state.modes:
            tell("leaves", self)
        return self._device.backend.to_numpy(self._memory())

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises:
            RuntimeError: there is not exactly one.
        """
        if active_modes and state.modes:
            tell("leaves", self)
        try:
            value = self._array.item()
        except (AttributeError, ValueError):
            value = self._only_element()
        return value if value.__class__ in PLAIN else float(value)

    def _only_element(self) -> Any:
        """Return the only element of an array without ``item()``, or say that there is not one."""
        if self.numel() != 1:
            raise RuntimeError(
                f"item() takes the one element of a tensor, and this one has sizes {tuple(self.shape)}; "
                "index it, or use .tolist()"
            )
        return self.numpy(force=True).item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers."""
        array = self.numpy(force=True)
        return (array if array.dtype.kind != "V" else array.astype(np.float32)).tolist()

    def __len__(self) -> int:
        if not self._array.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._array.shape[0]

    def __bool__(self) -> bool:
        if active_modes and state.modes:
            tell("leaves", self)
        try:
            return bool(self._array.item())
        except (AttributeError, ValueError):
            if self.numel() != 1:
                what = f"more than one element, of sizes {tuple(self.shape)}," if self.numel() else "no elements"
                raise RuntimeError(
                    f"the truth value of a tensor with {what} is ambiguous; use .any() or .all()"
                ) from None
            return bool(self._only_element())

    def __int__(self) -> int:
        return int(self.item() if self._array.size == 1 else self._refuse_as("int"))

    def __float__(self) -> float:
        return float(self.item() if self._array.size == 1 else self._refuse_as("float"))

    def __complex__(self) -> complex:
        return complex(self.item() if self.numel() == 1 else self._refuse_as("complex"))

    def _refuse_as(self, kind: str) -> Any:
        raise ValueError(
            f"only one element tensors can be converted to Python numbers, and {kind}() got one of sizes "
            f"{tuple(self.shape)}; index it, or use .tolist()"
        )

    def __index__(self) -> int:
        if self.dtype.category > 1 or self.numel() != 1:
            raise TypeError(
                "only integer tensors of a single element can be converted to an index, got one of "
                f"{self.dtype} and sizes {tuple(self.shape)}"
            )
        return int(self.item())

    def __iter__(self) -> Any:
        if not self._array.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind())

    def __reversed__(self) -> Tensor:
        return self.flip(0) if self._array.shape else self

    def __contains__(self, element: Any) -> bool:
        if not isinstance(element, (Tensor, int, float, complex, np.generic)):
            raise RuntimeError(f"`in` looks for a number or a tensor in a tensor, got {type(element).__name__}")
        return bool(Tensor.__eq__(self, element).any())  # type: ignore[attr-defined]

    __hash__ = object.__hash__

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        from dovetail.printing import tensor_repr

        return tensor_repr(self, tensor_contents)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._array.shape == () else object.__format__(self, spec)


#: Makes an empty tensor, whose slots the caller fills: the fastest way there is.
new_tensor: Any = type.__call__.__get__(Tensor)


def twin_of(result: Tensor) -> Tensor:
    """Return a tensor on a result's memory for its node to save; the result itself refers to that, a cycle."""
    twin = new_tensor()
    twin._array, twin._device = result._array, result._device
    twin._node = twin._grad = None
    if result._alias is None:
        twin._alias = result._alias = Shared()
    else:
        twin._alias = result._alias.shared
    return twin


def _legacy_arguments(first: Any = (), second: Any = None, *rest: int) -> tuple[Any, Device]:
    """Return the array and device for ``Tensor(data)`` and ``Tensor(*sizes)``."""
    from dovetail.creation import empty, tensor

    if (isinstance(first, int) and not isinstance(first, bool)) or isinstance(first, Size):
        made = empty(first, *(() if second is None else (second,)), *rest)
    elif isinstance(first, (bool, float, complex)):
        raise TypeError(f"Tensor takes a sequence of numbers, or sizes, got {first!r}; use dovetail.tensor")
    elif second is not None or rest:
        raise TypeError(f"Tensor takes data, or sizes as integers, got {first!r} and {second!r}")
    elif isinstance(first, Tensor):
        made = first.detach()
    else:
        made = tensor(first, dtype=dtypes.get_default_dtype())
    return made._array, made._device
