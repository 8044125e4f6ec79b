"""PyTorch's files, as Dovetail writes them: their parts, what is refused, and that PyTorch reads them as they were."""

import io
import pickletools
import zipfile
from collections import OrderedDict, namedtuple

import ml_dtypes
import numpy as np
import pytest

import dovetail
from dovetail.errors import SaveError
from dovetail.torch_files import writing, zip_writing

LARGE = zip_writing._ZIP64
ALLOWED_OPCODES = {
    "PROTO", "STOP", "GLOBAL", "REDUCE", "BINPERSID", "MARK", "TUPLE", "EMPTY_LIST", "APPENDS", "EMPTY_DICT",
    "SETITEMS", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "LONG1", "BINFLOAT", "BINUNICODE", "BINGET", "LONG_BINGET",
    "BINPUT", "LONG_BINPUT",
}  # fmt: skip


def written(obj):
    """The file as bytes."""
    file = io.BytesIO()
    writing.write(obj, file)
    return file.getvalue()


def storages(content):
    """The storages' bytes by key."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    return {name[13:]: archive.read(name) for name in archive.namelist() if name.startswith("archive/data/")}


def nested():
    """An object with something of every kind."""
    return {
        "w": dovetail.arange(6.0).reshape(2, 3), "o": OrderedDict([("z", 1), ("a", OrderedDict())]),
        "list": [[], (), {}], "many": {str(n): n for n in range(300)},
        "numbers": [0, -1, 255, 2**31 - 1, -(2**31), 2**31, -(2**31) - 1, 10**40, -(10**40), 1.5, -0.0, float("inf")],
        "complex": 3 - 4j, "flags": (True, False, None), "text": "ünï\n\0💡", "bytes": b"\x00\xff", "empty": b"",
        1: "one", (2, (3, None)): "pair", "size": dovetail.zeros(2, 3).shape, "dtype": dovetail.bfloat16,
        "devices": [dovetail.device("cpu"), dovetail.device("cuda:1")], "again": ["299"],
        "generator": dovetail.get_rng_state(), "array": np.arange(3), "number": np.float32(0.1),
    }  # fmt: skip


# The file


def test_the_members_are_those_that_pytorch_writes_in_its_order():
    archive = zipfile.ZipFile(io.BytesIO(written([dovetail.ones(2), dovetail.zeros(3)])))
    assert archive.namelist() == [
        "archive/data.pkl", "archive/.format_version", "archive/.storage_alignment", "archive/byteorder",
        "archive/data/0", "archive/data/1", "archive/version", "archive/.data/serialization_id",
    ]  # fmt: skip
    assert archive.testzip() is None
    assert [archive.read(f"archive/{name}") for name in (".format_version", ".storage_alignment", "version")] == [
        b"1", b"64", b"3\n",
    ]  # fmt: skip
    identity = archive.read("archive/.data/serialization_id")
    assert len(identity) == 40
    assert identity.isdigit()


@pytest.mark.parametrize("limit", [LARGE, 1, 300])
def test_every_member_begins_at_a_multiple_of_64_and_is_not_compressed(limit, monkeypatch):
    monkeypatch.setattr(zip_writing, "_ZIP64", limit)  # as if files were large
    content = written({str(n): dovetail.ones(n) for n in range(9)})
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    for member in archive.infolist():
        name, extra = (int.from_bytes(content[member.header_offset + at :][:2], "little") for at in (26, 28))
        begin = member.header_offset + 30 + name + extra
        assert begin % 64 == 0
        assert member.compress_type == zipfile.ZIP_STORED
        assert content[begin : begin + member.file_size] == archive.read(member)
        large = member.file_size >= limit or member.header_offset >= limit
        after = content[begin + member.file_size :][: (24 if large else 16) if member.file_size else 0]
        assert member.flag_bits & 8 == (8 if member.file_size else 0)
        assert after[:8] == (b"PK\7\x08" + member.CRC.to_bytes(4, "little") if after else b"")
        assert content[begin + member.file_size + len(after) :][:4] in (b"PK\3\4", b"PK\1\2")


def test_more_members_than_a_small_directory_counts_are_all_listed():
    file = io.BytesIO()
    archive = zip_writing.Archive(file)
    for number in range(0x10000):
        archive.add(f"data/{number}", b"")
    archive.close()
    assert len(zipfile.ZipFile(file).namelist()) == 0x10001


def test_the_pickle_has_only_opcodes_that_weights_only_allows():
    pickled = zipfile.ZipFile(io.BytesIO(written(nested()))).read("archive/data.pkl")
    assert {opcode.name for opcode, _, _ in pickletools.genops(pickled)} == ALLOWED_OPCODES
    pickletools.dis(pickled, io.StringIO())  # checks the stack and the memo


def test_the_same_object_gives_the_same_file_and_another_one_another_name():
    assert written(nested()) == written(nested())
    ids = {zipfile.ZipFile(io.BytesIO(written(obj))).read("archive/.data/serialization_id") for obj in ([1], [2])}
    assert len(ids) == 2


def test_a_file_that_can_only_be_written_to_is_enough():
    class Pipe(io.RawIOBase):
        written = b""

        def write(self, content):
            self.written += bytes(content)
            return len(content)

    pipe = Pipe()
    writing.write(dovetail.ones(3), pipe)
    assert pipe.written == written(dovetail.ones(3))


# Storages


def test_memory_that_several_tensors_show_is_stored_once():
    weight = dovetail.ones(100, 100)
    stored = storages(
        written({"a": weight, "b": weight.detach(), "t": weight.T, "row": weight[7], "n": weight.numpy()})
    )
    assert [len(content) for content in stored.values()] == [40_000]


def test_a_slice_is_stored_without_the_rest_of_its_memory():
    base = dovetail.arange(1000).reshape(10, 100)
    stored = storages(written([base[0], base[:, 0], base[5:, 5]]))
    assert [len(content) for content in stored.values()] == [7248]
    assert [len(content) for content in storages(written([base[3], base[4]])).values()] == [800, 800]
    assert [len(content) for content in storages(written(base[:, 0])).values()] == [80]


def test_an_expanded_tensor_is_stored_as_the_one_row_that_it_is():
    assert [len(content) for content in storages(written(dovetail.ones(4).expand(1000, 4))).values()] == [16]


# What is refused


Pair = namedtuple("Pair", "a b")


def looped():
    loop = [1]
    loop.append({"again": loop})
    return loop


def deep():
    made = []
    for _ in range(100_000):
        made = [made]
    return made


def crossed():
    memory = np.zeros(64, np.uint8)
    return [memory, memory[1:9].view(np.int64), memory[8:16].view(np.int64)]


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        ({"a": [1, {"b": {1}}]}, r"cannot save obj\['a'\]\[1\]\['b'\], a builtins\.set; what can be saved is tensors"),
        ([Pair(1, 2)], r"cannot save obj\[0\], a .*\.Pair"),
        (print, r"cannot save obj, a builtins\.builtin_function_or_method"),
        ({frozenset(): 1}, r"cannot save obj\[frozenset\(\)\], a builtins\.frozenset"),
        ({np.int64(1): 1}, r"cannot save obj: one of its keys is a int64; use \.item\(\)"),
        (np.array(["a"]), "cannot save obj, an array of dtype <U1; PyTorch's files have bool, uint8, .*float8_e5m2"),
        ({"d": np.datetime64("2020-01-01")}, r"cannot save obj\['d'\], an array of dtype datetime64\[D\]"),
        (np.zeros(1, np.longdouble), "cannot save obj, an array of dtype "),
        (np.ma.array([1]), r"cannot save obj, a numpy\.ma.*MaskedArray"),
        ("\ud800", "cannot save obj, a str that is no Unicode text"),
        ([1 << 2040], r"obj\[0\], an int of 2041 bits; PyTorch's files have integers of up to 2039; use bytes for it"),
        (dovetail.device("acme:3"), "cannot save obj, the device 'acme:3': PyTorch has cpu, .*; save its name"),
        (looped(), r"cannot save obj\[1\]\['again'\]: the list contains itself"),
        (deep(), "the object is nested too deeply to be saved; flatten it"),
        (crossed(), r"cannot save obj\[0\]: it shares memory with an array of another dtype at a distance .* a copy"),
    ],
)  # fmt: skip
def test_what_pytorch_could_not_read_is_refused_by_its_place_and_type(obj, text):
    with pytest.raises(SaveError, match=text):
        written(obj)


def test_nothing_is_written_of_what_is_refused():
    file = io.BytesIO()
    with pytest.raises(SaveError):
        writing.write([dovetail.ones(2), {1}], file)
    assert file.getvalue() == b""


# What PyTorch makes of it


def read(obj, **arguments):
    """What PyTorch loads of what was written."""
    torch = pytest.importorskip("torch")
    return torch.load(io.BytesIO(written(obj)), weights_only=True, **arguments)


def values(tensor):
    """A PyTorch tensor as a NumPy array, whatever its dtype."""
    torch = pytest.importorskip("torch")
    size, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
    kind = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    return np.frombuffer(bytes(tensor.detach().contiguous().flatten().view(torch.uint8).tolist()), kind).reshape(size)


@pytest.mark.parity
def test_plain_values_and_containers_are_read_with_their_types():
    torch = pytest.importorskip("torch")
    loaded, obj = read(nested()), nested()
    assert list(loaded) == list(obj)
    for key in ("numbers", "complex", "flags", "text", "bytes", "empty", "list", "many", 1, (2, (3, None))):
        assert repr(loaded[key]) == repr(obj[key])
    assert loaded["o"] == obj["o"]
    assert type(loaded["o"]) is type(loaded["o"]["a"]) is OrderedDict
    assert type(loaded["size"]) is torch.Size
    assert loaded["size"] == (2, 3)
    assert loaded["dtype"] is torch.bfloat16
    assert loaded["devices"] == [torch.device("cpu"), torch.device("cuda:1")]
    assert loaded["array"].tolist() == [0, 1, 2]
    assert loaded["number"].dtype is torch.float32
    assert loaded["number"].item() == np.float32(0.1)


@pytest.mark.parity
@pytest.mark.parametrize("name", [*dovetail.dtypes.DTYPES, *sorted(writing._UNTYPED)])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_arrays_of_every_dtype_and_shape_are_read_bit_for_bit(name, shape):
    kind = np.dtype(getattr(ml_dtypes, name, None) or name)
    array = (np.arange(np.prod(shape, dtype=int)) % 2).reshape(shape).astype(kind)
    value = dovetail.from_numpy(array) if name in dovetail.dtypes.DTYPES else array
    loaded = read({"t": value})["t"]
    assert str(loaded.dtype) == f"torch.{name}"
    assert loaded.shape == shape
    assert loaded.stride() == pytest.importorskip("torch").zeros(shape).stride()
    if array.size:
        assert values(loaded).tobytes() == array.tobytes()


@pytest.mark.parity
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T, lambda a: a[::2], lambda a: a[:, ::-1], lambda a: np.broadcast_to(a[0], (3, 4)),
        np.asfortranarray, lambda a: a.astype(">f8"), lambda a: a[None, :, :1],
        lambda a: a.view([("x", "f8"), ("y", "f4"), ("z", "f4")])["x"],
    ],
)  # fmt: skip
def test_arrays_with_any_strides_are_read_as_they_were(view):
    array = view(np.arange(24.0).reshape(6, 4))
    np.testing.assert_array_equal(read(array).numpy(), array)


@pytest.mark.parity
def test_views_show_one_memory_with_their_strides_and_offsets():
    torch = pytest.importorskip("torch")
    base = dovetail.arange(12.0).reshape(3, 4)
    complex_one = dovetail.view_as_complex(dovetail.arange(8.0).reshape(4, 2))
    loaded = read([base, base.T, base[1:, ::2], base[1], base.numpy(), complex_one, dovetail.view_as_real(complex_one)])
    assert [(t.stride(), t.storage_offset()) for t in loaded[:4]] == [((4, 1), 0), ((1, 4), 0), ((4, 2), 4), ((1,), 4)]
    loaded[0][1, 2] = 100
    assert [t.item() for t in (loaded[1][2, 1], loaded[2][0, 1], loaded[3][2], loaded[4][1, 2])] == [100] * 4
    loaded[5][1] = 7 + 9j
    assert loaded[6].tolist() == [[0, 1], [7, 9], [4, 5], [6, 7]]
    assert loaded[6].dtype is torch.float32


@pytest.mark.parity
def test_a_view_that_begins_between_the_elements_of_another_dtype_keeps_its_memory():
    memory = np.arange(64, dtype=np.uint8)
    loaded = read([memory[4:], memory[8:24].view(np.int64), memory[16:].view(np.int16)])
    loaded[0][4:12] = 0
    assert loaded[1][0] == 0
    assert values(loaded[2]).tobytes() == bytes(range(16, 64))


def view_by_chance(draw, array):
    """Some view of an array: turned, sliced, expanded, or of another dtype."""
    for _ in range(draw.integers(4)):
        way, axes = draw.integers(5), array.ndim
        if way == 0:
            array = array.T
        elif way == 1 and axes:
            array = array[draw.integers(array.shape[0] + 1) :: draw.integers(1, 4)].swapaxes(0, axes - 1)
        elif way == 2:
            array = array[None, ..., :1] if axes else array[None]
        elif way == 3:
            array = np.broadcast_to(array, (2, *array.shape))
        elif array.flags.c_contiguous and axes and array.shape[-1] % 4 == 0:
            array = array.view([np.uint8, np.int16, np.float32][draw.integers(3)])
    return array


@pytest.mark.parity
def test_views_by_chance_are_read_as_they_were_and_show_the_same_writes():
    for seed in range(500):
        draw = np.random.default_rng(seed)
        bases = [draw.integers(0, 9, draw.integers(0, 9, 2)).astype(kind) for kind in (np.uint8, np.float32)]
        views = [view_by_chance(draw, bases[draw.integers(2)]) for _ in range(draw.integers(1, 6))]
        loaded = read(views)
        for written_to in (False, True):
            if written_to:  # the base of an expanded view is written to through another one
                base = next((n for n, view in enumerate(views) if view.flags.writeable), None)
                if base is None:
                    continue
                views[base][...] = 7
                loaded[base][...] = 7
            for view, tensor in zip(views, loaded, strict=True):
                found = tensor.numpy()
                assert (found.dtype, found.shape) == (view.dtype, view.shape), seed
                assert found.tobytes() == view.tobytes(), (seed, written_to)


@pytest.mark.parity
def test_results_and_tensors_with_history_are_read():
    weight = dovetail.ones(3, requires_grad=True)
    total, double = read([weight.sum(), weight * 2])
    assert (total.item(), double.tolist(), total.shape) == (3.0, [2, 2, 2], ())
    assert double.requires_grad
    assert double.is_leaf


@pytest.mark.parity
def test_an_object_that_occurs_twice_is_one_object():
    weight, shared = dovetail.ones(2), [1]
    loaded = read({"a": weight, "b": weight, "c": weight.detach(), "x": shared, "y": (shared, shared)})
    assert loaded["a"] is loaded["b"]
    assert loaded["a"] is not loaded["c"]
    assert loaded["a"].data_ptr() == loaded["c"].data_ptr()
    assert loaded["x"] is loaded["y"][0] is loaded["y"][1]


@pytest.mark.parity
def test_requires_grad_is_kept():
    assert [t.requires_grad for t in read([dovetail.ones(2, requires_grad=True), dovetail.ones(2)])] == [True, False]


@pytest.mark.parity
def test_a_generators_state_goes_on_in_pytorch():
    torch = pytest.importorskip("torch")
    generator = dovetail.Generator().manual_seed(3)
    dovetail.randn(5, generator=generator)
    other = torch.Generator()
    other.set_state(read(generator.get_state()))
    assert torch.rand(4, generator=other).tolist() == dovetail.rand(4, generator=generator).tolist()


@pytest.mark.parity
@pytest.mark.parametrize("limit", [LARGE, 1, 1000])
def test_files_are_mapped_and_large_ones_read(limit, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from torch.utils.serialization import config

    monkeypatch.setattr(zip_writing, "_ZIP64", limit)  # as if the file was large
    obj = {str(n): dovetail.arange(n) for n in range(9)}
    (tmp_path / "x.pt").write_bytes(written(obj))
    mapped = torch.load(tmp_path / "x.pt", weights_only=True, mmap=True)
    assert [value.tolist() for value in mapped.values()] == [list(range(n)) for n in range(9)]
    if limit == LARGE:  # places that PyTorch works out instead of reading them
        with config.patch("load.calculate_storage_offsets", True):
            worked_out = torch.load(tmp_path / "x.pt", weights_only=True, mmap=True)
        assert [value.tolist() for value in worked_out.values()] == [list(range(n)) for n in range(9)]
