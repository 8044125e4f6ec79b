"""The CUDA backend: CuPy's namespace, and what NumPy's habits do not tell about GPUs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from dovetail.backends.base import Backend
from dovetail.cuda.availability import explain_missing
from dovetail.cuda.kernels import KERNELS
from dovetail.dtypes import from_numpy


class CudaBackend(Backend):
    """NVIDIA GPUs through CuPy; every op without a kernel of its own runs by its reference kernel.

    bfloat16 is not claimed: CuPy has it for part of its functions only.

    Example::

        >>> from dovetail.cuda.backend import CudaBackend
        >>> CudaBackend().name
        'cuda'
    """

    name = "cuda"
    kernels = KERNELS
    capabilities = frozenset({"float64", "float16", "complex", "writes", "views"})
    dlpack_devices = frozenset({2, 13})  # CUDA's own memory, and memory that CUDA moves by itself

    @property
    def xp(self) -> Any:
        """CuPy, imported when it is first needed."""
        import cupy

        return cupy

    def owns(self, array: Any) -> bool:
        """Return whether ``array`` is a CuPy array."""
        return isinstance(array, self.xp.ndarray)

    def missing(self) -> str | None:
        """Return why CUDA cannot run here: no CuPy, no driver, no GPU, or libraries that do not load."""
        return explain_missing()

    def device_count(self) -> int:
        """Return how many GPUs there are."""
        return self.xp.cuda.runtime.getDeviceCount()

    def current(self) -> int:
        """Return the index of the current GPU, which ``"cuda"`` stands for."""
        return self.xp.cuda.runtime.getDevice()

    def use(self, index: int) -> AbstractContextManager:
        """Return a context in which GPU ``index`` is the current one."""
        return self.xp.cuda.Device(index)

    def synchronize(self, index: int = 0) -> None:
        """Wait until all work given to GPU ``index`` is done."""
        self.xp.cuda.Device(index).synchronize()

    def memory_allocated(self, index: int = 0) -> int:
        """Return the bytes that live arrays hold on GPU ``index``."""
        with self.use(index):
            return self.xp.get_default_memory_pool().used_bytes()

    def from_numpy(self, array: np.ndarray, index: int = 0) -> Any:
        """Return a copy of a NumPy array on GPU ``index``; the array may be changed as soon as this returns.

        Raises:
            DTypeError: CuPy does not have the dtype in full.
        """
        self.native_dtype(from_numpy(array.dtype))
        with self.use(index):
            return self.xp.array(array, copy=True, order="C", blocking=True)

    def to_numpy(self, array: Any) -> np.ndarray:
        """Return a CuPy array as a NumPy array, once the work that makes it is done."""
        return self.xp.asnumpy(array)

    def shares_memory(self, first: Any, second: Any) -> bool:
        """Return whether two arrays share memory."""
        return bool(self.xp.may_share_memory(first, second))

    def is_owner(self, array: Any) -> bool:
        """Return whether an array has its memory for itself."""
        return array.base is None

    def prepare(self, kernel: Callable[..., Any], arity: int | None) -> Callable[..., Any]:
        """Return ``kernel`` bound to CuPy; with several GPUs, it runs on the one that holds its first array."""
        prepared = super().prepare(kernel, arity)
        if self.device_count() == 1:
            return prepared

        def on_the_arrays_device(*arrays: Any, **options: Any) -> Any:
            for array in arrays:
                device = getattr(array, "device", None)
                if device is not None:
                    with device:
                        return prepared(*arrays, **options)
            return prepared(*arrays, **options)

        return on_the_arrays_device
