"""Softmax, its logarithm and their gradients along rows short and long; halves that are summed up in float32."""

import numpy as np
import pytest

import dovetail
from dovetail import ops

SHAPES = [(1, 5), (7, 32), (7, 33), (3, 2, 40), (300, 3), (2, 0), (0, 3), (6,), (2, 1)]


@pytest.mark.parity
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("turned", [False, True])
def test_values_and_gradients_of_first_and_second_order(agree, shape, name, dtype, turned):
    values = np.random.default_rng(0).standard_normal(shape)

    def program(lib):
        x = lib.tensor(values, dtype=getattr(lib, dtype), requires_grad=True)
        y = x.transpose(0, -1) if turned else x
        found = []
        for dim in (-1, 0):
            out = getattr(y, name)(dim)
            weight = lib.arange(out.numel()).reshape(out.shape).to(out.dtype).sin()
            (first,) = lib.autograd.grad((out * weight).sum(), x, create_graph=True)
            (second,) = lib.autograd.grad((first * first.detach()).sum(), x)
            found += [out, first, second]
        return found

    agree(program)


@pytest.mark.parity
@pytest.mark.parametrize("width", [4, 40])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_infinities_and_nan(agree, width, name):
    rows = np.zeros((5, width), np.float32)
    rows[0, 1], rows[1, 2], rows[2, 0], rows[3, :], rows[4, 1:] = np.inf, np.nan, -np.inf, -np.inf, 1e30
    agree(lambda lib: getattr(lib.tensor(rows), name)(1))


@pytest.mark.parametrize("width", [4, 40])
def test_the_input_stays_as_it_is(width):
    x = dovetail.randn(1, width)
    before = x.clone()
    x.softmax(1), x.log_softmax(1), ops.cross_entropy(x, dovetail.tensor([0]))
    assert x.equal(before)


HALVES = {
    "var": lambda x: x.var(1),
    "norm": lambda x: x.norm(dim=1),
    "logsumexp": lambda x: x.logsumexp(1),
    "softmax": lambda x: (x * 0).softmax(1),
    "log_softmax": lambda x: (x * 0).log_softmax(1),
    "cumsum": lambda x: x.cumsum(1),
    "layer_norm": lambda x: ops.layer_norm(x, x[0], x[1], dims=1)[0],
    "batch_norm": lambda x: ops.batch_norm(x.T, x[:, 0], x[:, 1])[0],
    "cross_entropy": lambda x: ops.cross_entropy(x, dovetail.tensor([1, 2]))[0],
    "weighted cross_entropy": lambda x: ops.cross_entropy(x, dovetail.tensor([1, 2]), x[0])[0],
    "scatter_add": lambda x: x.new_zeros(1).scatter_add(0, dovetail.zeros(3000, dtype=dovetail.int64), x[0]),
    "scatter_add_": lambda x: x.new_zeros(1).scatter_add_(0, dovetail.zeros(3000, dtype=dovetail.int64), x[0]),
    "index_add_": lambda x: x.new_zeros(1).index_add_(0, dovetail.zeros(3000, dtype=dovetail.int64), x[0]),
    "index_put_": lambda x: x.new_zeros(1).index_put_((dovetail.zeros(3000, dtype=dovetail.int64),), x[0], True),
    "index_add": lambda x: x.new_zeros(1).index_add(0, dovetail.zeros(3000, dtype=dovetail.int64), x[0]),
}


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("dtype", [dovetail.bfloat16, dovetail.float16])
def test_sums_of_many_halves_are_those_of_float32(name, dtype):
    """A sum of bfloat16 numbers that is rounded at each step would stay at 256 times their size."""
    x = dovetail.rand(2, 3000, generator=dovetail.Generator().manual_seed(0)).add(0.5).to(dtype)
    found, expected = HALVES[name](x), HALVES[name](x.float())
    assert found.dtype is dtype
    np.testing.assert_allclose(found.float().numpy(), expected.numpy(), atol=0.01, rtol=0.02)
