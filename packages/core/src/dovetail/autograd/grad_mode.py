"""Whether operations are recorded: ``no_grad`` and its relatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from dovetail.modes import set_recording, state


class _GradMode:
    """Sets, in this thread, whether operations are recorded; a context manager and a decorator."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.outer: list[bool] = []

    def __enter__(self) -> None:
        self.outer.append(state.grad)
        set_recording(self.mode)

    def __exit__(self, *error: Any) -> None:
        set_recording(self.outer.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        mode = self.mode

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            outer = state.grad
            set_recording(mode)
            try:
                return function(*args, **kwargs)
            finally:
                set_recording(outer)

        return wrapped


class no_grad(_GradMode):
    """Do not record operations in this block or function, so that their results need no gradient.

    Example::

        >>> import dovetail
        >>> x = dovetail.ones(2, requires_grad=True)
        >>> with dovetail.no_grad():
        ...     print((x * 2).requires_grad)
        False
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        if function is None:
            return made
        _GradMode.__init__(made, False)  # used as ``@no_grad`` without parentheses
        return made(function)

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_GradMode):
    """Record operations in this block or function, also inside ``no_grad``."""

    def __init__(self) -> None:
        super().__init__(True)


class inference_mode(_GradMode):
    """As ``no_grad``; ``inference_mode(False)`` changes nothing."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode and state.grad)


class set_grad_enabled(_GradMode):
    """Record operations or not, from here on, or inside the block when used as a context manager."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self.called_from = state.grad
        set_recording(self.mode)

    def __enter__(self) -> None:
        self.outer.append(self.called_from)
        set_recording(self.mode)


def is_grad_enabled() -> bool:
    """Return whether operations are recorded in this thread."""
    return state.grad
