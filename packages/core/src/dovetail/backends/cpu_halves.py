"""Half precision on the CPU: kernels compute in float32 and round once, as PyTorch does.

NumPy adds up halves as they are. A sum of bfloat16 numbers stops growing at 256 times the size of what is added, so
that means, norms and softmax of more elements than that would come out wrong without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

HALVES = frozenset({np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)})
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
#: Kernels that put elements where they belong, to which their dtype is nothing, and those that round as halves do:
#: ``nextafter``, and ``rsub``, whose number PyTorch rounds first.
EXACT = frozenset(
    (
        "arranged", "cast", "cat", "clone", "fill", "flip", "gather", "index_select", "masked_fill", "nextafter",
        "nonzero", "put", "repeat", "roll", "rsub", "stack", "take", "tril", "triu", "unslice", "where",
    )
)  # fmt: skip


def in_float32(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel that gets float32 arrays in place of halves, and whose results are halves again."""

    def run(xp: Any, *arrays: Any, **options: Any) -> Any:
        half = _half_among(arrays)
        if half is None:
            return kernel(xp, *arrays, **options)
        wide = [array.astype(FLOAT32) if getattr(array, "dtype", None) in HALVES else array for array in arrays]
        results = kernel(xp, *wide, **options)
        if results is NotImplemented or options.get("dtype") is not None:
            return results
        return tuple(_narrow(part, half) for part in results) if isinstance(results, tuple) else _narrow(results, half)

    return run


def _half_among(arrays: tuple) -> Any:
    """Return the half precision dtype of arrays, or None where there is none or a wider one among them."""
    found = None
    for array in arrays:
        dtype = getattr(array, "dtype", None)
        if dtype in HALVES:
            found = dtype
        elif dtype is FLOAT32 or dtype is FLOAT64:
            return None
    return found


def _narrow(result: Any, half: Any) -> Any:
    return result.astype(half) if getattr(result, "dtype", None) is FLOAT32 else result
