"""Chains of elementwise operations on tensors of 40 MB, which memory limits.

Dovetail has the C library keep freed memory, for the whole process. So there are two cases of each chain: PyTorch as it
is in a process of its own, where each result is mapped anew, and PyTorch on memory that is kept for it too.
"""

from collections.abc import Callable
from typing import Any

from harness import Case, Timing, statement

ELEMENTS = 10_000_000
CHAINS = {
    "sums and products": "((x * 2.0 + 1.0) - x) * x",
    "comparison and choice": "library.where(x > 0.25, x + 1.0, x - 1.0)",
    "square root and absolute value": "(x * x + 1.0).sqrt().abs()",
}


def large(library: Any) -> dict[str, Any]:
    """A tensor of ten million float32 numbers."""
    return {"x": library.full((ELEMENTS,), 0.5), "library": library}


def alone(code: str) -> Callable[[Any], Timing]:
    """How to time a chain with the C library's own setting for PyTorch, and Dovetail's for Dovetail."""

    def timing(library: Any) -> Timing:
        run = statement("", code, large).timing(library)
        if library.__name__ == "dovetail":
            return run

        def run_alone(number: int) -> float:
            from dovetail import memory

            memory.keep(False)
            try:
                return run(number)
            finally:
                memory.keep()

        return run_alone

    return timing


CASES = [Case(f"{name} on 40 MB, each as it is alone", alone(code)) for name, code in CHAINS.items()]
CASES += [statement(f"{name} on 40 MB, both on kept memory", code, large) for name, code in CHAINS.items()]
