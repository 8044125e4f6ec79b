"""Datasets by name, and from plug-ins."""

import pytest

from dovetail import plugins
from dovetail.data import Dataset, load
from dovetail.errors import PluginError


class Words(Dataset):
    def __init__(self, language="en"):
        self.language = language


class Offering:
    @plugins.hookimpl
    def dovetail_register_datasets(self):
        return [Words]


@pytest.fixture(autouse=True)
def _clean():
    plugins.reset()
    yield
    plugins.reset()


def test_dovetail_register_datasets():
    from dovetail.data import hookspecs

    plugins.add_hookspecs(hookspecs)
    plugins.register(Offering(), "words")
    assert load("Words", language="de").language == "de"


def test_built_in_datasets_need_no_plugin():
    assert len(load("Digits", train=False)) == 355


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(PluginError, match="no dataset 'Digit'; there is only 'Digits'"):
        load("Digit")


def test_two_of_one_name_are_both_named():
    from dovetail.data import hookspecs

    plugins.add_hookspecs(hookspecs)
    plugins.register(Offering(), "one")
    plugins.register(Offering(), "two")
    with pytest.raises(PluginError, match=r"two plug-ins offer a dataset 'Words': .*(one.*two|two.*one)"):
        load("Words")
