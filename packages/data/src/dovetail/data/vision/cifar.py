"""CIFAR-10 and CIFAR-100: small colour photographs, in the authors' binary files or in torchvision's folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dovetail.data.archives import unpack
from dovetail.data.catalog import About
from dovetail.data.vision.base import PublishedImages, Transform, check_labels
from dovetail.errors import LoadError

_IMAGE = 3 * 32 * 32
_HUNDRED = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
    "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
    "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
    "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
    "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)


class CIFAR10(PublishedImages):
    """CIFAR-10: 50,000 photographs for training and 10,000 for testing, of 32 by 32 pixels, in ten classes.

    Sample ``i`` is ``(image, label)``: a Pillow image, or an array, and an int. ``download`` gets the authors' binary
    version into ``root/cifar-10-batches-bin``. Where there is none, the pickles that torchvision keeps in
    ``root/cifar-10-batches-py`` are read, by a reader that knows lists, numbers and arrays and can run nothing.

    Args:
        root: the folder that has one of these.
        train: the training part if True, the test part if False.
        transform: called with each image; the sample holds what it returns.
        target_transform: called with each label.
        download: fetch it when it is missing.
        as_array: images are uint8 arrays of shape ``(32, 32, 3)``, and Pillow is not needed.

    Attributes:
        data: uint8 array of shape ``(N, 32, 32, 3)``.
        targets: the labels, a list of ints.
        classes: the names of the classes.
        class_to_idx: the label of each class, by its name.

    Raises:
        DownloadError: it is not there, or could not be fetched.
        LoadError: a file is damaged.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    Example::

        >>> photos = CIFAR10("data", download=True)  # doctest: +SKIP
        >>> CIFAR10.classes[3]
        'cat'
    """

    mirrors: Sequence[str] = ("https://www.cs.toronto.edu/~kriz/",)
    archive = ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")
    base_folder = "cifar-10-batches-bin"
    pickle_folder = "cifar-10-batches-py"
    # with .bin behind them in the binary version
    train_list: Sequence[str] = tuple(f"data_batch_{number}" for number in range(1, 6))
    test_list: Sequence[str] = ("test_batch",)
    label_bytes = 1  # before each image; the last of them counts
    label_key = b"labels"
    classes: Sequence[str] = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    about = About("162 MB", "A. Krizhevsky, V. Nair and G. Hinton; for research, no licence stated")

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
        images, labels = zip(*(self._read(path) for path in self._files()), strict=True)
        # from all red, then all green, then all blue values to the three of each pixel
        planes = np.concatenate(images).reshape(-1, 3, 32, 32)
        self.data = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        self.targets: list[int] = np.concatenate(labels).tolist()

    def download(self) -> None:
        """Fetch and unpack the set, unless it is there.

        Raises:
            DownloadError: it could not be fetched; the text says what to do by hand.
            LoadError: the archive cannot be unpacked.
        """
        if not self._found():
            name, md5 = self.archive
            unpack(self._fetch(name, self.root, md5), Path(self.root, self.base_folder), inside=self.base_folder)

    def _found(self) -> list[Path]:
        """Return the files of both parts in the first of the two folders that has all of them, or none."""
        names = [*self.train_list, *self.test_list]
        for folder, end in ((self.base_folder, ".bin"), (self.pickle_folder, "")):
            files = [Path(self.root, folder, name + end) for name in names]
            if all(file.is_file() for file in files):
                return files
        return []

    def _files(self) -> list[Path]:
        found = self._found()
        if not found:
            raise self._missing(f"neither {self.base_folder} nor {self.pickle_folder} is, with all files,", self.root)
        count = len(self.train_list)
        return found[:count] if self.train else found[count:]

    def _read(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the images, a row each, and the labels of one file."""
        if path.suffix == ".bin":
            images, labels = _read_records(path, self.label_bytes)
        else:
            from dovetail.data.vision.cifar_pickles import read_pickled

            images, labels = read_pickled(path, self.label_key, _IMAGE)
        check_labels(labels, path, 0, len(self.classes) - 1)
        return images, labels

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """CIFAR-100: as CIFAR10, in a hundred classes; the folders are ``cifar-100-binary`` and ``cifar-100-python``.

    Arguments and attributes are those of CIFAR10; the labels are the fine ones.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    Example::

        >>> photos = CIFAR100("data", download=True)  # doctest: +SKIP
        >>> CIFAR100.classes[49]
        'mountain'
    """

    archive = ("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8")
    base_folder = "cifar-100-binary"
    pickle_folder = "cifar-100-python"
    train_list = ("train",)
    test_list = ("test",)
    label_bytes = 2
    label_key = b"fine_labels"
    classes = tuple(_HUNDRED.split())
    about = About("161 MB", "A. Krizhevsky, V. Nair and G. Hinton; for research, no licence stated")


def _read_records(path: Path, label_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    size = label_bytes + _IMAGE
    content = np.fromfile(path, np.uint8)
    if not content.size or content.size % size:
        raise LoadError(
            f"{path}: cut off or damaged: it has {content.size:,} bytes, and should have a multiple of {size:,}, the "
            "size of an image with its label; remove its folder and get it again"
        )
    records = content.reshape(-1, size)
    return records[:, label_bytes:], records[:, label_bytes - 1]
