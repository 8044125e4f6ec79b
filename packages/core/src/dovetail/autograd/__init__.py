"""Gradients: ``backward`` and ``grad``, over the tape (``graph``), the walk (``engine``) and ``no_grad``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dovetail.autograd import hooks
from dovetail.autograd.bare import accumulate
from dovetail.autograd.engine import leading_to, walk
from dovetail.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from dovetail.autograd.graph import LEAF
from dovetail.autograd.hooks import place_of
from dovetail.errors import GradError
from dovetail.modes import set_recording, state
from dovetail.tensor import Tensor

__all__ = [
    "Function", "Variable", "backward", "enable_grad", "grad", "gradcheck", "gradgradcheck", "inference_mode",
    "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
]  # fmt: skip

_LATE = {
    "Function": "dovetail.autograd.function",
    "Variable": "dovetail.autograd.variable",
    "function": "",
    "functional": "",
    "gradcheck": "dovetail.testing.gradcheck",
    "gradgradcheck": "dovetail.testing.gradcheck",
    "variable": "",
    **dict.fromkeys(("detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"), "dovetail.modes.guard"),
}


def __getattr__(name: str) -> Any:
    """Import what few programs need when it is first used."""
    if name not in _LATE:
        raise AttributeError(f"module 'dovetail.autograd' has no attribute {name!r}; it has {__all__}", name=name)
    if not _LATE[name]:
        return import_module(f"dovetail.autograd.{name}")
    value = globals()[name] = getattr(import_module(_LATE[name]), name)
    return value


if TYPE_CHECKING:
    from dovetail.autograd.function import Function
    from dovetail.autograd.variable import Variable
    from dovetail.testing.gradcheck import gradcheck, gradgradcheck


def _roots(tensors: Sequence[Any], grads: Sequence[Any], what: str) -> list[tuple[Any, Any]]:
    """Pair each tensor's edge with its starting gradient, ones for a single element."""
    if len(tensors) != len(grads):
        raise GradError(f"{what}: got {len(tensors)} tensors and {len(grads)} gradients; give one for each")
    roots = []
    for tensor, grad in zip(tensors, grads, strict=True):
        if tensor._node is None:
            raise GradError(
                f"{what}: a {tensor.dtype} tensor of sizes {tuple(tensor.shape)} does not require grad and does not "
                "have a grad_fn; was it made under no_grad, detached, or computed from tensors without requires_grad?"
            )
        if grad is None:
            if tensor.numel() != 1:
                raise GradError(
                    f"{what}: grad can be implicitly created only for scalar outputs, and this one has sizes "
                    f"{tuple(tensor.shape)}; reduce it by .sum() or .mean(), or give gradient="
                )
            if tensor.dtype.is_complex:
                raise GradError(
                    f"{what}: grad can be implicitly created only for real outputs, and this one is {tensor.dtype}; "
                    "take .abs() or .real, or give gradient="
                )
            grad = _ones_like(tensor)
        else:
            grad = _starting(tensor, grad, what)
        roots.append((tensor if tensor._node is LEAF else tensor._node, grad))
    return roots


def _ones_like(tensor: Any) -> Tensor:
    ones = tensor._device.backend.ones_at_once(tensor._array)
    if ones is not None:
        return Tensor(ones, tensor._device)
    from dovetail.creation import ones_like

    return ones_like(tensor)


def _starting(tensor: Any, grad: Any, what: str) -> Any:
    """Return a given gradient of ``tensor``, in its dtype."""
    if not isinstance(grad, Tensor):
        raise TypeError(f"{what}: gradients can be either tensors or None, but got {type(grad).__name__}")
    if tuple(grad.shape) != tuple(tensor.shape):
        raise GradError(
            f"{what}: the gradient has sizes {tuple(grad.shape)}, the tensor {tuple(tensor.shape)}; they must agree"
        )
    if grad.dtype is tensor.dtype:
        return grad
    if grad.dtype.is_complex or tensor.dtype.is_complex:
        raise GradError(f"{what}: the gradient is {grad.dtype}, the tensor {tensor.dtype}; complex ones must agree")
    return grad.to(tensor.dtype)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of ``tensors`` to the ``grad`` of the leaves that they were computed from.

    Args:
        tensors: a tensor or a sequence of them.
        grad_tensors: the gradient of each, of its shape; may be None for tensors of one element.
        retain_graph: keep what the ops saved, for another pass; by default as ``create_graph``.
        create_graph: record the pass itself, so that gradients can be differentiated.
        inputs: the only tensors whose ``grad`` to add to; all leaves by default.

    Raises:
        GradError: nothing to go back through, saved values freed or written to, or a gradient of the wrong shape.

    Example::

        >>> import dovetail
        >>> x = dovetail.tensor([1.0, 2.0], requires_grad=True)
        >>> dovetail.autograd.backward((x * x).sum())
        >>> x.grad
        tensor([2., 4.])
    """
    tensors = _as_tuple(tensors)
    grads = (None,) * len(tensors) if grad_tensors is None else _as_tuple(grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    outer = state.grad
    set_recording(bool(create_graph) and not state.inference)
    try:
        if inputs is None:
            walk(_roots(tensors, grads, "backward"), retain, create_graph, accumulate, {})
        else:
            _backward_to(_as_tuple(inputs), _roots(tensors, grads, "backward"), retain, create_graph)
    finally:
        set_recording(outer)


def _backward_to(inputs: tuple, roots: list, retain: bool, create: bool) -> None:
    """Walk, and fill the ``grad`` of some tensors alone."""
    wanted = {id(tensor) for tensor in _fillable(inputs)}

    def receive(leaf: Any, grad: Any, fresh: bool) -> None:
        if id(leaf) in wanted:
            accumulate(leaf, grad, fresh)

    places = [place_of(tensor._node) for tensor in inputs if tensor._node is not LEAF]
    watched: dict[tuple[int, int], Callable[[Any], None]] = {
        (node.sequence, index): _let_pass for node, index in places
    }
    leading = leading_to(roots, wanted, {node.sequence for node, _ in places})
    walk(roots, retain, create, receive, watched, leading, wanted)


def _let_pass(grad: Any) -> None:
    """Take note of no gradient: the tensor retains it itself."""


def _fillable(inputs: tuple) -> tuple:
    """Return the tensors whose ``grad`` is to be filled, and have the computed ones among them retain it."""
    if not inputs:
        raise GradError(
            "backward: inputs is empty; name the tensors whose grad to fill, or leave it out for all leaves"
        )
    for position, tensor in enumerate(inputs):
        if tensor._node is None:
            raise GradError(f"backward: input {position} does not require grad, so that it cannot be given one")
        if tensor._node is not LEAF:
            hooks.retain(tensor, tensor._node)
    return inputs


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """Return the gradients of ``outputs`` with respect to ``inputs``, as a tuple; no ``grad`` is changed.

    Args:
        outputs, inputs: a tensor or a sequence of them.
        grad_outputs: the gradient of each output; may be None for outputs of one element.
        retain_graph, create_graph: as for ``backward``.
        only_inputs: not looked at; no other tensor's ``grad`` is ever changed.
        allow_unused: give None for an input that no output was computed from, instead of an error.
        is_grads_batched: ``grad_outputs`` have one dimension more, their first; so have the results.
        materialize_grads: give zeros for such an input.

    Raises:
        GradError: an input was not used, or does not need a gradient; and what ``backward`` raises.
        ValueError: unused inputs are to be zeros and an error.

    Example::

        >>> import dovetail
        >>> x = dovetail.tensor(3.0, requires_grad=True)
        >>> dovetail.autograd.grad(x ** 3, x)
        (tensor(27.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True gives zeros for unused inputs, so leave allow_unused=False out")
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    if not inputs:
        raise GradError("grad: inputs is empty; name the tensors to differentiate with respect to")
    grads = (None,) * len(outputs) if grad_outputs is None else _as_tuple(grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        return _batched(outputs, inputs, grads, retain, create_graph, allow_unused, materialize_grads)
    for position, tensor in enumerate(inputs):
        if tensor._node is None:
            raise GradError(f"grad: input {position} does not require grad; call .requires_grad_() before using it")
    with set_grad_enabled(bool(create_graph)):
        found = _gradients_of(inputs, _roots(outputs, grads, "grad"), retain, create_graph)
    if materialize_grads:
        from dovetail.creation import zeros_like

        return tuple(zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True))
    if not allow_unused and any(g is None for g in found):
        unused = [position for position, g in enumerate(found) if g is None]
        raise GradError(
            f"grad: no output was computed from inputs {unused}; say allow_unused=True to get None for them"
        )
    return tuple(found)


def _batched(outputs: tuple, inputs: tuple, grads: tuple, retain: bool, *rest: Any) -> tuple:
    """Return the gradients for each of several gradients of the outputs, which the first dimension counts."""
    from dovetail.methods.shape import stack

    create, unused, materialize = rest
    sizes = {len(grad) for grad in grads if grad is not None}
    if len(sizes) != 1:
        raise GradError(f"grad: is_grads_batched needs gradients with the same number of batches, got {sorted(sizes)}")
    (size,) = sizes
    rows = [
        grad(outputs, inputs, [given if given is None else given[row] for given in grads], retain or row < size - 1,
             create, True, unused, False, materialize)
        for row in range(size)
    ]  # fmt: skip
    return tuple(None if columns[0] is None else stack(list(columns)) for columns in zip(*rows, strict=True))


def _gradients_of(inputs: tuple, roots: list, retain: bool, create: bool) -> list:
    """Walk, and return the gradient of each input, leaf or not, or None."""
    found: list[Any] = [None] * len(inputs)
    leaves: dict[int, list[int]] = {}
    watched: dict[tuple[int, int], Callable[[Any], None]] = {}

    def receiver(positions: list[int]) -> Callable[[Any], None]:
        def tell(grad: Any) -> None:
            for position in positions:
                found[position] = grad if found[position] is None else found[position] + grad

        return tell

    places: dict[tuple[int, int], list[int]] = {}
    for position, tensor in enumerate(inputs):
        node = tensor._node
        if node is LEAF:
            leaves.setdefault(id(tensor), []).append(position)
        else:
            made_by, index = place_of(node)
            places.setdefault((made_by.sequence, index), []).append(position)
    for key, positions in places.items():
        watched[key] = receiver(positions)

    def receive(leaf: Any, grad: Any, fresh: bool) -> None:
        if id(leaf) in leaves:
            receiver(leaves[id(leaf)])(grad)

    leading = leading_to(roots, set(leaves), {key[0] for key in places})
    walk(roots, retain, create, receive, watched, leading, leaves)
    return found


def gradients_of_composition(composed: Callable[..., Any], g: Any, values: tuple) -> list:
    """Return the gradient of ``composed(*values)``, given that of its results, for each value (None where none)."""
    create = state.grad
    with enable_grad():
        twins = [
            value.reshape(value.shape) if isinstance(value, Tensor) and value._node is not None else value
            for value in values
        ]
        results = composed(*twins)
    results, gs = _as_tuple(results), _as_tuple(g)
    pairs = [
        (out, given) for out, given in zip(results, gs, strict=True) if given is not None and out._node is not None
    ]
    wanted = [position for position, twin in enumerate(twins) if twin is not values[position]]
    found: list[Any] = [None] * len(values)
    if pairs and wanted:
        outputs, grads = zip(*pairs, strict=True)
        parts = grad(outputs, [twins[position] for position in wanted], grads, None, create, allow_unused=True)
        for position, part in zip(wanted, parts, strict=True):
            found[position] = part
    return found


def _as_tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)
