"""Modules that hold modules, and lists of parameters."""

from collections import OrderedDict

import pytest

import dovetail
from dovetail import nn


def test_sequential_is_a_list():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(net) == 3
    assert isinstance(net[-1], nn.Linear)
    assert [name for name, _ in net[1:].named_children()] == ["1", "2"]
    net.append(nn.Sigmoid()).insert(0, nn.Flatten())
    assert [type(module).__name__ for module in net] == ["Flatten", "Linear", "ReLU", "Linear", "Sigmoid"]
    del net[0]
    assert isinstance(net.pop(-1), nn.Sigmoid)
    del net[1:]
    assert [name for name, _ in net.named_children()] == ["0"]
    assert len(net + nn.Sequential(nn.Tanh())) == 2
    with pytest.raises(IndexError, match="index 5 is out of range for Sequential of length 1"):
        _ = net[5]
    with pytest.raises(TypeError, match="Sequential holds modules; got int"):
        net.insert(0, 3)
    with pytest.raises(TypeError, match="only a Sequential can be added to a Sequential; got int"):
        _ = net + 3


def test_sequential_takes_names():
    net = nn.Sequential(OrderedDict([("fc", nn.Linear(2, 2)), ("act", nn.ReLU())]))
    assert net.fc is net[0]
    assert net(dovetail.ones(1, 2)).shape == (1, 2)


def test_module_list_registers_and_slices():
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers += [nn.ReLU(), nn.ReLU()]
    layers.extend([nn.Tanh()])
    assert len(layers[1:]) == 3
    assert len(layers + nn.ModuleList([nn.Tanh()])) == 5
    assert len(list(layers.parameters())) == 2
    assert repr(layers) == (
        "ModuleList(\n  (0): Linear(in_features=1, out_features=1, bias=True)\n  (1-2): 2 x ReLU()\n  (3): Tanh()\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_dict_is_a_dict():
    heads = nn.ModuleDict([("a", nn.ReLU())])
    heads["b"] = nn.Tanh()
    heads.update({"a": nn.Sigmoid()})
    assert list(heads) == list(heads.keys()) == ["a", "b"]
    assert [type(module).__name__ for module in heads.values()] == ["Sigmoid", "Tanh"]
    assert "a" in heads
    assert isinstance(heads.pop("a"), nn.Sigmoid)
    assert [name for name, _ in heads.items()] == ["b"]
    del heads["b"]
    assert len(heads) == 0
    heads["c"] = nn.ReLU()
    heads.clear()
    assert len(heads) == 0


def test_parameter_list_registers_tensors_as_parameters():
    values = nn.ParameterList([dovetail.zeros(2), nn.Parameter(dovetail.ones(3))])
    values += [dovetail.zeros(1)]
    values[0] = dovetail.ones(2)
    assert [tuple(value.shape) for value in values] == [(2,), (3,), (1,)]
    assert values[-1].requires_grad
    assert len(values[1:]) == 2
    assert [name for name, _ in values.named_parameters()] == ["0", "1", "2"]
    with pytest.raises(TypeError, match=r"parameter '3' must be an nn.Parameter or None; got int"):
        values.append(3)
