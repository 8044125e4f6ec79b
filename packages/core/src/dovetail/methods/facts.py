"""What a tensor says about itself, and what it never is here; programs ask for these."""

from __future__ import annotations

from typing import Any

from dovetail.layouts import Layout, strided
from dovetail.methods.registry import FUNCTIONS, function, method
from dovetail.tensor import Tensor


def _fact(name: str, value: Any, doc: str) -> None:
    setattr(Tensor, name, property(value, doc=doc))


def _layout(self: Tensor) -> Layout:
    return strided


def _on(kind: str) -> Any:
    return lambda self: self._device.type == kind


_fact("layout", _layout, "How the elements are laid out: always ``dovetail.strided``.")
_fact("itemsize", lambda self: self.dtype.itemsize, "The bytes per element.")
_fact("nbytes", lambda self: self.numel() * self.dtype.itemsize, "The bytes of all elements.")
for _kind in ("cpu", "cuda", "meta", "mps", "xpu", "xla", "vulkan", "ipu", "maia", "mtia", "mkldnn"):
    _fact(f"is_{_kind}", _on(_kind), f"Whether the tensor is on a device of type ``{_kind}``.")
for _kind in ("is_sparse", "is_sparse_csr", "is_quantized", "is_nested"):
    _fact(_kind, lambda self: False, "Always False: Dovetail has dense arrays of numbers only.")
for _kind in ("is_conj", "is_neg", "is_distributed", "is_pinned", "is_shared"):
    method(_kind)(lambda self, *device: False)
for _kind in ("resolve_conj", "resolve_neg", "pin_memory"):
    method(_kind)(lambda self, *device: self)
FUNCTIONS.update({name: getattr(Tensor, name) for name in ("is_conj", "is_neg", "resolve_conj", "resolve_neg")})


@method
def element_size(self: Tensor) -> int:
    """Return the bytes per element."""
    return self.dtype.itemsize


@method
def get_device(self: Tensor) -> int:
    """Return the index of the device that the tensor is on, or -1 for one that has no index."""
    return -1 if self._device.index is None else self._device.index


@method
def is_same_size(self: Tensor, other: Tensor) -> bool:
    """Return whether both tensors have the same sizes."""
    return self._array.shape == other._array.shape


@function
def is_signed(x: Tensor) -> bool:
    """Return whether the dtype has negative numbers."""
    return x.dtype.is_signed


@method
def dense_dim(self: Tensor) -> int:
    """Return the number of dense dimensions, which all are."""
    return self.ndim


@method
def sparse_dim(self: Tensor) -> int:
    """Return the number of sparse dimensions, which none is."""
    return 0


def is_floating_point(x: Tensor) -> bool:
    """Return whether the tensor's dtype is floating point."""
    return x.dtype.is_floating_point


def is_complex(x: Tensor) -> bool:
    """Return whether the tensor's dtype is complex."""
    return x.dtype.is_complex


def is_nonzero(x: Tensor) -> bool:
    """Return whether the one element of a tensor is not zero.

    Raises:
        RuntimeError: there is not exactly one.
    """
    return bool(x)


def numel(x: Tensor) -> int:
    """Return the number of elements of a tensor.

    Raises:
        TypeError: it is no tensor.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"numel: takes a tensor, got {type(x).__name__}")
    return x.numel()


for _call in (is_floating_point, is_complex, is_nonzero, numel):
    FUNCTIONS[_call.__name__] = _call
Tensor.is_nonzero = is_nonzero  # type: ignore[attr-defined]
