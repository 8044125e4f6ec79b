"""Freed memory is kept for the next array, instead of going back to the system and coming back page by page.

The C library gives back every freed block of 128 KB or more, so that each op on large arrays waits for new pages: for
a sum of two arrays of 40 MB that is half of its time. The first op on NumPy arrays tells the library to keep them. It
does so for the whole process, so there is a way out: ``DOVETAIL_KEEP_MEMORY=0`` in the environment before, or
``dovetail.memory.keep(False)`` at any time.
"""

from __future__ import annotations

import os
from typing import Any

ENVIRONMENT = "DOVETAIL_KEEP_MEMORY"
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # names of mallopt(3) that glibc and no other library has
_DEFAULT_THRESHOLD, _DEFAULT_MMAP_MAX = 128 * 1024, 65536


def _library() -> Any:
    """Return the C library if it is glibc, otherwise None."""
    import ctypes  # NumPy has loaded it already

    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") else None
    except (OSError, TypeError):
        return None


def keep(keep: bool = True) -> bool:
    """Have freed memory kept for the next array, or given back to the system as it is otherwise.

    Returns:
        Whether that was possible: on Linux with glibc; elsewhere nothing changes.

    Source: mallopt(3).

    Example::

        >>> import dovetail
        >>> _ = dovetail.memory.keep(False)
        >>> _ = dovetail.memory.keep()
    """
    library = _library()
    if library is None:
        return False
    if keep:
        return bool(library.mallopt(_MMAP_MAX, 0) and library.mallopt(_TRIM_THRESHOLD, -1))
    done = [
        library.mallopt(_MMAP_MAX, _DEFAULT_MMAP_MAX),
        library.mallopt(_MMAP_THRESHOLD, _DEFAULT_THRESHOLD),
        library.mallopt(_TRIM_THRESHOLD, _DEFAULT_THRESHOLD),
    ]
    return give_back() and all(done)


def give_back() -> bool:
    """Give freed memory that was kept back to the system now; returns whether that was possible.

    Example::

        >>> import dovetail
        >>> _ = dovetail.memory.give_back()
    """
    library = _library()
    if library is None:
        return False
    library.malloc_trim(0)
    return True


def keep_unless_told_not_to() -> None:
    """Call ``keep``, but for ``DOVETAIL_KEEP_MEMORY=0``."""
    if os.environ.get(ENVIRONMENT, "") not in ("0", "false", "no"):
        keep()
