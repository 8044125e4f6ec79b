"""Optimizers by name, from this package and from plug-ins."""

import pytest

from dovetail import optim, plugins
from dovetail.errors import PluginError


class Lion(optim.Optimizer):
    pass


def plugin(*kinds):
    class Plugin:
        @plugins.hookimpl
        def dovetail_register_optimizers(self):
            return list(kinds)

    return Plugin()


@pytest.fixture
def register():
    names = []

    def add(name, *kinds):
        names.append(name)
        return plugins.register(plugin(*kinds), name)

    yield add
    for name in names:
        plugins.unregister(name)


def test_own_optimizers_are_found_in_any_case():
    assert optim.get("SGD") is optim.SGD
    assert optim.get("AdamW") is optim.AdamW


def test_a_plugins_optimizer_is_found(register):
    register("lion", Lion)
    assert optim.get("lion") is Lion


def test_an_unknown_name_lists_the_known(register):
    register("lion", Lion)
    with pytest.raises(PluginError, match=r"no optimizer 'Adm'; there are 'Adam', 'AdamW', 'Lion', 'SGD'"):
        optim.get("Adm")


def test_wrong_offers_are_the_plugins_problem(register):
    class Adam(optim.Optimizer):
        pass

    record = register("wrong", 3, Adam)
    with pytest.raises(PluginError, match="no optimizer 'lion'"):
        optim.get("lion")
    assert "it must give subclasses of dovetail.optim.Optimizer" in record.problems[0]
    assert "optimizer 'Adam' is built in; give it another name" in record.problems[1]


def test_two_of_one_name_are_both_named_and_not_used(register):
    records = [register("first", Lion), register("second", Lion)]
    with pytest.raises(PluginError, match="no optimizer 'lion'"):
        optim.get("lion")
    assert all("optimizer 'lion' is registered by" in record.problems[0] for record in records)
