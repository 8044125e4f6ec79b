"""Calling an op: unwrap, promote, let a mode see it, run the kernel, wrap, record.

The path for one or two inputs without options is written out, since an elementwise op on a small tensor costs little
more than the Python that leads to it; every other op takes the general path. ``align`` is the slow path of all three.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from numpy import asarray, ndarray

from dovetail import modes
from dovetail.align import align, explain, wrapped
from dovetail.autograd.graph import LEAF, Output, SmallNode, keep, keeper_of, new_node, next_sequence, small_node
from dovetail.device import Device
from dovetail.errors import GradError
from dovetail.kernels import prepared_kernel
from dovetail.modes import state, through_modes, unrecorded
from dovetail.op import Op
from dovetail.tensor import Tensor, new_tensor
from dovetail.views import Shared, mark_view

active_modes = modes.active
ELEMENTWISE = ("same", "number", "float")  # how the inputs of an op that broadcasts may be promoted
SPELLINGS = {"axis": "dim", "keepdims": "keepdim"}
NUMBERS = (float, int)
ONE = ("out",)  # the results of an op that has one
INTEGER, FLOATING = 1, 2  # DType.category; complex is above floating point
FIRST, SECOND, BOTH = 1, 2, 3  # which inputs need a gradient, as ``keeper_of`` takes it
NO_OPTIONS: dict[str, Any] = {}


def make_call(op: Op) -> Any:
    """Return the function that runs ``op``, specialised by the number of its inputs."""
    plain = not (op.options or op.variadic or op.optional or op.view or op.mutates) and op.outputs == ONE
    op.small = plain and len(op.inputs) in (1, 2)
    return _general(op) if not op.small else _unary(op) if len(op.inputs) == 1 else _binary(op)


def _unary(op: Op) -> Any:
    kernels, keepers, least = op.kernels, op.keepers, op.least

    def call(x):
        if active_modes and state.modes:
            return through_modes(call, (x,), {})
        try:
            a, device = x._array, x._device
            fits = not least or device.categories[a.dtype] >= least
        except (AttributeError, KeyError):
            fits = False
        if not fits:
            (x,), (a,), device = align(op, (x,))
        try:
            result = kernels[device](a)
        except Exception as error:
            result = again(op, (x,), (a,), device, error)
        out = new_tensor()  # what Tensor(result, device) does, without the call
        out._array, out._device = result, device
        out._node = out._alias = out._grad = None
        node_x = x._node
        if node_x is None or not op.differentiable or (unrecorded and not state.grad):
            return out
        node = out._node = SmallNode()
        node.op, node.sequence, node.shape = op, next_sequence(), result.shape
        node.first, node.second = x if node_x is LEAF else node_x, None
        if op.kept:
            (keepers.get(FIRST) or keeper_of(op, FIRST))(node, x, None, out)
        return out

    return call


def operator_of(op: Op, declines: Any) -> Any:
    """Return an op of two inputs as a Python operator: NotImplemented for a second operand that ``declines`` says."""
    call = _binary(op, declines)
    call.__name__ = call.__qualname__ = op.name
    call.__doc__ = op.kernel.__doc__
    call.definition = op
    return call


def _binary(op: Op, declines: Any = None) -> Any:
    kernels, keepers, least = op.kernels, op.keepers, op.least
    mixed, numbers = op.promote is None, op.promote in ELEMENTWISE
    least_beside_int = FLOATING if least > INTEGER else INTEGER

    def call(x, y):
        if active_modes and state.modes:
            return NotImplemented if declines is not None and declines(y) else through_modes(call, (x, y), {})
        kind = y.__class__
        try:
            a, device, node_x = x._array, x._device, x._node
            if kind is not Tensor and (kind is float or kind is int):
                b, node_y = y, None
                fits = numbers and device.categories[a.dtype] >= (FLOATING if kind is float else least_beside_int)
                if fits and a.__class__ is ndarray and a.dtype.kind == "f":
                    b = asarray(y, a.dtype)  # NumPy does the same, but takes twice as long
            else:
                b, node_y = y._array, y._node
                fits = (a.dtype is b.dtype or mixed) and y._device is device
                fits = fits and (not least or device.categories[a.dtype] >= least)
        except (AttributeError, KeyError, OverflowError):
            fits = False
        if not fits:
            if declines is not None and declines(y):
                return NotImplemented
            x, y, a, b, node_x, node_y, device = _aligned(op, x, y)
        try:
            result = kernels[device](a, b)
        except Exception as error:
            result = again(op, (x, y), (a, b), device, error)
        out = new_tensor()
        out._array, out._device = result, device
        out._node = out._alias = out._grad = None
        if (node_x is None and node_y is None) or not op.differentiable or (unrecorded and not state.grad):
            return out
        node = out._node = SmallNode()
        node.op, node.sequence, node.shape = op, next_sequence(), result.shape
        node.first = x if node_x is LEAF else node_x
        node.second = y if node_y is LEAF else node_y
        if op.kept:
            needed = FIRST if node_y is None else SECOND if node_x is None else BOTH
            (keepers.get(needed) or keeper_of(op, needed))(node, x, y, out)
        return out

    return call


def _aligned(op: Op, x: Any, y: Any) -> tuple:
    """Return both inputs, their arrays and nodes, and the device, brought together."""
    (x, y), (a, b), device = align(op, (x, y))
    return x, y, a, b, getattr(x, "_node", None), getattr(y, "_node", None), device


def again(
    op: Op, inputs: tuple, arrays: tuple, device: Device, error: Exception, options: Any = NO_OPTIONS,
    native: Any = NO_OPTIONS,
) -> Any:  # fmt: skip
    """Return the result of a call that did not succeed at first, or raise the error that explains it.

    The first call on a device finds no kernel; and where warnings are errors, one may have raised a mere warning.
    """
    kernel = op.kernels.get(device)
    try:
        if op.explanation is not None:
            op.explanation(*inputs, **options)
        known = op.kernels.get(device)
        if known is None or (isinstance(error, (RuntimeWarning, FloatingPointError)) and not op.mutates):
            kernel = known or prepared_kernel(op, device)
            return device.backend.run_quietly(kernel, *arrays, **native)
        if isinstance(error, OverflowError):
            return known(*wrapped(arrays, device), **native)
    except Exception as failure:
        if kernel is None and device in op.kernels:
            return again(op, inputs, arrays, device, failure)
        error = failure
    fail(op, inputs, options, error)


def fail(op: Op, inputs: tuple, options: dict[str, Any], error: Exception) -> NoReturn:
    """Raise the error that explains why an op failed: another one from ``error``, or ``error`` itself."""
    explained = explain(op, inputs, options, error)
    if explained is error:  # as its own cause it would be a cycle, which keeps the tensors of its frames alive
        raise error
    raise explained from error


def aside(call: Any, args: tuple, kwargs: dict[str, Any], out: Any) -> Any:
    """Run an op and write its result into ``out``, the argument of that name; without one, hand the op to a mode."""
    if out is None:
        return through_modes(call, args, kwargs)
    from dovetail.writes import write_out

    return write_out(call, args, kwargs, out)


def _general(op: Op) -> Any:
    has_out = "out" in op.inputs  # as a rule's own op may have

    def call(*args, **kwargs):
        out = kwargs.pop("out", None) if kwargs and not has_out else None
        if out is not None:
            return aside(call, args, kwargs, out)
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
    if kwargs and len(args) == count and kwargs.keys() == op.options.keys():
        return args, kwargs
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
    arrays, nodes, device = _unwrapped(op, inputs)
    if device is None:
        inputs, arrays, device = align(op, inputs)
        nodes = [getattr(value, "_node", None) for value in inputs]
    if op.view:
        arrays = (inputs[0]._memory(),)
    if op.check is not None:
        op.check(*inputs, **options)
    native = options
    if op.takes_dtype and options["dtype"] is not None:
        native = {**options, "dtype": device.backend.native_dtype(options["dtype"])}
    try:
        if op.mutates:
            kernel = op.kernels.get(device) or prepared_kernel(op, device)
            with device.backend.quiet():  # such a kernel cannot be run again
                return _take_back(op, inputs, kernel(*arrays, **native))
        results = op.kernels[device](*arrays, **native)
    except Exception as error:
        results = again(op, inputs, arrays, device, error, options, native)
    several = len(op.outputs) > 1
    out: Any = tuple([_made(result, device) for result in results]) if several else _made(results, device)
    recorded = nodes.count(None) < len(nodes) and op.differentiable and (not unrecorded or state.grad)
    if recorded and (native is options or options["dtype"].is_differentiable):
        record(op, inputs, options, out if several else (out,), nodes)
    if op.view:
        mark_view(op, inputs[0], options, out)
    return out


def _made(array: Any, device: Device) -> Tensor:
    out = new_tensor()
    out._array, out._device = array, device
    out._node = out._alias = out._grad = None
    return out


def _unwrapped(op: Op, inputs: tuple) -> tuple[Any, Any, Device | None]:
    """Return arrays, nodes and the device when there is nothing to bring together, as nearly always; else None."""
    arrays: list[Any] = []
    nodes: list[Any] = []
    alike, dtype = op.promote is not None, None
    device: Any = None
    try:
        for value in inputs:
            if value is None and op.optional:
                arrays.append(None)
                nodes.append(None)
                continue
            array = value._array
            if device is None:
                device, dtype = value._device, array.dtype
            elif value._device is not device or (alike and array.dtype is not dtype):
                return None, None, None
            arrays.append(array)
            nodes.append(value._node)
    except AttributeError:  # a number, or something else that is no tensor
        return None, None, None
    if device is None or (op.least and device.categories[dtype] < op.least):
        return None, None, None
    return arrays, nodes, device


def record(op: Op, inputs: tuple, options: dict[str, Any], outputs: tuple, nodes: Any = None) -> None:
    """Make the node of an op that ran, if an input needs a gradient, and make the outputs its results.

    Args:
        nodes: each input's ``_node``, where they are known already.
    """
    if nodes is None:
        nodes = [getattr(value, "_node", None) for value in inputs]
    needed = 0
    for position, node in enumerate(nodes):
        if node is not None:
            needed |= 1 << position
            if node is LEAF:
                nodes[position] = inputs[position]
    if not needed or (unrecorded and not state.grad):
        return
    several = len(outputs) > 1
    shape = tuple([getattr(out._array, "shape", None) for out in outputs]) if several else outputs[0]._array.shape
    node = small_node(op, nodes, shape) if op.small else new_node(op, tuple(nodes), shape)
    if several:
        for index, output in enumerate(outputs):
            if op.outputs[index] not in op.no_grad_outputs:
                output._node = Output(node, index)
    else:
        outputs[0]._node = node
    if op.kept:
        keep(node, needed, inputs, options, outputs)


def update(op: Op, rows: Iterable[tuple], options: dict[str, Any]) -> None:
    """Run an op that writes to its inputs on each of several rows of inputs; options are stated all.

    What optimizers do for all parameters: with fewer steps for each than a call of the op makes.
    """
    waiting: dict[Device, list[tuple]] = {}
    seen = active_modes and state.modes
    for row in rows:
        arrays, _, device = (None, None, None) if seen else _unwrapped(op, row)
        if device is None:
            op.call(*row, **options)
        elif device in waiting:
            waiting[device].append((row, arrays))
        else:
            waiting[device] = [(row, arrays)]
    for device, ready in waiting.items():
        kernel = op.kernels.get(device) or prepared_kernel(op, device)
        with device.backend.quiet():
            for row, arrays in ready:
                try:
                    results = kernel(*arrays, **options)
                except Exception as error:
                    fail(op, row, options, error)
                _take_back(op, row, results)


def _take_back(op: Op, inputs: tuple, results: Any) -> None:
    """Give the arrays that a mutating kernel returns to the tensors that it changed."""
    if len(op.writes_to) == 1:
        results = (results,)
    for position, array in zip(op.writes_to, results):  # noqa: B905  # to say strict= costs as much as the loop
        target = inputs[position]
        if target is None:
            continue
        if target._node is not None and (not unrecorded or state.grad):
            name = op.inputs[position]
            raise GradError(f"{op.name} writes to {name!r}, which needs a gradient; call it under dovetail.no_grad()")
        if array is not target._array:
            target._array = target._device.backend.write(target._array, array)
        alias = target._alias
        if alias is None:
            alias = target._alias = Shared()
        alias.shared.version += 1
