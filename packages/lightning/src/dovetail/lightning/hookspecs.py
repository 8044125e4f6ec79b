"""The extension points of lightning: one hook each, with what it must return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dovetail.hookspecs import hookspec

if TYPE_CHECKING:
    from dovetail.lightning.callbacks.callback import Callback
    from dovetail.lightning.loggers.logger import Logger


@hookspec
def dovetail_register_callbacks() -> list[type[Callback]]:  # type: ignore[empty-body]
    """Return callbacks that a Trainer may be given by name: a list of classes that need no argument."""


@hookspec
def dovetail_register_loggers() -> list[type[Logger]]:  # type: ignore[empty-body]
    """Return loggers that a Trainer may be given by name: a list of classes that take ``save_dir``."""
