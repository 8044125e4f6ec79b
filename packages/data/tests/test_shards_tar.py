"""Shards in tar files: what is a sample, decoding, writing, damage, URLs."""

import errno
import gzip
import io
import itertools
import os
import pickle
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail.data import TarShards, write_tar_shards
from dovetail.data.shards.decoding import DECODERS
from dovetail.data.shards.tar import TarReader
from dovetail.errors import DataError, LoadError, MissingPackageError


def write_tar(path, members, **options):
    """A tar file of (name, bytes); None as bytes makes a folder."""
    with tarfile.open(path, "w", **options) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content or b""))
    return path


def numbered(count):
    return [{"__key__": f"{number:05d}", "cls": number, "txt": "x" * number} for number in range(count)]


@pytest.fixture
def shards(tmp_path):
    """Ten samples in four files."""
    return write_tar_shards(numbered(10), tmp_path / "part-%02d.tar", samples_per_shard=3)


def keys(stream):
    return [sample["__key__"] for sample in stream]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_of_one_name_are_one_sample(tmp_path, format):
    deep = "folder/" * 20 + "long" * 10  # GNU and PAX write such a name into a member of its own
    if format == tarfile.USTAR_FORMAT:
        deep = "folder/" * 20 + "short"
    members = [
        ("train", None),
        ("train/a.jpg", b"1"),
        ("train/a.seg.PNG", b"2"),
        ("b.cls", b"3"),
        ("README", b"no sample"),
        (".hidden", b"no sample"),
        ("b.txt", b""),
        (f"{deep}.cls", b"4"),
        ("b.cls", b"again, later"),
    ]
    path = write_tar(tmp_path / "a.tar", members, format=format)
    assert list(TarShards(path)) == [
        {"__key__": "train/a", "jpg": b"1", "seg.png": b"2"},
        {"__key__": "b", "cls": b"3", "txt": b""},
        {"__key__": deep, "cls": b"4"},
        {"__key__": "b", "cls": b"again, later"},
    ]


def test_what_is_written_is_read_in_order(shards):
    assert [os.path.basename(name) for name in shards] == [f"part-0{number}.tar" for number in range(4)]
    found = list(TarShards(shards).decode())
    assert found == numbered(10)
    assert list(TarShards(os.path.dirname(shards[0]) + "/part-{00..03}.tar").decode()) == found
    with tarfile.open(shards[3]) as tar:
        assert tar.getnames() == ["00009.cls", "00009.txt"]


def test_the_same_samples_give_the_same_bytes(tmp_path):
    first, second = (write_tar_shards(numbered(3), tmp_path / f"{name}-%d.tar") for name in "ab")
    assert Path(first[0]).read_bytes() == Path(second[0]).read_bytes()


def test_every_kind_is_decoded_to_what_was_encoded(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    picture = image_module.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    sample = {
        "__key__": "s",
        "png": picture,
        "left.png": picture.convert("L"),
        "jpg": picture,
        "cls": 3,
        "count": np.int64(4),
        "txt": "Grüße",
        "json": {"a": [1, None]},
        "npy": np.arange(6.0).reshape(2, 3),
        "t.npy": dovetail.ones(2),
        "bin": b"\xff",
    }
    [found] = TarShards(write_tar_shards([sample], tmp_path / "%d.tar")).decode()
    assert np.array_equal(np.asarray(found["png"]), np.asarray(picture))
    assert found["left.png"].mode == "RGB"
    assert found["jpg"].size == (4, 4)
    assert found["npy"].tolist() == sample["npy"].tolist()
    assert found["t.npy"].tolist() == [1.0, 1.0]
    assert {name: found[name] for name in ("cls", "count", "txt", "json", "bin")} == {
        name: sample[name] for name in ("cls", "count", "txt", "json", "bin")
    }


def test_npz_and_own_decoders(tmp_path):
    file = io.BytesIO()
    np.savez(file, a=np.ones(2))
    members = [("1.npz", file.getvalue()), ("1.mask.png", b"mask"), ("1.wav", b"abc"), ("1.raw.wav", b"abcd")]
    path = write_tar(tmp_path / "a.tar", members)
    [found] = TarShards(path).decode({"mask.png": bytes.upper, "wav": len})
    assert found["npz"]["a"].tolist() == [1.0, 1.0]
    assert (found["mask.png"], found["wav"], found["raw.wav"]) == (b"MASK", 3, 4)
    [plain] = TarShards(path)
    assert plain["wav"] == b"abc"


def test_pickled_arrays_are_refused(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    path = write_tar(tmp_path / "a.tar", [("1.npy", file.getvalue())])
    with pytest.raises(DataError, match=r"a.tar, sample 0 \('1'\): the member 'npy' of .* allow_pickle=False"):
        list(TarShards(path).decode())


def test_a_member_that_cannot_be_decoded_is_named(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("0.cls", b"7"), ("1.cls", b"seven"), ("2.cls", b"9")])
    samples = iter(TarShards(path).decode())
    assert next(samples)["cls"] == 7
    with pytest.raises(DataError, match=r"a\.tar, sample 1 \('1'\): the member 'cls' of 5 bytes cannot be decoded: Va"):
        next(samples)
    assert next(samples)["cls"] == 9, "the pass goes on after it"


def test_pictures_need_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    path = write_tar(tmp_path / "a.tar", [("0.png", b"7")])
    with pytest.raises(MissingPackageError, match=r'pip install "dovetail-data\[image\]"'):
        list(TarShards(path).decode())


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.cls", b"1"), ("1.CLS", b"2")])
    with pytest.raises(DataError, match=r"a\.tar, sample 0 \('1'\): the member '1\.CLS' is there twice; give each"):
        list(TarShards(path))


def test_headers_that_were_read_are_not_kept(tmp_path):
    [name] = write_tar_shards(numbered(40), tmp_path / "%d.tar")
    reader = TarReader(name)
    assert reader.skip(30) == 30
    assert reader.position == 30
    assert len(reader._tar.members) <= 1
    reader.close()


def test_links_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        member = tarfile.TarInfo("1.jpg")
        member.type, member.linkname = tarfile.SYMTYPE, "2.jpg"
        tar.addfile(member)
    with pytest.raises(LoadError, match=r"a\.tar, sample 0: .*'1\.jpg' is a link, and shards hold files"):
        list(TarShards(tmp_path / "a.tar"))


@pytest.mark.parametrize("kept", [0, 100, 512, 700, 1024, 1536, 1700, 2048])
def test_a_file_that_is_cut_off_is_never_taken_for_a_whole_one(tmp_path, kept):
    whole = write_tar(tmp_path / "whole.tar", [("0.cls", b"7"), ("1.cls", b"8")]).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:kept])
    samples = iter(TarShards(tmp_path / "a.tar"))
    with pytest.raises(LoadError, match=r"a\.tar, sample \d.*: the tar file is damaged or cut off \(.*\); get it ag"):
        list(samples)
    assert list(samples) == []


@pytest.mark.parametrize("at", [0, 150, 1024, 1024 + 150, 2048])
def test_a_damaged_header_is_never_the_end(tmp_path, at):
    """At a member's name, its checksum, the second member's, and in the blocks that end the archive."""
    whole = bytearray(write_tar(tmp_path / "whole.tar", [("0.cls", b"7"), ("1.cls", b"8")]).read_bytes())
    whole[at] ^= 0x55
    (tmp_path / "a.tar").write_bytes(whole)
    with pytest.raises(LoadError, match=r"a\.tar, sample \d.*damaged or cut off"):
        list(TarShards(tmp_path / "a.tar"))


def test_damage_names_the_member_and_skipping_sees_it_too(tmp_path):
    whole = write_tar(tmp_path / "whole.tar", [("0.cls", b"7"), ("1.cls", b"8" * 600)]).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:1800])
    samples = iter(TarShards(tmp_path / "a.tar"))
    next(samples)
    with pytest.raises(LoadError, match=r"sample 1, at or after the member '1\.cls'"):
        next(samples)
    with pytest.raises(LoadError, match=r"sample 1, at or after the member '1\.cls'"):
        list(TarShards(tmp_path / "a.tar", rank=2, world_size=3))


def test_a_disk_that_fails_is_not_called_a_damaged_file(shards, monkeypatch):
    def fail(tar, member):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(tarfile.TarFile, "extractfile", fail)
    with pytest.raises(
        OSError, match=r"part-00\.tar, sample 0.*: the tar file cannot be read \(Input/output"
    ) as caught:
        next(iter(TarShards(shards)))
    assert caught.value.errno == errno.EIO


def test_gzip_is_read_and_damage_in_it_is_seen(tmp_path, shards):
    packed = gzip.compress(Path(shards[0]).read_bytes())
    (tmp_path / "a.tar.gz").write_bytes(packed)
    assert keys(TarShards(tmp_path / "a.tar.gz")) == ["00000", "00001", "00002"]
    for broken in (packed[:-20], packed[:60] + b"\xff\xff\xff\xff" + packed[64:]):
        (tmp_path / "a.tar.gz").write_bytes(broken)
        with pytest.raises(LoadError, match="damaged or cut off"):
            list(TarShards(tmp_path / "a.tar.gz"))


def test_an_empty_archive_has_no_samples(tmp_path):
    assert list(TarShards(write_tar(tmp_path / "a.tar", []))) == []


def test_a_missing_shard_is_named(shards):
    samples = iter(TarShards([*shards[:1], "gone.tar"]))
    assert len(list(itertools.islice(samples, 3))) == 3
    with pytest.raises(
        FileNotFoundError, match=r"the shard 'gone\.tar', 2 of the 2 to be read here, is not there; get"
    ):
        next(samples)


def test_passing_over_samples_reads_no_contents(shards, monkeypatch):
    read = []
    extract = tarfile.TarFile.extractfile
    monkeypatch.setattr(tarfile.TarFile, "extractfile", lambda tar, m: read.append(m.name) or extract(tar, m))
    begun = iter(TarShards(shards))
    first = keys(itertools.islice(begun, 7))
    read.clear()
    resumed = iter(TarShards(shards))
    resumed.load_state_dict(begun.state_dict())
    assert first + keys(resumed) == [sample["__key__"] for sample in numbered(10)]
    assert read == [f"{key}.{end}" for key in ("00007", "00008", "00009") for end in ("cls", "txt")]


def test_a_shuffled_pass_goes_on_exactly_and_does_not_decode_what_is_over(shards):
    options = {"shuffle": True, "buffer_size": 4, "seed": 1}
    whole = list(TarShards(shards, **options).decode())
    assert sorted(keys(whole)) == [sample["__key__"] for sample in numbered(10)]
    decoded = []
    for stop in range(11):
        begun = iter(TarShards(shards, **options))
        list(itertools.islice(begun, stop))
        resumed = iter(TarShards(shards, **options).decode({"cls": lambda content: decoded.append(1) or int(content)}))
        resumed.load_state_dict(begun.state_dict())
        assert list(resumed) == whole[stop:]
    assert len(decoded) == sum(range(11))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at the open files as Linux lists them")
def test_no_file_stays_open(shards):
    def count():
        return len(os.listdir("/proc/self/fd"))

    before = count()
    samples = iter(TarShards(shards))
    next(samples)
    assert count() == before + 1
    del samples
    assert count() == before
    list(TarShards(shards, shuffle=True))
    assert count() == before
    Path(shards[0]).write_bytes(b"")
    with pytest.raises(LoadError, match="empty file"):
        list(TarShards(shards))
    assert count() == before


@pytest.mark.parametrize("scheme", ["memory://shards-tar", "file://{}"])
def test_urls(tmp_path, scheme):
    pytest.importorskip("fsspec")
    folder = scheme.format(tmp_path)
    names = write_tar_shards(numbered(5), f"{folder}/part-%d.tar", samples_per_shard=2)
    assert names == [f"{folder}/part-{number}.tar" for number in range(3)]
    assert list(TarShards(f"{folder}/part-{{0..2}}.tar").decode()) == numbered(5)
    assert list(TarShards(f"{folder}/part-*.tar").decode()) == numbered(5)
    with pytest.raises(FileNotFoundError, match="3 of the 3 to be read here, is not there"):
        list(TarShards([*names[:2], f"{folder}/gone.tar"]))


def test_a_shard_is_whole_or_not_there(tmp_path):
    def samples():
        yield from numbered(3)
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="the source is gone"):
        write_tar_shards(samples(), tmp_path / "part-%d.tar", samples_per_shard=2)
    assert [path.name for path in tmp_path.iterdir()] == ["part-0.tar"]
    assert keys(TarShards(tmp_path / "part-0.tar")) == ["00000", "00001"]


def test_nothing_to_write_writes_nothing(tmp_path):
    assert write_tar_shards([], tmp_path / "part-%d.tar") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pattern", ["part.tar", "part-{0..9}.tar", "%d-%d.tar", "part-%s-%", "100%.tar"])
def test_a_pattern_has_one_place_for_the_number(pattern):
    with pytest.raises(ValueError, match=r"one place for the shard's number, such as train-%06d\.tar; got"):
        write_tar_shards(numbered(1), pattern)


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ({"cls": 1}, r"sample 1: its '__key__' is a string of its own .* got None$"),
        ({"__key__": "a.b", "cls": 1}, r"sample 1: .* without a dot after the last slash, got 'a\.b'$"),
        ({"__key__": "folder/", "cls": 1}, "got 'folder/'$"),
        ({"__key__": "00000", "cls": 1}, "got '00000' a second time"),
        (
            {"__key__": "x", "cls": 1.5},
            r"sample 1 \('x'\): cannot write a float under the ending 'cls'; give its bytes",
        ),
        ({"__key__": "x", "npy": [1]}, "cannot write a list under the ending 'npy'"),
        ({"__key__": "x", "CLS": 1}, "ending 'CLS'"),
        ({"__key__": "x", "": b""}, "ending ''"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path, sample, says):
    with pytest.raises(DataError, match=says):
        write_tar_shards([*numbered(1), sample], tmp_path / "part-%d.tar")
    assert list(tmp_path.iterdir()) == []


def test_a_shard_has_samples(tmp_path):
    with pytest.raises(ValueError, match="a shard has 1 sample or more, got samples_per_shard=0"):
        write_tar_shards(numbered(1), tmp_path / "part-%d.tar", samples_per_shard=0)


def test_no_decoder_runs_code_from_a_file():
    assert not {"pkl", "pickle", "pyd", "pth", "pt"} & set(DECODERS)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="./\0"), min_size=1, max_size=5)


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        WORDS, st.dictionaries(WORDS.map(str.lower), st.binary(max_size=600), min_size=1), min_size=1, max_size=5
    )
)
def test_whatever_is_written_is_read(contents):
    samples = [{"__key__": key, **parts} for key, parts in contents.items()]
    with tempfile.TemporaryDirectory() as folder:
        assert list(TarShards(write_tar_shards(samples, f"{folder}/%d.tar", samples_per_shard=2))) == samples


def test_a_stream_goes_to_a_worker_and_back(shards):
    stream = pickle.loads(pickle.dumps(TarShards(shards, shuffle=True, seed=1).decode()))
    assert list(stream) == list(TarShards(shards, shuffle=True, seed=1).decode())
