"""checkpoint: the same numbers and gradients, computed again; beside PyTorch where that is installed."""

import importlib

import pytest

import dovetail
from dovetail import autograd
from dovetail.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def utils_of(lib):
    return importlib.import_module(f"{lib.__name__}.utils.checkpoint")


def weights_of(lib, *shapes):
    lib.manual_seed(3)
    return [lib.randn(*shape, dtype=lib.float64, requires_grad=True) for shape in shapes]


@pytest.mark.parity
@pytest.mark.parametrize("reentrant", [True, False])
def test_gradients_and_calls(agree, reentrant):
    def program(lib):
        x, w, v = weights_of(lib, (5, 4), (4, 4), (4, 4))
        calls = []

        def layer(h):
            calls.append(1)
            h = lib.tanh(h @ w)
            return h.sin(), h.exp()

        first, second = utils_of(lib).checkpoint(layer, x * 2, use_reentrant=reentrant)
        ((first @ v) * second).sum().backward()
        return x.grad, w.grad, v.grad, len(calls)

    agree(program)


@pytest.mark.parity
def test_nested_checkpoints(agree):
    def program(lib):
        x, w, v, u = weights_of(lib, (5, 4), (4, 4), (4, 4), (4, 4))
        calls = []

        def inner(h, weight):
            calls.append("inner")
            h = (h @ weight).tanh()
            return h * (lib.rand(5, 4) > 0.5).to(h.dtype), h.exp()

        def outer(h):
            calls.append("outer")
            first, second = utils_of(lib).checkpoint(inner, h.sin(), v, use_reentrant=False)
            return (first @ u).sin() * second.sum()

        out = utils_of(lib).checkpoint(outer, x @ w, use_reentrant=False)
        (out**2).mean().backward()
        return out, [tensor.grad for tensor in (x, w, v, u)], calls, lib.rand(3)

    agree(program)


def network(around):
    x, w, v = weights_of(dovetail, (6, 4), (4, 4), (4, 4))

    def layer(h, weight, scale=1.0):
        noise = dovetail.rand(*h.shape)
        return ((h @ weight) * noise).softmax(-1) * scale, dovetail.cat([h, noise]).std(0)

    h, extra = around(layer, x, w)
    h, more = around(layer, h + extra, v, scale=2.0)
    loss = (h * more).sum()
    loss.backward()
    return loss, x.grad, w.grad, v.grad, dovetail.rand(4)


@pytest.mark.parametrize("options", [{}, {"use_reentrant": True}, {"use_reentrant": False}, {"early_stop": False}])
def test_bit_for_bit_as_without(options):
    plain = network(lambda function, *args, **kwargs: function(*args, **kwargs))
    again = network(lambda function, *args, **kwargs: checkpoint(function, *args, **options, **kwargs))
    assert all((one == other).all() for one, other in zip(plain, again, strict=True))


def test_other_random_numbers_where_they_are_not_kept():
    plain = network(lambda function, *args, **kwargs: function(*args, **kwargs))
    again = network(lambda function, *args, **kwargs: checkpoint(function, *args, preserve_rng_state=False, **kwargs))
    assert plain[0] == again[0]
    assert (plain[2] != again[2]).any()


@pytest.mark.parity
def test_grad_second_derivatives_and_parameters_from_outside(agree):
    def program(lib):
        x, w = weights_of(lib, (3, 3), (3, 3))
        out = utils_of(lib).checkpoint(lambda h: (h @ w).tanh() * w, x, use_reentrant=False)
        (first,) = lib.autograd.grad((out**2).sum(), w, create_graph=True)
        (first * x).sum().backward()
        return first, x.grad, w.grad

    agree(program)


def test_a_graph_that_is_retained_is_computed_once_for_each_pass():
    calls, x = [], dovetail.ones(3, requires_grad=True)
    y = checkpoint(lambda x: (calls.append(1), (x * 2).exp().tanh())[1], x)
    y.sum().backward(retain_graph=True)
    first = x.grad.clone()
    y.sum().backward()
    assert len(calls) == 3
    assert (x.grad == 2 * first).all()


def test_the_second_run_ends_early():
    reached, x = [], dovetail.ones(3, requires_grad=True)

    def function(x):
        y = (x * 2).exp()
        reached.append("end")
        return y + 1

    checkpoint(function, x).sum().backward()
    assert reached == ["end"]
    checkpoint(function, x, early_stop=False).sum().backward()
    assert reached == ["end"] * 3


def test_nothing_is_recorded_under_no_grad():
    calls, x = [], dovetail.ones(3, requires_grad=True)
    with dovetail.no_grad():
        y = checkpoint(lambda x: (calls.append(1), x * 2)[1], x)
    assert not y.requires_grad
    assert calls == [1]


def test_contexts_for_both_runs():
    log = []

    class Noting:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            log.append(self.name)

        def __exit__(self, *error):
            log.append(f"end of {self.name}")

    x = dovetail.ones(3, requires_grad=True)
    y = checkpoint(lambda x: x.exp(), x, context_fn=lambda: (Noting("first"), Noting("second")))
    y.sum().backward()
    assert log == ["first", "end of first", "second", "end of second"]


def test_modes_that_ask_for_it_are_renewed():
    class Doubling(dovetail.Mode):
        def __call__(self, op, args, kwargs):
            out = op(*args, **kwargs)
            return op(out) if op.definition.name == "exp" else out

        def renewed(self):
            return Doubling()

    x = dovetail.tensor([0.1, 0.2], requires_grad=True)
    with Doubling():
        plain = x.exp().tanh()
        again = checkpoint(lambda x: x.exp().tanh(), x)
    (expected,) = autograd.grad(plain.sum(), x)
    again.sum().backward()
    assert (x.grad == expected).all()


@pytest.mark.parity
def test_functions_that_change(agree):
    def changing(second):
        def program(lib):
            calls = []

            def function(x):
                calls.append(1)
                return (x.exp().exp() * x.sin()) if len(calls) == 1 else second(x)

            x = lib.ones(3, requires_grad=True)
            utils_of(lib).checkpoint(function, x * 1, use_reentrant=False).sum().backward()

        return program

    agree(changing(lambda x: x.exp()), "tensors", "saved")
    agree(changing(lambda x: x[:2].exp().exp() * x[:2].sin()), "tensor", "3", "2")


def test_what_the_errors_say():
    calls = []

    def fewer(x):
        calls.append(1)
        return x.exp().exp() if len(calls) % 2 else x.exp()

    def other(x):
        calls.append(1)
        return x.exp() if len(calls) % 2 else x.double().exp()

    x = dovetail.ones(3, requires_grad=True)
    with pytest.raises(
        CheckpointError, match=r"saved 2 tensors for backward at first, and 1 when it was computed again"
    ):
        checkpoint(fewer, x).sum().backward()
    calls.clear()
    with pytest.raises(CheckpointError, match=r"saved tensor 0 was dovetail.float32 of sizes \(3,\).*dovetail.float64"):
        checkpoint(other, x).sum().backward()
    with pytest.raises(ValueError, match="determinism_check is 'default' or 'none', got 'x'"):
        checkpoint(fewer, x, determinism_check="x")
    calls.clear()
    checkpoint(other, x, determinism_check="none").sum().backward()


@pytest.mark.parity
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequential(agree, segments):
    def program(lib):
        x, w = weights_of(lib, (3, 3), (3, 3))
        calls = []
        steps = [lambda h: h @ w, lib.tanh, lambda h: (calls.append(1), h * h)[1], lib.exp]
        out = utils_of(lib).checkpoint_sequential(steps, segments, x, use_reentrant=False)
        out.sum().backward()
        return out, x.grad, w.grad

    agree(program)


def test_sequential_that_is_refused():
    x = dovetail.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="segments is from 1 to the 2 functions, got 3"):
        checkpoint_sequential([dovetail.exp, dovetail.tanh], 3, x)
    with pytest.raises(ValueError, match="takes preserve_rng_state, got early"):
        checkpoint_sequential([dovetail.exp], 1, x, early=True)
