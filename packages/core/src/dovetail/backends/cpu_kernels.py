"""Kernels that are faster on NumPy arrays than the reference kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def pow(xp: Any, x: Any, y: Any) -> Any:
    """Take the usual exponents without the general power, as NumPy does for its Python numbers."""
    if np.ndim(y) == 0 and not isinstance(x, (int, float)):
        if y == 2:
            return x * x
        if y == 0.5 and x.dtype.kind == "f":
            return np.sqrt(x)
        if y == 3:
            return x * x * x
        if y == -1 and x.dtype.kind == "f":
            return 1.0 / x
    return x**y


KERNELS: dict[str, Callable[..., Any]] = {"pow": pow}
