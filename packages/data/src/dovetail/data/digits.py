"""Digits: 1,797 real handwritten digits, small enough to come with the package."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

import dovetail
from dovetail.data.catalog import About
from dovetail.data.dataset import Dataset

PATH = os.path.join(os.path.dirname(__file__), "digits.npz")
LARGEST_PIXEL = 16  # each pixel counts the points set in a 4 by 4 block
EVERY = 5  # every fifth image of each class is a test image


@cache
def _arrays() -> dict[str, np.ndarray]:
    with np.load(PATH, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def notice() -> str:
    """Return who made the images, where they come from and their license, as the file itself says."""
    return str(_arrays()["notice"])


class Digits(Dataset[tuple]):
    """The UCI optical-recognition digits: 8 by 8 grey images of handwritten 0 to 9, with their labels.

    Sample ``i`` is ``(image, label)``: a float32 tensor of shape ``(1, 8, 8)`` in [0, 1], and an int. The split is
    fixed: of each class, every fifth image in the file's order is a test image, which gives 1,442 for training and 355
    for testing. Writers are in both parts, so the test asks for unseen images, not for unseen hands.

    Args:
        train: the training part if True, the test part if False.
        transform: called with each image; the sample holds what it returns.
        split: "train", "test" or "all", in place of ``train``.

    Attributes:
        images: float32 tensor of shape ``(N, 1, 8, 8)``.
        targets: int64 tensor of shape ``(N,)``.
        classes: the ten class names, "0" to "9".

    Raises:
        ValueError: ``split`` is something else.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
    1998, doi:10.24432/C50P49 (CC BY 4.0).

    Example::

        >>> digits = Digits(train=False)
        >>> image, label = digits[0]
        >>> len(digits), tuple(image.shape), label
        (355, (1, 8, 8), 5)
    """

    classes: tuple[str, ...] = tuple("0123456789")
    about = About("", "E. Alpaydin and C. Kaynak; CC BY 4.0")

    def __init__(
        self, train: bool = True, transform: Callable[[Any], Any] | None = None, *, split: str | None = None
    ) -> None:
        self.split = split or ("train" if train else "test")
        if self.split not in ("train", "test", "all"):
            raise ValueError(f"Digits has the splits 'train', 'test' and 'all', got {split!r}")
        self.transform = transform
        chosen = _chosen(self.split)
        arrays = _arrays()
        self.images = dovetail.from_numpy(arrays["images"][chosen, None].astype(np.float32) / LARGEST_PIXEL)
        self.targets = dovetail.from_numpy(arrays["targets"][chosen].astype(np.int64))
        self._labels: list[int] = self.targets.tolist()

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = self.images[index]
        return (image if self.transform is None else self.transform(image)), self._labels[index]

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        if self.transform is not None:
            return NotImplemented  # it may draw random numbers, which belong to single samples
        chosen = dovetail.tensor(indices, dtype=dovetail.int64)
        return [self.images[chosen], self.targets[chosen]]

    def __len__(self) -> int:
        return len(self._labels)

    def __repr__(self) -> str:
        return f"Digits(split={self.split!r}): {len(self)} images of 8x8 in {len(self.classes)} classes"


def _chosen(split: str) -> np.ndarray:
    """Return the positions in the file that belong to a split, in the file's order."""
    targets = _arrays()["targets"]
    test = np.zeros(len(targets), dtype=bool)
    for label in range(len(Digits.classes)):
        test[np.flatnonzero(targets == label)[EVERY - 1 :: EVERY]] = True
    return {"train": np.flatnonzero(~test), "test": np.flatnonzero(test), "all": np.arange(len(targets))}[split]
