"""Storages and the tensors on them, checked against the storage's size before any is made."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from dovetail.autograd import no_grad
from dovetail.device import Device
from dovetail.dtypes import DTYPES, DType
from dovetail.errors import DTypeError
from dovetail.tensor import Tensor
from dovetail.torch_files.source import Source
from dovetail.views import shared_of

_TENSOR_COST = 240  # bytes that Python takes for a tensor, beside its elements
_MOST_DIMENSIONS = 64


class Storage:
    """The bytes that tensors are views of; swapped for good when the first tensor says how long its numbers are."""

    __slots__ = ("checked", "content", "first", "moved", "swapped", "unit")

    def __init__(self, content: np.ndarray, order: str) -> None:
        self.content = content if content.ctypes.data % 16 == 0 else content.copy()
        self.swapped = order != sys.byteorder
        self.unit = 0
        self.checked = False
        self.first: Tensor | None = None
        self.moved: dict[str, Tensor] | None = None

    def bytes_of(self, dtype: np.dtype) -> np.ndarray:
        """Return the bytes in this machine's order for numbers of ``dtype``.

        Raises:
            ValueError: there already are tensors of numbers of another length, or of a bool that is neither 0 nor 1.
        """
        unit = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
        if self.swapped and unit != self.unit:
            if self.unit:
                raise ValueError("two tensors see one storage of another byte order as numbers of different lengths")
            self.unit = unit
            if unit > 1:
                whole = self.content[: len(self.content) // unit * unit]
                whole.view(f"u{unit}").byteswap(inplace=True)
        if dtype == np.bool_ and not self.checked:
            self.checked = True
            if len(self.content) and self.content.max() > 1:
                raise ValueError(f"it holds the byte {self.content.max()} as a bool; only 0 and 1 are allowed")
        return self.content


class Part(NamedTuple):
    """What a persistent id stands for: bytes of a storage, and as what dtype, None when each tensor says its own."""

    storage: Storage | None
    start: int
    length: int
    dtype: np.dtype | None

    def __str__(self) -> str:
        return "a bare storage"


class Tensors:
    """Makes the tensors of one file on one device."""

    def __init__(self, source: Source, device: Device) -> None:
        self.source = source
        self.device = device

    def tensor(
        self, part: Part, offset: int, size: Any, stride: Any, requires_grad: bool, dtype: np.dtype, metadata: Any
    ) -> Any:
        """Return a tensor on a storage, or an array where tensors have no such dtype; None while nothing is made.

        Raises:
            ValueError, TypeError: something is not as PyTorch writes it, or reaches beyond the storage.
        """
        size, stride = whole_numbers(size, "sizes"), whole_numbers(stride, "strides")
        (offset,) = whole_numbers((offset,), "offset")
        if len(size) != len(stride) or len(size) > _MOST_DIMENSIONS:
            raise ValueError(
                f"a tensor of {len(size)} sizes has {len(stride)} strides; both are up to {_MOST_DIMENSIONS}"
            )
        if type(requires_grad) is not bool:
            raise TypeError("requires_grad is no bool")
        self.source.spend(_TENSOR_COST + 16 * len(size))
        needed = 0 if 0 in size else offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
        if needed * dtype.itemsize > part.length:
            raise ValueError(f"it ends at element {needed} of a storage of {part.length // dtype.itemsize}")
        if part.storage is None:
            return None
        flags = _flags(metadata)
        array = self._view(part.storage, part.start + offset * dtype.itemsize, size, stride, dtype)
        if flags:
            self.source.spend(array.nbytes)
            array = np.conjugate(array) if "conj" in flags else array
            array = np.negative(array) if "neg" in flags else array
        if dtype.name not in DTYPES:
            if requires_grad:
                raise DTypeError(f"tensors of {dtype.name} are loaded as NumPy arrays, which cannot require gradients")
            return array
        if not self.device.backend.owns(array):
            return self._elsewhere(part, array, offset, size, stride, bool(flags)).requires_grad_(requires_grad)
        return self._here(part.storage, array, shares=not flags).requires_grad_(requires_grad)

    def _view(self, storage: Storage, start: int, size: Any, stride: Any, dtype: np.dtype) -> np.ndarray:
        if 0 in size:
            return np.empty(size, dtype)
        content = storage.bytes_of(dtype)
        return np.ndarray(size, dtype, content, start, [step * dtype.itemsize for step in stride])

    def _here(self, storage: Storage, array: np.ndarray, shares: bool) -> Tensor:
        """Return a tensor of an array, which shares its count of writes with the others on the storage."""
        made = Tensor(array, self.device)
        if not shares or not array.size:
            return made
        if storage.first is None:
            storage.first = made
        else:
            made._alias = shared_of(storage.first)
        if self.device.backend.repeats_elements(array):
            shared_of(made).guarded = True
        return made

    def _elsewhere(self, part: Part, array: np.ndarray, offset: int, size: Any, stride: Any, own: bool) -> Tensor:
        """Return a tensor on another device, which shares memory there with the others on its storage."""
        storage, backend, index = part.storage, self.device.backend, self.device.index or 0
        assert storage is not None
        count = len(storage.content)
        if array.nbytes > count or own:
            self.source.spend(array.nbytes)
        if own or not array.size or part.start % array.itemsize or count % array.itemsize:
            return Tensor(backend.from_numpy(array, index), self.device)
        storage.moved = storage.moved or {}
        whole = storage.moved.get(array.dtype.name)
        if whole is None:
            fills = array.nbytes == count and array.flags.c_contiguous
            content = backend.from_numpy(array if fills else storage.content.view(array.dtype), index)
            whole = storage.moved[array.dtype.name] = Tensor(content, self.device)
            if fills:
                return whole
        with no_grad():
            seen = whole.as_strided(size, stride, part.start // array.itemsize + offset)
        # where the device cannot give a view, what it is a view of keeps it up to date
        return seen.detach() if backend.shares_memory(seen._array, whole._array) else seen

    def parameter(self, data: Any, requires_grad: Any) -> Any:
        """Return a parameter's tensor: the same memory, and whether it requires gradients."""
        if data is None:
            return None
        if type(requires_grad) is not bool:
            raise TypeError("requires_grad is no bool")
        if type(data) is np.ndarray and not requires_grad:
            return data
        if type(data) is not Tensor:
            raise TypeError("a parameter is made of something else than a tensor")
        self.source.spend(_TENSOR_COST)
        return data.detach().requires_grad_(requires_grad)


def whole_numbers(values: Any, what: str) -> tuple[int, ...]:
    """Return sizes, strides or an offset as a tuple, after a look at each.

    Raises:
        ValueError: they are something else.
    """
    if not isinstance(values, tuple | list) or not all(
        type(number) is int and 0 <= number < 2**62 for number in values
    ):
        raise ValueError(f"its {what} are no whole numbers of 0 or more")
    return tuple(values)


def _flags(metadata: Any) -> set[str]:
    """Return what is still to be done to the elements: ``conj``, ``neg``."""
    if metadata is None:
        return set()
    if type(metadata) is not dict or not all(
        key in ("conj", "neg") and value is True for key, value in metadata.items()
    ):
        raise ValueError("it has properties beside conj and neg")
    return set(metadata)


def numpy_dtype(name: str) -> np.dtype:
    """Return the NumPy dtype of PyTorch's name, those of float8 and bfloat16 from ml_dtypes."""
    if name.startswith(("bfloat", "float8")):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


def as_value(dtype: np.dtype) -> DType | np.dtype:
    """Return what a file that names a dtype gets: Dovetail's, or NumPy's where there is none."""
    return DTYPES.get(dtype.name, dtype)
