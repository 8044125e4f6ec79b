"""Hooks that see the gradients of a module's inputs and outputs."""

from __future__ import annotations

import warnings
from typing import Any

from dovetail import Tensor
from dovetail.autograd.function import Function
from dovetail.errors import GradError
from dovetail.modes import state


class ModuleBoundary(Function):
    """Passes tensors on; all that enters a module, or leaves it, does so through one node, where gradients meet."""

    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> Any:
        """Return the tensors."""
        ctx.mark_non_differentiable(*[tensor for tensor in tensors if not tensor.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Return the gradients."""
        return grads


class Boundary:
    """One call of a module with backward hooks: it passes the inputs and outputs on and hooks the nodes of both.

    Args:
        module: whose call it is.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.before = [hook for hook, first in module._backward_hooks.values() if first]
        self.after = [hook for hook, first in module._backward_hooks.values() if not first]
        self.inputs: list[int] | None = None  # positions of the tensors; None where no input needs a gradient
        self.input_count = self.output_count = 0
        self.outputs: list[int] = []
        self.grad_outputs: Any = None

    def entered(self, args: tuple) -> tuple:
        """Return the inputs, with the node in their history that calls the hooks last of all."""
        self.input_count = len(args)
        args, positions, node = _through_one_node(args)
        if node is not None:
            self.inputs = positions
            node.register_hook(self._reached_inputs)
        return args

    def left(self, results: Any) -> Any:
        """Return the outputs, with the node in their history that a backward pass comes to first."""
        values, positions, node = _through_one_node(results if isinstance(results, tuple) else (results,))
        self.output_count, self.outputs = len(values), positions
        if node is not None:
            node.register_prehook(self._reached_outputs)
        return values if isinstance(results, tuple) else values[0]

    def _reached_outputs(self, grads: tuple) -> tuple:
        self.grad_outputs = _spread(self.outputs, grads, self.output_count)
        for hook in self.before:
            given = hook(self.module, self.grad_outputs)
            if given is not None:
                self.grad_outputs = _as_many(given, self.grad_outputs, "pre", "grad_output")
        found = self.grad_outputs
        if self.inputs is None:
            self._call_without_inputs()
        return tuple(found[position] for position in self.outputs)

    def _call_without_inputs(self) -> None:
        if self.after:
            warnings.warn(
                f"a full backward hook of {type(self.module).__name__} gets the gradients of the outputs only, since "
                "no input requires a gradient",
                stacklevel=2,
            )
        for hook in self.after:
            given = hook(self.module, (None,) * self.input_count, self.grad_outputs)
            if given is not None and not (isinstance(given, tuple) and all(part is None for part in given)):
                raise GradError(
                    f"a full backward hook of {type(self.module).__name__} returned gradients, and no input requires "
                    "one; it should return None"
                )
        self.grad_outputs = None

    def _reached_inputs(self, grads: tuple, _: tuple) -> tuple | None:
        if self.grad_outputs is None or self.inputs is None:
            return None  # the gradient has come to the inputs by another way than the outputs
        found = _spread(self.inputs, grads, self.input_count)
        for hook in self.after:
            given = hook(self.module, found, self.grad_outputs)
            if given is not None:
                found = _as_many(given, found, "", "grad_input")
        self.grad_outputs = None
        return tuple(found[position] for position in self.inputs)


def _through_one_node(values: tuple) -> tuple[tuple, list[int], Any]:
    """Return the values with the tensors among them led through one node, these tensors' positions, and the node."""
    positions = [position for position, value in enumerate(values) if isinstance(value, Tensor)]
    if not state.grad or not any(values[position].requires_grad for position in positions):
        return values, positions, None
    passed = ModuleBoundary.apply(*[values[position] for position in positions])
    replaced = dict(zip(positions, passed, strict=True))
    node = next(value.grad_fn for value in passed if value.grad_fn is not None)
    return tuple(replaced.get(position, value) for position, value in enumerate(values)), positions, node


def _spread(positions: list[int], grads: tuple, count: int) -> tuple:
    placed = dict(zip(positions, grads, strict=True))
    return tuple(placed.get(position) for position in range(count))


def _as_many(given: Any, grads: tuple, kind: str, what: str) -> tuple:
    given = given if isinstance(given, tuple) else (given,)
    if len(given) != len(grads):
        name = f"a full backward {kind} hook" if kind else "a full backward hook"
        raise GradError(f"{name} returned {len(given)} {what}s in place of {len(grads)}; return as many, or None")
    return given
