"""The walk back on bare arrays: what ``engine`` does, where nothing records or sees the pass.

Most gradient rules are arithmetic. Applied to arrays they give the same numbers as on tensors, at a third of the cost;
a node whose rules are more than that gets its gradient as a tensor, as does every leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush, heappushpop
from typing import Any

from numpy import asarray, ndarray

from dovetail.autograd import hooks
from dovetail.autograd.graph import PLACES, Node, Output, SmallNode
from dovetail.backends.base import Backend
from dovetail.device import Device
from dovetail.kernels import plugin_kernels
from dovetail.modes import state
from dovetail.op import OPS, Op, parameters_of
from dovetail.tensor import Tensor, new_tensor
from dovetail.views import add_into

NODES = (SmallNode, Node)
IN_GRAPH = (*NODES, Output)  # what an edge is where it leads to no leaf
FLOATING = 2  # DType.category; bfloat16 has another in ``Device.categories``, since NumPy makes float32 of it


def device_of_bare_walk(roots: list[tuple[Any, Any]]) -> Device | None:
    """Return the roots' device where operators on its arrays give what the ops give, otherwise None."""
    device: Any = None
    for _, grad in roots:
        if device is None:
            device = grad._device
        elif grad._device is not device:
            return None
    return device if device is not None and device.backend.plain_operators else None


class BareWalk:
    """One pass back from some roots, all on one device.

    Args:
        device: the roots' device.
        receive: takes the gradients of the leaves, as tensors; None adds them to the leaves' ``grad``.
    """

    __slots__ = ("device", "heap", "pending", "receive")

    def __init__(self, device: Device, receive: Callable[[Any, Any, bool], None] | None) -> None:
        self.device = device
        self.receive = receive
        self.heap: list[int] = []
        self.pending: dict[int, list] = {}  # by a node's sequence the node and its gradient so far

    def run(self, retain: bool, leading: set[int] | None) -> None:
        """Go through all nodes that have a gradient pending, and those that get one, newest first."""
        heap, pending, device = self.heap, self.pending, self.device
        following: Any = None  # a node that the last one led to: most often the next, so that it is not put in the heap
        gradient: Any = None
        while heap or following is not None:
            if following is None:
                node, g = pending.pop(heappop(heap))
            elif not heap or following.sequence < heap[0]:
                node, g = following, gradient
            else:
                pending[following.sequence] = [following, gradient]
                node, g = pending.pop(heappushpop(heap, following.sequence))
            following = gradient = None
            if leading is not None and node.sequence not in leading:
                continue
            op, grads = node.op, None
            if g.__class__ is not Tensor:
                try:
                    grads = op.plain[device](node, g)
                except Exception:  # freed, another dtype, or a warning that is an error: the rules say it, or mend it
                    grads = None
            if grads is None:
                grads = self.by_rules(node, g)
            if not retain and op.keeps_tensors:  # shapes and options may stay, as they do in PyTorch
                node.free()
            edges = (node.first, node.second) if node.__class__ is SmallNode else node.edges
            for edge, grad in zip(edges, grads):  # noqa: B905  # to say strict= costs as much as the loop
                if edge is None or grad is None:
                    continue
                if edge.__class__ not in NODES:
                    self.give_leaf(edge, grad, node, grad is not g)
                    continue
                if grad.shape != edge.shape:
                    grad = self.fitted(grad, edge, node)
                if following is edge:
                    gradient = gradient + grad
                elif following is None and edge.sequence not in pending:
                    following, gradient = edge, grad
                else:
                    self.give(edge, grad, True)

    def give_leaf(self, edge: Any, grad: Any, node: Node, fresh: bool) -> None:
        """Hand a gradient to a leaf, or to one of a node's several results."""
        plain = self.receive is None and edge.__class__ is not Output and grad.__class__ is not Tensor
        if plain and grad.shape == edge._array.shape:
            self.add(edge, grad, fresh)
        else:
            self.give(edge, self.fitted(grad, edge, node), fresh)

    def by_rules(self, node: Node, g: Any) -> list:
        """Return the gradients of a node's inputs by the op's rules on tensors."""
        from dovetail.autograd.engine import gradients

        g = [self.dressed(part) for part in g] if g.__class__ is list else self.dressed(g)
        return [self.bared(grad) for grad in gradients(node, g, False)]

    def give(self, edge: Any, grad: Any, fresh: bool) -> None:
        """Add a gradient to what a node has pending, or hand it to a leaf."""
        kind = edge.__class__
        if kind not in IN_GRAPH:
            if self.receive is not None:
                self.receive(edge, self.dressed(grad), fresh)
            else:
                self.add(edge, grad, fresh)
            return
        node = edge.node if kind is Output else edge
        entry = self.pending.get(node.sequence)
        if entry is None:
            entry = self.pending[node.sequence] = [node, [None] * len(node.op.outputs) if kind is Output else None]
            heappush(self.heap, node.sequence)
        if kind is not Output:
            entry[1] = grad if entry[1] is None else entry[1] + grad
        else:
            found = entry[1][edge.index]
            entry[1][edge.index] = grad if found is None else found + grad

    def add(self, leaf: Tensor, grad: Any, fresh: bool) -> None:
        """Add a gradient to a leaf's ``grad``, an array without a tensor around it where that is possible."""
        total = leaf._grad
        backend = self.device.backend
        if isinstance(grad, Tensor):
            accumulate(leaf, grad, fresh)
        elif total is None:
            out = leaf._grad = new_tensor()
            out._array = grad if fresh and backend.is_owner(grad) else backend.copy(grad)
            out._device = self.device
            out._node = out._alias = out._grad = None
        elif total._alias is None and total._array.dtype is grad.dtype and total._device is self.device:
            total._array = backend.add_into(total._array, grad)
        else:
            add_into(total, Tensor(grad, self.device))

    def fitted(self, grad: Any, edge: Any, node: Node) -> Any:
        """Return a gradient in the shape of the tensor that it belongs to: summed where that was broadcast."""
        shape = edge.shape if edge.__class__ in IN_GRAPH else edge._array.shape
        if grad.shape == shape:
            return grad
        from dovetail.autograd.engine import unbroadcast

        position = next(position for position, other in enumerate(node.edges) if other is edge)
        return self.bared(unbroadcast(self.dressed(grad), shape, node.op, position))

    def bared(self, grad: Any) -> Any:
        """Return the array of a gradient that may go on without its tensor: real numbers on the walk's device."""
        if grad is None or grad._device is not self.device or self.device.categories[grad._array.dtype] != FLOATING:
            return grad
        return grad._array

    def dressed(self, grad: Any) -> Any:
        """Return a gradient as a tensor."""
        return grad if grad is None or isinstance(grad, Tensor) else Tensor(grad, self.device)


def accumulate(leaf: Any, grad: Any, fresh: bool) -> None:
    """Add a gradient to a leaf's ``grad``; the first one is kept as it is where nobody else can hold its memory."""
    if leaf._grad is None:
        leaf._grad = grad if fresh and grad._device.backend.is_owner(grad._array) else grad.clone()
    elif state.grad:
        leaf._grad = leaf._grad + grad
    else:
        add_into(leaf._grad, grad)
    if hooks.leaves:
        from dovetail.autograd.running import accumulated

        accumulated(leaf)


# Gradients without tensors: a backend's own, or rules that are arithmetic alone

ARITHMETIC = ("add", "sub", "mul", "div", "neg", "pow")


def gradients_on_arrays(op: Op, backend: Backend) -> Callable[[Node, Any], Any]:
    """Return what gives the gradients of an op from bare arrays, where no plug-in's kernel would be passed over.

    It gives None for a case, or all cases, that the rules are to take.
    """
    if OPS.get(op.name) is not op:  # an autograd.Function, or what stands for something in the graph
        return by_rules_alone
    own, stands_for = backend.gradients.get(op.name, (None, ARITHMETIC))
    served = plugin_kernels().get(backend.name, {})
    return by_rules_alone if any(name in served for name in stands_for) else own or plain_gradients(op)


def by_rules_alone(node: Node, g: Any) -> None:
    """Pass every case on."""


def plain_gradients(op: Op) -> Callable[[Node, Any], Any]:
    """Return what gives the gradients of a node's inputs from bare arrays, if the op's rules are arithmetic.

    It is a function of the node and the array that came back, which gives None where saved values have another dtype or
    were changed. It is written as source, one
    straight piece, since each call between functions would cost as much as a sum of two small arrays.
    """
    rules: list[Any] = [op.rules.get(name) for name in op.inputs]
    if op.joint or not all(_is_plain(op, rule) for rule in rules):
        return by_rules_alone
    lines = ["def gradients(node, g):"]
    if not op.small:
        lines.append("  edges, saved, versions = node.edges, node.saved, node.versions")
    for place, rule in enumerate(rules):
        edge = ("node.first", "node.second")[place] if op.small else f"edges[{place}]"
        lines += [f"  grad{place} = None", f"  if {edge} is not None:"]
        lines += [line for word in parameters_of(rule)[1:] for line in _fetching(word, op)]
        lines.append(f"    grad{place} = {_call_of(rule, place)}")
    lines.append("  return " + "".join(f"grad{place}, " for place in range(len(rules))))
    names: dict[str, Any] = {f"rule{place}": rule for place, rule in enumerate(rules)}
    names |= {"asarray": asarray, "ndarray": ndarray}
    exec("\n".join(lines), names)
    return names["gradients"]


_SAME = (lambda g: g).__code__.co_code


def _call_of(rule: Any, place: int) -> str:
    return "g" if rule.__code__.co_code == _SAME else f"rule{place}({', '.join(parameters_of(rule))})"


def _is_plain(op: Op, rule: Any) -> bool:
    """Return whether operators on tensors are all that a gradient rule uses."""
    code = getattr(rule, "__code__", None)
    if code is None or code.co_names or code.co_freevars:
        return False
    return all(word in op.inputs or word in op.outputs for word in parameters_of(rule)[1:])


def _fetching(word: str, op: Op) -> list[str]:
    """Return the lines that get a saved value's array: unchanged since, and of the dtype of ``g``."""
    slot = op.kept.index(word)
    versions = "node.versions" if op.small else "versions"
    expected = f"(0 if {versions} is None else {versions}[{slot}])"
    return [
        f"    {word} = node.{PLACES[slot]}" if op.small else f"    {word} = saved[{slot}]",
        f"    if {word}.__class__ is float or {word}.__class__ is int:",
        f"      if g.__class__ is ndarray: {word} = asarray({word}, g.dtype)",
        "    else:",
        f"      alias = {word}._alias",
        f"      if alias is not None and alias.version != {expected}: return None",
        f"      {word} = {word}._array",
        f"      if not ({word}.__class__ is g.__class__ is not ndarray or {word}.dtype is g.dtype): return None",
    ]
