"""SVHN: house numbers in photographs of streets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dovetail.data.catalog import About
from dovetail.data.vision.base import PublishedImages, Transform, check_labels
from dovetail.errors import LoadError, MissingPackageError


class SVHN(PublishedImages):
    """Street View House Numbers: digits cut out of photographs, of 32 by 32 pixels, in ten classes.

    Sample ``i`` is ``(image, label)``: a Pillow image, or an array, and an int; the digit 0 has the label 0. The files
    are ``train_32x32.mat`` and so on in ``root``, where torchvision keeps them too. They are read by SciPy
    (``pip install "dovetail-data[svhn]"``).

    Args:
        root: the folder of the files.
        split: "train" (73,257 images), "test" (26,032) or "extra" (531,131).
        transform: called with each image; the sample holds what it returns.
        target_transform: called with each label.
        download: fetch the split's file when it is missing.
        as_array: images are uint8 arrays of shape ``(32, 32, 3)``, and Pillow is not needed.

    Attributes:
        data: uint8 array of shape ``(N, 3, 32, 32)``.
        labels: int64 array of shape ``(N,)``.
        classes: the names of the classes, "0" to "9".
        class_to_idx: the label of each class, by its name.

    Raises:
        DownloadError: it is not there, or could not be fetched.
        LoadError: the file is damaged.
        MissingPackageError: SciPy is not installed.
        ValueError: ``split`` is something else.

    Source: Y. Netzer and others, Reading Digits in Natural Images with Unsupervised Feature Learning, 2011.

    Example::

        >>> numbers = SVHN("data", split="test", download=True)  # doctest: +SKIP
        >>> SVHN.classes[7]
        '7'
    """

    mirrors: Sequence[str] = ("http://ufldl.stanford.edu/housenumbers/",)
    split_list: ClassVar[dict[str, tuple[str, str]]] = {
        "train": ("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
        "test": ("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        "extra": ("extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"),
    }
    classes = tuple("0123456789")
    about = About("182 MB, 64 MB (test), 1.3 GB (extra)", "Y. Netzer and others; not for commercial use")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        *,
        as_array: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform, as_array)
        if split not in self.split_list:
            raise ValueError(f"SVHN has the splits {', '.join(map(repr, self.split_list))}, got {split!r}")
        self.split = split
        if download:
            self.download()
        path = Path(self.root, self.split_list[split][0])
        if not path.is_file():
            raise self._missing(f"no {path.name} is", self.root)
        self.data, self.labels = _read(path)

    def download(self) -> None:
        """Fetch the split's file, unless it is there.

        Raises:
            DownloadError: it could not be fetched; the text says what to do by hand.
        """
        name, md5 = self.split_list[self.split]
        self._fetch(name, self.root, md5)

    def _labels(self) -> Any:
        return self.labels

    def _pixels(self, index: Any) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(self.data[index], -3, -1))

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images of shape (N, 3, 32, 32) and labels of a file of MATLAB."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingPackageError(
            f'{path}: files of MATLAB are read by SciPy, which is not installed; try: pip install "dovetail-data[svhn]"'
        ) from None
    try:
        found = loadmat(path, variable_names=["X", "y"])
        data, labels = found["X"], found["y"].reshape(-1)
    except Exception as error:  # a damaged file raises nearly anything
        raise LoadError(
            f"{path}: it is no file of MATLAB with X and y, or damaged ({type(error).__name__}: {error}); remove it "
            "and get it again"
        ) from error
    if data.dtype != np.uint8 or data.shape != (32, 32, 3, labels.size):
        raise LoadError(
            f"{path}: X is {data.dtype} of shape {data.shape}, and should be uint8 of (32, 32, 3, {labels.size}), "
            "since there are so many labels; remove it and get it again"
        )
    labels = labels.astype(np.int64)
    check_labels(labels, path, 1, 10)
    return np.ascontiguousarray(data.transpose(3, 2, 0, 1)), labels % 10  # the digit 0 is class 10 in the files
