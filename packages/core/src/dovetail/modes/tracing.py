"""``trace``: the ops that a function runs, written down as a graph."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from typing import Any

from dovetail.errors import TraceError
from dovetail.modes import places
from dovetail.modes.base import Mode, paused, state
from dovetail.modes.graph import CAPTURED, CONSTANT, INPUT, RESULT, Graph, Step, Value, as_before, write, write_result
from dovetail.random import get_rng_state
from dovetail.tensor import Tensor

__all__ = ["Graph", "TraceError", "trace"]


def trace(function: Callable[..., Any], *example_inputs: Tensor) -> Graph:
    """Run a function or module once and return the graph of its ops, which runs them again with other inputs.

    What the function computes in Python, sizes too, is as in this one run. Writes into tensors, optimizer steps and
    gradients by ``autograd.grad`` are part of the graph; ``.grad`` of parameters is not set by it.

    Args:
        function: takes tensors, gives a tensor or lists, tuples and dicts of them.
        example_inputs: tensors of the sizes and dtypes that the graph is for; they are not changed.

    Raises:
        TraceError: the function reads numbers out of a tensor that depends on an input (``item``, ``if x > 0``), or
            draws random numbers.
        TypeError: an input is no tensor.

    Example::

        >>> import dovetail
        >>> graph = dovetail.modes.trace(lambda x, y: x @ y + 1, dovetail.ones(2, 3), dovetail.ones(3, 2))
        >>> [step.name for step in graph]
        ['matmul', 'add']
    """
    for position, tensor in enumerate(example_inputs):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"trace: example input {position} must be a tensor, got {type(tensor).__name__}")
    tracer = _Tracer(function)
    inputs = [tensor.detach().clone().requires_grad_(tensor.requires_grad) for tensor in example_inputs]
    names = _input_names(function, len(inputs))
    values = [tracer.add(tensor, name, INPUT) for tensor, name in zip(inputs, names, strict=True)]
    with tracer:
        result = function(*inputs)
        found = tracer.replaced(result)
    return Graph(values, tracer.steps, found)


def _input_names(function: Any, count: int) -> list[str]:
    """Return the names of a function's parameters, numbered where it takes any number."""
    called = getattr(function, "forward", function)
    try:
        parameters = list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return names + [f"input{position}" for position in range(len(names), count)]


class _Tracer(Mode):
    """Writes down every op, knowing tensors by identity, or by the array that they share with a known one."""

    def __init__(self, function: Any) -> None:
        self.steps: list[Step] = []
        self.known: dict[int, tuple[Value, Any, Tensor]] = {}  # by tensor: its value, and its array at the time
        self.arrays: dict[int, tuple[Value, Any]] = {}  # by array
        # tensors that are there before are used by reference; the list keeps others from getting their ids
        self.before = [found for found in gc.get_objects() if issubclass(type(found), Tensor)]
        self.existing = set(map(id, self.before))
        named = getattr(function, "state_dict", None) and [*function.named_parameters(), *function.named_buffers()]
        self.names = {id(tensor): name for name, tensor in named or ()}
        self.random = _drawn()

    def add(self, tensor: Tensor, name: str, kind: str, depends: bool = True, held: Any = None) -> Value:
        """Know a tensor from here on."""
        value = Value(name, tensor, kind, depends, held)
        self.know(tensor, value)
        return value

    def know(self, tensor: Tensor, value: Value) -> None:
        """Know a tensor by a value."""
        self.known[id(tensor)] = (value, tensor._memory(), tensor)
        self.arrays[id(tensor._memory())] = (value, tensor._memory())

    def find(self, tensor: Tensor) -> Value | None:
        """Return the value of a tensor, None for one that was not met yet."""
        entry = self.known.get(id(tensor))
        if entry is not None and (entry[1] is None or entry[1] is tensor._memory()):
            return entry[0]
        shared = self.arrays.get(id(tensor._memory()))
        if shared is None:
            return None if entry is None else entry[0]  # a number that became an array
        value = shared[0]
        self.known[id(tensor)] = (value, tensor._memory(), tensor)
        return value

    def value_of(self, tensor: Tensor) -> Value:
        """Return the value of a tensor; one that was not met yet is captured."""
        value = self.find(tensor)
        if value is not None:
            return value
        if id(tensor) in self.existing:
            name = self.names.get(id(tensor)) or f"captured{len(self.known)}"
            return self.add(tensor, name, CAPTURED, False, tensor)
        if not tensor.is_leaf:
            raise TraceError(
                f"trace: a tensor of sizes {tuple(tensor.shape)} was computed by something that is no op, so that the "
                f"graph could not compute it{_here()}"
            )
        with paused():
            copy = tensor.detach().clone()
        return self.add(tensor, f"constant{len(self.known)}", CONSTANT, False, copy)

    def replaced(self, value: Any) -> Any:
        """Return arguments or results with Values in place of tensors."""
        if isinstance(value, Tensor):
            return self.value_of(value)
        if isinstance(value, dict):
            return {name: self.replaced(part) for name, part in value.items()}
        if isinstance(value, (tuple, list)):
            parts = [self.replaced(part) for part in value]
            return parts if isinstance(value, list) else tuple(parts)
        return value

    def write_down(self, name: str, call: Callable[..., Any], args: tuple, options: dict[str, Any]) -> Step:
        """Add a step, unless random numbers were drawn before it: these would be the same ones each time."""
        if _drawn() != self.random:
            raise TraceError(
                f"trace: random numbers were drawn before {name!r}{_here()}; a graph would use them each time; "
                "call .eval() on modules with dropout, or draw before and give them as an input"
            )
        step = Step(name, call, args, options)
        self.steps.append(step)
        return step

    # What modes are told

    def __call__(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the op and write it down."""
        definition = op.definition
        if definition.mutates and "step" in definition.options:
            raise TraceError(
                f"trace: {definition.name} is given the number of the step, which a graph would not count up{_here()}; "
                "trace what is before optimizer.step(), or use SGD"
            )
        step = self.write_down(definition.name, op, self.replaced(args), dict(kwargs))
        out = op(*args, **kwargs)
        outputs = () if out is None else out if isinstance(out, tuple) else (out,)
        depends = any(value.depends for value in _flat(step.args))
        step.outputs = tuple(self.add(output, "", RESULT, depends) for output in outputs)
        return out

    def stands_for(self, twin: Tensor, tensor: Tensor) -> None:
        """Write down that the next op sees a tensor as it is before that is written to."""
        value = self.value_of(tensor)
        step = self.write_down("before", as_before, (value,), {})
        made = Value("", twin, RESULT, value.depends)
        step.outputs = (made,)
        # whatever its array is: it may get a copy of the tensor's, which goes on to stand for the tensor
        self.known[id(twin)] = (made, None, twin)

    def underlies(self, base: Tensor, tensor: Tensor) -> None:
        """Know what a tensor was before it became a view of that."""
        self.know(base, self.value_of(tensor))

    def detached(self, tensor: Tensor, out: Tensor) -> None:
        """Write down that a tensor was taken out of the graph of gradients."""
        value = self.value_of(tensor)
        step = self.write_down("detach", Tensor.detach, (value,), {})
        step.outputs = (self.add(out, "", RESULT, value.depends),)

    def written(self, tensor: Tensor, value: Tensor) -> None:
        """Write down that a tensor was written to."""
        target = self.find(tensor) or self.value_of(tensor)
        source = self.value_of(value)
        self.write_down("write", write_result if self._just_made(source, target) else write, (target, source), {})
        if source.depends:
            for other, _, sharer in list(self.known.values()):
                if sharer._alias is not None and sharer._alias.shared is tensor._alias.shared:
                    other.depends = True
        self.know(tensor, target)

    def _just_made(self, value: Value, target: Value) -> bool:
        """Return whether the last step made a value of what stands for ``target``, as an in-place method does."""
        old, made = self.steps[-2:] if len(self.steps) > 1 else (None, None)
        if old is None or made is None or old.name != "before" or value not in made.outputs:
            return False
        return old.args[0] is target and made.args[:1] == old.outputs

    def moved(self, tensor: Tensor, out: Tensor) -> None:
        """Write down a move to another device."""
        value = self.value_of(tensor)
        step = self.write_down("move", _move, (value,), {"device": str(out.device)})
        step.outputs = (self.add(out, "", RESULT, value.depends),)

    def leaves(self, tensor: Tensor) -> None:
        """Refuse that numbers which depend on an input leave the graph."""
        value = self.find(tensor)
        if value is not None and value.depends:
            raise TraceError(
                f"trace: the elements of a tensor of sizes {tuple(tensor.shape)} that depends on an input are read"
                f"{_here()}; a graph would not read them again: stay with tensors (where, gather, index_select), or "
                "give what is decided by them as an input"
            )


def _move(tensor: Any, *, device: str) -> Any:
    return tensor.to(device)


def _drawn() -> bytes:
    """Return where the default random stream is."""
    with paused():
        return get_rng_state().numpy().tobytes()


def _here() -> str:
    """Return where the program is, for an error."""
    return f", at {places.shown_line(places.line_of_user())}{places.within(state.modules)}"


def _flat(args: tuple) -> list[Value]:
    from dovetail.modes.graph import values_in

    return list(values_in(args))
