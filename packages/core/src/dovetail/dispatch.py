"""Calling an op: unwrap, promote, let a mode see it, run the kernel, wrap, record.

The path for one or two inputs without options is written out, since an elementwise op on a small tensor costs little
more than the Python that leads to it; every other op takes the general path. ``align`` is the slow path of all three.
"""

from __future__ import annotations

from typing import Any, NoReturn

from dovetail import modes
from dovetail.align import align, explain, ready
from dovetail.autograd.graph import LEAF, Node, Output, keep, next_sequence
from dovetail.device import Device
from dovetail.errors import GradError
from dovetail.kernels import prepared_kernel
from dovetail.modes import state, through_modes
from dovetail.op import Op
from dovetail.tensor import Tensor
from dovetail.views import Shared, mark_view

active_modes = modes.active
new, new_node = Tensor.__new__, Node.__new__
ELEMENTWISE = ("same", "number", "float")  # how the inputs of an op that broadcasts may be promoted
SPELLINGS = {"axis": "dim", "keepdims": "keepdim"}
NUMBERS = (float, int)
ONE = ("out",)  # the results of an op that has one
INTEGER, FLOATING = 1, 2  # DType.category; complex is above floating point


def make_call(op: Op) -> Any:
    """Return the function that runs ``op``, specialised by the number of its inputs."""
    plain = not (op.options or op.variadic or op.optional or op.view or op.mutates) and op.outputs == ONE
    if plain and op.promote in ELEMENTWISE and len(op.inputs) == 1:
        return _unary(op)
    if plain and op.promote in ELEMENTWISE and len(op.inputs) == 2:
        return _binary(op)
    return _general(op)


def _unary(op: Op) -> Any:
    kernels, least = op.kernels, op.least

    def call(x):
        if active_modes and state.modes:
            return through_modes(call, (x,), {})
        try:
            a = x._array
            device = x._device
            fits = not least or device.categories[a.dtype] >= least
        except (AttributeError, KeyError):
            fits = False
        if not fits:
            (x,), (a,), device = align(op, (x,))
        try:
            result = kernels[device](a)
        except Exception as error:
            result = again(op, (x,), (a,), device, error)
        out = new(Tensor)  # what Tensor(result, device) does, without the call
        out._array = result
        out._device = device
        out._node = out._alias = out.grad = None
        node_x = x._node
        if node_x is None or not state.grad or not op.differentiable:
            return out
        node = out._node = Node(op, (x if node_x is LEAF else node_x,))
        if op.kept:
            keep(node, (True,), (x,), {}, (out,))
        return out

    return call


def _binary(op: Op) -> Any:
    kernels, least = op.kernels, op.least

    def call(x, y):
        if active_modes and state.modes:
            return through_modes(call, (x, y), {})
        try:
            a, device = x._array, x._device
            if y.__class__ is not Tensor and y.__class__ in NUMBERS:
                b = y
                fits = device.categories[a.dtype] >= (FLOATING if y.__class__ is float or least > INTEGER else INTEGER)
            else:
                b = y._array
                fits = a.dtype is b.dtype and y._device is device and (not least or device.categories[a.dtype] >= least)
        except (AttributeError, KeyError):
            fits = False
        if not fits:
            (x, y), (a, b), device = align(op, (x, y))
        try:
            result = kernels[device](a, b)
        except Exception as error:
            result = again(op, (x, y), (a, b), device, error)
        if result.__class__ is not a.__class__:
            result = device.backend.as_array(result)
        out = new(Tensor)
        out._array, out._device = result, device
        out._node = out._alias = out.grad = None
        node_x, node_y = None if a is x else x._node, None if b is y else y._node
        if (node_x is None and node_y is None) or not state.grad or not op.differentiable:
            return out
        node = out._node = new_node(Node)
        node.op, node.sequence = op, next_sequence()
        node.edges = (x if node_x is LEAF else node_x, y if node_y is LEAF else node_y)
        node.saved = node.versions = None
        node.shapes = None if a is not x and b is not y and a.shape == b.shape else shapes_of(a, b)
        if op.kept:
            keep(node, (node_x is not None, node_y is not None), (x, y), {}, (out,))
        return out

    return call


def shapes_of(*arrays: Any) -> tuple:
    """Return the arrays' shapes, None for a number."""
    return tuple([getattr(array, "shape", None) for array in arrays])


def again(op: Op, inputs: tuple, arrays: tuple, device: Device, error: Exception) -> Any:
    """Return the result of a call that did not succeed at first, or raise the error that explains it.

    The first call on a device finds no kernel; and where warnings are errors, one may have raised a mere warning.
    """
    try:
        if device not in op.kernels:
            return prepared_kernel(op, device)(*arrays)
        if isinstance(error, (RuntimeWarning, FloatingPointError)):
            return device.backend.run_quietly(op.kernels[device], *arrays)
    except Exception as failure:
        error = failure
    fail(op, inputs, {}, error)


def fail(op: Op, inputs: tuple, options: dict[str, Any], error: Exception) -> NoReturn:
    """Raise the error that explains why an op failed: another one from ``error``, or ``error`` itself."""
    explained = explain(op, inputs, options, error)
    if explained is error:  # as its own cause it would be a cycle, which keeps the tensors of its frames alive
        raise error
    raise explained from error


def _general(op: Op) -> Any:
    def call(*args, **kwargs):
        inputs, options = bind(op, args, kwargs)
        if active_modes and state.modes:
            return through_modes(call, inputs, options)
        return execute(op, inputs, options)

    return call


def bind(op: Op, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Sort a call's arguments into inputs and options; options may be positional too, after the inputs.

    Raises:
        TypeError: an argument is missing, unknown or given twice.
    """
    count = len(args) if op.variadic else len(op.inputs)
    if not kwargs and len(args) == count and not op.required_options:
        return args, op.options
    inputs, rest = args[:count], args[count:]
    if len(inputs) < count:
        missing = op.inputs[len(inputs) :]
        inputs += tuple(kwargs.pop(name) if name in kwargs else _missing(op, name) for name in missing)
    options = {**op.options, **kwargs}
    if rest or len(options) != len(op.options):
        _bind_positional(op, rest, kwargs, options)
    for name in op.required_options:
        if options[name] is Op.MISSING:
            raise TypeError(f"{op.name}() needs {name!r}")
    return inputs, options


def _bind_positional(op: Op, rest: tuple, kwargs: dict[str, Any], options: dict[str, Any]) -> None:
    """Add the options given by position, or by the names that NumPy has for them, to ``options``."""
    names = list(op.options)
    for name in [name for name in kwargs if SPELLINGS.get(name) in names]:
        options[SPELLINGS[name]] = options.pop(name)
    if len(rest) > len(names) or len(options) != len(names):
        allowed = ", ".join((*op.inputs, *names))
        unknown = [name for name in kwargs if name not in op.options]
        raise TypeError(f"{op.name}() takes ({allowed}), got {len(rest)} options by position, and unknown {unknown}")
    for name, value in zip(names, rest, strict=False):
        if name in kwargs:
            raise TypeError(f"{op.name}() got {name!r} twice, by position and by name")
        options[name] = value


def _missing(op: Op, name: str) -> Any:
    """Return None for an optional input that a call leaves out; refuse to do without another."""
    if name not in op.optional:
        raise TypeError(f"{op.name}() needs the input {name!r}; its inputs are {', '.join(op.inputs)}")


def execute(op: Op, inputs: tuple, options: dict[str, Any]) -> Any:
    """Run an op of any shape on sorted arguments."""
    found: Any = ready(op, inputs)
    inputs, arrays, device = (inputs, *found) if found is not None else align(op, inputs)
    if op.check is not None:
        op.check(*inputs, **options)
    native = options
    if op.takes_dtype and options["dtype"] is not None:
        native = {**options, "dtype": device.backend.native_dtype(options["dtype"])}
    try:
        kernel = op.kernels.get(device) or prepared_kernel(op, device)
        results = kernel(*arrays, **native)
    except Exception as error:
        fail(op, inputs, options, error)
    if op.mutates:
        return _take_back(op, inputs, results)
    single = op.outputs == ONE
    outputs: Any = (Tensor(results, device),) if single else tuple([Tensor(result, device) for result in results])
    if state.grad and op.differentiable and (native is options or options["dtype"].is_differentiable):
        record(op, inputs, options, outputs)
    if op.view:
        mark_view(op, inputs[0], options, outputs[0])
    return outputs[0] if single else outputs


def record(op: Op, inputs: tuple, options: dict[str, Any], outputs: tuple) -> Node | None:
    """Make the node of an op that ran, if an input needs a gradient, and make the outputs its results."""
    edges: Any = []
    needed = False
    for value in inputs:
        node = value._node if isinstance(value, Tensor) else None
        needed = needed or node is not None
        edges.append(value if node is LEAF else node)
    if not needed:
        return None
    node = Node(op, tuple(edges))
    if len(edges) > 1:
        node.shapes = tuple([value._array.shape if isinstance(value, Tensor) else None for value in inputs])
    several = len(outputs) > 1
    for index, (name, output) in enumerate(zip(op.outputs, outputs, strict=True)):
        if name not in op.no_grad_outputs:
            output._node = Output(node, index) if several else node
    if op.kept:
        keep(node, tuple([edge is not None for edge in edges]), inputs, options, outputs)
    return node


def _take_back(op: Op, inputs: tuple, results: Any) -> None:
    """Give the arrays that a mutating kernel returns to the tensors that it changed."""
    if len(op.mutates) == 1:
        results = (results,)
    for name, array in zip(op.mutates, results, strict=True):
        target = inputs[op.inputs.index(name)]
        if target is None:
            continue
        if target._node is not None and state.grad:
            raise GradError(f"{op.name} writes to {name!r}, which needs a gradient; call it under dovetail.no_grad()")
        if array is not target._array:
            target._array = target._device.backend.write(target._array, array)
        if target._alias is None:
            target._alias = Shared()
        target._alias.shared.version += 1
