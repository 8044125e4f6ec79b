"""Datasets by name, and from plug-ins; and the command that lists them."""

import pytest

from dovetail import plugins
from dovetail.cli import main
from dovetail.data import Dataset, Digits, available, load
from dovetail.data.catalog import BUILT_IN, About, listed
from dovetail.errors import DownloadError, PluginError


class Words(Dataset):
    about = About("3 MB", "A. Writer; CC0")

    def __init__(self, language="en"):
        self.language = language


class BigWords(Dataset):
    pass


class Offering:
    def __init__(self, *offered):
        self.offered = list(offered)

    @plugins.hookimpl
    def dovetail_register_datasets(self):
        return self.offered


class Broken:
    @plugins.hookimpl
    def dovetail_register_datasets(self):
        raise OSError("no words on this disk")


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.setenv("DOVETAIL_PLUGINS", "")  # those that happen to be installed are left out
    plugins.reset()
    from dovetail.data import hookspecs

    plugins.add_hookspecs(hookspecs)
    yield
    plugins.reset()


def test_dovetail_register_datasets():
    plugins.register(Offering(Words, BigWords), "words")
    assert load("Words", language="de").language == "de"
    assert load("words", "fr").language == "fr"
    assert type(load("big_words")) is type(load("BIG-words")) is BigWords
    assert available() == sorted([*BUILT_IN, "BigWords", "Words"], key=str.lower)


@pytest.mark.parametrize("name", ["Digits", "digits", "DIGITS", "di_gits"])
def test_built_in_datasets_need_no_plugin(name, monkeypatch):
    monkeypatch.setattr(plugins, "call", None)
    assert len(load(name, train=False)) == 355


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_name_is_a_dataset(name):
    kind = next(kind for kind, package in listed() if kind.__name__ == name)
    assert issubclass(kind, Dataset)
    assert isinstance(kind.about, About)
    assert kind.about.source


def test_arguments_reach_the_dataset(tmp_path):
    with pytest.raises(DownloadError, match=f"FashionMNIST is not there: .* in {tmp_path}"):
        load("fashion-mnist", tmp_path, train=False)


def test_an_unknown_name_says_what_there_is():
    plugins.register(Offering(Words), "words")
    with pytest.raises(
        PluginError, match=r"no dataset 'Digit'; there are 'CIFAR10', .*, 'Words'; .*did you mean 'Digits'"
    ):
        load("Digit")
    with pytest.raises(PluginError, match=r"no dataset 'x'; .*; see: dovetail datasets"):
        load("x")


def test_two_of_one_name_are_both_named():
    plugins.register(Offering(Words), "one")
    plugins.register(Offering(type("words", (), {})), "two")
    with pytest.raises(
        PluginError,
        match=r"2 plug-ins offer a dataset 'Words': plug-in '(one|two)' and plug-in '(one|two)'; uninstall all",
    ):
        load("Words")


def test_a_plugin_cannot_take_the_place_of_a_built_in_set():
    plugins.register(Offering(type("Digits", (), {})), "mine")
    assert type(load("digits")) is Digits


def test_a_broken_plugin_is_in_the_message():
    plugins.register(Broken(), "words")
    with pytest.raises(PluginError, match=r"no dataset 'words'; .*'words'.*OSError: no words on this disk"):
        load("words")


def test_what_is_no_class_is_told():
    plugins.register(Offering(Words()), "words")
    with pytest.raises(PluginError, match=r"dovetail_register_datasets gave <.*Words object.*>; it must give classes"):
        load("words")


def test_the_command_lists_all_with_package_size_and_source(capsys):
    plugins.register(Offering(Words, BigWords), "words")
    plugins.register(Broken(), "broken")
    assert main(["datasets"]) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = {row[0]: row[1:] for row in ([cell.strip() for cell in line if cell.strip()] for line in lines)}
    assert cells["name"] == ["package", "download", "source and licence"]
    assert cells["Digits"] == ["dovetail-data", "none", "E. Alpaydin and C. Kaynak; CC BY 4.0"]
    assert cells["MNIST"][:2] == ["dovetail-data", "12 MB"]
    assert cells["Words"] == ["plug-in 'words'", "3 MB", "A. Writer; CC0"]
    assert cells["BigWords"] == ["plug-in 'words'", "unknown", "unknown"]
    assert "plug-in 'broken': dovetail_register_datasets raised OSError: no words on this disk" in " ".join(cells)
    assert {*BUILT_IN} < cells.keys()


def test_the_command_has_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["datasets", "--help"])
    assert 'dovetail.data.load("mnist", "data", download=True)' in capsys.readouterr().out
