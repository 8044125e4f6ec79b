"""One plug-in at a time: finding it by its metadata, importing it apart from the rest, and saying what went wrong."""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

# importlib.metadata, ast, pathlib and traceback are imported where they are used; ``import dovetail`` needs none

#: The entry-point group; its entries name modules.
GROUP = "dovetail"
#: Major and minor of the plug-in interface; a plug-in that states another major is refused.
API_VERSION = (1, 0)


@dataclass
class PluginRecord:
    """What is known of one plug-in; ``str(record)`` is its package and version.

    Attributes:
        name: the entry point's name.
        distribution: the package that it came in, or "" when it was registered in this process.
        version: that package's version, or "".
        value: the module that the entry point names.
        state: "not loaded", "loading", "loaded", "failed", or "disabled" (left out by ``DOVETAIL_PLUGINS``).
        error: why it is "failed" or "disabled", in one line.
        location: where the error was raised, as ``file:line, in function``.
        advice: what to try next, or "".
        output: what it printed while it was imported or asked.
        hooks: the names of the hooks that it implements.
        problems: what went wrong after it was loaded, one line each.
    """

    name: str
    distribution: str = ""
    version: str = ""
    value: str = ""
    state: str = "not loaded"
    error: str = ""
    location: str = ""
    advice: str = ""
    output: str = ""
    hooks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    module: Any = field(default=None, repr=False)
    entry: Any = field(default=None, repr=False)
    results: dict[str, list] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip() or f"plug-in {self.name!r}"

    def refuse(self, error: str, advice: str = "", location: str = "") -> None:
        """Mark as failed, with the reason in one line and the next step."""
        self.state, self.error, self.advice, self.location = "failed", error, advice, location
        self.module, self.hooks, self.results = None, [], {}

    def complaints(self) -> list[str]:
        """Return what an unsuccessful look-up should say of this plug-in, one clause each."""
        if self.state == "failed":
            return [f"{self} did not load: {self.error}" + (f"; try: {self.advice}" if self.advice else "")]
        if self.state == "disabled":
            return [f"{self} is left out: {self.error}"]
        return [f"{self}: {problem}" for problem in self.problems]


def discover() -> list[PluginRecord]:
    """Return a record for each entry point of the group, sorted by name, importing none of them."""
    import importlib.metadata

    importlib.invalidate_caches()
    found: dict[tuple[str, str, str], PluginRecord] = {}
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        # one package with broken metadata must not hide the others
        try:
            text = distribution.read_text("entry_points.txt")
            if not text or GROUP not in text:
                continue
            package, version = distribution.metadata["Name"], distribution.version
            entries = [entry for entry in distribution.entry_points if entry.group == GROUP]
        except Exception:
            continue
        if not package or _normal(package) in seen:
            continue  # the first on the path is the one that imports
        seen.add(_normal(package))
        for entry in entries:
            record = PluginRecord(entry.name, package, version, entry.value, entry=entry)
            found.setdefault((entry.name, package, entry.value), record)
    return sorted(found.values(), key=lambda record: (record.name, record.distribution, record.value))


def import_plugin(record: PluginRecord) -> None:
    """Import a plug-in's module into ``record.module``, or mark the record as failed; only Ctrl-C passes through."""
    with held_output(record):
        try:
            record.module = record.entry.load()
        except (Exception, SystemExit) as error:
            record.refuse(describe(error), advise(error, record), locate(error.__traceback__, error))


def describe(error: BaseException) -> str:
    """Return an exception as one line: its type and its text."""
    text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if isinstance(error, SystemExit):
        text = f"{text or 'None'} (it called sys.exit)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def locate(trace: TracebackType | None, error: BaseException | None = None) -> str:
    """Return the innermost place of a traceback that is not the import system, as ``file:line, in function``."""
    import traceback

    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if not frame.filename.startswith("<frozen") and "importlib" not in frame.filename and frame.filename != __file__
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}, in {frames[-1].name}" if frames else ""


def advise(error: BaseException, record: PluginRecord) -> str:
    """Return the command to try after a failed import, or ""."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    missing = error.name.partition(".")[0]
    if f"{record.value.partition(':')[0]}.".startswith(f"{error.name}."):
        return f"pip install --force-reinstall {record.distribution}"
    if missing == GROUP:
        command = f"pip install {'-'.join(error.name.split('.')[:2])}"
        return "" if command in str(error) else command  # the error of a missing part of Dovetail says it itself
    with contextlib.suppress(Exception):
        import importlib.util

        if importlib.util.find_spec(missing) is not None:
            return f"pip install --upgrade {missing.replace('_', '-')}"
    return f"pip install {_requirement(missing, record) or missing.replace('_', '-')}"


def _requirement(module: str, record: PluginRecord) -> str:
    """Return what to install for ``module`` as the plug-in's own metadata tells it, or ""."""
    import importlib.metadata

    try:
        requires = importlib.metadata.requires(record.distribution) or []
    except Exception:
        return ""
    for line in requires:
        match = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"""extra\s*==\s*["']([^"']+)["']""", line)
        if match and _normal(match[0]) == _normal(module):
            return f"'{record.distribution}[{extra[1]}]'" if extra else match[0]
    return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def contract_problem(record: PluginRecord, manager: Any) -> tuple[str, str] | None:
    """Return what in an imported plug-in breaks the contract, and what to try, or None."""
    if manager.has_plugin(record.name):
        return f"a plug-in called {record.name!r} is registered already", ""
    other = manager.get_name(record.module)
    if other is not None:
        return f"{record.value} is registered already, as plug-in {other!r}", ""
    return _api_problem(record) or _marking_problem(record, manager)


def _api_problem(record: PluginRecord) -> tuple[str, str] | None:
    stated = getattr(record.module, "dovetail_api", None)
    if stated is None:
        return None
    parts = str(stated).split(".")
    if not all(part.isdecimal() for part in parts):
        return f"dovetail_api is {stated!r}; it must be a version such as '1' or '1.0'", ""
    if int(parts[0]) == API_VERSION[0]:
        return None
    ours = ".".join(map(str, API_VERSION))
    update = "dovetail-core" if int(parts[0]) > API_VERSION[0] else record.distribution
    return (
        f"it is made for plug-in API {stated}; this dovetail-core has {ours}",
        f"pip install --upgrade {update}" if update else "",
    )


def _marking_problem(record: PluginRecord, manager: Any) -> tuple[str, str] | None:
    """Return what is wrong with the marks on a plug-in's functions: one forgotten, or a wrapper."""
    for name in dir(record.module):
        options = manager.parse_hookimpl_opts(record.module, name)
        if options is not None and (options.get("wrapper") or options.get("hookwrapper")):
            return f"{name} is a hook wrapper; a hook here is asked once, so return a list instead", ""
        if options is None and name.startswith((f"{GROUP}_register_", f"{GROUP}_configure_")):
            function = inspect.getattr_static(record.module, name)
            if inspect.isfunction(function) and not hasattr(function, f"{GROUP}_spec"):
                return f"{name} is not marked as a hook; put @dovetail.hookimpl above it", ""
    return None


def declared_hooks(roots: list[str]) -> dict[str, str]:
    """Return the hooks that installed parts declare in ``<part>/hookspecs.py``, with their part, importing none.

    A plug-in may implement a hook whose owner is not imported yet; reading the file tells it from a misspelled one.
    """
    import ast
    from pathlib import Path

    declared: dict[str, str] = {}
    for file in sorted(file for root in roots for file in Path(root).glob("*/hookspecs.py")):
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef) and any(_is_hookspec(mark) for mark in node.decorator_list):
                    declared[node.name] = file.parent.name
    return declared


def _is_hookspec(mark: Any) -> bool:
    mark = getattr(mark, "func", mark)  # with options, it is a call
    return getattr(mark, "id", getattr(mark, "attr", "")) == "hookspec"


class _HeldStream:
    """A stand-in for ``sys.stdout`` that holds one thread's text while it is asked to, then passes all through.

    It stays of use afterwards because a plug-in may have kept it: ``logging`` handlers do.
    """

    def __init__(self, stream: Any, parts: list[str]) -> None:
        self._stream, self._parts, self._thread = stream, parts, threading.get_ident()
        self._holding = True

    def write(self, text: str) -> int:
        if self._holding and threading.get_ident() == self._thread:
            self._parts.append(text)
        elif self._stream is not None:
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def release(self) -> None:
        self._holding = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def held_output(record: PluginRecord) -> Iterator[None]:
    """Keep what is printed inside the block in ``record.output`` instead of showing it."""
    parts: list[str] = []
    saved = sys.stdout, sys.stderr
    held = _HeldStream(saved[0], parts), _HeldStream(saved[1], parts)
    sys.stdout, sys.stderr = held
    try:
        yield
    finally:
        for stream in held:
            stream.release()
        # a plug-in that put its own stream there keeps it
        if sys.stdout is held[0]:
            sys.stdout = saved[0]
        if sys.stderr is held[1]:
            sys.stderr = saved[1]
        record.output += "".join(parts)
