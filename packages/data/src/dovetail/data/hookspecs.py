"""The extension points of data: one hook each, with what it must return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dovetail.hookspecs import hookspec

if TYPE_CHECKING:
    from dovetail.data.dataset import Dataset


@hookspec
def dovetail_register_datasets() -> list[type[Dataset]]:  # type: ignore[empty-body]
    """Return the datasets that this plug-in adds: a list of classes, found by their names."""
