"""Where files can be, how they are opened, what tensors share, and what of a damaged file can be saved."""

import builtins
import errno
import functools
import io
import json
import os
import random
import zlib

import numpy as np
import pytest

import dovetail
from dovetail import load, save
from dovetail.errors import LoadError, MissingPackageError, SaveError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"


# Open files, URLs, folders


def test_open_files_are_written_and_read_from_where_they_stand(path):
    state = {"w": dovetail.arange(5), "n": 3}
    for opened in (io.BytesIO, functools.partial(path.open, "w+b")):
        with opened() as file:
            file.write(b"before")
            save(state, file)
            file.seek(6)
            loaded = load(file)
            assert loaded["n"] == 3
            assert loaded["w"].tolist() == [0, 1, 2, 3, 4]
            file.seek(0)
            assert file.read(6) == b"before"


def test_a_pipe_is_read_and_written():
    reading, writing = os.pipe()
    with open(writing, "wb") as file:
        save([dovetail.ones(3)], file)
    with open(reading, "rb") as file:
        assert load(file)[0].tolist() == [1, 1, 1]


def test_a_damaged_file_without_a_path_is_named_by_its_kind():
    with pytest.raises(LoadError, match="<BytesIO>: not a safetensors file, or cut off"):
        load(io.BytesIO(b"short"))


def test_urls_are_written_and_read_by_fsspec(path):
    fsspec = pytest.importorskip("fsspec")
    save({"w": dovetail.arange(5)}, "memory://folder/w.safetensors")
    assert load("memory://folder/w.safetensors")["w"].tolist() == [0, 1, 2, 3, 4]
    save({"w": dovetail.ones(2)}, f"file://{path}")
    assert load(path)["w"].tolist() == load(f"file://{path}", mmap=True)["w"].tolist() == [1, 1]
    with pytest.raises(ValueError, match="mmap=True needs a file on this machine's disk; leave it out"):
        load("memory://folder/w.safetensors", mmap=True)
    with pytest.raises(FileNotFoundError):
        load("memory://folder/none.safetensors")
    fsspec.filesystem("memory").rm("folder", recursive=True)


def test_a_url_keeps_the_old_file_when_writing_fails(monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    url = "memory://kept.safetensors"
    save({"w": dovetail.zeros(2)}, url)

    def fail(*args):
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr("dovetail.safetensors_file._write_data", fail)
    with pytest.raises(OSError, match="no"):
        save({"w": dovetail.ones(2)}, url)
    assert load(url)["w"].tolist() == [0, 0]
    fsspec.filesystem("memory").rm("kept.safetensors")


def test_a_url_without_fsspec_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "fsspec":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (load, lambda url: save({}, url)):
        with pytest.raises(MissingPackageError, match=r"s3://bucket/w: files at .* try: pip install fsspec"):
            call("s3://bucket/w")


def test_a_file_that_is_replaced_keeps_its_permissions(path):
    save({}, path)
    path.chmod(0o640)
    save({"w": dovetail.ones(1)}, path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_unknown_format_and_a_header_that_is_too_large_are_refused(path, monkeypatch):
    with pytest.raises(ValueError, match=r"save writes the formats safetensors, torch; got 'pickle'"):
        save({}, path, format="pickle")
    monkeypatch.setattr("dovetail.safetensors_file._LARGEST_HEADER", 1000)
    with pytest.raises(
        SaveError, match=r"cannot save .* take 6[0-9]{3} bytes, and the format's limit is 1000; keep large"
    ):
        save(list(range(1000, 2200)), path)
    assert not path.exists()


def test_states_of_generators_come_back(path):
    dovetail.manual_seed(3)
    generator = dovetail.Generator().manual_seed(4)
    state = {"global": dovetail.get_rng_state(), "own": generator.get_state(), "python": random.getstate()}
    save(state, path)
    expected = dovetail.rand(3), dovetail.rand(3, generator=generator), random.random()
    loaded = load(path)
    dovetail.set_rng_state(loaded["global"])
    generator.set_state(loaded["own"])
    random.setstate(loaded["python"])
    assert expected[0].equal(dovetail.rand(3))
    assert expected[1].equal(dovetail.rand(3, generator=generator))
    assert expected[2] == random.random()


# Memory maps and checks


def test_a_mapped_file_is_read_late_and_never_written_to(path):
    save({"w": dovetail.arange(10.0), "n": np.arange(3)}, path)
    before = path.read_bytes()
    loaded = load(path, mmap=True)
    loaded["w"].add_(1)
    loaded["n"][0] = 7
    assert path.read_bytes() == before
    save({"w": dovetail.zeros(10)}, path)
    assert loaded["w"].tolist() == list(range(1, 11))
    assert loaded["n"].tolist() == [7, 1, 2]


def test_a_mapped_file_of_another_tool_may_be_out_of_step(path):
    header = {"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    header["b"] = {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\1" + np.float32([1, 2]).tobytes())
    loaded = load(path, mmap=True)
    assert loaded["b"].tolist() == [1, 2]
    assert loaded["b"].numpy().flags.aligned


def flip_last(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_what_is_verified(path):
    save({"w": dovetail.ones(1000)}, path)
    flip_last(path)
    for options in ({}, {"verify": True}, {"mmap": True, "verify": True}):
        with pytest.raises(LoadError, match="tensor 'w' is damaged: its checksum is"):
            load(path, **options)
    for options in ({"verify": False}, {"mmap": True}):
        assert load(path, **options)["w"][0] == 1


@pytest.mark.parametrize("size", [10, 3 << 20])  # with and without a second thread
def test_what_is_whole_of_a_damaged_file_can_be_saved(path, size):
    state = {"a": dovetail.ones(size), "list": [dovetail.zeros(size), np.float32(2)], "epoch": 3}
    save(state, path)
    flip_last(path)
    with pytest.raises(LoadError, match=r"tensor 'list.1' is damaged"):
        load(path)
    with pytest.warns(UserWarning, match=r"file.safetensors: tensor 'list.1' is damaged: .*; left out"):
        loaded = load(path, strict=False)
    assert loaded["list"][1] is None
    assert loaded["epoch"] == 3
    assert bool((loaded["a"] == 1).all())
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - size)
    with pytest.warns(UserWarning, match=r"cut off: tensor 'list.*'; left out|cut off: tensor .* left out"):
        loaded = load(path, strict=False)
    assert loaded["list"] == [None, None]


def test_of_another_tools_file_too(path):
    header = {name: {"dtype": "F32", "shape": [2], "data_offsets": [8 * n, 8 * n + 8]} for n, name in enumerate("ab")}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + np.float32([1, 2, 3]).tobytes())
    with pytest.warns(UserWarning, match="cut off: tensor 'b' ends at byte 16 of the data, but there are 12; left out"):
        loaded = load(path, strict=False)
    assert loaded["a"].tolist() == [1, 2]
    assert loaded["b"] is None


# Shared memory


def test_views_share_memory_again(path):
    base = dovetail.arange(12.0).reshape(3, 4)
    save({"row": base[1], "base": base, "turned": base.T, "other": dovetail.ones(5)}, path)
    loaded = load(path)
    loaded["base"][1, 2] = 100
    assert loaded["row"].tolist() == [4, 5, 100, 7]
    assert loaded["turned"][2].tolist() == [2, 100, 10]
    assert path.stat().st_size < 2000


def test_views_that_overlap_without_one_that_covers_all(path):
    base = dovetail.arange(10.0)
    save([base[0:4], base[2:6], base[8:]], path)
    first, second, third = load(path)
    first[3] = -1
    assert second.tolist() == [2, -1, 4, 5]
    assert third.tolist() == [8, 9]


def test_views_of_complex_numbers_and_of_other_dtypes(path):
    base = np.arange(6) + 1j
    parts = {"base": base, "half": base[::2], "real": base.real, "bytes": base.view(np.uint8)[:8]}
    save(parts, path)
    loaded = load(path)
    for name, array in parts.items():
        np.testing.assert_array_equal(loaded[name], array)
    loaded["base"][0] = 5
    assert loaded["half"][0] == loaded["real"][0] == 5


def test_a_part_alone_is_stored_as_it_reads_and_parts_within_each_other_as_their_memory(path):
    base = np.zeros(1_000_000, np.float32)
    save({"a": base[::1000]}, path)
    assert path.stat().st_size < 10_000
    save({"a": base[::1000], "b": base[7::5000]}, path)
    assert 3_900_000 < path.stat().st_size < 4_010_000


def with_structure(structure, path, array):
    """Write a file that is whole but for its structure."""
    header = {"w": {"dtype": "U8", "shape": [len(array)], "data_offsets": [0, len(array)]}}
    sums = json.dumps({"w": f"{zlib.crc32(array.data):08x}"})
    header["__metadata__"] = {
        "dovetail": "1", "dovetail.structure": json.dumps(structure), "dovetail.checksums": sums,
    }  # fmt: skip
    canonical = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    header["__metadata__"]["dovetail.header"] = f"{zlib.crc32(canonical):08x}"
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + array.tobytes())


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (["float32", 0, [3], [4]], "a view of bytes 0 to 12 is outside the 8 bytes stored"),
        (["float32", -4, [1], [4]], "a view of bytes -4 to 0 is outside"),
        (["float32", 4, [2], [-8]], "a view of bytes -4 to 8 is outside"),
        (["float32", 0, [2**70], [2**70]], "is outside the 8 bytes stored"),
        (["float32", 0, [0], [4]], "is outside"),
        (["float32", 0, [2**70], [0]], "its structure is damaged"),
        (["float32", 0, [1, 1], [4]], "shorter"),
        (["float32", 0.5, [1], [4]], "whole numbers"),
        (["float32", 0, [True], [4]], "whole numbers"),
        (["object", 0, [1], [8]], "its structure is damaged: KeyError: 'object'"),
        (["bool", 0, [8], [1]], "a view of bool holds other bytes than 0 and 1"),
        (["bool", 0, [2**40], [0]], "a view of bool holds other bytes than 0 and 1"),
        ("float32", "its structure is damaged"),
        (["float32", 0, "x", "y"], "its structure is damaged"),
    ],
)
def test_views_that_no_save_wrote_are_refused(view, text, path):
    with_structure({"$tensor": "w", "view": view}, path, np.arange(8, dtype=np.uint8))
    with pytest.raises(LoadError, match=text):
        load(path)
