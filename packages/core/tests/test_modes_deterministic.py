"""`deterministic`: the reference kernel in place of one that is not, or an error."""

import threading

import pytest

import dovetail
from dovetail import plugins
from dovetail.errors import DeterminismError
from dovetail.modes import Mode, active, deterministic
from dovetail.modes.determinism import is_deterministic_algorithms_warn_only_enabled


def shaky_sum(xp, x, *, dim=None, keepdim=False, dtype=None):
    return xp.full((), 7.0, dtype=x.dtype)


def shaky_mul(xp, x, y):
    return xp.full_like(x, 7.0)


class Shaky:
    """A plug-in with a backend two of whose kernels are not deterministic, and an op without a kernel."""

    @plugins.hookimpl
    def dovetail_register_backends(self):
        import numpy

        class ShakyBackend(dovetail.Backend):
            name = "shaky"
            xp = numpy
            kernels = {"sum": shaky_sum, "mul": shaky_mul}  # noqa: RUF012
            nondeterministic_kernels = frozenset({"sum", "mul", "cumsum"})

            def owns(self, array):
                return False

        return [ShakyBackend()]


@pytest.fixture(autouse=True)
def shaky(monkeypatch):
    monkeypatch.setenv(plugins.ENVIRONMENT, "")
    plugins.reset()
    plugins.register(Shaky(), "shaky")
    yield
    plugins.reset()


def test_the_reference_kernel_runs():
    x = dovetail.ones(3, device="shaky", requires_grad=True)
    assert x.sum().item() == 7
    with deterministic():
        out = x.sum() * 2
        assert out.item() == 6
        out.backward()
    assert x.grad.tolist() == [2, 2, 2]
    assert (x * 2).tolist() == [7, 7, 7]


def test_other_modes_see_the_op_under_its_name():
    seen = []

    class Names(Mode):
        def __call__(self, op, args, kwargs):
            seen.append(op.definition.name)
            return op(*args, **kwargs)

    with Names(), deterministic():
        dovetail.ones(3, device="shaky").sum()
    assert seen == ["sum"]


def test_an_op_without_a_deterministic_kernel_is_an_error():
    x = dovetail.ones(3, device="shaky")
    text = "cumsum: backend 'shaky' has no deterministic kernel for it; run it on the CPU, or use warn_only=True"
    with pytest.raises(DeterminismError, match=text), deterministic():
        x.cumsum(0)
    with pytest.warns(UserWarning, match="cumsum: backend 'shaky'"), deterministic(warn_only=True):
        assert x.cumsum(0).tolist() == [1, 2, 3]


def test_lists_of_tensors_and_the_cpu():
    with deterministic():
        assert dovetail.cat([dovetail.ones(1), dovetail.ones(1)]).cumsum(0).tolist() == [1, 2]


def test_switched_on_and_off():
    enabled = dovetail.are_deterministic_algorithms_enabled
    assert not enabled()
    dovetail.use_deterministic_algorithms(True)
    with Mode():
        dovetail.use_deterministic_algorithms(True, warn_only=True)
        assert enabled()
        assert is_deterministic_algorithms_warn_only_enabled()
        assert len(active) == 2
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.append(enabled()))
        thread.start()
        thread.join()
        assert elsewhere == [False]
        dovetail.use_deterministic_algorithms(False)
    assert not enabled()
    assert not active
