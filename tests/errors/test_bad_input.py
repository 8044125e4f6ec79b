"""Bad input, from end to end: each error names the thing, what it got, what was allowed and the next step."""

import importlib
import re

import pytest

import dovetail
import dovetail.nn
import dovetail.optim
from dovetail import errors, nn


def told(kind, *parts):
    """Expect an error of ``kind`` whose text has these parts in this order."""
    return pytest.raises(kind, match="(?s)" + ".*".join(map(re.escape, parts)))


# Shapes


def test_matmul():
    with told(errors.ShapeError, "matmul", "(2, 3)", "(4, 5)", "3", "4"):
        dovetail.ones(2, 3) @ dovetail.ones(4, 5)


def test_broadcast():
    with told(errors.ShapeError, "add", "(2, 3)", "(2, 4)"):
        dovetail.ones(2, 3) + dovetail.ones(2, 4)


def test_linear():
    with told(RuntimeError, "in_features=4", "(..., 4)", "got (2, 3)", "in_features=3"):
        nn.Linear(4, 1)(dovetail.ones(2, 3))


def test_conv():
    with told(RuntimeError, "in_channels=3", "(N, 3, H, W)", "got (1, 1, 8, 8)", "in_channels=1"):
        nn.Conv2d(3, 1, 3)(dovetail.ones(1, 1, 8, 8))


def test_a_wrong_shape_inside_a_net_names_its_layer():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(9, 2))
    with told(RuntimeError, "Linear with in_features=9", "got (1, 8)"):
        net(dovetail.ones(1, 4))


# Labels and dtypes


def test_labels_out_of_range():
    with told(IndexError, "label 10 is out of range", "10 classes", "0 to 9", "check the labels"):
        nn.CrossEntropyLoss()(dovetail.zeros(2, 10), dovetail.tensor([3, 10]))


def test_labels_of_the_wrong_dtype():
    with told(errors.DTypeError, "cross_entropy", "dovetail.float32", ".long()"):
        nn.CrossEntropyLoss()(dovetail.zeros(2, 10), dovetail.tensor([3.0, 1.0]))


def test_a_dtype_that_cannot_need_a_gradient():
    with told(errors.DTypeError, "floating point", "dovetail.int64", ".float()"):
        dovetail.tensor([1, 2], requires_grad=True)
    with told(errors.DTypeError, "Parameter", "dovetail.bool", ".float()"):
        nn.Parameter(dovetail.tensor([True]))


def test_mixed_dtypes():
    with told(errors.DTypeError, "Linear", "dovetail.float32", "dovetail.float64", ".to(dovetail.float32)"):
        nn.Linear(2, 1)(dovetail.ones(1, 2).double())


# Autograd


def test_backward_twice():
    loss = (dovetail.ones(2, requires_grad=True) ** 2).sum()
    loss.backward()
    with told(errors.GradError, "second time", "retain_graph=True"):
        loss.backward()


def test_backward_of_several_elements():
    with told(errors.GradError, "backward", "(2,)"):
        (dovetail.ones(2, requires_grad=True) * 2).backward()


def test_backward_of_what_needs_no_gradient():
    with told(errors.GradError, "requires_grad"):
        dovetail.ones(1).sum().backward()


def test_an_in_place_change_of_a_saved_tensor():
    x = dovetail.ones(2, requires_grad=True)
    y = x * 1
    loss = (y * y).sum()
    y.add_(1)
    with told(errors.GradError, "modified by an in-place operation", "version 1", "version 0", ".clone()"):
        loss.backward()


def test_an_in_place_change_of_a_leaf():
    with told(errors.GradError, "leaf", "in-place", "no_grad()"):
        dovetail.ones(2, requires_grad=True).add_(1)


# Devices and packages


def test_an_unknown_device():
    with told(errors.DeviceError, "no backend 'acmee'", "'cpu'"):
        dovetail.ones(2).to("acmee")
    with told(errors.DeviceError, "no backend 'acmee'", "'cpu'"):
        nn.Linear(1, 1, device="acmee:0")


def test_a_device_string_that_is_none():
    with told(errors.DeviceError, "cpu:x"):
        dovetail.device("cpu:x")


@pytest.fixture
def second_device():
    """Register a backend that is NumPy under another name."""
    import numpy

    class Loopback(dovetail.Backend):
        name = "loopback"
        xp = numpy
        capabilities = frozenset({"float64", "complex", "writes", "views"})

        def owns(self, array):
            return type(array) is numpy.ndarray

    class Plugin:
        @dovetail.hookimpl
        def dovetail_register_backends(self):
            return [Loopback()]

    dovetail.plugins.register(Plugin(), "loopback")
    yield "loopback"
    dovetail.plugins.unregister("loopback")


def test_tensors_on_two_devices(second_device):
    with told(errors.DeviceError, "add", "cpu", "loopback", ".to("):
        dovetail.ones(2) + dovetail.ones(2, device=second_device)


def test_a_layer_and_its_input_on_two_devices(second_device):
    layer = nn.Linear(2, 1, device=second_device)
    with told(errors.DeviceError, "Linear has its weight on loopback", "input on cpu", "move the input with .to("):
        layer(dovetail.ones(1, 2))
    layer(dovetail.ones(1, 2, device=second_device)).sum().backward()
    assert layer.weight.grad.device == layer.weight.device
    optimizer = dovetail.optim.Adam(layer.parameters())
    optimizer.step()
    assert layer.cpu().weight.device == dovetail.device("cpu")


def test_a_missing_package():
    with told(ModuleNotFoundError, "dovetail.distributed", "pip install dovetail-distributed"):
        importlib.import_module("dovetail.distributed")
    with told(AttributeError, "'distributed'", "pip install dovetail-distributed"):
        _ = dovetail.distributed


# Files


def test_a_broken_checkpoint(tmp_path):
    path = tmp_path / "net.safetensors"
    dovetail.save(nn.Linear(20, 10).state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with told(errors.LoadError, str(path)):
        dovetail.load(path)
    flipped = bytearray(whole)
    flipped[-10] ^= 1
    path.write_bytes(flipped)
    with told(errors.LoadError, str(path)):
        dovetail.load(path)
    path.write_bytes(b"")
    with told(errors.LoadError, str(path)):
        dovetail.load(path)
    with pytest.raises(FileNotFoundError):
        dovetail.load(tmp_path / "missing")


def test_a_checkpoint_of_another_net():
    with told(errors.LoadError, "does not fit Linear", "weight has shape (3, 2)", "(1, 2) in the module"):
        nn.Linear(2, 1).load_state_dict(nn.Linear(2, 3).state_dict())


# Optimizers


def test_an_optimizer_without_parameters():
    with told(ValueError, "SGD got an empty parameter list", "model.parameters()"):
        dovetail.optim.SGD(nn.ReLU().parameters(), lr=0.1)


def test_a_learning_rate_below_zero():
    with told(ValueError, "Adam's lr is 0 or more; got -0.1"):
        dovetail.optim.Adam(nn.Linear(1, 1).parameters(), lr=-0.1)
