"""The plain-text reports of the ``dovetail`` command: what is installed, what serves what, and what is wrong."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterable, Sequence

import numpy

import dovetail
from dovetail import cli, kernels, ops, plugins
from dovetail.backends import registry
from dovetail.backends.base import Backend
from dovetail.errors import DeviceError
from dovetail.plugin_loading import PluginRecord, declared_hooks, describe

INDENT = "    "
SHOWN_LINES = 20


def table(rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Return rows as aligned lines, every column but the last as wide as its widest cell."""
    rows = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


def examine() -> list[str]:
    """Import what owns hooks, load every plug-in and ask it all that core asks; return what is wrong with the parts."""
    broken = []
    for part in sorted(set(declared_hooks(list(dovetail.__path__)).values())):
        try:
            plugins.add_hookspecs(importlib.import_module(f"dovetail.{part}.hookspecs"))
        except Exception as error:
            broken.append(f"dovetail.{part} does not import: {describe(error)}")
    registry.backends()
    kernels.plugin_kernels()
    cli.commands()
    return broken


def plugin_lines() -> list[str]:
    """Return the table of plug-ins, each followed by what went wrong with it and what it printed."""
    records = plugins.records()
    if not records:
        return ["  none found; a plug-in is a package with an entry point in the group 'dovetail'"]
    rows = [("name", "package", "module", "state", "hooks")]
    for record in records:
        package = str(record) if record.distribution else "(this process)"
        hooks = ", ".join(name.removeprefix("dovetail_") for name in record.hooks) or "-"
        rows.append((record.name, package, record.value, record.state, hooks))
    heads = table(rows)
    lines = heads[:1]
    for head, record in zip(heads[1:], records, strict=True):
        lines += [head, *(INDENT + line for line in _details(record))]
    return lines


def _details(record: PluginRecord) -> list[str]:
    lines = [record.error] if record.error else []
    if record.location:
        lines.append(f"at {record.location}")
    if record.advice:
        lines.append(f"try: {record.advice}")
    lines += record.problems
    if record.state == "loaded" and not record.hooks:
        lines.append("it has no hooks: mark its functions with @dovetail.hookimpl")
    printed = record.output.splitlines()
    if printed:
        lines.append("it printed:")
        lines += [f"  {line}" for line in printed[:SHOWN_LINES]]
        if len(printed) > SHOWN_LINES:
            lines.append(f"  ... and {len(printed) - SHOWN_LINES} lines more")
    return [_printable(line) for line in lines]


def _printable(text: str) -> str:
    """Return text without control characters, which would colour or move a terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def backend_lines() -> list[str]:
    """Return one line for each backend: whether it can be used here, and why not."""
    rows = []
    for name, backend in registry.backends().items():
        missing = registry.why_missing(backend)
        rows.append((name, "usable" if missing is None else "not usable", missing or _places(backend)))
    return table(rows)


def _places(backend: Backend) -> str:
    count = backend.device_count()
    return f"{count} device" + ("s" if count != 1 else "")


def version_lines() -> list[str]:
    """Return the versions of Python, NumPy and every Dovetail package."""
    rows = [
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("platform", platform.platform()),
        ("numpy", numpy.__version__),
    ]
    ours = {"dovetail-core": dovetail.__version__}
    plugged = {record.distribution for record in plugins.records()}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"] or ""
        if (name == "dovetail" or name.startswith("dovetail-")) and (name not in plugged or _is_part(distribution)):
            ours.setdefault(name, distribution.version)
    return table([*rows, *sorted(ours.items())])


def _is_part(distribution: importlib.metadata.Distribution) -> bool:
    """Return whether a distribution adds to the ``dovetail`` namespace, as our own packages do."""
    return any(file.parts[:1] == ("dovetail",) for file in distribution.files or ())


def kernel_lines(name: str) -> list[str]:
    """Return which kernel serves each op on one backend, first choice first.

    Raises:
        DeviceError: there is no such backend.
    """
    known = registry.backends()
    if name not in known:
        raise DeviceError(plugins.explain_missing("backend", name, list(known)))
    rows = [
        (op.name, ", then ".join(who for who, _ in kernels.serving(op, known[name]))) for op in ops.every().values()
    ]
    return table([("op", "served by"), *sorted(rows)])


def kernel_counts() -> list[str]:
    """Return, for each backend, how many ops each source of kernels serves first."""
    rows = [("backend", "ops", "served by")]
    for name, backend in registry.backends().items():
        counts: dict[str, int] = {}
        for op in ops.every().values():
            first = kernels.serving(op, backend)[0][0]
            counts[first] = counts.get(first, 0) + 1
        rows.append(
            (name, str(len(ops.every())), ", ".join(f"{who}: {count}" for who, count in sorted(counts.items())))
        )
    return table(rows)


def problems(broken: list[str]) -> list[str]:
    """Return what is wrong, one line each: parts that do not import, plug-ins that failed, limits that name nothing."""
    found = list(broken)
    for record in plugins.records():
        if record.state != "disabled":
            found += record.complaints()
    found += [f"{plugins.ENVIRONMENT} names {name!r}, which is not installed" for name in plugins.unknown_limits()]
    return [_printable(problem) for problem in found]
