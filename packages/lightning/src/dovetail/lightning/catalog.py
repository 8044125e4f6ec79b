"""Callbacks and loggers by name: the built-in ones first, then those of plug-ins."""

from __future__ import annotations

from typing import Any

from dovetail.errors import PluginError


def callback(name: str) -> type:
    """Return the callback class called ``name``.

    Raises:
        PluginError: there is none, or two plug-ins offer one.

    Example::

        >>> callback("EarlyStopping").__name__
        'EarlyStopping'
    """
    from dovetail.lightning import callbacks

    return _find("callback", name, callbacks)


def logger(name: str) -> type:
    """Return the logger class called ``name``.

    Raises:
        PluginError: there is none, or two plug-ins offer one.

    Example::

        >>> logger("CSVLogger").__name__
        'CSVLogger'
    """
    from dovetail.lightning import loggers

    return _find("logger", name, loggers)


def _find(kind: str, name: str, package: Any) -> type:
    built_in = {known: found for known, found in vars(package).items() if isinstance(found, type)}
    if name in built_in:
        return built_in[name]
    from dovetail import plugins
    from dovetail.lightning import hookspecs

    plugins.add_hookspecs(hookspecs)
    offered = [(cls, record) for record, found in plugins.call(f"dovetail_register_{kind}s") for cls in found]
    matches = [(cls, record) for cls, record in offered if cls.__name__ == name]
    if len(matches) > 1:
        both = " and ".join(str(record) for _, record in matches)
        raise PluginError(f"two plug-ins offer a {kind} {name!r}: {both}; uninstall one of them")
    if not matches:
        raise PluginError(plugins.explain_missing(kind, name, [*built_in, *(cls.__name__ for cls, _ in offered)]))
    return matches[0][0]
