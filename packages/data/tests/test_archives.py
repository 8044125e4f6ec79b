"""Unpacking: whole or not at all, nothing outside of the folder, no bombs; each refusal says what it is."""

import gzip
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import numpy as np
import pytest

from dovetail.data.archives import unpack
from dovetail.errors import LoadError

FILES = {"set/one.txt": b"1", "set/deep/two.txt": b"2" * 5000, "readme.txt": b"read"}


def make_zip(path, files=FILES):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def make_tar(path, files=FILES, **options):
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for option, value in options.items():
                setattr(info, option, value)
            file.addfile(info, io.BytesIO(content))
    return path


def contents(folder):
    """Every file below a folder with its content."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(archive, folder, **options):
    """The text of the error, after which nothing is left."""
    before = set(os.listdir(folder.parent))
    with pytest.raises(LoadError) as caught:
        unpack(archive, folder, **options)
    assert set(os.listdir(folder.parent)) == before
    assert str(archive) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_everything_comes_out(tmp_path, name):
    archive = (make_zip if name.endswith("zip") else make_tar)(tmp_path / name)
    assert contents(unpack(archive, tmp_path / "new" / "out")) == FILES
    assert os.listdir(tmp_path / "new") == ["out"]
    assert contents(unpack(archive, tmp_path / "part", inside="set")) == {"one.txt": b"1", "deep/two.txt": b"2" * 5000}


def test_gz_is_one_file(tmp_path):
    (tmp_path / "a.idx.gz").write_bytes(gzip.compress(b"content"))
    assert contents(unpack(tmp_path / "a.idx.gz", tmp_path / "out")) == {"a.idx": b"content"}


def test_folders_of_an_archive_come_out(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"empty/": b"", "b/c.txt": b"c"})
    out = unpack(archive, tmp_path / "out")
    assert (out / "empty").is_dir()
    assert contents(out) == {"b/c.txt": b"c"}


def test_what_is_there_stays(tmp_path):
    (tmp_path / "out").mkdir()
    assert contents(unpack(make_zip(tmp_path / "a.zip"), tmp_path / "out")) == {}


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "..\\out.txt", "C:/out.txt"])
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_nothing_is_written_outside(tmp_path, make, name):
    archive = make(tmp_path / ("a.zip" if make is make_zip else "a.tar"), {"good.txt": b"", name: b"bad"})
    (tmp_path / "in").mkdir()
    text = refusal(archive, tmp_path / "in" / "out")
    assert f"it would write {name!r}, outside of its folder; do not trust it" in text
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize(
    ("kind", "words"),
    [(tarfile.SYMTYPE, "link"), (tarfile.LNKTYPE, "link"), (tarfile.CHRTYPE, "device"), (tarfile.FIFOTYPE, "device")],
)
def test_links_and_devices_are_refused(tmp_path, kind, words):
    archive = make_tar(tmp_path / "a.tar", {"x": b""}, type=kind, linkname="/etc/passwd")
    assert f"'x' is a {words}; only plain files and folders are unpacked" in refusal(archive, tmp_path / "out")


def test_links_and_passwords_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("x")
    link.external_attr = 0o120777 << 16
    make_zip(tmp_path / "a.zip", {link: b"/etc/passwd"})
    assert "'x' is a link" in refusal(tmp_path / "a.zip", tmp_path / "out")
    content = bytearray(make_zip(tmp_path / "b.zip", {"y": b"secret"}).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(content)
    assert "'y' is a file with a password" in refusal(tmp_path / "b.zip", tmp_path / "out")


def test_a_name_twice_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for _ in range(2):
            file.addfile(tarfile.TarInfo("x"))
    assert "it holds 'x' twice" in refusal(tmp_path / "a.tar", tmp_path / "out")
    archive = make_zip(tmp_path / "b.zip", {"x": b"file", "x/y": b"below it"})
    assert "it holds 'x/y' twice" in refusal(archive, tmp_path / "out")


def test_the_limit_is_exact(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"zeros": bytes(1_000_000)})
    assert "unpacks to more than 999,999 bytes" in refusal(archive, tmp_path / "out", limit=999_999)
    assert contents(unpack(archive, tmp_path / "out", limit=1_000_000)) == {"zeros": bytes(1_000_000)}
    archive = make_zip(tmp_path / "b.zip", {"set/one.txt": b"1", "other/zeros": bytes(1_000_000)})
    assert contents(unpack(archive, tmp_path / "part", inside="set", limit=1)) == {"one.txt": b"1"}


def test_bombs_are_refused(tmp_path):
    """What comes out is counted: what an archive states is not believed, and a .gz states nothing."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(70_000_000), 1))
    assert "more than 67,108,864 bytes; if you trust it" in refusal(tmp_path / "a.gz", tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_cut_archive_is_named(tmp_path, name, part):
    archive = (make_zip if name.endswith("zip") else make_tar)(tmp_path / name, {"x": os.urandom(40_000)})
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * part)])
    text = refusal(archive, tmp_path / "out")
    assert "damaged" in text
    assert "get it again" in text


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.gz"])
def test_a_changed_byte_is_found(tmp_path, name):
    archive = tmp_path / name
    noise = np.random.default_rng(0).bytes(1000)
    if name == "a.gz":
        archive.write_bytes(gzip.compress(noise))
    else:
        (make_zip if name.endswith("zip") else make_tar)(archive, {"x": noise})
    content = bytearray(archive.read_bytes())
    content[600] ^= 0xFF
    archive.write_bytes(content)
    assert "damaged or cut off" in refusal(archive, tmp_path / "out")


def test_a_damaged_directory_of_a_zip_is_named(tmp_path):
    """Each byte of it, changed in two ways; what is whole after that is whole."""
    good = make_zip(tmp_path / "a.zip").read_bytes()
    refused = 0
    for place in range(good.index(b"PK\1\2"), len(good)):
        for change in (0x01, 0xFF):
            content = bytearray(good)
            content[place] ^= change
            (tmp_path / "a.zip").write_bytes(content)
            try:
                shutil.rmtree(unpack(tmp_path / "a.zip", tmp_path / "out"))
            except LoadError as error:
                assert "a.zip: " in str(error)  # noqa: PT017
                refused += 1
    assert refused > 100
    assert os.listdir(tmp_path) == ["a.zip"]


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"<html>no such page</html>")
    assert "it is no .tar, .zip or .gz archive, or a damaged one: it begins with b'<html>no'" in refusal(
        tmp_path / "a.zip", tmp_path / "out"
    )


def test_an_empty_archive_and_a_missing_folder_are_named(tmp_path):
    assert "there is nothing in it" in refusal(make_zip(tmp_path / "a.zip", {}), tmp_path / "out")
    text = refusal(make_zip(tmp_path / "b.zip"), tmp_path / "out", inside="other")
    assert "there is nothing in it in a folder 'other'" in text


def test_a_killed_unpacking_leaves_nothing_that_looks_done(tmp_path):
    """Killed by SIGKILL after the first file; the next one clears away what is left and does it all."""
    archive = make_zip(tmp_path / "a.zip")
    code = f"""
import time
from dovetail.data import archives

def write_and_wait(*arguments, write=archives._write):
    write(*arguments)
    time.sleep(60)

archives._write = write_and_wait
archives.unpack({str(archive)!r}, {str(tmp_path / "out")!r})
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    unfinished = tmp_path / ".out.unpacking"
    for _ in range(3000):
        if unfinished.exists() and any(unfinished.iterdir()):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert unfinished.exists()
    assert not (tmp_path / "out").exists()
    assert contents(unpack(archive, tmp_path / "out")) == FILES
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "out"]
