"""Tensors that share memory, and the one mechanism of in-place operations.

``Tensor._alias`` is None until a tensor is written to, viewed or detached. Then it is a ``Shared``, which counts the
writes to the memory, or, on a view, a ``View``, which also knows how the view was made of its base, so that a write to
one can give all of them their new history.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from dovetail.autograd import hooks
from dovetail.errors import DTypeError, GradError, ShapeError
from dovetail.modes import state
from dovetail.op import Op


class Shared:
    """What all tensors on the same memory share: how often it was written to, and which views there are."""

    __slots__ = ("limit", "version", "views")

    def __init__(self) -> None:
        self.version = 0
        self.views: list[weakref.ref] = []
        self.limit = 32

    @property
    def shared(self) -> Shared:
        return self

    def add(self, view: Any) -> None:
        """Remember a view, and forget the ones that are gone once in a while."""
        if len(self.views) >= self.limit:
            self.views = [reference for reference in self.views if reference() is not None]
            self.limit = 2 * len(self.views) + 32
        self.views.append(weakref.ref(view))


Steps = tuple[tuple[Any, dict[str, Any]], ...]


class View:
    """How a view was made: the ops that lead from its base to it."""

    __slots__ = ("base", "shared", "steps")

    def __init__(self, shared: Shared, base: Any, steps: Steps) -> None:
        self.shared = shared
        self.base = base
        self.steps = steps

    @property
    def version(self) -> int:
        return self.shared.version

    def replay(self, tensor: Any) -> Any:
        """Make of ``tensor`` the view that was made of the base."""
        return replay(self.steps, tensor)


class Sealed:
    """Marks a result of an ``autograd.Function`` on an input's memory: a write would lose the function's gradient."""

    __slots__ = ("shared",)

    def __init__(self, shared: Shared) -> None:
        self.shared = shared

    @property
    def version(self) -> int:
        return self.shared.version


def replay(steps: Steps, tensor: Any) -> Any:
    """Make of ``tensor`` the view to which ``steps`` lead."""
    for op, options in steps:
        tensor = op.call(tensor, **options)
    return tensor


def shared_of(tensor: Any) -> Shared:
    """Return the tensor's ``Shared``, made now if it has none."""
    if tensor._alias is None:
        tensor._alias = Shared()
    return tensor._alias.shared


def mark_view(op: Any, source: Any, options: dict[str, Any], view: Any) -> None:
    """Note that ``view`` shares the memory of ``source``, where it does."""
    backend = source._device.backend
    if "views" not in backend.capabilities:
        return
    if op.view == "maybe" and not backend.shares_memory(view._array, source._array):
        return
    alias = source._alias
    base, steps = (alias.base, alias.steps) if type(alias) is View else (source, ())
    shared = shared_of(source)
    view._alias = View(shared, base, (*steps, (op, options)))
    shared.add(view)


def in_place(call: Any) -> Callable[..., Any]:
    """Return the in-place method of an op: it runs, its result goes into the first input, history is rebased."""
    definition = getattr(call, "definition", None)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_writable(self, call.__name__ + "_")
        old = before(self)
        if state.grad and (definition is None or _keeps_target(definition, self, args)):
            # a rule needs (or, in a composition, may need) the value that is about to be overwritten
            old._array, old._alias = self._device.backend.xp.asarray(self._array, copy=True), None
        return assign(self, call(old, *args, **kwargs))

    method.__name__ = method.__qualname__ = call.__name__ + "_"
    method.__doc__ = f"In-place version of ``{call.__name__}``."
    return method


def _keeps_target(op: Op, target: Any, others: tuple) -> bool:
    """Return whether recording ``op`` on these inputs would save the first one."""
    needs = [getattr(value, "_node", None) is not None for value in (target, *others)]
    return any(needed and op.inputs[0] in keeps for needed, keeps in zip(needs, op.keeps_by_input, strict=False))


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


def before(tensor: Any) -> Any:
    """Return a tensor that stands for ``tensor`` as it was before an in-place operation: same memory and history."""
    old = type(tensor)._plain(tensor._array, tensor._device)
    old._node = tensor._node
    old._alias = shared_of(tensor)
    return old


def become_view(tensor: Any, call: Callable[..., Any], *args: Any) -> Any:
    """Make ``tensor`` the view of itself that ``call`` gives: other sizes on the same memory."""
    check_writable(tensor, call.__name__ + "_")
    source = tensor
    if type(tensor._alias) is not View:  # a view of itself would be a cycle, so what it was stands apart as the base
        source = before(tensor)
        for reference in source._alias.views:
            view = reference()
            if view is not None and type(view._alias) is View and view._alias.base is tensor:
                view._alias.base = source
    out = call(source, *args)
    tensor._array, tensor._node = out._array, out._node
    if out._alias is not None:
        tensor._alias = out._alias
        out._alias.shared.add(tensor)
    return tensor


def assign(tensor: Any, value: Any) -> Any:
    """Write ``value`` into ``tensor``'s memory and make its history that of ``tensor`` and of all that share it.

    Raises:
        ShapeError: ``value`` does not have ``tensor``'s shape. DTypeError: its dtype does not fit.
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
    tensor._array = tensor._device.backend.write(tensor._array, value._array)
    shared = shared_of(tensor)
    shared.version += 1
    if state.grad:
        _rebase(tensor, value, shared)
    return tensor


def _rebase(tensor: Any, value: Any, shared: Shared) -> None:
    alias = tensor._alias
    if type(alias) is not View:
        base, node = tensor, value._node
        if node is None and tensor._node is None:
            return
        old_node, base._node = base._node, node
    else:
        base = alias.base
        if value._node is None and base._node is None:
            return
        from dovetail.dispatch import record

        old = before(base)
        new = type(tensor)._plain(base._array, base._device)
        record(OVERWRITE, (old, value), {"steps": alias.steps}, (new,))
        old_node, base._node = base._node, new._node
    if hooks.nodes:
        hooks.move_retained(base, old_node)
    for reference in list(shared.views):
        view = reference()
        if view is not None and type(view._alias) is View and view._alias.base is base:
            old_node, view._node = view._node, view._alias.replay(base)._node
            if hooks.nodes:
                hooks.move_retained(view, old_node)


def _overwritten(xp: Any, base: Any, value: Any, *, steps: Steps) -> Any:
    """Stand for a write to a view in the history of its base: the base, with the view's part replaced by ``value``."""
    raise AssertionError("this op is only recorded, never run")


def _base_gradient(g: Any, steps: Steps) -> Any:
    remaining = g.clone()
    replay(steps, remaining).zero_()
    return remaining


OVERWRITE = Op(_overwritten, promote=None, view=False, mutates=(), outputs=("out",), no_grad_outputs=())
OVERWRITE.vjp(base=_base_gradient, value=lambda g, steps: replay(steps, g))
