"""MNIST and the sets in its format: grey images of 28 by 28 pixels in ten classes."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import dovetail
from dovetail.data.catalog import About
from dovetail.data.vision.base import PublishedImages, Transform, check_labels
from dovetail.errors import LoadError

_KINDS = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_DENSEST = 1100  # bytes that one byte of a .gz file can stand for


class MNIST(PublishedImages):
    """The MNIST digits: 60,000 images for training and 10,000 for testing, of 28 by 28 grey pixels.

    Sample ``i`` is ``(image, label)``: a Pillow image, or an array, and an int. The files are looked for in
    ``root/MNIST/raw``, packed or not, where torchvision keeps them too.

    Args:
        root: the folder that has ``MNIST/raw``.
        train: the training part if True, the test part if False.
        transform: called with each image; the sample holds what it returns.
        target_transform: called with each label.
        download: fetch what is missing.
        as_array: images are uint8 arrays of shape ``(28, 28)``, and Pillow is not needed.

    Attributes:
        data: uint8 tensor of shape ``(N, 28, 28)``.
        targets: int64 tensor of shape ``(N,)``.
        classes: the names of the ten classes.
        class_to_idx: the label of each class, by its name.

    Raises:
        DownloadError: it is not there, or could not be fetched.
        LoadError: a file is damaged.

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-Based Learning Applied to Document Recognition,
    Proceedings of the IEEE, 1998.

    Example::

        >>> digits = MNIST("data", download=True)  # doctest: +SKIP
        >>> MNIST.classes[3]
        '3 - three'
    """

    mirrors: Sequence[str] = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
    resources: Sequence[tuple[str, str]] = (
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    )
    classes = (
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    )  # fmt: skip
    about = About("12 MB", "Y. LeCun, C. Cortes and C. Burges; CC BY-SA 3.0")

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        *,
        as_array: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform, as_array)
        self.train = train
        if download:
            self.download()
        part = "train" if train else "t10k"
        images, labels = self._file(f"{part}-images-idx3-ubyte"), self._file(f"{part}-labels-idx1-ubyte")
        data, targets = _read_bytes(images, 3), _read_bytes(labels, 1)
        if len(data) != len(targets):
            raise LoadError(f"{labels}: {len(targets)} labels for the {len(data)} images in {images}; get both again")
        check_labels(targets, labels, 0, len(self.classes) - 1)
        self.data = dovetail.from_numpy(data)
        self.targets = dovetail.from_numpy(targets.astype(np.int64))

    @property
    def raw_folder(self) -> str:
        """The folder of the files."""
        return os.path.join(self.root, type(self).__name__, "raw")

    def download(self) -> None:
        """Fetch the files that are not there.

        Raises:
            DownloadError: one could not be fetched; the text says what to do by hand.
        """
        for name, md5 in self.resources:
            if not os.path.isfile(os.path.join(self.raw_folder, name.removesuffix(".gz"))):
                self._fetch(name, self.raw_folder, md5)

    def _file(self, name: str) -> Path:
        for found in (Path(self.raw_folder, name), Path(self.raw_folder, f"{name}.gz")):
            if found.is_file():
                return found
        raise self._missing(f"neither {name} nor {name}.gz is", self.raw_folder)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Fashion-MNIST: pictures of clothes in MNIST's format and numbers; arguments and attributes are those of MNIST.

    Source: H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms, arXiv:1708.07747.

    Example::

        >>> clothes = FashionMNIST("data", download=True)  # doctest: +SKIP
        >>> FashionMNIST.classes[9]
        'Ankle boot'
    """

    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    resources = (
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    )
    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    about = About("31 MB", "Zalando SE; MIT")


class KMNIST(MNIST):
    """Kuzushiji-MNIST: cursive Japanese letters in MNIST's format and numbers; arguments and attributes are MNIST's.

    Source: T. Clanuwat and others, Deep Learning for Classical Japanese Literature, arXiv:1812.01718.

    Example::

        >>> letters = KMNIST("data", download=True)  # doctest: +SKIP
        >>> KMNIST.classes[2]
        'su'
    """

    mirrors = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    resources = (
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    )
    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    about = About("21 MB", "ROIS-DS Center for Open Data in the Humanities; CC BY-SA 4.0")


def _read_bytes(path: Path, dimensions: int) -> np.ndarray:
    """Return the content of a file that must hold bytes of so many dimensions."""
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim != dimensions:
        raise LoadError(
            f"{path}: it holds {array.dtype} of {array.ndim} dimensions, and should hold uint8 of {dimensions}; is it "
            "another of the four files?"
        )
    return array


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a file in the IDX format, in which MNIST is published; one that ends with ``.gz`` is unpacked on the way.

    Raises:
        LoadError: it is damaged, cut off or something else.

    Example::

        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "labels-idx1-ubyte")
        >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        >>> read_idx(path)
        array([7, 2, 1], dtype=uint8)
    """
    packed = os.fspath(path).endswith(".gz")
    most = os.path.getsize(path) * (_DENSEST if packed else 1)
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            return _read_idx(path, file, most)  # type: ignore[arg-type]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LoadError(f"{path}: damaged or cut off ({error}); remove it and get it again") from error


def _read_idx(path: Any, file: BinaryIO, most: int) -> np.ndarray:
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _KINDS or not start[3]:
        raise LoadError(
            f"{path}: it is no IDX file: it begins with {start!r}, and should with b'\\x00\\x00', a type, "
            "and a number of dimensions; get it again"
        )
    header = file.read(4 * start[3])
    shape = tuple(int.from_bytes(header[place : place + 4], "big") for place in range(0, 4 * start[3], 4))
    dtype = np.dtype(_KINDS[start[2]])
    size = math.prod(shape) * dtype.itemsize
    content = file.read(size + 1) if size <= most else b""  # a damaged header must not ask for all memory
    if len(header) < 4 * start[3] or len(content) != size:
        more = "more" if len(content) > size else "fewer"
        raise LoadError(
            f"{path}: cut off or damaged: its header tells of an array of shape {shape}, which takes "
            f"{size:,} bytes, and it holds {more}; remove it and get it again"
        )
    return np.frombuffer(bytearray(content), dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
