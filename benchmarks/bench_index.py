"""What reading and writing by index costs: small tensors, so that the call counts and not the copying."""

from typing import Any

from harness import statement


def tensors(library: Any) -> dict[str, Any]:
    """A matrix, a vector of places in it, a mask and the index of a gather, without gradients."""
    x = library.ones(8, 8)
    places = library.tensor([0, 2, 4])
    order = library.zeros(8, 8, dtype=library.int64)
    return {"x": x, "row": library.ones(8), "rows": library.ones(4, 8), "i": places, "mask": x > 0.5, "order": order}


def recorded(library: Any) -> dict[str, Any]:
    """The same with a matrix that needs a gradient."""
    return {**tensors(library), "x": library.ones(8, 8, requires_grad=True)}


def backward(library: Any) -> dict[str, Any]:
    """Reading a row and going back."""
    x = library.ones(8, 8, requires_grad=True)
    gradient = library.ones(8)

    def run() -> None:
        x[3].backward(gradient)
        x.grad = None

    return {"run": run}


READS = {
    "x[3]": "x[3]", "x[1:5, None]": "x[1:5, None]", "x[:, 0]": "x[:, 0]", "x[2, 3]": "x[2, 3]",
    "rows": "for r in x: pass", "x[mask]": "x[mask]", "x[i]": "x[i]", "x[i, i]": "x[i, i]",
    "gather": "x.gather(1, order)", "index_select": "x.index_select(0, i)",
}  # fmt: skip
WRITES = {
    "x[3] = 1.0": "x[3] = 1.0", "x[1:5] = y": "x[1:5] = rows", "x[mask] = 0.0": "x[mask] = 0.0",
    "x[i] = y": "x[i] = row", "masked_fill_": "x.masked_fill_(mask, 0.0)", "scatter_": "x.scatter_(1, order, 1.0)",
}  # fmt: skip

CASES = [
    *[statement(f"read {name}", code, tensors) for name, code in READS.items()],
    *[statement(f"read {name}, recorded", code, recorded) for name, code in READS.items()],
    *[statement(f"write {name}", code, tensors) for name, code in WRITES.items()],
    statement("read x[3], recorded, and backward", "run()", backward),
]
