"""Tensors on other libraries' memory: DLPack and Python's buffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.backends.registry import backend_for_dlpack
from dovetail.creation import from_array
from dovetail.device import CPU, resolve
from dovetail.dtypes import DType, as_dtype, from_numpy
from dovetail.errors import DTypeError
from dovetail.tensor import Tensor

__all__ = ["from_dlpack", "frombuffer", "to_dlpack"]


class _Capsule:
    """A DLPack capsule as an object of the protocol, which NumPy asks for."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """Return a tensor on the memory of any array that speaks DLPack, or of a DLPack capsule of CPU memory.

    Args:
        ext_tensor: an array with ``__dlpack__`` and ``__dlpack_device__``, or a capsule.
        device: where the tensor is to be; by default where the array is.
        copy: True always copies, False refuses to.

    Raises:
        TypeError: it is neither. DTypeError: its dtype cannot be taken. DeviceError: no backend is for its device.

    Example::

        >>> import numpy, dovetail
        >>> array = numpy.ones(2)
        >>> dovetail.from_dlpack(array)[0] = 5; array
        array([5., 1.])
    """
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    if not hasattr(ext_tensor, "__dlpack__"):
        kind = type(ext_tensor).__name__
        raise TypeError(f"from_dlpack: takes an array with __dlpack__, or a DLPack capsule, got {kind}")
    kind, index = ext_tensor.__dlpack_device__()
    placed = backend_for_dlpack(int(kind), int(index))
    options = {} if copy is None else {"copy": copy}
    try:
        array = placed.backend.xp.from_dlpack(ext_tensor, **options)
    except (BufferError, RuntimeError) as error:
        if "require" in str(error) and "grad" in str(error):
            raise
        name = getattr(ext_tensor, "dtype", "this")
        raise DTypeError(
            f"from_dlpack: {placed} cannot take {name} elements: {error}; convert the array first"
        ) from None
    if placed is CPU:
        from_numpy(array.dtype)
    out = Tensor(array, placed)
    return out if device is None else out.to(resolve(device))


def to_dlpack(tensor: Tensor) -> Any:
    """Return a DLPack capsule of a tensor's memory."""
    return tensor.__dlpack__()


def frombuffer(buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """Return a vector on the memory of an object with Python's buffer protocol, such as a bytearray.

    Args:
        buffer: the object; writes to a tensor on one that is read-only are refused.
        dtype: how its bytes are read.
        count: the number of elements, all by default.
        offset: the number of bytes to leave out before them.
        requires_grad: whether operations on it are recorded.

    Raises:
        ValueError: there are no bytes, too few, or a number that does not divide into elements.

    Example::

        >>> import dovetail
        >>> dovetail.frombuffer(bytearray([1, 0, 2, 0]), dtype=dovetail.int16)
        tensor([1, 2], dtype=dovetail.int16)
    """
    dtype = as_dtype(dtype)
    memory = memoryview(buffer)
    length, size = memory.nbytes, dtype.itemsize
    if not length or not count:
        raise ValueError(f"frombuffer: buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(f"frombuffer: offset ({offset}) must be at least 0 and less than the buffer's {length} bytes")
    if count < 0 and (length - offset) % size:
        raise ValueError(
            f"frombuffer: buffer length ({length} bytes) after offset ({offset} bytes) must be a multiple of element "
            f"size ({size})"
        )
    if count > 0 and count * size > length - offset:
        raise ValueError(
            f"frombuffer: requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({length} bytes)"
        )
    array = np.frombuffer(memory, dtype.numpy, count, offset)
    return from_array(array, CPU, requires_grad)
