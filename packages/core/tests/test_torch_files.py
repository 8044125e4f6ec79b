"""PyTorch's files give what PyTorch wrote, bit for bit, and share the memory that was shared."""

import io
import struct
import sys
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest

import dovetail
from dovetail import plugins
from dovetail.errors import DeviceError, LoadError
from dovetail.torch_files import reading

NUMBERS = np.arange(6, dtype="<f4")


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def whole(*numbers):
    return b"(" + b"".join(b"M" + struct.pack("<H", number) for number in numbers) + b"t"


def storage(kind, count, key="0", module="torch"):
    named = text("storage") + f"c{module}\n{kind}\n".encode() + text(key) + text("cpu")
    return b"(" + named + b"M" + struct.pack("<H", count) + b"tQ"


def tensor(size=(2, 3), stride=(3, 1), offset=0, part=None, grad=b"\x89", rest=b"", version=2):
    place = b"M" + struct.pack("<H", offset) + whole(*size) + whole(*stride) + grad + b"N"
    part = part or storage("FloatStorage", 6)
    return f"ctorch._utils\n_rebuild_tensor_v{version}\n(".encode() + part + place + rest + b"tR"


def archive(body, protocol=2, **others):
    content = io.BytesIO()
    members = {"data.pkl": b"\x80" + bytes([protocol]) + body + b".", "data/0": NUMBERS.tobytes(), **others}
    with zipfile.ZipFile(content, "w") as file:
        for name, data in members.items():
            info = zipfile.ZipInfo(f"archive/{name}")
            if name.startswith("data/"):  # so that the data begins at a multiple of 64, as in PyTorch's
                info.extra = (
                    b"FB" + struct.pack("<H", gap := -(content.tell() + 34 + len(info.filename)) % 64) + bytes(gap)
                )
            file.writestr(info, data)
    return content.getvalue()


def read(content, **options):
    return reading.read("file.pt", io.BytesIO(content), **options)


@pytest.fixture
def mapped(tmp_path):
    """Return a function that reads content from a file on the disk, mapped."""

    def load(content, **options):
        path = tmp_path / "mapped.pt"
        path.write_bytes(content)
        with open(path, "rb") as file:
            return reading.read(str(path), file, mmap=True, **options)

    return load


def test_sizes_strides_and_offsets_are_those_of_the_file():
    assert read(archive(tensor())).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read(archive(tensor((3, 2), (1, 3)))).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert read(archive(tensor((2,), (2,), 3))).tolist() == [3, 5]
    assert read(archive(tensor((4, 2), (0, 1)))).tolist() == [[0, 1]] * 4
    assert read(archive(tensor((), (), 5))).item() == 5
    assert read(archive(tensor((0, 3), (3, 1), 9))).shape == (0, 3)


def test_tensors_on_one_storage_share_memory_and_its_count_of_writes():
    first, second = read(archive(b"(" + tensor() + tensor((3,), (2,), 1) + b"t"))
    assert first._alias.shared is second._alias.shared
    first[0, 1] = 10
    assert second.tolist() == [10, 3, 5]
    first.requires_grad_()
    out = (first * second).sum()
    with dovetail.no_grad():
        second.add_(1)
    with pytest.raises(dovetail.errors.GradError, match="has been modified by an in-place operation"):
        out.backward()


def test_an_expanded_tensor_is_not_written_to():
    expanded = read(archive(tensor((4, 2), (0, 1))))
    with pytest.raises(dovetail.errors.ShapeError, match="more than one element of the written-to tensor"):
        expanded.add_(1)


@pytest.mark.parametrize("way", ["read", "mapped"])
def test_a_file_of_another_byte_order_gives_the_same_numbers(way, mapped):
    load = read if way == "read" else mapped
    order = {"little": "big", "big": "little"}[sys.byteorder]
    mark = {"big": ">", "little": "<"}[order]
    for kind, dtype in (
        ("FloatStorage", "f4"),
        ("ComplexFloatStorage", "c8"),
        ("CharStorage", "i1"),
        ("HalfStorage", "f2"),
    ):
        data = np.arange(3).astype(mark + dtype)
        body = tensor((3,), (1,), 0, storage(kind, 3))
        content = archive(b"(" + body + body + b"t", **{"data/0": data.tobytes(), "byteorder": order.encode()})
        assert [t.tolist() for t in load(content)] == [[0, 1, 2]] * 2
    parts = [tensor((2,), (1,), 0, storage(kind, n)) for kind, n in (("FloatStorage", 2), ("LongStorage", 1))]
    content = archive(
        b"(" + parts[0] + parts[1].replace(b"M\2\0t", b"M\1\0t") + b"t",
        byteorder=order.encode(),
        **{"data/0": bytes(8)},
    )
    with pytest.raises(LoadError, match="two tensors see one storage of another byte order as numbers of different"):
        load(content)


def test_parameters_are_tensors_that_require_gradients():
    body = b"ctorch._utils\n_rebuild_parameter\n(" + tensor() + b"\x88NtR"
    assert read(archive(body)).requires_grad
    assert not read(archive(body.replace(b"\x88", b"\x89"))).requires_grad
    assert read(archive(tensor(grad=b"\x88"))).requires_grad
    stated = b"ctorch._utils\n_rebuild_parameter_with_state\n(" + tensor() + b"\x88N}tR"
    assert read(archive(stated)).requires_grad
    plain, parameter = read(archive(b"(" + tensor() + b"\x94ctorch._utils\n_rebuild_parameter\n(h\0\x88NtRt", 4))
    assert (plain.requires_grad, parameter.requires_grad) == (False, True)
    assert plain.numpy() is not parameter
    assert np.shares_memory(plain.numpy(), parameter.detach().numpy())


def test_tensors_of_other_dtypes_are_arrays():
    untyped = storage("UntypedStorage", 24, module="torch.storage")
    body = tensor((2, 3), (3, 1), 0, untyped, rest=b"ctorch\nuint32\n", version=3)
    array = read(archive(body))
    assert type(array) is np.ndarray
    assert array.dtype == np.uint32
    assert array.tobytes() == NUMBERS.tobytes()
    floating = tensor((2, 3), (3, 1), 0, untyped, rest=b"ctorch\nfloat8_e5m2\n", version=3, grad=b"\x88")
    with pytest.raises(LoadError, match="tensors of float8_e5m2 are loaded as NumPy arrays, which cannot require grad"):
        read(archive(floating))


def test_the_first_form_of_a_tensor_is_read():
    body = b"ctorch._utils\n_rebuild_tensor\n(" + storage("FloatStorage", 6) + b"K\0" + whole(6) + whole(1) + b"tR"
    assert read(archive(body)).tolist() == [0, 1, 2, 3, 4, 5]


def test_containers_and_values():
    body = (
        b"(ccollections\nCounter\n(}K\1K\2stRccollections\nOrderedDict\n(](]K\1aK\2aetR"
        + b"c__builtin__\nxrange\n(K\1K\5K\2tR"
        b"c__builtin__\nbytes\n)RU\1\x61C\1\xffctorch\ncomplex64\nctorch\nuint16\nt"
    )
    found = read(archive(body, 3))
    assert found == (
        Counter({1: 2}), OrderedDict({1: 2}), range(1, 5, 2), b"", "a", b"\xff", dovetail.complex64, np.dtype("uint16"),
    )  # fmt: skip
    assert [type(value) for value in found[:2]] == [Counter, OrderedDict]


def test_mapped_tensors_are_views_of_the_file_that_leave_it_as_it_is(mapped, tmp_path):
    found = mapped(archive(tensor()))
    array = found.numpy()
    while isinstance(array.base, np.ndarray):
        array = array.base
    assert type(array.base).__name__ in ("mmap", "memoryview")
    found[0, 0] = 7
    assert found.tolist() == [[7, 1, 2], [3, 4, 5]]
    assert mapped((tmp_path / "mapped.pt").read_bytes()).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(LoadError, match=r"cannot be mapped, only files on a disk can .*; load it without mmap=True"):
        read(archive(tensor()), mmap=True)


def test_what_is_mapped_is_not_compared_and_the_rest_is(mapped):
    content = archive(b"(" + tensor() + text("step") + b"t")
    changed = content.replace(NUMBERS.tobytes(), bytes(24))
    with pytest.raises(LoadError, match="member 'data/0' is damaged"):
        read(changed)
    assert mapped(changed)[0].tolist() == [[0, 0, 0]] * 2
    with pytest.raises(LoadError, match=r"member 'data\.pkl' is damaged"):
        mapped(content.replace(b"step", b"stop"))
    assert mapped(content.replace(b"step", b"stop"), verify=False)[1] == "stop"


class Far(np.ndarray):
    """An array of a device that is not the CPU."""


class FarBackend(dovetail.Backend):
    name = "far"
    xp = np

    def owns(self, array):
        return type(array) is Far

    def from_numpy(self, array, index=0):
        return np.array(array).view(Far)


def test_tensors_of_one_storage_share_it_on_another_device():
    plugins.register(
        type("Plugin", (), {"dovetail_register_backends": dovetail.hookimpl(lambda: [FarBackend()])}), "far"
    )
    try:
        first, second = read(archive(b"(" + tensor() + tensor((2,), (1,), 4) + b"t"), device="far")
        assert first.device == second.device == dovetail.device("far:0")
        assert (first.tolist(), second.tolist()) == ([[0, 1, 2], [3, 4, 5]], [4, 5])
        first[1, 1] = 7
        assert second.tolist() == [7, 5]
    finally:
        plugins.reset()
    with pytest.raises(DeviceError, match="nowhere"):
        read(archive(tensor()), device="nowhere")


# Against PyTorch


@pytest.mark.parity
def test_the_files_that_pytorch_writes_are_equal_bit_for_bit(tmp_path):
    pytest.importorskip("torch")
    import torch_files

    count, comparison = torch_files.run(tmp_path)
    assert comparison.differences == []
    assert count >= 200
    assert comparison.tensors > 4000


@pytest.mark.parity
def test_the_comparison_sees_differences():
    torch = pytest.importorskip("torch")
    import torch_files

    theirs = {"a": torch.ones(2), "b": 1.0, "c": [torch.float16]}
    for ours in (
        {"a": dovetail.tensor([1.0, 2.0]), "b": 1.0, "c": [dovetail.float16]},
        {"a": dovetail.ones(2, dtype=dovetail.float64), "b": 1.0, "c": [dovetail.float16]},
        {"a": dovetail.ones(2, requires_grad=True), "b": 1.0, "c": [dovetail.float16]},
        {"a": dovetail.ones(2), "b": 1, "c": [dovetail.float16]},
        {"a": dovetail.ones(2), "b": 1.0, "c": [dovetail.bfloat16]},
    ):
        comparison = torch_files.Comparison(torch)
        comparison.compare(ours, theirs, "")
        assert comparison.differences
    shared = torch.ones(2)
    comparison = torch_files.Comparison(torch)
    comparison.compare([dovetail.ones(2), dovetail.ones(2)], [shared, shared], "")
    comparison.check_sharing("")
    assert comparison.differences


def saved(torch, value, **options):
    content = io.BytesIO()
    torch.save(value, content, **options)
    return content.getvalue()


@pytest.mark.parity
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_every_protocol_is_read(protocol, zipped):
    torch = pytest.importorskip("torch")
    value = {"w": torch.arange(5), "set": {1}, "frozen": frozenset("a"), "bytes": [b"x", b"y" * 300, bytearray(b"z")]}
    content = saved(torch, value, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    assert reading.recognises(content[:16])
    found = read(content)
    assert found.pop("w").tolist() == value.pop("w").tolist()
    assert found == value


@pytest.mark.parity
def test_a_changed_bit_or_a_cut_of_pytorchs_file_is_found_or_changes_nothing():
    torch = pytest.importorskip("torch")
    content = saved(torch, {"w": torch.tensor([1.5, -2.0])})
    found = 0
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            try:
                value = read(bytes(damaged))
            except LoadError:
                found += 1
                continue
            assert list(value) == ["w"]
            assert value["w"].tolist() == [1.5, -2.0]
    assert found > 3 * len(content)
    for length in range(len(content)):
        with pytest.raises(LoadError):
            read(content[:length])


@pytest.mark.parity
def test_what_pytorch_writes_and_is_no_data_is_refused_with_the_next_step(tmp_path):
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(2, 2)
    with pytest.raises(
        LoadError, match=r"a whole module \(torch\.nn\.modules\.linear\.Linear\).*save its \.state_dict"
    ):
        read(saved(torch, model))
    with pytest.raises(LoadError, match=r"a whole module \(torch\.nn\.modules"):
        read(saved(torch, type(model), _use_new_zipfile_serialization=False))
    with pytest.raises(LoadError, match="a sparse tensor"):
        read(saved(torch, {"s": torch.eye(2).to_sparse()}))
    with pytest.raises(LoadError, match=r"a tensor without elements .*\(after 'm'\)"):
        read(saved(torch, {"m": torch.ones(2, device="meta")}))
    with pytest.raises(LoadError, match="a NumPy array or number"):
        read(saved(torch, {"n": np.ones(2)}))
    with pytest.raises(LoadError, match="it holds a bare storage, which is no value by itself"):
        read(saved(torch, torch.ones(2).untyped_storage()))
