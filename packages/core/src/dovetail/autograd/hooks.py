"""Hooks: what is to happen when a gradient arrives, and where that is remembered.

A computed tensor's hooks are with the node that made it, a leaf's with the leaf, in slots that are empty otherwise. The
engine asks two tables, which are empty as long as no hook is alive; what runs hooks is in ``running`` and loads late.
"""

from __future__ import annotations

import weakref
from itertools import count
from typing import Any, Self

#: One entry for each node, and for each leaf, whose hooks are alive: the engine's falsy tests.
nodes: dict[int, weakref.ref] = {}
leaves: dict[int, weakref.ref] = {}
_ids = count()


class RemovableHandle:
    """What registering a hook returns: ``remove()`` takes the hook off again; it also works in ``with``."""

    def __init__(self, hooks: dict[int, Any]) -> None:
        """Reserve a place in ``hooks``."""
        self.hooks = hooks
        self.id = next(_ids)

    def remove(self) -> None:
        """Take the hook off; doing so twice does nothing."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def added(hooks: dict[int, Any], hook: Any) -> RemovableHandle:
    """Add a hook to those that are there; returns its handle."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


class Hooks:
    """All hooks of one node or leaf.

    Attributes:
        tensor: by index of a node's result (0 for a leaf), the hooks that see and may replace its gradient.
        retained: by index of a node's result, a weak reference to the tensor whose ``grad`` is to be filled.
        before, after: a node's own hooks; ``after`` holds a leaf's hooks that run when its ``grad`` has been added to.
    """

    __slots__ = ("__weakref__", "after", "before", "retained", "tensor")

    def __init__(self, table: dict[int, weakref.ref]) -> None:
        self.tensor: dict[int, dict[int, Any]] = {}
        self.retained: dict[int, weakref.ref] = {}
        self.before: dict[int, Any] = {}
        self.after: dict[int, Any] = {}
        key = id(self)
        table[key] = weakref.ref(self, lambda _, table=table: table.pop(key, None))  # type: ignore[misc]

    def of_result(self, index: int) -> dict[int, Any]:
        """Return the hooks that see the gradient of one result."""
        return self.tensor.setdefault(index, {})


def of_node(node: Any) -> Hooks:
    """Return the hooks of a node, empty ones made now if it has none."""
    if getattr(node, "hooks", None) is None:
        node.hooks = Hooks(nodes)
    return node.hooks


def of_leaf(leaf: Any) -> Hooks:
    """Return the hooks of a leaf, empty ones made now if it has none."""
    if getattr(leaf, "_hooks", None) is None:
        leaf._hooks = Hooks(leaves)
    return leaf._hooks


def place_of(edge: Any) -> tuple[Any, int]:
    """Return the node and the index of the result that a computed tensor's ``_node`` stands for."""
    return (edge.node, edge.index) if hasattr(edge, "index") else (edge, 0)


def retains(tensor: Any, edge: Any) -> bool:
    """Return whether ``tensor`` is the one whose ``grad`` is filled with the gradient that arrives at ``edge``."""
    node, index = place_of(edge)
    hooks = getattr(node, "hooks", None)
    found = None if hooks is None else hooks.retained.get(index)
    return found is not None and found() is tensor


def retain(tensor: Any, edge: Any) -> None:
    """Have ``tensor.grad`` filled with the gradient that arrives at ``edge``."""
    node, index = place_of(edge)
    of_node(node).retained[index] = weakref.ref(tensor)


def move_retained(tensor: Any, old: Any) -> None:
    """Let ``tensor``, which an in-place operation gave another node than ``old``, fill its ``grad`` from there on."""
    if old is not None and tensor._node is not None and tensor._node is not old and retains(tensor, old):
        node, index = place_of(old)
        del node.hooks.retained[index]
        retain(tensor, tensor._node)
