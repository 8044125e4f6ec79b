"""Sequences of draws of all kinds, dtypes, sizes and layouts: PyTorch's numbers, and its generator state after."""

import warnings

import numpy as np
import pytest

import dovetail

torch = pytest.importorskip("torch")
hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
pytestmark = pytest.mark.parity

FLOATS = ["float32", "float64", "float16", "bfloat16"]
WHOLE = ["int64", "int32", "int16", "int8", "uint8", "bool"]
TOLERANCE = {"float32": 4e-6, "float64": 1e-13, "float16": 4e-3, "bfloat16": 3e-2, "complex64": 4e-6}
#: Memory layouts: how a tensor of given sizes is made; "rows" is the plain one.
LAYOUTS = {
    "rows": lambda lib, shape, dtype: lib.zeros(shape, dtype=dtype),
    "turned": lambda lib, shape, dtype: lib.zeros(shape[::-1], dtype=dtype).permute(*range(len(shape))[::-1]),
    "strided": lambda lib, shape, dtype: lib.zeros((*shape[:-1], 2 * shape[-1]), dtype=dtype)[..., ::2],
    "rolled": lambda lib, shape, dtype: lib.zeros(
        (*shape[1:], shape[0]), dtype=dtype).permute(len(shape) - 1, *range(len(shape) - 1)),
}  # fmt: skip


def method(name, *args, **kwargs):
    return lambda lib, x, generator: getattr(x, name)(*args, generator=generator, **kwargs)


number = st.sampled_from([-3.5, -1.0, -0.1, 0.0, 0.3, 1.0, 2.7, 100.0])
positive = st.sampled_from([1e-3, 0.3, 1.0, 2.5])
probability = st.sampled_from([0.0, 1e-9, 0.1, 0.3, 0.5, 0.7, 0.999, 1.0])
inner = st.sampled_from([1e-3, 0.1, 0.3, 0.5, 0.7, 0.999])
bound = st.sampled_from([0, 1, 2, 10, 127, 128, 255, 256, 2**24, 2**28 - 1, 2**28, 2**31, 2**40, 2**62])

in_place = st.one_of(
    st.builds(lambda low, width: method("uniform_", low, low + width), number, st.sampled_from([0.0, 0.5, 1.0, 7.0])),
    st.builds(lambda mean, std: method("normal_", mean, std), number, positive),
    st.just(method("normal_")),
    st.just(method("uniform_")),
    st.builds(lambda rate: method("exponential_", rate), positive),
    st.builds(lambda mean, std: method("log_normal_", mean, std), number.filter(lambda n: n < 5), positive),
    st.builds(lambda median, sigma: method("cauchy_", median, sigma), number, positive),
    st.builds(lambda p: method("geometric_", p), inner),
    st.builds(lambda p: method("bernoulli_", p), probability),
    st.just(method("random_")),
    st.builds(lambda high: method("random_", high), bound),
    st.builds(lambda low, width: method("random_", low, low + width), bound, bound),
    st.builds(lambda low, high: method("random_", -low, high), bound, bound),
    st.builds(lambda low: method("random_", low, None), bound),
    st.builds(lambda low: method("random_", -low, None), bound),
    st.just(method("random_", -(2**63), None)),
)
sizes = st.one_of(
    st.lists(st.integers(0, 6), max_size=3),
    st.lists(st.integers(1, 40), min_size=1, max_size=1),
    st.sampled_from([[1000], [16], [15], [17], [4, 4], [3, 5], [32, 33], [100, 7, 3]]),
).map(tuple)
filling = st.tuples(
    st.just("fill"), in_place, st.sampled_from([*FLOATS, *FLOATS, *WHOLE, "complex64", "complex128"]),
    sizes, st.sampled_from(sorted(LAYOUTS)),
)  # fmt: skip


def made(name, *args, **kwargs):
    def call(lib, generator):
        options = {key: getattr(lib, value) if key == "dtype" else value for key, value in kwargs.items()}
        return getattr(lib, name)(*args, generator=generator, **options)

    return call


making = st.tuples(
    st.just("make"),
    st.one_of(
        st.builds(lambda shape, dtype: made("rand", shape, dtype=dtype), sizes, st.sampled_from(FLOATS)),
        st.builds(lambda shape, dtype: made("randn", shape, dtype=dtype), sizes, st.sampled_from(FLOATS)),
        st.builds(lambda n: made("randperm", n), st.one_of(st.integers(0, 50), st.sampled_from([600, 1000, 5000]))),
        st.builds(
            lambda low, high, shape, dtype: made("randint", low, high, shape, dtype=dtype),
            bound.map(lambda n: -n // 2), bound, sizes, st.sampled_from([*FLOATS, *WHOLE]),
        ),
        st.builds(lambda mean, std, shape: made("normal", mean, std, shape), number, positive, sizes),
    ),
)  # fmt: skip


def run(call, lib, generator, dtype=None, shape=None, layout="rows"):
    x = [] if dtype is None else [LAYOUTS[layout if shape else "rows"](lib, shape, getattr(lib, dtype))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(lib, *x, generator)
        except (RuntimeError, TypeError, ValueError) as error:
            return error


def same(ours, theirs, dtype):
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        assert isinstance(theirs, Exception), f"PyTorch takes this: {ours!r}"
        assert isinstance(ours, Exception), f"PyTorch refuses this: {theirs!r}"
        return
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    if theirs.dtype in (torch.bfloat16, torch.float16):
        ours, theirs = ours.float(), theirs.float()
    tolerance = TOLERANCE.get(dtype, 0 if dtype in WHOLE else 1e-13)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=tolerance, atol=tolerance)


@hypothesis.settings(deadline=None, derandomize=True, max_examples=400)
@hypothesis.given(st.integers(-(2**63), 2**64 - 1), st.lists(st.one_of(filling, making), min_size=1, max_size=8))
def test_any_sequence_of_draws(seed, steps):
    ours, theirs = dovetail.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    for _, call, *rest in steps:
        dtype = rest[0] if rest else ""
        results = [run(call, lib, generator, *rest) for lib, generator in ((dovetail, ours), (torch, theirs))]
        same(*results, dtype or str(getattr(results[1], "dtype", "")).removeprefix("torch."))
        assert ours.state_bytes() == theirs.get_state().numpy().tobytes()
