"""What a call costs beyond its arithmetic: tensors of one element or few."""

from typing import Any

from harness import statement

LINKS = 50


def pair(library: Any) -> dict[str, Any]:
    """Two tensors without gradient."""
    return {"x": library.ones(1), "y": library.ones(1)}


def recorded_pair(library: Any) -> dict[str, Any]:
    """Two tensors of which one needs a gradient."""
    return {"x": library.ones(1, requires_grad=True), "y": library.ones(1)}


def chain_with_numbers(library: Any) -> dict[str, Any]:
    """Forward and backward of a chain of 100 operations with Python numbers."""
    x = library.ones(1, requires_grad=True)

    def run() -> None:
        y = x
        for _ in range(LINKS):
            y = y * 1.01
            y = y + 0.01
        y.backward()
        x.grad = None

    return {"run": run}


def chain_with_tensors(library: Any) -> dict[str, Any]:
    """Forward and backward of a chain of 100 operations with tensors of one element."""
    x, factor, term = library.ones(1, requires_grad=True), library.full((1,), 1.01), library.full((1,), 0.01)

    def run() -> None:
        y = x
        for _ in range(LINKS):
            y = y * factor
            y = y + term
        y.backward()
        x.grad = None

    return {"run": run}


def recorded_matrices(library: Any) -> dict[str, Any]:
    """Two matrices, 32 by 32, of which one needs a gradient."""
    return {"x": library.rand(32, 32, requires_grad=True), "y": library.rand(32, 32)}


CASES = [
    statement("add, no gradient", "x + y", pair),
    statement("add, recorded", "x + y", recorded_pair),
    statement("product of matrices 32 by 32, recorded", "x @ y", recorded_matrices),
    statement("chain of 100 operations, forward and backward (numbers)", "run()", chain_with_numbers),
    statement("chain of 100 operations, forward and backward (tensors)", "run()", chain_with_tensors),
]
