"""The elementwise ops that are imported when first asked for, against PyTorch: values, dtypes, gradients, errors."""

import numpy as np
import pytest

import dovetail

pytestmark = pytest.mark.parity

#: The range in which each is to be tried.
UNARY = {
    "acos": (-0.95, 0.95), "asin": (-0.95, 0.95), "sinh": (-3, 3), "cosh": (-3, 3), "asinh": (-3, 3),
    "acosh": (1.1, 5), "atanh": (-0.95, 0.95), "sinc": (-3, 3), "exp2": (-5, 5), "erfc": (-6, 25),
    "erfinv": (-0.9999, 0.9999), "lgamma": (-9.9, 25), "digamma": (-9.9, 25), "logit": (0.01, 0.99),
    "signbit": (-1, 1), "sgn": (-1, 1), "frac": (-5, 5), "deg2rad": (-400, 400), "rad2deg": (-7, 7), "fix": (-5, 5),
    "positive": (-1, 1),
}  # fmt: skip
PAIRS = ["atan2", "hypot", "logaddexp", "logaddexp2", "xlogy", "fmod", "copysign", "heaviside", "ldexp", "float_power"]
WHOLE = ["gcd", "lcm", "bitwise_left_shift", "bitwise_right_shift", "fmod"]
DTYPES = ["bool", "uint8", "int64", "float16", "float32", "float64"]
ALIASES = ["arccos", "arcsin", "arcsinh", "arccosh", "arctanh"]


def numbers(low, high, shape, dtype="float64", seed=0):
    values = np.random.default_rng(seed).uniform(low, high, shape)
    return np.asarray(np.abs(values) if dtype == "uint8" else values).astype(dtype)


@pytest.mark.parametrize("name", UNARY)
def test_unary(compare, name):
    precise = name not in ("digamma", "sgn")  # PyTorch's are good to 1e-9 only, and no numbers
    for shape in ((40,), (), (2, 0, 3)):
        compare(lambda lib, x: getattr(x, name)(), numbers(*UNARY[name], shape), gradients=precise)
    compare(lambda lib, x: getattr(lib, name)(x), numbers(*UNARY[name], (3, 4)), layout="strided", gradients=precise)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_unary_over_dtypes(compare, name, dtype):
    if (name, dtype) == ("sgn", "bool"):  # refused, as sign is; see docs/differences.md
        return
    compare(
        lambda lib, x: getattr(lib, name)(x),
        numbers(*UNARY[name], (3, 4), dtype),
        gradients=dtype == "float64" and name not in ("digamma", "sgn"),
    )


@pytest.mark.parametrize("name", UNARY)
def test_unary_at_special_numbers(compare, name):
    special = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, np.inf, -np.inf, np.nan, 1e-300, 1 - 1e-16])
    compare(lambda lib, x: getattr(lib, name)(x), special, gradients=name in ("sinc", "frac", "deg2rad"))


@pytest.mark.parametrize("name", ALIASES)
def test_other_names(compare, name):
    x = numbers(1.5, 2, (3,)) if name == "arccosh" else numbers(-0.9, 0.9, (3,))
    compare(lambda lib, x: (getattr(x, name)(), getattr(lib, name)(x), getattr(x.detach().clone(), f"{name}_")()), x)


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(compare, name):
    x, y = numbers(0.2, 3, (4, 3)), numbers(0.3, 2, (3,), seed=1)
    for first, second in ((x, y), (x[0], x), (-x, y), (x, -y), (x[:, :0], y[:0])):
        gradients = name != "heaviside" and not (name == "float_power" and (second < 0).any())
        if name in ("xlogy", "float_power"):
            first, second = np.abs(first), np.abs(second)
        compare(lambda lib, x, y: getattr(x, name)(y), first, second, gradients=gradients)
    zero = np.array([0.0, 0.0, 1.0, -1.0, np.inf, np.nan])
    compare(lambda lib, x, y: getattr(lib, name)(x, y), zero, zero[::-1].copy(), gradients=False)
    compare(lambda lib, x, y: getattr(lib, name)(x, y), zero, np.zeros(6), gradients=False)


@pytest.mark.parametrize("name", [*PAIRS, *WHOLE])
@pytest.mark.parametrize("first", ["bool", "uint8", "int64", "float32", "float64"])
def test_pairs_over_dtypes(compare, name, first):
    for second in ("uint8", "int64", "float32"):
        if name in ("hypot", "logaddexp", "logaddexp2", "heaviside") and first != second:
            continue
        x, y = numbers(0, 40, (4, 3), first), numbers(1, 6, (3,), second)
        if name == "ldexp" and first != second:  # computed in float32 by both, and rounded otherwise
            continue
        compare(lambda lib, x, y: getattr(lib, name)(x, y), x, y, gradients=False)


@pytest.mark.parametrize("mode", [None, "trunc", "floor"])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64"])
def test_division_by_rounding_mode(compare, mode, dtype):
    x, y = np.array([7, -7, 7, -7, 0, 6]).astype(dtype), np.array([2, 2, -2, -2, 3, 3]).astype(dtype)
    for name in ("div", "divide"):
        compare(lambda lib, x, y, name=name: getattr(lib, name)(x, y, rounding_mode=mode), x, y)
        compare(lambda lib, x, name=name: getattr(x, name)(3, rounding_mode=mode), x)
    compare(lambda lib, x, y: x.div_(y, rounding_mode=mode), x, y, gradients=False)


@pytest.mark.parametrize("decimals", [0, 1, 3, -1])
def test_rounding_to_decimals(compare, decimals):
    compare(lambda lib, x: (lib.round(x, decimals=decimals), x.round(decimals=decimals)), numbers(-50, 50, (20,)))


@pytest.mark.parametrize("name", ["clamp_min", "clamp_max"])
def test_one_sided_clamps(compare, name):
    x = numbers(-2, 2, (3, 4))
    compare(lambda lib, x: (getattr(x, name)(0.5), getattr(lib, name)(x, lib.zeros(4, dtype=x.dtype))), x)
    compare(lambda lib, x: getattr(x, f"{name}_")(0.5), x, gradients=False)
    compare(lambda lib, x: getattr(x, name)(2), numbers(-5, 5, (4,), "int64"))
    compare(lambda lib, x: getattr(x, name)(2.5), numbers(-5, 5, (4,), "int64"))


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_polygamma(compare, order):
    tolerant = numbers(0.5, 20, (30,), "float32")  # PyTorch's trigamma is good to 1e-9 only
    compare(lambda lib, x: lib.polygamma(order, x), tolerant if order == 1 else tolerant.astype("float64"),
            gradients=order > 1)  # fmt: skip
    compare(lambda lib, x: lib.polygamma(order, x), np.array([0.5, np.nan, 2.0], "float32"), gradients=False)


@pytest.mark.parametrize("operation", [lambda x: x << 2, lambda x: x >> 1, lambda x: 3 << x, lambda x: 64 >> x])
def test_shift_operators(compare, operation):
    compare(lambda lib, x: operation(x), np.array([0, 1, 5, 3]))


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: x.acos(1),
        lambda lib, x: lib.gcd(x, x),
        lambda lib, x: lib.lcm(x, x),
        lambda lib, x: lib.atan2(x, lib.ones(5)),
        lambda lib, x: x.div(2, rounding_mode="up"),
        lambda lib, x: lib.polygamma(-1, x),
        lambda lib, x: x << 1,
        lambda lib, x: lib.lgamma("a"),
        lambda lib, x: x.requires_grad_().acos_(),
    ],
)
def test_errors_in_both(compare, call):
    assert compare(call, numbers(0, 1, (3, 4)), gradients=False) is not None


def test_second_derivatives():
    from dovetail.testing import gradgradcheck

    x = dovetail.tensor(numbers(0.2, 0.8, (3,)), requires_grad=True)
    for name in ("acos", "asin", "atanh", "sinc", "exp2", "erfc", "erfinv", "lgamma", "digamma", "logit", "frac"):
        assert gradgradcheck(getattr(dovetail, name), (x,)), name


def test_errors_say_what_is_allowed():
    x = dovetail.ones(2)
    with pytest.raises(dovetail.errors.DTypeError, match=r"gcd: takes integers, got float32; convert"):
        dovetail.gcd(x, x)
    with pytest.raises(ValueError, match="div: rounding_mode is None, 'trunc' or 'floor', got 'up'"):
        x.div(2, rounding_mode="up")
    with pytest.raises(ValueError, match="polygamma: n must be 0 or more, got -1"):
        dovetail.polygamma(-1, x)
