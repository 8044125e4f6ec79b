"""Folders of images, on the disk and in .zip archives, read by threads and processes at once."""

import io
import multiprocessing
import os
import pickle
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dovetail.data import DatasetFolder, FakeData, ImageFolder
from dovetail.data.vision.folder import IMG_EXTENSIONS, load_image
from dovetail.data.vision.zipped import ZipFiles
from dovetail.errors import LoadError, MissingPackageError
from real_data import real_data

Image = pytest.importorskip("PIL.Image")
NAMES = ["cat/b.PNG", "cat/a.png", "cat/more/0.jpg", "dog/1.bmp", "dog/notes.txt", "ant/x.webp", "readme.md"]
SORTED = ["ant/x.webp", "cat/a.png", "cat/b.PNG", "cat/more/0.jpg", "dog/1.bmp"]


def encoded(number, end, mode="RGB"):
    """The bytes of a small image whose first pixel is ``number``."""
    file = io.BytesIO()
    Image.new(mode, (9, 7), (number,) * len(mode)).save(file, {"jpg": "jpeg"}.get(end.lower(), end.lower()))
    return file.getvalue()


def contents():
    """Name and bytes of each file of a small set."""
    for number, name in enumerate(NAMES):
        yield name, encoded(20 * number, name.rpartition(".")[2]) if not name.endswith((".txt", ".md")) else b"text"


def make_folder(root):
    for name, content in contents():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def make_zip(path, inside="", method=zipfile.ZIP_DEFLATED, extra=()):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in [*contents(), *extra]:
            file.writestr(inside + name, content)
    return path


@pytest.fixture(params=["folder", "zip", "stored zip", "zip/train"])
def root(request, tmp_path):
    """The same set in each of the places where it may be."""
    if request.param == "folder":
        return make_folder(tmp_path / "set")
    inside = "train/" if request.param == "zip/train" else ""
    method = zipfile.ZIP_STORED if request.param == "stored zip" else zipfile.ZIP_DEFLATED
    return make_zip(tmp_path / "set.zip", inside, method) / inside


def test_classes_samples_and_targets(root):
    images = ImageFolder(root)
    assert images.classes == ["ant", "cat", "dog"]
    assert images.class_to_idx == {"ant": 0, "cat": 1, "dog": 2}
    assert (
        images.samples
        == images.imgs
        == [(f"{root}/{name}", label) for name, label in zip(SORTED, [0, 1, 1, 1, 2], strict=True)]
    )
    assert images.targets == [0, 1, 1, 1, 2]
    assert len(images) == 5
    assert repr(images).splitlines() == [
        "Dataset ImageFolder",
        "    Number of datapoints: 5",
        f"    Root location: {root}",
    ]


def test_the_root_may_be_written_in_any_way(tmp_path, monkeypatch):
    make_zip(tmp_path / "a.zip", "train/")
    monkeypatch.chdir(tmp_path)
    for root in ("a.zip/train", "a.zip//train/", "./a.zip/train", tmp_path / "a.zip" / "train"):
        assert ImageFolder(root)[1][1] == 1
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ImageFolder("~/a.zip/train").samples == ImageFolder(tmp_path / "a.zip" / "train").samples


def test_images_are_rgb(root):
    images = ImageFolder(root)
    for (image, label), (path, target) in zip(images, images.samples, strict=True):
        number = 20 * NAMES.index(next(name for name in NAMES if path.endswith(name)))
        assert (image.mode, image.size, label) == ("RGB", (9, 7), target)
        assert abs(np.asarray(image).astype(int) - number).max() <= 2
    assert images[-1][1] == 2
    with pytest.raises(IndexError):
        images[5]


def test_transforms_loader_and_valid_files(root):
    def read(file):
        if isinstance(file, str):
            return Path(file).read_bytes()
        return file.read()

    texts = DatasetFolder(root, read, ".txt", len, str, allow_empty=True)
    assert (texts.classes, texts.targets, texts[0]) == (["ant", "cat", "dog"], [2], (4, "2"))
    jpegs = ImageFolder(root, is_valid_file=lambda path: path.endswith(".jpg"), allow_empty=True)
    assert [path for path, _ in jpegs.samples] == [f"{root}/cat/more/0.jpg"]
    raw = ImageFolder(root, loader=read)
    assert raw[1][0].startswith(b"\x89PNG")


def test_other_classes_by_a_subclass(root):
    class Pets(ImageFolder):
        def find_classes(self, directory):
            assert directory == str(root)
            return ["dog", "cat"], {"dog": 0, "cat": 1}

    assert Pets(root).targets == [1, 1, 1, 0]


def test_what_is_missing_is_named(root, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no files whose names end with \('.jpg',\) for the classes ant, dog; put"
    ):
        DatasetFolder(root, load_image, (".jpg",))
    with pytest.raises(FileNotFoundError, match="no files that is_valid_file accepts for the classes ant, cat, dog"):
        ImageFolder(root, is_valid_file=lambda path: False)
    with pytest.raises(FileNotFoundError, match="there is no folder in it; the samples of each class belong into one"):
        ImageFolder(f"{root}/cat/more")
    for options in ({}, {"extensions": ".png", "is_valid_file": bool}):
        with pytest.raises(ValueError, match="by extensions or by is_valid_file: give one of them"):
            DatasetFolder(root, load_image, **options)
    with pytest.raises(FileNotFoundError):
        ImageFolder(tmp_path / "nothing")


def damage(root, name, content):
    """Put other content into one of the set's files, in an archive with the right checksum."""
    if (root / name).exists():
        (root / name).write_bytes(content)
        return
    archive = root if root.is_file() else root.parent
    with zipfile.ZipFile(archive) as file:
        kept = {info.filename: file.read(info) for info in file.infolist()}
    found = next(key for key in kept if key.endswith(name))
    with zipfile.ZipFile(archive, "w") as file:
        for key, old in kept.items():
            file.writestr(key, content if key == found else old)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"<html>no</html>",
            r"LoadError: it begins with b'<html>no', which is no image that Pillow knows, or a damaged one",
        ),
        (b"", "which is no image that Pillow knows, or a damaged one"),
        (encoded(1, "jpg")[:-200], "(?i)truncated"),
    ],
)
def test_an_image_that_cannot_be_read_is_named(root, content, words):
    damage(root, "cat/more/0.jpg", content)
    with pytest.raises(LoadError, match=words) as caught:
        ImageFolder(root)[3]
    assert str(caught.value).startswith(f"sample 3, {root}/cat/more/0.jpg, cannot be read (")
    assert ImageFolder(root)[2][1] == 1


def test_without_pillow_the_error_says_what_to_install(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingPackageError, match=r'try: pip install "dovetail-data\[image\]"'):
        ImageFolder(root)[0]


def test_grey_and_transparent_images_become_rgb(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(encoded(50, "png", "L"))
    (tmp_path / "a" / "2.png").write_bytes(encoded(50, "png", "RGBA"))
    assert [image.mode for image, _ in ImageFolder(tmp_path)] == ["RGB", "RGB"]


def test_links_to_folders_are_followed(tmp_path):
    make_folder(tmp_path / "set")
    (tmp_path / "links").mkdir()
    os.symlink(tmp_path / "set" / "cat", tmp_path / "links" / "tiger", target_is_directory=True)
    assert ImageFolder(tmp_path / "links").targets == [0, 0, 0]


def test_what_macos_adds_is_no_class(tmp_path):
    path = make_zip(tmp_path / "a.zip", extra=[("__MACOSX/cat/._a.png", b"x"), ("cat/", b"")])
    assert ImageFolder(path).classes == ["ant", "cat", "dog"]


# The archive itself


def test_a_changed_byte_is_found_and_named(tmp_path):
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = make_zip(tmp_path / "a.zip", method=method)
        with zipfile.ZipFile(path) as file:
            info = file.getinfo("dog/1.bmp")
        content = bytearray(path.read_bytes())
        content[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 0x55
        path.write_bytes(content)
        with pytest.raises(
            LoadError, match=r"sample 4, .*a\.zip/dog/1\.bmp, cannot be read .*a\.zip/dog/1\.bmp: damaged"
        ):
            ImageFolder(path)[4]
        assert ImageFolder(path)[3][1] == 1


def test_what_a_zip_may_not_be(tmp_path):
    (tmp_path / "no.zip").write_bytes(b"nothing of the kind")
    with pytest.raises(LoadError, match=r"no\.zip: it is no \.zip archive, or damaged \(File is not a zip file\)"):
        ImageFolder(tmp_path / "no.zip" / "train")
    with zipfile.ZipFile(tmp_path / "other.zip", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a/1.txt", b"hello")
    with pytest.raises(
        LoadError, match=r"other\.zip/a/1\.txt: packed by method 14; stored and deflated files are read"
    ):
        ZipFiles(tmp_path / "other.zip").read("a/1.txt")
    content = bytearray(make_zip(tmp_path / "locked.zip").read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(content)
    with pytest.raises(LoadError, match=r"locked\.zip/cat/b\.PNG: it needs a password"):
        ZipFiles(tmp_path / "locked.zip").read("cat/b.PNG")
    with pytest.raises(KeyError):
        ZipFiles(tmp_path / "locked.zip").read("nothing")


def test_a_damaged_directory_is_named(tmp_path):
    """Each byte of it, changed: what comes out is an error that names the archive, or what is there."""
    good = make_zip(tmp_path / "a.zip").read_bytes()
    refused = 0
    for place in range(good.index(b"PK\1\2"), len(good)):
        content = bytearray(good)
        content[place] ^= 0xFF
        (tmp_path / "a.zip").write_bytes(content)
        try:
            files = ZipFiles(tmp_path / "a.zip")
            assert all(files.read(name) for name in files.names())
        except LoadError as error:
            assert "a.zip" in str(error)  # noqa: PT017
            refused += 1
    assert refused > 100


def test_a_size_that_cannot_be_takes_no_memory(tmp_path):
    content = bytearray(make_zip(tmp_path / "a.zip").read_bytes())
    place = content.index(b"PK\1\2") + 20
    content[place : place + 4] = b"\xfe\xff\xff\xff"
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(LoadError, match=r"or damaged \(a file in it would be larger than all of it\); get it again"):
        ZipFiles(tmp_path / "a.zip")


def test_extra_parts_and_bytes_in_front_are_skipped(tmp_path):
    """An extra part that is longer than what is read along with a file, and a program before it all."""
    info = zipfile.ZipInfo("a/1.txt")
    info.extra = b"\xfe\xca\xc8\x00" + bytes(200)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, b"hello")
        file.writestr("a/2.txt", b"you")
    (tmp_path / "b.zip").write_bytes(b"#!program\n" * 50 + (tmp_path / "a.zip").read_bytes())
    for name in ("a.zip", "b.zip"):
        files = ZipFiles(tmp_path / name)
        assert [files.read(each) for each in files.names()] == [b"hello", b"you"]


def test_copies_open_the_archive_anew_and_close_it(tmp_path):
    images = ImageFolder(make_zip(tmp_path / "a.zip"))
    images[0]
    opened = len(os.listdir("/dev/fd"))
    copies = [pickle.loads(pickle.dumps(images)) for _ in range(5)]
    assert len(os.listdir("/dev/fd")) == opened
    assert all(copy[0][1] == 0 for copy in copies)
    assert len(os.listdir("/dev/fd")) == opened + 5
    del copies
    assert len(os.listdir("/dev/fd")) == opened


def pixels(samples):
    """What is compared of samples."""
    return [(image.tobytes(), label) for image, label in samples]


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_processes_read_at_once(tmp_path, way):
    if way not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {way} here")
    images = ImageFolder(make_zip(tmp_path / "a.zip"))
    expected = pixels(images)
    with multiprocessing.get_context(way).Pool(2) as pool:
        asked = pool.map_async(images.__getitem__, [0, 1, 2, 3, 4] * 100, chunksize=5)
        for _ in range(20):
            assert pixels(images) == expected
        assert pixels(asked.get(60)) == expected * 100


@pytest.mark.parametrize("pread", [True, False])
def test_threads_read_at_once(tmp_path, monkeypatch, pread):
    if not pread:
        monkeypatch.delattr(os, "pread")  # as on Windows
    images = ImageFolder(make_zip(tmp_path / "a.zip"))
    expected, found = pixels(images), []
    threads = [threading.Thread(target=lambda: found.append([pixels(images) for _ in range(20)])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [[expected] * 20] * 8


def test_a_real_archive():
    real = real_data("cifar10-jpeg.zip")
    images = ImageFolder(real / "train")
    assert (len(images), len(images.classes), images.targets.count(7)) == (50_000, 10, 5000)
    with zipfile.ZipFile(real) as file:
        for index in (0, 777, 49_999):
            path, _ = images.samples[index]
            expected = Image.open(io.BytesIO(file.read(path.removeprefix(f"{real}/")))).convert("RGB")
            assert np.array_equal(np.asarray(images[index][0]), np.asarray(expected))


# Made-up images


def test_fake_images_are_the_same_each_time():
    fake = FakeData(size=4, image_size=(3, 8, 5), num_classes=3)
    first, again = [[(np.asarray(image), label) for image, label in fake] for _ in range(2)]
    assert all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(first, again, strict=True))
    assert len(first) == 4
    assert repr(fake) == "Dataset FakeData\n    Number of datapoints: 4"
    assert first[0][0].shape == (8, 5, 3)
    assert not np.array_equal(first[0][0], first[1][0])
    moved = FakeData(size=4, image_size=(3, 8, 5), num_classes=3, random_offset=1)
    assert np.array_equal(np.asarray(moved[0][0]), first[1][0])
    assert FakeData(2, (1, 4, 6), transform=np.asarray, target_transform=str)[1][0].shape == (4, 6)
    with pytest.raises(ValueError, match=r"with 1 or 3 channels, got \(4, 8, 8\)"):
        FakeData(image_size=(4, 8, 8))
    with pytest.raises(IndexError, match="index 4 is out of range for FakeData of 4 samples"):
        fake[4]


def test_all_kinds_of_images_are_found():
    assert {name.rpartition(".")[2] for name in SORTED} <= {end[1:] for end in IMG_EXTENSIONS} | {"PNG"}
