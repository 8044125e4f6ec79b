"""Replacing a model's layers by those that a plug-in registered under a scheme name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail import plugins
from dovetail.errors import PluginError
from dovetail.nn import hookspecs
from dovetail.nn.module import Module

HOOK = "dovetail_register_layers"

plugins.add_hookspecs(hookspecs)


def schemes() -> dict[str, dict[type, Callable[[Any], Any]]]:
    """Return the replacement tables by scheme name, as the plug-ins registered them."""
    found: dict[str, dict[type, Callable[[Any], Any]]] = {}
    owners: dict[tuple[str, type], list[Any]] = {}
    for record, results in plugins.call(HOOK):
        for entry in results:
            problem = _problem(entry)
            if problem:
                plugins.fail(record, problem)
                continue
            scheme, table = entry
            for kind, replace in table.items():
                owners.setdefault((scheme, kind), []).append(record)
                found.setdefault(scheme, {})[kind] = replace
    for (scheme, kind), records in owners.items():
        if len(records) > 1:
            both = " and ".join(map(str, records))
            del found[scheme][kind]
            for record in records:
                plugins.fail(record, f"{kind.__name__} under scheme {scheme!r} is registered by {both}; none is used")
    return found


def _problem(entry: Any) -> str | None:
    """Return what is wrong with one registered entry, or None."""
    wanted = f"{HOOK} must give pairs (scheme name, {{layer type: replace}})"
    if not (isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str) and isinstance(entry[1], dict)):
        return f"{wanted}; got {entry!r:.80}"
    for kind, replace in entry[1].items():
        if not (isinstance(kind, type) and issubclass(kind, Module)) or not callable(replace):
            return f"{wanted}; under {entry[0]!r} it gave {kind!r}: {replace!r:.60}"
    return None


def swap(model: Module, scheme: str) -> Module:
    """Replace, in place, each layer that ``scheme`` covers, and return the model.

    A layer is covered when its very type is registered; a layer used in two places is replaced once and stays shared.
    Training mode and whether each is in it are kept.

    Args:
        model: the module to change; when it is covered itself, its replacement is returned.
        scheme: a name under which a plug-in registered replacements with ``dovetail_register_layers``.

    Returns:
        ``model``, or its replacement.

    Raises:
        PluginError: no plug-in registered the scheme, or a replacement is no module.

    Example::

        >>> from dovetail import nn, plugins
        >>> class Quiet:
        ...     @plugins.hookimpl
        ...     def dovetail_register_layers(self):
        ...         return [("no-dropout", {nn.Dropout: lambda layer: nn.Identity()})]
        >>> _ = plugins.register(Quiet(), "quiet")
        >>> nn.swap(nn.Sequential(nn.ReLU(), nn.Dropout()), "no-dropout")
        Sequential(
          (0): ReLU()
          (1): Identity()
        )
        >>> plugins.unregister("quiet")
    """
    known = schemes()
    if scheme not in known:
        raise PluginError(plugins.explain_missing("layer scheme", scheme, list(known)))
    return _swapped(model, scheme, known[scheme], {})


def _swapped(module: Module, scheme: str, table: dict[type, Callable[[Any], Any]], done: dict[int, Module]) -> Module:
    if id(module) in done:
        return done[id(module)]
    new = table[type(module)](module) if type(module) in table else None
    if new is None:
        done[id(module)] = module
        for name, child in module._modules.items():
            if child is not None:
                module._modules[name] = _swapped(child, scheme, table, done)
        return module
    if not isinstance(new, Module):
        raise PluginError(
            f"scheme {scheme!r} replaces {type(module).__name__} by a {type(new).__name__}; it must give an nn.Module"
        )
    new.train(module.training)
    done[id(module)] = new
    return new
