"""The code of docs/datasets.md."""

import hashlib
import io
import sys
import tarfile
import zipfile

import numpy as np
import pytest

import dovetail
from dovetail import data, plugins

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_mnist(raw):
    """Write a training part of 200 images in MNIST's format."""
    raw.mkdir(parents=True)
    sizes = [(200).to_bytes(4, "big"), (28).to_bytes(4, "big"), (28).to_bytes(4, "big")]
    (raw / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\3" + b"".join(sizes) + bytes(200 * 28 * 28))
    (raw / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1" + sizes[0] + bytes(range(10)) * 20)


def photo(color):
    """The bytes of a small image."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(file, "png")
    return file.getvalue()


def test_load(folder, monkeypatch):
    write_mnist(folder / "data" / "MNIST" / "raw")
    monkeypatch.setattr(data.MNIST, "resources", data.MNIST.resources[:2])
    # region: load
    digits = data.load("digits", train=False)
    mnist = data.load("mnist", "data", train=True, download=True)  # data.MNIST("data", ...) is the same
    image, label = mnist[3]
    # endregion
    assert len(digits) == 355
    assert (type(mnist), image.size, label) == (data.MNIST, (28, 28), 3)


def test_arrays(folder):
    write_mnist(folder / "data" / "MNIST" / "raw")
    # region: arrays
    mnist = data.MNIST("data", as_array=True)
    loader = data.DataLoader(mnist, batch_size=100, shuffle=True)
    images, labels = next(iter(loader))  # uint8 of shape (100, 28, 28), int64 of shape (100,)
    # endregion
    assert (images.dtype, tuple(images.shape)) == (dovetail.uint8, (100, 28, 28))
    assert (labels.dtype, tuple(labels.shape)) == (dovetail.int64, (100,))


def test_folder(folder):
    with zipfile.ZipFile("photos.zip", "w") as file:
        for name in ("train/cat/1.png", "train/dog/1.png", "test/cat/2.png"):
            file.writestr(name, photo("red"))
    # region: folder
    photos = data.ImageFolder("photos.zip/train", transform=np.asarray)
    print(photos.classes, len(photos))
    # endregion
    assert (photos.classes, photos[1][0].shape, photos[1][1]) == (["cat", "dog"], (8, 8, 3), 1)


# region: own
class Squares(data.Dataset):
    about = data.About(download="", source="Acme; CC0")

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return index * index


@dovetail.hookimpl
def dovetail_register_datasets():
    return [Squares]


# endregion


def test_own():
    plugins.reset()
    plugins.register(sys.modules[__name__], "acme")
    try:
        assert data.load("squares")[3] == 9
        assert "Squares" in data.available()
    finally:
        plugins.reset()


def test_fetch(folder):
    with tarfile.open("there.tar.gz", "w:gz") as file:
        info = tarfile.TarInfo("flowers/rose/1.png")
        info.size = len(content := photo("red"))
        file.addfile(info, io.BytesIO(content))
    url = (folder / "there.tar.gz").as_uri()
    checksum = hashlib.sha256((folder / "there.tar.gz").read_bytes()).hexdigest()
    # region: fetch
    archive = data.fetch(url, "data/flowers.tar.gz", sha256=checksum)
    flowers = data.ImageFolder(data.unpack(archive, "data/flowers", inside="flowers"))
    # endregion
    assert flowers.classes == ["rose"]
