"""Nested containers of tensors: flattened into a list of leaves, and built up again.

Dictionaries, lists, tuples and named tuples are containers; everything else is a leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Structure:
    """What is left of a nested container without its leaves.

    Attributes:
        kind: the container's type, or None for a leaf.
        keys: a dictionary's keys, in their order.
        children: the structures of the parts.
        count: how many leaves there are.
    """

    __slots__ = ("children", "count", "keys", "kind")

    def __init__(self, kind: Any, keys: Any, children: tuple[Structure, ...]) -> None:
        self.kind = kind
        self.keys = keys
        self.children = children
        self.count: int = 1 if kind is None else sum(child.count for child in children)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Structure)
            and self.kind is other.kind
            and self.keys == other.keys
            and self.children == other.children
        )

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        if self.keys is not None:
            return "{" + ", ".join(f"{k!r}: {c!r}" for k, c in zip(self.keys, self.children, strict=True)) + "}"
        inner = ", ".join(map(repr, self.children))
        return f"[{inner}]" if self.kind is list else f"({inner},)" if len(self.children) == 1 else f"({inner})"


LEAF = Structure(None, None, ())


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of nested containers, in order, and what is left of them.

    Example::

        >>> from dovetail.func.tree import flatten
        >>> flatten({"a": 1, "b": (2, [3])})
        ([1, 2, 3], {'a': *, 'b': (*, [*])})
    """
    leaves: list[Any] = []
    return leaves, _take(tree, leaves)


def _take(tree: Any, leaves: list[Any]) -> Structure:
    parts = _parts(tree)
    if parts is None:
        leaves.append(tree)
        return LEAF
    keys = list(tree) if isinstance(tree, dict) else None
    return Structure(type(tree), keys, tuple([_take(part, leaves) for part in parts]))


def _parts(tree: Any) -> Any:
    """Return the parts of a container, or None for a leaf."""
    if isinstance(tree, dict):
        return list(tree.values())
    return tree if isinstance(tree, (list, tuple)) else None


def unflatten(leaves: list[Any], structure: Structure) -> Any:
    """Return the nested containers of ``structure`` with these leaves."""
    return _build(iter(leaves), structure)


def _build(leaves: Any, structure: Structure) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    parts = [_build(leaves, child) for child in structure.children]
    if structure.keys is not None:
        pairs = zip(structure.keys, parts, strict=True)
        return kind(pairs) if kind.__init__ is not dict.__init__ and _takes_pairs(kind) else dict(pairs)
    if kind in (list, tuple):
        return kind(parts)
    if hasattr(kind, "_make"):
        return kind._make(parts)
    return tuple.__new__(kind, parts) if issubclass(kind, tuple) else kind(parts)


def _takes_pairs(kind: type) -> bool:
    """Return whether a kind of dictionary is made of pairs; ``defaultdict`` is not, its factory comes first."""
    from collections import OrderedDict

    return issubclass(kind, OrderedDict)


def tree_map(call: Callable[[Any], Any], tree: Any) -> Any:
    """Return the containers with ``call`` of each leaf."""
    leaves, structure = flatten(tree)
    return unflatten([call(leaf) for leaf in leaves], structure)


def spread(prefix: Any, structure: Structure) -> list[Any] | None:
    """Return one value for each leaf of ``structure``, from a tree that may stop at a container of it.

    Such a value counts for all leaves of that container. None when the two do not fit.

    Example::

        >>> from dovetail.func.tree import flatten, spread
        >>> spread((0, None), flatten((1, {"a": 2, "b": 3}))[1])
        [0, None, None]
    """
    parts = _parts(prefix)
    if parts is None:
        return [prefix] * structure.count
    if structure.kind is None or len(parts) != len(structure.children):
        return None
    children = structure.children
    if isinstance(prefix, dict) or structure.keys is not None:
        if not isinstance(prefix, dict) or structure.keys is None or set(prefix) != set(structure.keys):
            return None
        parts = [prefix[key] for key in structure.keys]
    elif issubclass(structure.kind, list) != isinstance(prefix, list):
        return None
    found: list[Any] = []
    for part, child in zip(parts, children, strict=True):
        values = spread(part, child)
        if values is None:
            return None
        found += values
    return found
