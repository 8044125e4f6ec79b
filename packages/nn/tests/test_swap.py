"""Layers replaced under a scheme that a plug-in registers."""

import pytest

import dovetail
from dovetail import nn, plugins
from dovetail.errors import PluginError


class Doubled(nn.Module):
    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) * 2


def plugin(*entries):
    class Plugin:
        @plugins.hookimpl
        def dovetail_register_layers(self):
            return list(entries)

    return Plugin()


@pytest.fixture
def register():
    names = []

    def add(name, *entries):
        names.append(name)
        return plugins.register(plugin(*entries), name)

    yield add
    for name in names:
        plugins.unregister(name)


def test_covered_layers_are_replaced_at_any_depth(register):
    register("doubling", ("doubled", {nn.Linear: Doubled}))
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 1))).eval()
    wanted = net[1](net[0](dovetail.ones(1, 2)) * 2) * 2
    assert nn.swap(net, "doubled") is net
    assert [type(module).__name__ for module in net.modules()] == [
        *["Sequential", "Doubled", "Linear", "Sequential", "ReLU", "Doubled", "Linear"]
    ]
    assert not any(module.training for module in net.modules())
    assert dovetail.allclose(net(dovetail.ones(1, 2)), wanted)


def test_a_covered_model_is_replaced_itself(register):
    register("doubling", ("doubled", {nn.Linear: Doubled}))
    assert isinstance(nn.swap(nn.Linear(1, 1), "doubled"), Doubled)


def test_shared_layers_stay_shared_and_subclasses_are_left(register):
    class Special(nn.Linear):
        pass

    register("doubling", ("doubled", {nn.Linear: Doubled}))
    layer = nn.Linear(2, 2)
    net = nn.swap(nn.Sequential(layer, Special(2, 2), layer), "doubled")
    assert net[0] is net[2]
    assert type(net[1]) is Special


def test_none_leaves_a_layer_and_tables_of_one_scheme_add_up(register):
    register("a", ("mixed", {nn.Linear: lambda layer: None}))
    register("b", ("mixed", {nn.ReLU: lambda layer: nn.Tanh()}))
    net = nn.swap(nn.Sequential(nn.Linear(1, 1), nn.ReLU()), "mixed")
    assert [type(module).__name__ for module in net] == ["Linear", "Tanh"]


def test_an_unknown_scheme_lists_the_known(register):
    register("doubling", ("doubled", {nn.Linear: Doubled}))
    with pytest.raises(PluginError, match=r"no layer scheme 'int9'; there is only 'doubled'"):
        nn.swap(nn.ReLU(), "int9")


def test_two_plugins_for_one_layer_are_named_and_none_is_used(register):
    first = register("a", ("same", {nn.Linear: Doubled}))
    register("b", ("same", {nn.Linear: Doubled}))
    assert type(nn.swap(nn.Linear(1, 1), "same")) is nn.Linear
    assert any("Linear under scheme 'same' is registered by" in problem for problem in first.problems)


@pytest.mark.parametrize("entry", [("x",), ("x", {int: Doubled}), ("x", {nn.Linear: 3}), "x"])
def test_a_wrong_entry_is_kept_as_the_plugins_problem(register, entry):
    record = register("wrong", entry)
    with pytest.raises(PluginError, match="no layer scheme 'x'"):
        nn.swap(nn.ReLU(), "x")
    assert any("must give pairs (scheme name, {layer type: replace})" in problem for problem in record.problems)


def test_a_replacement_that_is_no_module_is_refused(register):
    register("odd", ("odd", {nn.ReLU: lambda layer: 3}))
    with pytest.raises(PluginError, match=r"scheme 'odd' replaces ReLU by a int; it must give an nn.Module"):
        nn.swap(nn.ReLU(), "odd")
