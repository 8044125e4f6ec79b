"""`nan_guard` and `detect_anomaly`: which op, which line, which numbers."""

import math
import re

import numpy as np
import pytest

import dovetail
from dovetail import ops
from dovetail.autograd import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from dovetail.errors import GradError, NonFiniteError, ShapeError
from dovetail.modes import Mode, active, nan_guard, state


def message(raised):
    return str(raised.value)


def test_the_error_names_op_line_ranges_and_the_way_out():
    x = dovetail.tensor([[1.0, -2.0], [0.5, 3.0]])
    y = x * 2
    with pytest.raises(NonFiniteError) as raised, nan_guard():
        y.log()  # the line
    text = message(raised)
    assert text.startswith("log made 1 nan of finite inputs\n")
    assert re.search(r"test_modes_guard\.py:\d+: y\.log\(\)  # the line", text)
    assert "x: float32(2, 2), -4 to 6, all finite" in text
    assert "result: float32(2, 2), 0 to 1.79176, 1 nan of 4" in text
    assert "nan_guard(check=('nan', 'inf'), allow=('log',))" in text
    assert isinstance(raised.value, RuntimeError)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dovetail.zeros(2) / dovetail.zeros(2), "div made 2 nan"),
        (lambda: dovetail.ones(2) / dovetail.tensor([0.0, 1.0]), "div made 1 inf"),
        (lambda: dovetail.full((2,), 3e38) * 2, "mul made 2 inf"),
        (lambda: dovetail.full((2,), 3e38).sum(), "sum made 1 inf"),
        (lambda: dovetail.cat([dovetail.ones(1), dovetail.ones(1)]).sub(1).log(), "log made 2 inf"),
        (lambda: dovetail.full((2, 2), 60000.0, dtype=dovetail.float16).matmul(dovetail.ones(2, 2).half()), "matmul"),
        (lambda: dovetail.tensor([1e38], dtype=dovetail.bfloat16) * 100, "mul made 1 inf"),
        (lambda: dovetail.tensor([1.0, -1.0]).reshape(1, 2).expand(3, 2).sqrt(), "sqrt made 3 nan"),
        (lambda: dovetail.ones(3).log_().log_(), "log made 3 inf"),
    ],
)
def test_it_finds_the_op(call, words):
    with pytest.raises(NonFiniteError, match=re.escape(words)), nan_guard():
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: dovetail.full((3,), 1e20) + 1,  # its squares overflow, it does not
        lambda: dovetail.zeros(3).masked_fill(dovetail.ones(3, dtype=dovetail.bool), -math.inf),
        lambda: dovetail.zeros(3).fill_(math.nan),
        lambda: dovetail.tensor([math.inf, 1.0]) - dovetail.tensor([math.inf, 1.0]),
        lambda: (dovetail.tensor([math.nan]) * 2).exp().log(),
        lambda: dovetail.ones(3, dtype=dovetail.int64) // 2,
        lambda: dovetail.zeros(0).sum(),
        lambda: dovetail.tensor([1.0]) == math.nan,
    ],
)
def test_what_is_fine_passes(call):
    with nan_guard():
        guarded = call()
    np.testing.assert_array_equal(guarded.numpy(), call().numpy())


def test_check_and_allow():
    with nan_guard(check="nan"):
        assert dovetail.zeros(1).log().item() == -math.inf
    with pytest.raises(NonFiniteError, match="1 nan"), nan_guard(check=["nan"]):
        dovetail.tensor([-1.0, 0.0]).log()
    with nan_guard(allow="log"):
        assert dovetail.zeros(1).log().item() == -math.inf
    with pytest.raises(ValueError, match=r"check takes 'nan' and 'inf', got \['nah'\]"):
        nan_guard(check="nah")
    with pytest.raises(ValueError, match=r"got \[\]"):
        nan_guard(check=())


def test_backward_names_the_forward_line():
    x = dovetail.tensor([0.0, 4.0], requires_grad=True)

    def step():
        y = x.sqrt()  # forward
        y.sum().backward()

    with pytest.raises(NonFiniteError) as raised, nan_guard():
        step()
    text = message(raised)
    assert text.startswith("the backward pass of sqrt (SqrtBackward0) made 1 inf of finite values for its input 'x'\n")
    assert re.search(r"its forward call was at \S+test_modes_guard\.py:\d+: y = x\.sqrt\(\)  # forward", text)
    assert "g: float32(2,), 1 to 1, all finite" in text
    assert "out: float32(2,), 0 to 2, all finite" in text
    assert "gradient: float32(2,), 0.25 to 0.25, 1 inf of 2" in text


def test_backward_of_a_forward_that_was_not_seen():
    x = dovetail.tensor([0.0], requires_grad=True)
    y = x.sqrt().sum()
    with pytest.raises(NonFiniteError, match="its forward call was not seen: it ran before the mode"), nan_guard():
        y.backward()
    with nan_guard(allow=("sqrt",)):
        x.sqrt().sum().backward()
    assert x.grad.item() == math.inf


def test_infinite_gradients_that_come_in_are_not_the_nodes_fault():
    x = dovetail.tensor([1.0], requires_grad=True)
    with nan_guard():
        (x * 2).backward(dovetail.tensor([math.inf]))
    assert x.grad.item() == math.inf


def test_optimizer_steps_are_seen():
    parameter, gradient = dovetail.full((2,), 3e38), dovetail.full((2,), 3e38)
    with pytest.raises(NonFiniteError, match=r"sgd_step made 2 inf(.|\n)*parameter \(after the step\)"), nan_guard():
        ops.sgd_step(parameter, gradient, None, lr=-1.0)
    with nan_guard():
        ops.sgd_step(dovetail.ones(2), dovetail.full((2,), math.nan), None, lr=1.0)


def test_as_a_decorator():
    @nan_guard(check="nan")
    def root(x):
        """Give the root."""
        return root(x + 1) if x.item() < 0 else x.sqrt()

    assert root.__doc__ == "Give the root."
    assert root(dovetail.tensor(-3.0)).item() == 0
    assert not active
    with pytest.raises(NonFiniteError):
        nan_guard()(lambda: dovetail.zeros(1).log())()
    assert not active
    assert state.modes == ()


def test_an_ops_own_error_stays_as_it_is():
    with pytest.raises(ShapeError) as alone:
        dovetail.ones(2) + dovetail.ones(3)
    for mode in (nan_guard(), detect_anomaly()):
        with pytest.raises(ShapeError) as guarded, mode:
            dovetail.ones(2) + dovetail.ones(3)
        assert str(guarded.value) == str(alone.value)


def test_anomaly_names_the_forward_traceback():
    def inner(x):
        return x.sqrt()

    x = dovetail.tensor([0.0], requires_grad=True)
    with pytest.raises(NonFiniteError) as raised, detect_anomaly():
        (inner(x) * 0).sum().backward()
    text = message(raised)
    assert text.startswith("the backward pass of sqrt (SqrtBackward0) made 1 nan for its input 'x'\n")
    assert "in inner\n    return x.sqrt()" in text
    assert text.index("(inner(x) * 0).sum().backward()") < text.index("return x.sqrt()")
    assert "dovetail/tensor.py" not in text


def test_anomaly_lets_inf_and_switched_off_nan_pass():
    x = dovetail.tensor([0.0], requires_grad=True)
    with detect_anomaly():
        x.sqrt().sum().backward()
    with detect_anomaly(check_nan=False):
        (x.sqrt() * 0).sum().backward()
    assert math.isnan(x.grad.item())


def test_anomaly_notes_where_a_failing_rule_belongs():
    x = dovetail.ones(2, requires_grad=True)

    def step():
        y = x.exp()
        y.detach().zero_()
        y.sum().backward()

    with pytest.raises(GradError, match="modified by an in-place operation") as raised, detect_anomaly():
        step()
    (note,) = raised.value.__notes__
    assert note.startswith("in the backward pass of exp (ExpBackward0)\nits forward call was at ")
    assert "y = x.exp()" in note


def test_set_detect_anomaly():
    assert not is_anomaly_enabled()
    set_detect_anomaly(True)
    assert is_anomaly_enabled()
    with Mode():
        set_detect_anomaly(True, check_nan=False)
        assert len(active) == 2
        set_detect_anomaly(False)
        assert not is_anomaly_enabled()
    assert not active
    with set_detect_anomaly(True):
        with set_detect_anomaly(False):
            assert not is_anomaly_enabled()
        assert is_anomaly_enabled()
    assert not active


def test_second_derivatives_are_watched():
    x = dovetail.tensor([0.0], requires_grad=True)

    def second():
        (g,) = dovetail.autograd.grad((x * x * x).sum(), x, create_graph=True)
        line = g.sqrt().sum()
        line.backward()

    with pytest.raises(NonFiniteError, match=r"SqrtBackward0.*(.|\n)*line = g\.sqrt"), nan_guard():
        second()
