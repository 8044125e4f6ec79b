"""A tensor's ``grad``, and the hooks that see gradients on their way."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from dovetail.autograd import hooks
from dovetail.autograd.graph import LEAF
from dovetail.autograd.hooks import RemovableHandle
from dovetail.errors import DeviceError, DTypeError, GradError, ShapeError
from dovetail.methods.registry import method
from dovetail.tensor import Tensor


def _grad(self: Tensor) -> Tensor | None:
    """The gradient that ``backward`` has added up for this tensor, or None.

    A computed tensor has one only after ``retain_grad()``; asking for it otherwise is a warning.
    """
    found = self._grad
    if found is None and not self.is_leaf and not hooks.retains(self, self._node):
        warnings.warn(
            "the .grad of a tensor that is not a leaf is asked for; backward() does not fill it. Call .retain_grad() "
            "on it before backward(), or ask the leaf that was meant",
            stacklevel=2,
        )
    return found


def _set_grad(self: Tensor, grad: Tensor | None) -> None:
    if grad is not None:
        _check_grad(self, grad)
    self._grad = grad


def _delete_grad(self: Tensor) -> None:
    self._grad = None


Tensor.grad = property(_grad, _set_grad, _delete_grad)  # type: ignore[assignment]


def _check_grad(tensor: Tensor, grad: Any) -> None:
    """Refuse a gradient that is not like its tensor."""
    if not isinstance(grad, Tensor):
        raise TypeError(f"grad is a tensor or None, got {type(grad).__name__}")
    if grad is tensor:
        raise GradError("a tensor can't be its own grad; assign a .clone()")
    if grad.dtype is not tensor.dtype:
        raise DTypeError(f"grad must have its tensor's dtype {tensor.dtype}, got {grad.dtype}; convert it with .to()")
    if grad.device is not tensor.device:
        raise DeviceError(
            f"grad must be on its tensor's device '{tensor.device}', got '{grad.device}'; move it with .to()"
        )
    if grad.shape != tensor.shape:
        raise ShapeError(f"grad must have its tensor's sizes {tuple(tensor.shape)}, got {tuple(grad.shape)}")


def _expect_grad(tensor: Tensor, what: str) -> None:
    if tensor._node is None:
        raise GradError(f"{what}: the tensor does not require grad; call .requires_grad_() before computing with it")


@method
def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call ``hook(grad)`` whenever this tensor's whole gradient has been computed; returns a handle to ``remove()``.

    What the hook returns takes the gradient's place, unless it is None; hooks run in the order of registration, before
    the gradient is retained, accumulated or passed on. After an in-place operation, a hook from before it still sees
    the gradient of the value that the tensor had.

    Raises:
        GradError: the tensor does not require grad.

    Example::

        >>> import dovetail
        >>> x = dovetail.tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda grad: grad * 10)
        >>> x.sum().backward(); x.grad
        tensor([10., 10.])
    """
    _expect_grad(self, "register_hook")
    if self._node is LEAF:
        return hooks.added(hooks.of_leaf(self).of_result(0), hook)
    node, index = hooks.place_of(self._node)
    return hooks.added(hooks.of_node(node).of_result(index), hook)


@method
def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """Call ``hook(tensor)`` whenever backward has added to this leaf's ``grad``; returns a handle to ``remove()``.

    Raises:
        GradError: the tensor does not require grad, or is no leaf.

    Example::

        >>> import dovetail
        >>> x = dovetail.tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_post_accumulate_grad_hook(lambda leaf: print(leaf.grad))
        >>> x.sum().backward()
        tensor([1., 1.])
    """
    _expect_grad(self, "register_post_accumulate_grad_hook")
    if self._node is not LEAF:
        raise GradError(
            "register_post_accumulate_grad_hook: backward adds to the grad of leaf tensors, and this one was computed "
            f"(by {self.grad_fn}); use register_hook"
        )
    return hooks.added(hooks.of_leaf(self).after, hook)


@method
def retain_grad(self: Tensor) -> None:
    """Have backward fill this computed tensor's ``grad`` too; on a leaf it changes nothing.

    Raises:
        GradError: the tensor does not require grad.
    """
    _expect_grad(self, "retain_grad")
    if self._node is not LEAF:
        hooks.retain(self, self._node)


def _retains_grad(self: Tensor) -> bool:
    """Whether this is a computed tensor whose ``grad`` backward fills."""
    return not self.is_leaf and hooks.retains(self, self._node)


Tensor.retains_grad = property(_retains_grad)  # type: ignore[attr-defined]


@method
def is_inference(self: Tensor) -> bool:
    """Return False: what is computed in ``inference_mode`` is a tensor like others."""
    return False
