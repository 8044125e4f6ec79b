"""The tape: what a recorded op remembers of its inputs, and getting it back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, NoReturn

from dovetail.autograd.hooks import Hooks, RemovableHandle, added, of_node
from dovetail.errors import GradError
from dovetail.modes import state

next_sequence = count(0, -1).__next__


class _Leaf:
    """Stands in ``Tensor._node`` of a tensor that needs a gradient and was not computed."""

    def __repr__(self) -> str:
        return "LEAF"


LEAF = _Leaf()


class Elsewhere:
    """Stands in ``Node.saved`` for values that are not there: freed, or packed away by ``saved_tensors_hooks``."""

    __slots__ = ("values",)

    def __init__(self, values: Any) -> None:
        self.values = values


FREED = Elsewhere(None)
#: One entry for each ``saved_tensors_hooks`` that is active in any thread: the falsy test of ``keep``.
packing: list[Any] = []


class Node:
    """One op that ran: where its inputs' gradients go, and what its rules need for them.

    Attributes:
        op: the op's definition.
        edges: for each input None (no gradient needed), the Node or Output that made it, or the leaf tensor itself.
        saved: the values that the rules asked for, in the order of ``op.kept``; ``FREED`` after they were used.
        versions: how often each saved tensor's memory had been written to; None when none had been.
        shape: the result's shape, which the gradients that come back are brought to; several results have one each.
        hooks: the node's ``Hooks``; empty where it has none.
        sequence: falls with time, so that a node's consumers all have smaller ones.
        origin: where the op was called, set by a mode that notes it and otherwise not there.
    """

    __slots__ = ("__weakref__", "edges", "hooks", "op", "origin", "saved", "sequence", "shape", "versions")
    hooks: Hooks

    op: Any
    edges: tuple
    saved: Any
    versions: Any
    shape: Any
    sequence: int
    origin: Any

    def free(self) -> None:
        """Let go of what was saved."""
        self.saved = FREED

    def name(self) -> str:
        """Return the name that PyTorch shows, such as ``AddBackward0``."""
        from dovetail.autograd.names import grad_name

        return grad_name(self)

    @property
    def next_functions(self) -> tuple:
        """The nodes that this one hands gradients to, each with the index of the result there."""
        return tuple([_next(edge) for edge in self.edges])

    def register_hook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` when this node has run; a tuple replaces ``grad_inputs``."""
        return added(of_node(self).after, hook)

    def register_prehook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before this node runs; a tuple that it returns replaces them."""
        return added(of_node(self).before, hook)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def new_node(op: Any, edges: tuple, shape: Any) -> Node:
    """Return a node that has saved nothing yet. (Calling a class with an ``__init__`` would take twice as long.)"""
    node = Node()
    node.op, node.edges, node.shape, node.sequence = op, edges, shape, next_sequence()
    node.saved = node.versions = None
    return node


class SmallNode(Node):
    """A node of an op with one or two inputs, and little saved: one object, where a ``Node`` holds tuples besides.

    Programs of single numbers make such nodes by the ten thousand, and the garbage collector walks through them all.

    Attributes:
        first, second: the edges; the second of an op of one input is None.
        saved_first, saved_second, saved_third: what is saved, in the order of ``op.kept``; where that is more, the
            first is a tuple of all. Set as far as the op keeps that many; ``FREED`` stands in the first.
    """

    __slots__ = ("first", "saved_first", "saved_second", "saved_third", "second")

    first: Any
    second: Any
    saved_first: Any
    saved_second: Any
    saved_third: Any

    def free(self) -> None:
        self.saved_first, self.saved_second, self.saved_third = FREED, None, None

    @property
    def edges(self) -> tuple:
        return (self.first,) if len(self.op.inputs) == 1 else (self.first, self.second)

    @edges.setter
    def edges(self, edges: Sequence[Any]) -> None:
        self.first, self.second = edges if len(edges) == 2 else (*edges, None)

    @property
    def saved(self) -> Any:
        kept = len(self.op.kept)
        if not kept:
            return None
        if kept > len(PLACES) or self.saved_first.__class__ is Elsewhere:
            return self.saved_first
        return tuple([getattr(self, place) for place in PLACES[:kept]])

    @saved.setter
    def saved(self, values: Any) -> None:
        kept = len(self.op.kept)
        if kept > len(PLACES):
            self.saved_first = values
            return
        if values.__class__ is Elsewhere:
            self.saved_first, self.saved_second, self.saved_third = values, None, None
            return
        for place, value in zip(PLACES[:kept], values, strict=False):
            setattr(self, place, value)


PLACES = ("saved_first", "saved_second", "saved_third")


def small_node(op: Any, edges: Sequence[Any], shape: Any) -> SmallNode:
    """Return a ``SmallNode`` that has saved nothing yet."""
    node = SmallNode()
    node.op, node.shape, node.sequence = op, shape, next_sequence()
    node.edges = edges
    return node


class AccumulateGrad:
    """Stands in ``next_functions`` for a leaf, which is its ``variable``."""

    __slots__ = ("variable",)

    next_functions = ()

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def name(self) -> str:
        """Return the name that PyTorch shows."""
        return "AccumulateGrad"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self) -> int:
        return hash(id(self.variable))

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


def _next(edge: Any) -> tuple[Any, int]:
    if edge is None:
        return None, 0
    if edge.__class__ is Output:
        return edge.node, edge.index
    return (edge if isinstance(edge, Node) else AccumulateGrad(edge)), 0


class Output:
    """One result of a node that has several."""

    __slots__ = ("index", "node")

    def __init__(self, node: Node, index: int) -> None:
        self.node = node
        self.index = index

    @property
    def shape(self) -> tuple:
        """The result's shape."""
        return self.node.shape[self.index]


def keep(node: Node, needed: int, inputs: tuple, options: dict[str, Any], outputs: tuple) -> None:
    """Save in ``node`` what the rules of the inputs that need a gradient ask for, and nothing else.

    Args:
        needed: which inputs do, the first one as bit 0.
    """
    op = node.op
    keeper = op.keepers.get(needed) or keeper_of(op, needed)
    if op.small:
        keeper(node, inputs[0], inputs[-1], outputs[0])
    else:
        keeper(node, inputs, options, outputs)


def keeper_of(op: Any, needed: int) -> Any:
    """Return, made now, a function that saves in a node what is wanted of an op's inputs, options and results.

    It takes those as tuples and a dictionary; for a ``small`` op, the first input, the second and the result. It is
    written as source, one straight piece: loops and calls would cost several times what they do.
    """
    from dovetail.tensor import twin_of

    wanted = frozenset[str]()
    for position in range(needed.bit_length()):
        if needed >> position & 1:
            wanted |= op.keeps_by_input[0 if op.variadic else position]
    values = [_source(op, name) if name in wanted else "None" for name in op.kept]
    places = ", ".join(f"node.{place}" for place in PLACES[: len(values)])
    in_places = op.small and len(values) <= len(PLACES)
    lines = [
        f"def keep(node, {'first, second, out' if op.small else 'inputs, options, outputs'}):",
        "  node.versions = None",
        f"  {places} = {', '.join(values)}" if in_places else f"  node.saved = ({', '.join(values)},)",
    ]
    for name in [name for name in op.inputs if name in wanted and not op.variadic]:
        lines += [
            f"  value = {_source(op, name)}",
            "  if value.__class__ is not float:",
            "    alias = getattr(value, '_alias', None)",
            "    if alias is not None and alias.version:",
            "      node.versions = versions_of(node.saved)",
        ]
    if op.variadic:
        lines.append("  node.versions = versions_of(node.saved)")
    lines += ["  if packing: pack(node)"]
    names: dict[str, Any] = {"twin": twin_of, "shape_of": _shape_of, "versions_of": versions_of}
    names |= {"packing": packing, "pack": _pack}
    exec("\n".join(lines), names)
    keeper = op.keepers[needed] = names["keep"]
    return keeper


def _pack(node: Node) -> None:
    """Have what a node saved packed away, where this thread has that done."""
    if state.packers:
        from dovetail.autograd.saved import packed

        node.saved, node.versions = packed(node.saved), None


def versions_of(saved: tuple) -> list[int]:
    """Return how often the memory of each saved value has been written to."""
    return [getattr(getattr(value, "_alias", None), "version", 0) for value in saved]


def _source(op: Any, name: str) -> str:
    """Return the expression for a value that a rule asks for by this name."""
    if name in op.outputs and name not in op.inputs:
        return "twin(out)" if op.small else f"twin(outputs[{op.outputs.index(name)}])"
    if name in op.options:
        return f"options[{name!r}]"
    if op.variadic:
        return "inputs" if name in op.inputs else "tuple([shape_of(value) for value in inputs])"
    owner = name if name in op.inputs else name.removesuffix("_dtype").removesuffix("_shape")
    position = op.inputs.index(owner)
    value = ("first", "second")[position] if op.small else f"inputs[{position}]"
    if name == owner:
        return value
    if name.endswith("_dtype"):
        return f"{value}.dtype"
    if op.promote in (None, "match") and owner not in op.optional:  # never a number
        return f"{value}._array.shape"
    return f"shape_of({value})"


def _shape_of(value: Any) -> Any:
    return getattr(getattr(value, "_array", None), "shape", None)


def saved_values(node: Node, create_graph: bool) -> Any:
    """Return the values saved in ``node``, after checking that they are still there and unchanged.

    Raises:
        GradError: they were freed, or written to.
    """
    saved, op = node.saved, node.op
    if saved.__class__ is Elsewhere:
        saved = _fetched(saved, op)
        return _with_history(node, saved) if create_graph and op.keeps_outputs else saved
    versions = node.versions
    for slot, value in enumerate(saved):
        alias = getattr(value, "_alias", None)
        if alias is not None and alias.version != (0 if versions is None else versions[slot]):
            _refuse_changed(op, slot, value, 0 if versions is None else versions[slot])
    return _with_history(node, saved) if create_graph and op.keeps_outputs else saved


def _fetched(saved: Elsewhere, op: Any) -> Any:
    """Return values that were packed away."""
    if saved is FREED:
        refuse_freed(op)
    from dovetail.autograd.saved import unpacked

    return unpacked(saved)


def refuse_freed(op: Any) -> NoReturn:
    """Raise the error of a second pass through a graph whose values are gone."""
    raise GradError(
        f"{op.name}: going backward a second time through a graph whose saved values were freed; "
        "say retain_graph=True the first time"
    )


def _refuse_changed(op: Any, slot: int, value: Any, expected: int) -> None:
    raise GradError(
        f"{op.name}: {op.kept[slot]!r}, a {value.dtype} tensor of sizes {tuple(value.shape)} needed for its gradient, "
        f"has been modified by an in-place operation: it is at version {value._alias.version}, expected version "
        f"{expected}; write to a copy made by .clone(), or after backward()"
    )


def _with_history(node: Node, saved: list[Any]) -> list[Any]:
    """Return the saved values with the op's own results made its results again, for second derivatives."""
    op, fresh = node.op, list(saved)
    for slot, name in enumerate(op.kept):
        value = saved[slot]
        if name in op.outputs and name not in op.inputs and value is not None:
            twin = fresh[slot] = type(value)._plain(value._array, value._device)
            if name not in op.no_grad_outputs:
                twin._node = node if len(op.outputs) == 1 else Output(node, op.outputs.index(name))
    return fresh


def __getattr__(name: str) -> Any:
    """Import what is seldom used when it is first used."""
    if name in ("saved_tensors_hooks", "save_on_cpu"):
        from dovetail.autograd import saved

        return getattr(saved, name)
    raise AttributeError(f"module 'dovetail.autograd.graph' has no attribute {name!r}", name=name)
