"""What a loader refuses: arguments that exclude each other or have no such value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dovetail.data.dataset import IterableDataset


def check_choices(
    dataset: Any,
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Iterable | None,
    batch_sampler: Iterable | None,
    drop_last: bool,
) -> None:
    if isinstance(dataset, IterableDataset) and (shuffle or sampler is not None or batch_sampler is not None):
        raise ValueError(
            "an IterableDataset has no index, so it takes neither shuffle, sampler nor batch_sampler; "
            "shuffle inside its __iter__"
        )
    if sampler is not None and shuffle:
        raise ValueError("a sampler sets the order, so it excludes shuffle=True; leave one of them out")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("a batch_sampler excludes batch_size, shuffle, sampler and drop_last; leave these out")
    if batch_size is None and drop_last:
        raise ValueError("batch_size=None makes no batches, so there is no last one to drop; leave drop_last out")
    if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size is a whole number of 1 or more, or None, got {batch_size!r}")


def check_workers(
    num_workers: int, timeout: float, context: Any, prefetch_factor: int | None, persistent_workers: bool, worker: str
) -> None:
    """Check the arguments that say how workers work."""
    if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 0:
        raise ValueError(f"num_workers is a whole number of 0 or more, got {num_workers!r}")
    if worker not in ("process", "thread"):
        raise ValueError(f"worker is 'process' or 'thread', got {worker!r}")
    if timeout < 0:
        raise ValueError(f"timeout is a number of seconds, 0 to wait for ever, got {timeout!r}")
    if prefetch_factor is not None and (not isinstance(prefetch_factor, int) or prefetch_factor < 1):
        raise ValueError(f"prefetch_factor is a whole number of 1 or more, got {prefetch_factor!r}")
    for name, given in (
        ("prefetch_factor", prefetch_factor is not None),
        ("timeout", timeout != 0),
        ("persistent_workers", persistent_workers),
        ("multiprocessing_context", context is not None),
    ):
        if given and not num_workers:
            raise ValueError(f"{name} is about workers, and num_workers=0 has none; leave it out or give a num_workers")
    if context is None:
        return
    import multiprocessing  # late: few programs need it

    methods = multiprocessing.get_all_start_methods()
    if isinstance(context, str) and context not in methods:
        raise ValueError(f"multiprocessing_context is one of {', '.join(map(repr, methods))} here, got {context!r}")
    if not isinstance(context, str | multiprocessing.context.BaseContext):
        raise TypeError(f"multiprocessing_context is a name or a context of multiprocessing, got {context!r}")
    if worker == "thread":
        raise ValueError("multiprocessing_context is about processes; leave it out, or worker='thread'")
