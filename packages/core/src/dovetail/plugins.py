"""The one plug-in manager: made on first need, each plug-in isolated from the others and from the user.

A plug-in is a module named by an entry point of the group ``dovetail``. Nothing is looked up at import: the first
call that needs plug-ins reads the packages' metadata, imports each module in a ``try`` of its own, and keeps what went
wrong for the next failed look-up, ``dovetail plugins`` and ``dovetail doctor``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pluggy

from dovetail import hookspecs
from dovetail.errors import PluginError
from dovetail.hookspecs import PROJECT, hookimpl, hookspec
from dovetail.plugin_loading import (
    API_VERSION,
    GROUP,
    PluginRecord,
    contract_problem,
    declared_hooks,
    describe,
    discover,
    held_output,
    import_plugin,
    locate,
)

__all__ = [
    "API_VERSION",
    "ENVIRONMENT",
    "GROUP",
    "PluginRecord",
    "add_hookspecs",
    "call",
    "explain_missing",
    "fail",
    "hookimpl",
    "hookspec",
    "load",
    "manager",
    "on_change",
    "records",
    "register",
    "reset",
    "retry",
    "unknown_limits",
    "unregister",
]

#: The environment variable that limits the plug-ins: "" for none, "a,b" for these names or packages.
ENVIRONMENT = "DOVETAIL_PLUGINS"

_lock = threading.RLock()
_manager: pluggy.PluginManager | None = None
_records: list[PluginRecord] | None = None
_own: list[PluginRecord] = []
_owners: list[Any] = [hookspecs]
_listeners: list[Callable[[], None]] = []


def manager() -> pluggy.PluginManager:
    """Return the pluggy manager that holds every loaded plug-in, making it on first need."""
    global _manager
    with _lock:
        if _manager is None:
            _manager = pluggy.PluginManager(PROJECT)
            for owner in _owners:
                _manager.add_hookspecs(owner)
        return _manager


def records() -> list[PluginRecord]:
    """Return a record for every plug-in found, loaded or not, reading metadata only."""
    global _records
    with _lock:
        if _records is None:
            _records = discover()
            _refuse_duplicates(_records)
            _disable(_records)
        return [*_records, *_own]


def load(name: str | None = None) -> list[PluginRecord]:
    """Load the plug-in called ``name``, or all, and return the records; one that fails says so in its record.

    Raises:
        PluginError: no plug-in has that name.
    """
    with _lock:
        known = records()
        chosen = [record for record in known if name in (None, record.name)]
        if name is not None and not chosen:
            raise PluginError(explain_missing("plug-in", name, [record.name for record in known]))
        fresh = [record for record in chosen if record.state == "not loaded"]
        for record in fresh:
            if record.state == "not loaded":  # one before it may have asked for all
                _load_one(record)
        if fresh:
            _changed()  # one of them may have looked something up while others were missing
        return chosen


def register(plugin: Any, name: str) -> PluginRecord:
    """Register a module or object as a plug-in in this process, for trying one out and for tests.

    Raises:
        PluginError: the name is taken, the object is registered already, or its hooks are not right.

    Example::

        >>> from dovetail import plugins
        >>> class Mine:
        ...     @plugins.hookimpl
        ...     def dovetail_register_commands(self):
        ...         return []
        >>> plugins.register(Mine(), "mine").hooks
        ['dovetail_register_commands']
        >>> plugins.unregister("mine")
    """
    with _lock:
        if any(record.name == name for record in _own):
            raise PluginError(f"a plug-in called {name!r} is registered already; unregister it first")
        record = PluginRecord(name, value=getattr(plugin, "__name__", type(plugin).__name__), module=plugin)
        _admit(record)
        if record.state == "failed":
            raise PluginError(f"{record} cannot be registered: {record.error}")
        _own.append(record)
        _changed()
        return record


def unregister(name: str) -> None:
    """Take back a plug-in that ``register`` added.

    Raises:
        PluginError: no plug-in of that name was registered in this process.
    """
    with _lock:
        for record in _own:
            if record.name == name:
                manager().unregister(record.module)
                _own.remove(record)
                _changed()
                return
        names = ", ".join(repr(record.name) for record in _own) or "none"
        raise PluginError(f"no plug-in {name!r} was registered in this process; registered: {names}")


def add_hookspecs(module: Any) -> None:
    """Add the hooks that a package owns; plug-ins that implement them may be loaded already."""
    with _lock:
        if any(owner is module for owner in _owners):
            return
        _owners.append(module)
        if _manager is None:
            return
        # pluggy raises where a loaded plug-in does not fit the new specs, so these go out and come back in one by one
        found = [*(_records or ()), *_own]
        waiting = [record for record in found if record.state == "loaded" and _unspecified(record, optional=True)]
        for record in waiting:
            _manager.unregister(record.module)
        _manager.add_hookspecs(module)
        for record in waiting:
            _admit(record)


def call(hook: str, **arguments: Any) -> list[tuple[PluginRecord, list]]:
    """Load all plug-ins, call one hook of each, and return what each gave, in the order in which pluggy calls.

    A ``dovetail_register_*`` hook is asked once and must return a list. A plug-in that raises is left out, with the
    error in its record, and the others go on.
    """
    with _lock:
        load()
        by_plugin = {id(record.module): record for record in records() if record.state == "loaded"}
        caller = getattr(manager().hook, hook, None)
        if caller is None or not caller.has_spec():
            raise PluginError(f"no hook {hook!r}{_closest(hook, _hook_names())}")
        answers = []
        for implementation in reversed(caller.get_hookimpls()):
            record = by_plugin.get(id(implementation.plugin))
            if record is not None and hook not in record.results:
                _ask(record, hook, implementation, arguments)
            if record is not None and hook in record.results:
                answers.append((record, list(record.results[hook])))
                if not hook.startswith(f"{PROJECT}_register_"):
                    del record.results[hook]
        return answers


def fail(record: PluginRecord, error: BaseException | str) -> None:
    """Keep what the caller of a hook found wrong with a plug-in's answer."""
    problem = error if isinstance(error, str) else str(error) if isinstance(error, PluginError) else describe(error)
    if problem not in record.problems:
        record.problems.append(problem)


def explain_missing(kind: str, name: str, known: Iterable[str], advice: str = "see: dovetail plugins") -> str:
    """Return the text for a failed look-up: what was asked, what there is, and which plug-ins did not load and why.

    ``advice`` is the next step where nothing better is known.
    """
    known = sorted(known)
    there = f"there is only {known[0]!r}" if len(known) == 1 else f"there are {', '.join(map(repr, known)) or 'none'}"
    parts = [f"no {kind} {name!r}", there]
    # what has to do with the name comes first; a long tail of others is left to the command
    told = sorted(records(), key=lambda record: name not in record.name and name not in record.distribution)
    left_out = [record for record in told if record.state == "disabled" and name not in record.name]
    complaints = [complaint for record in told if record not in left_out for complaint in record.complaints()]
    close = _near(name, known, 0.6)
    parts += complaints[:3]
    if left_out:
        count = f"{len(left_out)} plug-in{'s are' if len(left_out) > 1 else ' is'}"
        parts.append(f"{count} left out by {ENVIRONMENT}={os.environ.get(ENVIRONMENT)!r}")
    if close and not complaints:
        parts.append(f"did you mean {close[0]!r}?")
    elif not complaints or len(complaints) > 3:
        parts.append(advice)
    return "; ".join(parts)


def unknown_limits() -> list[str]:
    """Return the names in ``DOVETAIL_PLUGINS`` that no installed plug-in has."""
    known = {known for record in records() for known in (record.name, record.distribution)}
    return [name for name in _limits() or () if name not in known]


def retry() -> list[PluginRecord]:
    """Look for plug-ins again and load them all, the ones that failed too; those of ``register`` stay.

    For a cause that has passed: a package installed meanwhile, a driver that is up now.
    """
    global _manager, _records
    with _lock:
        _manager = _records = None
        for record in _own:
            record.problems.clear()
            record.results.clear()
            _admit(record)
        _changed()
        return load()


def reset() -> None:
    """Forget every plug-in, found or registered; the next need starts afresh."""
    global _manager, _records
    with _lock:
        _manager = _records = None
        _own.clear()
        _changed()


def on_change(listener: Callable[[], None]) -> Callable[[], None]:
    """Have ``listener`` called whenever plug-ins come or go, so that what was looked up is forgotten; returns it."""
    _listeners.append(listener)
    return listener


def _changed() -> None:
    for listener in _listeners:
        listener()


def _limits() -> list[str] | None:
    value = os.environ.get(ENVIRONMENT)
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


def _disable(found: list[PluginRecord]) -> None:
    limits = _limits()
    if limits is None:
        return
    for record in found:
        if record.name not in limits and record.distribution not in limits:
            record.refuse(f"{ENVIRONMENT}={os.environ[ENVIRONMENT]!r} does not name it")
            record.state = "disabled"


def _refuse_duplicates(found: list[PluginRecord]) -> None:
    for record in found:
        rivals = [other for other in found if other.name == record.name]
        if len(rivals) > 1:
            both = " and ".join(f"{rival} ({rival.value})" for rival in rivals)
            remove = " or ".join(dict.fromkeys(f"pip uninstall {rival.distribution}" for rival in rivals))
            record.refuse(f"{len(rivals)} plug-ins are called {record.name!r}: {both}; none of them is loaded", remove)


def _load_one(record: PluginRecord) -> None:
    record.state = "loading"
    try:
        import_plugin(record)
    finally:
        # Ctrl-C passes through: the next need tries again
        if record.state == "loading" and record.module is None:
            record.state = "not loaded"
    if record.state == "loading":
        with held_output(record):
            _admit(record)


def _admit(record: PluginRecord) -> None:
    """Register an imported plug-in with pluggy, or mark it as failed when it does not keep the contract."""
    problem = contract_problem(record, manager())
    if problem:
        record.refuse(*problem)
        return
    try:
        manager().register(record.module, record.name)
    except (Exception, SystemExit) as error:
        record.refuse(describe(error), location=locate(error.__traceback__))
        return
    record.hooks = sorted(caller.name for caller in manager().get_hookcallers(record.module) or [])
    strange = _unknown_hook(record)
    if strange:
        manager().unregister(record.module)
        record.refuse(strange)
    else:
        record.state = "loaded"


def _unspecified(record: PluginRecord, optional: bool = False) -> list[str]:
    """Return the plug-in's hooks that no package imported so far owns, those marked optional too if asked."""
    missing = []
    for caller in manager().get_hookcallers(record.module) or []:
        mine = [found for found in caller.get_hookimpls() if found.plugin is record.module]
        if not caller.has_spec() and (optional or not all(found.optionalhook for found in mine)):
            missing.append(caller.name)
    return missing


def _unknown_hook(record: PluginRecord) -> str:
    """Return the complaint about a hook that no installed package owns, or ""."""
    missing = _unspecified(record)
    if not missing:
        return ""
    declared = declared_hooks(_part_folders())
    for name in missing:
        if name not in declared:
            return (
                f"no installed package has a hook {name!r}{_closest(name, [*_hook_names(), *declared])}; "
                "where its package is an optional one, mark it @dovetail.hookimpl(optionalhook=True)"
            )
    return ""


def _part_folders() -> list[str]:
    import dovetail

    return list(dovetail.__path__)


def _hook_names() -> list[str]:
    return sorted(name for name, caller in vars(manager().hook).items() if caller.has_spec())


def _near(name: str, known: list[str], cutoff: float) -> list[str]:
    import difflib  # for failures only

    return difflib.get_close_matches(name, known, 1, cutoff)


def _closest(name: str, known: list[str]) -> str:
    close = _near(name, known, 0.9)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(map(repr, sorted(known)))}"


def _ask(record: PluginRecord, hook: str, implementation: Any, arguments: dict[str, Any]) -> None:
    """Call one implementation of a hook and keep its list in the record, or the reason why there is none."""
    try:
        with held_output(record):
            result = implementation.function(*(arguments[name] for name in implementation.argnames))
    except (Exception, SystemExit) as error:
        where = locate(error.__traceback__)
        fail(record, f"{hook} raised {describe(error)}" + (f" at {where}" if where else ""))
        result = []
    if result is None or isinstance(result, (list, tuple)):
        record.results[hook] = list(result or ())
    else:
        fail(record, f"{hook} returned {type(result).__name__}; it must return a list")
        record.results[hook] = []
