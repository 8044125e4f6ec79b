"""The counter-based generator: known answers, places in the stream, streams of its own, states, every use of it."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dovetail
from dovetail import random
from dovetail.counter import philox4x32, philox_words
from dovetail.random import CounterGenerator

FULL = 0xFFFFFFFF
PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((FULL,) * 4, (FULL,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (*PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ],
)
def test_the_known_answers_of_philox(counter, key, answer):
    # from the test vectors of Random123, by the authors of the paper
    assert philox4x32(counter, key) == answer
    arrays = philox4x32(tuple(np.array([word], np.uint64) for word in counter), key)
    assert tuple(int(word[0]) for word in arrays) == answer


def test_the_same_words_on_an_array_library_that_has_nothing_but_the_standard():
    strict = pytest.importorskip("array_api_strict")
    for seed, offset in ((0, 0), (7, 3), (2**64 - 1, 2**34 - 2)):
        words = philox_words(strict, seed, offset, 101)
        assert np.asarray(words).tolist() == philox_words(np, seed, offset, 101).tolist()


def test_a_draw_is_the_same_on_another_backend():
    class Loopback(dovetail.Backend):
        name = "loopback"
        xp = np

        def owns(self, array):
            return type(array) is np.ndarray

    class Plugin:
        @dovetail.plugins.hookimpl
        def dovetail_register_backends(self):
            return [Loopback()]

    dovetail.plugins.register(Plugin(), "loopback")
    try:
        there = dovetail.randn(9, generator=CounterGenerator(3), device="loopback")
        assert str(there.device).startswith("loopback")
        assert (there.cpu() == dovetail.randn(9, generator=CounterGenerator(3))).all()
    finally:
        dovetail.plugins.unregister("loopback")


def test_pieces_of_any_size_make_the_same_stream():
    whole = CounterGenerator(5).words(70_000)
    generator = CounterGenerator(5)
    pieces = [generator.words(size) for size in (0, 1, 2, 3, 4, 5, 100, 65_536, 0, 7)]
    assert (np.concatenate(pieces) == whole[: generator.offset]).all()
    assert (CounterGenerator(5).words(200_000)[:70_000] == whole).all()


def test_any_place_can_be_had_without_what_comes_before():
    generator = CounterGenerator(1)
    x = dovetail.rand(100, generator=generator)
    assert (dovetail.rand(10, generator=generator.at(90)) == x[90:]).all()
    assert generator.offset == 100
    pairs = dovetail.randn(20, generator=CounterGenerator(1))
    assert (dovetail.randn(7, generator=CounterGenerator(1)) == pairs[:7]).all()  # whatever the size of the draw


def test_folded_and_split_streams_differ_and_repeat():
    generator = CounterGenerator(1)
    words = {tuple(stream.words(4)) for stream in [generator, *generator.split(50), generator.fold_in(2**40)]}
    assert len(words) == 52
    assert generator.split(3)[2].initial_seed() == CounterGenerator(1).fold_in(2).initial_seed()
    generator.words(5)
    assert generator.fold_in(2).initial_seed() == CounterGenerator(1).fold_in(2).initial_seed()


@pytest.mark.parametrize(
    "draw",
    [
        lambda g: dovetail.rand(20, generator=g), lambda g: dovetail.randn(5, 5, generator=g),
        lambda g: dovetail.randint(0, 9, (20,), generator=g), lambda g: dovetail.randperm(20, generator=g),
        lambda g: dovetail.empty(20, dtype=dovetail.float64).normal_(generator=g),
        lambda g: dovetail.empty(20).uniform_(2, 3, generator=g), lambda g: dovetail.empty(20).bernoulli_(generator=g),
        lambda g: dovetail.bernoulli(dovetail.full((20,), 0.4), generator=g),
        lambda g: dovetail.poisson(dovetail.full((20,), 14.0), generator=g),
        lambda g: dovetail.multinomial(dovetail.ones(20), 5, generator=g),
        lambda g: dovetail.empty(20).log_normal_(generator=g), lambda g: dovetail.empty(20).exponential_(generator=g),
    ],
)  # fmt: skip
def test_it_can_be_given_wherever_a_generator_can_or_be_the_default_one(draw):
    expected = draw(CounterGenerator(7))
    state = random.default_generator.state_bytes()
    with random.counter_based(7) as generator:
        first, second = draw(None), draw(None)
    assert (first == expected).all()
    assert (second != expected).any()
    assert generator.offset > 0
    assert random.default_generator.state_bytes() == state


def test_in_a_block_seeds_and_states_are_those_of_its_generator():
    with random.counter_based(CounterGenerator(7)) as generator:
        assert dovetail.manual_seed(3) is generator
        assert dovetail.initial_seed() == 3
        state = dovetail.get_rng_state()
        first = dovetail.rand(4)
        with random.fork_rng():
            second = dovetail.rand(4)
        assert (dovetail.rand(4) == second).all()
        dovetail.set_rng_state(state)
        assert (dovetail.rand(4) == first).all()
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(random.chosen).result() is random.default_generator


def test_numbers_are_spread_as_they_should_be():
    x = dovetail.randn(100_001, generator=CounterGenerator(0)).double()
    assert abs(x.mean().item()) < 0.01
    assert abs((x * x).mean().item() - 1) < 0.02
    assert abs(dovetail.rand(100_000, generator=CounterGenerator(0)).mean().item() - 0.5) < 0.005
    assert np.isfinite(CounterGenerator(2).scalar_normal())


def test_a_state_goes_on_and_copies_do():
    generator = CounterGenerator(11)
    generator.words(5)
    copies = [copy.deepcopy(generator), pickle.loads(pickle.dumps(generator)), generator.clone_state()]
    other = CounterGenerator()
    other.set_state(generator.get_state())
    expected = generator.words(3).tolist()
    for same in (*copies, other):
        assert same.words(3).tolist() == expected
        assert repr(same) == "<dovetail.random.CounterGenerator seed=11 offset=8>"
    assert generator.manual_seed(12).offset == 0


def test_threads_draw_different_numbers():
    generator = CounterGenerator(0)
    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(lambda _: generator.words(10), range(200)))
    assert sorted(np.concatenate(drawn).tolist()) == sorted(CounterGenerator(0).words(2000).tolist())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: CounterGenerator().at(-1), "is 0 or more, got offset=-1"),
        (lambda: CounterGenerator().set_state_bytes(b"abc"), "a counter-based generator's state has 16 bytes, got 3"),
        (lambda: CounterGenerator(2**64), r"a seed lies in \[-2\*\*63, 2\*\*64\)"),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_the_module_says_what_it_does_not_have():
    with pytest.raises(AttributeError, match=r"module 'dovetail\.random' has no attribute 'Philox'"):
        random.Philox  # noqa: B018
