"""NVIDIA GPUs as the device ``cuda``, on CuPy; the functions have PyTorch's names.

Importing this imports no CuPy. Where CUDA cannot be used, ``is_available()`` is False, and what needs a GPU says why.
"""

from __future__ import annotations

import contextlib
from typing import Any

from dovetail.cuda.backend import CudaBackend
from dovetail.device import Device
from dovetail.errors import DeviceError
from dovetail.hookspecs import hookimpl

__all__ = [
    "CudaBackend",
    "current_device",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "is_available",
    "is_bf16_supported",
    "manual_seed",
    "manual_seed_all",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "set_device",
    "synchronize",
]

dovetail_api = "1"
_backend = CudaBackend()


@hookimpl
def dovetail_register_backends() -> list[CudaBackend]:
    """Return the CUDA backend, usable here or not."""
    return [_backend]


def is_available() -> bool:
    """Return whether tensors can be put on ``cuda`` here; ``dovetail doctor`` says why not.

    Example::

        >>> import dovetail.cuda
        >>> dovetail.cuda.is_available() == (dovetail.cuda.device_count() > 0)
        True
    """
    return _backend.missing() is None


def is_bf16_supported() -> bool:
    """Return whether bfloat16 can be used on ``cuda``: not with CuPy, which has it for part of its functions only."""
    return "bfloat16" in _backend.capabilities


def device_count() -> int:
    """Return the number of GPUs, 0 where CUDA cannot be used."""
    return _backend.device_count() if is_available() else 0


def current_device() -> int:
    """Return the index of the GPU that ``"cuda"`` stands for.

    Raises:
        DeviceError: CUDA cannot be used here.
    """
    _require()
    return _backend.current()


def set_device(device: int | str | Device) -> None:
    """Make a GPU the one that ``"cuda"`` stands for, in this thread; a negative index changes nothing.

    Raises:
        DeviceError: CUDA cannot be used here, or there is no such GPU.
    """
    if isinstance(device, int) and device < 0:
        return
    index = _index(device)
    _backend.xp.cuda.runtime.setDevice(index)


class device(contextlib.ContextDecorator):
    """Make a GPU the current one inside a block.

    Args:
        device: an index, ``"cuda:1"`` or a ``dovetail.device``.

    Raises:
        DeviceError: CUDA cannot be used here, or there is no such GPU; on entry.

    Example::

        >>> import dovetail.cuda
        >>> if dovetail.cuda.is_available():
        ...     with dovetail.cuda.device(0):
        ...         assert dovetail.cuda.current_device() == 0
    """

    def __init__(self, device: int | str | Device) -> None:
        self.device = device
        self._entered: list[Any] = []

    def __enter__(self) -> device:
        context = _backend.use(_index(self.device))
        context.__enter__()
        self._entered.append(context)
        return self

    def __exit__(self, *error: Any) -> None:
        self._entered.pop().__exit__(*error)


def synchronize(device: int | str | Device | None = None) -> None:
    """Wait until all work given to a GPU (the current one if None) is done.

    Raises:
        DeviceError: CUDA cannot be used here, or there is no such GPU.
    """
    _backend.synchronize(_index(device))


def empty_cache() -> None:
    """Give the memory that CuPy keeps for later arrays back to the GPUs; does nothing where CUDA cannot be used."""
    for index in range(device_count()):
        with _backend.use(index):
            _backend.xp.get_default_memory_pool().free_all_blocks()


def memory_allocated(device: int | str | Device | None = None) -> int:
    """Return the bytes that live arrays hold on a GPU, 0 where CUDA cannot be used.

    Raises:
        DeviceError: there is no such GPU.
    """
    return _backend.memory_allocated(_index(device)) if is_available() else 0


def memory_reserved(device: int | str | Device | None = None) -> int:
    """Return the bytes that CuPy holds on a GPU, those kept for later arrays too, 0 where CUDA cannot be used.

    Raises:
        DeviceError: there is no such GPU.
    """
    if not is_available():
        return 0
    with _backend.use(_index(device)):
        return _backend.xp.get_default_memory_pool().total_bytes()


def mem_get_info(device: int | str | Device | None = None) -> tuple[int, int]:
    """Return the free and the total bytes of a GPU, whoever uses it.

    Raises:
        DeviceError: CUDA cannot be used here, or there is no such GPU.
    """
    with _backend.use(_index(device)):
        free, total = _backend.xp.cuda.runtime.memGetInfo()
    return free, total


def get_device_name(device: int | str | Device | None = None) -> str:
    """Return a GPU's name, such as "NVIDIA H200".

    Raises:
        DeviceError: CUDA cannot be used here, or there is no such GPU.
    """
    return _properties(device)["name"].decode()


def get_device_capability(device: int | str | Device | None = None) -> tuple[int, int]:
    """Return a GPU's compute capability as (major, minor).

    Raises:
        DeviceError: CUDA cannot be used here, or there is no such GPU.
    """
    properties = _properties(device)
    return properties["major"], properties["minor"]


def manual_seed(seed: int) -> None:
    """Seed CuPy's generator on the current GPU, for kernels that draw there; does nothing where CUDA cannot be used.

    Dovetail's own draws come from one generator for all devices, which ``dovetail.manual_seed`` seeds.
    """
    if is_available():
        _seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed CuPy's generator on every GPU; see ``manual_seed``."""
    for index in range(device_count()):
        with _backend.use(index):
            _seed(seed)


def _properties(device: int | str | Device | None) -> dict[str, Any]:
    index = _index(device)
    return _backend.xp.cuda.runtime.getDeviceProperties(index)


def _seed(seed: int) -> None:
    # without the cuRAND library nothing can draw there, so that nothing needs the seed
    with contextlib.suppress(ImportError):
        _backend.xp.random.seed(int(seed) % 2**32)


def _require() -> None:
    missing = _backend.missing()
    if missing is not None:
        raise DeviceError(f"CUDA cannot be used here: {missing}")


def _index(device: int | str | Device | None) -> int:
    """Return the index of a GPU that is there."""
    _require()
    if device is None:
        return _backend.current()
    if isinstance(device, int):
        placed = Device(_backend.name, device)
    else:
        placed = Device(device)
        if placed.type != _backend.name:
            raise DeviceError(f"expected a CUDA device such as 'cuda:0', got {str(placed)!r}")
    index = _backend.place(placed).index
    assert index is not None
    return index
