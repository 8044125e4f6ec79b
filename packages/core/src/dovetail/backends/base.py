"""The contract between Dovetail and an array library or chip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from dovetail.device import Device
from dovetail.dtypes import DTYPES, DType
from dovetail.errors import DeviceError, DTypeError

#: What a backend may state in ``capabilities``. A missing one means that conformance does not ask for it.
CAPABILITIES = frozenset({"float64", "float16", "bfloat16", "complex", "writes", "views"})


class Backend:
    """A device type: a name, an array namespace and, where it pays, faster kernels.

    A subclass states ``name``, ``xp`` and ``owns``; everything else has a default that works with any namespace that
    follows the Python array API standard (2024.12), each op running through its reference kernel.

    Attributes:
        name: what stands before the colon in a device string; ``"acme"`` makes ``tensor.to("acme:0")`` work.
        kernels: faster kernels by op name, each called as ``kernel(xp, *arrays, **options)``; one that returns
            ``NotImplemented`` passes the call on to the reference kernel.
        capabilities: what the arrays can do, of ``float64 float16 bfloat16 complex writes views``: ``writes`` means
            that ``array[index] = value`` changes the array, ``views`` that a slice shares its array's memory.
        dlpack_devices: DLPack's numbers for the device types whose memory the namespace's ``from_dlpack`` takes.

    Example::

        >>> import numpy, dovetail
        >>> class Loopback(dovetail.Backend):
        ...     name = "loopback"
        ...     xp = numpy
        ...     def owns(self, array):
        ...         return type(array) is numpy.ndarray
        >>> Loopback().missing() is None
        True
    """

    name: str = ""
    kernels: Mapping[str, Callable[..., Any]] = {}
    capabilities: frozenset[str] = frozenset({"float64", "complex", "writes", "views"})
    dlpack_devices: frozenset[int] = frozenset()

    @property
    def xp(self) -> Any:
        """The array namespace, imported here and never at module level."""
        raise DeviceError(f"backend {self.name!r} does not say its array namespace; define the property 'xp'")

    def owns(self, array: Any) -> bool:
        """Return whether ``array`` is one of this backend's arrays."""
        raise DeviceError(f"backend {self.name!r} does not say which arrays are its own; define 'owns(array)'")

    def missing(self) -> str | None:
        """Return why the backend cannot run here, with what to do about it, or None when it can."""
        return None

    # Placement

    def device_count(self) -> int:
        """Return how many places there are; ``"acme:0"`` is the first."""
        return 1

    def current(self) -> int:
        """Return the index that a device string without one stands for."""
        return 0

    def place(self, device: Device) -> Device:
        """Return ``device`` with its index filled in.

        Raises:
            DeviceError: there is no such index.
        """
        index = self.current() if device.index is None else device.index
        if index >= self.device_count():
            raise DeviceError(f"no device '{device}'; backend {self.name!r} has {self.device_count()}, counted from 0")
        return Device(self.name, index)

    def use(self, index: int) -> AbstractContextManager:
        """Return a context in which new arrays are made on place ``index``."""
        return nullcontext()

    def synchronize(self, index: int = 0) -> None:
        """Wait until all work given to place ``index`` is done."""

    def memory_allocated(self, index: int = 0) -> int:
        """Return the bytes that live arrays hold on place ``index``, or 0 where that is not known."""
        return 0

    # Conversion

    def from_numpy(self, array: np.ndarray, index: int = 0) -> Any:
        """Return a copy of a NumPy array as one of this backend's, on place ``index``."""
        with self.use(index):
            return self.xp.asarray(array, copy=True)

    def to_numpy(self, array: Any) -> np.ndarray:
        """Return one of this backend's arrays as a NumPy array."""
        return np.asarray(array)

    def write(self, target: Any, value: Any) -> Any:
        """Write ``value`` into ``target`` and return the array that now holds it.

        Where arrays cannot be written to, return ``value``: the tensor then holds it instead.
        """
        if "writes" not in self.capabilities:
            return value
        target[...] = value
        return target

    def shares_memory(self, first: Any, second: Any) -> bool:
        """Return whether two arrays share memory; asked of results that may be views, such as a reshape's."""
        return False

    def is_owner(self, array: Any) -> bool:
        """Return whether an array surely has its memory for itself, so that a gradient need not be copied."""
        return False

    # Data types

    def native_dtype(self, dtype: DType) -> Any:
        """Return the namespace's own object for a dtype.

        Raises:
            DTypeError: the namespace does not have it.
        """
        table = self._dtype_tables()[0]
        if dtype not in table:
            known = ", ".join(known.name for known in table)
            raise DTypeError(f"backend {self.name!r} has no {dtype.name}; it has {known}")
        return table[dtype]

    def dtype_of(self, array: Any) -> DType:
        """Return an array's dtype."""
        return self._dtype_tables()[1][array.dtype]

    def _dtype_tables(self) -> tuple[dict[DType, Any], dict[Any, DType]]:
        tables = self.__dict__.get("_tables")
        if tables is None:
            xp = self.xp
            native = {dtype: getattr(xp, name) for name, dtype in DTYPES.items() if hasattr(xp, name)}
            # NumPy-like namespaces give scalar types; their arrays' dtypes compare equal but hash differently
            made = {}
            for dtype, own in native.items():
                made[xp.empty((0,), dtype=own).dtype] = dtype
            tables = self.__dict__["_tables"] = (native, made)
        return tables

    # Kernels

    def as_array(self, result: Any) -> Any:
        """Return what a kernel gave as an array, when it is of another class than its first input."""
        return result

    def number(self, value: Any, dtype: DType) -> Any:
        """Return a Python number as the operand of a kernel whose result is to be of the floating-point ``dtype``.

        A namespace that rounds numbers to the array's dtype first may do so for half precision too.
        """
        return value

    def run_quietly(self, kernel: Callable[..., Any], *arrays: Any) -> Any:
        """Run a kernel that raised a warning about its numbers again, without warnings."""
        return kernel(*arrays)

    def prepare(self, kernel: Callable[..., Any], arity: int | None) -> Callable[..., Any]:
        """Return what the dispatcher calls for ``kernel``: a function of the arrays (and options) alone.

        Args:
            kernel: called as ``kernel(xp, *arrays, **options)``.
            arity: 1 or 2 for an op of that many arrays and no options, otherwise None.
        """
        xp = self.xp
        if arity == 1:
            return lambda x: kernel(xp, x)
        if arity == 2:
            return lambda x, y: kernel(xp, x, y)
        return lambda *arrays, **options: kernel(xp, *arrays, **options)
