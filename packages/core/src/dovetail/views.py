"""The marking of views, and the one mechanism of in-place operations.

A ``View`` of ``aliases.py`` knows how it was made of its base, so that a write to one of the tensors that share memory
can give all of them their new history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.aliases import Sealed, Shared, Steps, View, replay, shared_of
from dovetail.autograd import hooks
from dovetail.errors import DTypeError, GradError, ShapeError
from dovetail.modes import active as active_modes
from dovetail.modes import set_recording, state, tell
from dovetail.op import Op

NO_GRAD = "no_grad"
_KEEPING_ORDER = ("reshape", "squeeze", "unsqueeze")
_REPEATING = ("expand", "as_strided")  # views that may show one element several times


def mark_view(op: Any, source: Any, options: dict[str, Any], view: Any) -> None:
    """Note that ``view`` is a view of ``source``, where it is one; where the backend copied, keep the two alike."""
    backend = source._device.backend
    copied = False
    if op.view is not True:
        if not backend.shares_memory(view._array, source._array):
            if op.view == "maybe" and ("views" in backend.capabilities or not _surely_in_order(source)):
                return
            copied = True
    elif "views" not in backend.capabilities:
        copied = True
    alias = source._alias
    made = view._alias = View()
    made.op, made.options = op, options
    if alias.__class__ is View:
        base, shared, made.source = alias.base, alias.shared, alias
        if alias.origin is not None:
            made.origin = alias.origin
    else:
        shared = source._alias = Shared() if alias is None else alias
        base, made.source = source, None
    made.base, made.shared = base, shared
    if not state.grad:
        mark_origin(view, NO_GRAD)
    if copied or op.name in _REPEATING:
        shared.guarded = True
        shared.copies = shared.copies or copied
    shared.add(view)


def _surely_in_order(tensor: Any) -> bool:
    """Return whether, if there were views, one of other sizes could be made of this tensor, as far as is seen."""
    return type(tensor._alias) is not View or all(op.name in _KEEPING_ORDER for op, _ in tensor._alias.steps)


def mark_several(views: tuple, function: str) -> tuple:
    """Note that ``views`` are results of one function; as in PyTorch a write to them cannot be recorded."""
    for view in views:
        if view._alias.__class__ is View:
            mark_origin(view, function)
    return views


def mark_origin(view: Any, origin: str) -> Any:
    """Note of a new view why a write to it could not be recorded; returns it."""
    alias = view._alias
    if alias.origin is None or origin is NO_GRAD:
        alias.origin = origin
    if alias.base._node is not None:
        alias.shared.guarded = True
    return view


def check_writable(tensor: Any, what: str) -> None:
    """Refuse to write to a leaf that needs a gradient, or to a view of one, while operations are recorded."""
    if not state.grad:
        return
    base = tensor._alias.base if type(tensor._alias) is View else tensor
    if type(base._alias) is Sealed:
        raise GradError(
            f"{what}: a result of an autograd.Function that is a view of an input is being used in an in-place "
            "operation, which would lose the function's gradient; have its forward return a .clone()"
        )
    if type(tensor._alias) is View and tensor._alias.base._node is not None and tensor._alias.base.is_leaf:
        raise GradError(
            f"{what}: a view of a leaf that needs a gradient is being used in an in-place operation; write to it "
            "under dovetail.no_grad(), or to a copy made by .clone()"
        )
    if tensor._node is not None and tensor.is_leaf:
        raise GradError(
            f"{what}: a leaf tensor that needs a gradient is being used in an in-place operation; write to it under "
            "dovetail.no_grad(), or to a copy made by .clone()"
        )


def check_overlap(target: Any, others: Any, what: str) -> None:
    """Refuse to write where one element stands at several places, or is read at another place than it is written to.

    Raises:
        ShapeError: ``target`` is an expanded view, or one of ``others`` is another part of the same memory.
    """
    alias = target._alias
    if alias is None:
        return
    backend, shared = target._device.backend, alias.shared
    if shared.guarded and backend.repeats_elements(target._array):
        raise ShapeError(
            f"{what}: unsupported operation: more than one element of the written-to tensor, of sizes "
            f"{tuple(target.shape)}, refers to a single memory location, as an expanded view does; use .clone() first"
        )
    for other in others:
        found = getattr(other, "_alias", None)
        if found is not None and found.shared is shared and backend.partly_same(target._array, other._array):
            raise ShapeError(
                f"{what}: unsupported operation: some elements of the input tensor, of sizes {tuple(other.shape)}, and "
                "of the written-to tensor refer to a single memory location; use .clone() on the input first"
            )


def before(tensor: Any) -> Any:
    """Return a tensor that stands for ``tensor`` as it was before an in-place operation: same memory and history."""
    return _twin(tensor, "stands_for")


def _twin(tensor: Any, event: str) -> Any:
    old = type(tensor)._plain(tensor._array, tensor._device)
    old._node = tensor._node
    old._alias = shared_of(tensor)
    if active_modes and state.modes:
        tell(event, old, tensor)
    return old


def become_view(tensor: Any, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Make ``tensor`` the view of itself that ``call`` gives: other sizes on the same memory."""
    check_writable(tensor, call.__name__ + "_")
    if type(tensor._alias) is View and tensor._alias.origin is not None:
        check_origin(tensor, tensor._node is not None)
    source, own = tensor, type(tensor._alias) is not View
    if own:  # a view of itself would be a cycle, so what it was stands apart as the base
        source = _twin(tensor, "underlies")
    origin, outer = source._alias.origin if not own else None, state.grad
    set_recording(True)  # also under no_grad, since what leads to a view has no say in that
    try:
        out = call(source, *args, **kwargs)
    finally:
        set_recording(outer)
    if out is not source:
        for view in source._alias.shared.views_of(tensor):
            view._alias.base = source
        tensor._array, tensor._node = out._array, out._node
        if out._alias is not None:
            tensor._alias = out._alias
            out._alias.own, out._alias.origin = own or source._alias.own, origin
            out._alias.shared.add(tensor)
    shared = shared_of(tensor)
    shared.version += 1
    if shared.guarded:
        from dovetail.view_copies import cut_off

        cut_off(shared)
    return tensor


def assign(tensor: Any, value: Any) -> Any:
    """Write ``value`` into ``tensor``'s memory and make its history that of ``tensor`` and of all that share it.

    Raises:
        ShapeError: ``value`` does not have ``tensor``'s shape. DTypeError: its dtype does not fit.
        GradError: the write is recorded, and ``tensor`` is one of several views, or a view made under ``no_grad``.
    """
    if value._array.shape != tensor._array.shape:
        raise ShapeError(
            f"an in-place operation gave sizes {tuple(value.shape)} for a tensor of sizes {tuple(tensor.shape)}; the "
            "other operand must broadcast to the tensor written to, not the other way round"
        )
    if value.dtype is not tensor.dtype:
        if value.dtype.category > tensor.dtype.category:
            raise DTypeError(
                f"an in-place operation gave {value.dtype}, which a tensor of {tensor.dtype} cannot hold; "
                "use the operation that returns a new tensor, or convert first"
            )
        value = value.to(tensor.dtype)
    if value._device is not tensor._device:
        value = value.to(tensor._device)
    if value._device is not tensor._device:
        value._device.backend.refuse_write()
    check_origin(tensor, value._node is not None)
    tensor._array = tensor._device.backend.write(tensor._array, value._array)
    return written(tensor, value)


def written(tensor: Any, value: Any) -> Any:
    """Count a write of ``value``, a tensor or None for a number; make the history of all that share the memory."""
    shared = shared_of(tensor)
    shared.version += 1
    if active_modes and state.modes:
        tell("written", tensor, value)
    if shared.copies:
        from dovetail.view_copies import bring_up_to_date

        bring_up_to_date(tensor)
    if state.grad:
        rebase(tensor, value, shared)
    if shared.guarded:
        from dovetail.view_copies import cut_off

        cut_off(shared)
    return tensor


def add_into(tensor: Any, value: Any) -> None:
    """Add ``value`` to ``tensor``, which has no history, in its own memory where that is possible."""
    seen = active_modes and state.modes
    alike = value._device is tensor._device and value._array.dtype == tensor._array.dtype
    if seen or not alike or value._array.shape != tensor._array.shape:
        tensor.add_(value)
        return
    tensor._array = tensor._device.backend.add_into(tensor._array, value._array)
    if tensor._alias is not None:
        tensor._alias.shared.version += 1


def check_origin(tensor: Any, recorded: bool) -> None:
    """Refuse to write to a view whose other views, or whose making, leave the gradient unclear."""
    alias = tensor._alias
    if not state.grad or type(alias) is not View or not (alias.origin or alias.shared.guarded):
        return
    if recorded or tensor._node is not None or alias.base._node is not None:
        check_overlap(tensor, (), "a recorded write")
        if alias.origin is None:
            return
        raise GradError(f"{unclear(alias)} and is being modified inplace; {ADVICE[alias.origin == NO_GRAD]}")


ADVICE = (
    "write to a copy made by .clone(), or take each part by itself, by indexing or .narrow()",
    "make the view and write to it both inside the no_grad block, or both outside",
)


def unclear(alias: View) -> str:
    if alias.origin == NO_GRAD:
        return "this view was created in no_grad mode"
    return f"this view is the output of {alias.origin}, which returns multiple views,"


def rebase(tensor: Any, value: Any, shared: Shared) -> None:
    """Make the history of ``value``, which was written to ``tensor``, that of all that share the memory."""
    alias = tensor._alias
    base, steps = (alias.base, alias.steps) if type(alias) is View else (tensor, ())
    node = None if value is None else value._node
    if node is None and base._node is None:
        return
    old_node = base._node
    if base is tensor and node is not None:
        base._node = node
    else:
        from dovetail.dispatch import record

        new = type(tensor)._plain(base._array, base._device)
        record(OVERWRITE, (before(base), tensor.detach() if value is None else value), {"steps": steps}, (new,))
        base._node = new._node
    if hooks.nodes:
        hooks.move_retained(base, old_node)
    for view in shared.views_of(base):
        if view._alias.origin is None:
            old_node, view._node = view._node, view._alias.replay(base)._node
            if hooks.nodes:
                hooks.move_retained(view, old_node)
        else:
            shared.guarded = True


def _overwritten(xp: Any, base: Any, value: Any, *, steps: Steps) -> Any:
    """Stand for a write to a view in the history of its base: the base, with the view's part replaced by ``value``."""
    raise AssertionError("this op is only recorded, never run")


def _base_gradient(g: Any, steps: Steps) -> Any:
    remaining = g.clone()
    part = replay(steps, remaining)
    if part is remaining or (type(part._alias) is View and part._alias.base is remaining):
        part.zero_()
        return remaining
    from dovetail.view_copies import without

    return without(g, steps)


OVERWRITE = Op(_overwritten, promote=None, view=False, mutates=(), outputs=("out",), no_grad_outputs=())
OVERWRITE.vjp(base=_base_gradient, value=lambda g, steps: replay(steps, g))
