"""pyarrow, imported when it is needed."""

from __future__ import annotations

from typing import Any

from dovetail.errors import MissingPackageError


def import_pyarrow(what: str) -> Any:
    """Return pyarrow.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise MissingPackageError(
            f'{what}: read by pyarrow, which is not installed; try: pip install "dovetail-data[tables]"'
        ) from None
    return pyarrow
