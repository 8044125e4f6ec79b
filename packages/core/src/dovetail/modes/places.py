"""Where in the user's program an op was called: the line, and the path of modules around it.

Noting a place costs little, and keeps no frame and so no variable alive; text is made of it only when it is shown.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterable
from itertools import islice, pairwise
from types import CodeType, FrameType
from typing import Any

import dovetail
from dovetail.autograd.graph import Node, Output, SmallNode
from dovetail.modes.base import paused, state

Line = tuple[CodeType, int]

_is_library: dict[str, bool] = {}


def _of_library(filename: str) -> bool:
    """Return whether a file is one of Dovetail's own, which are passed over in the search for the user's line."""
    known = _is_library.get(filename)
    if known is None:
        folders = tuple(os.path.join(os.path.abspath(folder), "") for folder in dovetail.__path__)
        known = _is_library[filename] = os.path.abspath(filename).startswith(folders)
    return known


def line_of_user() -> Line | None:
    """Return the innermost line of the program that runs and is not Dovetail's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        known = _is_library.get(code.co_filename)
        if known is False or (known is None and not _of_library(code.co_filename)):
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def lines_of_user() -> tuple[Line, ...]:
    """Return all lines of the call stack that are not Dovetail's own, outermost first."""
    found = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not _of_library(frame.f_code.co_filename):
            found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(reversed(found))


class Place:
    """Where an op was called: the lines that led there, outermost first, and the modules around it."""

    __slots__ = ("lines", "modules")

    def __init__(self, lines: tuple[Line, ...], modules: tuple[Any, ...]) -> None:
        self.lines = lines
        self.modules = modules


UNKNOWN = Place((), ())


def note(op: Any, out: Any, lines: tuple[Line, ...]) -> None:
    """Leave the place of a call in the node that it made, if it made one and no mode has noted more."""
    node = getattr(out[0] if out.__class__ is tuple else out, "_node", None)
    if node.__class__ is Output:
        node = node.node
    if node.__class__ in (SmallNode, Node) and len(origin_of(node).lines) <= len(lines):
        # a backward pass that is recorded itself belongs to the modules of the forward pass
        node.origin = Place(lines, state.modules if state.node is None else origin_of(state.node).modules)


def origin_of(node: Any) -> Place:
    """Return the place noted in a node; one without lines where there is none."""
    return getattr(node, "origin", UNKNOWN)


def file_and_line(line: Line) -> tuple[str, int, str]:
    """Return a line's file, number and text; the text is empty where the file cannot be read."""
    code, last = line
    found = next(islice(code.co_positions(), last // 2, None), None)
    number = (found[0] if found else None) or code.co_firstlineno
    return code.co_filename, number, linecache.getline(code.co_filename, number).strip()


def shown_line(line: Line | None) -> str:
    """Return a line as ``file:number: text``."""
    if line is None:
        return "a line that is not known"
    filename, number, text = file_and_line(line)
    return f"{filename}:{number}: {text}".rstrip(": ")


def shown_stack(lines: Iterable[Line]) -> str:
    """Return lines as a traceback shows them."""
    shown = []
    for line in lines:
        filename, number, text = file_and_line(line)
        shown.append(f'  File "{filename}", line {number}, in {line[0].co_name}' + (f"\n    {text}" if text else ""))
    return "\n".join(shown)


def names_of(modules: tuple[Any, ...]) -> list[str]:
    """Return what each module is called within the one around it, the first by its class."""
    names = [type(module).__name__ for module in modules[:1]]
    for outer, inner in pairwise(modules):
        found = next((name for name, module in outer.named_modules() if module is inner and name), None)
        names.append(found or f"<{type(inner).__name__}>")
    return names


def module_path(modules: tuple[Any, ...]) -> str:
    """Return the path of the innermost module and its class, such as ``Net.layers.2 (Linear)``; empty without one."""
    return titled(".".join(names_of(modules)), modules[-1]) if modules else ""


def titled(path: str, module: Any) -> str:
    """Return a module's path with its class, which is the whole path of an outermost module."""
    kind = type(module).__name__
    return path if path == kind else f"{path} ({kind})"


def within(modules: tuple[Any, ...]) -> str:
    """Return " in <module path>", or nothing outside of modules."""
    return f" in {module_path(modules)}" if modules else ""


def described(name: str, tensor: Any) -> str:
    """Return a tensor's dtype, sizes, range and how many of its elements are nan or inf."""
    if not hasattr(tensor, "_array"):
        return f"{name}: {tensor!r}"
    head = f"{name}: {tensor.dtype.name}{tuple(tensor.shape)}"
    if not tensor.dtype.is_floating_point or not tensor.numel():
        return head
    import numpy as np

    with paused():
        array = tensor.detach().numpy(force=True).astype("float64")
    finite = array[np.isfinite(array)]
    nans = int(np.isnan(array).sum())
    span = f", {finite.min():.6g} to {finite.max():.6g}" if finite.size else ""
    counts = [f"{count} {word}" for count, word in ((nans, "nan"), (array.size - finite.size - nans, "inf")) if count]
    return head + span + (f", {' and '.join(counts)} of {array.size}" if counts else ", all finite")
