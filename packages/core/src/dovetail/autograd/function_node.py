"""The node of an ``autograd.Function`` that ran, which is the ``ctx`` that its methods get."""

from __future__ import annotations

from typing import Any

from dovetail.autograd import saved as packing
from dovetail.autograd.graph import LEAF, Node, Output, next_sequence, refuse_freed
from dovetail.dtypes import DType
from dovetail.errors import GradError
from dovetail.modes import state
from dovetail.tensor import Tensor
from dovetail.views import rebase, shared_of


class FunctionNode(Node):
    """A node with a place for whatever a function's ``forward`` leaves for its ``backward``.

    Attributes:
        needs_input_grad: for each argument whether it is a tensor that requires a gradient.
        dirty, not_differentiable: results that ``forward`` marked.
    """

    def __init__(self, args: tuple) -> None:
        self._spent = self._running = False  # spent: backward has run and was the last
        self.op, self.versions, self.sequence = None, None, next_sequence()
        self.needs_input_grad = tuple([isinstance(arg, Tensor) and arg._node is not None for arg in args])
        self.dirty: tuple = ()
        self.not_differentiable: tuple = ()
        self._materialize = True
        self._to_save: tuple = ()
        self._kept: Any = ()
        self._arguments = [_Like(arg) if isinstance(arg, Tensor) else None for arg in args]
        self._results: list[Any] = []
        self.edges = tuple(
            [(arg if arg._node is LEAF else arg._node) if isinstance(arg, Tensor) else None for arg in args]
        )

    @property
    def saved(self) -> Any:
        """What the engine hands to the function's rule: the node itself, which would be a cycle if it were stored."""
        return (self,)

    @saved.setter
    def saved(self, value: Any) -> None:
        self._spent = self._spent or value is not None
        if self._spent and self._kept and not self._running:
            self._kept = None

    # What forward may call

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward, which finds them in ``saved_tensors``; None stays None.

        Raises:
            TypeError: something is no tensor.
        """
        for position, tensor in enumerate(tensors):
            if not (tensor is None or isinstance(tensor, Tensor)):
                raise TypeError(
                    f"save_for_backward keeps tensors, and argument {position} is {type(tensor).__name__}; "
                    "set it as an attribute of ctx instead"
                )
        self._to_save = tensors

    save_for_forward = save_for_backward

    def mark_dirty(self, *tensors: Any) -> None:
        """Say which arguments ``forward`` writes to; it must return them."""
        self.dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say through which results no gradient flows."""
        self.not_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether backward gets zeros, as it does by default, or None for results that nothing came back for."""
        self._materialize = value

    # Recording

    def begin(self, outputs: tuple) -> None:
        """Become part of the graph: the results' history, with what ``forward`` saved."""
        kept, self._to_save = self._to_save, ()
        dirty, apart = self.dirty, self.not_differentiable
        self.dirty = self.not_differentiable = ()
        self.shape = tuple([output._array.shape if isinstance(output, Tensor) else None for output in outputs])
        for index, output in enumerate(outputs):
            self._results.append(_Like(output) if isinstance(output, Tensor) else None)
            if not isinstance(output, Tensor) or any(output is other for other in apart):
                continue
            if not (output.dtype.is_floating_point or output.dtype.is_complex):
                continue
            if any(output is other for other in dirty):
                value = Tensor(output._array, output._device)
                value._node = Output(self, index)
                rebase(output, value, shared_of(output))
            else:
                output._node = Output(self, index)
        self._kept = [_Kept(tensor, outputs) if isinstance(tensor, Tensor) else None for tensor in kept]

    @property
    def saved_tensors(self) -> tuple:
        """The tensors that ``forward`` saved.

        Raises:
            GradError: they were freed, or written to since.
        """
        if self._kept is None or (self._spent and self._kept and not self._running):
            refuse_freed(self.op)
        return tuple([kept if kept is None else kept.tensor(self) for kept in self._kept])

    # Running

    def run(self, grads: Any) -> tuple:
        """Return the gradients of the arguments, given those of the results; called by the engine."""
        if self._kept is None:
            refuse_freed(self.op)
        if self._materialize:
            grads = [
                like.zeros() if grad is None and like is not None else grad
                for grad, like in zip(grads, self._results, strict=True)
            ]
        self._running = True
        try:
            found = self.op.backward(self, *grads)
        finally:
            self._running = False
            if self._spent and self._kept:
                self._kept = None
        return self._checked(found if isinstance(found, tuple) else (found,))

    def _checked(self, found: tuple) -> tuple:
        """Refuse gradients that are not those of the arguments; make the others like these."""
        name, count = self.op.grad_name, len(self._arguments)
        if len(found) > count and all(grad is None for grad in found[count:]):
            found = found[:count]
        if len(found) != count:
            raise GradError(
                f"{name} returned an incorrect number of gradients (expected {count}, got {len(found)}); "
                "give one for each argument of forward, None where there is none"
            )
        checked = []
        for position, (grad, like) in enumerate(zip(found, self._arguments, strict=True)):
            if grad is not None and like is None:
                raise GradError(
                    f"{name} returned a gradient different from None at position {position + 1}, but the argument of "
                    "forward there was no tensor; give None"
                )
            if not (grad is None or isinstance(grad, Tensor)):
                raise GradError(f"{name} gives tensors or None, got {type(grad).__name__} at position {position + 1}")
            needed = grad is not None and like is not None and self.needs_input_grad[position]
            checked.append(like.matched(grad, name, position) if needed else None)  # type: ignore[union-attr, arg-type]
        return tuple(checked)


class _Like:
    """Shape, dtype and device of a tensor that is itself not kept."""

    __slots__ = ("device", "dtype", "shape")

    def __init__(self, tensor: Tensor) -> None:
        self.shape = tensor._array.shape
        self.dtype: DType = tensor.dtype
        self.device = tensor._device

    def zeros(self) -> Tensor:
        from dovetail.creation import zeros

        return zeros(self.shape, dtype=self.dtype, device=self.device)

    def matched(self, grad: Tensor, name: str, position: int) -> Tensor:
        """Return a gradient summed to this shape, of this dtype."""
        from dovetail.align import broadcast_clash

        shape = tuple(grad._array.shape)
        if shape != self.shape:
            extra = len(shape) - len(self.shape)
            wide = tuple(
                axis for axis, size in enumerate(shape) if axis < extra or (self.shape[axis - extra] == 1 and size != 1)
            )
            shrinks = any(
                size == 1 and self.shape[axis - extra] != 1 for axis, size in enumerate(shape) if axis >= extra
            )
            if extra < 0 or shrinks or broadcast_clash([shape, self.shape]):
                raise GradError(
                    f"{name} returned an invalid gradient at index {position}: got sizes {shape}, but the argument "
                    f"has {tuple(self.shape)}"
                )
            grad = (grad.sum(wide, keepdim=True) if wide else grad).reshape(self.shape)
        return grad if grad.dtype is self.dtype else grad.to(self.dtype)


class _Kept:
    """A saved tensor; a result of the function without its history, which would be a cycle."""

    __slots__ = ("history", "index", "kept", "version")

    def __init__(self, tensor: Tensor, outputs: tuple) -> None:
        self.index = next((index for index, output in enumerate(outputs) if output is tensor), None)
        self.history = tensor._node is not None
        if self.index is not None:
            shared = shared_of(tensor)
            tensor = Tensor(tensor._array, tensor._device)
            tensor._alias = shared
        self.version = tensor._version
        self.kept = packing.pack(tensor) if state.packers else tensor

    def tensor(self, node: FunctionNode) -> Tensor:
        """Return the saved tensor with its history."""
        found = packing.unpack(self.kept)
        if found is self.kept and found._version != self.version:
            raise GradError(
                f"{node.op.name}: a {found.dtype} tensor of sizes {tuple(found.shape)} saved for its backward has been "
                f"modified by an in-place operation: it is at version {found._version}, expected version "
                f"{self.version}; save a copy made by .clone()"
            )
        if self.index is None:
            return found
        twin = Tensor(found._array, found._device)
        twin._alias = found._alias
        if self.history:
            twin._node = Output(node, self.index)
        return twin
