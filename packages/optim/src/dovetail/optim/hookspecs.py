"""The extension point that dovetail-optim owns; see ``dovetail.hookspecs`` for how plug-ins work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dovetail.hookspecs import hookspec

if TYPE_CHECKING:
    from dovetail.optim.optimizer import Optimizer


@hookspec
def dovetail_register_optimizers() -> list[type[Optimizer]]:  # type: ignore[empty-body]
    """Return the optimizers that this plug-in adds for ``optim.get``: a list of subclasses of ``optim.Optimizer``."""
