"""The built-in backend: NumPy arrays, device ``cpu``."""

from __future__ import annotations

import contextvars
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.backends.base import Backend
from dovetail.backends.cpu_kernels import KERNELS, Direct
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


class Wide(float):
    """A number beside an array of half precision, a product with which is of float32 and rounded once, as in PyTorch.

    NumPy would round the number to float16 first, and make float32 of bfloat16.
    """

    ARITHMETIC = (np.multiply, np.true_divide)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        (array,) = (value for value in inputs if value is not self)
        dtype = np.dtype(np.float32) if ufunc in self.ARITHMETIC else array.dtype
        operands = [np.asarray(value, dtype) for value in inputs]
        result = getattr(ufunc, method)(*operands, **options)
        return result.astype(array.dtype, copy=False) if ufunc in self.ARITHMETIC else result


class CpuBackend(Backend):
    """NumPy on the CPU; always there, and the reference that the others are compared with."""

    name = "cpu"
    kernels = KERNELS
    capabilities = frozenset({"float64", "float16", "bfloat16", "complex", "writes", "views"})
    dlpack_devices = frozenset({1, 3, 11})  # plain memory, and memory pinned for CUDA or ROCm

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
        # a view's base is the array that owns the memory, so that this is exact for a result and its input
        base = first.base
        return base is not None and (base is second or base is second.base)

    def is_owner(self, array: np.ndarray) -> bool:
        return array.base is None

    def as_array(self, result: Any) -> ndarray:
        return result if result.__class__ is ndarray else np.asarray(result)

    def number(self, value: Any, dtype: DType) -> Any:
        return Wide(value) if dtype.itemsize == 2 else value

    def run_quietly(self, kernel: Callable[..., Any], *arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return kernel(*arrays)

    def prepare(self, kernel: Callable[..., Any], arity: int | None) -> Callable[..., Any]:
        """Run the kernel without floating-point warnings, and make arrays of the scalars that NumPy gives for 0-d."""
        if isinstance(kernel, Direct):
            return kernel.function
        if arity == 1:
            return _unary(kernel)
        return _binary(kernel) if arity == 2 else _general(kernel)


def _unary(kernel: Callable[..., Any]) -> Callable[..., Any]:
    set_state, reset_state, quiet, asarray = _error_state.set, _error_state.reset, _quiet, np.asarray

    def unary(x: Any) -> Any:
        token = set_state(quiet)
        try:
            result = kernel(np, x)
        finally:
            reset_state(token)
        if result.__class__ is not ndarray:
            result = asarray(result)
        return result if result.dtype is x.dtype else _as_bfloat16(result, x)

    return unary


def _binary(kernel: Callable[..., Any]) -> Callable[..., Any]:
    set_state, reset_state, quiet, asarray = _error_state.set, _error_state.reset, _quiet, np.asarray

    def binary(x: Any, y: Any) -> Any:
        if y.__class__ is float and x.__class__ is ndarray:
            y = asarray(y, x.dtype)  # NumPy does the same, but takes twice as long
        token = set_state(quiet)
        try:
            result = kernel(np, x, y)
        finally:
            reset_state(token)
        if result.__class__ is not ndarray:
            result = asarray(result)
        return result if x.__class__ is not ndarray or result.dtype is x.dtype else _as_bfloat16(result, x)

    return binary


def _general(kernel: Callable[..., Any]) -> Callable[..., Any]:
    def general(*arrays: Any, **options: Any) -> Any:
        token = _error_state.set(_quiet)
        try:
            result = kernel(np, *arrays, **options)
        finally:
            _error_state.reset(token)
        if result.__class__ is ndarray and (not arrays or result.dtype is arrays[0].dtype):
            return result
        if result is None:
            return None
        like = arrays[0] if options.get("dtype") is None else None
        if isinstance(result, tuple):
            return tuple([None if part is None else _as_bfloat16(np.asarray(part), like) for part in result])
        return _as_bfloat16(result if result.__class__ is ndarray else np.asarray(result), like)

    return general


# Sums and products run without the above: setting the error state costs half of what adding two small arrays does, and
# they hardly ever have anything to warn of. When they have, the warning is filtered out.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"dovetail\.dispatch$")


def _as_bfloat16(result: ndarray, like: Any) -> ndarray:
    """Return a kernel's result as bfloat16 when its input was; NumPy makes float32 of that with a Python number."""
    if like is None or result.dtype is like.dtype or like.dtype.kind != "V" or result.dtype.kind != "f":
        return result
    return result.astype(like.dtype)
