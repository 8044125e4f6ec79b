"""Every extension point of core: one hook each, with what it must return.

A plug-in is a module named by an entry point of the group ``dovetail``; its functions marked with ``hookimpl`` and
named as below are called once, on first need. Other packages own further hooks in a ``hookspecs`` module of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable

    from dovetail.backends.base import Backend
    from dovetail.cli import Command

PROJECT = "dovetail"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def dovetail_register_backends() -> list[Backend]:  # type: ignore[empty-body]
    """Return the device types that this plug-in adds: a list of ``dovetail.Backend`` objects."""


@hookspec
def dovetail_register_kernels() -> list[tuple[str, dict[str, Callable]]]:  # type: ignore[empty-body]
    """Return faster kernels for a backend of anybody's: a list of ``(backend name, {op name: kernel})``."""


@hookspec
def dovetail_register_commands() -> list[Command]:  # type: ignore[empty-body]
    """Return subcommands for the ``dovetail`` command: a list of ``dovetail.cli.Command`` objects."""
