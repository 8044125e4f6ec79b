"""``autocast``: products of matrices and convolutions in 16 bits, what needs the range or precision in float32."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from dovetail import dtypes, ops
from dovetail.autograd.graph import LEAF
from dovetail.device import Device
from dovetail.dispatch import record
from dovetail.dtypes import DType
from dovetail.errors import DeviceError
from dovetail.modes.base import BlockMode, state
from dovetail.tensor import Tensor

#: Ops that run in autocast's dtype: their cost is in multiplying, and hardware sums up in float32.
_LOWERED = (
    "matmul linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d "
    "scaled_dot_product_attention addmm baddbmm bmm mm lstm gru rnn einsum tensordot"
)
LOWERED = frozenset(_LOWERED.split())
_STANDARD = (dtypes.float16, dtypes.bfloat16)


class autocast(BlockMode):
    """Run ops in the dtype that suits each, by PyTorch's lists; a context manager and a decorator.

    Products of matrices, linear layers and convolutions run in ``dtype``, losses and some others in float32, and the
    rest in the dtype that they are given; float64 stays. Which ops a device runs in float32, its backend says.
    Parameters keep their dtype, and so do their gradients; a weight is cast once within the outermost context.
    Ops of a backward pass run in the dtype of their forward op, in the context or not.

    Args:
        device_type: whose tensors to cast, such as ``"cpu"``.
        dtype: ``bfloat16`` or ``float16``; by default bfloat16 on the CPU, and elsewhere what the backend says.
        enabled: ``False`` switches autocast off within another one.
        cache_enabled: whether to keep the cast weights until the outermost context ends.

    Where there is no such device, and for another dtype, there is a warning and autocast is off, as in PyTorch.

    Example::

        >>> import dovetail
        >>> x = dovetail.ones(2, 2)
        >>> with dovetail.autocast("cpu", dtype=dovetail.bfloat16):
        ...     y = x @ x
        >>> y.dtype, (x + x).dtype
        (dovetail.bfloat16, dovetail.float32)
    """

    casts = True

    def __init__(
        self, device_type: str, dtype: DType | None = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise TypeError(f"autocast takes the name of a device type, such as 'cpu', got {device_type!r}")
        self.device = device_type
        self.enabled = enabled
        try:
            default = get_autocast_dtype(device_type)
        except DeviceError as error:
            default = dtypes.float16
            if enabled:
                warnings.warn(f"{error}; autocast is off", stacklevel=2)
                self.enabled = False
        self.dtype = default if dtype is None else dtypes.as_dtype(dtype)
        if self.enabled and self.dtype not in _STANDARD:
            warnings.warn(
                f"autocast: dtype is {self.dtype}, but takes bfloat16 or float16; autocast is off", stacklevel=2
            )
            self.enabled = False
        self.cache_enabled = True if cache_enabled is None else cache_enabled
        self.cache: dict[tuple[int, DType], tuple] = {}
        self.shadowed = 0
        self.outer: list[autocast | None] = []
        self.node: Any = None  # whose rules ran when the block began; the rules of others run as they were recorded

    def __enter__(self) -> autocast:
        outer = innermost(self.device)
        self.outer.append(outer)
        self.node = state.node
        self.cache = {} if outer is None else outer.cache
        if outer is not None:
            outer.shadowed += 1
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        outer = self.outer.pop()
        if outer is None:
            self.cache.clear()
        else:
            outer.shadowed -= 1

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        from functools import wraps

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with autocast(self.device, self.dtype, self.enabled, self.cache_enabled):
                return function(*args, **kwargs)

        return wrapped

    def see(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Cast the inputs as the op's list says, and run it."""
        definition = op.definition
        name = definition.name
        if not self.enabled or self.shadowed or state.node is not self.node or definition.mutates:
            return op(*args, **kwargs)
        if name in LOWERED:
            return op(*[self._lowered(value) for value in args], **kwargs)
        if definition.promote == "match":
            return self._run_mixed(op, args, kwargs)
        if kwargs.get("dtype") is None and self._widens(name, args):
            return op(*[self._widened(value) for value in args], **kwargs)
        return op(*args, **kwargs)

    def _applies(self, value: Any) -> bool:
        """Return whether a value is a tensor that may be cast."""
        return (
            isinstance(value, Tensor)
            and value._device.type == self.device
            and value.dtype.is_floating_point
            and value.dtype is not dtypes.float64
        )

    def _lowered(self, value: Any) -> Any:
        if not self._applies(value) or value.dtype is self.dtype:
            return value
        if not self.cache_enabled or value._node is not LEAF:
            return value.to(self.dtype)
        # a weight's cast is kept, with what shows that the weight is still the same; each use has a node of its own,
        # so that one backward pass does not use up what another needs
        found = self.cache.get((id(value), self.dtype))
        if found is None or found[1] is not value._memory() or found[2] != value._version:
            cast = value.to(self.dtype)
            self.cache[(id(value), self.dtype)] = (cast.detach(), value._memory(), value._version, value)
            return cast
        again = Tensor(found[0]._array, value._device)
        if state.grad:
            record(ops.cast.definition, (value,), {"dtype": self.dtype}, (again,))
        return again

    def _widens(self, name: str, args: tuple) -> bool:
        """Return whether the backend of the inputs runs this op in float32."""
        return any(self._applies(value) and name in value._device.backend.autocast_float32 for value in args)

    def _widened(self, value: Any) -> Any:
        return value.to(dtypes.float32) if self._applies(value) else value

    def _run_mixed(self, op: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Run an op that takes one dtype only, such as a norm with float32 weights, in the widest of its inputs.

        Its result gets the dtype of the first input, unless the backend runs the op in float32.
        """
        first = args[0]
        if not self._applies(first):
            return op(*args, **kwargs)
        if self._widens(op.definition.name, args):
            return op(*[self._widened(value) for value in args], **kwargs)
        if len({value.dtype for value in args if self._applies(value)}) < 2:
            return op(*args, **kwargs)
        out = op(*[self._widened(value) for value in args], **kwargs)
        if isinstance(out, tuple):
            return (out[0].to(first.dtype), *out[1:])
        return out.to(first.dtype)


def innermost(device_type: str) -> autocast | None:
    """Return the autocast for a device type that counts in this thread, enabled or not, or None."""
    for mode in reversed(state.modes):
        if isinstance(mode, autocast) and mode.device == device_type:
            return mode
    return None


def run_composed(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """Run a function that composes what PyTorch has as one op: as it is listed, else in its input's dtype."""
    tensor = next((value for value in args if isinstance(value, Tensor)), None)
    mode = None if tensor is None else innermost(tensor._device.type)
    if mode is None or tensor is None or not mode.enabled or state.node is not mode.node or not mode._applies(tensor):
        return function(*args, **kwargs)
    backend, name = tensor._device.backend, function.__name__
    found = {value.dtype for value in (*args, *kwargs.values()) if mode._applies(value)}
    if name not in backend.autocast_float32 and (name not in backend.autocast_widest or len(found) < 2):
        return function(*args, **kwargs).to(tensor.dtype)
    args = tuple(mode._widened(value) for value in args)
    with autocast(mode.device, mode.dtype, enabled=False):
        return function(*args, **{name: mode._widened(value) for name, value in kwargs.items()})


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Return whether autocast is on in this thread for a device type; without one, for any.

    Example::

        >>> import dovetail
        >>> with dovetail.autocast("cpu"):
        ...     dovetail.is_autocast_enabled("cpu")
        True
    """
    if device_type is not None:
        mode = innermost(device_type)
        return mode is not None and mode.enabled
    names = {mode.device for mode in state.modes if isinstance(mode, autocast)}
    return any(is_autocast_enabled(name) for name in names)


def get_autocast_dtype(device_type: str) -> DType:
    """Return the dtype that autocast computes in on a device type, in this thread.

    Raises:
        DeviceError: no backend has this name.

    Example::

        >>> import dovetail
        >>> dovetail.get_autocast_dtype("cpu")
        dovetail.bfloat16
    """
    mode = innermost(device_type)
    if mode is not None:
        return mode.dtype
    try:
        return dtypes.DTYPES[Device(device_type).backend.autocast_dtype]
    except DeviceError as error:
        raise DeviceError(f"autocast: {error}") from None
