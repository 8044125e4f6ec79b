"""Dtypes and PyTorch's promotion."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail import dtypes, errors

NAMES = list(dtypes.DTYPES)


def name_of(dtype):
    return str(dtype).split(".")[1]


@pytest.mark.parity
@pytest.mark.parametrize("first", NAMES)
def test_promotion_of_every_pair(first):
    torch = pytest.importorskip("torch")
    for second in NAMES:
        found = dovetail.promote_types(getattr(dovetail, first), getattr(dovetail, second))
        assert found.name == name_of(torch.promote_types(getattr(torch, first), getattr(torch, second)))


@pytest.mark.parity
@pytest.mark.parametrize("first", NAMES)
def test_result_types_with_0d_tensors_and_numbers(first):
    torch = pytest.importorskip("torch")

    def values(lib):
        dimensioned = [lib.ones(2, dtype=getattr(lib, name)) for name in (first, "int32", "float16")]
        return [*dimensioned, *(lib.ones((), dtype=getattr(lib, name)) for name in NAMES), True, 2, 2.5, 1j]

    ours, theirs = values(dovetail), values(torch)
    for pair in itertools.product((0, 3 + NAMES.index(first)), range(1, len(ours))):
        found = dovetail.result_type(*(ours[place] for place in pair)).name
        expected = name_of(torch.result_type(*(theirs[place] for place in pair)))
        assert found == ("complex64" if expected == "complex32" else expected), pair


@pytest.mark.parity
def test_any_mix_promotes_and_broadcasts_as_in_pytorch():
    torch = pytest.importorskip("torch")
    real = [name for name in NAMES if not name.startswith("complex")]
    operand = st.tuples(st.sampled_from(real), st.sampled_from([(), (1,), (3,), (2, 1), (2, 3), (0,)]))

    @settings(max_examples=300, derandomize=True, deadline=None)
    @given(operand, operand, st.sampled_from(["add", "mul", "div", "maximum", "eq", "where"]))
    def check(first, second, name):
        def run(lib):
            x, y = (lib.ones(shape, dtype=getattr(lib, dtype)) for dtype, shape in (first, second))
            return lib.where(x == y, x, y) if name == "where" else getattr(lib, name)(x, y)

        try:
            expected = run(torch)
        except RuntimeError:
            with pytest.raises(errors.ShapeError, match="do not broadcast"):
                run(dovetail)
            return
        found = run(dovetail)
        assert (found.dtype.name, tuple(found.shape)) == (name_of(expected.dtype), tuple(expected.shape))

    check()


@pytest.mark.parity
@pytest.mark.parametrize("name", NAMES)
def test_what_a_dtype_is(name):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(dovetail, name), getattr(torch, name)
    for attribute in ("itemsize", "is_floating_point", "is_complex", "is_signed"):
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    assert repr(ours) == f"dovetail.{name}"
    assert dovetail.ones(1, dtype=ours).dtype is ours
    if ours.is_floating_point:
        ours, theirs = dovetail.finfo(ours), torch.finfo(theirs)
        for attribute in ("bits", "eps", "max", "min", "tiny", "smallest_normal"):
            assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    elif not ours.is_complex and name != "bool":
        ours, theirs = dovetail.iinfo(ours), torch.iinfo(theirs)
        assert (ours.bits, ours.min, ours.max, ours.dtype) == (theirs.bits, theirs.min, theirs.max, theirs.dtype)


def test_aliases_and_identity():
    pairs = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32",
             "short": "int16", "cfloat": "complex64", "cdouble": "complex128"}  # fmt: skip
    for alias, name in pairs.items():
        assert getattr(dovetail, alias) is getattr(dovetail, name)
    assert dovetail.bool is dtypes.bool_
    assert isinstance(dovetail.float32, dovetail.dtype)
    for dtype in dtypes.DTYPES.values():
        assert pickle.loads(pickle.dumps(dtype)) is dtype
        assert copy.deepcopy(dtype) is dtype
        assert dtypes.from_numpy(dtype.numpy) is dtype
        assert dtypes.named(dtype.name) is dtype


def test_python_types_and_numpy_dtypes_name_dtypes():
    assert dovetail.ones(1, dtype=float).dtype is dovetail.float64
    assert dovetail.ones(1, dtype=int).dtype is dovetail.int64
    assert dovetail.ones(1).to(bool).dtype is dovetail.bool
    assert dovetail.tensor([1], dtype=np.float64).dtype is dovetail.float64
    assert dtypes.from_numpy(np.dtype(">f4")) is dovetail.float32


def test_the_default_dtype():
    assert dovetail.get_default_dtype() is dovetail.float32
    try:
        dovetail.set_default_dtype(dovetail.float64)
        assert dovetail.tensor([1.5]).dtype is dovetail.zeros(1).dtype is dovetail.float64
        assert (dovetail.tensor([1]) / 2).dtype is dovetail.float64
        assert dovetail.tensor([1j]).dtype is dovetail.complex128
        assert dovetail.finfo().bits == 64
    finally:
        dovetail.set_default_dtype(dovetail.float32)
    for wrong in (dovetail.int64, "float32"):
        with pytest.raises(errors.DTypeError, match="the default dtype must be a floating-point dtype"):
            dovetail.set_default_dtype(wrong)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dtypes.named("float8"), "no dtype 'float8'; there are bool, uint8"),
        (lambda: dovetail.from_numpy(np.zeros(1, dtype="uint32")), "no dtype for NumPy's uint32; convert the array"),
        (lambda: dovetail.zeros(1, dtype="nonsense"), "'nonsense' is no dtype; use one such as dovetail.float32"),
        (lambda: dovetail.finfo(dovetail.int32), "finfo takes a floating-point dtype, got dovetail.int32; use"),
        (lambda: dovetail.iinfo(dovetail.float32), "iinfo takes an integer dtype, got dovetail.float32; use"),
    ],
)
def test_errors(call, message):
    with pytest.raises(errors.DTypeError, match=message):
        call()
    with pytest.raises(TypeError, match="takes at least one tensor or number"):
        dovetail.result_type()


def test_bfloat16_counts_in_float32():
    many = dovetail.ones(1000, dtype=dovetail.bfloat16)
    assert many.sum().item() == 1000
    assert many.mean().item() == 1
    assert many.sum().dtype is many.sigmoid().dtype is (2.5 - many).dtype is dovetail.bfloat16
    assert dovetail.bfloat16 is (many @ many).dtype
    assert many.to(dovetail.float32).dtype is dovetail.float32
    assert many.sum(dtype=dovetail.float64).dtype is dovetail.float64
