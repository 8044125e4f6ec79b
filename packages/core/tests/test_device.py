"""Devices: names, indices, the default, and what is said when one is not there."""

import copy
import pickle

import pytest

import dovetail
from dovetail import errors
from dovetail.device import resolve


@pytest.fixture
def elsewhere(install):
    """Return the name of a backend that computes with NumPy under another name, in two places."""
    install(
        "dovetail-elsewhere",
        """
        import numpy
        import dovetail

        class Elsewhere(dovetail.Backend):
            name = "elsewhere"
            xp = numpy
            def owns(self, array):
                return type(array) is numpy.ndarray
            def device_count(self):
                return 2

        @dovetail.hookimpl
        def dovetail_register_backends():
            return [Elsewhere()]
        """,
    )
    return "elsewhere"


def test_one_object_per_name_and_index():
    cpu = dovetail.device("cpu")
    assert cpu is dovetail.device("cpu") is dovetail.device(cpu) is dovetail.ones(1).device
    cuda = dovetail.device("cuda", 1)
    assert cuda is dovetail.device("cuda:1") is pickle.loads(pickle.dumps(cuda)) is copy.deepcopy(cuda)
    assert (cuda.type, cuda.index, str(cuda), str(cpu)) == ("cuda", 1, "cuda:1", "cpu")
    assert repr(cuda) == "device(type='cuda', index=1)"
    assert repr(cpu) == "device(type='cpu')"


@pytest.mark.parametrize("wrong", ["cuda:", "cuda:x", "cuda:-1", "", "a b", ":0", "cuda:0:1", "1"])
def test_wrong_names(wrong):
    with pytest.raises(errors.DeviceError, match="a device is 'name'"):
        dovetail.device(wrong)


def test_wrong_arguments():
    with pytest.raises(errors.DeviceError, match="a device is a string such as 'cpu' or 'cuda:0', got 5"):
        dovetail.device(5)
    with pytest.raises(errors.DeviceError, match="index is 0 or more, got -1 for 'cuda'"):
        dovetail.device("cuda", -1)
    with pytest.raises(errors.DeviceError, match="with an index of 0 or more, got 'cuda:0'"):
        dovetail.device("cuda:0", 1)


def test_an_unknown_backend_is_explained_when_it_is_used():
    device = dovetail.device("nowhere")
    with pytest.raises(errors.DeviceError, match="no backend 'nowhere'"):
        dovetail.ones(1, device=device)
    with pytest.raises(errors.DeviceError, match="no backend 'nowhere'"):
        dovetail.ones(1).to("nowhere")


def test_every_index_of_the_cpu_is_the_cpu():
    assert dovetail.ones(1, device="cpu:0").device is dovetail.device("cpu")


def test_tensors_elsewhere(elsewhere):
    x = dovetail.ones(2, device=f"{elsewhere}:1", requires_grad=True)
    assert x.device is dovetail.device("elsewhere:1")
    assert dovetail.ones(1, device=elsewhere).device.index == 0
    y = (x * 3).cpu()
    assert y.device.type == "cpu"
    (y * dovetail.tensor([1.0, 2.0])).sum().backward()
    assert x.grad.device is x.device
    assert x.grad.tolist() == [3, 6]
    assert x.to(x.device) is x
    with pytest.raises(errors.DeviceError, match="no device 'elsewhere:2'; backend 'elsewhere' has 2, counted from 0"):
        x.to("elsewhere:2")
    with pytest.raises(errors.DeviceError, match=r"can't give a NumPy view of a tensor on 'elsewhere:1'"):
        x.detach().numpy()
    assert x.numpy(force=True).tolist() == [1, 1]


def test_mixed_devices(elsewhere):
    here, there = dovetail.ones(2), dovetail.ones(2, device=elsewhere)
    with pytest.raises(errors.DeviceError, match=r"add: inputs are on several devices: .* on cpu, .* on elsewhere:0"):
        here + there
    with pytest.raises(errors.DeviceError, match="bring them together"):
        dovetail.cat((here, there))
    assert (there + dovetail.tensor(1.0)).device is there.device  # a number may come along
    assert (dovetail.tensor(1.0) + there).tolist() == [2, 2]
    here.copy_(there + 1)
    assert here.tolist() == [2, 2]


def test_the_default_device(elsewhere):
    with dovetail.device(elsewhere):
        assert dovetail.zeros(1).device.type == dovetail.tensor([1.0]).device.type == elsewhere
        assert dovetail.get_default_device().type == elsewhere
        assert dovetail.zeros(1, device="cpu").device.type == "cpu"
    assert dovetail.zeros(1).device.type == "cpu"
    try:
        dovetail.set_default_device(f"{elsewhere}:1")
        assert str(dovetail.randn(2).device) == f"{elsewhere}:1"
        assert (dovetail.ones(2) * 2).tolist() == [2, 2]
    finally:
        dovetail.set_default_device("cpu")
    assert resolve(None) is dovetail.device("cpu")
