"""``dovetail inspect``: what a file holds, whether its checksums hold, and what is wrong with it."""

import json
import os
import struct
import zlib
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.numpy

import dovetail
from dovetail import load, save
from dovetail.cli import main
from dovetail.errors import LoadError
from dovetail.inspection import describe


@pytest.fixture
def path(tmp_path):
    return tmp_path / "best.safetensors"


@pytest.fixture
def inspect(path, capsys):
    """Run the command on the file; return its exit code, its lines and what it says on the error stream."""

    def run(*words):
        code = main(["inspect", *words, str(path)])
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err

    return run


def test_a_saved_object_is_shown_as_a_tree(path, inspect):
    weight = dovetail.ones(2, 3, requires_grad=True)
    model = OrderedDict([("weight", weight), ("tied", weight), ("bias", np.zeros(2, np.float16))])
    save({"model": model, "epoch": 3, "losses": [1.5, 0.25], "rest": (None, {"name": "ünï"})}, path)
    code, lines, error = inspect()
    assert code == 0
    assert error == ""
    assert lines == [
        f"file        best.safetensors, {path.stat().st_size} bytes",
        "written by  Dovetail, in its format 1",
        "checksums   2 of 2 hold",
        "",
        "dict of 4",
        "  model: OrderedDict of 3",
        f"    weight: tensor float32 [2, 3], 24 bytes, checksum {zlib.crc32(weight.detach().numpy()):08x} holds, "
        "requires grad",
        "    tied: tensor, the same as model.weight",
        f"    bias: array float16 [2], 4 bytes, checksum {zlib.crc32(bytes(4)):08x} holds",
        "  epoch: 3",
        "  losses: list of 2: [1.5, 0.25]",
        "  rest: tuple of 2",
        "    0: None",
        "    1: dict of 1",
        "      name: 'ünï'",
        "",
        "no problems found",
    ]


@pytest.mark.parametrize(
    ("obj", "line"),
    [
        (5, "5"),
        ({}, "dict of 0"),
        ([], "list of 0"),
        ("x" * 200, "'" + "x" * 76 + "..."),
        (b"12345", "bytes of length 5"),
        (b"", "bytes of length 0"),
        (float("nan"), "float nan"),
        (1 - 2j, "complex [1.0, -2.0]"),
        (dovetail.float16, "dtype float16"),
        (dovetail.device("cpu"), "device cpu"),
        (dovetail.zeros(2, 3).shape, "size of 2: [2, 3]"),
        (np.float32(0), "scalar float32 [], 4 bytes, checksum 2144df1c holds"),
        (np.zeros(3, np.complex128), "array complex128 [3], 48 bytes, checksum f288b395 holds"),
        (np.zeros((0, 2), np.int8), "array int8 [0, 2], 0 bytes, checksum 00000000 holds"),
        ({(1, 2): {"$odd": 0}}, "dict of 1|  tuple of 2: [1, 2]: dict of 1|    $odd: 0"),
    ],
)
def test_every_kind_of_value_has_its_line(obj, line, path):
    save(obj, path)
    lines, problems = describe(path)
    assert "|".join(lines[4:]) == line
    assert problems == []


def test_sizes_are_in_units_that_can_be_read(path):
    save({"a": np.zeros(1), "b": np.zeros(1000), "c": np.zeros(999_999, np.uint8), "d": np.zeros(1_250_000)}, path)
    sizes = [line.split(", ")[1] for line in describe(path)[0] if "array" in line]
    assert sizes == ["8 bytes", "8.0 kB", "1.0 MB", "10.0 MB"]


def test_a_damaged_tensor_is_named_and_the_rest_is_shown(path, inspect):
    save({"first": np.arange(3.0), "second": np.arange(3.0)}, path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    code, lines, _ = inspect()
    assert code == 1
    assert "checksums   1 of 2 hold" in lines
    stated, actual = (f"{zlib.crc32(data):08x}" for data in (np.arange(3.0), content[-24:]))
    assert f"  second: array float64 [3], 24 bytes, checksum {stated} DOES NOT HOLD: it is {actual}" in lines
    assert any(line.startswith("  first: ") and line.endswith(" holds") for line in lines)
    assert lines[-2:] == [
        "1 problem found:",
        f"  tensor 'second' is damaged: its checksum is {stated}, that of its data {actual}",
    ]


def test_the_data_is_not_read_without_verifying(path, inspect):
    save({"weight": np.arange(3.0)}, path)
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    code, lines, _ = inspect("--no-verify")
    assert code == 0
    assert "checksums   1, not compared" in lines
    assert f"  weight: array float64 [3], 24 bytes, checksum {zlib.crc32(np.arange(3.0)):08x}" in lines


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda content: content[:-1], "cut off: tensor 'weight' ends at byte 24 of the data, but there are 23"),
        (lambda content: content + b"\0", "1 bytes at its end belong to no tensor"),
        (lambda content: content.replace(b'"shape":[3]', b'"shape":[4]'), "its header is damaged"),
        (lambda content: b"", "not a safetensors file, or cut off"),
        (lambda content: b"no file of tensors", "not a safetensors file, or cut off"),
    ],
)
def test_a_file_whose_content_cannot_be_told_says_why(damage, text, path, inspect):
    save({"weight": np.arange(3.0)}, path)
    path.write_bytes(damage(path.read_bytes()))
    code, lines, error = inspect()
    assert code == 1
    assert lines == []
    assert error.startswith(f"dovetail: error: {path}: ")
    assert text in error


def test_another_tools_file_has_no_checksums_and_that_is_said(path, inspect):
    safetensors.numpy.save_file({"w": np.arange(3), "b": np.ones((2, 2), np.float16)}, path, {"format": "np"})
    code, lines, _ = inspect()
    assert code == 0
    assert lines[1:] == [
        "written by  another tool, as safetensors",
        "checksums   none: this file cannot tell whether its data is what was written",
        "metadata    format: 'np'",
        "",
        "dict of 2",
        "  w: tensor int64 [3], 24 bytes",
        "  b: tensor float16 [2, 2], 8 bytes",
        "",
        "no problems found",
    ]


def test_a_file_that_is_not_there_is_told(path, inspect):
    assert inspect() == (1, [], f"dovetail: error: cannot read {path}: No such file or directory\n")


def test_no_name_and_no_text_steers_the_terminal(path):
    save({"\x1b[31mred": "\x1b]0;title\x07", "\u202eright": np.zeros(1), "": 1}, path)
    lines, _ = describe(path)
    assert all(line.isprintable() for line in lines)
    assert r"  '\x1b[31mred': '\x1b]0;title\x07'" in lines


def sealed(structure, format_="1"):
    """A file with one tensor, right checksums and this structure."""
    header = {
        "weight": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "__metadata__": {
            "dovetail": format_,
            "dovetail.structure": structure,
            "dovetail.checksums": json.dumps({"weight": f"{zlib.crc32(bytes(1)):08x}"}),
        },
    }
    canonical = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    header["__metadata__"]["dovetail.header"] = f"{zlib.crc32(canonical):08x}"
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(1)


@pytest.mark.parametrize(
    "structure",
    [
        "{", '{"$import": "os"}', '{"$tensor": "none"}', '{"$tensor": []}', '{"$tuple": 3}', '{"$dict": [1]}',
        '{"$bytes": 5}', "[" * 5000, "[" * 900 + "]" * 900,
    ],
)  # fmt: skip
def test_a_structure_that_no_save_wrote_is_a_problem_and_the_tensors_are_shown(structure, path):
    path.write_bytes(sealed(structure))
    lines, problems = describe(path)
    assert lines[-1].strip() == "weight: tensor uint8 [1], 1 byte, checksum d202ef8d holds"
    [problem] = problems
    assert problem.startswith("its structure is damaged: ")


def test_a_newer_format_is_a_problem(path):
    path.write_bytes(sealed("{}", "2"))
    assert describe(path)[1] == ["written in format '2'; this Dovetail reads '1'; try a newer one"]


def test_tensors_that_the_structure_leaves_out_are_shown(path):
    path.write_bytes(sealed('{"epoch": 3}'))
    assert describe(path)[0][4:] == [
        "dict of 1",
        "  epoch: 3",
        "  (not in the structure): ",
        "    weight: tensor uint8 [1], 1 byte, checksum d202ef8d holds",
    ]


def test_a_header_whose_length_looks_like_a_pickle_is_none(path):
    """The two bytes with which pickles begin, 80 02, are also the number 640."""
    for count in range(1, 400):
        save({"a" * count: np.zeros(1)}, path)
        if path.read_bytes()[:2] == b"\x80\x02":
            break
    assert path.read_bytes()[:8] == struct.pack("<Q", 640)
    assert describe(path)[1] == []
    assert list(load(path)) == ["a" * count]


def test_files_of_pytorch_are_shown_as_trees(path, inspect):
    weight = dovetail.ones(2, 3)
    obj = OrderedDict([("fc.weight", weight), ("tied", weight), ("extra", [1, 2]), ("n", {"a": dovetail.zeros(2)})])
    save(obj, path, format="torch")
    code, lines, _ = inspect()
    assert code == 0
    assert lines[1:] == [
        "written by  PyTorch, as a zip archive",
        "",
        "OrderedDict of 4",
        "  fc.weight: tensor float32 [2, 3], 24 bytes",
        "  tied: tensor, the same as fc.weight",
        "  extra: list of 2: [1, 2]",
        "  n: dict of 1",
        "    a: tensor float32 [2], 8 bytes",
        "",
        "no problems found",
    ]


def test_a_damaged_file_of_pytorch_says_why(path, inspect):
    save({"weight": dovetail.full((1000,), 0.1)}, path, format="torch")
    content = bytearray(path.read_bytes())
    content[content.index(np.full(3, 0.1, np.float32).tobytes()) + 4] ^= 1
    path.write_bytes(content)
    code, lines, error = inspect()
    assert (code, lines) == (1, [])
    assert error.startswith(f"dovetail: error: {path}: ")


def test_views_of_one_memory_say_so(path):
    weight = dovetail.arange(6, dtype=dovetail.float32)
    save({"all": weight, "row": weight[:2], "tied": weight}, path)
    lines, problems = describe(path)
    checksum = f"{zlib.crc32(weight.numpy()):08x}"
    assert lines[4:] == [
        "dict of 3",
        f"  all: tensor float32 [6], 24 bytes, checksum {checksum} holds",
        "  row: tensor float32 [2], a view of all",
        "  tied: tensor, the same as all",
    ]
    assert problems == []
    save([weight[3:], weight[:4]], path)
    lines, problems = describe(path)
    assert lines[5] == f"  0: tensor float32 [3], a view of 0.memory (uint8 [24], 24 bytes, checksum {checksum} holds)"
    assert lines[6] == "  1: tensor float32 [4], a view of 0.memory"
    assert problems == []


@pytest.fixture
def sharded(tmp_path):
    for name, arrays in (("one", {"a": np.arange(3.0)}), ("two", {"b": np.zeros(2), "c": np.ones(1)})):
        safetensors.numpy.save_file(arrays, tmp_path / f"{name}.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(
        json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors"}})
    )
    return index


def test_an_index_shows_each_of_its_shards(sharded):
    lines, problems = describe(sharded)
    assert lines[0].endswith(" bytes, an index of 3 tensors in 2 files")
    assert [line for line in lines if "tensor float64" in line] == [
        "  a: tensor float64 [3], 24 bytes",
        "  b: tensor float64 [2], 16 bytes",
        "  c: tensor float64 [1], 8 bytes",
    ]
    assert problems == []


def test_a_missing_and_a_damaged_shard_are_problems(sharded):
    save({"b": np.zeros(2), "c": np.ones(1)}, sharded.parent / "two.safetensors")
    content = (sharded.parent / "two.safetensors").read_bytes()
    (sharded.parent / "two.safetensors").write_bytes(content[:-1] + b"\1")
    (sharded.parent / "one.safetensors").unlink()
    missing, damaged = describe(sharded)[1]
    assert missing.startswith("one.safetensors: [Errno 2] No such file or directory")
    assert damaged.startswith("two.safetensors: tensor 'c' is damaged")


def test_a_shard_of_another_model_is_a_problem(sharded):
    safetensors.numpy.save_file({"other": np.zeros(2)}, sharded.parent / "two.safetensors")
    [problem] = describe(sharded)[1]
    assert problem.startswith("it places tensor 'b' (and 1 more) in shard 'two.safetensors', which does not hold it")


def test_a_file_with_code_in_it_is_not_run(path, inspect):
    """A pickle that would make a folder when it is loaded as pickles are."""
    made = path.parent / "made"
    path.write_bytes(b"cos\nmkdir\n(V" + os.fsencode(made) + b"\ntR.")
    code, _, error = inspect()
    assert code == 1
    assert error
    assert not made.exists()
    with pytest.raises(LoadError):
        describe(path)


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["inspect", "--help"])
    printed = capsys.readouterr().out
    assert "dovetail inspect best.safetensors" in printed
    assert "--no-verify" in printed
