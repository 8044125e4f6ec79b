"""Files that lie are loaded or refused with LoadError, in bounded time and memory; nothing else comes of them."""

import functools
import json
import random
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail import load, save
from dovetail.errors import LoadError
from dovetail.inspection import describe
from fuzz_load import File, made, nested, odd_value, outcome, valid_files

MANY = settings(
    max_examples=500, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def valid(folder):
    return valid_files(folder)


@pytest.fixture
def path(folder):
    return folder / "odd.safetensors"


def check(content, path):
    assert outcome(content, path) in ("returned", "refused")


def test_valid_files_load_after_they_were_taken_apart_and_sealed(valid, path):
    """Otherwise what is tried below would all be refused at the first checksum."""
    for content in valid:
        file = File(content)
        file.seal()
        assert outcome(file.content(), path) == "returned"


@MANY
@given(st.integers(0, 2**32))
def test_files_with_changed_parts(valid, path, seed):
    check(made(random.Random(seed), valid), path)


def test_both_outcomes_are_common(valid, path):
    found = [outcome(made(random.Random(seed), valid), path) for seed in range(300)]
    assert found.count("returned") > 30
    assert found.count("refused") > 100


NUMBERS = st.one_of(
    st.integers(-2, 9), st.sampled_from([2**31, 2**62, 2**63, 2**64, 10**400]), st.booleans(), st.floats()
)
JSON = st.recursive(
    st.one_of(st.none(), NUMBERS, st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F64", "BOOL", "U8", "BF16", "F8_E5M2", "C64", "F4"]),
        "shape": st.lists(NUMBERS, max_size=3),
        "data_offsets": st.lists(NUMBERS, min_size=2, max_size=2),
    }
)
HEADER = st.dictionaries(st.text(max_size=3), st.one_of(ENTRY, ENTRY, JSON), max_size=4)
TAGS = "$tensor $array $scalar $float $complex $bytes $tuple $size $dict $ordered $dtype $device $import weight"
TAG = st.sampled_from(TAGS.split())
STRUCTURE = st.recursive(
    st.one_of(st.none(), NUMBERS, st.sampled_from(["weight", "float32", "complex128", "cpu", "nan", "?"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(TAG, inner, max_size=2),
        st.builds(lambda tag, value, more: {tag: value, "dtype": more, "requires_grad": True}, TAG, inner, inner),
    ),
    max_leaves=15,
)


@MANY
@given(HEADER, st.one_of(st.none(), st.dictionaries(st.text(max_size=9), JSON, max_size=2)), st.binary(max_size=16))
def test_headers_of_any_content(path, header, metadata, data):
    if metadata is not None:
        header = {**header, "__metadata__": metadata}
    text = json.dumps(header).encode()
    check(struct.pack("<Q", len(text)) + text + data, path)


@functools.cache
def two_tensors(path):
    save({"weight": np.arange(6.0), "index": np.arange(3)}, path)
    return path.read_bytes()


def with_structure(text, path):
    """A file with right checksums, two tensors and this structure."""
    file = File(two_tensors(path))
    file.metadata["dovetail.structure"] = text
    file.seal()
    return file.content()


@MANY
@given(STRUCTURE)
def test_structures_of_any_content(path, structure):
    check(with_structure(json.dumps(structure), path), path)


@MANY
@given(st.binary(max_size=300), st.booleans())
def test_bytes_of_any_content(path, content, with_length):
    check(struct.pack("<Q", len(content)) + content if with_length else content, path)


@pytest.mark.parametrize(
    "structure",
    [
        '{"$float": 1' + "0" * 400 + "}",
        '{"$complex": [1' + "0" * 400 + ", 0]}",
        '{"$complex": [0, -1' + "0" * 400 + "]}",
        '{"$float": 1' + "0" * 5000 + "}",
        '{"$tensor": "weight", "dtype": "int64"}',
        '{"$tensor": {"$tensor": "weight"}}',
        '{"$array": "index", "dtype": "complex128"}',
        '{"$device": 5}',
        '{"$device": "cpu:99999999999999999999999"}',
        '{"$dtype": null}',
        '{"$dict": [[{"$dict": []}, 1]]}',
        '{"$size": "abc"}',
        '{"$bytes": "\\u00e9"}',
        '{"$tensor": "index", "requires_grad": true}',
        "",
        "\ud800",
    ],
)
def test_structures_that_are_easily_forgotten(structure, path):
    check(with_structure(structure, path), path)


def test_numbers_too_long_for_a_text_are_refused_in_words(path):
    """Python turns no number of more than 4,300 digits into text, which an error would have to."""
    for shape in ([10**4000, 10**4000], [10**4000] * 64, [-(10**4200)], [0, 10**4000]):
        text = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
        with pytest.raises(LoadError, match=r"tensor 'a' (of|has) shape"):
            load(path)


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_depths_near_the_limit_of_the_interpreter(kind, path):
    """What can just be read may be too deep for what comes after, such as for being written into an error."""
    for depth in [100, 500, *range(900, 1010), 100_000]:
        deep = "[" * depth + "]" * depth if kind == "list" else '{"a":' * depth + "0" + "}" * depth
        check(with_structure(deep, path), path)
        for entry in ('"a": %s', '"a": {"dtype": "F32", "shape": %s, "data_offsets": [0, 0]}', '"__metadata__": %s'):
            sealed = "" if "metadata" in entry else '"__metadata__": {"dovetail": "1", "dovetail.header": "0"}, '
            text = ("{" + sealed + entry % deep + "}").encode()
            check(struct.pack("<Q", len(text)) + text, path)


@pytest.mark.parametrize("kind", ["[],", '{"":[]},', "99999,"])
def test_a_header_of_nothing_but_small_values_takes_memory_in_proportion_to_it(kind, path):
    """Each of these takes a few bytes in the file and many in memory, so the header has a bound of its own."""
    many = kind * (1_000_000 // len(kind))
    check(with_structure(f"[{many}0]", path), path)
    text = f'{{"a": [{many}0]}}'.encode()
    check(struct.pack("<Q", len(text)) + text, path)


def test_a_load_takes_little_more_memory_than_the_file(path):
    save({f"layer{index}": np.zeros(500_000) for index in range(10)}, path)
    content = path.read_bytes()
    assert int.from_bytes(content[:8], "little") < 2000, "so that what the header may take does not count"
    check(content, path)


def test_odd_values_are_drawn_in_every_kind():
    draw = random.Random(0)
    assert {type(odd_value(draw)) for _ in range(500)} == {type(None), bool, str, list, dict, int, float}
    assert nested(2) == [[0]]


@MANY
@given(st.integers(0, 2**32))
def test_inspection_of_files_with_changed_parts(valid, path, seed):
    path.write_bytes(made(random.Random(seed), valid))
    lines = []
    with suppress(LoadError):
        lines, _ = describe(path)
    assert all(line.isprintable() for line in lines)
