"""Whether operations are recorded: ``no_grad`` and its relatives."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any

from dovetail.modes import set_recording, state


class _GradMode:
    """Sets, in this thread, whether operations are recorded; a context manager and a decorator."""

    mode: bool
    outer: list[tuple[bool, bool]]

    def _begin(self) -> None:
        set_recording(self.mode and not state.inference)

    def __enter__(self) -> None:
        self.outer.append((state.grad, state.inference))
        self._begin()

    def __exit__(self, *error: Any) -> None:
        self._restore(self.outer.pop())

    @staticmethod
    def _restore(outer: tuple[bool, bool]) -> None:
        recording, state.inference = outer
        set_recording(recording)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` so that the mode holds while it runs; of a generator, while it is not suspended.

        Raises:
            TypeError: ``function`` is a class; its methods would not be covered.
        """
        if isinstance(function, type):
            raise TypeError(
                f"{type(self).__name__} decorates functions, got the class {function.__name__}; decorate its methods"
            )
        if isgeneratorfunction(function):
            return _between_yields(self, function)

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            outer = state.grad, state.inference
            self._begin()
            try:
                return function(*args, **kwargs)
            finally:
                self._restore(outer)

        return wrapped


def _between_yields(mode: _GradMode, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a generator function with ``mode`` on whenever its generators run, and off for whoever uses them."""

    def step(call: Callable[..., Any], *args: Any) -> Any:
        outer = state.grad, state.inference
        mode._begin()
        try:
            return call(*args)
        finally:
            mode._restore(outer)

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        call, given = generator.send, None
        while True:
            try:
                found = step(call, given)
            except StopIteration as end:
                return end.value
            try:
                call, given = generator.send, (yield found)
            except GeneratorExit:
                step(generator.close)
                raise
            except BaseException as error:
                call, given = generator.throw, error

    return wrapped


def _made(cls: Any, function: Any, mode: bool) -> Any:
    """Return a new mode, or ``function`` under it where the class is used as a decorator without parentheses."""
    made = object.__new__(cls)
    made.mode, made.outer = mode, []
    return made if function is None else made(function)


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
        return _made(cls, function, False)


class enable_grad(_GradMode):
    """Record operations in this block or function, also inside ``no_grad``; not inside ``inference_mode``."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return _made(cls, function, True)


class inference_mode(_GradMode):
    """As ``no_grad``, and ``enable_grad`` inside changes nothing; ``inference_mode(False)`` records again."""

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        return _made(cls, None, not mode) if isinstance(mode, bool) else _made(cls, mode, False)

    def _begin(self) -> None:
        self._restore((self.mode, not self.mode))


class set_grad_enabled(_GradMode):
    """Record operations or not, from here on, or inside the block or function when used as their context.

    Raises:
        TypeError: ``mode`` is not a bool.
    """

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled takes True or False, got {type(mode).__name__}")
        self.mode, self.outer = mode, []
        self.called_from = state.grad, state.inference
        self._begin()

    def __enter__(self) -> None:
        self.outer.append(self.called_from)
        self._begin()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` so that the mode holds in it, and no longer here."""
        self._restore(self.called_from)
        return super().__call__(function)


def is_grad_enabled() -> bool:
    """Return whether operations are recorded in this thread."""
    return state.grad


def is_inference_mode_enabled() -> bool:
    """Return whether this thread is in ``inference_mode``."""
    return state.inference
