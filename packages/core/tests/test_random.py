"""The generator and its draws, without PyTorch: reference values, states, threads, errors."""

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dovetail
from dovetail import random


@pytest.fixture
def generator():
    return random.Generator().manual_seed(0)


def test_the_twister_is_the_reference_one():
    # the C++ standard ([rand.predef]) gives this value for the 10,000th number of seed 5489
    assert random.Generator().manual_seed(5489).words(10_000)[-1] == 4123659995


def test_uniform_gives_the_numbers_known_from_pytorch_for_seed_0(generator):
    np.testing.assert_allclose(random.uniform((3,), generator=generator), [0.4963, 0.7682, 0.0885], atol=5e-5)


def test_normal_gives_the_numbers_known_from_pytorch_for_seed_0(generator):
    np.testing.assert_allclose(random.normal((3,), generator=generator), [1.5410, -0.2934, -2.1788], atol=5e-5)


def test_permutation_gives_the_order_known_from_pytorch_for_seed_0(generator):
    assert random.permutation(5, generator).tolist() == [4, 0, 1, 3, 2]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3), (4, 5, 6)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_draws_have_the_shape_and_dtype_asked_for(generator, shape, dtype):
    for draw in (random.uniform, random.normal):
        array = draw(shape, dtype, generator=generator)
        assert array.shape == shape
        assert array.dtype == dtype


def test_uniform_stays_below_its_upper_bound_when_rounding_reaches_it(generator):
    drawn = random.uniform((100_000,), np.float32, 1e6, 1e6 + 1, generator)
    assert drawn.min() >= 1e6
    assert drawn.max() < 1e6 + 1


def test_uniform_of_one_point_is_that_point(generator):
    assert (random.uniform((4,), np.float64, 2.5, 2.5, generator) == 2.5).all()


def test_normal_has_the_mean_and_deviation_asked_for(generator):
    drawn = random.normal((100_000,), np.float64, 3.0, 0.5, generator)
    assert abs(drawn.mean() - 3.0) < 0.01
    assert abs(drawn.std() - 0.5) < 0.01


def test_exponential_has_the_mean_of_its_rate(generator):
    drawn = random.exponential((100_000,), np.float64, 4.0, generator)
    assert abs(drawn.mean() - 0.25) < 0.01
    assert drawn.min() >= 0


def test_bernoulli_takes_one_probability_or_one_per_element(generator):
    assert abs(random.bernoulli(0.3, (100_000,), generator=generator).mean() - 0.3) < 0.01
    assert random.bernoulli(np.array([0.0, 1.0]), generator=generator).tolist() == [False, True]


def test_integers_cover_the_whole_range_of_64_bits(generator):
    drawn = random.random_integers(-(2**63), 2**63 - 1, (1000,), generator=generator)
    assert drawn.min() < -(2**62)
    assert drawn.max() > 2**62


def test_a_permutation_holds_each_number_once(generator):
    for n in (0, 1, 2, 1000):
        assert sorted(random.permutation(n, generator).tolist()) == list(range(n))


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    first = random.uniform((5,), generator=random.Generator().manual_seed(7))
    assert (first == random.uniform((5,), generator=random.Generator().manual_seed(7))).all()
    assert (first != random.uniform((5,), generator=random.Generator().manual_seed(8))).any()


def test_seed_is_different_each_time_and_is_the_initial_seed(generator):
    first, second = generator.seed(), generator.seed()
    assert first != second
    assert generator.initial_seed() == second


def test_the_module_functions_use_the_default_generator():
    assert random.manual_seed(3) is random.default_generator
    assert random.initial_seed() == 3
    first = random.uniform((2,))
    random.manual_seed(3)
    assert (random.uniform((2,)) == first).all()
    assert random.seed() == random.initial_seed()


@pytest.mark.parametrize("normals", [0, 1, 2, 625])
def test_a_state_continues_the_stream_also_between_two_halves_of_a_normal_pair(generator, normals):
    random.normal((normals % 16,), generator=generator)
    generator.words(normals)
    state = generator.get_state()
    expected = random.normal((5,), generator=generator)
    other = random.Generator()
    other.set_state(state)
    assert (random.normal((5,), generator=other) == expected).all()
    assert other.initial_seed() == generator.initial_seed()


def test_a_generator_can_be_copied_pickled_and_cloned(generator):
    generator.scalar_normal()
    copies = [copy.deepcopy(generator), pickle.loads(pickle.dumps(generator)), generator.clone_state()]
    expected = random.normal((3,), generator=generator)
    for other in copies:
        assert (random.normal((3,), generator=other) == expected).all()


def test_rng_state_is_a_uint8_tensor_that_can_be_set_again():
    random.manual_seed(1)
    state = random.get_rng_state()
    assert state.dtype is dovetail.uint8
    assert state.shape == (5056,)
    first = random.uniform((3,))
    random.set_rng_state(state)
    assert (random.uniform((3,)) == first).all()


def test_fork_rng_leaves_the_default_generator_as_it_was():
    random.manual_seed(1)
    expected = random.uniform((3,))
    random.manual_seed(1)
    with random.fork_rng():
        random.manual_seed(99)
        random.normal((3,))
    assert (random.uniform((3,)) == expected).all()


def test_fork_rng_restores_the_generator_after_an_error_and_can_be_switched_off():
    random.manual_seed(1)
    state = random.default_generator.state_bytes()
    with pytest.raises(ValueError, match="n=-1"), random.fork_rng():
        random.permutation(-len(random.uniform((1,))))
    assert random.default_generator.state_bytes() == state
    with random.fork_rng(enabled=False):
        random.uniform((3,))
    assert random.default_generator.state_bytes() != state


def test_threads_share_a_generator_without_losing_or_repeating_numbers(generator):
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: generator.double_words(500), range(64)))
    expected = random.Generator().manual_seed(0).double_words(500 * 64)
    assert sorted(np.concatenate(drawn).tolist()) == sorted(expected.tolist())


def test_importing_dovetail_does_not_import_numpy_random():
    code = "import numpy, sys; before = 'numpy.random' in sys.modules; import dovetail.random; " \
        "assert before or 'numpy.random' not in sys.modules"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: random.Generator().manual_seed(1.5), TypeError, r"a seed is an int, got 1\.5 \(float\)"),
        (lambda: random.Generator().manual_seed("x"), TypeError, r"a seed is an int, got 'x' \(str\)"),
        (lambda: random.manual_seed("x"), ValueError, "invalid literal for int"),
        (lambda: random.manual_seed(2**64), ValueError, r"lies in \[-2\*\*63, 2\*\*64\), got 18446744073709551616"),
        (lambda: random.manual_seed(-(2**63) - 1), ValueError, "a seed lies in"),
        (lambda: random.uniform((1,), np.float32, 2, 1), ValueError, r"low=2\.0 must not exceed high=1\.0"),
        (lambda: random.uniform((1,), np.float32, 0, float("nan")), ValueError, "to=nan is out of bounds for float32"),
        (lambda: random.normal((1,), np.float32, 0, -1.0), ValueError, r"deviation is 0 or more, got std=-1\.0"),
        (lambda: random.exponential((1,), np.float32, 0.0), ValueError, r"rate \(lambda\) is positive, got 0\.0"),
        (lambda: random.bernoulli(1.5, (1,)), ValueError, r"a probability lies in \[0, 1\], got 1\.5"),
        (lambda: random.bernoulli(float("nan"), (1,)), ValueError, "got nan"),
        (lambda: random.random_integers(5, 5, (1,)), ValueError, "got low=5, high=5"),
        (lambda: random.permutation(-1), ValueError, "got n=-1"),
        (lambda: random.set_rng_state("x"), TypeError, "a generator's state is a uint8 tensor"),
        (lambda: random.Generator().set_state_bytes(b"abc"), ValueError, "a generator's state has 5056 bytes, got 3"),
        (lambda: random.Generator().set_state_bytes(bytes(5056)), ValueError, "bytes are not a generator's state"),
    ],
)  # fmt: skip
def test_bad_input_says_what_was_wrong(call, error, text):
    with pytest.raises(error, match=text):
        call()
