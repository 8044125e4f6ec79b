"""Hooks of modules beside PyTorch's: what they see, in which order, what they may change."""

import importlib
import warnings

import pytest

import dovetail
from dovetail import errors, nn
from dovetail.autograd.hooks import RemovableHandle


@pytest.fixture
def both():
    """Return what runs a program in both libraries and compares the numbers that it returns, or the kinds of errors."""
    torch = pytest.importorskip("torch")

    def run(program):
        found = []
        for lib in (dovetail, torch):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    result = program(lib, importlib.import_module(f"{lib.__name__}.nn"))
                except RuntimeError:
                    result = "RuntimeError"
            found.append((rounded(result), len(caught)))
        assert found[0] == found[1]
        return found[0][0]

    return run


def rounded(value):
    if isinstance(value, (tuple, list)):
        return [rounded(part) for part in value]
    if hasattr(value, "tolist"):
        return rounded(value.tolist())
    return round(value, 4) if isinstance(value, float) else value


def net(lib, layers):
    lib.manual_seed(0)
    return layers.Sequential(layers.Linear(2, 3), layers.Tanh(), layers.Linear(3, 1))


@pytest.mark.parity
@pytest.mark.parametrize("needs_grad", [True, False])
def test_full_backward_hooks(both, needs_grad):
    def program(lib, layers):
        log, model = [], net(lib, layers)
        x = lib.ones(1, 2, requires_grad=needs_grad)
        model[0].register_full_backward_hook(lambda module, inputs, outputs: log.append((0, inputs, outputs)))
        model[2].register_full_backward_hook(lambda module, inputs, outputs: (inputs[0] * 2,))
        model[2].register_full_backward_hook(lambda module, inputs, outputs: log.append((2, inputs, outputs)))
        model.register_full_backward_hook(lambda module, inputs, outputs: log.append(("all", inputs, outputs)))
        model[1].register_full_backward_pre_hook(lambda module, outputs: (outputs[0] * 10,))
        first = lambda module, outputs: log.append(("first", outputs))  # noqa: E731
        model[1].register_full_backward_pre_hook(first, prepend=True)
        model(x).sum().backward()
        return log, x.grad, [parameter.grad for parameter in model.parameters()]

    both(program)


@pytest.mark.parity
def test_several_inputs_and_outputs(both):
    def program(lib, layers):
        class Two(layers.Module):
            def forward(self, x, y, factor=2):
                return x * factor, "name", x + y

        log, module = [], Two()
        module.register_full_backward_hook(lambda module, inputs, outputs: log.append((inputs, outputs)))
        x, y = lib.ones(2, requires_grad=True), lib.ones(2, requires_grad=True)
        module(x, y, 3)[0].sum().backward()
        module(x, y, factor=3)[2].sum().backward()
        (module(x, y)[0] * module(x, y)[2]).sum().backward()
        return log, x.grad, y.grad

    both(program)


@pytest.mark.parity
@pytest.mark.parametrize(
    "register",
    [
        lambda model: model[2].register_full_backward_hook(lambda module, inputs, outputs: (inputs[0], inputs[0])),
        lambda model: model[0].register_full_backward_hook(lambda module, inputs, outputs: outputs),
        lambda model: model[0].register_full_backward_pre_hook(lambda module, outputs: outputs * 2),
    ],
)
def test_gradients_of_the_wrong_number(both, register):
    def program(lib, layers):
        model = net(lib, layers)
        register(model)
        model(lib.ones(1, 2)).sum().backward()

    assert both(program) == "RuntimeError"


@pytest.mark.parity
def test_with_forward_hooks_removal_and_no_grad(both):
    def program(lib, layers):
        log, model = [], net(lib, layers)
        before = model.register_full_backward_pre_hook(lambda module, outputs: log.append(outputs))
        after = model.register_full_backward_hook(lambda module, inputs, outputs: log.append(inputs))
        model.register_forward_hook(lambda module, inputs, out: out * 2)
        model.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 3,))
        x = lib.ones(1, 2, requires_grad=True)
        model(x).sum().backward()
        with lib.no_grad():
            log.append(model(x).requires_grad)
        before.remove()
        model(x).sum().backward()
        after.remove()
        model(x).sum().backward()
        return log, x.grad

    both(program)


@pytest.mark.parity
def test_hooks_that_are_always_called(both):
    def program(lib, layers):
        class Failing(layers.Module):
            def forward(self, x):
                raise KeyError("forward")

        class Doubling(layers.Module):
            def forward(self, x):
                return x * 2

        log = []

        def note(module, inputs, out):
            log.append(("always", inputs, out))

        def fail(module, inputs, out):
            raise KeyError("hook")

        def call(module):
            try:
                module(lib.ones(1))
            except KeyError as error:
                log.append(str(error))

        failing, doubling, twice = Failing(), Doubling(), Failing()
        failing.register_forward_hook(note, always_call=True)
        failing.register_forward_hook(lambda module, inputs, out: log.append("never"))
        failing.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 5,))
        doubling.register_forward_hook(note, always_call=True)
        doubling.register_forward_hook(fail, prepend=True)
        twice.register_forward_hook(fail, always_call=True)
        twice.register_forward_hook(note, always_call=True)
        for module in (failing, doubling, twice):
            call(module)
        return log

    both(program)


@pytest.mark.parity
def test_the_gradient_of_a_gradient_goes_through_hooks(both):
    def program(lib, layers):
        model, x = net(lib, layers), lib.ones(1, 2, requires_grad=True)
        model[1].register_full_backward_hook(lambda module, inputs, outputs: (inputs[0] * outputs[0],))
        (first,) = lib.autograd.grad(model(x).sum(), x, create_graph=True)
        (first**2).sum().backward()
        return first, x.grad, model[0].weight.grad

    both(program)


def test_what_the_errors_say():
    layer = nn.Linear(2, 2)
    handle = layer.register_full_backward_hook(lambda module, inputs, outputs: (inputs[0], inputs[0]))
    x = dovetail.ones(1, 2, requires_grad=True)
    with pytest.raises(
        errors.GradError, match="a full backward hook returned 2 grad_inputs in place of 1; return as many"
    ):
        layer(x).sum().backward()
    handle.remove()
    handle = layer.register_full_backward_hook(lambda module, inputs, outputs: outputs)
    with (
        pytest.warns(
            UserWarning, match="hook of Linear gets the gradients of the outputs only, since no input requires"
        ),
        pytest.raises(errors.GradError, match="hook of Linear returned gradients, and no input requires one"),
    ):
        layer(dovetail.ones(1, 2)).sum().backward()
    handle.remove()
    layer.register_full_backward_pre_hook(lambda module, outputs: (outputs[0], None))
    with pytest.raises(errors.GradError, match="a full backward pre hook returned 2 grad_outputs in place of 1"):
        layer(x).sum().backward()
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
    model[0].register_full_backward_hook(lambda module, inputs, outputs: None)
    with pytest.raises(errors.GradError, match=r"relu_: a result of an autograd.Function that is a view .*\.clone\(\)"):
        model(x)


def test_there_is_one_kind_of_handle():
    assert nn.module.RemovableHandle is RemovableHandle
    layer = nn.Linear(2, 2)
    with layer.register_full_backward_hook(lambda *args: None):
        assert layer._backward_hooks
    assert not layer._backward_hooks
