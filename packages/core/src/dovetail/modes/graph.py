"""What ``trace`` gives: the ops of a function in order, which can be printed, walked through and run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dovetail.autograd.grad_mode import set_grad_enabled
from dovetail.autograd.graph import Node
from dovetail.errors import DTypeError, ShapeError
from dovetail.modes.base import state
from dovetail.tensor import Size, Tensor
from dovetail.views import assign, before, check_writable
from dovetail.writes import keep_written

INPUT, CAPTURED, CONSTANT, RESULT = "input", "captured", "constant", "result"


class Value:
    """A tensor of a graph: an input, one that the function found (a parameter), one that it made, or an op's result.

    Attributes:
        name: what the printed graph calls it. shape, dtype: those seen while tracing.
        kind: ``"input"``, ``"captured"`` (kept by reference), ``"constant"`` (made inside from no input), ``"result"``.
        tensor: a captured tensor or a constant; None for the others.
        depends: whether it is computed from an input.
    """

    __slots__ = ("depends", "dtype", "kind", "name", "shape", "tensor")

    def __init__(self, name: str, like: Any, kind: str, depends: bool, tensor: Any = None) -> None:
        self.name = name
        self.shape = Size(like.shape)
        self.dtype = like.dtype
        self.kind = kind
        self.depends = depends
        self.tensor = tensor

    def __repr__(self) -> str:
        return self.name

    @property
    def type(self) -> str:
        """Dtype and sizes, such as ``float32[2, 3]``."""
        return f"{self.dtype.name}{list(self.shape)}"


class Step:
    """One line of a graph.

    Attributes:
        name: the op's name, or ``"detach"``, ``"before"`` (a tensor as it is before a write), ``"write"``, ``"move"``.
        call: the op, or what does the same as it, of the inputs and options.
        args: Values, numbers, None, and tuples of them. options: the op's options.
        outputs: the results.
        grad: whether the trace recorded gradients here; False inside ``no_grad``.
    """

    __slots__ = ("args", "call", "grad", "name", "options", "outputs")

    def __init__(self, name: str, call: Callable[..., Any], args: tuple, options: dict[str, Any]) -> None:
        self.name = name
        self.call = call
        self.args = args
        self.options = options
        self.outputs: tuple[Value, ...] = ()
        self.grad = state.grad

    @property
    def effect(self) -> bool:
        """Whether the step changes a tensor that is there already."""
        return self.name == "write" or bool(getattr(self.definition, "mutates", ()))

    @property
    def definition(self) -> Any:
        """The op's definition, None for a step that is no op."""
        return getattr(self.call, "definition", None)

    def __repr__(self) -> str:
        return _call_text(self)


def values_in(args: Any) -> Iterator[Value]:
    """Give the Values among arguments, and in tuples, lists and dicts of them."""
    for arg in args.values() if isinstance(args, dict) else args:
        if isinstance(arg, Value):
            yield arg
        elif isinstance(arg, (tuple, list, dict)):
            yield from values_in(arg)


def write(target: Tensor, value: Tensor) -> Tensor:
    """Do what a copy into a tensor does."""
    check_writable(target, "a traced in-place operation")
    return assign(target, value)


def write_result(target: Tensor, value: Tensor) -> Tensor:
    """Do what an in-place operation does with the result of its op."""
    write(target, value)
    if isinstance(value._node, Node):
        keep_written(value._node, value, target)
    return target


def as_before(tensor: Tensor) -> Tensor:
    """Return the tensor as it is now, for the op whose result is then written into it."""
    old = before(tensor)
    if state.grad:  # a rule may keep the value that is about to be overwritten
        old._array, old._alias = tensor._device.backend.xp.asarray(tensor._array, copy=True), None
    return old


class Graph:
    """The ops that a traced function ran, in order; calling it runs them with other inputs of the same shapes.

    Gradients flow through a call. Parameters, and other tensors that the function found, are used as they then are.

    Attributes:
        inputs: the Values of the inputs. nodes: the Steps. outputs: the Values of all results.

    Example::

        >>> import dovetail
        >>> graph = dovetail.modes.trace(lambda x: (x * 2).relu(), dovetail.ones(2))
        >>> print(graph)
        graph(x: float32[2]):
            %0 = mul(x, 2)  # float32[2]
            %1 = relu(%0)   # float32[2]
            return %1
        >>> graph(dovetail.tensor([3.0, -1.0]))
        tensor([6., 0.])
    """

    def __init__(self, inputs: list[Value], nodes: list[Step], result: Any) -> None:
        self.inputs = inputs
        self.result = result
        self.outputs = list(values_in((result,)))
        self.nodes = _needed(nodes, self.outputs)
        for number, output in enumerate(output for step in self.nodes for output in step.outputs):
            output.name = f"%{number}"
        self._last = _last_uses(self.nodes, self.outputs)
        self._writes = any(step.effect for step in self.nodes)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def captured(self) -> list[Value]:
        """The tensors that are neither inputs nor results: parameters and constants."""
        found = {value: None for step in self.nodes for value in values_in(step.args) if value.tensor is not None}
        found |= {value: None for value in self.outputs if value.tensor is not None}
        return list(found)

    def __call__(self, *inputs: Tensor) -> Any:
        """Run the ops with other inputs.

        Raises:
            TypeError: another number of inputs, or no tensors. ShapeError, DTypeError: not as in the trace.
        """
        known: dict[Value, Any] = dict(zip(self.inputs, self._checked(inputs), strict=True))
        for value in self.captured:
            made_inside = self._writes and value.kind == CONSTANT
            known[value] = value.tensor.clone() if made_inside else value.tensor
        for step, forgotten in zip(self.nodes, self._last, strict=True):
            args = _filled(step.args, known)
            if step.grad or not state.grad:
                out = step.call(*args, **step.options)
            else:
                with set_grad_enabled(False):
                    out = step.call(*args, **step.options)
            for value, tensor in zip(step.outputs, out if isinstance(out, tuple) else (out,), strict=False):
                known[value] = tensor
            for value in forgotten:
                del known[value]
        return _filled((self.result,), known)[0]

    def _checked(self, inputs: tuple) -> tuple:
        if len(inputs) != len(self.inputs):
            names = ", ".join(value.name for value in self.inputs)
            raise TypeError(f"graph takes {len(self.inputs)} inputs ({names}), got {len(inputs)}")
        for value, tensor in zip(self.inputs, inputs, strict=True):
            if not isinstance(tensor, Tensor):
                raise TypeError(f"graph: input {value.name!r} must be a tensor, got {type(tensor).__name__}")
            if tensor.dtype is not value.dtype:
                raise DTypeError(
                    f"graph: input {value.name!r} was {value.dtype} in the trace, got {tensor.dtype}; convert, or "
                    "trace again"
                )
            if tuple(tensor.shape) != tuple(value.shape):
                raise ShapeError(
                    f"graph: input {value.name!r} had sizes {tuple(value.shape)} in the trace, got "
                    f"{tuple(tensor.shape)}; a graph holds for the sizes that it was traced with; trace again"
                )
        return inputs

    def __repr__(self) -> str:
        taken = ", ".join(f"{value.name}: {value.type}" for value in self.inputs)
        lines = [f"{value.name}: {value.type}  # {value.kind}" for value in self.captured]
        texts = [_call_text(step) for step in self.nodes]
        width = max(map(len, texts), default=0)
        for text, step in zip(texts, self.nodes, strict=True):
            made = ", ".join(output.type for output in step.outputs)
            lines.append(f"{text.ljust(width)}  # {made}" if made else text)
        lines.append(f"return {_shown(self.result)}")
        return f"graph({taken}):\n    " + "\n    ".join(lines)


def _needed(nodes: list[Step], outputs: list[Value]) -> list[Step]:
    """Return the steps that lead to the outputs or change a tensor."""
    wanted = set(outputs)
    kept = []
    for step in reversed(nodes):
        if step.effect or not wanted.isdisjoint(step.outputs):
            kept.append(step)
            wanted.update(values_in(step.args))
    return kept[::-1]


def _last_uses(nodes: list[Step], outputs: list[Value]) -> list[list[Value]]:
    """Return for each step the results that none after it uses, so that their memory can go."""
    later = set(outputs)
    forgotten = []
    for step in reversed(nodes):
        mine = dict.fromkeys(value for value in (*values_in(step.args), *step.outputs) if value not in later)
        later.update(mine)
        forgotten.append(list(mine))
    return forgotten[::-1]


def _filled(args: Any, known: dict[Value, Any]) -> Any:
    """Return arguments with the tensors in place of the Values."""
    if isinstance(args, Value):
        return known[args]
    if isinstance(args, dict):
        return {name: _filled(arg, known) for name, arg in args.items()}
    if type(args) in (tuple, list):
        return type(args)(_filled(arg, known) for arg in args)
    return args


def _call_text(step: Step) -> str:
    defaults = getattr(step.definition, "options", {})
    parts = [_shown(arg) for arg in step.args]
    while parts and parts[-1] == "None":
        parts.pop()
    parts += [
        f"{name}={_shown(option)}"
        for name, option in step.options.items()
        if name not in defaults or not _same(defaults[name], option)
    ]
    made = ", ".join(output.name for output in step.outputs)
    return f"{made} = {step.name}({', '.join(parts)})" if made else f"{step.name}({', '.join(parts)})"


def _same(default: Any, option: Any) -> bool:
    return default is option or (type(default) is type(option) and repr(default) == repr(option))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name!r}: {_shown(part)}" for name, part in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(_shown, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, slice):
        parts = [str(part) if part is not None else "" for part in (value.start, value.stop)]
        return ":".join(parts) + (f":{value.step}" if value.step not in (None, 1) else "")
    if value is Ellipsis:
        return "..."
    if hasattr(value, "shape") and not isinstance(value, Value):
        return f"<{value.dtype} array of sizes {tuple(value.shape)}>"
    return str(value)
