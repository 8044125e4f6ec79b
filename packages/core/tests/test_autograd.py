"""Backward and grad: what accumulates, what is kept, what is refused, what memory is freed."""

import gc
import threading
import weakref

import numpy as np
import pytest

import dovetail
from dovetail import autograd, errors
from dovetail.op import OPS


@pytest.fixture
def x():
    return dovetail.tensor([1.0, 2.0, 3.0], requires_grad=True)


def test_gradients_accumulate_in_leaves(x):
    (x * x).sum().backward()
    first = x.grad
    assert first.tolist() == [2, 4, 6]
    (x * x).sum().backward()
    assert x.grad.tolist() == [4, 8, 12]
    assert x.grad is first  # in place, as optimizers and hooks expect
    assert not x.grad.requires_grad
    assert x.is_leaf


def test_the_first_gradient_belongs_to_the_leaf_alone():
    x, y = dovetail.ones(2, requires_grad=True), dovetail.ones(2, requires_grad=True)
    given = dovetail.tensor([1.0, 2.0])
    (x + y).backward(given)
    x.grad.zero_()
    assert y.grad.tolist() == [1, 2]
    assert given.tolist() == [1, 2]
    z = dovetail.ones(2, requires_grad=True)
    z.backward(given)
    z.grad.zero_()
    assert given.tolist() == [1, 2]


def test_what_is_a_leaf(x):
    y = x * 2
    assert (x.is_leaf, y.is_leaf, y.requires_grad, y.detach().is_leaf) == (True, False, True, True)
    assert dovetail.ones(1).is_leaf
    assert x.grad_fn is None
    assert repr(y.grad_fn) == "<MulBackward0>"
    assert y.grad_fn.name() == "MulBackward0"
    assert (y + x).grad_fn.next_functions[0][0] is y.grad_fn
    y.sum().backward()
    with pytest.warns(UserWarning, match=r"not a leaf is asked for.*Call \.retain_grad\(\)"):
        assert y.grad is None
    with pytest.raises(errors.GradError, match="can be changed on leaf tensors only"):
        y.requires_grad_(False)
    assert y.requires_grad_() is y
    with pytest.raises(errors.DTypeError, match=r"only tensors of floating point.*got dovetail.int64"):
        dovetail.tensor([1]).requires_grad_()
    with pytest.raises(errors.DTypeError, match="only tensors of floating point"):
        dovetail.zeros(2, dtype=dovetail.int32, requires_grad=True)


def test_backward_twice(x):
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8, 12]
    with pytest.raises(errors.GradError, match=r"going backward a second time.*retain_graph=True"):
        y.backward()
    z = (x + 1).sum()  # nothing was kept, so nothing is missing
    z.backward()


def test_roots_that_cannot_start(x):
    with pytest.raises(errors.GradError, match=r"does not require grad and .*made under no_grad"):
        dovetail.ones(1).backward()
    with pytest.raises(errors.GradError, match=r"implicitly created only for scalar outputs.*sizes \(3,\)"):
        (x * 2).backward()
    with pytest.raises(errors.GradError, match=r"the gradient has sizes \(2,\), the tensor \(3,\)"):
        (x * 2).backward(dovetail.ones(2))
    with pytest.raises(errors.GradError, match="got 1 tensors and 2 gradients; give one for each"):
        autograd.backward([x * 2], [None, None])


def test_a_modified_saved_tensor_is_refused(x):
    y = x * 1
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(errors.GradError, match=r"mul: 'y', a dovetail.float32 .*version 1, expected version 0"):
        z.backward()
    out = (x * 1).exp()
    out.mul_(2)
    with pytest.raises(errors.GradError, match="exp: 'out'"):
        out.sum().backward()
    y = x * 1
    part = y[:2]
    z = (y * y).sum()
    part.zero_()  # through a view of it
    with pytest.raises(errors.GradError, match="modified by an in-place operation"):
        z.backward()
    y = x * 1
    z = (y + y).sum()
    y.add_(1)  # add keeps nothing
    z.backward()


def test_grad_changes_no_leaf(x):
    (found,) = autograd.grad((x**3).sum(), x)
    assert found.tolist() == [3, 12, 27]
    assert x.grad is None
    middle = x * 2
    y = (middle * middle).sum()
    of_middle, of_x = autograd.grad(y, [middle, x])
    assert of_middle.tolist() == [4, 8, 12]
    assert of_x.tolist() == [8, 16, 24]
    weighted = autograd.grad([x * 2, x * 3], x, [dovetail.ones(3), dovetail.full((3,), 2.0)])
    assert weighted[0].tolist() == [8, 8, 8]
    assert autograd.grad(x.sum(), [x, x])[1].tolist() == [1, 1, 1]


def test_grad_of_unused_inputs(x):
    unused = dovetail.ones(2, requires_grad=True)
    with pytest.raises(errors.GradError, match=r"no output was computed from inputs \[1\]; say allow_unused=True"):
        autograd.grad(x.sum(), [x, unused])
    assert autograd.grad(x.sum(), [x, unused], allow_unused=True)[1] is None
    assert autograd.grad(x.sum(), [x, unused], materialize_grads=True)[1].tolist() == [0, 0]
    with pytest.raises(errors.GradError, match="input 0 does not require grad"):
        autograd.grad(x.sum(), dovetail.ones(1))


def test_backward_of_chosen_inputs(x):
    w = dovetail.ones(3, requires_grad=True)
    y = x * w
    (y * 2).sum().backward(inputs=[w])
    assert x.grad is None
    assert w.grad.tolist() == [2, 4, 6]


def test_create_graph_gives_higher_derivatives(x):
    (first,) = autograd.grad((x**4).sum(), x, create_graph=True)
    (second,) = autograd.grad(first.sum(), x, create_graph=True)
    (third,) = autograd.grad(second.sum(), x)
    assert third.tolist() == [24, 48, 72]
    loss = (x * x).sum()
    loss.backward(create_graph=True)
    assert x.grad.requires_grad
    x.grad = None


@pytest.mark.parity
def test_gradient_penalty(compare):
    def call(lib, x, w):
        y = lib.tanh(x @ w).exp().sum()
        (g,) = lib.autograd.grad(y, x, create_graph=True)
        return (g * g).sum() + y

    rng = np.random.default_rng(0)
    compare(call, rng.normal(size=(3, 4)), rng.normal(size=(4, 2)))


@pytest.mark.parity
@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x, y: (x * y + x) * (x * y),
        lambda lib, x, y: sum([x * i for i in range(5)], y),
        lambda lib, x, y: (x.sum(0) + y) * x,
        lambda lib, x, y: lib.cat([part * (i + 1) for i, part in enumerate(x.unbind(0))]) * y.repeat(2),
        lambda lib, x, y: [part**2 for part in (x * y).split(1)][1] + x[0],
        lambda lib, x, y: (x.max(1).values * x.min(1).values).sum() * y,
        lambda lib, x, y: x.expand(2, 2, 3) * y + y.t(),
        lambda lib, x, y: (x @ y) @ (x @ y),
        lambda lib, x, y: x.detach() * y + (x * y).detach() * x,
    ],
)
def test_shared_subexpressions(compare, call):
    compare(call, np.array([[1.0, 2.0, 4.0], [3.0, 6.0, 5.0]]), np.array([2.0, 5.0, 7.0]))


def test_several_results_of_one_op(x):
    values, indices = dovetail.ops.max_pool2d(x.reshape(1, 1, 1, 3), kernel_size=(1, 2), stride=(1, 1))
    assert values.requires_grad
    assert not indices.requires_grad
    values.sum().backward()
    assert x.grad.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ["no_grad", "inference_mode", "enable_grad"])
def test_grad_modes_as_contexts_and_decorators(x, name):
    mode, recorded = getattr(dovetail, name), name == "enable_grad"
    with dovetail.no_grad():
        with mode():
            assert dovetail.is_grad_enabled() == (x * 2).requires_grad == recorded
        assert not dovetail.is_grad_enabled()
    assert dovetail.is_grad_enabled()

    @mode()
    def double(value):
        """Doubles."""
        return value * 2

    assert double(x).requires_grad == recorded
    assert double.__doc__ == "Doubles."
    with pytest.raises(ZeroDivisionError), mode():
        raise ZeroDivisionError
    assert dovetail.is_grad_enabled()


def test_more_of_the_grad_modes(x):
    assert not dovetail.no_grad(lambda value: value * 2)(x).requires_grad
    with dovetail.inference_mode(False):
        assert (x * 2).requires_grad
    with dovetail.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    dovetail.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    dovetail.set_grad_enabled(True)
    mode = dovetail.no_grad()
    with mode, mode:
        assert not dovetail.is_grad_enabled()
    assert dovetail.is_grad_enabled()
    with dovetail.no_grad():
        assert dovetail.ones(1, requires_grad=True).requires_grad


def test_grad_modes_are_each_threads_own(x):
    found = []
    with dovetail.no_grad():
        thread = threading.Thread(target=lambda: found.append((x * 2).requires_grad))
        thread.start()
        thread.join()
    assert found == [True]


def test_threads_go_backward_at_once():
    results = {}

    def work(number):
        x = dovetail.tensor([float(number)], requires_grad=True)
        for _ in range(50):
            x.grad = None
            ((x * x).exp().log() * 2).sum().backward()
        results[number] = x.grad.item()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: pytest.approx(4 * number, rel=1e-3) for number in range(1, 5)}


def test_a_chain_of_100_000_ops_needs_no_recursion():
    x = dovetail.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()
    assert x.grad.item() == 100_001
    del y


def test_saved_memory_is_freed_by_backward(x):
    middle = x * 1
    saved = weakref.ref(middle)
    y = (middle * middle).sum()
    del middle
    assert saved() is not None
    y.backward()
    assert saved() is None


def test_a_training_step_leaves_no_cycles():
    weight = dovetail.ones(4, 3, requires_grad=True)
    bias = dovetail.zeros(3, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        data = dovetail.ones(2, 4)
        hidden = dovetail.relu(data @ weight + bias).exp().softmax(-1)
        part = hidden[:, :2]
        loss = (part * hidden[:, 1:]).sum() + hidden.max(1).values.mean()
        alive = [weakref.ref(value) for value in (data, hidden, part, loss, loss.grad_fn)]
        loss.backward()
        with dovetail.no_grad():
            weight -= 0.1 * weight.grad
            bias.sub_(bias.grad)
        weight.grad = bias.grad = None
        del data, hidden, part, loss
        assert [reference() for reference in alive] == [None] * 5
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_graph_that_is_dropped_is_freed_without_backward(x):
    gc.disable()
    try:
        y = (x * 2).exp()
        y += 1
        view = y[1:]
        view.mul_(2)
        alive = [weakref.ref(value) for value in (y, view)]
        del y, view
        assert [reference() for reference in alive] == [None, None]
    finally:
        gc.enable()


def test_a_rule_of_wrong_sizes_is_named():
    @dovetail.op
    def misshapen(xp, x, y):
        return x + y

    misshapen.vjp(x=lambda g: g[:2])
    misshapen.no_vjp("y")
    y = misshapen(dovetail.ones(3, requires_grad=True), dovetail.ones(1))
    with pytest.raises(errors.ShapeError, match=r"misshapen: the gradient rule for 'x' gave sizes \(2,\)"):
        y.sum().backward()
    del OPS["misshapen"]
