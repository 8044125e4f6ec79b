"""`dovetail.amp`: the scaler's errors and switches, and decorators of custom functions."""

from types import SimpleNamespace

import pytest

import dovetail
from dovetail import amp, bfloat16, float32


class Descent:
    def __init__(self, *parameters):
        self.param_groups = [{"params": list(parameters)}]
        self.steps = 0

    def step(self):
        self.steps += 1


def with_gradient(*numbers):
    parameter = dovetail.ones(len(numbers), requires_grad=True)
    parameter.grad = dovetail.tensor(numbers)
    return parameter


def test_losses_in_lists():
    scaler = amp.GradScaler("cpu", init_scale=4.0)
    first, (second, third) = scaler.scale([dovetail.ones(1), (dovetail.ones(1) * 2, dovetail.ones(1))])
    assert (first.item(), second.item(), third.item()) == (4, 8, 4)
    with pytest.raises(TypeError, match="scale takes a tensor or several of them, got int"):
        scaler.scale(3)


def test_a_step_with_inf_is_skipped():
    scaler, optimizer = amp.GradScaler("cpu"), Descent(with_gradient(1.0, float("inf")), dovetail.ones(1))
    assert scaler.step(optimizer) is None
    assert optimizer.steps == 0
    scaler.update()
    assert scaler.get_scale() == 2.0**15


def test_the_order_of_calls_is_held():
    scaler, optimizer = amp.GradScaler("cpu", init_scale=2.0), Descent(with_gradient(4.0))
    with pytest.raises(RuntimeError, match="no gradients were unscaled since the last update"):
        scaler.update()
    scaler.unscale_(optimizer)
    assert optimizer.param_groups[0]["params"][0].grad.tolist() == [2]
    with pytest.raises(RuntimeError, match="this optimizer was already unscaled since the last"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="this optimizer was already stepped since"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="called twice for an optimizer"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="takes no closure"):
        scaler.step(optimizer, lambda: 0)
    scaler.update(3.0)
    assert scaler.get_scale() == 3


def test_half_gradients_are_refused():
    parameter = dovetail.ones(1, dtype=dovetail.float16, requires_grad=True)
    parameter.grad = dovetail.ones(1, dtype=dovetail.float16)
    with pytest.raises(ValueError, match="a gradient is float16"):
        amp.GradScaler("cpu").step(Descent(parameter))


def test_not_enabled_it_passes_everything_on():
    scaler, optimizer = amp.GradScaler("cpu", enabled=False), Descent(with_gradient(4.0))
    loss = dovetail.ones(1)
    assert scaler.scale(loss) is loss
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert optimizer.steps == 1
    assert (scaler.state_dict(), scaler.get_scale(), scaler.is_enabled()) == ({}, 1.0, False)
    scaler.load_state_dict({})


def test_the_state_goes_on():
    scaler = amp.GradScaler("cpu", init_scale=8.0, growth_interval=5)
    other = amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()
    with pytest.raises(RuntimeError, match="the state is empty, from a scaler that was not enabled"):
        other.load_state_dict({})


def test_factors_are_checked():
    with pytest.raises(ValueError, match=r"growth_factor must be above 1, got 1\.0"):
        amp.GradScaler("cpu", growth_factor=1.0)
    with pytest.raises(ValueError, match=r"backoff_factor must be below 1, got 1\.0"):
        amp.GradScaler("cpu", backoff_factor=1.0)
    assert amp.is_autocast_available("cpu")
    assert not amp.is_autocast_available("nowhere")


def test_custom_functions_see_one_autocast_in_both_passes():
    @amp.custom_fwd(device_type="cpu")
    def forward(ctx, x):
        return x @ x

    @amp.custom_bwd(device_type="cpu")
    def backward(ctx, g):
        return g @ g

    ctx, x = SimpleNamespace(), dovetail.ones(2, 2)
    with dovetail.autocast("cpu"):
        assert forward(ctx, x).dtype is bfloat16
    assert backward(ctx, x).dtype is bfloat16
    assert forward(ctx, x).dtype is float32
    with dovetail.autocast("cpu"):
        assert backward(ctx, x).dtype is float32


def test_autocast_begun_in_a_backward_pass_counts_there():
    seen = []

    class Inside(dovetail.Mode):
        def gradient(self, node, position, gradient, g, saved):
            from dovetail.modes import state

            if node.op.name == "exp":
                assert state.node is node
                with dovetail.autocast("cpu"):
                    seen.append((g @ g).dtype)

    x = dovetail.ones(2, 2, requires_grad=True)
    with Inside():
        x.exp().sum().backward()
    assert seen == [bfloat16]
