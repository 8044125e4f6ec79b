"""The draws against PyTorch 2.13's CPU generator: equal bits, up to the last ones of log, sin and cos."""

import numpy as np
import pytest

from dovetail import random

torch = pytest.importorskip("torch")
ml_dtypes = pytest.importorskip("ml_dtypes")
pytestmark = pytest.mark.parity

SEEDS = [0, 1, 42, 2**32 + 5, 2**64 - 1, -1, -(2**63), *range(100, 110)]
SIZES = [0, 1, 2, 15, 16, 17, 31, 32, 100, 1000]
DTYPES = {
    torch.float32: (np.float32, 1e-6),
    torch.float64: (np.float64, 1e-14),
    torch.float16: (np.float16, 1e-2),
    torch.bfloat16: (ml_dtypes.bfloat16, 5e-2),
}


def numpy_of(tensor):
    return tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()


def check(array, tensor, tolerance=0.0):
    expected = numpy_of(tensor)
    assert array.shape == expected.shape
    if tolerance == 0.0:
        np.testing.assert_array_equal(array.astype(expected.dtype), expected)
    else:
        np.testing.assert_allclose(array.astype(expected.dtype), expected, rtol=tolerance, atol=tolerance)


@pytest.fixture(params=SEEDS)
def pair(request):
    ours, theirs = random.Generator().manual_seed(request.param), torch.Generator().manual_seed(request.param)
    assert ours.initial_seed() == theirs.initial_seed()
    yield ours, theirs
    assert ours.state_bytes() == theirs.get_state().numpy().tobytes()  # nothing was drawn too much or too little


@pytest.mark.parametrize("torch_dtype", DTYPES)
def test_floating_point_draws_in_any_order(pair, torch_dtype):
    ours, theirs = pair
    dtype, tolerance = DTYPES[torch_dtype]
    for size in SIZES:
        empty = torch.empty(size, dtype=torch_dtype)
        check(random.uniform((size,), dtype, generator=ours), torch.rand(size, dtype=torch_dtype, generator=theirs))
        check(
            random.normal((size,), dtype, generator=ours),
            torch.randn(size, dtype=torch_dtype, generator=theirs),
            tolerance,
        )
        check(random.uniform((size,), dtype, -0.37, 0.91, ours), empty.uniform_(-0.37, 0.91, generator=theirs))
        check(
            random.normal((1,), dtype, generator=ours), torch.randn(1, dtype=torch_dtype, generator=theirs), tolerance
        )
        check(random.normal((size,), dtype, 0.1, 0.3, ours), empty.normal_(0.1, 0.3, generator=theirs), tolerance)
        check(random.exponential((size,), dtype, 1.7, ours), empty.exponential_(1.7, generator=theirs), tolerance)
        check(random.bernoulli(0.3, (size,), dtype, ours), empty.bernoulli_(0.3, generator=theirs))
        check(random.random_full_range((size,), dtype, ours), empty.random_(generator=theirs))


@pytest.mark.parametrize("torch_dtype", DTYPES)
def test_bernoulli_with_a_probability_per_element(pair, torch_dtype):
    ours, theirs = pair
    probabilities = torch.linspace(0, 1, 50).to(torch_dtype)
    array = numpy_of(probabilities).astype(DTYPES[torch_dtype][0])
    check(random.bernoulli(array, generator=ours), torch.bernoulli(probabilities, generator=theirs))


@pytest.mark.parametrize("torch_dtype", [torch.complex64, torch.complex128])
def test_complex_draws(pair, torch_dtype):
    ours, theirs = pair
    dtype = str(torch_dtype).removeprefix("torch.")
    for size in SIZES:
        check(random.uniform((size,), dtype, generator=ours), torch.rand(size, dtype=torch_dtype, generator=theirs))
        check(
            random.normal((size,), dtype, generator=ours), torch.randn(size, dtype=torch_dtype, generator=theirs), 2e-6
        )


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 10), (-5, 17), (0, 2**28 - 1), (0, 2**28), (0, 2**32), (-(2**40), 2**50), (-(2**63), 2**63 - 1)],
)
def test_integers(pair, low, high):
    ours, theirs = pair
    for size in SIZES:
        check(
            random.random_integers(low, high, (size,), generator=ours),
            torch.randint(low, high, (size,), generator=theirs),
        )


@pytest.mark.parametrize("name", ["bool", "uint8", "int8", "int16", "int32", "int64"])
def test_the_full_range_of_integer_dtypes(pair, name):
    ours, theirs = pair
    check(
        random.random_full_range((100,), name, ours),
        torch.empty(100, dtype=getattr(torch, name)).random_(generator=theirs),
    )


def test_permutations_and_the_seeds_of_a_loader(pair):
    ours, theirs = pair
    for size in SIZES:
        check(random.permutation(size, ours), torch.randperm(size, generator=theirs))
        assert random.random_int64(ours) == torch.empty((), dtype=torch.int64).random_(generator=theirs).item()


def test_the_shuffle_of_pytorchs_data_loader():
    torch.manual_seed(11)
    loader = torch.utils.data.DataLoader(torch.arange(1000), batch_size=1000, shuffle=True)
    expected = next(iter(loader))
    random.manual_seed(11)
    random.random_int64()  # the base seed of the workers
    shuffler = random.Generator().manual_seed(random.random_int64())
    check(random.permutation(1000, shuffler), expected)


def test_each_continues_from_the_others_state():
    ours, theirs = random.Generator().manual_seed(4), torch.Generator().manual_seed(9)
    torch.randn(3, generator=theirs)
    ours.set_state_bytes(theirs.get_state().numpy().tobytes())
    check(random.normal((4,), np.float64, generator=ours), torch.randn(4, dtype=torch.float64, generator=theirs), 1e-14)
    random.normal((1,), generator=ours)
    theirs.set_state(torch.from_numpy(np.frombuffer(ours.state_bytes(), np.uint8).copy()))
    check(random.normal((4,), np.float64, generator=ours), torch.randn(4, dtype=torch.float64, generator=theirs), 1e-14)
