"""What ``grad``, ``vjp`` and ``jvp`` share: tensors that stand for others anew, and which histories lead outside.

Each transform stands the tensors that it differentiates for anew on the one tape: their nodes, of the op ``FRESH``, are
where its walk ends, and lead on to what the tensors themselves were computed from. So transforms nest without knowing
of each other, and gradients that a transform gives are recorded only where something outside can ask for theirs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from dovetail import autograd
from dovetail.autograd.graph import LEAF, Node, Output, SmallNode, new_node
from dovetail.errors import GradError
from dovetail.func.batched import FRESH, BatchedArray
from dovetail.func.tree import Structure, flatten, tree_map
from dovetail.modes import set_recording, state
from dovetail.tensor import Tensor
from dovetail.views import shared_of


class _Running(threading.local):
    """The sequences of the nodes of the transforms that are running in this thread."""

    def __init__(self) -> None:
        self.fresh: set[int] = set()


transforms = _Running()


class Transform:
    """A block in which operations are recorded, and tensors that are stood for anew count as needing a gradient."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.outer = state.grad
        self.mine: list[int] = []

    def __enter__(self) -> Transform:
        set_recording(True)
        return self

    def __exit__(self, *error: Any) -> None:
        set_recording(self.outer)
        transforms.fresh.difference_update(self.mine)

    def fresh(self, x: Any) -> Any:
        """Return a tensor on the same memory whose history begins here, and goes on in that of ``x``.

        Raises:
            ValueError: no tensor. DTypeError: its dtype has no gradient.
        """
        if not isinstance(x, Tensor):
            raise ValueError(f"{self.what}: expected tensors to differentiate for, got {type(x).__name__} {x!r}")
        out = Tensor(x._memory(), x._device)
        out.requires_grad_()  # which says what dtypes may
        edge = None if x._node is None or not self.outer else x if x._node is LEAF else x._node
        node = new_node(FRESH, (edge,), x._array.shape)
        node.saved = ((x,),)
        out._node = node
        self.mine.append(node.sequence)
        transforms.fresh.add(node.sequence)
        return out

    def result(self, tree: Any) -> Any:
        """Return what a transform computed without the history that is its own, to which nothing outside leads."""
        return tree_map(lambda x: _without_own(x, self.outer) if isinstance(x, Tensor) else x, tree)


def _edge(x: Tensor) -> Any:
    return x if x._node is LEAF else x._node


def recorded(tensors: Iterable[Tensor]) -> bool:
    """Return whether something outside can ask for a gradient through these: a leaf, or a transform that runs."""
    stack: list[Any] = []
    for x in tensors:
        stack.append(_edge(x))
        while x._array.__class__ is BatchedArray:
            x = x._array.tensor
            stack.append(_edge(x))
    return _leads_out(stack)


def _leads_out(stack: list[Any]) -> bool:
    seen = set()
    while stack:
        edge = stack.pop()
        node = edge.node if edge.__class__ is Output else edge
        if node is None:
            continue
        if node.__class__ not in (SmallNode, Node) or node.sequence in transforms.fresh:
            return True
        if node.sequence not in seen:
            seen.add(node.sequence)
            stack.extend(node.edges)
    return False


def _without_own(x: Tensor, outer: bool) -> Tensor:
    array = x._array
    if array.__class__ is BatchedArray:
        inner = _without_own(array.tensor, outer)
        if inner is not array.tensor:
            array = BatchedArray(inner, array.batched)
    kept = x._node is not None and outer and _leads_out([_edge(x)])
    if array is x._array and (kept or x._node is None):
        return x
    out = Tensor(array, x._device)
    out._node = x._node if kept else None
    out._alias = shared_of(x)
    return out


def gradients(outputs: list[Tensor], inputs: list[Tensor], starts: Any, create: bool, retain: bool) -> list[Tensor]:
    """Return the gradient of outputs for each input, zeros where there is none."""
    kept = [place for place, out in enumerate(outputs) if out._node is not None]
    found: Any = [None] * len(inputs)
    if kept:
        given = None if starts is None else [starts[place] for place in kept]
        found = autograd.grad([outputs[place] for place in kept], inputs, given, retain, create, allow_unused=True)
    from dovetail.creation import zeros_like

    return [zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


# Arguments


def picked(what: str, argnums: Any, args: tuple) -> tuple[int, ...]:
    """Return the positions that ``argnums`` names, 0 or more.

    Raises:
        GradError: there is no such argument, or it is named twice.
    """
    wanted = argnums if isinstance(argnums, tuple) else (argnums,)
    if not all(isinstance(place, int) and not isinstance(place, bool) for place in wanted) or not wanted:
        raise GradError(f"{what}: argnums must be an integer or a non-empty tuple of integers, got {argnums!r}")
    for place in wanted:
        if not -len(args) <= place < len(args):
            raise GradError(f"{what}: got argnum={place}, but only {len(args)} positional inputs")
    found = tuple(place % len(args) for place in wanted)
    if len(set(found)) < len(found):
        raise GradError(f"{what}: argnums elements must be unique, got {argnums}")
    return found


def placed(args: tuple, places: tuple[int, ...], values: Iterable[Any]) -> tuple:
    """Return the arguments with others at some places."""
    out = list(args)
    for place, value in zip(places, values, strict=True):
        out[place] = value
    return tuple(out)


def with_aux(what: str, out: Any, has_aux: bool) -> tuple[Any, Any]:
    """Return a function's output and what it gives besides."""
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        given = f"a tuple of {len(out)}" if isinstance(out, tuple) else type(out).__name__
        raise GradError(f"{what}: with has_aux=True the function must return a tuple (output, aux), got {given}")
    return out


def tensors_of(what: str, out: Any) -> tuple[list[Tensor], Structure]:
    """Return the tensors of a function's output and their structure, or refuse what is none."""
    leaves, structure = flatten(out)
    if not leaves:
        raise GradError(f"{what}: expected the function to have a non-empty output, got {out!r}")
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise GradError(f"{what}: expected the function to only return tensors, got type {type(leaf).__name__}")
    return leaves, structure
