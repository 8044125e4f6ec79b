"""Saving and loading 64 MB of weights. PyTorch does not wait for the disk, nor look for damage when it loads."""

import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Case, Timing

TENSORS, SIZE = 16, 1 << 20  # of four bytes


def weights(library: Any) -> dict[str, Any]:
    """Sixteen tensors of 4 MB."""
    return {f"layer{number}.weight": library.rand(SIZE) for number in range(TENSORS)}


def loading(**options: Any) -> Callable[[Any], Timing]:
    """How to time loading."""

    def timing(library: Any) -> Timing:
        folder = tempfile.TemporaryDirectory()
        path = Path(folder.name, "weights")
        library.save(weights(library), path)

        def load(keep: Any = folder) -> Any:
            return library.load(path, **options)

        return timeit.Timer(load, "import gc; gc.enable()").timeit

    return timing


def saving(library: Any) -> Timing:
    """How to time writing over a file."""
    folder, state = tempfile.TemporaryDirectory(), weights(library)

    def save(keep: Any = folder) -> None:
        library.save(state, Path(folder.name, "weights"))

    return timeit.Timer(save, "import gc; gc.enable()").timeit


CASES = [
    Case("save 64 MB", saving),
    Case("load 64 MB", loading()),
    Case("load 64 MB from a memory map", loading(mmap=True)),
    Case("load 64 MB with checksums compared, beside without", loading(), loading(verify=False)),
]
