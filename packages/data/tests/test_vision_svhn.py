"""SVHN, on small files as MATLAB writes them."""

import sys

import numpy as np
import pytest

from dovetail.data import SVHN, DataLoader, default_collate
from dovetail.errors import DownloadError, LoadError, MissingPackageError

savemat = pytest.importorskip("scipy.io").savemat
IMAGES = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 5), np.uint8)
LABELS = np.array([[1], [10], [9], [10], [2]], np.uint8)


@pytest.fixture
def root(tmp_path):
    savemat(tmp_path / "test_32x32.mat", {"X": IMAGES, "y": LABELS}, do_compression=True)
    return tmp_path


def test_images_and_labels(root):
    found = SVHN(root, split="test")
    assert found.data.shape == (5, 3, 32, 32)
    assert found.labels.tolist() == [1, 0, 9, 0, 2]
    assert found.labels.dtype == np.int64
    image, label = found[2]
    assert (image.mode, image.size, label, type(label)) == ("RGB", (32, 32), 9, int)
    assert np.array_equal(np.asarray(image), IMAGES[..., 2])
    assert "Split: test" in repr(found)
    assert found.class_to_idx["7"] == 7


def test_arrays_make_batches(root):
    found = SVHN(root, "test", as_array=True)
    assert np.array_equal(found[4][0], IMAGES[..., 4])
    images, labels = next(iter(DataLoader(found, batch_size=3)))
    expected = default_collate([found[index] for index in range(3)])
    assert np.array_equal(images.numpy(), expected[0].numpy())
    assert labels.tolist() == expected[1].tolist()


def test_an_unknown_split_and_a_missing_file_are_named(root):
    with pytest.raises(ValueError, match="SVHN has the splits 'train', 'test', 'extra', got 'val'"):
        SVHN(root, "val")
    with pytest.raises(DownloadError, match=r"SVHN is not there: no train_32x32\.mat is in .*; pass download=True"):
        SVHN(root)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"X": IMAGES, "y": LABELS[:4]},
            r"X is uint8 of shape \(32, 32, 3, 5\), and should be uint8 of \(32, 32, 3, 4\)",
        ),
        ({"X": IMAGES.astype(float), "y": LABELS}, "X is float64"),
        ({"X": IMAGES}, r"it is no file of MATLAB with X and y, or damaged \(KeyError: 'y'\)"),
        ({"X": IMAGES, "y": LABELS + 1}, "label 11 at position 1; labels are 1 to 10"),
        ({"X": IMAGES, "y": LABELS * 0}, "label 0 at position 0; labels are 1 to 10"),
    ],
)
def test_wrong_content_is_named(root, content, words):
    savemat(root / "test_32x32.mat", content)
    with pytest.raises(LoadError, match=words) as caught:
        SVHN(root, "test")
    assert str(root / "test_32x32.mat") in str(caught.value)


@pytest.mark.parametrize("change", [lambda c: c[: len(c) // 2], lambda c: b"", lambda c: b"<html>" * 100])
def test_damaged_files_are_named(root, change):
    path = root / "test_32x32.mat"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(LoadError, match=r"test_32x32\.mat: it is no file of MATLAB with X and y, or damaged"):
        SVHN(root, "test")


def test_without_scipy_the_error_says_what_to_install(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingPackageError, match=r'try: pip install "dovetail-data\[svhn\]"'):
        SVHN(root, "test")
