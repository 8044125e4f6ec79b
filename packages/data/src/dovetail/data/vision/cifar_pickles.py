"""The pickles in which CIFAR is published for Python, read without running anything that they name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from dovetail.errors import LoadError


class _Kept:
    """Stands for whatever a pickle makes of a NumPy name: it keeps what it is given and does nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle._Unpickler):
    """Knows numbers, text and containers, and the three names of an array, which become ``_Kept``.

    It is the one written in Python: the other takes memory for as many values as a damaged file claims to remember.
    """

    NAMES = frozenset({"numpy.core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype"})

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in self.NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which these files do not need; do not trust it")
        return _Kept


def read_pickled(path: Path, label_key: bytes, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images, a row of ``width`` bytes each, and the labels of one pickled file.

    Raises:
        LoadError: it is damaged, it is something else, or it names what is not needed for this.
    """
    try:
        with open(path, "rb") as file:
            found = _Reader(file, encoding="bytes").load()
        rows, kind = _array(found[b"data"])
        labels = np.array(found[label_key], np.int64)
        images = np.frombuffer(rows, np.uint8).reshape(-1, width)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise LoadError(
            f"{path}: it is no pickle of CIFAR, or damaged ({type(error).__name__}: {error}); remove its folder and "
            "get it again"
        ) from error
    if kind != b"u1" or labels.shape != images.shape[:1]:
        raise LoadError(
            f"{path}: it holds {len(images)} images of type {kind!r} and labels of shape {labels.shape}, and should "
            "hold bytes and one label for each image; remove its folder and get it again"
        )
    return images, labels


def _array(kept: _Kept) -> tuple[bytes, bytes]:
    """Return the bytes and the type of a pickled array, out of the state that NumPy gives it."""
    _version, _shape, dtype, fortran, content = kept.state
    if fortran:
        raise ValueError("its array is stored by columns")
    return content, dtype.arguments[0]
