"""Datasets by name: the built-in ones first, then those of plug-ins."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from dovetail.data.dataset import Dataset
from dovetail.errors import PluginError

#: The built-in sets, with the module of each, which is imported when the set is asked for.
BUILT_IN = {
    "CIFAR10": "vision.cifar",
    "CIFAR100": "vision.cifar",
    "Digits": "digits",
    "FakeData": "vision.fake",
    "FashionMNIST": "vision.mnist",
    "KMNIST": "vision.mnist",
    "MNIST": "vision.mnist",
    "SVHN": "vision.svhn",
}


class About(NamedTuple):
    """What a list of datasets tells of one; a dataset's class has it as its attribute ``about``.

    Attributes:
        download: how much must be fetched, "" for nothing.
        source: whose it is, and its licence.

    Example::

        >>> from dovetail.data import Digits
        >>> Digits.about.source
        'E. Alpaydin and C. Kaynak; CC BY 4.0'
    """

    download: str = ""
    source: str = ""


def load(name: str, *args: Any, **kwargs: Any) -> Any:
    """Make the dataset called ``name``, built in or from a plug-in, with the arguments of its class.

    Args:
        name: the name of its class; capital letters, "_" and "-" make no difference.
        args, kwargs: see there.

    Raises:
        PluginError: there is no such dataset, or two plug-ins offer one of that name.

    Example::

        >>> import dovetail.data
        >>> len(dovetail.data.load("digits", train=False))
        355
    """
    return _find(name)(*args, **kwargs)


def available() -> list[str]:
    """Return the names that ``load`` takes: the built-in datasets and those of plug-ins, sorted.

    Example::

        >>> import dovetail.data
        >>> "Digits" in dovetail.data.available()
        True
    """
    return sorted({*BUILT_IN, *(kind.__name__ for kind, _ in _offered())}, key=str.lower)


def listed() -> Iterator[tuple[type[Dataset], str]]:
    """Give the class of each dataset with the package that it comes in, the built-in ones first."""
    for name in BUILT_IN:
        yield _built_in(name), "dovetail-data"
    for kind, record in _offered():
        yield kind, str(record)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _built_in(name: str) -> Any:
    return getattr(import_module(f"dovetail.data.{BUILT_IN[name]}"), name)


def _find(name: str) -> Any:
    for known in BUILT_IN:
        if _plain(known) == _plain(name):
            return _built_in(known)
    from dovetail import plugins

    matches = [(kind, record) for kind, record in _offered() if _plain(kind.__name__) == _plain(name)]
    if len(matches) > 1:
        both = " and ".join(str(record) for _, record in matches)
        raise PluginError(f"{len(matches)} plug-ins offer a dataset {name!r}: {both}; uninstall all but one of them")
    if not matches:
        raise PluginError(plugins.explain_missing("dataset", name, available(), "see: dovetail datasets"))
    return matches[0][0]


def _offered() -> list[tuple[Any, Any]]:
    """Return the datasets of plug-ins, each with its plug-in; what is no class is kept as the plug-in's problem."""
    from dovetail import plugins
    from dovetail.data import hookspecs

    plugins.add_hookspecs(hookspecs)
    offered = []
    for record, found in plugins.call("dovetail_register_datasets"):
        for kind in found:
            if isinstance(kind, type):
                offered.append((kind, record))
            else:
                plugins.fail(record, f"dovetail_register_datasets gave {kind!r}; it must give classes")
    return offered
