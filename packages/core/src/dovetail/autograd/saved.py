"""Packing away what the tape saves: ``saved_tensors_hooks``, and what is built on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.autograd.grad_mode import no_grad
from dovetail.autograd.graph import LEAF, Elsewhere, new_node, packing
from dovetail.errors import GradError
from dovetail.modes import state
from dovetail.op import Op
from dovetail.tensor import Tensor


class saved_tensors_hooks:
    """Have what operations in this block save for backward packed by one function and unpacked by another.

    Args:
        pack_hook: given each tensor that is saved, returns what is kept in its place.
        unpack_hook: given that, returns a tensor of the same values; called each time that backward needs it.

    Saved tensors that are written to later are not noticed then; of nested blocks only the innermost counts.

    Raises:
        GradError: ``pack_hook`` writes to the tensor. TypeError: ``unpack_hook`` does not return a tensor.

    Example::

        >>> import dovetail
        >>> x = dovetail.tensor([1.0, 2.0], requires_grad=True)
        >>> with dovetail.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), dovetail.tensor):
        ...     y = x.exp()
        >>> y.sum().backward(); x.grad
        tensor([2.7183, 7.3891])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        state.packers = (*state.packers, (self.pack_hook, self.unpack_hook))
        packing.append(self)

    def __exit__(self, *error: Any) -> None:
        state.packers = state.packers[:-1]
        packing.remove(self)


class Packed:
    """A saved tensor in the form that a hook gave it, and its place in the graph."""

    __slots__ = ("edge", "handle", "unpack")

    def __init__(self, tensor: Tensor, pack: Callable[[Tensor], Any], unpack: Callable[[Any], Tensor]) -> None:
        version = tensor._version
        with no_grad():
            self.handle = pack(tensor)
        if tensor._version != version:
            raise GradError("saved_tensors_hooks: the pack hook wrote to the tensor that it was given; pack a .clone()")
        self.unpack = unpack
        self.edge = tensor if tensor._node is LEAF else tensor._node

    def tensor(self) -> Tensor:
        """Return the tensor, with the history that it had."""
        found = self.unpack(self.handle)
        if not isinstance(found, Tensor):
            raise TypeError(f"saved_tensors_hooks: the unpack hook gives a tensor, got {type(found).__name__}")
        if self.edge is None or found is self.edge or found._node is self.edge:
            return found
        twin = Tensor(found._array, found._device)
        if isinstance(self.edge, Tensor):
            twin._node = new_node(_STANDS_FOR, (self.edge,), twin._array.shape)
        else:
            twin._node = self.edge
        return twin


def _stands_for(xp: Any, x: Any) -> Any:
    """Lead from an unpacked leaf to the leaf."""
    raise AssertionError("this op is only recorded, never run")


_STANDS_FOR = Op(_stands_for, promote=None, view=False, mutates=(), outputs=("out",), no_grad_outputs=())
_STANDS_FOR.vjp(x=lambda g: g)


def pack(value: Any) -> Any:
    """Return a value to save, packed if it is a tensor, or those in a tuple of them."""
    if isinstance(value, Tensor):
        return Packed(value, *state.packers[-1])
    if isinstance(value, (tuple, list)) and any(isinstance(part, Tensor) for part in value):
        return tuple([pack(part) for part in value])
    return value


def unpack(value: Any) -> Any:
    """Return what was packed as ``value``."""
    if value.__class__ is Packed:
        return value.tensor()
    return tuple([unpack(part) for part in value]) if value.__class__ is tuple else value


def packed(saved: Any) -> Elsewhere:
    """Return what a node keeps instead of the values ``saved``."""
    return Elsewhere([pack(value) for value in saved])


def unpacked(saved: Elsewhere) -> list:
    """Return the values that a node kept packed."""
    return [unpack(value) for value in saved.values]


class save_on_cpu(saved_tensors_hooks):
    """Keep what operations in this block save for backward on the CPU, and bring it back when it is needed."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: (tensor.device, tensor.cpu()), lambda kept: kept[1].to(kept[0]))
