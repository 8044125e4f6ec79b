"""Running hooks: what the walk does at nodes and leaves that have some."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from dovetail.autograd.graph import Node, Output, new_node
from dovetail.errors import GradError

Receive = Callable[[Any, Any, bool], None]


def changed_by(hooks: Iterable[Any], grad: Any) -> Any:
    """Return what hooks, each given what the one before it left, make of a gradient.

    Raises:
        TypeError: a hook gave something else than a tensor or None. GradError: a tensor of another shape or dtype.
    """
    for hook in tuple(hooks):
        replaced = hook(grad)
        if replaced is not None:
            _expect_like(replaced, grad, hook)
            grad = replaced
    return grad


def _expect_like(replaced: Any, grad: Any, hook: Any) -> None:
    from dovetail.tensor import Tensor

    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(replaced, Tensor):
        raise TypeError(
            f"hook {name!r} returned {type(replaced).__name__}; a hook gives None, or the tensor that takes the "
            "gradient's place"
        )
    if replaced.shape != grad.shape:
        raise GradError(
            f"hook {name!r} has changed the size of the gradient: it got {tuple(grad.shape)} and gave "
            f"{tuple(replaced.shape)}; return a tensor of the same sizes"
        )
    if replaced.dtype is not grad.dtype or replaced.device is not grad.device:
        raise GradError(
            f"hook {name!r} has changed the type of the gradient: it got {grad.dtype} on '{grad.device}' and gave "
            f"{replaced.dtype} on '{replaced.device}'; convert the result with .to(grad)"
        )


def arrived(hooks: Any, grads: list) -> list:
    """Run the hooks of a node's results on their gradients, and fill the ``grad`` of tensors that retain it."""
    for index, grad in enumerate(grads):
        if grad is None:
            continue
        if index in hooks.tensor:
            grads[index] = changed_by(hooks.tensor[index].values(), grad)
        reference = hooks.retained.get(index)
        tensor = None if reference is None else reference()
        if tensor is not None:
            tensor._grad = grads[index] if tensor._grad is None else tensor._grad + grads[index]
    return grads


def pass_on_hooked(node: Any, g: Any, run: Callable[[Any, Receive], None], give: Callable[[Any, Any], None]) -> None:
    """Run one node between its own hooks.

    Args:
        node: the node; g: the gradient of its result, or a list of those of several.
        run: runs the node's rules on a gradient and gives what they make to a receiver.
        give: hands a gradient to an edge.
    """
    hooks, edges = node.hooks, node.edges
    grads = _replaced(hooks.before, tuple(g) if g.__class__ is list else (g,), "grad_outputs")
    found: list[Any] = [None] * len(edges)

    def collect(place: Any, grad: Any, fresh: bool) -> None:
        found[place.position] = grad

    node.edges = tuple([None if edge is None else _Place(position, edge) for position, edge in enumerate(edges)])
    try:
        run(list(grads) if g.__class__ is list else grads[0], collect)
    finally:
        node.edges = edges
    for edge, grad in zip(edges, _replaced(hooks.after, tuple(found), "grad_inputs", grads), strict=True):
        if edge is not None and grad is not None:
            give(edge, grad)


class _Place:
    """Stands for an edge while the gradients of all of them are gathered."""

    def __init__(self, position: int, edge: Any) -> None:
        self.position = position
        self.shape = edge.shape


def _replaced(hooks: dict[int, Any], grads: tuple, what: str, *others: Any) -> tuple:
    for hook in tuple(hooks.values()):
        given = hook(grads, *others)
        if given is None:
            continue
        given = given if isinstance(given, tuple) else (given,)
        if len(given) != len(grads):
            raise GradError(f"a node's hook gave {len(given)} {what} in place of {len(grads)}; return as many, or None")
        grads = given
    return grads


class _Delivery:
    """An edge to a leaf that has hooks, after these ran."""

    def __init__(self, leaf: Any) -> None:
        self.leaf = leaf
        self.shape = leaf._array.shape
        self.fresh = False


class _LeafHooks:
    """Stands for an op: its rule runs a leaf's hooks on the leaf's whole gradient."""

    name = "leaf"
    joint = keeps_tensors = keeps_outputs = False
    outputs = ("out",)
    evaluators = (lambda g, saved: changed_by(saved[0].of_result(0).values(), g),)


_LEAF_HOOKS = _LeafHooks()


def gather(roots: list, receive: Receive, give: Any, leading: set[int] | None, wanted: Any) -> Receive:
    """Return a receiver that gives leaves with hooks their whole gradient at once, when all of it has come.

    A leaf's turn is right after the last of the nodes that it went into.

    Args:
        roots: where the walk starts. receive: what takes the gradients of leaves.
        give: adds a gradient to what a node has pending.
        leading: the only nodes that the walk goes through. wanted: ids of the only leaves of interest; or None for all.
    """
    turns: dict[int, Node] = {}
    uses = [use for use in last_uses(roots, leading).values() if wanted is None or id(use[0]) in wanted]
    for position, (leaf, sequence) in enumerate(uses, start=1):
        node = turns[id(leaf)] = new_node(_LEAF_HOOKS, (_Delivery(leaf),), leaf._array.shape)
        node.saved = (leaf._hooks,)
        if sequence > -math.inf:  # else it is a root only; the new node's own number is first
            node.sequence = sequence + position / (len(uses) + 1)  # type: ignore[assignment]
        if leading is not None:
            leading.add(node.sequence)

    def gathered(edge: Any, grad: Any, fresh: bool) -> None:
        if edge.__class__ is _Delivery:
            receive(edge.leaf, grad, edge.fresh and not edge.leaf._hooks.tensor)
            return
        node = turns.get(id(edge))
        if node is None:
            receive(edge, grad, fresh)
        else:
            node.edges[0].fresh = fresh
            give(node, grad)

    return gathered


def last_uses(roots: list, leading: set[int] | None) -> dict[int, tuple[Any, float]]:
    """Return the leaves with hooks, by id, each with the sequence of the oldest node that it went into."""
    found: dict[int, tuple[Any, float]] = {}
    seen: set[int] = set()
    stack: list[tuple[Any, float]] = [(edge, -math.inf) for edge, _ in roots]
    while stack:
        edge, sequence = stack.pop()
        node = edge.node if edge.__class__ is Output else edge
        if not isinstance(node, Node):
            if getattr(node, "_hooks", None) is not None:
                _, latest = found.get(id(node), (node, -math.inf))
                found[id(node)] = (node, max(latest, sequence))
        elif node.sequence not in seen and (leading is None or node.sequence in leading):
            seen.add(node.sequence)
            stack.extend([(edge, node.sequence) for edge in node.edges if edge is not None])
    return found


def accumulated(leaf: Any) -> None:
    """Run the hooks that wait for a leaf's ``grad``.

    Raises:
        TypeError: a hook returned something.
    """
    hooks = getattr(leaf, "_hooks", None)
    for hook in () if hooks is None else tuple(hooks.after.values()):
        given = hook(leaf)
        if given is not None:
            raise TypeError(
                f"a hook that runs after a gradient was accumulated returned {type(given).__name__}; it gives None: "
                "change leaf.grad instead"
            )
