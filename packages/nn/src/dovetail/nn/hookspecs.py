"""The extension point that dovetail-nn owns; see ``dovetail.hookspecs`` for how plug-ins work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dovetail.hookspecs import hookspec

if TYPE_CHECKING:
    from dovetail.nn.module import Module


@hookspec
def dovetail_register_layers() -> list[tuple[str, dict[type[Module], Callable[[Module], Module | None]]]]:  # type: ignore[empty-body]
    """Return layer replacements for ``nn.swap``: a list of ``(scheme name, {layer type: replace})``.

    ``replace(layer)`` returns the layer's replacement, or None to leave this one as it is.
    """
