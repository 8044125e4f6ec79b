"""Elementwise ops against PyTorch: values, dtypes, sizes, gradients, errors."""

import numpy as np
import pytest

import dovetail

pytestmark = pytest.mark.parity

SIZES = [(), (3,), (0,), (2, 3), (2, 0, 3), (2, 1, 3)]
DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]

UNARY = [
    "abs",
    "neg",
    "square",
    "reciprocal",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tan",
    "tanh",
    "atan",
    "sigmoid",
    "relu",
    "erf",
    "floor",
    "ceil",
    "round",
    "trunc",
    "sign",
    "isnan",
    "isinf",
    "isfinite",
    "logical_not",
    "clone",
]
BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "floor_divide",
    "remainder",
    "pow",
    "maximum",
    "minimum",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "logical_and",
    "logical_or",
    "logical_xor",
]
BITWISE = ["bitwise_and", "bitwise_or", "bitwise_xor"]
OPERATORS = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "**": lambda x, y: x**y,
    "==": lambda x, y: x == y,
    "<": lambda x, y: x < y,
}


#: Where Dovetail takes booleans as numbers, or does not, unlike PyTorch; see docs/differences.md.
ON_PURPOSE = {("square", "bool"), ("sign", "bool"), ("sub", "bool"), ("-", "bool"), ("-", True), ("**", True)}


def numbers(shape, dtype="float32", seed=0):
    """Return numbers of both signs, whole ones for integers; bfloat16 comes as float32."""
    values = np.asarray(np.random.default_rng(seed).uniform(-3, 3, shape))
    if dtype == "bool":
        return np.asarray(values > 0)
    if dtype == "uint8":
        return np.asarray(np.abs(np.trunc(values * 2))).astype(dtype)
    if dtype.startswith("int"):
        return np.asarray(np.trunc(values * 2)).astype(dtype)
    return values.astype("float32" if dtype == "bfloat16" else dtype)


def in_dtype(call, *names):
    """Return the call with its tensors brought to dtypes that NumPy does not have."""
    return lambda lib, *tensors: call(
        lib, *[x.to(lib.bfloat16) if name == "bfloat16" else x for x, name in zip(tensors, names, strict=True)]
    )


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("layout", ["plain", "strided", "permuted"])
def test_unary_over_sizes(compare, name, layout):
    for shape in SIZES:
        compare(lambda lib, x: getattr(x, name)(), numbers(shape), layout=layout)
    compare(lambda lib, x: getattr(lib, name)(x), numbers((3, 2), "float64"), layout=layout)


@pytest.mark.parametrize("name", [*UNARY, "bitwise_not"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_unary_over_dtypes(compare, name, dtype):
    if (name, dtype) in ON_PURPOSE:
        with pytest.raises(dovetail.errors.DTypeError, match=f"{name}: takes numbers, got dovetail.bool"):
            getattr(dovetail.tensor([True]), name)()
        return
    for shape in ((), (4, 3)):
        compare(in_dtype(lambda lib, x: getattr(x, name)(), dtype), numbers(shape, dtype), gradients=False)


@pytest.mark.parametrize("name", UNARY)
def test_unary_at_special_numbers(compare, name):
    special = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, np.inf, -np.inf, np.nan, 1e-30, 1e30, 88.0, -104.0])
    if name == "relu":  # whose gradient at nan is 0 here
        special = special[~np.isnan(special)]
    compare(lambda lib, x: getattr(x, name)(), special.astype("float32"))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("layout", ["plain", "strided", "permuted"])
def test_binary_over_sizes(compare, name, layout):
    pairs = [((), ()), ((3,), ()), ((), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((0,), (1,)), ((2, 0), (1,)),
             ((2, 3), (2, 3)), ((4, 1, 3), (2, 1))]  # fmt: skip
    for first, second in pairs:
        x, y = np.asarray(np.abs(numbers(first, seed=1)) + 0.1), numbers(second, seed=2)
        gradients = name != "floor_divide"
        compare(lambda lib, x, y: getattr(x, name)(y), x, y, layout=layout, gradients=gradients)
        compare(lambda lib, x, y: getattr(lib, name)(x, y), x, y, layout=layout, gradients=gradients)


@pytest.mark.parametrize("name", [*BINARY, *BITWISE])
@pytest.mark.parametrize("first", DTYPES)
def test_binary_over_dtypes(compare, name, first):
    for second in DTYPES:
        if (name, second) in ON_PURPOSE or (name, first) in ON_PURPOSE:
            continue
        x, y = np.abs(numbers((4, 2), first, seed=1)), np.abs(numbers((2,), second, seed=2))
        y[y == 0] = 1
        compare(in_dtype(lambda lib, x, y: getattr(x, name)(y), first, second), x, y, gradients=False)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [2, 2.5, True])
def test_operators_with_python_numbers(compare, name, dtype, number):
    if (name, number if number is True else dtype) in ON_PURPOSE:
        assert isinstance(OPERATORS[name](dovetail.tensor([3]), True), dovetail.Tensor)
        return
    call = OPERATORS[name]
    gradients = dtype[:5] == "float" and name not in ("//", "%")
    for shape in ((), (3,)):
        x = numbers(shape, dtype)
        compare(in_dtype(lambda lib, x: call(x, number), dtype), x, gradients=gradients)
        positive = np.where(x == 0, 1, np.abs(x)).astype(x.dtype)
        compare(in_dtype(lambda lib, x: call(number, x), dtype), positive, gradients=gradients)


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "div", "pow"])
def test_signs_and_zeros(compare, name):
    x, y = np.array([7.0, -7.0, 7.0, -7.0, 0.0, 6.0, -6.0]), np.array([2.0, 2.0, -2.0, -2.0, 3.0, 3.0, 3.0])
    for dtype in ("float32", "float64", "int32", "int64"):
        second = np.abs(y) if name == "pow" else y
        compare(lambda lib, x, y: getattr(x, name)(y), x.astype(dtype), second.astype(dtype), gradients=False)
    zeros = np.array([0.0, 1.0, -1.0, np.inf, np.nan])
    compare(lambda lib, x: getattr(x, name)(0.0), zeros, gradients=False)
    compare(lambda lib, x: getattr(lib.ones(5, dtype=lib.float64), name)(x), zeros, gradients=False)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, -0.5, 2.0, 1.5])
def test_pow_by_numbers(compare, exponent):
    for values in (np.abs(numbers((3, 2))) + 0.1, np.array([0.0, 1.0, 4.0]), numbers((3,), "int64")):
        compare(lambda lib, x: x**exponent, values)
        compare(lambda lib, x: lib.pow(x, exponent), values)
    compare(lambda lib, x: exponent**x, np.abs(numbers((3,))))


def test_pow_gradients_of_both(compare):
    x, y = np.array([0.0, 0.0, 2.0, 3.0, 1.0]), np.array([2.0, 0.0, 3.0, -1.0, 0.5])
    compare(lambda lib, x, y: x**y, x, y)


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: x.clamp(-1, 1),
        lambda lib, x: x.clamp(min=0.5),
        lambda lib, x: x.clamp(max=0.5),
        lambda lib, x: lib.clamp(x, 0.0, 2.0),
        lambda lib, x: x.clip(-1, 1),
        lambda lib, x: lib.where(x > 0, x, -x),
        lambda lib, x: lib.where(x > 0, x, 0.0),
        lambda lib, x: lib.where(x > 0, 1.0, x),
        lambda lib, x: x.where(x > 0, lib.zeros(3)),
        lambda lib, x: x.masked_fill(x > 0, 7.0),
        lambda lib, x: lib.masked_fill(x, x > 0, 7),
        lambda lib, x: x.softmax(-1),
        lambda lib, x: lib.softmax(x, dim=0),
        lambda lib, x: x.log_softmax(-1),
        lambda lib, x: lib.log_softmax(x, dim=0),
        lambda lib, x: x + x,
        lambda lib, x: x * x * x,
        lambda lib, x: -x / (1 + x.abs()),
        lambda lib, x: lib.relu(x - 1) + x.sigmoid(),
    ],
)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0, 3)])
def test_more_elementwise(compare, call, shape):
    compare(call, numbers(shape))
    compare(call, numbers(shape, "float64"), layout="strided")


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: x.add(lib.ones(4)),
        lambda lib, x: x + "a",
        lambda lib, x: x + None,
        lambda lib, x: lib.exp(x, 1),
        lambda lib, x: x.add(),
        lambda lib, x: lib.where(x, x, x),
        lambda lib, x: x & x,
        lambda lib, x: ~x,
        lambda lib, x: x.softmax(5),
        lambda lib, x: x < "a",
        lambda lib, x: x.masked_fill(x, 1.0),
        lambda lib, x: x.clamp(),
        lambda lib, x: lib.ones(2, dtype=lib.int64) ** -1,
        lambda lib, x: x.bool() - x.bool(),
        lambda lib, x: -x.bool(),
    ],
)
def test_errors_in_both(compare, call):
    assert compare(call, numbers((2, 3))) is not None
