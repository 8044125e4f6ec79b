"""Seeding everything at once."""

from __future__ import annotations

import random

import dovetail
from dovetail.lightning.exceptions import MisconfigurationException


def seed_everything(seed: int = 0) -> int:
    """Seed Dovetail, Python's ``random`` and NumPy's old global generator, and return the seed.

    Args:
        seed: a whole number from 0 to 4294967295, the range that NumPy takes.

    Raises:
        MisconfigurationException: it is something else.

    Example::

        >>> seed_everything(42)
        42
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise MisconfigurationException(f"a seed is a whole number from 0 to 4294967295, got {seed!r}")
    import numpy.random

    random.seed(seed)
    numpy.random.seed(seed)
    dovetail.manual_seed(seed)
    return seed
