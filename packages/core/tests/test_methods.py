"""Methods and functions where PyTorch is not needed to say what is right: forms of arguments, results, errors."""

import math

import numpy as np
import pytest

import dovetail
from dovetail import errors, methods


@pytest.fixture
def x():
    return dovetail.arange(6.0).reshape(2, 3)


def test_functions_are_methods_too():
    for name, call in methods.FUNCTIONS.items():
        assert getattr(dovetail, name) is call
    only_functions = {
        "bucketize", "cat", "concat", "concatenate", "hstack", "isin", "meshgrid", "row_stack", "searchsorted",
        "stack", "vstack",
    }  # fmt: skip
    assert {name for name in methods.FUNCTIONS if not hasattr(dovetail.Tensor, name)} == only_functions


def test_other_names_of_the_same():
    x = dovetail.tensor([-1.5, 2.0])
    pairs = {"multiply": "mul", "divide": "div", "true_divide": "div", "subtract": "sub", "greater": "gt", "less": "lt",
             "not_equal": "ne"}  # fmt: skip
    for name, other in pairs.items():
        assert getattr(x, name)(2).tolist() == getattr(x, other)(2).tolist()
    assert x.negative().tolist() == (-x).tolist()
    assert x.absolute().tolist() == abs(x).tolist()
    assert (+x).tolist() == x.tolist()
    assert x.clip(0, 1).tolist() == x.clamp(0, 1).tolist() == [0, 1]
    assert x.swapaxes(0, -1).tolist() == x.tolist()


def test_max_and_min_in_their_forms(x):
    assert x.max().item() == 5
    values, indices = x.max(1)
    assert (values.tolist(), indices.tolist(), indices.dtype) == ([2, 5], [2, 2], dovetail.int64)
    found = dovetail.min(x, dim=0, keepdim=True)
    assert (found.values.tolist(), found.indices.tolist()) == ([[0, 1, 2]], [[0, 0, 0]])
    assert x.max(dovetail.tensor(3.0)).tolist() == [[3, 3, 3], [3, 4, 5]]
    assert repr(dovetail.tensor([2, 1]).min(0)) == ("dovetail.return_types.min(\nvalues=tensor(1),\nindices=tensor(1))")
    for call in (lambda: dovetail.ones(0).max(), lambda: dovetail.ones(0, 3).min(0)):
        with pytest.raises(errors.ShapeError, match="needs at least one element to reduce, got sizes"):
            call()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda x: x.reshape(4, 2),
            errors.ShapeError,
            r"shape '\[4, 2\]' is invalid for input of size 6, of sizes \(2, 3\)",
        ),
        (lambda x: x.reshape(-1, -1), errors.ShapeError, "is invalid for input of size 6"),
        (lambda x: x.flatten(1, 0), errors.ShapeError, "flatten: start_dim 1 comes after end_dim 0"),
        (lambda x: x.permute(0, 0), errors.ShapeError, "permute: dims .* must name each of the 2 dimensions once"),
        (lambda x: x.transpose(0, 2), IndexError, r"expected to be in range of \[-2, 1\], but got 2"),
        (lambda x: x[None].t(), errors.ShapeError, r"t: takes a tensor of at most 2 dimensions, got sizes \(1, 2, 3\)"),
        (lambda x: x.expand(3, 3), errors.ShapeError, r"expand: sizes \(2, 3\) cannot be expanded to \(3, 3\)"),
        (lambda x: x.expand(-1, 2, 3), errors.ShapeError, "cannot be expanded"),
        (lambda x: x.repeat(2), errors.ShapeError, "repeat: 1 counts for a tensor of 2 dimensions; give one for each"),
        (lambda x: x.narrow(1, 2, 2), errors.ShapeError, "narrow: start 2 and length 2 exceed dimension 1, of size 3"),
        (lambda x: x.narrow(1, 4, 0), IndexError, "narrow: start 4 is out of range for dimension 1, of size 3"),
        (lambda x: x.select(1, 3), IndexError, "select: index 3 is out of range for dimension 1, of size 3"),
        (lambda x: x.split([1, 1], 1), errors.ShapeError, r"split: sections \[1, 1\] must add up to 3"),
        (lambda x: x.split(0), errors.ShapeError, "split: pieces of 0 of dimension 0, of size 2; give 1 or more"),
        (lambda x: x.chunk(0), errors.ShapeError, "chunk: the number of chunks must be 1 or more, got 0"),
        (lambda x: x.movedim((0, 1), 0), errors.ShapeError, "movedim: source .* must be as many and without repeats"),
        (
            lambda x: dovetail.cat((x, x[0])),
            errors.ShapeError,
            r"cat: sizes of tensors must match except in dimension 0: the first has \(2, 3\), number 1 has \(3,\)",
        ),
        (lambda x: dovetail.cat((x.sum(), x.sum())), errors.ShapeError, "zero-dimensional tensors cannot be joined"),
        (lambda x: dovetail.cat((x, x), 2), IndexError, "dimension out of range"),
        (
            lambda x: dovetail.stack((x, x[0])),
            errors.ShapeError,
            "stack: each tensor must have the same sizes: .*number 1",
        ),
        (lambda x: dovetail.stack((x, x), 3), IndexError, r"range of \[-3, 2\], but got 3"),
        (lambda x: dovetail.stack(()), errors.ShapeError, "stack: expected a non-empty list"),
        (lambda x: dovetail.mm(x, x[0]), errors.ShapeError, r"mm: takes tensors of 2 dimensions, got sizes \(3,\)"),
        (lambda x: dovetail.bmm(x, x), errors.ShapeError, "bmm: takes tensors of 3 dimensions"),
        (lambda x: x[0].dot(x[0].double()), errors.DTypeError, "inputs must have one dtype"),
        (lambda x: x.clamp(), ValueError, "clamp: at least one of min and max must be given"),
        (
            lambda x: dovetail.where(x, x, x),
            errors.DTypeError,
            "where: condition must be a boolean tensor, got dovetail.float",
        ),
        (
            lambda x: x.masked_fill(1, 0),
            TypeError,
            "masked_fill: mask must be a boolean tensor, got int; use dovetail.tensor",
        ),
        (
            lambda x: x.masked_fill(x > 1, x),
            errors.DTypeError,
            r"value must be a number or a 0-d tensor, got sizes \(2, 3\)",
        ),
        (lambda x: x.topk(4), errors.ShapeError, "topk: k is 4, but dimension -1 has 3 elements"),
        (lambda x: x[:0].median(0), errors.ShapeError, "median: needs at least one element along dimension 0"),
        (
            lambda x: x.index_select(0, dovetail.ones(1)),
            errors.DTypeError,
            "index_select: index must be a vector of int64 or int32, got dovetail.float32",
        ),
        (
            lambda x: x.scatter(1, dovetail.tensor([0]), 1),
            errors.ShapeError,
            "scatter: index has 1 dimensions, the tensor 2",
        ),
        (
            lambda x: x.scatter(1, dovetail.tensor([[0]]), x.double()),
            errors.DTypeError,
            "scatter: src is dovetail.float64",
        ),
        (
            lambda x: x.to(nonsense=1),
            TypeError,
            r"to\(\) takes device, dtype, copy and non_blocking, got \['nonsense'\]",
        ),
        (lambda x: x.to(1.5), TypeError, r"to\(\) takes a device, a dtype or a tensor, got 1.5"),
        (lambda x: dovetail.arange(0, 5, -1), RuntimeError, "arange: step -1 does not lead from 0 to 5"),
        (
            lambda x: dovetail.rand(2, dtype=dovetail.int32),
            errors.DTypeError,
            "uniform: draws floating-point numbers, got",
        ),
        (lambda x: dovetail.tensor([[1], [1, 2]]), ValueError, "sequences of unequal length cannot be a tensor"),
        (
            lambda x: dovetail.tensor("a"),
            TypeError,
            "tensor: takes numbers, nested sequences of them or arrays, got str 'a'",
        ),
        (lambda x: dovetail.ops.gelu(x, approximate="a"), ValueError, "gelu: approximate is 'none' or 'tanh', got 'a'"),
        (
            lambda x: dovetail.ops.linear(x, x[:, :2]),
            errors.ShapeError,
            r"linear: the input has sizes \(2, 3\), but the weight",
        ),
        (
            lambda x: dovetail.ops.linear(x, x, x[0]),
            errors.ShapeError,
            r"linear: the bias has sizes \(3,\), but the weight",
        ),
    ],
)
def test_errors(x, call, kind, message):
    with pytest.raises(kind, match=message):
        call(x)


def test_conversions_return_the_tensor_itself_when_there_is_nothing_to_do(x):
    assert x.to("cpu") is x.cpu() is x.float() is x.to(dovetail.float32) is x.contiguous() is x
    assert x.to(x.dtype, copy=True) is not x
    assert x.type() == "dovetail.FloatTensor"
    assert x.type(dovetail.int32).dtype is dovetail.int32
    assert x.to("cpu", dovetail.float64, non_blocking=True).dtype is dovetail.float64
    assert x.to(other := dovetail.ones(1, dtype=dovetail.int8)).dtype is other.dtype
    assert (x.is_floating_point(), x.is_complex(), x.is_cuda) == (True, False, False)


def test_strides_and_order(x):
    assert (x.stride(), x.t().stride(), x.stride(0)) == ((3, 1), (1, 3), 3)
    assert x.is_contiguous()
    assert not x.t().is_contiguous()
    assert x.t().contiguous().is_contiguous()
    assert x.t().contiguous().tolist() == x.t().tolist()


def test_products():
    a, b = dovetail.ones(2, 3), dovetail.ones(3, 4)
    assert (a @ b).tolist() == dovetail.mm(a, b).tolist() == a.matmul(b).tolist() == [[3] * 4] * 2
    assert dovetail.bmm(a[None], b[None]).shape == (1, 2, 4)
    assert a[0].dot(a[1]).item() == 3


@pytest.mark.parity
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 1)),
        ((2, 1, 2, 3), (4, 3, 2)),
        ((3,), (4, 3, 2)),
        ((4, 2, 3), (3,)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((2, 3), (2, 3)),
        ((5, 2, 3), (4, 3, 2)),
        ((), (3,)),
        ((1, 3), (3, 1)),
    ],
)
def test_matmul_over_sizes(compare, first, second):
    rng = np.random.default_rng(0)
    x, y = np.asarray(rng.normal(size=first)), np.asarray(rng.normal(size=second))
    for layout in ("plain", "strided", "permuted"):
        compare(lambda lib, x, y: x @ y, x, y, layout=layout)

    def second_order(lib, x, y):
        found = lib.autograd.grad((x @ y).exp().sum(), [x, y], create_graph=True)
        return [part * part for part in found]

    compare(second_order, x, y)


def test_in_place_draws():
    dovetail.manual_seed(0)
    x = dovetail.empty(1000)
    assert x.normal_(3, 0.1) is x
    assert x.mean().item() == pytest.approx(3, abs=0.02)
    assert 2 <= x.uniform_(2, 4).min().item() < x.max().item() <= 4
    assert set(x.bernoulli_(0.3).tolist()) == {0, 1}
    assert x.exponential_(2.0).mean().item() == pytest.approx(0.5, abs=0.1)
    whole = dovetail.empty(100, dtype=dovetail.int64).random_(3, 6)
    assert set(whole.tolist()) == {3, 4, 5}
    assert x._version == 4


def test_norms_and_closeness(x):
    assert x.norm().item() == pytest.approx(math.sqrt(55))
    assert dovetail.allclose(x, x + 1e-9)
    assert not dovetail.allclose(x, x + 1)
    assert dovetail.allclose(x * math.nan, x * math.nan, equal_nan=True)
    assert x.equal(x.clone())
    assert not x.equal(x[0])
    assert x.isclose(x).all()


def test_sorting_keeps_the_order_of_equal_elements():
    x = dovetail.tensor([2, 1, 2, 1])
    assert x.sort().indices.tolist() == [1, 3, 0, 2]
    assert x.sort(descending=True).indices.tolist() == [0, 2, 1, 3]
    assert x.unique(return_counts=True)[1].tolist() == [2, 2]
    assert x.topk(2, largest=False).values.tolist() == [1, 1]
