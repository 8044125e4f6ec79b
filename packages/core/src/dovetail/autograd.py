"""The tape: what a recorded op remembers, and the walk that turns it into gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from heapq import heappop, heappush
from itertools import count
from typing import Any

from dovetail.errors import GradError, ShapeError
from dovetail.modes import state
from dovetail.views import Shared, View, shared_of

__all__ = ["enable_grad", "grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]

_next_sequence = count().__next__


class _Leaf:
    """Stands in ``Tensor._node`` of a tensor that needs a gradient and was not computed."""

    def __repr__(self) -> str:
        return "LEAF"


LEAF = _Leaf()
FREED = ("freed",)


class Node:
    """One op that ran: where its inputs' gradients go, and what its rules need for them.

    Attributes:
        op: the op's definition.
        edges: for each input None (no gradient needed), the Node or Output that made it, or the leaf tensor itself.
        saved: the values that the rules asked for, in the order of ``op.kept``; ``FREED`` after they were used.
        versions: how often each saved tensor's memory had been written to.
        shapes: the inputs' shapes where broadcasting may have to be undone, otherwise None.
        sequence: grows with time, so that a node's consumers all have larger ones.
    """

    __slots__ = ("__weakref__", "edges", "op", "saved", "sequence", "shapes", "versions")

    def __init__(self, op: Any, edges: tuple) -> None:
        self.op = op
        self.edges = edges
        self.saved: Any = None
        self.versions: Any = None
        self.shapes: Any = None
        self.sequence = _next_sequence()

    def name(self) -> str:
        """Return the name that PyTorch shows, such as ``AddBackward0``."""
        return self.op.grad_name

    @property
    def next_functions(self) -> tuple:
        """The nodes that this one hands gradients to, each with the index of the result there."""
        return tuple(
            (edge.node, edge.index) if type(edge) is Output else (edge if type(edge) is Node else None, 0)
            for edge in self.edges
        )

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Output:
    """One result of a node that has several."""

    __slots__ = ("index", "node")

    def __init__(self, node: Node, index: int) -> None:
        self.node = node
        self.index = index


def keep(node: Node, inputs: tuple, options: dict[str, Any], outputs: tuple) -> None:
    """Save in ``node`` what the rules of the inputs that need a gradient ask for, and nothing else."""
    op = node.op
    wanted: frozenset[str] = frozenset()
    for position, edge in enumerate(node.edges):
        if edge is not None:
            wanted |= op.keeps_by_input[0 if op.variadic else position]
    saved, versions = [], []
    for name in op.kept:
        value: Any = None
        version = 0
        if name in wanted:
            value = _find(op, name, inputs, options, outputs)
            alias = getattr(value, "_alias", None)
            version = 0 if alias is None else alias.version
        saved.append(value)
        versions.append(version)
    node.saved = saved
    node.versions = versions if any(versions) else None


def _find(op: Any, name: str, inputs: tuple, options: dict[str, Any], outputs: tuple) -> Any:
    """Return the value that a rule's parameter stands for."""
    if name in op.inputs:
        return inputs if op.variadic else inputs[op.inputs.index(name)]
    if name in op.outputs:
        # not the result itself, which refers to its node: that would be a cycle
        result = outputs[op.outputs.index(name)]
        twin = type(result)._plain(result._array, result._device)
        twin._alias = shared_of(result)
        return twin
    if name in options:
        return options[name]
    shapes = tuple(getattr(value, "shape", None) for value in inputs)
    return shapes if op.variadic else shapes[op.inputs.index(name.removesuffix("_shape"))]


def _saved(node: Node, create_graph: bool) -> Any:
    """Return the values saved in ``node``, after checking that they are still there and unchanged."""
    saved = node.saved
    if saved is FREED:
        raise GradError(
            f"{node.op.name}: going backward a second time through a graph whose saved values were freed; "
            "say retain_graph=True the first time"
        )
    if saved is None:
        return None
    versions = node.versions
    op = node.op
    fresh = None
    for slot, value in enumerate(saved):
        alias = getattr(value, "_alias", None)
        if alias is not None:
            then = 0 if versions is None else versions[slot]
            if alias.version != then:
                raise GradError(
                    f"{op.name}: {op.kept[slot]!r}, a {value.dtype} tensor of sizes {tuple(value.shape)} needed for "
                    f"its gradient, has been modified by an in-place operation: it is at version {alias.version}, "
                    f"expected version {then}; write to a copy made by .clone(), or after backward()"
                )
        if create_graph and op.kept[slot] in op.outputs and value is not None:
            if fresh is None:
                fresh = list(saved)
            index = op.outputs.index(op.kept[slot])
            fresh[slot] = twin = type(value)._plain(value._array, value._device)
            if op.kept[slot] not in op.no_grad_outputs:
                twin._node = node if len(op.outputs) == 1 else Output(node, index)
    return saved if fresh is None else fresh


def _unbroadcast(grad: Any, shape: tuple, op: Any, name: str) -> Any:
    """Sum a gradient over the dimensions in which its input was broadcast."""
    extra = grad._array.ndim - len(shape)
    found = grad._array.shape
    widened = tuple(range(extra)) + tuple(
        extra + position for position, size in enumerate(shape) if size == 1 and found[extra + position] != 1
    )
    if extra < 0 or tuple(size for axis, size in enumerate(found) if axis not in widened) != tuple(
        size for axis, size in enumerate(shape) if axis + extra not in widened
    ):
        raise ShapeError(
            f"{op.name}: the gradient rule for {name!r} gave sizes {tuple(found)} for an input of sizes {tuple(shape)}"
        )
    return grad.sum(widened, keepdim=True).reshape(shape) if widened else grad.reshape(shape)


def _input_gradients(node: Node, g: Any, create_graph: bool) -> Iterable[tuple[Any, Any, bool]]:
    """Yield (edge, gradient, whether the rule made it anew) for each input that needs a gradient and gets one."""
    op, edges, shapes = node.op, node.edges, node.shapes
    saved = _saved(node, create_graph)
    if op.joint_rule is not None or op.variadic:
        evaluate = op.evaluators[0]
        grads = evaluate(g, saved)
    else:
        grads = [
            None if edge is None or evaluate is None else evaluate(g, saved)
            for edge, evaluate in zip(edges, op.evaluators, strict=True)
        ]
    for position, (edge, grad) in enumerate(zip(edges, grads, strict=True)):
        if edge is None or grad is None:
            continue
        if shapes is not None and grad._array.shape != shapes[position]:
            grad = _unbroadcast(grad, shapes[position], op, op.inputs[0 if op.variadic else position])
        yield edge, grad, grad is not g


def _walk(
    roots: list[tuple[Any, Any]],
    retain: bool,
    create: bool,
    receive: Callable[..., None],
    watched: dict[tuple[int, int], Callable[[Any], None]],
    leading: set[int] | None = None,
) -> None:
    """Go back from the roots, newest node first, and hand the gradients of leaves to ``receive``.

    Args:
        watched: by (node's sequence, index of its result) a function that is given that result's whole gradient.
        leading: sequences of the only nodes to go through; all by default.
    """
    heap: list[int] = []
    pending: dict[int, list] = {}

    def give(edge: Any, grad: Any, fresh: bool) -> None:
        kind = edge.__class__
        if kind is Node:
            entry = pending.get(edge.sequence)
            if entry is None:
                pending[edge.sequence] = [edge, grad]
                heappush(heap, -edge.sequence)
            else:
                entry[1] = entry[1] + grad
        elif kind is Output:
            node = edge.node
            entry = pending.get(node.sequence)
            if entry is None:
                entry = pending[node.sequence] = [node, [None] * len(node.op.outputs)]
                heappush(heap, -node.sequence)
            found = entry[1][edge.index]
            entry[1][edge.index] = grad if found is None else found + grad
        else:
            receive(edge, grad, fresh)

    for edge, grad in roots:
        give(edge, grad, False)
    del roots
    while heap:
        node, g = pending.pop(-heappop(heap))
        if watched:
            _tell(watched, node, g)
        if leading is not None and node.sequence not in leading:
            continue
        if g.__class__ is list:
            g = tuple(g)
        for edge, grad, fresh in _input_gradients(node, g, create):
            give(edge, grad, fresh)
        if not retain and node.saved is not None:
            node.saved = FREED


def _tell(watched: dict, node: Node, g: Any) -> None:
    """Hand the gradient of a node's results to those who asked for it."""
    for index, grad in enumerate(g if type(g) is list else [g]):
        tell = watched.get((node.sequence, index))
        if tell is not None and grad is not None:
            tell(grad)


def _roots(tensors: Sequence[Any], grads: Sequence[Any], what: str) -> list[tuple[Any, Any]]:
    """Pair each tensor's edge with its starting gradient, ones for a single element."""
    from dovetail.creation import ones_like

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
            grad = ones_like(tensor)
        elif tuple(grad.shape) != tuple(tensor.shape):
            raise GradError(
                f"{what}: the gradient has sizes {tuple(grad.shape)}, the tensor {tuple(tensor.shape)}; they must agree"
            )
        roots.append((tensor if tensor._node is LEAF else tensor._node, grad))
    return roots


def _accumulate(leaf: Any, grad: Any, fresh: bool) -> None:
    """Add a gradient to a leaf's ``grad``; the first one is kept as it is where nobody else can hold its memory."""
    if leaf.grad is None:
        leaf.grad = grad if fresh and grad._device.backend.is_owner(grad._array) else grad.clone()
    elif state.grad:
        leaf.grad = leaf.grad + grad
    else:
        leaf.grad.add_(grad)


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
    with set_grad_enabled(create_graph):
        if inputs is None:
            _walk(_roots(tensors, grads, "backward"), retain, create_graph, _accumulate, {})
            return
        inputs = _as_tuple(inputs)
        found = _gradients_of(inputs, _roots(tensors, grads, "backward"), retain, create_graph)
        for tensor, grad in zip(inputs, found, strict=True):
            if grad is not None:
                _accumulate(tensor, grad, False)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple:
    """Return the gradients of ``outputs`` with respect to ``inputs``, as a tuple; no ``grad`` is changed.

    Args:
        outputs, inputs: a tensor or a sequence of them.
        grad_outputs: the gradient of each output; may be None for outputs of one element.
        retain_graph, create_graph: as for ``backward``.
        allow_unused: give None for an input that no output was computed from, instead of an error.
        materialize_grads: give zeros for such an input.

    Raises:
        GradError: an input was not used, or does not need a gradient; and what ``backward`` raises.

    Example::

        >>> import dovetail
        >>> x = dovetail.tensor(3.0, requires_grad=True)
        >>> dovetail.autograd.grad(x ** 3, x)
        (tensor(27.),)
    """
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    grads = (None,) * len(outputs) if grad_outputs is None else _as_tuple(grad_outputs)
    for position, tensor in enumerate(inputs):
        if tensor._node is None:
            raise GradError(f"grad: input {position} does not require grad; call .requires_grad_() before using it")
    with set_grad_enabled(create_graph):
        retain = create_graph if retain_graph is None else retain_graph
        found = _gradients_of(inputs, _roots(outputs, grads, "grad"), retain, create_graph)
    if materialize_grads:
        from dovetail.creation import zeros_like

        return tuple(zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True))
    if not allow_unused and any(g is None for g in found):
        unused = [position for position, g in enumerate(found) if g is None]
        raise GradError(f"grad: no output was computed from inputs {unused}; say allow_unused=True to get None for them")
    return tuple(found)


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
            key = (node.node.sequence, node.index) if type(node) is Output else (node.sequence, 0)
            places.setdefault(key, []).append(position)
    for key, positions in places.items():
        watched[key] = receiver(positions)

    def receive(leaf: Any, grad: Any, fresh: bool) -> None:
        if id(leaf) in leaves:
            receiver(leaves[id(leaf)])(grad)

    _walk(roots, retain, create, receive, watched, _leading_to(roots, set(leaves), {key[0] for key in places}))
    return found


def _leading_to(roots: list, leaves: set[int], sequences: set[int]) -> set[int]:
    """Return the sequences of the nodes from which a wanted leaf (by id) or node (by sequence) can be reached."""
    nodes: dict[int, Node] = {}
    stack = [edge for edge, _ in roots]
    while stack:
        edge = stack.pop()
        node = edge.node if type(edge) is Output else edge
        if type(node) is Node and node.sequence not in nodes:
            nodes[node.sequence] = node
            stack.extend(edge for edge in node.edges if edge is not None)
    leading: set[int] = set()
    for sequence in sorted(nodes):  # a node's inputs come before it
        for edge in nodes[sequence].edges:
            node = edge.node if type(edge) is Output else edge
            if type(node) is Node:
                if node.sequence in leading or node.sequence in sequences:
                    leading.add(sequence)
            elif edge is not None and id(edge) in leaves:
                leading.add(sequence)
    return leading


def gradients_of_composition(composed: Callable[..., Any], g: Any, values: tuple) -> list:
    """Return the gradient of ``composed(*values)``, given that of its results, for each value (None where none)."""
    from dovetail.tensor import Tensor

    create = state.grad
    with enable_grad():
        twins = [
            value.reshape(value.shape) if isinstance(value, Tensor) and value._node is not None else value
            for value in values
        ]
        results = composed(*twins)
    results, gs = _as_tuple(results), _as_tuple(g)
    pairs = [(out, given) for out, given in zip(results, gs, strict=True) if given is not None and out._node is not None]
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


class _GradMode:
    """Sets, in this thread, whether operations are recorded; a context manager and a decorator."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.outer: list[bool] = []

    def __enter__(self) -> None:
        self.outer.append(state.grad)
        state.grad = self.mode

    def __exit__(self, *error: Any) -> None:
        state.grad = self.outer.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        mode = self.mode

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            outer = state.grad
            state.grad = mode
            try:
                return function(*args, **kwargs)
            finally:
                state.grad = outer

        return wrapped


class no_grad(_GradMode):
    """Do not record operations in this block or function, so that their results need no gradient.

    Example::

        >>> import dovetail
        >>> x = dovetail.ones(2, requires_grad=True)
        >>> with dovetail.no_grad():
        ...     print((x * 2).requires_grad)
        False
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        if function is None:
            return made
        made.__init__()  # used as ``@no_grad`` without parentheses
        return made(function)

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_GradMode):
    """Record operations in this block or function, also inside ``no_grad``."""

    def __init__(self) -> None:
        super().__init__(True)


class inference_mode(_GradMode):
    """As ``no_grad``; ``inference_mode(False)`` changes nothing."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode and state.grad)


class set_grad_enabled(_GradMode):
    """Record operations or not, from here on, or inside the block when used as a context manager."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self.called_from = state.grad
        state.grad = self.mode

    def __enter__(self) -> None:
        self.outer.append(self.called_from)
        state.grad = self.mode


def is_grad_enabled() -> bool:
    """Return whether operations are recorded in this thread."""
    return state.grad


def next_version(tensor: Any) -> int:
    """Return how often the tensor's memory has been written to."""
    alias: Shared | View | None = tensor._alias
    return 0 if alias is None else alias.version
