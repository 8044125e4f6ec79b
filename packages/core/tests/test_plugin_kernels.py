"""Kernels from plug-ins: which one runs, how it passes, and what is told of wrong ones."""

import pytest

import dovetail
from dovetail import kernels, plugins
from dovetail.op import OPS


class Giver:
    def __init__(self, *results):
        self.results = list(results)

    @plugins.hookimpl
    def dovetail_register_kernels(self):
        return self.results


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch):
    """Leave out the plug-ins that happen to be installed."""
    monkeypatch.setenv(plugins.ENVIRONMENT, "")
    plugins.reset()
    yield
    plugins.reset()


def problems(name):
    kernels.plugin_kernels()
    (record,) = [record for record in plugins.records() if record.name == name]
    return record.problems


def test_a_plugin_speeds_up_somebody_elses_backend():
    x = dovetail.tensor([1.0, 2.0])
    assert x.tanh().tolist() != [7.0, 7.0]
    plugins.register(Giver(("cpu", {"tanh": lambda xp, x: xp.full_like(x, 7.0)})), "jit")
    assert x.tanh().tolist() == [7.0, 7.0]
    assert kernels.serving(OPS["tanh"], x.device.backend)[0][0] == "plug-in 'jit'"
    plugins.unregister("jit")
    assert x.tanh().tolist() != [7.0, 7.0]


def test_a_kernel_may_pass_on_a_case():
    def only_float64(xp, x):
        return xp.full_like(x, 7.0) if x.dtype == xp.float64 else NotImplemented

    plugins.register(Giver(("cpu", {"exp": only_float64})), "jit")
    assert dovetail.tensor([0.0]).exp().tolist() == [1.0]
    assert dovetail.tensor([0.0], dtype=dovetail.float64).exp().tolist() == [7.0]


def test_the_gradient_rule_stays():
    plugins.register(Giver(("cpu", {"exp": lambda xp, x: xp.full_like(x, 7.0)})), "jit")
    x = dovetail.tensor([0.0], requires_grad=True)
    x.exp().sum().backward()
    assert x.grad.tolist() == [7.0]


def test_kernel_for_no_op():
    plugins.register(Giver(("cpu", {"tanhh": len})), "jit")
    assert problems("jit") == ["kernel for 'tanhh' on 'cpu', but there is no such op"]


def test_two_kernels_for_one_op():
    plugins.register(Giver(("cpu", {"exp": lambda xp, x: xp.full_like(x, 7.0)})), "jit")
    plugins.register(Giver(("cpu", {"exp": lambda xp, x: xp.full_like(x, 8.0)})), "tij")
    assert problems("jit") == ["kernel for 'exp' on 'cpu' is given twice; also by plug-in 'tij', which serves"]
    assert dovetail.tensor([0.0]).exp().tolist() == [8.0]


@pytest.mark.parametrize("result", ["cpu", 7, ("cpu", 7), ("cpu", {}, {})])
def test_result_of_another_form(result):
    plugins.register(Giver(result), "jit")
    wanted = "it must give pairs (backend name, {op name: kernel})"
    assert problems("jit") == [f"dovetail_register_kernels gave {result!r}; {wanted}"]
    assert dovetail.tensor([0.0]).exp().tolist() == [1.0]


def test_a_plugin_that_raises_disturbs_no_op():
    class Raising:
        @plugins.hookimpl
        def dovetail_register_kernels(self):
            raise OSError("no compiler")

    plugins.register(Raising(), "jit")
    assert dovetail.tensor([0.0]).exp().tolist() == [1.0]
    assert problems("jit")[0].startswith("dovetail_register_kernels raised OSError: no compiler at ")


def test_a_plugin_may_compute_while_it_loads(install, monkeypatch):
    install(
        "dovetail-computes",
        """
        import dovetail

        start = (dovetail.tensor([1.0]).exp() * 2).tolist()

        @dovetail.hookimpl
        def dovetail_register_kernels():
            return [("cpu", {"exp": lambda xp, x: xp.full_like(x, 7.0)})]
        """,
    )
    monkeypatch.setenv(plugins.ENVIRONMENT, "computes")
    assert dovetail.tensor([0.0]).exp().tolist() == [7.0]
