"""Settings and odds and ends that programs for PyTorch call; imported when first asked for."""

from __future__ import annotations

import builtins
import ctypes
import glob
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail import creation
from dovetail.errors import GradError, ShapeError
from dovetail.tensor import Tensor
from dovetail.views import assign

_PRECISIONS = ("highest", "high", "medium")
_precision = "highest"
_threads: int | None = None


def _blas(what: str) -> Any:
    """Return a function of the OpenBLAS that NumPy brings, or None where it brings another library."""
    folder = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "numpy.libs")
    for path in glob.glob(os.path.join(folder, "*openblas*")):
        library = ctypes.CDLL(path)
        for name in (f"scipy_{what}64_", f"{what}64_", f"scipy_{what}", what):
            found = getattr(library, name, None)
            if found is not None:
                return found
    return None


def set_num_threads(num_threads: int) -> None:
    """Set how many threads products of matrices run on, where NumPy's library for them can be told.

    Raises:
        ValueError: not a positive integer.
    """
    global _threads
    if not isinstance(num_threads, int) or num_threads < 1:
        raise ValueError(f"set_num_threads: takes a positive integer, got {num_threads!r}")
    set_threads = _blas("openblas_set_num_threads")
    if set_threads is not None:
        set_threads(num_threads)
    _threads = num_threads


def get_num_threads() -> int:
    """Return how many threads products of matrices run on."""
    ask = _blas("openblas_get_num_threads")
    return (_threads or os.cpu_count() or 1) if ask is None else int(ask())


def set_float32_matmul_precision(precision: str) -> None:
    """Say how exact products of float32 matrices are to be, for backends that can choose; ``cpu`` is always exact."""
    global _precision
    if precision not in _PRECISIONS:
        warnings.warn(
            f"set_float32_matmul_precision: {precision!r} is none of {', '.join(_PRECISIONS)}; nothing is changed",
            stacklevel=2,
        )
        return
    _precision = precision


def get_float32_matmul_precision() -> str:
    """Return how exact products of float32 matrices are to be."""
    return _precision


def typename(obj: Any) -> str:
    """Return the name of the type of a tensor's elements, or of another object's class with its module."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, builtins.type) else type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def fill(input: Tensor, value: Any) -> Tensor:
    """Return the tensor's sizes with every element ``value``, a number or a 0-d tensor."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"fill: value must be a number or a 0-d tensor, got sizes {tuple(value.shape)}")
        return value.to(input.dtype).expand(input.shape) + input * 0
    from dovetail import ops

    return ops.fill(input, value=value)


# Methods


def _for_values(name: str, x: Tensor) -> None:
    if x.requires_grad:
        raise GradError(f"{name}: cannot be called on a tensor that requires grad; use x.detach().{name}(...)")


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Write what ``callable`` gives for each element, one by one, into the tensor."""
    _for_values("apply_", self)
    flat = [callable(value) for value in self.reshape(-1).tolist()]
    return assign(self, creation.tensor(np.array(flat, dtype=self.dtype.numpy).reshape(self.shape), device=self.device))


def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Write what ``callable`` gives for each pair of elements, one by one, into the tensor."""
    _for_values("map_", self)
    others = tensor.expand(self.shape).reshape(-1).tolist()
    flat = [callable(*pair) for pair in zip(self.reshape(-1).tolist(), others, strict=True)]
    return assign(self, creation.tensor(np.array(flat, dtype=self.dtype.numpy).reshape(self.shape), device=self.device))


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """Return the tensor: memory is not pinned here, and copies to a device do without."""
    return self


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Return False: memory is not pinned here."""
    return False


def record_stream(self: Tensor, stream: Any) -> None:
    """Do nothing: backends keep memory until the work on it is done."""
