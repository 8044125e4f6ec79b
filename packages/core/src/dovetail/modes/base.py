"""Modes: the one place where something else can see, change or replace every op that runs."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any


class State(threading.local):
    """What each thread has for itself: whether operations are recorded, the modes, and what they are amid.

    ``modules`` are those whose ``forward`` runs, outermost first; ``node`` is the one whose gradient rules run. Both
    are kept only while a mode is active.
    """

    grad = True
    modes: tuple[Mode, ...] = ()
    modules: tuple[Any, ...] = ()
    node: Any = None
    inference = False
    packers: tuple[Any, ...] = ()
    draw: Any = None  # what runs the functions that draw random numbers, inside vmap


state = State()
#: One entry for each thread that records nothing now: another falsy test, since a thread's own state costs more.
unrecorded: list[None] = []
#: One entry for each mode active in any thread: the dispatcher's one falsy test.
active: list[Mode] = []


def set_recording(recording: bool) -> None:
    """Set whether this thread records operations: ``state.grad``, which only this changes, and ``unrecorded``."""
    if recording is not state.grad:
        state.grad = recording
        if recording:
            unrecorded.pop()
        else:
            unrecorded.append(None)


class Mode:
    """A context manager whose ``__call__`` sees every op of this thread; the base of autocast, tracing and the like.

    Inside ``__call__`` the mode is off, so that ``op(*args, **kwargs)`` runs the op, or the next mode outside. The
    other methods do nothing unless they are overridden; while one of them runs, no mode is on.

    Example::

        >>> import dovetail
        >>> class Count(dovetail.Mode):
        ...     seen = 0
        ...     def __call__(self, op, args, kwargs):
        ...         self.seen += 1
        ...         return op(*args, **kwargs)
        >>> with Count() as count:
        ...     _ = dovetail.ones(2) + 1
        >>> count.seen
        1
    """

    casts = False  # whether it is an autocast

    def __call__(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run ``op`` and return its result; override to do more. ``op.definition.name`` is its name."""
        return op(*args, **kwargs)

    def begins(self, what: Any) -> None:
        """Be told that a module's forward, a node's gradient rules or a ``record_function`` begins."""

    def ends(self, what: Any, error: BaseException | None) -> None:
        """Be told that it ends, with the error that ended it."""

    def gradient(self, node: Any, position: int, gradient: Any, g: Any, saved: Any) -> None:
        """Be told the gradient that ``node`` made of ``g`` and what it saved, for its input at ``position``."""

    def stands_for(self, twin: Any, tensor: Any) -> None:
        """Be told that an op is about to see ``twin`` in place of ``tensor``, which will be written to."""

    def underlies(self, base: Any, tensor: Any) -> None:
        """Be told that ``base`` has the memory of ``tensor``, which is about to become a view of it."""

    def detached(self, tensor: Any, out: Any) -> None:
        """Be told that ``out`` is ``tensor`` without its history: the same one after ``detach_``."""

    def written(self, tensor: Any, value: Any) -> None:
        """Be told that ``value`` was written into the memory of ``tensor``."""

    def leaves(self, tensor: Any) -> None:
        """Be told that the elements of ``tensor`` are about to be read as numbers or as a NumPy array."""

    def moved(self, tensor: Any, out: Any) -> None:
        """Be told that ``out`` is ``tensor`` on another device."""

    def __enter__(self) -> Any:
        state.modes = (*state.modes, self)
        active.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        state.modes = state.modes[:-1]
        active.remove(self)


class BlockMode(Mode):
    """A mode that is a decorator too: calling it with a function wraps that, so that ops go to ``see``."""

    def __call__(self, op: Any, args: Any = None, kwargs: Any = None) -> Any:
        if args is None:
            return self._around(op)
        return self.see(op, args, kwargs)

    def see(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run ``op`` and return its result; override to do more."""
        return op(*args, **kwargs)

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with copy.copy(self):  # its own, so that the function may call itself
                return function(*args, **kwargs)

        return wrapped


def through_modes(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Hand an op to this thread's innermost mode, with that mode off meanwhile."""
    outer = state.modes
    state.modes = outer[:-1]
    try:
        return outer[-1](op, args, kwargs)
    finally:
        state.modes = outer


def tell(event: str, *facts: Any) -> None:
    """Call the method named ``event`` of this thread's modes, innermost first, with all modes off meanwhile."""
    modes = state.modes
    state.modes = ()
    try:
        for mode in reversed(modes):
            getattr(mode, event)(*facts)
    finally:
        state.modes = modes


class paused:
    """A context in which this thread has no modes: for work that is not the program's, such as printing."""

    def __enter__(self) -> None:
        self.modes = state.modes
        state.modes = ()

    def __exit__(self, *error: Any) -> None:
        state.modes = self.modes


def through_module(module: Any, forward: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """Run a module's forward, telling this thread's modes of it."""
    outer = state.modules
    state.modules = (*outer, module)
    try:
        return amid(module, forward, args, kwargs)
    finally:
        state.modules = outer


def through_node(node: Any, run: Callable[..., Any], *args: Any) -> None:
    """Run what passes gradients through ``node``, telling this thread's modes of it."""
    outer = state.node
    state.node = node
    try:
        amid(node, run, node, *args)
    finally:
        state.node = outer


def amid(what: Any, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call ``run`` between telling the modes that ``what`` begins and that it ends."""
    tell("begins", what)
    try:
        result = run(*args, **kwargs)
    except BaseException as error:
        tell("ends", what, error)
        raise
    tell("ends", what, None)
    return result


def one_op_under_autocast(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function that composes what PyTorch has as one op: autocast treats it as one, by its name.

    Its lists, or the dtype of its first argument, decide; without a mode this costs one falsy test.
    """

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if active and any(mode.casts for mode in state.modes):
            from dovetail.modes.casting import run_composed

            return run_composed(function, args, kwargs)
        return function(*args, **kwargs)

    return call
