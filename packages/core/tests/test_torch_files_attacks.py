"""Files made to run code, to exhaust memory or time, or to be read beyond their end: all are refused with LoadError."""

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from contextlib import suppress

import pytest

from dovetail.errors import LoadError
from dovetail.torch_files import reading

FLOATS = struct.pack("<6f", *range(6))


def read(content, **options):
    return reading.read("attack.pt", io.BytesIO(content), **options)


def refused(content, text, **options):
    with pytest.raises(LoadError, match=text) as caught:
        read(content, **options)
    assert str(caught.value).startswith("attack.pt: ")
    assert len(str(caught.value)) < 900
    assert "not foreseen" not in str(caught.value)


# The pieces of a pickle


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    return b"\x8a" + bytes([len(raw := value.to_bytes(10, "little", signed=True))]) + raw


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def call(function, *arguments):
    return function + tuple_of(*arguments) + b"R"


def storage(key="0", count=6, kind="FloatStorage"):
    return tuple_of(text("storage"), name("torch", kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(part=None, offset=0, size=(2, 3), stride=(3, 1), grad=b"\x89", hooks=b"N", rest=()):
    sizes, strides = tuple_of(*map(number, size)), tuple_of(*map(number, stride))
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    return call(rebuild, part or storage(), number(offset), sizes, strides, grad, hooks, *rest)


def pickled(body, protocol=2):
    return b"\x80" + bytes([protocol]) + body + b"."


# The pieces of a file


def archive(members, compression=zipfile.ZIP_STORED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        for member, data in members:
            file.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), data, compression)
    return content.getvalue()


def zipped(body, raw=False, **others):
    pickle_ = body if raw else pickled(body)
    members = {"data.pkl": pickle_, "byteorder": b"little", "data/0": FLOATS, "version": b"3\n", **others}
    return archive([(f"archive/{key}", data) for key, data in members.items()])


LEGACY_START = pickled(number(0x1950A86A20F9469CFC6C)) + pickled(b"M\xe9\3") + pickled(b"}")


def legacy(body):
    return LEGACY_START + pickled(body) + pickled(b"]" + text("0") + b"a") + struct.pack("<q", 6) + FLOATS


LEGACY_TENSOR = tensor(
    tuple_of(text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), number(6), b"N") + b"Q"
)


def test_the_pieces_make_files_that_load():
    for content in (zipped(tensor()), legacy(LEGACY_TENSOR)):
        assert read(content).tolist() == [[0, 1, 2], [3, 4, 5]]


# Code


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("form", ["zip", "legacy", "bare"])
def test_no_code_of_a_pickle_runs(tmp_path, form, protocol):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'owned'}",)

    body = pickle.dumps({"w": [Evil()]}, protocol)
    if form == "legacy":
        body = LEGACY_START + body
    content = zipped(body, raw=True) if form == "zip" else body
    with pytest.raises(LoadError):
        read(content)
    assert not (tmp_path / "owned").exists()


CLOSED = r"not on the closed list of what a file may name: no code of a file is run; load it in PyTorch"


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("os", "system"), ("posix", "system"), ("nt", "system"), ("builtins", "eval"), ("builtins", "exec"),
        ("__builtin__", "eval"), ("builtins", "getattr"), ("builtins", "__import__"), ("builtins", "print"),
        ("subprocess", "Popen"), ("collections", "OrderedDict.__init__"), ("collections", "OrderedDict.fromkeys"),
        ("collections.OrderedDict", "__init__"), ("collections", "namedtuple"), ("collections", "defaultdict"),
        ("", "eval"), ("builtins.set", "__class__"), ("_codecs", "decode"), ("codecs", "encode"),
        ("copyreg", "_reconstructor"),
        ("pickle", "loads"), ("functools", "partial"), ("operator", "attrgetter"), ("runpy", "run_path"),
        ("dovetail.torch_files.reading", "read"), ("__main__", "Net"), ("pathlib", "PosixPath"),
        ("argparse", "Namespace"),
    ],
)  # fmt: skip
def test_names_that_are_not_on_the_list_are_refused_by_name(module, attribute):
    expected = rf"it names '{module}\.{attribute}', which is " + CLOSED
    refused(zipped(call(name(module, attribute), text("id"))), expected)
    from_stack = text(module) + text(attribute) + b"\x93"
    refused(zipped(pickled(call(from_stack, text("id")), 4), raw=True), expected)
    remembered = text(module) + b"\x940" + text(attribute) + b"\x940h\x00h\x01\x93"
    refused(zipped(pickled(call(remembered, text("id")), 4), raw=True), expected)
    refused(legacy(call(name(module, attribute), text("id"))), expected)


@pytest.mark.parametrize(
    ("module", "attribute", "what"),
    [
        ("torch._utils", "_rebuild_qtensor", r"a quantized tensor .*save its \.dequantize\(\)"),
        ("torch", "QInt8Storage", r"quantized numbers .*save the tensor's \.dequantize\(\)"),
        ("torch._utils", "_rebuild_sparse_tensor", r"a sparse tensor .*save its \.to_dense\(\)"),
        ("torch._utils", "_rebuild_nested_tensor", r"a nested tensor .*save its \.unbind\(\)"),
        ("torch._utils", "_rebuild_meta_tensor_no_storage", "a tensor without elements"),
        ("torch.nn.modules.linear", "Linear", r"a whole module .*save its \.state_dict\(\)"),
        ("torch.jit._pickle", "build_intlist", r"a TorchScript program .*save its \.state_dict\(\)"),
        ("numpy._core.multiarray", "_reconstruct", r"a NumPy array or number .*save torch\.from_numpy"),
        ("numpy.core.multiarray", "scalar", "a NumPy array or number"),
        ("torch", "OrderedDict.__init__", "something of PyTorch that is no plain data"),
        ("torch", "float32.__class__", "something of PyTorch that is no plain data"),
        ("torch", "complex32", "something of PyTorch that is no plain data"),
        ("torch", "load", "something of PyTorch that is no plain data"),
        ("torch", "serialization.load", "something of PyTorch that is no plain data"),
        ("torch._tensor", "_rebuild_from_type_v2", "something of PyTorch that is no plain data"),
        ("torch.utils._config_module", "load_config", "something of PyTorch that is no plain data"),
        ("torch.hub", "load", "something of PyTorch that is no plain data"),
        ("torch.distributed.rpc.internal", "_internal_rpc_pickler", "something of PyTorch that is no plain data"),
    ],
)
def test_what_of_pytorch_is_refused_says_what_to_save(module, attribute, what):
    start = (
        rf"it holds (?=.*\({module}\.{attribute}\), which is not read; load it in PyTorch, if you trust it, and save)"
    )
    refused(zipped(call(name(module, attribute))), start + what)


SYSTEM = name("os", "system")
ORDERED = name("collections", "OrderedDict")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"(" + text("id") + b"ios\nsystem\n", "uses opcode 0x69, which PyTorch does not write; do not trust the file"),
        (b"(" + SYSTEM + text("id") + b"o", r"it names 'os\.system'"),
        (b"(" + ORDERED + b"o", "uses opcode 0x6f"),
        (ORDERED + b")\x81", "uses opcode 0x81"),
        (ORDERED + b")}\x92", "uses opcode 0x92"),
        (b"\x82\x01", "uses opcode 0x82"), (b"\x83\x01\x00", "uses opcode 0x83"),
        (b"\x84\x01\0\0\0", "uses opcode 0x84"),
        (b"P0\n", "uses opcode 0x50"), (b"I1\n", "uses opcode 0x49"), (b"S'a'\n", "uses opcode 0x53"),
        (b"\x97", "uses opcode 0x97"), (b"N2", "uses opcode 0x32"), (b"(1", "uses opcode 0x31"),
        (call(call(ORDERED), text("x")), "its pickle calls OrderedDict, which cannot be called"),
        (call(text("eval"), text("1")), "its pickle calls 'eval', which cannot be called"),
        (call(name("torch", "FloatStorage")), r"its pickle calls torch\.FloatStorage, which cannot be called"),
        (call(name("torch", "float32")), "its pickle calls DType, which cannot be called"),
        (call(call(name("builtins", "set"), b"]"), b"N"), "its pickle calls set, which cannot be called"),
        (name("builtins", "set") + b"]R", "a call has list for arguments"),
        (ORDERED + b")R" + SYSTEM + b"b", r"it names 'os\.system'"),
        (name("builtins", "set") + b"}b", "attributes belong into OrderedDict, and there is none"),
        (tensor() + b"}" + text("_device") + text("x") + b"sb", "attributes belong into OrderedDict"),
        (ORDERED + b")R]b", "the attributes of an OrderedDict are no dict"),
        (text("os") + b"N\x93", "a name is made of something else than text"),
        (name("builtins", "set"), r"it holds builtins\.set, which is no value by itself"),
        (storage(), "it holds a bare storage, which is no value by itself"),
        (call(name("_codecs", "encode"), text("a"), text("rot13")), r"_codecs\.encode does not take .*'latin1'"),
        (call(name("_codecs", "encode"), tensor(), tensor()), r"_codecs\.encode does not take"),
        (call(name("builtins", "bytearray"), number(2**40)), r"builtins\.bytearray does not take .*it takes bytes"),
        (call(name("builtins", "complex"), text("1"), b"N"), r"builtins\.complex does not take .*two floats"),
        (call(name("builtins", "slice"), b"]"), r"builtins\.slice does not take .*whole numbers"),
        (call(name("builtins", "range"), b"N"), r"builtins\.range does not take"),
        (call(name("collections", "Counter"), b"]"), r"collections\.Counter does not take .*a dict"),
        (call(ORDERED, b"}"), r"collections\.OrderedDict does not take .*a list"),
        (call(name("torch", "device"), text("no device")), r"torch\.device does not take"),
        (call(name("torch", "device"), b"N"), r"torch\.device does not take .*a name and a number"),
        (call(name("torch", "Size"), b"]" + text("a") + b"a"), r"torch\.Size does not take .*no whole numbers"),
        (call(name("torch.serialization", "_get_layout"), text("torch.sparse_coo")), "one layout, 'torch.strided'"),
        (call(name("torch._utils", "_rebuild_parameter"), text("x"), b"\x88", b"N"), "something else than a tensor"),
        (call(name("torch._utils", "_rebuild_parameter"), tensor(), b"N", b"N"), "requires_grad is no bool"),
        (tuple_of(text("module"), b"N", b"N", b"N") + b"Q", r"it holds a whole module, .* save its \.state_dict\(\)"),
        (text("storage") + b"Q", "a persistent id is no storage's"),
        (tuple_of(text("storage"), ORDERED, text("0"), text("cpu"), number(6)) + b"Q", "no kind, key or place"),
    ],
)  # fmt: skip
def test_opcodes_and_calls_that_pytorch_does_not_write_are_refused(body, expected):
    refused(zipped(body), expected)


# Reading beyond the storage


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (tensor(size=(3, 3)), "it ends at element 9 of a storage of 6"),
        (tensor(offset=1), "it ends at element 7 of a storage of 6"),
        (tensor(stride=(4, 1)), "it ends at element 7 of a storage of 6"),
        (tensor(stride=(2**61, 1)), "it ends at element 2305843009213693955 of a storage of 6"),
        (tensor(size=(2**61, 2**61), stride=(0, 0), offset=6), "it ends at element 7"),
        (tensor(size=(2**61, 2**61), stride=(0, 0)), "_rebuild_tensor_v2 does not take what the file gives it"),
        (tensor(size=(0, 2**61, 2**61), stride=(1, 1, 1)), "_rebuild_tensor_v2 does not take what the file gives it"),
        (tensor(offset=-1), "its offset are no whole numbers"),
        (tensor(stride=(-3, 1)), "its strides are no whole numbers of 0 or more"),
        (tensor(size=(-2, 3)), "its sizes are no whole numbers of 0 or more"),
        (tensor(size=(2**63, 1)), "its sizes are no whole numbers"),
        (tensor(stride=(1,)), "a tensor of 2 sizes has 1 strides"),
        (tensor(size=(1,) * 65, stride=(1,) * 65), "a tensor of 65 sizes has 65 strides; both are up to 64"),
        (tensor(grad=b"N"), "requires_grad is no bool"),
        (tensor(rest=(b"}" + text("evil") + b"\x88s",)), "it has properties beside conj and neg"),
        (tensor(part=b"N"), "its storage is none, or has no dtype"),
        (tensor(rest=(b"N", b"N")), "_rebuild_tensor_v2 does not take what the file gives it"),
        (tensor(storage(kind="LongStorage", count=3), grad=b"\x88", size=(3,), stride=(1,)), "can require gradients"),
        (tensor(storage(kind="BoolStorage", count=24)), "it holds the byte 191 as a bool; only 0 and 1"),
        (tensor(storage(count=7)), "storage '0' has 24 bytes, but 7 elements of float32 take 28"),
        (tensor(storage(count=2**60)), "storage '0' has 24 bytes, but"),
        (tensor(storage(count=-1)), "storage '0' is said to have -1 elements"),
        (tensor(storage("1")), "its pickle names a storage '1', which is not in the archive"),
        (tensor(storage("../data/0")), "its pickle names a storage '../data/0', which is not in the archive"),
    ],
)  # fmt: skip
def test_tensors_stay_inside_their_storage(body, expected):
    content = zipped(body, **{"data/0": FLOATS if b"BoolStorage" not in body else FLOATS[:-1] + b"\xbf"})
    refused(content, expected)


# Memory and time

REMEMBERED = range(60)
LAUGHS = b"]X\x02\0\0\0haa\x94" + b"".join(b"0](h%ch%ce\x94" % (n, n) for n in REMEMBERED)
PAIRS = text("ha") + b"\x94" + b"".join(b"0h%ch%c\x86\x94" % (n, n) for n in REMEMBERED)
COLLIDING = [number(n * (2**61 - 1)) for n in range(1, 6000)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"}" + PAIRS + b"Ns", "holds a tuple as a key; a key is text, a number or a tuple of up to 16 of them"),
        (b"}" + b")" + b"\x85" * 100_000 + b"Ns", "holds a tuple as a key"),
        (b"}" + tensor() + b"Ns", "holds a Tensor as a key"),
        (b"]" * 300 + b"a" * 299, "nested more than 200 deep; flatten them and save again"),
        (b")" + b"\x85" * 100_000, "nested more than 200 deep"),
        (b"]" * 50_000 + b"a" * 49_999, "nested more than 200 deep"),
        (b"(" * 1001 + b"t" * 1001, "nests more than 1000 containers"),
        (b"]\x94h\x00a", "it holds a list that contains itself"),
        (b"}\x94" + text("a") + b"h\x00s", "it holds a dict that contains itself"),
        (b"}(" + b"N".join(COLLIDING) + b"Nu", "more than 5000 keys that are tuples, floats or large"),
        (b"(" + b"".join(COLLIDING) + b"\x91", "more than 5000 keys"),
        (LAUGHS, r"its containers hold each other, \d+ values in all; up to 50000000 are loaded"),
        (b"\x8d" + struct.pack("<Q", 2**62) + b"a", "holds a text of 4611686018427387904 bytes, more than there are"),
        (b"\x8e" + struct.pack("<Q", 2**64 - 1), "holds a text of 18446744073709551615 bytes"),
        (b"\x96" + struct.pack("<Q", 2**40), "holds a text of 1099511627776 bytes"),
        (b"X\xff\xff\xff\xff", "holds a text of 4294967295 bytes"),
        (b"\x8b\xff\xff\xff\x7f", "holds an integer of 2147483647 bytes; those of up to 1250"),
        (b"\x8b" + struct.pack("<I", 1251) + bytes(1251), "holds an integer of 1251 bytes"),
        (b"\x95" + struct.pack("<Q", 2**63) + b"N", "a frame of its pickle claims 9223372036854775808 bytes"),
        (b"Nr\xff\xff\xff\xff", "it remembers as number 4294967295 what is not there, or leaves numbers out"),
        (b"Nj\xff\xff\xff\xff", "it asks for value 4294967295 of the 0 that it remembers"),
        (b"q\x00", "it remembers as number 0 what is not there"),
        (b"c" + b"a" * 10_000, "holds a name that does not end"),
        (b"a", "items belong into|takes a value that is not there"), (b"(a", "takes a value that is not there"),
        (b"t", "takes the values after a mark that is not there"), (b"](Nu", "a dict has a key without a value"),
        (b"NN", "it ends with values that belong to nothing"), (b"N(", "takes a value that is not there"),
        (b"X\x01\0\0\0\xff", "holds a text that is no UTF-8"),
        (b"N.N", "2 bytes follow the end of its pickle"),
        (b"", "takes a value that is not there"),
    ],
)  # fmt: skip
def test_pickles_made_to_exhaust_or_to_confuse_are_refused(body, expected):
    refused(zipped(body), expected)


FILL = 150_000


@pytest.mark.parametrize(
    "piece",
    [
        b"]", b"}", b"\x8f", b"(t", b"(\x91", b"\x94", b"h\x00h\x01R", b"h\x00)R", b"h\x02h\x03R", b"h\x04h\x05R",
        b"]Na",
        b"h\x06h\x07R", b"h\x08h\x09R", b"X\x00\0\0\0", b"U\x01a", b"G" + b"?" * 8, b"}NNs", b"h\x00)RNNs",
    ],
)  # fmt: skip
def test_memory_stays_under_16_times_the_file_and_16_mb(piece):
    long_text = "é" * 50_000
    start = (
        ORDERED + b"\x94" + tuple_of(b"]") + b"\x94" + name("_codecs", "encode") + b"\x94"
        + tuple_of(text(long_text), text("latin1")) + b"\x94" + name("builtins", "bytearray") + b"\x94"
        + tuple_of(b"B" + struct.pack("<I", 10**5) + bytes(10**5)) + b"\x94"
        + name("torch._utils", "_rebuild_tensor_v2") + b"\x94"
        + tuple_of(storage(), number(0), tuple_of(number(6)), tuple_of(number(1)), b"\x89", b"N") + b"\x94"
        + name("builtins", "set") + b"\x94" + tuple_of(b"](" + b"".join(map(number, range(1000))) + b"e") + b"\x94"
    )  # fmt: skip
    body = b"(" + start + piece * FILL + b"t"
    content = zipped(body)
    read(zipped(tensor()))  # what is imported once is not counted
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        with suppress(LoadError):
            read(content)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 16 * len(content) + (16 << 20)


def test_pickles_of_other_protocols_and_cut_ones_are_refused():
    refused(zipped(pickled(b"N", 6), raw=True), "its pickle is of protocol 6; those from 2 to 5 are read")
    refused(zipped(pickled(b"N", 1), raw=True), "its pickle is of protocol 1")
    refused(zipped(b"\x80\2G\0\0", raw=True), "cut off or damaged: its pickle asks for 8 bytes, 2 remain")
    refused(zipped(b"", raw=True), "cut off or damaged: its pickle asks for 1 bytes, 0 remain")


def test_what_asks_for_too_much_memory_says_so():
    refused(
        zipped(b"(" + b"]" * 10**6 + b"t"),
        r"takes more than 317[0-9]+, as of a file made to exhaust memory; if you trust it, load it in",
    )
