"""Shards of rows: Parquet, Arrow files and streams."""

import itertools
import os
import sys
import time
from pathlib import Path

import pytest

from dovetail.data import ArrowShards, ParquetShards
from dovetail.data.shards import columns
from dovetail.errors import DataError, LoadError, MissingPackageError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = [{"id": number, "name": f"n{number}", "vector": [number / 2, None]} for number in range(20)]


def write_parquet(path, rows, group=3):
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=group, write_page_checksum=True)


def write_arrow(path, rows, group=3, new=pyarrow.ipc.new_file):
    table = pyarrow.Table.from_pylist(rows)
    with pyarrow.OSFile(str(path), "wb") as file, new(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=group)


def write_stream(path, rows, group=3):
    write_arrow(path, rows, group, pyarrow.ipc.new_stream)


WAYS = [
    pytest.param((ParquetShards, write_parquet), id="parquet"),
    pytest.param((ArrowShards, write_arrow), id="arrow"),
    pytest.param((ArrowShards, write_stream), id="stream"),
]


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture
def shards(way, tmp_path):
    """The class, and three files of 8, 8 and 4 rows."""
    kind, write = way
    names = [str(tmp_path / f"{number}.rows") for number in range(3)]
    for number, name in enumerate(names):
        write(name, ROWS[8 * number : 8 * number + 8])
    return kind, names


def test_rows_come_in_order(shards):
    kind, names = shards
    assert list(kind(names)) == ROWS


def test_columns_are_chosen(shards):
    kind, names = shards
    assert list(kind(names, columns=["name", "id"])) == [{"name": row["name"], "id": row["id"]} for row in ROWS]
    with pytest.raises(DataError, match=r"0\.rows has no column 'nam'; it has 'id', 'name', 'vector'"):
        list(kind(names, columns=["nam"]))


def test_ranks_divide_files_or_rows(shards):
    kind, names = shards
    for world in (2, 3, 5):
        parts = [list(kind(names, rank=rank, world_size=world)) for rank in range(world)]
        assert sorted((row for part in parts for row in part), key=lambda row: row["id"]) == ROWS
    assert {len(part) for part in parts} == {4}  # more ranks than files: divided by rows


def test_a_shuffled_pass_goes_on_exactly(shards):
    kind, names = shards
    options = {"shuffle": True, "buffer_size": 5, "seed": 2}
    whole = list(kind(names, **options))
    assert sorted(whole, key=lambda row: row["id"]) == ROWS != whole
    for stop in range(0, 21, 4):
        begun = iter(kind(names, **options))
        list(itertools.islice(begun, stop))
        resumed = iter(kind(names, **options))
        resumed.load_state_dict(begun.state_dict())
        assert list(resumed) == whole[stop:]


def test_a_row_group_is_read_only_if_a_row_of_it_is_wanted(tmp_path, monkeypatch):
    write_parquet(tmp_path / "a.parquet", ROWS)  # groups of 3
    begun = iter(ParquetShards(tmp_path / "a.parquet"))
    assert list(itertools.islice(begun, 10)) == ROWS[:10]
    read = []
    real = parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        parquet.ParquetFile, "read_row_group", lambda file, n, **options: read.append(n) or real(file, n, **options)
    )
    resumed = iter(ParquetShards(tmp_path / "a.parquet"))
    resumed.load_state_dict(begun.state_dict())
    assert next(resumed) == ROWS[10]
    assert read == [3]
    assert list(resumed) == ROWS[11:]
    assert read == [3, 4, 5, 6]


def test_large_groups_become_python_values_bit_by_bit(shards, monkeypatch):
    kind, names = shards
    monkeypatch.setattr(columns, "ROWS_AT_ONCE", 2)
    assert list(kind(names)) == ROWS
    assert list(kind(names, rank=3, world_size=4)) == ROWS[3::4]


def test_files_without_rows(way, tmp_path):
    kind, write = way
    write(tmp_path / "some", ROWS[:2])
    table = pyarrow.Table.from_pylist(ROWS).slice(0, 0)
    write(tmp_path / "none", table.to_pylist() or [dict.fromkeys(ROWS[0])][:0])
    assert list(kind([tmp_path / "none", tmp_path / "some", tmp_path / "none"])) == ROWS[:2]


def test_a_file_that_is_cut_off_is_named(shards):
    kind, names = shards
    whole = Path(names[1]).read_bytes()
    for kept in (0, 3, len(whole) // 2, len(whole) - 12):
        Path(names[1]).write_bytes(whole[:kept])
        samples = iter(kind(names))
        assert list(itertools.islice(samples, 8)) == ROWS[:8]
        with pytest.raises(LoadError, match=r"1\.rows, sample \d \(in group \d\): the file is damaged or cut off"):
            list(samples)


def test_damaged_contents_are_named(tmp_path):
    write_parquet(tmp_path / "a.parquet", ROWS)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    at = content.index(b"n4")
    content[at] ^= 0x01
    (tmp_path / "a.parquet").write_bytes(content)
    samples = iter(ParquetShards(tmp_path / "a.parquet"))
    assert list(itertools.islice(samples, 3)) == ROWS[:3]
    with pytest.raises(LoadError, match=r"a\.parquet, sample 3 \(in group 1\): .*CRC checksum"):
        next(samples)


def test_damaged_offsets_in_an_arrow_file_do_not_crash(tmp_path):
    write_arrow(tmp_path / "a.arrow", [{"name": "abcdef"}, {"name": "g"}])
    content = bytearray((tmp_path / "a.arrow").read_bytes())
    offsets = bytes([0, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0])
    at = content.index(offsets)
    content[at + 4 : at + 8] = b"\xff\xff\xff\x7f"
    (tmp_path / "a.arrow").write_bytes(content)
    with pytest.raises(LoadError, match=r"a\.arrow, sample 0 \(in group 0\): the file is damaged"):
        list(ArrowShards(tmp_path / "a.arrow"))


def test_a_missing_shard_is_named(shards):
    kind, names = shards
    with pytest.raises(FileNotFoundError, match=r"the shard 'gone\.rows', 2 of the 2 to be read here, is not there"):
        list(kind([names[0], "gone.rows"]))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at the open files as Linux lists them")
def test_no_file_stays_open(shards):
    kind, names = shards

    def opened():
        links = []
        for number in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{number}"))
            except OSError:
                continue
        maps = Path("/proc/self/maps").read_text()
        return [name for name in names if name in links or name in maps]

    def none_stays():
        for _ in range(1000):  # a thread of Arrow's lets go of a map some milliseconds later
            if not opened():
                return True
            time.sleep(0.01)
        return False

    samples = iter(kind(names))
    next(samples)
    assert opened() == names[:1]
    del samples
    assert none_stays()
    list(kind(names))
    assert none_stays()


def test_urls(way):
    fsspec = pytest.importorskip("fsspec")
    kind, write = way
    memory = fsspec.filesystem("memory")
    for number in range(2):
        sink = pyarrow.BufferOutputStream()
        table = pyarrow.Table.from_pylist(ROWS[10 * number : 10 * number + 10])
        if kind is ParquetShards:
            parquet.write_table(table, sink)
        else:
            new = pyarrow.ipc.new_file if write is write_arrow else pyarrow.ipc.new_stream
            with new(sink, table.schema) as writer:
                writer.write_table(table)
        memory.pipe(f"/rows/{number}.rows", sink.getvalue().to_pybytes())
    assert list(kind("memory://rows/{0..1}.rows")) == ROWS
    with pytest.raises(FileNotFoundError, match="is not there"):
        list(kind("memory://rows/gone.rows"))


def test_pyarrow_is_needed(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r'pip install "dovetail-data\[tables\]"'):
        list(ParquetShards(tmp_path / "a.parquet"))
