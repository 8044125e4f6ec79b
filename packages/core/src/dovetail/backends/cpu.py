"""The built-in backend: NumPy arrays, device ``cpu``."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.backends.base import Backend
from dovetail.backends.cpu_kernels import KERNELS
from dovetail.device import CPU, Device
from dovetail.dtypes import DType, from_numpy

ndarray = np.ndarray


def _quiet_error_state() -> tuple[contextvars.ContextVar, Any]:
    """Return NumPy's context variable for floating-point errors, and its value for ignoring them.

    PyTorch gives inf and nan without a word. ``numpy.errstate`` would cost more than an addition, so that the kernels
    set the variable behind it; it is found by looking at what ``errstate`` changes.
    """
    variable = contextvars.copy_context()
    with np.errstate(all="ignore"):
        inside = contextvars.copy_context()
    for found in inside:
        if found not in variable or inside[found] is not variable[found]:
            return found, inside[found]
    raise ImportError("numpy.errstate sets no context variable; Dovetail needs numpy >= 2.1")


_error_state, _quiet = _quiet_error_state()


class CpuBackend(Backend):
    """NumPy on the CPU; always there, and the reference that the others are compared with."""

    name = "cpu"
    kernels = KERNELS
    capabilities = frozenset({"float64", "float16", "bfloat16", "complex", "writes", "views"})

    @property
    def xp(self) -> Any:
        return np

    def owns(self, array: Any) -> bool:
        return type(array) is ndarray

    def place(self, device: Device) -> Device:
        return CPU

    def from_numpy(self, array: np.ndarray, index: int = 0) -> np.ndarray:
        return np.array(array)

    def to_numpy(self, array: np.ndarray) -> np.ndarray:
        return array

    def native_dtype(self, dtype: DType) -> np.dtype:
        return dtype.numpy

    def dtype_of(self, array: np.ndarray) -> DType:
        return from_numpy(array.dtype)

    def shares_memory(self, first: np.ndarray, second: np.ndarray) -> bool:
        return np.may_share_memory(first, second)

    def is_owner(self, array: np.ndarray) -> bool:
        return array.base is None

    def prepare(self, kernel: Callable[..., Any], arity: int | None) -> Callable[..., Any]:
        """Run the kernel without floating-point warnings, and make arrays of the scalars that NumPy gives for 0-d."""
        set_state, reset_state, quiet, asarray = _error_state.set, _error_state.reset, _quiet, np.asarray

        def unary(x: Any) -> Any:
            token = set_state(quiet)
            try:
                result = kernel(np, x)
            finally:
                reset_state(token)
            return result if result.__class__ is ndarray else asarray(result)

        def binary(x: Any, y: Any) -> Any:
            if y.__class__ is float and x.__class__ is ndarray:
                y = asarray(y, x.dtype)  # NumPy does the same, but takes twice as long
            token = set_state(quiet)
            try:
                result = kernel(np, x, y)
            finally:
                reset_state(token)
            return result if result.__class__ is ndarray else asarray(result)

        def general(*arrays: Any, **options: Any) -> Any:
            token = set_state(quiet)
            try:
                result = kernel(np, *arrays, **options)
            finally:
                reset_state(token)
            if result.__class__ is ndarray:
                return result
            if isinstance(result, tuple):
                return tuple(None if part is None else np.asarray(part) for part in result)
            return None if result is None else asarray(result)

        if arity == 1:
            return unary
        return binary if arity == 2 else general
