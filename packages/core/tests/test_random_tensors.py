"""Tensors of random numbers and filled with them, without PyTorch: layouts, autograd, out, errors and their texts."""

import numpy as np
import pytest

import dovetail
from dovetail.errors import DistributionError, DTypeError, ShapeError


@pytest.fixture
def generator():
    return dovetail.Generator().manual_seed(0)


def test_numbers_come_in_the_order_of_memory(generator):
    expected = dovetail.rand(3, 4, generator=generator)
    generator.manual_seed(0)
    assert (dovetail.zeros(3, 4).t().uniform_(generator=generator) == expected.t()).all()
    generator.manual_seed(0)
    assert (dovetail.rand_like(dovetail.zeros(3, 4).t(), generator=generator) == expected.t()).all()


@pytest.mark.parametrize("fill", ["normal_", "uniform_", "exponential_", "random_", "cauchy_", "log_normal_"])
def test_a_tensor_filled_with_numbers_passes_a_gradient_of_0(fill):
    leaf = dovetail.ones(3, requires_grad=True)
    x = leaf * 2
    getattr(x, fill)()
    assert x.requires_grad
    x.sum().backward()
    assert leaf.grad.tolist() == [0.0, 0.0, 0.0]


def test_a_view_filled_with_numbers_cuts_its_part_from_the_graph(generator):
    leaf = dovetail.ones(4, requires_grad=True)
    x = leaf * 2
    x[:2].uniform_(generator=generator)
    x.sum().backward()
    assert leaf.grad.tolist() == [0.0, 0.0, 2.0, 2.0]
    with pytest.raises(RuntimeError, match="uniform_: a leaf tensor that needs a gradient"):
        leaf.uniform_()


def test_a_write_of_random_numbers_is_counted():
    x = dovetail.ones(3)
    w = dovetail.ones(3, requires_grad=True)
    y = (w * x).sum()
    x.normal_()
    with pytest.raises(RuntimeError, match="in-place"):
        y.backward()


def test_draws_of_tensors_pass_a_gradient_of_0():
    p = dovetail.full((3,), 0.5, requires_grad=True)
    for draw in (dovetail.bernoulli, dovetail.poisson, dovetail.normal, lambda p: dovetail.binomial(p * 8, p)):
        (gradient,) = dovetail.autograd.grad(draw(p).sum(), p)
        assert gradient.tolist() == [0.0, 0.0, 0.0]


def test_out_is_filled_and_resized(generator):
    out = dovetail.empty(0, dtype=dovetail.float64)
    assert dovetail.rand(2, 3, out=out, generator=generator) is out
    assert out.shape == (2, 3)
    with pytest.warns(UserWarning, match=r"an output of sizes \(2, 3\) was resized to \(4,\)"):
        dovetail.randn(4, out=out)
    assert dovetail.randint(3, (4,), out=out).dtype is dovetail.float64
    assert sorted(dovetail.randperm(4, out=out).tolist()) == [0.0, 1.0, 2.0, 3.0]
    assert dovetail.normal(2.0, 0.0, (4,), out=out).tolist() == [2.0] * 4
    assert dovetail.normal(dovetail.ones(4), 0.0, out=out).tolist() == [1.0] * 4
    assert dovetail.bernoulli(dovetail.ones(4), out=out).tolist() == [1.0] * 4
    index = dovetail.empty(0, dtype=dovetail.int64)
    assert dovetail.multinomial(dovetail.tensor([0.0, 1.0]), 1, out=index).tolist() == [1]


def test_methods_and_sizes_by_name(generator):
    assert dovetail.rand(size=(2, 1)).shape == dovetail.randn(size=[2, 1]).shape == (2, 1)
    assert dovetail.ones(3).bernoulli().tolist() == [1.0] * 3
    assert dovetail.zeros(3).bernoulli(1.0).tolist() == [1.0] * 3
    assert dovetail.tensor([0.0, 2.0]).multinomial(3, True).tolist() == [1, 1, 1]
    assert dovetail.randint_like(dovetail.zeros(5), 3, 4).tolist() == [3.0] * 5
    assert dovetail.randint_like(dovetail.zeros(5), 1, dtype=dovetail.int8).dtype is dovetail.int8
    assert dovetail.randn_like(dovetail.zeros(2), dtype=dovetail.float64).dtype is dovetail.float64
    assert dovetail.zeros(2).random_(to=1).tolist() == [0.0, 0.0]
    assert dovetail.zeros(2).uniform_(**{"from": 3, "to": 3}).tolist() == [3.0, 3.0]
    assert dovetail.random.thread_safe_generator() is None


def test_extreme_rates_and_probabilities(generator):
    assert dovetail.poisson(dovetail.full((3,), 1e6), generator).sub(1e6).abs().max() < 1e4
    counts = dovetail.tensor([100.0, 0.0, 5.0, 1e6])
    drawn = dovetail.binomial(counts, dovetail.tensor([0.999, 0.5, 2.0, 0.5]), generator)
    assert drawn[1:3].tolist() == [0.0, 5.0]
    assert abs(drawn[3].item() - 5e5) < 5e3
    assert np.isnan(dovetail.binomial(counts[:1], dovetail.tensor([float("nan")])).item())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x.uniform_(2, 1), DistributionError, r"low=2\.0 must not exceed high=1\.0"),
        (lambda x: x.uniform_(-3e38, 3e38), DistributionError, "to - from must not exceed the largest float32"),
        (lambda x: x.uniform_(high=3), TypeError, "takes from, to and generator, got high"),
        (lambda x: x.long().uniform_(), DTypeError, "uniform: draws floating-point numbers, got dtype int64"),
        (lambda x: x.normal_(0, -1), DistributionError, "the standard deviation is 0 or more, got std=-1"),
        (lambda x: x.bernoulli_(2), DistributionError, r"a probability lies in \[0, 1\], got 2"),
        (lambda x: x.bernoulli_(x - 1), DistributionError, r"a probability lies in \[0, 1\], got -1\.0"),
        (lambda x: x.bernoulli_(x.long()), DTypeError, "probabilities are floating-point numbers, got int64"),
        (lambda x: x.to(dovetail.complex64).bernoulli_(), DTypeError, "bernoulli: draws real numbers"),
        (lambda x: x.exponential_(0), DistributionError, r"rate \(lambda\) is positive, got 0"),
        (lambda x: x.cauchy_(0, 0), DistributionError, "sigma is positive, got 0"),
        (lambda x: x.log_normal_(0, 0), DistributionError, "of the logarithms is positive, got std=0"),
        (lambda x: x.geometric_(1), DistributionError, r"the probability lies in \(0, 1\), got p=1"),
        (lambda x: x.bool().geometric_(0.5), DTypeError, "draws whole numbers of 1 and more, got dtype bool"),
        (lambda x: x.random_(0), DistributionError, "got low=0, high=0"),
        (lambda x: x.to(dovetail.uint8).random_(300), DistributionError, "to - 1=299 is out of bounds for uint8"),
        (lambda x: x.random_(2**63), DistributionError, "between bounds of 64 bits"),
        (lambda x: x.random_(2**25, None), DistributionError, "is not below the largest whole number of float32"),
        (lambda x: x.int().random_(-(2**63), None), DTypeError, "all of 64 bits fit int64, float64, float32"),
        (lambda x: x.to(dovetail.complex64).random_(5), DTypeError, "whole numbers are drawn as integers"),
        (lambda x: x.random_(0.5), TypeError, r"to is an int, got 0\.5"),
        (lambda x: x.random_(1, 2, 3), TypeError, r"takes \(to\), \(from, to\) or nothing"),
        (lambda x: dovetail.rand(-1), ShapeError, r"sizes are 0 or more, got \(-1,\)"),
        (lambda x: dovetail.rand(2, generator=5), TypeError, "a generator is a dovetail.Generator or .* got 5"),
        (lambda x: dovetail.rand(shape=3), TypeError, r"rand\(\) got an unexpected argument 'shape'"),
        (lambda x: dovetail.randint(5, 3), TypeError, "size is a tuple of ints, got 3"),
        (lambda x: dovetail.randperm(3, dtype=dovetail.bool), DTypeError, "got dtype dovetail.bool"),
        (lambda x: dovetail.randperm(257, dtype=dovetail.uint8), DTypeError, "a permutation of at most 256, got n=257"),
        (lambda x: dovetail.bernoulli(x, x), TypeError, "p is a float"),
        (lambda x: dovetail.poisson(x - 1), DistributionError, r"a rate is 0 or more, got -1\.0"),
        (lambda x: dovetail.poisson(x.long()), DTypeError, "poisson: takes floating-point numbers, got dtype int64"),
        (lambda x: dovetail.binomial(x, x.double()), DTypeError, "of one dtype, got float32 and float64"),
        (lambda x: dovetail.multinomial(x, 1), DistributionError, "the sum of the weights of a row must not be 0"),
        (lambda x: dovetail.multinomial(x - 1, 1), DistributionError, r"a weight is 0 or more and finite, got -1\.0"),
        (lambda x: dovetail.multinomial(x, 5), DistributionError, "cannot draw 5 samples of 3 without replacement"),
        (lambda x: dovetail.multinomial(x, 0), DistributionError, "num_samples is 1 or more, got 0"),
        (lambda x: dovetail.multinomial(x, 1.5), TypeError, r"num_samples is an int, got 1\.5"),
        (lambda x: dovetail.multinomial(x.sum(), 1), ShapeError, r"takes one row of weights or several"),
        (lambda x: dovetail.multinomial(x[:0], 1, True), DistributionError, "there is nothing to draw from"),
        (lambda x: dovetail.multinomial(x, 1, out=x), DTypeError, "out holds indices, int64"),
        (lambda x: dovetail.normal(0.0, 1.0), TypeError, "needs a size where mean and std are numbers"),
        (lambda x: dovetail.normal(x, x - 1), DistributionError, "every standard deviation is 0 or more"),
        (lambda x: dovetail.normal(x, -1.0), DistributionError, r"got std=-1\.0"),
        (lambda x: dovetail.normal(x, x.to(dovetail.complex64)), DTypeError, "is a real number, got"),
    ],
)  # fmt: skip
def test_errors_say_what_was_wrong(call, error, text):
    with pytest.raises(error, match=text):
        call(dovetail.zeros(3))


def test_numbers_that_a_float_dtype_rounds_are_warned_of():
    with pytest.warns(UserWarning, match=r"out of bounds \[-\(2\^24\), 2\^24\], within which float32 holds"):
        dovetail.zeros(1).random_(2**24 + 4)
