"""Functions over lists of tensors, settings, special functions by their own module and spectra, against PyTorch."""

import numpy as np
import pytest

import dovetail

pytestmark = pytest.mark.parity


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 2, shape)


def each(lib, names, *arguments):
    return [getattr(lib, f"_foreach_{name}")(*arguments) for name in names]


LISTS = {
    "one": lambda lib, x, y: each(lib, ("neg", "sqrt", "reciprocal", "exp", "abs"), [x, y]),
    "pairs": lambda lib, x, y: each(lib, ("add", "mul", "sub", "div", "maximum"), [x, y], [y, x]),
    "numbers": lambda lib, x, y: each(lib, ("add", "mul", "pow", "minimum", "div"), [x, y], 2.0),
    "numbers each": lambda lib, x, y: lib._foreach_mul([x, y], [2.0, 3.0]),
    "alpha": lambda lib, x, y: (lib._foreach_add([x, y], [y, x], alpha=0.5), lib._foreach_sub([x], [y], alpha=2)),
    "products": lambda lib, x, y: lib._foreach_addcmul([x], [y], [x], value=2.0),
    "quotients": lambda lib, x, y: lib._foreach_addcdiv([x, y], [y, x], [x, x], [1.0, 2.0]),
    "lerp": lambda lib, x, y: (lib._foreach_lerp([x], [y], 0.25), lib._foreach_lerp([x], [y], [y])),
    "norm": lambda lib, x, y: (lib._foreach_norm([x, y]), lib._foreach_norm([x], 1)),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(compare, name):
    compare(LISTS[name], numbers(2, 3), numbers(2, 3, seed=1))


def test_lists_in_place(compare):
    def call(lib, x, y):
        lib._foreach_add_([x, y], [y, x], alpha=0.5)
        lib._foreach_mul_([x, y], 0.5)
        lib._foreach_div_([x], [y])
        lib._foreach_addcmul_([x], [y], [y], value=0.1)
        lib._foreach_addcdiv_([x], [y], [y], [0.1])
        lib._foreach_sqrt_([y])
        lib._foreach_lerp_([x], [y], 0.5)
        lib._foreach_maximum_([x], [y])
        lib._foreach_clamp_min_([x], 0.8)
        lib._foreach_neg_([y])
        lib._foreach_reciprocal_([x])
        z = [x.clone(), y.clone()]
        lib._foreach_zero_(z)
        lib._foreach_copy_([z[0]], [x])
        return x, y, z

    compare(call, numbers(2, 3), numbers(2, 3, seed=1), gradients=False)


SPECIAL = [
    "digamma", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p", "logit", "ndtr", "ndtri", "psi",
    "sinc", "entr",
]  # fmt: skip


@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions(compare, name):
    gradients = name not in ("digamma", "psi")
    compare(lambda lib, x: getattr(lib.special, name)(x), numbers(20) / 2.1, gradients=gradients)


def test_more_special_functions(compare):
    compare(lambda lib, x: (lib.special.softmax(x, 0), lib.special.log_softmax(x, dim=0)), numbers(5))
    compare(
        lambda lib, x: (lib.special.xlogy(x, x), lib.special.xlog1py(x, x), lib.special.polygamma(2, x)), numbers(5)
    )
    compare(lambda lib, x: (lib.special.logsumexp(x, 0), lib.special.round(x, decimals=1)), numbers(5))
    compare(lambda lib, x: lib.special.entr(x), np.array([-1.0, 0.0, 0.5]), gradients=False)


STFT = [
    {"n_fft": 8}, {"n_fft": 8, "hop_length": 3}, {"n_fft": 8, "win_length": 6}, {"n_fft": 7, "center": False},
    {"n_fft": 8, "normalized": True}, {"n_fft": 8, "onesided": False}, {"n_fft": 8, "pad_mode": "constant"},
]  # fmt: skip


@pytest.mark.parametrize("options", STFT)
@pytest.mark.parametrize("shape", [(21,), (2, 20)])
def test_short_time_transforms(compare, options, shape):
    size = options.get("win_length", options["n_fft"])

    def call(lib, x, w):
        z = lib.stft(x, window=w, return_complex=True, **options)
        return z.real, z.imag, x.stft(window=w, return_complex=True, **options).abs()

    compare(call, numbers(*shape), numbers(size))

    def back(lib, x, w):
        chosen = {name: value for name, value in options.items() if name != "pad_mode"}
        z = lib.stft(x, window=w, return_complex=True, **options)
        return lib.istft(z, window=w, **chosen), z.istft(window=w, length=18, **chosen)

    if options.get("center", True):
        compare(back, numbers(*shape), numbers(size))


def test_odds_and_ends(compare):
    compare(lambda lib, x: (lib.scalar_tensor(3), lib.range(0, 3), lib.range(1, 4, 0.5), lib.fill(x, 2.0)), numbers(3))
    compare(lambda lib, x: (x.clone().apply_(lambda v: v + 1), x.clone().map_(x, lambda a, b: a * b)), numbers(2, 3),
            gradients=False)  # fmt: skip
    compare(lambda lib, x: (lib.typename(3), lib.typename("a")), numbers(3), gradients=False)
    x = dovetail.ones(2)
    assert x.pin_memory() is x
    assert not x.is_pinned()
    assert x.record_stream(None) is None


def test_settings():
    before = dovetail.get_num_threads()
    dovetail.set_num_threads(1)
    assert dovetail.get_num_threads() == 1
    dovetail.set_num_threads(before)
    dovetail.set_float32_matmul_precision("high")
    assert dovetail.get_float32_matmul_precision() == "high"
    dovetail.set_float32_matmul_precision("highest")
    with pytest.warns(UserWarning, match="'low' is none of highest, high, medium; nothing is changed"):
        dovetail.set_float32_matmul_precision("low")


REFUSED = [
    (lambda lib, x: lib._foreach_add([], 1), "_foreach_add: expected a list of at least one tensor"),
    (lambda lib, x: lib._foreach_add([x], [1.0, 2.0]), "_foreach_add: lists must be of one length, got 1 and 2"),
    (lambda lib, x: lib.set_num_threads(0), "set_num_threads: takes a positive integer, got 0"),
    (lambda lib, x: x.requires_grad_().apply_(lambda v: v), "apply_: cannot be called on a tensor that requires grad"),
    (lambda lib, x: lib.range(3, 0), "range: cannot go from 3 to 0 in steps of 1"),
    (lambda lib, x: lib.fill(x, x), "fill: value must be a number or a 0-d tensor"),
    (lambda lib, x: lib.stft(x, 4, window=x), "stft: say return_complex=True"),
    (lambda lib, x: lib.stft(x, 16, return_complex=True), "stft: pad_mode='reflect' needs more than 8 samples, got 4"),
    (lambda lib, x: lib.stft(x, 3, 1, window=x, return_complex=True), "stft: the window must be a vector of 3"),
    (lambda lib, x: lib.stft(x, 3, 1, win_length=9, return_complex=True), "stft: win_length must be from 1 to n_fft"),
    (lambda lib, x: lib.stft(x, 9, center=False, return_complex=True), "stft: n_fft must be from 1 to the number"),
    (lambda lib, x: lib.stft(x.long(), 2, return_complex=True), "stft: takes a floating point signal"),
    (lambda lib, x: lib.istft(x, 2), "istft: takes complex numbers"),
    (lambda lib, x: lib.istft(lib.complex(x, x)[None], 4), "istft: 1 frequencies do not go with n_fft 4"),
]


@pytest.mark.parametrize(("call", "says"), REFUSED)
def test_errors_in_both(compare, call, says):
    error = compare(call, numbers(4), gradients=False)
    with pytest.raises((RuntimeError, ValueError), match=says):
        raise error
