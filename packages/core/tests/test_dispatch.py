"""Calling an op: how arguments are sorted, brought together and converted, and how failures are explained."""

import math
import subprocess
import sys

import numpy as np
import pytest

import dovetail
from dovetail import errors, ops
from dovetail.op import OPS, op


@pytest.fixture
def x():
    return dovetail.tensor([1.0, 2.0])


# Arguments


def test_options_by_position_and_by_name(x):
    y = dovetail.ones(2, 3)
    assert ops.sum(y, 1, True).tolist() == ops.sum(y, dim=1, keepdim=True).tolist() == [[3], [3]]
    assert ops.sum(y, 1, keepdim=True).tolist() == y.sum(axis=1, keepdims=True).tolist() == [[3], [3]]
    assert ops.linear(x, weight=dovetail.ones(1, 2), bias=dovetail.ones(1)).tolist() == [4]
    assert ops.linear(x, dovetail.ones(1, 2), None).tolist() == [3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: ops.sum(x, 0, False, None, 1),
            r"sum\(\) takes \(x, dim, keepdim, dtype\), got 4 options by position",
        ),
        (lambda x: ops.sum(x, size=1), r"sum\(\) takes .* unknown \['size'\]"),
        (lambda x: ops.sum(x, 0, dim=0), r"sum\(\) got 'dim' twice, by position and by name"),
        (lambda x: ops.softmax(x), r"softmax\(\) needs 'dim'"),
        (lambda x: ops.linear(x), r"linear\(\) needs the input 'weight'; its inputs are x, weight, bias"),
        (lambda x: ops.sum(), r"sum\(\) needs the input 'x'"),
        (lambda x: x.add(), "missing 1 required positional argument"),
        (lambda x: x.exp(1), "takes 1 positional argument but 2 were given"),
        (lambda x: x.add(None), "add: '.*' must be a tensor or a number, got NoneType"),
        (lambda x: x.add("a"), "add: '.*' must be a tensor or a number, got str"),
        (lambda x: ops.add({}, x), "add: '.*' must be a tensor or a number, got dict"),
        (lambda x: ops.exp(None), "exp: '.*' must be a tensor or a number, got NoneType"),
        (lambda x: ops.matmul(x, "b"), "matmul: '.*' must be a tensor or a number, got str"),
        (lambda x: dovetail.cat((x, "a")), "cat: 'tensors' must be a tensor or a number, got str|'str' object"),
    ],
)
def test_wrong_arguments(x, call, message):
    with pytest.raises((TypeError, AttributeError), match=message):
        call(x)


def test_the_options_of_a_definition_stay_as_they_are(x):
    before = dict(ops.sum.definition.options)
    x.sum(0, keepdim=True)
    x.sum(dtype=dovetail.float64)
    assert ops.sum.definition.options == before == {"dim": None, "keepdim": False, "dtype": None}


# Numbers and arrays


def test_numbers_and_arrays_as_operands(x):
    assert (x + 1).dtype is (1 + x).dtype is (x * 2.5).dtype is (2.5 - x).dtype is dovetail.float32
    whole = dovetail.tensor([3, 4])
    assert (whole + 1).dtype is dovetail.int64
    assert (whole + 1.5).tolist() == [4.5, 5.5]
    assert (whole / 2).dtype is (whole + 1.5).dtype is dovetail.float32
    assert (whole + True).tolist() == [4, 5]
    assert (whole > 3.5).tolist() == [False, True]
    assert (x + np.array([1.0, 2.0])).dtype is dovetail.float64
    assert (np.array([1.0, 2.0], dtype=np.float32) * x).tolist() == [1, 4]
    assert isinstance(np.float64(2) * x, dovetail.Tensor)
    assert (x * np.float64(2)).dtype is dovetail.float32
    assert ops.add(1, x).tolist() == [2, 3]
    assert ops.exp(0).item() == 1
    assert ops.add(1, 2).tolist() == 3
    assert dovetail.matmul(np.ones((2, 2), dtype=np.float32), x).tolist() == [3, 3]


def test_numbers_need_no_gradient():
    x = dovetail.tensor([2.0], requires_grad=True)
    (3 * x + x / 2 - 1 + 2**x + x**3).sum().backward()
    assert x.grad.item() == pytest.approx(3 + 0.5 + 4 * np.log(2) + 12, rel=1e-6)


def test_gradients_come_back_in_the_dtype_of_each_input():
    x = dovetail.tensor([2.0], requires_grad=True)
    y = dovetail.tensor([3.0], dtype=dovetail.float64, requires_grad=True)
    z = dovetail.tensor([4], dtype=dovetail.int32)
    (x * y * z).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (dovetail.float32, dovetail.float64)
    assert (x.grad.item(), y.grad.item()) == (12, 8)
    (x.half() + 1).sum().backward()
    assert x.grad.tolist() == [13]


def test_broadcasting_is_undone_in_gradients():
    shapes = [(2, 3), (3,), (2, 1), (1, 1), (), (1, 2, 3)]
    tensors = [dovetail.ones(shape, requires_grad=True) for shape in shapes]
    total = tensors[0]
    for other in tensors[1:]:
        total = total * other
    total.sum().backward()
    for value, shape in zip(tensors, shapes, strict=True):
        assert tuple(value.grad.shape) == shape
        assert value.grad.flatten()[0].item() == 6 / value.numel()


def test_ops_without_promotion_refuse_mixed_dtypes():
    x, y = dovetail.ones(2, 2), dovetail.ones(2, 2, dtype=dovetail.float64)
    with pytest.raises(errors.DTypeError, match=r"matmul: inputs must have one dtype: 'x' is dovetail.float32, 'y' is"):
        x @ y
    with pytest.raises(errors.DTypeError, match="linear: inputs must have one dtype"):
        ops.linear(x, y)


def test_booleans_are_no_numbers_for_some():
    mask = dovetail.tensor([True, False])
    for call in (lambda: -mask, lambda: mask - mask, lambda: abs(mask), lambda: mask // mask, lambda: mask.floor()):
        with pytest.raises(errors.DTypeError, match=r"takes numbers, got dovetail.bool; convert with"):
            call()
    assert (mask + mask).dtype is dovetail.bool
    assert (1 - mask).tolist() == [0, 1]


# Failures explained


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: dovetail.ones(2, 3) + dovetail.ones(4),
            errors.ShapeError,
            r"add: sizes \(2, 3\) and \(4,\) do not broadcast: dimension -1 is 3 and 4; make these equal",
        ),
        (
            lambda: dovetail.ones(2, 1, 3) > dovetail.ones(5, 4, 3, 3),
            errors.ShapeError,
            "gt: sizes .* do not broadcast: dimension -3 is 2 and 4",
        ),
        (
            lambda: dovetail.ones(3) & dovetail.ones(3),
            TypeError,
            r"bitwise_and: cannot take x=float32\(3,\), y=float32",
        ),
        (
            lambda: ops.reshape(dovetail.ones(3), shape=(2, 2)),
            errors.ShapeError,
            r"reshape: cannot take x=float32\(3,\), shape=\(2, 2\)",
        ),
        (lambda: dovetail.tensor([1]) ** -1, errors.DTypeError, "pow: integers to negative integer powers"),
        (
            lambda: dovetail.ones(2, 3).sum(2),
            IndexError,
            r"sum: dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)",
        ),
        (lambda: dovetail.ones(2, 3).mean((0, -3)), IndexError, "mean: dimension out of range .* but got -3"),
        (lambda: dovetail.ones(3).softmax(1), IndexError, "softmax: dimension out of range"),
        (lambda: dovetail.ones(()).sum(1), IndexError, r"range of \[-1, 0\], but got 1"),
        (lambda: dovetail.cat([]), errors.ShapeError, "cat: expected a non-empty list of tensors"),
        (
            lambda: dovetail.ones(3, dtype=dovetail.int64).mean(),
            errors.DTypeError,
            "mean: takes floating point or complex",
        ),
        (
            lambda: dovetail.tensor([1, 2]).var(),
            errors.DTypeError,
            "var and std: take floating point .* got dovetail.int64",
        ),
        (
            lambda: dovetail.ones(3).tril(),
            errors.ShapeError,
            r"tril: takes a tensor of at least 2 dimensions, got .*\(3,\)",
        ),
        (lambda: dovetail.ones(2, 3) @ dovetail.ones(2, 3), errors.ShapeError, "matmul: sizes .* cannot be multiplied"),
        (lambda: dovetail.ones(2) @ dovetail.ones(()), errors.ShapeError, "both tensors need at least 1 dimension"),
    ],
)
def test_failures_name_the_op_and_what_it_was_given(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_kernel_failures_keep_their_cause():
    with pytest.raises(errors.ShapeError) as caught:
        dovetail.ones(2) + dovetail.ones(3)
    assert isinstance(caught.value.__cause__, ValueError)
    assert isinstance(caught.value, RuntimeError)


def test_floating_point_errors_are_silent():
    zero = dovetail.zeros(2)
    assert (1 / zero).tolist() == [float("inf")] * 2
    assert zero.log().tolist() == [float("-inf")] * 2
    assert (zero / zero).isnan().all()
    assert dovetail.full((1,), 1e38).mul(1e38).isinf().all()
    assert dovetail.zeros(0).mean().isnan()
    assert dovetail.ones(1).var().isnan()


OVERFLOWS = """
import dovetail
large = dovetail.tensor([3e38, float("inf")])
print((large + large).tolist(), (large * large).tolist(), (large - large).tolist(), (large / 0).tolist())
print((dovetail.tensor(3e38) * dovetail.tensor(10.0)).item(), (large * 10.0).tolist(), large.exp().log().tolist())
"""


@pytest.mark.parametrize("filters", [(), ("-W", "error")])
def test_numbers_overflow_without_a_word(filters):
    run = subprocess.run([sys.executable, *filters, "-c", OVERFLOWS], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert run.stdout == "[inf, inf] [inf, inf] [0.0, nan] [inf, inf]\ninf [inf, inf] [inf, inf]\n"


def test_numpys_own_error_state_is_left_alone():
    with np.errstate(all="raise"):
        assert (dovetail.tensor([3e38]) * 10).tolist() == [math.inf]
        assert (dovetail.tensor([1.0]) / 0).tolist() == [math.inf]
        with pytest.raises(FloatingPointError):
            np.array([3e38], np.float32) * np.float32(10)
    assert np.geterr()["over"] == "warn"


def test_an_error_that_explains_itself_is_not_its_own_cause(x):
    with pytest.raises(IndexError) as caught:
        ops.embedding(dovetail.ones(2, 3), dovetail.tensor([5]))
    assert caught.value.__cause__ is None

    @op
    def refusing(xp, x):
        raise errors.ShapeError("as it is")

    try:
        for call in (lambda: refusing(x), lambda: refusing(x)):  # the first call finds the kernel, the second has it
            with pytest.raises(errors.ShapeError, match="as it is") as caught:
                call()
            assert caught.value.__cause__ is not caught.value
    finally:
        del OPS["refusing"]
