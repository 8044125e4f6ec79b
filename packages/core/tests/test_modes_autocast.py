"""`autocast`: which dtype each op runs in, nesting, and the cache of weights."""

import threading

import pytest

import dovetail
from dovetail import autocast, bfloat16, float16, float32, float64, plugins
from dovetail.modes import active, state


def half(x):
    return x.to(bfloat16)


@pytest.fixture
def x():
    return dovetail.rand(3, 3) + 0.5


def test_products_run_in_16_bits_and_the_rest_as_it_is(x):
    with autocast("cpu"):
        assert (x @ x).dtype is bfloat16
        assert (x @ half(x)).dtype is bfloat16
        assert dovetail.mm(x, x).dtype is bfloat16
        assert (x + x).dtype is float32
        assert (x + half(x)).dtype is float32
        assert half(x).exp().dtype is bfloat16
        assert half(x).prod().dtype is float32
        assert half(x).prod(0, dtype=bfloat16).dtype is bfloat16
        assert (x.double() @ x.double()).dtype is float64
        assert (x.long() @ x.long()).dtype is dovetail.int64
    assert (x @ x).dtype is float32


def test_results_are_those_of_casting_by_hand(x):
    with autocast("cpu", dtype=float16):
        out = x @ x
    assert out.tolist() == (x.half() @ x.half()).tolist()


def test_norms_take_weights_of_another_dtype(x):
    weight = dovetail.ones(3, requires_grad=True)
    with autocast("cpu"):
        out, mean, rstd = dovetail.ops.layer_norm(half(x), weight, weight, dims=1)
    assert (out.dtype, mean.dtype, rstd.dtype) == (bfloat16, float32, float32)
    out.sum().backward()
    assert weight.grad.dtype is float32


def test_nesting_and_what_is_said_of_it(x):
    enabled = dovetail.is_autocast_enabled
    assert not enabled()
    assert dovetail.get_autocast_dtype("cpu") is bfloat16
    with autocast("cpu"):
        with autocast("cpu", enabled=False):
            assert not enabled("cpu")
            assert (x @ x).dtype is float32
            with autocast("cpu", dtype=float16):
                assert (x @ x).dtype is float16
                assert dovetail.get_autocast_dtype("cpu") is float16
            assert (x @ x).dtype is float32
        assert enabled()
        assert (x @ x).dtype is bfloat16
    assert not enabled("cpu")
    assert not active


def test_errors_restore_it(x):
    with pytest.raises(RuntimeError, match="cannot be multiplied"), autocast("cpu"), autocast("cpu", enabled=False):
        x @ dovetail.ones(4)
    assert state.modes == ()
    assert (x @ x).dtype is float32


def test_as_a_decorator(x):
    @autocast("cpu", dtype=float16)
    def power(x, times):
        return x @ x if times == 1 else power(x, times - 1)

    assert power(x, 3).dtype is float16
    assert not active


def test_each_thread_has_its_own(x):
    found = []
    with autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((x @ x).dtype))
        thread.start()
        thread.join()
    assert found == [float32]


class Casts(dovetail.Mode):
    def __init__(self):
        self.count = 0

    def __call__(self, op, args, kwargs):
        self.count += op.definition.name == "cast"
        return op(*args, **kwargs)


def test_a_weight_is_cast_once_until_it_changes(x):
    weight = dovetail.rand(3, 3, requires_grad=True)
    with Casts() as casts, autocast("cpu"):
        first = x.bfloat16() @ weight
        with autocast("cpu"):
            second = x.bfloat16() @ weight
        assert casts.count == 3  # x twice, the weight once
        with dovetail.no_grad():
            weight.mul_(0)
        assert not (x.bfloat16() @ weight).any()
        with dovetail.no_grad():
            assert not (x @ weight).requires_grad
        assert (x @ weight).requires_grad
    first.sum().backward()
    second.sum().backward()  # each use can go back by itself
    assert weight.grad.dtype is float32
    assert weight.grad.tolist() == (2 * x.bfloat16().float().sum(0).bfloat16().float()).expand(3, 3).T.tolist()


def test_without_the_cache(x):
    weight = dovetail.rand(3, 3, requires_grad=True)
    with Casts() as casts, autocast("cpu", cache_enabled=False):
        half(x) @ weight
        half(x) @ weight
    assert casts.count == 4


def test_backward_runs_as_the_forward_did(x):
    weight = dovetail.rand(3, 3, requires_grad=True)
    with autocast("cpu"):
        (x @ weight).sum().backward()
    inside, weight.grad = weight.grad, None
    with autocast("cpu"):
        out = (x @ weight).sum()
    out.backward()
    assert inside.tolist() == weight.grad.tolist()


def test_second_derivatives(x):
    weight = dovetail.rand(3, 3, requires_grad=True)
    with autocast("cpu"):
        (g,) = dovetail.autograd.grad(((x @ weight) ** 2).sum(), weight, create_graph=True)
        g.sum().backward()
    assert weight.grad.dtype is float32


def test_other_dtypes_and_absent_devices_switch_it_off(x):
    with pytest.warns(UserWarning, match=r"autocast: dtype is dovetail\.float32, but takes bfloat16 or float16"):
        mode = autocast("cpu", dtype=float32)
    with mode:
        assert (x @ x).dtype is float32
    with pytest.warns(UserWarning, match=r"autocast: .*'nowhere'.*; autocast is off"):
        mode = autocast("nowhere")
    assert not mode.enabled
    autocast("nowhere", enabled=False)
    with pytest.raises(TypeError, match="takes the name of a device type, such as 'cpu', got 3"):
        autocast(3)
    with pytest.raises(dovetail.errors.DeviceError, match=r"autocast: .*'nowhere'"):
        dovetail.get_autocast_dtype("nowhere")


class Accelerator:
    """A plug-in with a backend that says nothing of autocast."""

    @plugins.hookimpl
    def dovetail_register_backends(self):
        import numpy

        class AcceleratorBackend(dovetail.Backend):
            name = "accelerator"
            xp = numpy
            capabilities = frozenset({"float16", "writes", "views"})

            def owns(self, array):
                return False

        return [AcceleratorBackend()]


def test_other_backends_have_the_long_list(monkeypatch, x):
    monkeypatch.setenv(plugins.ENVIRONMENT, "")
    plugins.reset()
    plugins.register(Accelerator(), "accelerator")
    try:
        moved = x.to("accelerator")
        with autocast("accelerator"):
            assert dovetail.is_autocast_enabled("accelerator")
            assert not dovetail.is_autocast_enabled("cpu")
            out = moved @ moved
            assert out.dtype is float16
            assert (x @ x).dtype is float32
            for name in ("exp", "log", "rsqrt", "sum", "prod", "log1p", "reciprocal"):
                assert getattr(out, name)().dtype is float32, name
            assert out.softmax(0).dtype is float32
            assert (out**2).dtype is float32
            assert out.cumsum(0).dtype is float32
            assert (out + out).dtype is float16
            assert out.relu().dtype is float16
            assert dovetail.ops.layer_norm(out, None, None, dims=1)[0].dtype is float32
            assert out.amax(0).dtype is float16
            places = dovetail.zeros(*out.shape, dtype=dovetail.int64, device="accelerator")
            for first, second in ((out, moved), (moved, out)):  # mixed dtypes, which each of them refuses by itself
                assert first.scatter_add(0, places, second).dtype is float32
                assert first.index_put((places[0, :1],), second[:1]).dtype is float32
                with pytest.raises(dovetail.errors.DTypeError, match="index_copy"):
                    first.index_copy(0, places[0, :1], second[:1])
    finally:
        plugins.reset()


def test_a_cast_keeps_nothing_of_what_it_casts():
    x = dovetail.ones(3, requires_grad=True)
    y = x.half()
    assert y.grad_fn.saved[0] is float32
    with dovetail.no_grad():
        x.mul_(2)
    y.sum().backward()
    y.sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (float32, [2, 2, 2])
