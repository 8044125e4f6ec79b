"""Datasets by name: the built-in ones first, then those of plug-ins."""

from __future__ import annotations

from typing import Any

from dovetail.data.dataset import Dataset
from dovetail.data.digits import Digits
from dovetail.errors import PluginError

BUILT_IN: dict[str, type[Dataset]] = {"Digits": Digits}


def load(name: str, *args: Any, **kwargs: Any) -> Any:
    """Make the dataset called ``name``, built in or from a plug-in, with the arguments of its class.

    Raises:
        PluginError: there is no such dataset, or two plug-ins offer one of that name.

    Example::

        >>> import dovetail.data
        >>> len(dovetail.data.load("Digits", train=False))
        355
    """
    return (BUILT_IN.get(name) or _from_plugins(name))(*args, **kwargs)


def _from_plugins(name: str) -> type[Dataset]:
    from dovetail import plugins
    from dovetail.data import hookspecs

    plugins.add_hookspecs(hookspecs)
    offered = [(dataset, record) for record, found in plugins.call("dovetail_register_datasets") for dataset in found]
    matches = [(dataset, record) for dataset, record in offered if dataset.__name__ == name]
    if len(matches) > 1:
        both = " and ".join(str(record) for _, record in matches)
        raise PluginError(f"two plug-ins offer a dataset {name!r}: {both}; uninstall one of them")
    if not matches:
        known = [*BUILT_IN, *(dataset.__name__ for dataset, _ in offered)]
        raise PluginError(plugins.explain_missing("dataset", name, known))
    return matches[0][0]
