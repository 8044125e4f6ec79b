"""In-place methods: each op's, made of the op by one mechanism; and the functions' ``out=``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from dovetail import modes
from dovetail.autograd.grad_mode import no_grad
from dovetail.autograd.graph import Node, versions_of
from dovetail.errors import DeviceError, DTypeError, GradError
from dovetail.modes import state
from dovetail.op import OPS, Op
from dovetail.tensor import Tensor
from dovetail.views import Shared, View, assign, before, check_overlap, check_writable, shared_of

active_modes = modes.active
NUMBERS = (float, int)
INTEGER, FLOATING = 1, 2  # DType.category
MISSING = object()


def in_place(call: Any, name: str = "") -> Callable[..., Any]:
    """Return the in-place method of an op: it runs, its result goes into the first input, history is rebased.

    Where nothing is recorded and the backend has a writer for the op, that writes the result where it belongs at once.
    """
    name = name or call.__name__ + "_"
    definition: Op | None = getattr(call, "definition", None)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_writable(self, name)
        others = (*args, *kwargs.values())
        check_overlap(self, others, name)
        old = self
        below = state.grad and is_remembered(self, *others)
        recorded = below or (state.grad and any(getattr(value, "_node", None) is not None for value in (self, *others)))
        if recorded or (active_modes and state.modes):
            old = before(self)
        if recorded and (below or definition is None or _keeps_target(definition, self, args)):
            # a rule needs (or, in a composition, may need) the value that is about to be overwritten
            old._array, old._alias = self._device.backend.xp.asarray(self._array, copy=True), None
        value = call(old, *args, **kwargs)
        assign(self, value)
        if definition is not None and isinstance(value._node, Node) and value._node.op is definition:
            keep_written(value._node, value, self)
        return self

    op = definition or OPS.get(call.__name__)
    if op is not None and not op.variadic and len(op.inputs) in (1, 2) and op.promote is not None:
        method = (_writing_unary if len(op.inputs) == 1 else _writing_binary)(op, method)
    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of ``{call.__name__}``."
    return method


def is_remembered(*values: Any) -> bool:
    """Return whether an operation on these is recorded below the dispatcher, as inside a transform."""
    return any(isinstance(value, Tensor) and value._device.backend.remembers(value._array) for value in values)


def _keeps_target(op: Op, target: Any, others: tuple) -> bool:
    """Return whether recording ``op`` on these inputs would save the first one."""
    needs = [getattr(value, "_node", None) is not None for value in (target, *others)]
    return any(needed and op.inputs[0] in keeps for needed, keeps in zip(needs, op.keeps_by_input, strict=False))


def keep_written(node: Node, value: Any, target: Any) -> None:
    """Have a node that saved its result save the tensor that it was written to, so that a later write is noticed."""
    if not node.op.keeps_outputs or node.saved is None or value.dtype is not target.dtype:
        return
    shared = shared_of(target)
    for twin in node.saved:
        if isinstance(twin, Tensor) and twin._array is value._array:
            twin._array, twin._alias = target._array, shared
    node.versions = versions_of(node.saved)


# Writing at once


def _find_update(op: Op, device: Any) -> Callable[..., Any]:
    """Return what writes the op's result on this device, found once; a function that refuses where there is nothing."""
    backend = device.backend
    writer = backend.updates.get(op.name) if "writes" in backend.capabilities else None
    op.updates[device] = writer or _no_update
    return op.updates[device]


def _no_update(*arrays: Any) -> None:
    """Stand for a writer that is not there; who calls it takes any error as the word to go the general way."""
    raise NotImplementedError


def _simple(self: Any, alias: Any) -> bool:
    """Return whether a write to this tensor that nothing records needs no more than the numbers and a count."""
    if alias.__class__ is View:
        return not alias.shared.guarded and not (state.grad and alias.origin is not None)
    return not alias.guarded


def _count(self: Any, alias: Any) -> Any:
    if alias is None:
        alias = self._alias = Shared()
    elif alias.__class__ is View:
        alias = alias.shared
    alias.version += 1
    return self


def _writing_unary(op: Op, slow: Callable[..., Any]) -> Callable[..., Any]:
    updates, least = op.updates, op.least

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        alias = self._alias
        if (
            args
            or kwargs
            or (state.grad and self._node is not None)
            or active_modes
            or (alias is not None and not _simple(self, alias))
        ):
            return slow(self, *args, **kwargs)
        array, device = self._array, self._device
        if not array.shape:
            array = self._memory()  # what is held as a number cannot be written to
        if least and device.categories.get(array.dtype, 0) < least:
            return slow(self)
        try:
            (updates.get(device) or _find_update(op, device))(array, array)
        except (RuntimeWarning, FloatingPointError):
            pass  # about numbers, which are written by then
        except Exception:
            return slow(self)
        return _count(self, alias)

    return method


def _writing_binary(op: Op, slow: Callable[..., Any]) -> Callable[..., Any]:
    updates, least = op.updates, op.least

    def method(self: Any, other: Any = MISSING, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or other is MISSING or active_modes:
            given = args if other is MISSING else (other, *args)
            return slow(self, *given, **kwargs)
        alias, array, device = self._alias, self._array, self._device
        if not array.shape:
            array = self._memory()  # what is held as a number cannot be written to
        try:
            if other.__class__ in NUMBERS:
                operand, node = other, None
                wanted = FLOATING if other.__class__ is float or least > INTEGER else INTEGER
                fits = device.categories[array.dtype] >= wanted
            else:
                operand, node = other._array, other._node
                fits = operand.dtype is array.dtype and other._device is device
                if least:
                    fits = fits and device.categories[array.dtype] >= least
        except (AttributeError, KeyError):
            return slow(self, other)
        if (
            not fits
            or (state.grad and (self._node is not None or node is not None))
            or (alias is not None and not (_simple(self, alias) and _apart(self, alias, operand, other)))
        ):
            return slow(self, other)
        try:
            if (updates.get(device) or _find_update(op, device))(array, operand) is not array:
                return slow(self, other)  # a mere number, which cannot be written to
        except (RuntimeWarning, FloatingPointError):  # about numbers, which are written by then
            if not hasattr(array, "__setitem__"):
                return slow(self, other)
        except Exception:
            return slow(self, other)
        return _count(self, alias)

    return method


def _apart(self: Any, alias: Any, operand: Any, other: Any) -> bool:
    """Return whether the operand is a number, the tensor itself or on other memory."""
    if operand is other or other is self or other._alias is None:
        return True
    return other._alias.shared is not alias.shared


# ``out=``


def write_out(call: Callable[..., Any], args: tuple, kwargs: dict[str, Any], out: Any) -> Any:
    """Run ``call`` and write its result, or each of several, into ``out``, which gets its sizes; returns ``out``.

    Raises:
        GradError: an argument needs a gradient; such a write has none. DTypeError: ``out`` cannot hold the result.
    """
    name = call.__name__
    targets = tuple(out) if isinstance(out, (tuple, list)) else (out,)
    given = list(_tensors((args, tuple(kwargs.values()), targets)))
    if state.grad and any(value._node is not None for value in given):
        raise GradError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad; leave out= away, or call it under dovetail.no_grad()"
        )
    if not all(isinstance(target, Tensor) for target in targets):
        raise TypeError(f"{name}(): out= takes a tensor for each result, got {out!r}")
    for target in targets:
        check_overlap(target, [value for value in given if value is not target], name)
    definition = getattr(call, "definition", None)
    if definition is not None and definition.takes_dtype and kwargs.get("dtype") is None:
        kwargs = {**kwargs, "dtype": targets[0].dtype}
    found = call(*args, **kwargs)
    results = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    if len(results) != len(targets):
        raise TypeError(f"{name}(): out= needs {len(results)} tensors, one for each result, got {len(targets)}")
    for target, result in zip(targets, results, strict=True):
        _write_result(name, target, result)
    return out if len(targets) == 1 else type(found)(*out) if hasattr(found, "values") else tuple(out)


def _tensors(values: Any) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _tensors(value)


def _write_result(name: str, target: Tensor, result: Tensor) -> None:
    if target._device is not result._device:
        raise DeviceError(f"{name}(): out= is on {target._device}, the result on {result._device}")
    if target.dtype.category < result.dtype.category:
        raise DTypeError(
            f"{name}(): result type {result.dtype} can't be cast to the desired output type {target.dtype}; "
            "give out= a tensor of the result's dtype"
        )
    if target.shape != result.shape:
        if target.numel():
            warnings.warn(
                f"{name}(): out= was resized since it had shape {list(target.shape)}, which does not match the "
                f"required output shape {list(result.shape)}; give a tensor of that shape or one without elements",
                stacklevel=4,
            )
        target.resize_(result.shape)
    with no_grad():
        assign(target, result)


def lacks_out(call: Any) -> bool:
    """Return whether this is an op called with nothing but its inputs: to look for ``out`` too would slow it down."""
    return hasattr(call, "definition") and call.__code__.co_argcount > 0


def with_out(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with the argument ``out=`` too."""

    @wraps(call)
    def outward(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None) if kwargs else None
        return call(*args, **kwargs) if out is None else write_out(call, args, kwargs, out)

    return outward
