"""Loaders: checking them and working out how many batches are used."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from dovetail.data import DataLoader
from dovetail.lightning.exceptions import MisconfigurationException

Limit = int | float | None


def pick_loader(model: Any, given: Any, stage: str) -> Any:
    """Return the loader of a stage: the one given, or the one that the model's ``<stage>_dataloader`` makes."""
    if given is None and callable(getattr(model, f"{stage}_dataloader", None)):
        given = getattr(model, f"{stage}_dataloader")()
    several = isinstance(given, list | tuple | dict) and any(
        isinstance(entry, DataLoader) for entry in (given.values() if isinstance(given, dict) else given)
    )
    if given is None or isinstance(given, Iterable) and not several:
        return given
    raise MisconfigurationException(
        f"the Trainer takes one {stage} loader, something that yields batches, got {type(given).__name__}"
        + (f" with {len(given)} loaders; join their datasets with ConcatDataset" if several else "")
    )


def required_loader(model: Any, given: Any, stage: str, called: str) -> Any:
    """Return the loader of a stage that cannot do without.

    Raises:
        MisconfigurationException: there is none.
    """
    loader = pick_loader(model, given, stage)
    if loader is None:
        raise MisconfigurationException(
            f"trainer.{called} needs a loader: pass one, or define {stage}_dataloader on {type(model).__name__}"
        )
    return loader


def batch_count(loader: Any, limit: Limit, stage: str, argument: str) -> int | float:
    """Return how many batches of a loader are used; ``inf`` where the loader does not know and there is no limit.

    Raises:
        MisconfigurationException: the loader is empty, or a fraction leaves nothing of it.
    """
    try:
        total: int | float = len(loader)
    except TypeError:
        total = math.inf
    if total == 0:
        raise MisconfigurationException(
            f"the {stage} loader yields no batch: its dataset is empty, or smaller than one batch with drop_last=True"
        )
    if limit is None or limit == 1.0 and isinstance(limit, float):
        return total
    if isinstance(limit, int):
        return min(total, limit)
    if total == math.inf:
        raise MisconfigurationException(
            f"{argument}={limit} is a fraction of a loader whose length is unknown; give a whole number of batches"
        )
    count = int(total * limit)
    if count == 0 and limit > 0:
        raise MisconfigurationException(
            f"{argument}={limit} of {total} batches is no batch; at least {1 / total:.3g} is needed"
        )
    return count


def check_limit(name: str, limit: Limit) -> Limit:
    """Check a ``limit_*`` argument: a whole number of batches, or a fraction from 0 to 1.

    Raises:
        MisconfigurationException: it is something else.
    """
    whole = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0
    if limit is None or whole or isinstance(limit, float) and 0.0 <= limit <= 1.0:
        return limit
    raise MisconfigurationException(
        f"{name} is a whole number of batches (0 or more) or a fraction from 0.0 to 1.0, got {limit!r}"
    )
