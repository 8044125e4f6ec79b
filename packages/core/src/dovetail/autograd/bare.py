"""The walk back on bare arrays: what ``engine`` does, where nothing records or sees the pass.

Most gradient rules are arithmetic. Applied to arrays they give the same numbers as on tensors, at a third of the cost;
a node whose rules are more than that gets its gradient as a tensor, as does every leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from numpy import asarray, ndarray

from dovetail.autograd.graph import FREED, Node, Output
from dovetail.device import Device
from dovetail.op import UNKNOWN, Op, parameters_of
from dovetail.tensor import Tensor

FLOATING = 2  # DType.category; bfloat16 has another in ``Device.categories``, since NumPy makes float32 of it


def device_of_bare_walk(roots: list[tuple[Any, Any]]) -> Device | None:
    """Return the roots' device where operators on its arrays give what the ops give, otherwise None."""
    device = roots[0][1]._device if roots else None
    if device is None or not device.backend.plain_operators or any(grad._device is not device for _, grad in roots):
        return None
    return device


class BareWalk:
    """One pass back from some roots, all on one device; ``receive`` takes the gradients of the leaves, as tensors."""

    __slots__ = ("device", "heap", "pending", "receive")

    def __init__(self, device: Device, receive: Callable[[Any, Any, bool], None]) -> None:
        self.device = device
        self.receive = receive
        self.heap: list[int] = []
        self.pending: dict[int, list] = {}  # by a node's sequence the node and its gradient so far

    def run(self, retain: bool, leading: set[int] | None) -> None:
        """Go through all nodes that have a gradient pending, and those that get one, newest first."""
        heap, pending = self.heap, self.pending
        while heap:
            node, g = pending.pop(heappop(heap))
            if leading is not None and node.sequence not in leading:
                continue
            op, edges = node.op, node.edges
            plain = op.plain
            if plain is UNKNOWN:
                plain = op.plain = plain_gradients(op)
            grads = None if plain is None or g.__class__ in (list, Tensor) else plain(edges, g, node.saved)
            if grads is None:
                grads = self.gradients(node, g)
            if not retain and op.keeps_tensors:  # shapes and options may stay, as they do in PyTorch
                node.saved = FREED
            for position, edge in enumerate(edges):
                grad = grads[position]
                if edge is None or grad is None:
                    continue
                if edge.__class__ is Node and edge.sequence not in pending and grad.shape == edge.shape:
                    pending[edge.sequence] = [edge, grad]
                    heappush(heap, edge.sequence)
                else:
                    self.give(edge, self.fitted(grad, edge, op, position), grad is not g)

    def gradients(self, node: Node, g: Any) -> list:
        """Return the gradients of a node's inputs by its rules on tensors."""
        from dovetail.autograd.engine import gradients

        g = [self.dressed(part) for part in g] if g.__class__ is list else self.dressed(g)
        return [self.bared(grad) for grad in gradients(node, g, False)]

    def give(self, edge: Any, grad: Any, fresh: bool) -> None:
        """Add a gradient to what a node has pending, or hand it to a leaf."""
        kind = edge.__class__
        if kind is not Node and kind is not Output:
            self.receive(edge, self.dressed(grad), fresh)
            return
        node = edge if kind is Node else edge.node
        entry = self.pending.get(node.sequence)
        if entry is None:
            entry = self.pending[node.sequence] = [node, None if kind is Node else [None] * len(node.op.outputs)]
            heappush(self.heap, node.sequence)
        if kind is Node:
            entry[1] = grad if entry[1] is None else entry[1] + grad
        else:
            found = entry[1][edge.index]
            entry[1][edge.index] = grad if found is None else found + grad

    def fitted(self, grad: Any, edge: Any, op: Op, position: int) -> Any:
        """Return a gradient in the shape of the tensor that it belongs to: summed where that was broadcast."""
        from dovetail.autograd.engine import unbroadcast

        shape = edge._array.shape if isinstance(edge, Tensor) else edge.shape
        return grad if grad.shape == shape else self.bared(unbroadcast(self.dressed(grad), shape, op, position))

    def bared(self, grad: Any) -> Any:
        """Return the array of a gradient that may go on without its tensor: real numbers on the walk's device."""
        if grad is None or grad._device is not self.device or self.device.categories[grad._array.dtype] != FLOATING:
            return grad
        return grad._array

    def dressed(self, grad: Any) -> Any:
        """Return a gradient as a tensor."""
        return grad if grad is None or isinstance(grad, Tensor) else Tensor(grad, self.device)


# Gradients by rules that are arithmetic alone

PlainRule = Callable[[Any, Any], Any]


def plain_gradients(op: Op) -> Callable[[tuple, Any, Any], Any] | None:
    """Return what gives the gradients of a node's inputs from bare arrays, or None for an op with other rules.

    It is a function of the node's edges, the array that came back and the saved values. It gives None where these are
    no case for it: of several dtypes, changed or freed, or where a warning is an error.
    """
    if op.joint or not op.evaluators:
        return None
    rules = [_plain_rule(op, op.rules.get(name)) for name in op.inputs]
    if None in rules or len(rules) > 2:
        return None
    if len(rules) == 1:
        return _gradient_of_one(rules[0])
    return _passed_on_twice if rules == [_passed_on, _passed_on] else _gradients_of_two(rules[0], rules[1])


def _gradient_of_one(rule: Any) -> Any:
    def gradients(edges: tuple, g: Any, saved: Any) -> Any:
        grad = rule(g, saved)
        return None if grad is NotImplemented else (grad,)

    return gradients


def _gradients_of_two(rule_x: Any, rule_y: Any) -> Any:
    def gradients(edges: tuple, g: Any, saved: Any) -> Any:
        edge_x, edge_y = edges
        grad_x = None if edge_x is None else rule_x(g, saved)
        grad_y = None if edge_y is None else rule_y(g, saved)
        return None if grad_x is NotImplemented or grad_y is NotImplemented else (grad_x, grad_y)

    return gradients


def _passed_on(g: Any, saved: Any) -> Any:
    return g


def _passed_on_twice(edges: tuple, g: Any, saved: Any) -> Any:
    return g, g


def _plain_rule(op: Op, rule: Any) -> PlainRule | None:
    """Return a gradient rule as a function of arrays, when operators are all that it uses."""
    code = getattr(rule, "__code__", None)
    if code is None or code.co_names or code.co_freevars:
        return None
    words = parameters_of(rule)[1:]
    if not words:
        return _passed_on if code.co_code == _SAME else lambda g, saved: rule(g)
    if any(word not in op.inputs and word not in op.outputs for word in words):
        return None
    slots = [op.kept.index(word) for word in words]
    return _rule_with_one(rule, slots[0]) if len(slots) == 1 else _rule_with_more(rule, slots)


_SAME = (lambda g: g).__code__.co_code


def _rule_with_one(rule: Any, slot: int) -> PlainRule:
    def plain(g: Any, saved: Any) -> Any:
        try:
            value = saved[slot]
            kind = value.__class__
            if kind is float or kind is int:
                return rule(g, asarray(value, g.dtype) if g.__class__ is ndarray else value)
            if value._alias is not None and value._alias.version:
                return NotImplemented
            value = value._array
            if value.__class__ is g.__class__ is not ndarray or value.dtype is g.dtype:
                return rule(g, value)
        except Exception:  # freed, or a warning that is an error: the rule on tensors says or mends it
            return NotImplemented
        return NotImplemented

    return plain


def _rule_with_more(rule: Any, slots: list[int]) -> PlainRule:
    def plain(g: Any, saved: Any) -> Any:
        try:
            values = [saved[slot] for slot in slots]
            arrays = [value if value.__class__ in (float, int) else value._array for value in values]
            for value, array in zip(values, arrays, strict=True):
                if value is not array and (
                    array.dtype is not g.dtype or (value._alias is not None and value._alias.version)
                ):
                    return NotImplemented
            return rule(g, *arrays)
        except Exception:  # as above
            return NotImplemented

    return plain
