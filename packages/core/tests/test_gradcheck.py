"""gradcheck and gradgradcheck: right gradients pass, wrong ones are named."""

import numpy as np
import pytest

import dovetail
from dovetail.op import OPS, op
from dovetail.testing import GradcheckError, gradcheck, gradgradcheck


@pytest.fixture
def x():
    return dovetail.tensor(np.array([[0.5, -1.5], [2.0, 0.25]]), requires_grad=True)


@pytest.fixture
def define():
    """Define ops that are gone after the test."""
    before = dict(OPS)
    yield op
    OPS.clear()
    OPS.update(before)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_right_gradients_pass(x, fast_mode):
    y = dovetail.tensor(np.array([1.0, 3.0]), requires_grad=True)
    assert gradcheck(lambda x, y: (x * y).sum(0).exp(), (x, y), fast_mode=fast_mode) is True
    assert gradgradcheck(lambda x, y: (x * y).sum(0).exp(), (x, y), fast_mode=fast_mode) is True


@pytest.mark.parametrize("fast_mode", [False, True])
def test_a_wrong_gradient_names_op_input_element_and_both_numbers(define, x, fast_mode):
    @define
    def slip(xp, x, y):
        return x * y

    slip.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x * 2)
    y = dovetail.tensor(np.array([[1.0, 1.0]]), requires_grad=True)
    with pytest.raises(
        GradcheckError,
        match=r"gradcheck: slip: the gradient of output 0 with respect to input 1 \('y'\) is \S+ at element \(0, 0\), "
        r"where finite differences give \S+; \d of 2 elements are wrong \(atol=1e-05, rtol=0.001\)",
    ):
        gradcheck(slip, (x, y), fast_mode=fast_mode)
    assert gradcheck(slip, (x, y), fast_mode=fast_mode, raise_exception=False) is False


def test_a_wrong_second_gradient_is_found_though_the_first_is_right(define, x):
    @define
    def square_once(xp, x):
        return x * x

    square_once.vjp(x=lambda g, x: g * (2 * x).detach())  # right once, a constant when differentiated again
    assert gradcheck(square_once, x)
    with pytest.raises(GradcheckError, match="the gradient of square_once: the gradient of output 0 with respect to"):
        gradgradcheck(square_once, x)


def test_second_gradients_from_given_ones(x):
    start = dovetail.ones(2, 2, dtype=dovetail.float64, requires_grad=True)
    assert gradgradcheck(lambda x: x**3, x, start)


def test_a_gradient_that_changes_from_pass_to_pass_is_found(define, x):
    passes = []

    @define
    def fickle(xp, x):
        return x * 1.0

    def rule(g):
        passes.append(None)
        return g * (1.0 + 1e-9 * len(passes))

    fickle.vjp(x=rule)
    with pytest.raises(GradcheckError, match=r"two backward passes give gradients of input 0 \('x'\) that differ by"):
        gradcheck(fickle, x)
    assert gradcheck(fickle, x, nondet_tol=1e-6)


def test_outputs_and_inputs_without_gradient_are_left_out(x):
    index = dovetail.tensor([1, 0])
    assert gradcheck(lambda x, index: (x[index], x.argmax(), x.detach() * 2), (x, index))


def test_an_input_that_is_not_used_has_a_gradient_of_zero(x):
    unused = dovetail.tensor(np.ones(2), requires_grad=True)
    assert gradcheck(lambda x, unused: x * 2, (x, unused))


def test_inputs_are_as_they_were_before(x):
    before = x.tolist()
    gradcheck(dovetail.exp, x)
    assert x.tolist() == before


def test_what_cannot_be_checked_says_so(x):
    with pytest.raises(ValueError, match="no input of exp requires a gradient"):
        gradcheck(dovetail.exp, x.detach())
    with pytest.raises(ValueError, match=r"input 0 of exp is dovetail\.float32; finite differences need float64"):
        gradcheck(dovetail.exp, x.detach().float().requires_grad_())
    with pytest.raises(GradcheckError, match="no output of <lambda> requires a gradient"):
        gradcheck(lambda x: x.detach(), x)


def test_one_implementation_under_both_names(define, x):
    assert dovetail.autograd.gradcheck is gradcheck
    assert dovetail.autograd.gradgradcheck is gradgradcheck
    assert dovetail.autograd.gradcheck(dovetail.exp, (x,), check_undefined_grad=True, check_grad_dtypes=True)

    class Wrong(dovetail.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * 2, y * 3

        @staticmethod
        def backward(ctx, of_first, of_second):
            return of_first * 2, of_second * 4

    y = dovetail.tensor(np.array([1.0, 2.0]), requires_grad=True)
    with pytest.raises(
        GradcheckError,
        match=r"gradient of output 1 with respect to input 1 is 4 at element \(0,\), where finite differences give 3; "
        r"1 of 2 elements are wrong .*\nnumerical: \[3\., 0\.\]\nanalytical: \[4\., 0\.\]",
    ):
        gradcheck(Wrong.apply, (x, y))
