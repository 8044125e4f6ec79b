"""Draws whose distribution tensors give, and what draws leave of autograd, beside PyTorch: equal numbers and states."""

import warnings

import numpy as np
import pytest

import dovetail

torch = pytest.importorskip("torch")
hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
pytestmark = pytest.mark.parity

FLOATS = ["float32", "float64", "float16", "bfloat16"]


def numbers(tensor):
    return tensor.float().numpy() if str(tensor.dtype).endswith("16") else tensor.numpy()


def check(call, *arrays, dtypes=("float32",), turned=False, seed=0, exact=True):
    """Assert that ``call(library, generator, *tensors)`` gives the same numbers and leaves the same state, or fails."""
    results, states = [], []
    for lib in (dovetail, torch):
        generator = lib.Generator().manual_seed(seed)
        tensors = [
            lib.tensor(a.astype(np.float32)).to(getattr(lib, dtypes[n % len(dtypes)])) for n, a in enumerate(arrays)
        ]
        if turned:
            tensors = [x.transpose(0, -1).clone().transpose(0, -1) if x.ndim else x for x in tensors]
            tensors = [turn(lib, x) for x in tensors]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                results.append(call(lib, generator, *tensors))
            except (RuntimeError, TypeError, ValueError) as error:
                results.append(error)
        states.append(generator.get_state().numpy().tobytes())
    ours, theirs = results
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        assert isinstance(ours, Exception), f"PyTorch refuses this: {theirs!r}; Dovetail gave {ours!r}"
        assert isinstance(theirs, Exception), f"PyTorch takes this: {ours!r}"
        return ours
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=0 if exact else 4e-3, atol=0 if exact else 1e-5)
    assert states[0] == states[1]
    return None


def turn(lib, x):
    """Return the same numbers, whose columns lie side by side in memory."""
    if x.ndim < 2:
        return x
    order = list(range(x.ndim))[::-1]
    return lib.tensor(np.ascontiguousarray(x.float().numpy().transpose(order))).to(x.dtype).permute(*order)


seeds = st.integers(0, 2**32)
shapes = st.sampled_from([(), (0,), (1,), (3,), (17,), (4, 5), (2, 3, 4)])


def values(shape, seed, low, high):
    return np.random.default_rng(seed).uniform(low, high, shape)


@hypothesis.settings(deadline=None, derandomize=True, max_examples=150)
@hypothesis.given(seeds, shapes, st.sampled_from(FLOATS), st.booleans(), st.sampled_from([1, 9, 40, 400]))
def test_bernoulli_poisson_and_binomial(seed, shape, dtype, turned, largest):
    p, rate = values(shape, seed, 0, 1), values(shape, seed + 1, 0, largest)
    options = {"dtypes": (dtype,), "turned": turned, "seed": seed}
    check(lambda lib, g, p: lib.bernoulli(p, generator=g), p, **options)
    check(lambda lib, g, p: lib.bernoulli(p, 0.3, generator=g), p, **options)
    check(lambda lib, g, x, p: x.bernoulli_(p, generator=g), p, p, **options)
    check(lambda lib, g, rate: lib.poisson(rate, generator=g), rate, **options)
    if dtype in ("float32", "float64"):
        check(lambda lib, g, n, p: lib.binomial(n, p, generator=g), np.floor(rate), p, **options)


@hypothesis.settings(deadline=None, derandomize=True, max_examples=150)
@hypothesis.given(
    seeds, st.sampled_from([(3,), (1,), (20,), (4, 5), (3, 50)]), st.sampled_from(["float32", "float64"]),
    st.booleans(), st.integers(0, 25), st.booleans(),
)  # fmt: skip
def test_multinomial(seed, shape, dtype, turned, samples, replacement):
    weights = values(shape, seed, 0, 3)
    check(
        lambda lib, g, x: lib.multinomial(x, samples, replacement, generator=g), weights, dtypes=(dtype,),
        turned=turned, seed=seed,
    )  # fmt: skip


@hypothesis.settings(deadline=None, derandomize=True, max_examples=100)
@hypothesis.given(
    seeds, st.sampled_from([((3,), (3,)), ((20,), ()), ((4, 1), (5,)), ((4, 5), (4, 5)), ((3,), (2,)), ((0,), (0,))]),
    st.sampled_from(FLOATS), st.sampled_from(FLOATS), st.booleans(),
)  # fmt: skip
def test_normal_of_tensors(seed, sizes, dtype, other, turned):
    mean, std = values(sizes[0], seed, -3, 3), values(sizes[1], seed, 0, 2)
    options = {"dtypes": (dtype, other), "turned": turned, "seed": seed, "exact": False}
    check(lambda lib, g, mean, std: lib.normal(mean, std, generator=g), mean, std, **options)
    check(lambda lib, g, mean: lib.normal(mean, 0.7, generator=g), mean, **options)
    check(lambda lib, g, std: lib.normal(1.5, std, generator=g), std, **options)
    check(lambda lib, g, mean: lib.normal(mean, generator=g), mean, **options)
