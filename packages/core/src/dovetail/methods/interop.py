"""A tensor among other libraries' arrays: NumPy's protocols, and DLPack."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dovetail import dtypes
from dovetail.creation import from_array
from dovetail.device import CPU
from dovetail.errors import DTypeError
from dovetail.methods.registry import method
from dovetail.tensor import Tensor

#: NumPy's functions that are operators of tensors, so that ``array * tensor`` is ``tensor * array``.
OPERATORS = {
    np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul, np.true_divide: operator.truediv,
    np.floor_divide: operator.floordiv, np.remainder: operator.mod, np.power: operator.pow,
    np.matmul: operator.matmul, np.bitwise_and: operator.and_, np.bitwise_or: operator.or_,
    np.bitwise_xor: operator.xor, np.left_shift: operator.lshift, np.right_shift: operator.rshift,
    np.equal: operator.eq, np.not_equal: operator.ne, np.less: operator.lt, np.less_equal: operator.le,
    np.greater: operator.gt, np.greater_equal: operator.ge,
}  # fmt: skip


@method("__array__")
def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """Return the elements as NumPy's functions want them: on the same memory, unless a dtype or ``copy`` asks for more.

    Raises:
        GradError: the tensor needs a gradient. DeviceError: it is not on the CPU.
    """
    return np.array(self.numpy(), dtype=dtype, copy=copy)


@method("__array_wrap__")
def _wrap(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    """Return the result of a NumPy function on this tensor as a tensor, where there is a dtype for it."""
    return _wrapped(array)


@method("__array_ufunc__")
def _ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
    """Run a NumPy function on tensors: operators as the tensors' own, with gradients; others by NumPy, to a tensor.

    Raises:
        GradError: a tensor needs a gradient, and NumPy's function has none.
    """
    call = OPERATORS.get(ufunc)
    if call is not None and method == "__call__" and out is None and not options:
        left, right = (value if isinstance(value, Tensor) else _operand(value) for value in inputs)
        return call(left, right)
    if out is not None:
        if any(isinstance(target, Tensor) for target in out):
            raise TypeError(f"numpy.{ufunc.__name__}: out must be a NumPy array, got a tensor; use tensor.copy_()")
        options["out"] = out
    arrays = [value.numpy() if isinstance(value, Tensor) else value for value in inputs]
    result = getattr(ufunc, method)(*arrays, **options)
    if out is not None:
        return result
    return tuple(map(_wrapped, result)) if isinstance(result, tuple) else _wrapped(result)


def _operand(value: Any) -> Any:
    """Return what stands beside a tensor as a tensor, or as a number where it is one."""
    if isinstance(value, np.ndarray):
        return from_array(value)
    return value.item() if isinstance(value, np.generic) else value


def _wrapped(result: Any) -> Any:
    if not isinstance(result, (np.ndarray, np.generic)):
        return result
    try:
        dtypes.from_numpy(result.dtype)
    except DTypeError:
        return result
    return from_array(np.asarray(result))


def _array_interface(self: Tensor) -> dict[str, Any]:
    """NumPy's description of the memory; there where NumPy could say what it is."""
    if self._node is not None or self._device is not CPU or self.dtype is dtypes.bfloat16:
        raise AttributeError(f"a {self.dtype} tensor like this one has no '__array_interface__'; use .numpy()")
    return self._memory().__array_interface__


def _cuda_array_interface(self: Tensor) -> Any:
    """The same of CUDA memory, as the backend's arrays give it."""
    found = getattr(self._array, "__cuda_array_interface__", None)
    if found is None:
        raise AttributeError(f"a tensor on '{self._device}' has no '__cuda_array_interface__'")
    _expect_no_grad(self, AttributeError)
    return found


Tensor.__array_interface__ = property(_array_interface)  # type: ignore[attr-defined]
Tensor.__cuda_array_interface__ = property(_cuda_array_interface)  # type: ignore[attr-defined]


def _expect_no_grad(self: Tensor, error: type[Exception] = BufferError) -> None:
    if self._node is not None:
        raise error("can't export a tensor that requires a gradient; use tensor.detach()")


@method("__dlpack_device__")
def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """Return DLPack's numbers for the device that the tensor is on."""
    return self._array.__dlpack_device__()


@method("__dlpack__")
def _dlpack(self: Tensor, **options: Any) -> Any:
    """Return a DLPack capsule of the tensor's memory; takes the protocol's ``stream``, ``max_version`` and the like.

    Raises:
        BufferError: the tensor needs a gradient, or the array library does not export this dtype.
    """
    _expect_no_grad(self)
    try:
        return self._array.__dlpack__(**options)
    except BufferError as error:
        raise BufferError(f"can't export a {self.dtype} tensor by DLPack: {error}") from None
