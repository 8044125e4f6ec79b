"""Saving and loading 64 MB of weights. PyTorch does not wait for the disk, nor look for damage when it loads."""

import shutil
import tempfile
import timeit
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Case, Timing

TENSORS, SIZE = 16, 1 << 20  # of four bytes


def weights(library: Any) -> dict[str, Any]:
    """Sixteen tensors of 4 MB."""
    return {f"layer{number}.weight": library.rand(SIZE) for number in range(TENSORS)}


def in_folder(make: Callable[[Any, Path], Callable[[], Any]]) -> Callable[[Any], Timing]:
    """How to time what `make(library, path)` gives; the folder of `path` goes when the timing does."""

    def timing(library: Any) -> Timing:
        folder = tempfile.mkdtemp()
        run = make(library, Path(folder, "weights"))
        weakref.finalize(run, shutil.rmtree, folder)
        return timeit.Timer(run, "import gc; gc.enable()").timeit

    return timing


def loading(**options: Any) -> Callable[[Any], Timing]:
    """How to time loading."""

    def make(library: Any, path: Path) -> Callable[[], Any]:
        library.save(weights(library), path)
        return lambda: library.load(path, **options)

    return in_folder(make)


def writing(library: Any, path: Path) -> Callable[[], Any]:
    """Write over a file."""
    state = weights(library)
    return lambda: library.save(state, path)


CASES = [
    Case("save 64 MB", in_folder(writing)),
    Case("load 64 MB", loading()),
    Case("load 64 MB from a memory map", loading(mmap=True)),
    Case("load 64 MB with checksums compared, beside without", loading(), loading(verify=False)),
]
