"""Tensors in several files with an index: all of them are found, and what does not agree is named."""

import json

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

import dovetail
from dovetail import safetensors_file, sharded
from dovetail.errors import LoadError

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def arrays_of(path):
    """A shard's arrays."""
    with open(path, "rb") as file:
        return safetensors_file.Reader(path, file).read()[0]


@pytest.fixture
def index(tmp_path):
    """The path of an index of two shards, as the hub's tools write them."""
    first = {"w": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], ml_dtypes.bfloat16)}
    safetensors.numpy.save_file(first, tmp_path / FIRST, {"format": "pt"})
    safetensors.numpy.save_file({"v": np.zeros((0, 3)), "a": np.array(7)}, tmp_path / SECOND, {"format": "pt"})
    return write(tmp_path, {"w": FIRST, "a": SECOND, "b": FIRST, "v": SECOND})


def write(folder, places):
    """Write an index and return its path."""
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 60}, "weight_map": places}, indent=2))
    return str(path)


def test_all_tensors_are_read_in_the_order_of_the_index(index):
    read = []
    arrays = sharded.read_arrays(index, lambda path: read.append(path) or arrays_of(path))
    assert list(arrays) == ["w", "a", "b", "v"]
    assert arrays["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["b"].dtype == ml_dtypes.bfloat16
    assert (arrays["a"].item(), arrays["v"].shape) == (7, (0, 3))
    assert len(read) == 2  # each shard once


def test_shards_that_dovetail_wrote_are_compared_with_their_checksums(tmp_path):
    dovetail.save({"w": dovetail.ones(50)}, tmp_path / FIRST)
    index = write(tmp_path, {"w": FIRST})
    assert sharded.read_arrays(index, dovetail.load)["w"].tolist() == [1] * 50
    content = bytearray((tmp_path / FIRST).read_bytes())
    content[-1] ^= 1
    (tmp_path / FIRST).write_bytes(content)
    with pytest.raises(LoadError, match=f"{FIRST}: tensor 'w' is damaged"):
        sharded.read_arrays(index, dovetail.load)


def test_an_index_in_the_working_folder_and_one_at_a_url_have_their_shards_beside_them(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(sharded.read_arrays("model.safetensors.index.json", arrays_of)) == 4
    fsspec, read = pytest.importorskip("fsspec"), []
    fsspec.filesystem("memory").pipe("/models/m.index.json", b'{"weight_map": {"w": "x.safetensors"}}')
    sharded.read_arrays("memory://models/m.index.json", lambda path: read.append(path) or {"w": 1})
    assert read == ["memory://models/x.safetensors"]


def test_shards_may_be_links_as_in_the_hubs_cache(index, tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / FIRST).rename(tmp_path / "blobs" / "abc")
    (tmp_path / FIRST).symlink_to(tmp_path / "blobs" / "abc")
    assert len(sharded.read_arrays(index, arrays_of)) == 4


@pytest.mark.parametrize(
    ("places", "text"),
    [
        (
            {"w": FIRST, "a": SECOND, "b": FIRST, "v": FIRST},
            f"it places tensor 'v' in shard '{FIRST}', which does not ",
        ),
        (
            {"x": FIRST, "y": FIRST},
            rf"it places tensor 'x' \(and 1 more\) in shard '{FIRST}', which does not hold it; take",
        ),
        (
            {"w": FIRST, "a": SECOND, "b": FIRST},
            f"its shard '{SECOND}' holds tensor 'v', which the index does not place",
        ),
        ({"w": FIRST}, f"its shard '{FIRST}' holds tensor 'b', .* take the index and all shards from one version"),
        ({"w": "gone.safetensors", "b": FIRST}, "its shard 'gone.safetensors' is not beside it; copy or download all"),
    ],
)
def test_an_index_and_shards_that_do_not_agree_are_refused(index, tmp_path, places, text):
    with pytest.raises(LoadError, match=r"model\.safetensors\.index\.json: " + text):
        sharded.read_arrays(write(tmp_path, places), arrays_of)


def test_a_tensor_in_two_shards_is_refused(index, tmp_path):
    safetensors.numpy.save_file({"v": np.ones(1), "a": np.array(7), "w": np.ones(1)}, tmp_path / SECOND)
    with pytest.raises(LoadError, match=f"its shard '{SECOND}' holds tensor 'w', which the index does not place there"):
        sharded.read_arrays(index, arrays_of)


@pytest.mark.parametrize(
    "shard",
    ["../x.safetensors", "/etc/x", "a/b", "a\\b", "C:x", "..", ".", "", "x\0", "file:///x", 5, None, ["x"], {"x": 1}],
)
def test_a_shard_anywhere_else_is_refused_before_a_file_is_opened(tmp_path, shard):
    def never(path):
        raise AssertionError(path)

    with pytest.raises(
        LoadError, match=r"index\.json: it places tensor 'w' in .*; a shard is a file in the index's own"
    ):
        sharded.read_arrays(write(tmp_path, {"v": FIRST, "w": shard}), never)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "not an index of shards, or damaged: it is not JSON"),
        (b'{"weight_map": {"w": "a"', "not an index of shards, or damaged: it is not JSON"),
        (b"\xff\xfe", "not an index of shards, or damaged: it is not JSON"),
        (b"[" * 200_000, "not an index of shards, or damaged: it is not JSON"),
        (b"9" * 10_000, "not an index of shards, or damaged: it is not JSON"),
        (b"[]", r"not an index of shards: it must be \{\"metadata\""),
        (b"{}", r"not an index of shards: it must be \{\"metadata\""),
        (b'{"weight_map": ["a"]}', r"not an index of shards: it must be \{\"metadata\""),
        (b'{"weight_map": {"w": "a", "v": "a", "w": "b"}}', "it names 'w' twice"),
        (b'{"weight_map": {}, "weight_map": {}}', "it names 'weight_map' twice"),
    ],
)
def test_a_damaged_index_is_refused(tmp_path, content, text):
    path = tmp_path / "m.index.json"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=r"m\.index\.json: " + text):
        sharded.read_arrays(str(path), arrays_of)


def test_of_an_index_that_is_too_large_no_more_is_read_than_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(sharded, "_LARGEST_INDEX", 1000)
    index = write(tmp_path, {str(number): FIRST for number in range(100)})
    with pytest.raises(LoadError, match="it is larger than 1000 bytes, more than an index may have"):
        sharded.read_index(index)


def test_an_index_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        sharded.read_index(str(tmp_path / "none.index.json"))
