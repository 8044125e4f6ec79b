"""Modes: the one place where something else can see, change or replace every op that runs."""

from __future__ import annotations

import threading
from typing import Any


class State(threading.local):
    """What each thread has for itself: whether operations are recorded, and what sees them and what they save."""

    grad = True
    inference = False
    modes: tuple[Mode, ...] = ()
    packers: tuple[Any, ...] = ()


state = State()
#: One entry for each mode active in any thread: the dispatcher's one falsy test.
active: list[Mode] = []


class Mode:
    """A context manager whose ``__call__`` sees every op of this thread; the base of autocast, tracing and the like.

    Inside ``__call__`` the mode is off, so that ``op(*args, **kwargs)`` runs the op, or the next mode outside.

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

    def __call__(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run ``op`` and return its result; override to do more. ``op.definition.name`` is its name."""
        return op(*args, **kwargs)

    def __enter__(self) -> Any:
        state.modes = (*state.modes, self)
        active.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        state.modes = state.modes[:-1]
        active.remove(self)


def through_modes(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Hand an op to this thread's innermost mode, with that mode off meanwhile."""
    outer = state.modes
    state.modes = outer[:-1]
    try:
        return outer[-1](op, args, kwargs)
    finally:
        state.modes = outer
