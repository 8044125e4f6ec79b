"""Hyperparameters: the arguments a module was made with, kept so that it can be made again."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import FrameType
from typing import Any

from dovetail.lightning.exceptions import MisconfigurationException


class AttributeDict(dict):
    """A dict whose keys are attributes too.

    Example::

        >>> hparams = AttributeDict(lr=0.1)
        >>> hparams.lr
        0.1
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no hyperparameter {name!r}; there are {', '.join(self) or 'none'}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def init_arguments(module: Any, frame: FrameType | None) -> dict[str, Any]:
    """Collect the arguments of the ``__init__`` of ``module`` that is running, the outermost class's last.

    Args:
        module: the object being made.
        frame: the frame of the ``__init__`` that asked; callers further out that still make ``module`` are read too,
            since a subclass's ``__init__`` may have called it.
    """
    found: dict[str, Any] = {}
    while frame is not None and frame.f_code.co_name == "__init__" and _first_argument(frame) is module:
        found.update(_frame_arguments(frame))
        frame = frame.f_back
    return found


def _first_argument(frame: FrameType) -> Any:
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    return frame.f_locals.get(names[0]) if names else None


def _frame_arguments(frame: FrameType) -> dict[str, Any]:
    arguments = inspect.getargvalues(frame)
    values = {name: arguments.locals[name] for name in arguments.args[1:] if name in arguments.locals}
    code = frame.f_code
    keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    values.update({name: arguments.locals[name] for name in keyword_only if name in arguments.locals})
    if arguments.keywords:
        values.update(arguments.locals.get(arguments.keywords, {}))
    return {name: value for name, value in values.items() if name != "__class__"}


def choose(arguments: dict[str, Any], names: Iterable[str], ignore: Iterable[str]) -> dict[str, Any]:
    """Keep the named arguments, or all but the ignored ones.

    Raises:
        MisconfigurationException: a name is not an argument.
    """
    for name in [*names, *ignore]:
        if name not in arguments:
            raise MisconfigurationException(
                f"save_hyperparameters got {name!r}, which is no argument of this __init__; "
                f"it has {', '.join(arguments) or 'none'}"
            )
    kept = names or arguments
    return {name: arguments[name] for name in kept if name not in set(ignore)}


def accepted_by(cls: type, arguments: dict[str, Any]) -> dict[str, Any]:
    """Keep the arguments that the ``__init__`` of ``cls`` takes."""
    parameters = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}
