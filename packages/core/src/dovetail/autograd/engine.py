"""The walk back through the tape, newest node first."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from dovetail.autograd import hooks
from dovetail.autograd.bare import BareWalk, accumulate, device_of_bare_walk
from dovetail.autograd.graph import Node, Output, SmallNode, saved_values
from dovetail.errors import ShapeError
from dovetail.modes import active as active_modes
from dovetail.modes import state, tell, through_node
from dovetail.tensor import Tensor

Receive = Callable[[Any, Any, bool], None]


def walk(
    roots: list[tuple[Any, Any]],
    retain: bool,
    create: bool,
    receive: Receive,
    watched: dict[tuple[int, int], Callable[[Any], None]],
    leading: set[int] | None = None,
    wanted: Any = None,
) -> None:
    """Go back from the roots and hand the gradients of leaves to ``receive(leaf, gradient, made anew)``.

    Args:
        roots: pairs of an edge and its gradient.
        retain: keep what the nodes saved; create: the pass itself is being recorded.
        watched: by (node's sequence, index of its result) a function that is given that result's whole gradient.
        leading: sequences of the only nodes to go through; all by default.
        wanted: ids of the only leaves whose hooks are to run; all by default.
    """
    hooked = hooks.nodes
    seen = create or watched or active_modes or hooked or hooks.leaves
    device = None if seen else device_of_bare_walk(roots)
    if device is not None:
        bare = BareWalk(device, None if receive is accumulate else receive)
        for edge, grad in roots:
            bare.give(edge, bare.bared(grad), False)
        del roots
        bare.run(retain, leading)
        return
    heap: list[int] = []
    pending: dict[int, list] = {}
    if hooks.leaves:
        receive = _gathered(roots, receive, heap, pending, leading, wanted)
    for edge, grad in roots:
        give(edge, grad, False, heap, pending, receive)
    del roots
    while heap:
        node, g = pending.pop(heappop(heap))
        if watched or hooked:
            g = _arrived(watched, leading, node, g)
            if hooked and _ran_hooked(node, g, retain, create, heap, pending, receive, leading):
                continue
        if leading is None or node.sequence in leading:
            if active_modes and state.modes:
                through_node(node, _pass_on, g, retain, create, heap, pending, receive)
            else:
                _pass_on(node, g, retain, create, heap, pending, receive)


def _pass_on(
    node: Node, g: Any, retain: bool, create: bool, heap: list[int], pending: dict[int, list], receive: Receive
) -> None:
    """Run the rules of one node's inputs, free what it saved, and give the gradients to where the inputs came from."""
    saved = node.saved
    grads = gradients(node, g, create)
    if not retain and node.op.keeps_tensors:  # shapes and options may stay, as they do in PyTorch
        node.free()
    for position, (edge, grad) in enumerate(zip(node.edges, grads, strict=True)):
        if edge is not None and grad is not None:
            grad = fitted(grad, edge, node.op, position)
            if active_modes and state.modes:
                tell("gradient", node, position, grad, g, saved)
            give(edge, grad, grad is not g, heap, pending, receive)


def gradients(node: Node, g: Any, create: bool) -> Any:
    """Return the gradient of each of a node's inputs by its rules, None where none is needed.

    Raises:
        GradError: what the node saved was freed, or written to.
    """
    op, saved = node.op, node.saved
    if saved is not None:
        saved = saved_values(node, create)
    if op.joint:
        return op.evaluators[0](tuple(g) if g.__class__ is list else g, saved)
    return [
        None if edge is None or evaluate is None else evaluate(g, saved)
        for edge, evaluate in zip(node.edges, op.evaluators, strict=True)
    ]


def fitted(grad: Any, edge: Any, op: Any, position: int) -> Any:
    """Return a gradient in the shape of the tensor that it belongs to: summed where that was broadcast."""
    shape = edge._array.shape if isinstance(edge, Tensor) else edge.shape
    return grad if grad._array.shape == shape else unbroadcast(grad, shape, op, position)


def give(edge: Any, grad: Any, fresh: bool, heap: list[int], pending: dict[int, list], receive: Receive) -> None:
    """Add a gradient to what a node has pending, or hand it to a leaf."""
    kind = edge.__class__
    if kind is SmallNode or kind is Node:
        entry = pending.get(edge.sequence)
        if entry is None:
            pending[edge.sequence] = [edge, grad]
            heappush(heap, edge.sequence)
        else:
            entry[1] = entry[1] + grad
    elif kind is Output:
        node = edge.node
        entry = pending.get(node.sequence)
        if entry is None:
            entry = pending[node.sequence] = [node, [None] * len(node.op.outputs)]
            heappush(heap, node.sequence)
        found = entry[1][edge.index]
        entry[1][edge.index] = grad if found is None else found + grad
    else:
        receive(edge, grad, fresh)


def _gathered(roots: list, receive: Receive, heap: list, pending: dict, leading: Any, wanted: Any) -> Receive:
    """Return a receiver that runs the hooks of leaves."""
    from dovetail.autograd.running import gather

    def unexpected(edge: Any, grad: Any, fresh: bool) -> None:
        raise AssertionError("a node has no leaf's gradient")

    return gather(
        roots, receive, lambda node, grad: give(node, grad, False, heap, pending, unexpected), leading, wanted
    )


def _ran_hooked(
    node: Node, g: Any, retain: bool, create: bool, heap: list, pending: dict, receive: Receive, leading: Any
) -> bool:
    """Run a node between its own hooks, if it has any; returns whether that was so."""
    own = getattr(node, "hooks", None)
    if own is None or not (own.before or own.after) or (leading is not None and node.sequence not in leading):
        return False
    from dovetail.autograd.running import pass_on_hooked

    pass_on_hooked(
        node,
        g,
        lambda grads, collect: _pass_on(node, grads, retain, create, heap, pending, collect),
        lambda edge, grad: give(edge, grad, False, heap, pending, receive),
    )
    return True


def _arrived(watched: dict[tuple[int, int], Callable[[Any], None]], leading: Any, node: Node, g: Any) -> Any:
    """Hand the gradients of a node's results to those who asked for them, and run the hooks of the results.

    As in PyTorch, those who asked get what the hooks made of it only where the walk goes no further.
    """
    grads = g if g.__class__ is list else [g]
    asked = [(watched[place], index) for index in range(len(grads)) if (place := (node.sequence, index)) in watched]
    goes_on = leading is None or node.sequence in leading
    if goes_on:
        _tell(asked, grads)
    if getattr(node, "hooks", None) is not None and (goes_on or asked):
        from dovetail.autograd.running import arrived

        grads = arrived(node.hooks, list(grads))
    if not goes_on:
        _tell(asked, grads)
    return grads if g.__class__ is list else grads[0]


def _tell(asked: list[tuple[Callable[[Any], None], int]], grads: list) -> None:
    for receive, index in asked:
        if grads[index] is not None:
            receive(grads[index])


def unbroadcast(grad: Any, shape: tuple, op: Any, position: int) -> Any:
    """Sum a gradient over the dimensions in which its input was broadcast.

    Raises:
        ShapeError: its sizes are not the input's broadcast ones: the rule is wrong.
    """
    found = tuple(grad._array.shape)
    extra = len(found) - len(shape)
    widened = tuple(range(extra)) + tuple(
        extra + axis for axis, size in enumerate(shape) if size == 1 and extra >= 0 and found[extra + axis] != 1
    )
    if (
        extra < 0
        or any(size != found[extra + axis] != 1 for axis, size in enumerate(shape) if size != 1)
        or any(size != 1 and found[extra + axis] == 1 for axis, size in enumerate(shape))
    ):
        name = op.inputs[0 if op.variadic else position]
        raise ShapeError(f"{op.name}: the gradient rule for {name!r} gave sizes {found} for an input of sizes {shape}")
    return grad.sum(widened, keepdim=True).reshape(shape) if widened else grad.reshape(shape)


def leading_to(roots: list[tuple[Any, Any]], leaves: set[int], sequences: set[int]) -> set[int]:
    """Return the sequences of the nodes from which a wanted leaf (by id) or node (by sequence) can be reached."""
    nodes: dict[int, Node] = {}
    stack = [edge for edge, _ in roots]
    while stack:
        edge = stack.pop()
        node = edge.node if type(edge) is Output else edge
        if isinstance(node, Node) and node.sequence not in nodes:
            nodes[node.sequence] = node
            stack.extend(edge for edge in node.edges if edge is not None)
    leading: set[int] = set()
    for sequence in sorted(nodes, reverse=True):  # a node's inputs come first
        for edge in nodes[sequence].edges:
            node = edge.node if type(edge) is Output else edge
            if isinstance(node, Node):
                if node.sequence in leading or node.sequence in sequences:
                    leading.add(sequence)
            elif edge is not None and id(edge) in leaves:
                leading.add(sequence)
    return leading
