"""CIFAR-10 and CIFAR-100 in the authors' binary format and in the pickles of the version for Python."""

import hashlib
import io
import pickle
import tarfile
import tracemalloc
import warnings

import numpy as np
import pytest

from dovetail.data import CIFAR10, CIFAR100, DataLoader, default_collate
from dovetail.errors import DownloadError, LoadError

GENERATOR = np.random.default_rng(0)


def records(count, classes, coarse=False):
    """Images of shape (N, 3, 32, 32), labels, and the bytes of the binary file."""
    images = GENERATOR.integers(0, 256, (count, 3, 32, 32), np.uint8)
    labels = GENERATOR.integers(0, classes, count).astype(np.uint8)
    columns = [labels[:, None], images.reshape(count, -1)]
    if coarse:
        columns.insert(0, np.full((count, 1), 19, np.uint8))
    return images, labels, np.concatenate(columns, axis=1).tobytes()


def text(content):
    """A text as Python 2 pickles it."""
    return b"T" + len(content).to_bytes(4, "little") + content


def pickled(images, labels, key=b"labels", dtype=b"u1", start=b"cnumpy.core.multiarray\n_reconstruct\n", fortran=False):
    """The bytes of a batch as it is published: a dict, pickled by Python 2 with protocol 2."""
    rows, width = images.shape
    shape = b"M" + rows.to_bytes(2, "little") + b"M" + width.to_bytes(2, "little") + b"\x86"
    kind = (
        b"cnumpy\ndtype\n"
        + text(dtype)
        + b"K\0K\1\x87R"
        + b"(K\3"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    )
    array = start + b"cnumpy\nndarray\nK\0\x85" + text(b"b") + b"\x87R"
    array += b"(K\1" + shape + kind + (b"\x88" if fortran else b"\x89") + text(images.tobytes()) + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\2}(" + text(b"data") + array + text(key) + numbers + text(b"batch_label") + text(b"x") + b"u."


def write_binary(root, kind):
    """Write a small set in the binary format; return the images and labels of each part."""
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    parts = {}
    for train, names in ((True, kind.train_list), (False, kind.test_list)):
        made = [records(4, len(kind.classes), kind.label_bytes == 2) for _ in names]
        for name, (_, _, content) in zip(names, made, strict=True):
            (folder / f"{name}.bin").write_bytes(content)
        parts[train] = (
            np.concatenate([images for images, _, _ in made]),
            np.concatenate([labels for _, labels, _ in made]),
        )
    return parts


def write_pickles(root, kind):
    """Write a small set as the version for Python has it."""
    folder = root / kind.pickle_folder
    folder.mkdir(parents=True)
    parts = {}
    for train, names in ((True, kind.train_list), (False, kind.test_list)):
        made = [records(4, len(kind.classes)) for _ in names]
        for name, (images, labels, _) in zip(names, made, strict=True):
            (folder / name).write_bytes(pickled(images.reshape(4, -1), labels, kind.label_key))
        parts[train] = (
            np.concatenate([images for images, _, _ in made]),
            np.concatenate([labels for _, labels, _ in made]),
        )
    return parts


@pytest.mark.parametrize("write", [write_binary, write_pickles])
@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_both_parts_are_read(tmp_path, kind, write):
    parts = write(tmp_path, kind)
    for train, (images, labels) in parts.items():
        found = kind(tmp_path, train=train)
        assert found.data.shape == (len(labels), 32, 32, 3)
        assert found.data.dtype == np.uint8
        assert np.array_equal(found.data, images.transpose(0, 2, 3, 1))
        assert found.targets == labels.tolist()
        image, label = found[1]
        assert (image.mode, image.size, label) == ("RGB", (32, 32), labels[1])
        assert np.array_equal(np.asarray(image), images[1].transpose(1, 2, 0))
        assert f"Split: {'Train' if train else 'Test'}" in repr(found)


def test_class_names():
    assert (len(CIFAR10.classes), len(set(CIFAR100.classes))) == (10, 100)
    assert list(CIFAR100.classes) == sorted(CIFAR100.classes)
    assert (CIFAR10.classes[3], CIFAR100.classes[49], CIFAR100.classes[99]) == ("cat", "mountain", "worm")


def test_arrays_make_batches(tmp_path):
    write_binary(tmp_path, CIFAR10)
    found = CIFAR10(tmp_path, as_array=True)
    images, labels = next(iter(DataLoader(found, batch_size=7)))
    expected = default_collate([found[index] for index in range(7)])
    assert tuple(images.shape) == (7, 32, 32, 3)
    assert np.array_equal(images.numpy(), expected[0].numpy())
    assert labels.tolist() == expected[1].tolist()


def test_the_binary_version_comes_first_and_must_be_whole(tmp_path):
    write_pickles(tmp_path, CIFAR10)
    expected = write_binary(tmp_path, CIFAR10)[False][1].tolist()
    assert CIFAR10(tmp_path, train=False).targets == expected
    (tmp_path / CIFAR10.base_folder / "data_batch_3.bin").unlink()
    assert CIFAR10(tmp_path, train=False).targets != expected
    (tmp_path / CIFAR10.pickle_folder / "test_batch").unlink()
    with pytest.raises(
        DownloadError, match="CIFAR10 is not there: neither cifar-10-batches-bin nor cifar-10-batches-py"
    ):
        CIFAR10(tmp_path)


def test_download_unpacks_what_belongs_to_it(tmp_path, monkeypatch):
    expected = write_binary(tmp_path / "made", CIFAR10)
    mirror = tmp_path / "mirror" / "Small"
    mirror.mkdir(parents=True)
    with tarfile.open(mirror / "small.tar.gz", "w:gz") as file:
        file.add(tmp_path / "made" / CIFAR10.base_folder, CIFAR10.base_folder)
        file.addfile(tarfile.TarInfo("elsewhere.txt"), io.BytesIO())

    class Small(CIFAR10):
        mirrors = ((tmp_path / "mirror" / "Small").as_uri() + "/",)
        archive = ("small.tar.gz", hashlib.md5((mirror / "small.tar.gz").read_bytes()).hexdigest())

    monkeypatch.delenv("DOVETAIL_MIRRORS", raising=False)
    found = Small(tmp_path / "data", download=True)
    assert found.targets == expected[True][1].tolist()
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["cifar-10-batches-bin", "small.tar.gz"]
    (mirror / "small.tar.gz").unlink()
    (tmp_path / "data" / "small.tar.gz").unlink()
    assert Small(tmp_path / "data", download=True).targets == found.targets


def test_cut_off_and_foreign_files_are_named(tmp_path):
    write_binary(tmp_path, CIFAR10)
    path = tmp_path / CIFAR10.base_folder / "test_batch.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(LoadError, match=r"test_batch\.bin: cut off or damaged: it has 12,291 bytes, .* of 3,073, the"):
        CIFAR10(tmp_path, train=False)
    path.write_bytes(b"")
    with pytest.raises(LoadError, match="it has 0 bytes"):
        CIFAR10(tmp_path, train=False)
    path.write_bytes(content[:3073] + b"\x0a" + content[3074:])
    with pytest.raises(LoadError, match=r"test_batch\.bin: label 10 at position 1; labels are 0 to 9"):
        CIFAR10(tmp_path, train=False)


class Evil:
    def __reduce__(self):
        return print, ("run",)


IMAGES = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps(Evil(), 2), "it names __builtin__.print, which these files do not need; do not trust it"),
        (pickled(IMAGES, [1, 2], start=b"cos\nsystem\n"), "it names os.system, which"),
        (pickled(IMAGES, [1, 2])[:-100], "it is no pickle of CIFAR, or damaged"),
        (b"", "it is no pickle of CIFAR, or damaged"),
        (pickle.dumps([1, 2], 2), "it is no pickle of CIFAR, or damaged"),
        (pickled(IMAGES, [1, 2], key=b"other"), "KeyError: b'labels'"),
        (pickled(IMAGES, [1, 2], fortran=True), "its array is stored by columns"),
        (pickled(IMAGES[:, :-1], [1, 2]), "it is no pickle of CIFAR, or damaged"),
        (pickled(IMAGES, [1, 2, 3]), r"it holds 2 images of type b'u1' and labels of shape \(3,\), and should"),
        (pickled(IMAGES, [1, 2], dtype=b"i1"), "images of type b'i1'"),
        (pickled(IMAGES, [1, 30]), "label 30 at position 1; labels are 0 to 9"),
    ],
)
def test_pickles_run_nothing_and_damaged_ones_are_named(tmp_path, capsys, content, words):
    write_pickles(tmp_path, CIFAR10)
    path = tmp_path / CIFAR10.pickle_folder / "test_batch"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=words) as caught:
        CIFAR10(tmp_path, train=False)
    assert str(path) in str(caught.value)
    assert capsys.readouterr().out == ""


def test_a_pickle_that_claims_to_remember_much_takes_no_memory(tmp_path):
    """One of eight bytes, which puts a value in a place that has 2 ** 24 before it."""
    write_pickles(tmp_path, CIFAR10)
    (tmp_path / CIFAR10.pickle_folder / "test_batch").write_bytes(b"\x80\2}r\0\0\0\1.")
    tracemalloc.start()
    try:
        with pytest.raises(LoadError, match="it is no pickle of CIFAR, or damaged"):
            CIFAR10(tmp_path, train=False)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_the_pickles_here_are_like_numpys():
    """What ``pickled`` writes by hand is what Python itself reads as an array."""
    images = GENERATOR.integers(0, 256, (2, 3072), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's modules have been renamed since
        found = pickle.loads(pickled(images, [7, 1]), encoding="bytes")
    assert np.array_equal(found[b"data"], images)
    assert found[b"labels"] == [7, 1]
