"""Chains of elementwise operations on tensors of 40 MB, which memory limits."""

from typing import Any

from harness import statement

ELEMENTS = 10_000_000


def large(library: Any) -> dict[str, Any]:
    """A tensor of ten million float32 numbers."""
    return {"x": library.full((ELEMENTS,), 0.5), "library": library}


CASES = [
    statement("sums and products on 40 MB", "((x * 2.0 + 1.0) - x) * x", large),
    statement("comparison and choice on 40 MB", "library.where(x > 0.25, x + 1.0, x - 1.0)", large),
    statement("square root and absolute value on 40 MB", "(x * x + 1.0).sqrt().abs()", large),
]
