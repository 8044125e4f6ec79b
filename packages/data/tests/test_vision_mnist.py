"""MNIST and its relatives, on small files in their format; damaged ones are named."""

import gzip
import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import dovetail
from dovetail.data import KMNIST, MNIST, DataLoader, FashionMNIST, default_collate
from dovetail.data.vision.mnist import read_idx
from dovetail.errors import DownloadError, LoadError, MissingPackageError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28), np.uint8)
LABELS = np.array([3, 0, 9, 9, 1, 5], np.uint8)


def idx(array, kind=8):
    """The bytes of an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.tobytes()


def write(folder, images=IMAGES, labels=LABELS, part="t10k", end=".gz"):
    """Write the two files of a part into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if end else bytes
    (folder / f"{part}-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
    (folder / f"{part}-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels)))


@pytest.mark.parametrize("end", [".gz", ""])
@pytest.mark.parametrize("kind", [MNIST, FashionMNIST, KMNIST])
def test_both_parts_are_read_packed_or_not(tmp_path, kind, end):
    write(tmp_path / kind.__name__ / "raw", end=end)
    write(tmp_path / kind.__name__ / "raw", 255 - IMAGES, LABELS[::-1], "train", end)
    for train, images, labels in ((False, IMAGES, LABELS), (True, 255 - IMAGES, LABELS[::-1])):
        digits = kind(tmp_path, train=train)
        assert len(digits) == 6
        assert (digits.data.dtype, digits.targets.dtype) == (dovetail.uint8, dovetail.int64)
        assert np.array_equal(digits.data.numpy(), images)
        assert digits.targets.tolist() == labels.tolist()
        image, label = digits[1]
        assert (image.mode, image.size, type(label), label) == ("L", (28, 28), int, labels[1])
        assert np.array_equal(np.asarray(image), images[1])
        assert len(digits.classes) == 10
        assert digits.class_to_idx[digits.classes[3]] == 3


def test_arrays_batches_and_transforms(tmp_path):
    write(tmp_path / "MNIST" / "raw")
    digits = MNIST(tmp_path, train=False, as_array=True)
    assert np.array_equal(digits[2][0], IMAGES[2])
    images, labels = digits.__getbatch__([5, 0, 2])
    expected = default_collate([digits[5], digits[0], digits[2]])
    assert np.array_equal(images.numpy(), expected[0].numpy())
    assert (images.dtype, labels.dtype) == (expected[0].dtype, expected[1].dtype)
    assert labels.tolist() == expected[1].tolist() == [5, 3, 9]
    digits = MNIST(tmp_path, False, lambda image: image / 255, lambda label: -label, as_array=True)
    assert digits[2][0].max() <= 1
    assert digits[2][1] == -9
    assert digits.__getbatch__([0]) is NotImplemented
    assert MNIST(tmp_path, train=False).__getbatch__([0]) is NotImplemented


def test_data_and_targets_may_be_changed(tmp_path):
    write(tmp_path / "MNIST" / "raw")
    digits = MNIST(tmp_path, train=False, as_array=True)
    nines = digits.targets == 9
    digits.data, digits.targets = digits.data[nines], digits.targets[nines]
    assert [label for _, label in digits] == [9, 9]
    assert np.array_equal(next(iter(DataLoader(digits, batch_size=2)))[0].numpy(), IMAGES[2:4])


def test_index_out_of_range_and_repr(tmp_path):
    write(tmp_path / "MNIST" / "raw")
    digits = MNIST(tmp_path, train=False, transform=np.asarray)
    assert digits[-1][1] == 5
    with pytest.raises(IndexError):
        digits[6]
    lines = repr(digits).splitlines()
    assert lines[:4] == [
        "Dataset MNIST",
        "    Number of datapoints: 6",
        f"    Root location: {tmp_path}",
        "    Split: Test",
    ]
    assert lines[4].startswith("    Transform: <built-in function asarray>")
    assert len(pickle.loads(pickle.dumps(digits))) == 6


def test_download_takes_the_mirror_and_leaves_what_is_there(tmp_path, monkeypatch):
    """The checksums are those of these files here; the published ones are in the class."""
    write(tmp_path / "mirror" / "Small")
    write(tmp_path / "mirror" / "Small", part="train")
    files = sorted((tmp_path / "mirror" / "Small").iterdir())

    class Small(MNIST):
        mirrors = ("http://127.0.0.1:1/never/asked",)
        resources = tuple(
            (file.name, hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()) for file in files
        )

    monkeypatch.setenv("DOVETAIL_MIRRORS", (tmp_path / "mirror").as_uri())
    assert len(Small(tmp_path / "data", train=False, download=True)) == 6
    monkeypatch.delenv("DOVETAIL_MIRRORS")
    assert len(Small(tmp_path / "data", train=True, download=True)) == 6
    (tmp_path / "data" / "Small" / "raw" / files[0].name).unlink()
    with pytest.raises(DownloadError, match=r"could not fetch t10k-images-idx3-ubyte\.gz") as caught:
        Small(tmp_path / "data", download=True)
    assert f"put it into {tmp_path / 'data' / 'Small' / 'raw'} as" in str(caught.value)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(DownloadError, match="MNIST is not there: neither train-images-idx3-ubyte nor") as caught:
        MNIST(tmp_path)
    assert f"in {tmp_path / 'MNIST' / 'raw'}; pass download=True" in str(caught.value)


def test_without_pillow_the_error_says_what_to_install(tmp_path, monkeypatch):
    write(tmp_path / "MNIST" / "raw")
    monkeypatch.setitem(sys.modules, "PIL", None)
    digits = MNIST(tmp_path, train=False)
    with pytest.raises(MissingPackageError, match=r'pip install "dovetail-data\[image\]"; MNIST, CIFAR and SVHN need'):
        digits[0]
    digits.as_array = True
    assert digits[0][1] == 3


@pytest.mark.parametrize(("kind", "dtype"), [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
def test_every_type_of_idx(tmp_path, kind, dtype):
    expected = np.array([[1, 2, 3], [-1 if kind != 8 else 4, 5, 6]], dtype)
    (tmp_path / "x").write_bytes(idx(expected, kind))
    found = read_idx(tmp_path / "x")
    assert np.array_equal(found, expected)
    assert found.dtype.isnative
    assert found.flags.writeable


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: b"", "it is no IDX file: it begins with b''"),
        (lambda content: b"<html>", "begins with b'<htm', and should with"),
        (lambda content: b"\0\0\x07" + content[3:], "it is no IDX file"),
        (lambda content: b"\0\0\x08\0" + content[4:], "it is no IDX file"),
        (lambda content: content[:10], "cut off or damaged"),
        (lambda content: content[:-1], r"an array of shape \(6, 28, 28\), which takes 4,704 bytes, and it holds fewer"),
        (lambda content: content + b"x", "and it holds more"),
        (lambda content: content[:4] + b"\x7f" * 12 + content[16:], "and it holds fewer"),
        (lambda content: content[:4] + b"\x00\x00\xff\xff" * 3 + content[16:], "and it holds fewer"),
    ],
)
def test_damaged_idx_files_are_named(tmp_path, change, words, end):
    path = tmp_path / f"x{end}"
    content = change(idx(IMAGES))
    path.write_bytes(gzip.compress(content) if end else content)
    with pytest.raises(LoadError, match=words) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "change", [lambda c: c[: len(c) // 2], lambda c: b"x" + c[1:], lambda c: c[:-6] + b"abc" + c[-3:]]
)
def test_a_damaged_gz_is_named(tmp_path, change):
    path = tmp_path / "x.gz"
    path.write_bytes(change(gzip.compress(idx(IMAGES))))
    with pytest.raises(LoadError, match=r"x\.gz: damaged or cut off"):
        read_idx(path)


def test_files_that_do_not_belong_together(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    write(raw, labels=LABELS[:4])
    with pytest.raises(LoadError, match=r"t10k-labels-idx1-ubyte\.gz: 4 labels for the 6 images in .*; get both"):
        MNIST(tmp_path, train=False)
    write(raw, labels=np.array([1, 2, 10, 3, 4, 200], np.uint8))
    with pytest.raises(LoadError, match=r"labels-idx1-ubyte\.gz: label 10 at position 2; labels are 0 to 9"):
        MNIST(tmp_path, train=False)
    write(raw, images=LABELS)
    with pytest.raises(LoadError, match="it holds uint8 of 1 dimensions, and should hold uint8 of 3"):
        MNIST(tmp_path, train=False)


def test_the_import_is_light():
    code = "import dovetail.data.vision, sys; print({'PIL', 'scipy', 'urllib.request', 'tarfile'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    code = "import dovetail.data, sys; print([name for name in sys.modules if 'vision' in name or name == 'zipfile'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
