"""The built-in backend: NumPy arrays, device ``cpu``."""

from __future__ import annotations

import contextvars
import math
import warnings
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from dovetail.backends.base import Backend
from dovetail.backends.cpu_gradients import GRADIENTS
from dovetail.backends.cpu_halves import EXACT, in_float32
from dovetail.backends.cpu_index import WRITERS
from dovetail.backends.cpu_kernels import KERNELS, Direct
from dovetail.backends.cpu_memory import UPDATES, VIEW_KERNELS, is_dense, memory_of, span_of, steps_of
from dovetail.device import CPU, Device
from dovetail.dtypes import DType, from_numpy
from dovetail.memory import keep_unless_told_not_to

ndarray = np.ndarray


#: PyTorch's list for the CPU is shorter than that for accelerators: bfloat16 has float32's range.
_AUTOCAST_FLOAT32_CPU = (
    "prod trace cdist cross_entropy nll_loss mse_loss l1_loss huber_loss smooth_l1_loss kl_div "
    "binary_cross_entropy binary_cross_entropy_with_logits hinge_embedding_loss cosine_embedding_loss "
    "margin_ranking_loss triplet_margin_loss poisson_nll_loss gaussian_nll_loss soft_margin_loss "
    "multi_margin_loss quantile nanquantile"
)
AUTOCAST_FLOAT32_CPU = frozenset(_AUTOCAST_FLOAT32_CPU.split())


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


class _Quiet:
    """``numpy.errstate(all="ignore")`` at a fifth of the cost."""

    __slots__ = ("token",)

    def __enter__(self) -> None:
        self.token = _error_state.set(_quiet)

    def __exit__(self, *error: Any) -> None:
        _error_state.reset(self.token)


class CpuBackend(Backend):
    """NumPy on the CPU; always there, and the reference that the others are compared with."""

    name = "cpu"
    kernels = KERNELS | VIEW_KERNELS
    writers = WRITERS
    updates = UPDATES
    capabilities = frozenset({"float64", "float16", "bfloat16", "complex", "writes", "views"})
    autocast_dtype = "bfloat16"
    autocast_float32 = AUTOCAST_FLOAT32_CPU
    autocast_widest = frozenset({"index_copy"})
    plain_operators = True
    gradients = GRADIENTS
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

    def to_numpy(self, array: Any) -> np.ndarray:
        return array if array.__class__ is ndarray else np.asarray(array)

    def shareable(self, array: Any) -> np.ndarray:
        # NumPy gives scalars for 0-d results; they are kept, as calculating with them takes a tenth of the time
        return array if array.__class__ is ndarray else np.asarray(array)

    def add_into(self, target: Any, value: Any) -> Any:
        return np.add(target, value, out=target) if target.__class__ is ndarray else target + value

    def native_dtype(self, dtype: DType) -> np.dtype:
        return dtype.numpy

    def dtype_of(self, array: np.ndarray) -> DType:
        return from_numpy(array.dtype)

    def shares_memory(self, first: np.ndarray, second: np.ndarray) -> bool:
        # a view's base is the array that owns the memory, so that this is exact for a result and its input
        base = first.base
        return base is not None and (base is second or base is second.base)

    def copy(self, array: Any) -> Any:
        return array.copy() if array.__class__ is ndarray else array

    def is_owner(self, array: np.ndarray) -> bool:
        return array.base is None

    def all_finite(self, array: np.ndarray) -> bool:
        # squares cannot cancel, so that a finite sum of them proves all finite; the converse needs a closer look
        if array.dtype.char in "fd" and array.flags.forc:
            flat = array.ravel("K")
            token = _error_state.set(_quiet)
            try:
                if isfinite(np.dot(flat, flat)):
                    return True
            finally:
                _error_state.reset(token)
        return bool(np.isfinite(array).all())

    def write(self, target: Any, value: Any) -> Any:
        if target.__class__ is not ndarray:
            return value[()] if value.__class__ is ndarray else value
        if not target.flags.writeable and target.base is not None and target.base.flags.writeable:
            target.flags.writeable = True  # NumPy makes expanded arrays read-only
        target[...] = value
        return target

    def filled(self, target: Any, value: Any) -> Any:
        return self.write(target, value) if target.__class__ is ndarray else target.dtype.type(value)

    def reinterpreted(self, array: np.ndarray, dtype: Any) -> np.ndarray:
        return array.view(dtype)

    def repeats_elements(self, array: np.ndarray) -> bool:
        return 0 in array.strides and any(
            step == 0 and size > 1 for step, size in zip(array.strides, array.shape, strict=True)
        )

    def partly_same(self, first: np.ndarray, second: np.ndarray) -> bool:
        if not (first.size and second.size and is_dense(first) and is_dense(second)):
            return False  # as in PyTorch, what has gaps is not looked into
        spans = span_of(first), span_of(second)
        if spans[0] == spans[1]:
            return first.shape != second.shape or steps_of(first) != steps_of(second)
        return spans[0][0] < spans[1][1] and spans[1][0] < spans[0][1]

    def offset_of(self, array: np.ndarray) -> int:
        memory = memory_of(array)
        return 0 if memory is None else memory[1] // array.itemsize

    def memory_size(self, array: np.ndarray) -> int:
        memory = memory_of(array)
        return array.nbytes if memory is None else memory[0].nbytes

    def memory_as(self, array: np.ndarray, dtype: Any) -> np.ndarray:
        memory = memory_of(array)
        return super().memory_as(array, dtype) if memory is None else memory[0].view(dtype)

    def resized(self, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
        memory = memory_of(array)
        if memory is None or memory[0].nbytes - memory[1] < math.prod(shape) * array.itemsize:
            return None
        return np.ndarray(shape, array.dtype, *memory)

    def is_shared(self, array: np.ndarray) -> bool:
        root = array if array.base is None or type(array.base) is not ndarray else array.base
        return type(getattr(root.base, "obj", None)).__name__ == "mmap"

    def shared_copy(self, array: np.ndarray) -> np.ndarray:
        import mmap

        memory = mmap.mmap(-1, max(array.nbytes, 1))
        out = np.frombuffer(memory, np.uint8, array.nbytes).view(array.dtype).reshape(array.shape)
        out[...] = array
        return out

    def number(self, value: Any, dtype: DType) -> Any:
        return Wide(value) if dtype.itemsize == 2 else value

    def quiet(self) -> Any:
        return _Quiet()

    def ones_at_once(self, array: Any) -> Any:
        return np.ones_like(array) if array.__class__ is ndarray else array.dtype.type(1)

    def run_quietly(self, kernel: Callable[..., Any], *arrays: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):
            return kernel(*arrays, **options)

    def suited(self, kernel: Callable[..., Any], op: Any) -> Callable[..., Any]:
        exact = isinstance(kernel, Direct) or op.view or op.mutates or op.name in EXACT
        return kernel if exact else in_float32(kernel)

    def prepare(self, kernel: Callable[..., Any], arity: int | None) -> Callable[..., Any]:
        """Run the kernel without floating-point warnings, on arrays, also where NumPy gave scalars for 0-d."""
        if not self.__dict__.setdefault("memory_is_kept", False):
            self.memory_is_kept = True
            keep_unless_told_not_to()
        return kernel.function if isinstance(kernel, Direct) else quietly(kernel)


def quietly(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel as a function of arrays and options, without a word about its numbers, bfloat16 kept."""
    set_state, reset_state, quiet, asarray = _error_state.set, _error_state.reset, _quiet, np.asarray

    def run(*arrays: Any, **options: Any) -> Any:
        arrays = tuple([asarray(array) if isinstance(array, np.generic) else array for array in arrays])
        token = set_state(quiet)
        try:
            result = kernel(np, *arrays, **options)
        finally:
            reset_state(token)
        if result is None:
            return None
        like = getattr(arrays[0], "dtype", None) if arrays and options.get("dtype") is None else None
        if isinstance(result, tuple):
            return tuple([None if part is None else _as_bfloat16(part, like) for part in result])
        return _as_bfloat16(result, like)

    return run


# What is a ``Direct`` kernel runs without the above: setting the error state costs as much as adding two small arrays.
# It hardly ever has anything to warn of; when it has, the warning is filtered out.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"dovetail\.")


def _as_bfloat16(result: Any, like: Any) -> Any:
    """Return a kernel's result as bfloat16 when its input was; NumPy makes float32 of that with a Python number."""
    if not isinstance(result, (ndarray, np.generic)):
        result = np.asarray(result)
    if like is None or result.dtype is like or like.kind != "V" or result.dtype.kind != "f":
        return result
    return result.astype(like)
