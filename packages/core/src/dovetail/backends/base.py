"""The contract between Dovetail and an array library or chip."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

import numpy as np

from dovetail.device import Device
from dovetail.dtypes import DTYPES, DType
from dovetail.errors import DeviceError, DTypeError

#: What a backend may state in ``capabilities``. A missing one means that conformance does not ask for it.
CAPABILITIES = frozenset({"float64", "float16", "bfloat16", "complex", "writes", "views"})

#: What an accelerator's autocast runs in float32: what loses too much, or overflows, in 16 bits; and losses.
_AUTOCAST_FLOAT32 = (
    "acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow softplus layer_norm "
    "group_norm norm cosine_similarity logsumexp prod softmax log_softmax cumprod cumsum sum trace cross_entropy "
    "nll_loss mse_loss l1_loss huber_loss smooth_l1_loss kl_div binary_cross_entropy_with_logits "
    "hinge_embedding_loss cosine_embedding_loss margin_ranking_loss triplet_margin_loss poisson_nll_loss cdist "
    "gaussian_nll_loss soft_margin_loss multi_margin_loss interpolate"
)
AUTOCAST_FLOAT32 = frozenset(_AUTOCAST_FLOAT32.split())


class Backend:
    """A device type: a name, an array namespace and, where it pays, faster kernels.

    A subclass states ``name``, ``xp`` and ``owns``; everything else has a default that works with any namespace that
    follows the Python array API standard (2024.12), each op running through its reference kernel.

    Attributes:
        name: what stands before the colon in a device string; ``"acme"`` makes ``tensor.to("acme:0")`` work.
        kernels: faster kernels by op name, each called as ``kernel(xp, *arrays, **options)``; one that returns
            ``NotImplemented`` passes the call on to the reference kernel.
        updates: by op name, what writes an op's result into its first array in one pass: ``writer(x, x)`` or
            ``writer(x, y)``, for a result of x's sizes and dtype; y is an array of that dtype or a number. It raises,
            and has then written nothing, for what it does not take.
        writers: kernels that write their result into the first array they are given, by op name; in-place operations
            use them where there are some and ``array.flags.writeable``, and else copy what the op's kernel gives.
        capabilities: what the arrays can do, of ``float64 float16 bfloat16 complex writes views``: ``writes`` means
            that ``array[index] = value`` changes the array, ``views`` that a slice shares its array's memory.
        nondeterministic_kernels: names of the ops that may give other numbers for the same inputs, by an own kernel
            or, where there is none, by the reference kernel on this namespace.
        autocast_dtype: the dtype that ``autocast`` computes in by default.
        autocast_float32: names of the ops that ``autocast`` runs in float32.
        autocast_widest: names of the functions that refuse mixed dtypes but get the widest of them under ``autocast``.
        plain_operators: whether ``+ - * /`` on arrays of one real dtype, and with Python numbers, give the ops'
            numbers, so that gradients may be computed by them without tensors around the arrays. No plug-in's kernel
            sees these.
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
    #: How many transforms such as ``vmap`` its tensors are inside of; where levels meet, the others join the highest.
    level: int = 0
    kernels: Mapping[str, Callable[..., Any]] = {}
    updates: Mapping[str, Callable[..., Any]] = {}
    writers: Mapping[str, Callable[..., Any]] = {}
    capabilities: frozenset[str] = frozenset({"float64", "complex", "writes", "views"})
    nondeterministic_kernels: frozenset[str] = frozenset()
    autocast_dtype: str = "float16"
    autocast_float32: frozenset[str] = AUTOCAST_FLOAT32
    autocast_widest: frozenset[str] = frozenset({"index_put", "scatter_add"})
    plain_operators: bool = False
    #: By op, what gives the gradients of all its inputs from a node and a bare array, and which ops it stands for.
    gradients: Mapping[str, tuple[Callable[[Any, Any], Any], tuple[str, ...]]] = {}
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

    def shareable(self, array: Any) -> Any:
        """Return an array on memory that views can share, where a kernel may have given a mere number for one element.

        The tensor holds what this gives from then on.
        """
        return array

    def add_into(self, target: Any, value: Any) -> Any:
        """Add ``value``, of the same shape and dtype, to ``target`` and return the array that now holds the sum."""
        return self.write(target, target + value)

    def filled(self, target: Any, value: Any) -> Any:
        """Write a number into every element of ``target`` and return the array that now holds it."""
        if "writes" not in self.capabilities:
            return self.xp.full_like(target, value)
        target[...] = value
        return target

    def reinterpreted(self, array: Any, dtype: Any) -> Any:
        """Return the same memory with its bits read as another dtype of the library.

        Raises:
            DeviceError: the library cannot do it; the array standard has no such function.
        """
        raise DeviceError(f"backend {self.name!r} cannot view memory as another dtype; use .cpu().view(dtype)")

    def shares_memory(self, first: Any, second: Any) -> bool:
        """Return whether two arrays share memory; asked of results that may be views, such as a reshape's."""
        return False

    def copy(self, array: Any) -> Any:
        """Return an array with the same elements in memory of its own."""
        return self.xp.asarray(array, copy=True)

    def is_owner(self, array: Any) -> bool:
        """Return whether an array surely has its memory for itself, so that a gradient need not be copied."""
        return False

    # Inside transforms: a backend of level 1 and more keeps other backends' tensors in its arrays

    def join(self, x: Any, device: Device) -> Any:
        """Return a tensor of a lower level as one on this backend's ``device``."""
        raise DeviceError(f"backend {self.name!r} takes no tensors of others without a copy; use .to(device)")

    def moved(self, x: Any, device: Device) -> Any:
        """Return a tensor of this backend whose elements are on a ``device`` of a lower level."""
        raise DeviceError(f"backend {self.name!r} keeps its elements itself; use .to(device)")

    def device_of(self, array: Any, device: Device) -> Device:
        """Return the device that users see of an array whose tensor is on ``device``."""
        return device

    def detached(self, array: Any) -> Any:
        """Return the array for a tensor that is cut from the graph, also from one that the array itself is part of."""
        return array

    def remembers(self, array: Any) -> bool:
        """Return whether operations on the array are recorded below the dispatcher."""
        return False

    def refuse_write(self) -> NoReturn:
        """Say why this backend's tensors cannot be written into one of a lower level."""
        raise DeviceError(f"a tensor on {self.name!r} cannot be written into one on another device; use .to(device)")

    def text_of(self, array: Any) -> str | None:
        """Return how an array's tensor prints, or None for the usual way."""
        return None

    def bounds(self, array: Any) -> tuple[int, int]:
        """Return the smallest and the largest of an array of integers, over all samples of a batch."""
        return int(self.xp.min(array)), int(self.xp.max(array))

    def any_true(self, array: Any) -> bool:
        """Return whether an array of booleans has a true one, in any sample of a batch."""
        return bool(self.xp.any(array))

    def all_finite(self, array: Any) -> bool:
        """Return whether no element of a floating-point array is nan or inf."""
        return bool(self.xp.all(self.xp.isfinite(array)))

    def repeats_elements(self, array: Any) -> bool:
        """Return whether an array surely shows one element of its memory at several places, as an expanded one does."""
        return False

    def partly_same(self, first: Any, second: Any) -> bool:
        """Return whether two arrays surely share some of their memory, but not each element with its counterpart."""
        return False

    # Memory, as far as the library tells

    def address_of(self, array: Any) -> int:
        """Return the address of an array's first element; by default a number that stands for the array."""
        for name in ("__array_interface__", "__cuda_array_interface__"):
            interface = getattr(array, name, None)
            if interface is not None:
                return interface["data"][0]
        return id(array)

    def offset_of(self, array: Any) -> int:
        """Return how many elements the memory behind an array holds before its first one."""
        return 0

    def memory_size(self, array: Any) -> int:
        """Return the bytes of the memory behind an array."""
        return math.prod(array.shape) * self.dtype_of(array).itemsize

    def memory_as(self, array: Any, dtype: Any) -> Any:
        """Return the memory behind an array as one dimension of a dtype of the library.

        Raises:
            DeviceError: the library does not give it.
        """
        raise DeviceError(
            f"backend {self.name!r} does not give the memory behind an array; use a tensor's copy instead"
        )

    def resized(self, array: Any, shape: tuple[int, ...]) -> Any:
        """Return an array of ``shape`` on the memory of ``array`` from its first element on, or None for a new one."""
        return None

    def is_shared(self, array: Any) -> bool:
        """Return whether forked processes share an array's memory."""
        return False

    def shared_copy(self, array: Any) -> Any:
        """Return a copy of an array in memory that forked processes share.

        Raises:
            DeviceError: the backend has none.
        """
        raise DeviceError(f"backend {self.name!r} has no memory that processes share; move the tensor to the CPU first")

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

    def number(self, value: Any, dtype: DType) -> Any:
        """Return a Python number as the operand of a kernel whose result is to be of the floating-point ``dtype``.

        A namespace that rounds numbers to the array's dtype first may do so for half precision too.
        """
        return value

    def quiet(self) -> AbstractContextManager:
        """Return a context in which kernels give no warnings about numbers."""
        return nullcontext()

    def ones_at_once(self, array: Any) -> Any:
        """Return ones of the shape and dtype of ``array``, or None where that takes more than the array to know."""
        return None

    def run_quietly(self, kernel: Callable[..., Any], *arrays: Any, **options: Any) -> Any:
        """Run a kernel that raised a warning about its numbers again, without warnings."""
        return kernel(*arrays, **options)

    def suited(self, kernel: Callable[..., Any], op: Any) -> Callable[..., Any]:
        """Return ``kernel`` as it is to be run for ``op`` here: as it is, or in a wider dtype than it is given, say."""
        return kernel

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
