"""What code in a dataset can learn about the worker that runs it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class WorkerInfo:
    """The worker that runs this code.

    Attributes:
        id: its number, from 0.
        num_workers: how many there are.
        seed: the seed of the pass plus ``id``.
        dataset: the worker's dataset: its own copy in a process, the loader's in a thread.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any = field(repr=False)


_of_process: WorkerInfo | None = None
_of_thread = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """Return what there is to know about the worker that runs this code, None outside of workers.

    Example::

        >>> get_worker_info() is None
        True
    """
    return getattr(_of_thread, "info", _of_process)


def set_worker_info(info: WorkerInfo, in_thread: bool) -> None:
    """Say which worker this process or this thread is."""
    global _of_process
    if in_thread:
        _of_thread.info = info
    else:
        _of_process = info
