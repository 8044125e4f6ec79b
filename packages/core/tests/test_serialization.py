"""Files that hold what was saved, say what is wrong with them, and open in other tools."""

import json
import os
import struct
import zlib
from collections import OrderedDict, namedtuple

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy

import dovetail
from dovetail import load, save
from dovetail.errors import DeviceError, LoadError, SaveError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"


def roundtrip(obj, path):
    save(obj, path)
    return load(path)


def same(first, second):
    """Whether two objects are equal in types, values, dtypes and shapes."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dovetail.Tensor):
        return first.dtype is second.dtype and same(first.detach().numpy(), second.detach().numpy())
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second or first != first  # nan


@pytest.mark.parametrize(
    "obj",
    [
        None, True, 0, -(10**40), 1.5, -0.0, float("inf"), float("-inf"), float("nan"), 1e-300, 3 + 4j, complex("inf"),
        "text", "ünï\n\0💡", b"", b"\x00\xff", [], {}, (), [[]], (1, [2, (3,)]),
        {"a": 1, "b": {"c": [1.0, None, "x"]}}, {1: "one", (2, 3): "pair", None: 0, "$odd": 5, False: 2},
        OrderedDict([("z", 1), ("a", OrderedDict())]), {"$tuple": [1]}, {"": {"": 0}},
        np.float32(0.1), np.int64(7), np.bool_(True), np.complex128(1 + 2j), np.array(5), np.zeros((0, 3), np.uint16),
    ],
)  # fmt: skip
def test_plain_values_and_containers_come_back_with_their_types(obj, path):
    assert same(roundtrip(obj, path), obj)


def test_dtypes_devices_and_sizes_come_back(path):
    obj = [dovetail.float16, dovetail.device("cpu"), dovetail.device("acme:3"), dovetail.zeros(2, 3).shape]
    loaded = roundtrip(obj, path)
    assert loaded[0] is dovetail.float16
    assert loaded == obj
    assert type(loaded[3]) is type(obj[3])


@pytest.mark.parametrize("name", dovetail.dtypes.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_tensors_of_every_dtype_and_shape_come_back(name, shape, path):
    array = (np.arange(np.prod(shape, dtype=int)) % 7).reshape(shape).astype(dovetail.dtypes.named(name).numpy)
    tensor = dovetail.from_numpy(array)
    assert same(roundtrip({"t": tensor, "a": array}, path), {"t": tensor, "a": array})


@pytest.mark.parametrize("name", ["uint16", "uint32", "uint64", ">f4", ">c16", ml_dtypes.float8_e4m3fn])
def test_arrays_of_dtypes_that_tensors_do_not_have_come_back(name, path):
    array = np.arange(6).reshape(2, 3).astype(name)
    loaded = roundtrip(array, path)
    assert loaded.dtype.name == array.dtype.name
    assert loaded.dtype.isnative
    assert (loaded == array).all()


@pytest.mark.parametrize(
    "view",
    [lambda a: a.T, lambda a: a[::2], lambda a: a[:, ::-1], lambda a: np.broadcast_to(a[0], (3, 4)), np.asfortranarray],
)
def test_arrays_with_any_strides_are_stored_as_they_read(view, path):
    array = view(np.arange(24.0).reshape(6, 4))
    assert same(roundtrip({"t": dovetail.from_numpy(array.copy(order="K")), "a": array}, path)["a"], array)
    np.testing.assert_array_equal(safetensors.numpy.load_file(path)["a"], array)


def test_what_is_loaded_can_be_written_to(path):
    loaded = roundtrip({"t": dovetail.zeros(3), "a": np.zeros(3)}, path)
    loaded["a"][0] = 1
    loaded["t"][0] = 1
    assert loaded["a"][0] == loaded["t"].tolist()[0] == 1


def test_requires_grad_is_kept(path):
    loaded = roundtrip([dovetail.ones(2, requires_grad=True), dovetail.ones(2)], path)
    assert [tensor.requires_grad for tensor in loaded] == [True, False]


def test_a_shared_tensor_is_stored_once_and_stays_shared(path):
    weight = dovetail.ones(100, 100)
    loaded = roundtrip({"a": weight, "b": weight.detach(), "other": dovetail.ones(100, 100)}, path)
    assert path.stat().st_size < 2.5 * 40_000
    assert loaded["a"] is loaded["b"]
    assert loaded["a"] is not loaded["other"]


def test_two_views_of_one_array_are_not_taken_for_the_same(path):
    base = np.arange(9.0).reshape(3, 3)
    assert same(roundtrip([base, base.T, base[0], base[:, 0]], path), [base, base.T, base[0], base[:, 0]])


def test_paths_that_read_the_same_get_names_of_their_own(path):
    obj = {"a": {"b": np.array(1)}, "a.b": np.array(2), "__metadata__": np.array(3), 0: np.array(4), "0": np.array(5)}
    assert same(roundtrip(obj, path), obj)


def test_a_flat_dict_of_tensors_is_an_ordinary_safetensors_file(path):
    save({"w": dovetail.arange(6).reshape(2, 3), "h": dovetail.ones(2, dtype=dovetail.bfloat16)}, path)
    with safetensors.safe_open(path, "numpy") as file:
        assert set(file.keys()) == {"w", "h"}
        assert file.metadata()["dovetail"] == "1"
        np.testing.assert_array_equal(file.get_tensor("w"), [[0, 1, 2], [3, 4, 5]])
        assert file.get_tensor("h").dtype == ml_dtypes.bfloat16


def test_another_tools_safetensors_file_is_a_dict_of_its_tensors(path):
    safetensors.numpy.save_file({"w": np.arange(3), "b": np.ones((2, 2), np.float16)}, path, {"format": "np"})
    loaded = load(path)
    assert set(loaded) == {"w", "b"}
    assert same(loaded["w"], dovetail.arange(3))


def test_another_tools_tensor_of_a_dtype_that_tensors_do_not_have_is_named(path):
    safetensors.numpy.save_file({"w": np.arange(3, dtype=np.uint32)}, path)
    with pytest.raises(LoadError, match="tensor 'w' of dtype uint32 cannot be put on cpu: no dtype for NumPy's uint32"):
        load(path)


def test_device_and_map_location_mean_the_same(path):
    save(dovetail.ones(2), path)
    assert load(path, "cpu").device == load(path, map_location=dovetail.device("cpu")).device == dovetail.device("cpu")
    with pytest.raises(TypeError, match="load takes device or map_location, which mean the same; got both"):
        load(path, "cpu", map_location="cpu")
    with pytest.raises(DeviceError, match="nowhere"):
        load(path, "nowhere")


# What cannot be saved


def looped_list():
    loop = [1]
    loop.append({"again": loop})
    return loop


def looped_dict():
    loop = {}
    loop["again"] = [loop]
    return loop


def deep_list():
    deep = []
    for _ in range(5000):
        deep = [deep]
    return deep


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (
            {"a": [1, {"b": {1, 2}}]},
            r"cannot save obj\['a'\]\[1\]\['b'\], a builtins\.set; what can be saved is tensors",
        ),
        (print, r"cannot save obj, a builtins\.builtin_function_or_method"),
        ([Pair(1, 2)], r"cannot save obj\[0\], a .*\.Pair"),
        (np.array(["a"]), r"cannot save obj, an array of dtype <U1; arrays of bool, integer, float"),
        ({"d": np.datetime64("2020-01-01")}, r"cannot save obj\['d'\], an array of dtype datetime64\[D\]"),
        (np.array([object()]), "cannot save obj, an array of dtype object"),
        (np.ma.array([1]), r"cannot save obj, a numpy\.ma.*MaskedArray"),
        ({frozenset(): 1}, r"cannot save obj\[frozenset\(\)\], a builtins\.frozenset"),
        ({np.int64(1): 1}, r"cannot save obj: one of its keys is a int64; use \.item\(\)"),
        ("\ud800", "cannot save obj, a str that is no Unicode text"),
        ([1 << 20_000], r"cannot save obj\[0\], an int of 20001 bits"),
        (looped_list(), r"cannot save obj\[1\]\['again'\]: the list contains itself"),
        (looped_dict(), r"cannot save obj\['again'\]\[0\]: the dict contains itself"),
        (deep_list(), "the object is nested too deeply"),
    ],
)
def test_what_cannot_be_saved_is_named_with_its_place_and_nothing_is_written(obj, text, path):
    with pytest.raises(SaveError, match=text):
        save(obj, path)
    assert os.listdir(path.parent) == []


def test_the_same_list_twice_is_no_loop(path):
    twice = [1]
    assert roundtrip([twice, twice], path) == [[1], [1]]


# Writing


def test_a_failed_write_leaves_the_old_file_and_no_other(path, monkeypatch):
    save("old", path)

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save("new", path)
    assert load(path) == "old"
    assert os.listdir(path.parent) == [path.name]


def test_file_and_folder_reach_the_disk_before_save_returns(path, monkeypatch):
    synced, replaced = [], []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    monkeypatch.setattr(os, "replace", lambda source, target: replaced.append((source, target, len(synced))))
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("the names of open files are in /proc on Linux only")
    save(1, path)
    (source, target, before) = replaced[0]
    assert (synced[0], target, before) == (source, str(path), 1)
    assert synced[1] == str(path.parent)


def test_a_link_is_followed(path):
    os.symlink(path, path.parent / "link")
    save([1], path.parent / "link")
    assert os.path.islink(path.parent / "link")
    assert load(path) == [1]


def test_a_saved_file_has_the_permissions_of_any_new_file(path):
    save(1, path)
    (path.parent / "plain").write_bytes(b"")
    assert path.stat().st_mode == (path.parent / "plain").stat().st_mode


# Damaged files


def test_every_changed_bit_is_found(path):
    save({"weight": np.arange(3, dtype=np.float32), "step": 3, "rate": 0.01, "flags": np.array([True])}, path)
    content = path.read_bytes()
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(LoadError, match=path.name):
                load(path)


def test_every_cut_and_every_added_byte_is_found(path):
    save({"weight": np.arange(3, dtype=np.float32)}, path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(LoadError, match=path.name):
            load(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(LoadError, match="1 bytes at its end belong to no tensor"):
        load(path)


def test_damage_and_cuts_name_the_tensor(path):
    save({"first": np.arange(3.0), "second": np.arange(3.0)}, path)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\1")
    with pytest.raises(LoadError, match=r"tensor 'second' is damaged: its checksum is \w{8}, that of its data \w{8}"):
        load(path)
    path.write_bytes(content[:-25])
    with pytest.raises(LoadError, match="cut off: tensor 'first' ends at byte 24 of the data, but there are 23"):
        load(path)


def file_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", r"not a safetensors file, or cut off: its 0 bytes begin with b''"),
        (b"\x80\x02}q\x00." * 9, r"a pickle that torch.save did not write, or damaged"),
        (b"PK\x03\x04" + bytes(50), "its zip archive is damaged or cut off"),
        (struct.pack("<Q", 2**63) + b"{}", "where the length of a header of up to 100 MB"),
        (file_of(b"[]"), "its header is a JSON list, not an object"),
        (file_of(b"{]"), "its header is not JSON"),
        (file_of(b"\xff\xff"), "its header is not JSON"),
        (file_of(b"[" * 100_000), "its header is not JSON"),
        (file_of(b'{"a": ' + b"1" * 5000 + b"}"), "its header is not JSON"),
        (file_of(b'{"a": 1, "a": 2}'), "its header names something twice"),
        (file_of({"__metadata__": {"a": 1}}), "its metadata is damaged: it must map strings to strings"),
        (file_of({"a": 5}), "tensor 'a' must have dtype, shape and data_offsets in the header, got 5"),
        (file_of({"a": entry("X9")}, bytes(4)), "tensor 'a' has dtype 'X9'; there are BOOL, U8"),
        (file_of({"a": entry(["F32"])}, bytes(4)), r"tensor 'a' has dtype \['F32'\]"),
        (file_of({"a": entry(shape=[-1])}, bytes(4)), r"tensor 'a' has shape \[-1\]"),
        (file_of({"a": entry(shape=[True])}, bytes(4)), r"tensor 'a' has shape \[True\]"),
        (file_of({"a": entry(shape=[1] * 65)}, bytes(4)), r"tensor 'a' has shape \[1, 1"),
        (file_of({"a": entry(offsets=[4])}, bytes(4)), r"tensor 'a' has data_offsets \[4\]; they are two positions"),
        (file_of({"a": entry(shape=[2**62])}, bytes(4)), "takes 18446744073709551616 bytes, but its data_offsets"),
        (file_of({"a": entry(shape=[0, 2**62, 2**62], offsets=[0, 0])}), "tensor 'a' of shape .* cannot be made"),
        (file_of({"a": entry(offsets=[4, 8])}, bytes(8)), "tensor 'a' begins at byte 4 of the data, but the one"),
        (file_of({"a": entry(), "b": entry()}, bytes(4)), "tensor 'b' begins at byte 0 of the data, but .* ends at 4"),
        (file_of({"a": entry("BOOL", [1], [0, 1])}, b"\2"), "tensor 'a' of dtype BOOL holds the byte 2"),
        (file_of({"__metadata__": {"dovetail": "1"}}), "its header is damaged: the checksum in it is None"),
    ],
)  # fmt: skip
def test_files_that_are_none_of_ours_say_why(content, text, path):
    path.write_bytes(content)
    with pytest.raises(LoadError, match=text) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


def sealed(metadata, checksums="{}"):
    """A file without tensors whose checksums are right, whatever is in it."""
    header = {"__metadata__": {**metadata, "dovetail.checksums": checksums}}
    canonical = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    header["__metadata__"]["dovetail.header"] = f"{zlib.crc32(canonical):08x}"
    return file_of(header)


@pytest.mark.parametrize(
    ("structure", "text"),
    [
        ("{", "its structure is damaged: JSONDecodeError"),
        ('{"$import": "os"}', r"its structure is damaged: KeyError: '\$import'"),
        ('{"$tensor": "missing"}', "its structure is damaged: KeyError: 'missing'"),
        ('{"$tensor": [1]}', "its structure is damaged: TypeError"),
        ('{"$dict": [[[1], 2]]}', "its structure is damaged: TypeError"),
        ('{"$dict": [1]}', "its structure is damaged: TypeError"),
        ('{"$tuple": 3}', "its structure is damaged: TypeError"),
        ('{"$bytes": "?"}', "its structure is damaged: Error"),
        ('{"$dtype": "float7"}', "its structure is damaged: DTypeError: no dtype 'float7'"),
        ('{"$device": "!"}', "its structure is damaged: DeviceError"),
        ('{"$complex": "12345"}', "its structure is damaged: TypeError"),
        ("[" * 100_000, "its structure is damaged: RecursionError"),
    ],
)
def test_a_structure_that_no_save_wrote_is_refused(structure, text, path):
    path.write_bytes(sealed({"dovetail": "1", "dovetail.structure": structure}))
    with pytest.raises(LoadError, match=text):
        load(path)


def test_a_newer_format_and_missing_checksums_are_named(path):
    path.write_bytes(sealed({"dovetail": "2", "dovetail.structure": "1"}))
    with pytest.raises(LoadError, match="written in format '2'; this Dovetail reads '1'; try a newer one"):
        load(path)
    for checksums in ("[]", "{", '{"a": "0"}'):
        path.write_bytes(sealed({"dovetail": "1", "dovetail.structure": "1"}, checksums))
        with pytest.raises(LoadError, match="it must hold one checksum for each tensor"):
            load(path)


def test_a_missing_file_is_the_systems_error(path):
    with pytest.raises(FileNotFoundError):
        load(path)
