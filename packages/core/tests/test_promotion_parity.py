"""Every binary operator on every pair of dtypes and kinds of operand, and broadcasting, against PyTorch."""

import functools
import itertools
import operator
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail import dtypes, errors

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

NAMES = list(dtypes.DTYPES)
OPERATORS = {
    "add": operator.add, "mul": operator.mul, "truediv": operator.truediv, "floordiv": operator.floordiv,
    "mod": operator.mod, "pow": operator.pow, "lt": operator.lt, "eq": operator.eq, "and": operator.and_,
    "or": operator.or_, "lshift": operator.lshift, "rshift": operator.rshift, "iadd": operator.iadd,
    "itruediv": operator.itruediv, "ifloordiv": operator.ifloordiv, "ipow": operator.ipow, "iand": operator.iand,
}  # fmt: skip
NUMBERS = {"True": True, "2": 2, "2.5": 2.5, "1+1j": 1 + 1j}
KINDS = [*(f"{name} {kind}" for name in NAMES for kind in ("dimensioned", "0-d")), *NUMBERS]


@pytest.fixture(params=["float32", "float64", "float16"])
def default(request):
    for lib in (dovetail, torch):
        lib.set_default_dtype(getattr(lib, request.param))
    yield request.param
    for lib in (dovetail, torch):
        lib.set_default_dtype(lib.float32)


def operand(lib, kind):
    """A new operand: 1 is true, and 2 is 2 in every dtype."""
    if kind in NUMBERS:
        return NUMBERS[kind]
    name, what = kind.split()
    values = [1, 0, 1] if name == "bool" else [1, 2, 3]
    return lib.tensor(values if what == "dimensioned" else values[-1], dtype=getattr(lib, name))


def run(lib, call, *kinds):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call(*(operand(lib, kind) for kind in kinds))
    except Exception as error:
        return error


def is_excused(name, first, second, theirs):
    """Whether a difference is a documented one: complex32, and booleans alone as numbers."""
    halves = {"float16 dimensioned", "float16 0-d"}
    complex_half = "complex32" in str(getattr(theirs, "dtype", theirs)) or "ComplexHalf" in str(theirs)
    only_bool = all(kind.startswith(("bool", "True")) for kind in (first, second))
    return complex_half or (only_bool and "pow" in name) or ("1+1j" in (first, second) and {first, second} & halves)


def differs(ours, theirs, tolerance=1e-5):
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        kinds = (RuntimeError, TypeError, errors.DovetailError)
        return not (isinstance(theirs, Exception) and isinstance(ours, kinds))
    if not isinstance(theirs, torch.Tensor):
        return ours != theirs
    name = str(theirs.dtype).split(".")[1]
    if ours.dtype.name != name or tuple(ours.shape) != tuple(theirs.shape):
        return True
    expected = np.asarray(theirs.to(torch.complex128))
    with np.errstate(all="ignore"):
        close = np.isclose(ours.to(dovetail.complex128).numpy(), expected, rtol=tolerance, atol=1e-6, equal_nan=True)
    return not close.all()


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_on_every_pair(name, default):
    call = OPERATORS[name]
    step = 1 if default == "float32" else 3  # the other defaults matter where a number or an integer is
    wrong = []
    for first, second in itertools.islice(itertools.product(KINDS, KINDS), 0, None, step):
        if first in NUMBERS and second in NUMBERS:
            continue
        ours, theirs = run(dovetail, call, first, second), run(torch, call, first, second)
        tolerance = 1e-2 if "float16" in first + second + default else 1e-5
        if differs(ours, theirs, tolerance) and not is_excused(name, first, second, theirs):
            wrong.append((first, second, ours, theirs))
    assert not wrong, wrong[:5]


def test_where_and_result_type_on_every_pair(default):
    def where(lib, x, y):
        return lib.where(lib.tensor([True, False, True]), x, y)

    def result_type(lib, x, y):
        return str(lib.result_type(x, y)).split(".")[1]

    wrong = []
    for call, (first, second) in itertools.product((where, result_type), itertools.product(KINDS, KINDS)):
        ours, theirs = (run(lib, functools.partial(call, lib), first, second) for lib in (dovetail, torch))
        if differs(ours, theirs) and theirs != "complex32" and not is_excused("", first, second, theirs):
            wrong.append((call.__name__, first, second, ours, theirs))
    assert not wrong, wrong[:5]


def test_numbers_beside_half_precision_round_as_in_pytorch():
    """Products count in float32 and round once; sums round the number first; in-place ones as others."""
    rng = np.random.default_rng(0)
    calls = [
        lambda x, k: x * k, lambda x, k: k * x, lambda x, k: x / k, lambda x, k: x + k, lambda x, k: k - x,
        lambda x, k: x.mul_(k), lambda x, k: x.add_(k), lambda x, k: x == k, lambda x, k: x < k,
    ]  # fmt: skip
    for name, call, k in itertools.product(("float16", "bfloat16"), calls, (0.1, 0.999, 1.003, -0.7, 3)):
        array = rng.normal(size=50) * 10 ** rng.uniform(-2, 2)
        ours, theirs = (call(lib.tensor(array).to(getattr(lib, name)), k) for lib in (dovetail, torch))
        assert ours.double().tolist() == theirs.double().tolist(), (name, k)


INTEGERS = [
    lambda lib, x: x + 1000, lambda lib, x: 1000 - x, lambda lib, x: x * -300, lambda lib, x: x << 3,
    lambda lib, x: x << 70, lambda lib, x: x >> 1, lambda lib, x: x >> -1, lambda lib, x: 1 << x,
    lambda lib, x: 99 >> x,
    lambda lib, x: x << x, lambda lib, x: x // 0, lambda lib, x: x % 0, lambda lib, x: x // (x - x),
    lambda lib, x: x // -1, lambda lib, x: x % -3, lambda lib, x: x**-1, lambda lib, x: x ** (x - x - 1).to(x.dtype),
    lambda lib, x: 2**x, lambda lib, x: abs(x), lambda lib, x: -x, lambda lib, x: ~x, lambda lib, x: x + 2**70,
    lambda lib, x: x.bitwise_left_shift(1), lambda lib, x: lib.bitwise_right_shift(x, 1), lambda lib, x: x**0,
    lambda lib, x: x / 0, lambda lib, x: x // 0.0, lambda lib, x: x + True, lambda lib, x: x**3,
]  # fmt: skip


@pytest.mark.parametrize("call", INTEGERS)
@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64"])
def test_integers_wrap_and_refuse_as_in_pytorch(compare, name, call):
    for values in ([1, 100, 3], [-1, -128, -7], [0, 2, 1]):
        array = np.array(values).astype(name)
        ours, theirs = ({"x": lib.tensor(array)} for lib in (dovetail, torch))
        found, expected = (run_one(lib, call, values["x"]) for lib, values in ((dovetail, ours), (torch, theirs)))
        assert not differs(found, expected), (values, found, expected)


def run_one(lib, call, x):
    try:
        return call(lib, x)
    except Exception as error:
        return error if not isinstance(error, OverflowError) else RuntimeError(str(error))


SHAPES = st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=4).map(tuple)


def test_any_shapes_broadcast_as_in_pytorch():
    @settings(max_examples=400, derandomize=True, deadline=None)
    @given(SHAPES, SHAPES, st.sampled_from(["add", "where", "lt", "iadd", "pow", "maximum"]))
    def check(first, second, name):
        def call(lib):
            x, y = lib.ones(first), lib.ones(second)
            if name == "where":
                return lib.where(x > 0, x, y)
            return x.add_(y) if name == "iadd" else getattr(lib, name)(x, y)

        try:
            expected = call(torch)
        except RuntimeError as error:
            words = str(error).replace("(", " ").replace(")", " ").split()
            refusal = [word for word in words if word.isdigit()][:2]
        else:
            assert tuple(call(dovetail).shape) == tuple(expected.shape)
            return
        with pytest.raises(errors.ShapeError) as found:
            call(dovetail)
        assert all(size in str(found.value) for size in refusal)

    check()
