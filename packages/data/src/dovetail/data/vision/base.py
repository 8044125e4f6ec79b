"""What the image data sets have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import dovetail
from dovetail.data.dataset import Dataset
from dovetail.data.download import addresses, fetch
from dovetail.errors import DownloadError, LoadError, MissingPackageError

Transform = Callable[[Any], Any]


def pillow() -> Any:
    """Return the module ``PIL.Image``.

    Raises:
        MissingPackageError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingPackageError(
            'images are read and made by Pillow, which is not installed; try: pip install "dovetail-data[image]"; '
            "MNIST, CIFAR and SVHN need none with as_array=True"
        ) from None
    return Image


class VisionDataset(Dataset[tuple]):
    """The base of the image data sets: a place, and what is done to each image and each target.

    Args:
        root: the folder with the files; ``~`` is the user's own.
        transform: called with each image; the sample holds what it returns.
        target_transform: called with each target.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self.root = os.path.expanduser(root)
        self.transform = transform
        self.target_transform = target_transform

    def _sample(self, image: Any, target: Any) -> tuple[Any, Any]:
        """Return the sample of an image and its target: what the transforms make of them."""
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} has no __len__; write one that returns how many samples there are")

    def extra_repr(self) -> str:
        """Return what ``repr`` should say besides the number of samples and the root, one thing a line."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        if self.transform is not None:
            lines.append(f"Transform: {self.transform!r}")
        if self.target_transform is not None:
            lines.append(f"Target transform: {self.target_transform!r}")
        return "\n".join([f"Dataset {type(self).__name__}", *(f"    {line}" for line in lines)])


class PublishedImages(VisionDataset):
    """Images of one size that somebody publishes, all in memory; a subclass says where they are and reads them.

    Attributes:
        mirrors: base addresses of its files, tried in turn, after those of ``DOVETAIL_MIRRORS``.
        classes: the classes' names, by target.
        data: the images, uint8.
    """

    mirrors: Sequence[str] = ()
    classes: Sequence[str] = ()
    data: Any

    def __init__(
        self, root: Any, transform: Transform | None, target_transform: Transform | None, as_array: bool
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.as_array = as_array

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The target of each class, by its name."""
        return {name: target for target, name in enumerate(self.classes)}

    def _labels(self) -> Any:
        return self.targets  # type: ignore[attr-defined]

    def _pixels(self, index: Any) -> np.ndarray:
        """Return one image or several, the channels last."""
        return np.asarray(self.data[index])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = self._pixels(index)
        image = pixels if self.as_array else pillow().fromarray(pixels)
        return self._sample(image, int(self._labels()[index]))

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        if not self.as_array or self.transform is not None or self.target_transform is not None:
            return NotImplemented
        labels = self._labels()
        targets = dovetail.tensor([int(labels[index]) for index in indices], dtype=dovetail.int64)
        return [dovetail.from_numpy(np.ascontiguousarray(self._pixels(list(indices)))), targets]

    def __len__(self) -> int:
        return len(self.data)

    def _fetch(self, name: str, folder: str, md5: str) -> Path:
        """Fetch one of the set's files into a folder, from the mirrors."""
        publishers = [f"{base.rstrip('/')}/{name}" for base in self.mirrors]
        return fetch(addresses(f"{type(self).__name__}/{name}", publishers), Path(folder, name), md5=md5)

    def _missing(self, what: str, folder: str) -> DownloadError:
        return DownloadError(
            f"{type(self).__name__} is not there: {what} in {folder}; pass download=True, or the root of a copy"
        )


def check_labels(labels: np.ndarray, path: Any, first: int, last: int) -> None:
    """Raise LoadError when a label is not one of ``first`` to ``last``."""
    wrong = np.flatnonzero((labels < first) | (labels > last))
    if wrong.size:
        raise LoadError(
            f"{path}: label {labels[wrong[0]]} at position {wrong[0]}; labels are {first} to {last}; get the file again"
        )
