"""``nan_guard`` stops at the first op that makes nan or inf; ``detect_anomaly`` explains a failing backward pass."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from dovetail.errors import NonFiniteError
from dovetail.modes import places
from dovetail.modes.base import BlockMode, Mode, active, state

WORDS = ("nan", "inf")
FLOATING = 2  # DType.category

#: Ops whose results, and gradients, are finite wherever what they are made of is: they move, choose or bound elements.
_STAYS_FINITE = (
    "abs amax amin arranged cat ceil clone diagonal_backward flip floor maximum minimum neg put relu roll round "
    "scatter sigmoid sign stack tanh tril triu trunc where max_pool2d"
)
STAYS_FINITE = frozenset(_STAYS_FINITE.split())


class _Noting(BlockMode):
    """Notes in each node where its op was called."""

    stack = False

    def note(self, op: Any, out: Any) -> None:
        """Leave the place of this call in the node that it made, if it made one."""
        if self.stack:
            places.note(op, out, places.lines_of_user())
        else:
            line = places.line_of_user()
            places.note(op, out, () if line is None else (line,))


class nan_guard(_Noting):
    """Stop at the first op that makes nan or inf of finite inputs, forward or backward, with an error that says where.

    The error names the op, the module path, the line of the program, and the range of each input and of the result.
    An op that is told to write inf or nan (``masked_fill(mask, -inf)``) may do so. A context manager and a decorator.

    Args:
        check: what to look for, of ``"nan"`` and ``"inf"``.
        allow: names of ops, and of classes of modules, that may make them.

    Raises:
        NonFiniteError: an op made nan or inf. ValueError: ``check`` has another word.

    Example::

        >>> import dovetail
        >>> with dovetail.nan_guard():
        ...     dovetail.zeros(2).log()
        Traceback (most recent call last):
            ...
        dovetail.errors.NonFiniteError: log made 2 inf of finite inputs...
    """

    def __init__(self, check: Iterable[str] = WORDS, allow: Iterable[str] = ()) -> None:
        self.check = (check,) if isinstance(check, str) else tuple(check)
        self.allow = (allow,) if isinstance(allow, str) else tuple(allow)
        unknown = [word for word in self.check if word not in WORDS]
        if unknown or not self.check:
            raise ValueError(f"nan_guard: check takes 'nan' and 'inf', got {list(self.check)}")

    def see(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the op and look at what it gave."""
        definition = op.definition
        if state.node is not None or definition.view or definition.name in STAYS_FINITE:
            out = op(*args, **kwargs)
            if state.grad:
                self.note(op, out)
            return out
        out = op(*args, **kwargs)
        if state.grad:
            self.note(op, out)
        if definition.mutates:  # of what an optimizer writes to, the parameter comes first and shows it all
            made: Any = args[definition.inputs.index(definition.mutates[0])]
        else:
            made = out
        for tensor in made if made.__class__ is tuple else (made,):
            if not _finite(tensor):
                self._judge(definition, args, kwargs, tensor)
        return out

    def gradient(self, node: Any, position: int, gradient: Any, g: Any, saved: Any) -> None:
        """Look at what a node gave."""
        if node.op.view or node.op.name in STAYS_FINITE or _finite(gradient):
            return
        words = self._found(gradient)
        inputs = _inputs_of_node(node, g, saved)
        modules = places.origin_of(node).modules
        if words and not self._allows(node.op.name, modules) and all(_finite(value) for _, value in inputs):
            raise NonFiniteError(_backward_text(node, position, gradient, f"{words} of finite values", inputs))

    def _judge(self, definition: Any, args: tuple, kwargs: dict[str, Any], out: Any) -> None:
        name, words = definition.name, self._found(out)
        labels = _flat(args) if definition.variadic else args
        inputs = [(_label(definition, position), value) for position, value in enumerate(labels)]
        known = [value for label, value in inputs if label not in definition.mutates]  # the others are written over
        if not words or self._allows(name, state.modules) or not all(map(_finite, (*known, *kwargs.values()))):
            return
        after = {label: f"{label} (after the step)" for label in definition.mutates}
        shown = [places.described(after.get(label, label), value) for label, value in inputs]
        text = (
            f"{name} made {words} of finite inputs{places.within(state.modules)}\n"
            f"  at {places.shown_line(places.line_of_user())}\n"
            f"  {_lines(shown)}\n  {places.described('result', out)}\n"
            "  find the cause in these ranges; or let the op make them: "
            f"nan_guard(check={tuple(self.check)}, allow=({name!r},))"
        )
        raise NonFiniteError(text)

    def _found(self, tensor: Any) -> str:
        """Return what there is of what is looked for, such as "2 nan and 1 inf"."""
        import numpy as np

        array = tensor._device.backend.to_numpy(tensor._array)
        nans = int(np.isnan(array).sum())
        counts = {"nan": nans, "inf": int(array.size - np.isfinite(array).sum()) - nans}
        return " and ".join(f"{counts[word]} {word}" for word in WORDS if counts[word] and word in self.check)

    def _allows(self, name: str, modules: tuple[Any, ...]) -> bool:
        return name in self.allow or any(type(module).__name__ in self.allow for module in modules)


class detect_anomaly(_Noting):
    """Explain a failing backward pass by the lines of the forward pass; a context manager and a decorator.

    When the rule of a node raises, the error gets a note with the op, the module path and the forward call's traceback;
    when it makes nan, that is an error. Slow; for a check that can stay on, see ``nan_guard``.

    Args:
        check_nan: whether nan is an error.

    Raises:
        NonFiniteError: a gradient is nan.

    Example::

        >>> import dovetail
        >>> x = dovetail.tensor([0.0], requires_grad=True)
        >>> with dovetail.autograd.detect_anomaly():
        ...     (x.sqrt() * 0).sum().backward()
        Traceback (most recent call last):
            ...
        dovetail.errors.NonFiniteError: the backward pass of sqrt (SqrtBackward0) made 1 nan for its input 'x'...
    """

    stack = True

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def see(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the op and note where it was called."""
        out = op(*args, **kwargs)
        if state.grad:
            self.note(op, out)
        return out

    def gradient(self, node: Any, position: int, gradient: Any, g: Any, saved: Any) -> None:
        """Look for nan in what a node gave."""
        if not self.check_nan or _finite(gradient):
            return
        import numpy as np

        nans = int(np.isnan(gradient._device.backend.to_numpy(gradient._array)).sum())
        if nans:
            text = _backward_text(node, position, gradient, f"{nans} nan", _inputs_of_node(node, g, saved))
            raise NonFiniteError(text)

    def ends(self, what: Any, error: BaseException | None) -> None:
        """Note at an error where the forward call of the failing node was."""
        if isinstance(error, Exception) and not isinstance(error, NonFiniteError) and _is_node(what):
            error.add_note(f"in the backward pass of {_title(what)}\n{_forward_call(what)}")


class set_detect_anomaly:
    """Switch ``detect_anomaly`` on or off in this thread, from here on, or inside the block when used in ``with``.

    Example::

        >>> import dovetail
        >>> with dovetail.autograd.set_detect_anomaly(True):
        ...     dovetail.autograd.is_anomaly_enabled()
        True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = _standing()
        _replace(self.before, detect_anomaly(check_nan) if mode else None)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        _replace(_standing(), self.before)


def is_anomaly_enabled() -> bool:
    """Return whether ``detect_anomaly`` is on in this thread."""
    return any(isinstance(mode, detect_anomaly) for mode in state.modes)


def _standing() -> detect_anomaly | None:
    """Return the mode that ``set_detect_anomaly`` put beneath all others."""
    return next((mode for mode in state.modes[:1] if isinstance(mode, detect_anomaly)), None)


def _replace(old: Mode | None, new: Mode | None) -> None:
    """Put ``new`` in the place of ``old``, beneath the other modes."""
    if old is not None:
        state.modes = tuple(mode for mode in state.modes if mode is not old)
        active.remove(old)
    if new is not None:
        state.modes = (new, *state.modes)
        active.append(new)


def _is_node(what: Any) -> bool:
    return hasattr(what, "edges")


def _title(node: Any) -> str:
    return f"{node.op.name} ({node.name()})"


def _forward_call(node: Any) -> str:
    """Return the lines that say where the op of a node was called."""
    place = places.origin_of(node)
    if not place.lines:
        return "its forward call was not seen: it ran before the mode was on, or writes to a view"
    lines = places.shown_line(place.lines[-1]) if len(place.lines) == 1 else "\n" + places.shown_stack(place.lines)
    return f"its forward call{places.within(place.modules)} was at {lines}"


def _inputs_of_node(node: Any, g: Any, saved: Any) -> list[tuple[str, Any]]:
    """Return the tensors that a node's rules are given, by name: gradients and saved values."""
    incoming = [("g", part) for part in (g if isinstance(g, (list, tuple)) else (g,))]
    kept = zip(node.op.kept, saved or (), strict=False)
    named = [(name, part) for name, value in kept for part in _flat((value,))]
    return [(name, value) for name, value in (*incoming, *named) if hasattr(value, "_array")]


def _backward_text(node: Any, position: int, gradient: Any, made: str, inputs: list[tuple[str, Any]]) -> str:
    name = node.op.inputs[0 if node.op.variadic else position]
    shown = _lines([places.described(label, value) for label, value in inputs])
    return (
        f"the backward pass of {_title(node)} made {made} for its input {name!r}\n"
        f"  {_forward_call(node)}\n  {shown}\n  {places.described('gradient', gradient)}"
    )


def _lines(shown: list[str]) -> str:
    return "\n  ".join(shown)


def _flat(values: Any) -> list[Any]:
    found = []
    for value in values:
        found += _flat(value) if isinstance(value, (list, tuple)) else [value]
    return found


def _finite(value: Any) -> bool:
    """Return whether a tensor or number has no nan or inf; what is neither has none."""
    array = getattr(value, "_array", None)
    if array is None:
        return not isinstance(value, float) or isfinite(value)
    return value.dtype.category < FLOATING or value._device.backend.all_finite(array)


def _label(definition: Any, position: int) -> str:
    return f"{definition.inputs[0]}[{position}]" if definition.variadic else definition.inputs[position]
