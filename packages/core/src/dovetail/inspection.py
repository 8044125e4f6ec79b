"""What a file of tensors holds, for ``dovetail inspect``: only data is read, and nothing of the file runs."""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dovetail import safetensors_file, serialization, sharded
from dovetail.errors import LoadError
from dovetail.tensor import Tensor
from dovetail.torch_files import reading

__all__ = ["describe"]

_LONGEST = 80  # characters of a plain value
_CHUNK = 1 << 20  # bytes read at once for a checksum


@dataclass
class _Node:
    """A line of the tree, and what stands below it."""

    text: str
    children: list[tuple[str, _Node]] = field(default_factory=list)

    def lines(self, label: str = "", depth: int = 0) -> list[str]:
        """Return the line, and those below it, further to the right."""
        found = [f"{'  ' * depth}{label}{self.text}"]
        for name, child in self.children:
            found += child.lines(f"{name}: ", depth + 1)
        return found


@dataclass
class _Stored:
    """A tensor as it is in the file."""

    dtype: str
    shape: list[int]
    size: int
    checksum: str = ""
    actual: str = ""  # the checksum of the data; empty when it was not computed

    @property
    def damaged(self) -> bool:
        return bool(self.checksum and self.actual) and self.checksum != self.actual

    def text(self, dtype: str | None = None) -> str:
        """Return dtype, shape, size and checksum; ``complex128`` is stored as pairs of ``float64``."""
        shape = self.shape[:-1] if dtype == "complex128" else self.shape
        words = [f"{dtype or self.dtype} {shape}", _size(self.size)]
        if self.checksum:
            state = "" if not self.actual else f" DOES NOT HOLD: it is {self.actual}" if self.damaged else " holds"
            words.append(f"checksum {_word(self.checksum)}{state}")
        return ", ".join(words)


def describe(path: str | os.PathLike[str], verify: bool = True) -> tuple[list[str], list[str]]:
    """Return what a file holds, as lines to print, and what is wrong with it.

    Args:
        path: a safetensors file, of Dovetail or another tool, or a file of PyTorch.
        verify: whether to compare the tensors' checksums with their data, for which all of the file is read.

    Raises:
        LoadError: the file is so damaged that its content cannot be told, or of another format.
        OSError: the file cannot be read.

    Example::

        >>> import dovetail, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> dovetail.save({"weight": dovetail.ones(2, 3), "epoch": 3}, folder.name + "/best.safetensors")
        >>> lines, problems = describe(folder.name + "/best.safetensors")
        >>> for line in lines[4:]:
        ...     print(line)
        dict of 2
          weight: tensor float32 [2, 3], 24 bytes, checksum 29dd1225 holds
          epoch: 3
        >>> problems
        []
        >>> folder.cleanup()
    """
    name = os.fspath(path)
    with open(name, "rb") as file:
        start = file.read(512)  # by which PyTorch's files are known
        size = os.fstat(file.fileno()).st_size
    first = f"file        {_word(os.path.basename(name))}, {_size(size)}"
    if name.endswith(sharded.ENDING):
        return _shards(name, first, verify)
    if reading.recognises(start):
        node = _Objects().node(serialization.load(name, "cpu", verify=verify), "")
        how = "a zip archive" if start.startswith(b"PK") else "an older form"
        return [first, f"written by  PyTorch, as {how}", "", *node.lines()], []
    with open(name, "rb") as file:
        stored, metadata = _stored(safetensors_file.Reader(name, file), verify)
    problems = [
        f"tensor {tensor!r} is damaged: its checksum is {found.checksum}, that of its data {found.actual}"
        for tensor, found in stored.items()
        if found.damaged
    ]
    node = _Node(
        f"dict of {len(stored)}", [(_word(tensor), _Node(f"tensor {stored[tensor].text()}")) for tensor in stored]
    )
    if serialization._FORMAT_KEY in metadata:
        problems += _refusal(name)
        node = _structure(metadata, stored) or node
    lines = [first, _writer(metadata), _checksums(stored, verify), *_metadata_lines(metadata), "", *node.lines()]
    return lines, problems


def _refusal(name: str) -> list[str]:
    """Return why a file cannot be loaded, whatever its data; nothing if it can."""
    try:
        serialization.load(name, "cpu", mmap=True)
    except LoadError as error:
        text = str(error).removeprefix(f"{name}: ")
        return [text if text.isprintable() else repr(text)]
    return []


def _shards(name: str, first: str, verify: bool) -> tuple[list[str], list[str]]:
    """Return what an index of shards and the shards hold, each after the other, and what is wrong with them."""
    places = sharded.read_index(name)
    shards = list(dict.fromkeys(places.values()))
    lines, problems = [f"{first}, an index of {len(places)} tensors in {len(shards)} files"], []
    for shard in shards:
        try:
            inside, wrong = describe(sharded.shard_path(name, shard), verify)
        except (LoadError, OSError) as error:
            inside, wrong = [f"file        {_word(shard)}, cannot be read"], [str(error)]
        lines += ["", *inside]
        problems += [f"{_word(shard)}: {what}" for what in wrong]
    return lines, problems or _refusal(name)


def _stored(reader: safetensors_file.Reader, verify: bool) -> tuple[dict[str, _Stored], dict[str, str]]:
    """Return every tensor of the file, with its data's checksum when there is one to compare, and the metadata."""
    header, metadata, checksums = reader.header()
    layout = reader._layout(header)
    data = reader.file.tell()
    found = {}
    for name, (dtype, shape, begin, end) in layout.items():
        found[name] = _Stored(dtype.name, list(shape), end - begin, str(checksums.get(name, "")))
        if verify and checksums:
            reader.file.seek(data + begin)
            actual = 0
            for position in range(begin, end, _CHUNK):
                actual = zlib.crc32(reader.file.read(min(_CHUNK, end - position)), actual)
            found[name].actual = f"{actual:08x}"
    return {name: found[name] for name in header}, metadata


def _writer(metadata: dict[str, str]) -> str:
    if serialization._FORMAT_KEY not in metadata:
        return "written by  another tool, as safetensors"
    return f"written by  Dovetail, in its format {_word(metadata[serialization._FORMAT_KEY])}"


def _checksums(stored: dict[str, _Stored], verify: bool) -> str:
    count = sum(bool(found.checksum) for found in stored.values())
    holding = count - sum(found.damaged for found in stored.values())
    if not stored:
        return "checksums   no tensors"
    if not count:
        return "checksums   none: this file cannot tell whether its data is what was written"
    return f"checksums   {holding} of {count} hold" if verify else f"checksums   {count}, not compared"


def _metadata_lines(metadata: dict[str, str]) -> list[str]:
    known = (
        serialization._FORMAT_KEY, serialization._STRUCTURE_KEY,
        safetensors_file.CHECKSUMS, safetensors_file.HEADER_CHECKSUM,
    )  # fmt: skip
    return [f"metadata    {_word(key)}: {_short(value)}" for key, value in metadata.items() if key not in known]


def _structure(metadata: dict[str, str], stored: dict[str, _Stored]) -> _Node | None:
    """Return the tree of an object that Dovetail saved; None when it cannot be told."""
    try:
        structures = _Structures(stored)
        node = structures.node(json.loads(metadata[serialization._STRUCTURE_KEY]), "")
        node.lines()  # as deep as it may be
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    rest = [(_word(name), _Node(f"tensor {stored[name].text()}")) for name in stored if name not in structures.seen]
    return _Node(node.text, [*node.children, ("(not in the structure)", _Node("", rest))]) if rest else node


# Trees


class _Objects:
    """Makes trees of objects in memory."""

    def __init__(self) -> None:
        self.seen: dict[Any, str] = {}

    def node(self, value: Any, place: str) -> _Node:
        if isinstance(value, Tensor | np.ndarray):
            return self.array(value, place)
        if isinstance(value, dict):
            return self.pairs(type(value).__name__, value.items(), place)
        if isinstance(value, list | tuple):
            return self.sequence(type(value).__name__, value, place)
        return _Node(_short(value))

    def array(self, value: Any, place: str) -> _Node:
        first = self.seen.setdefault(id(value), place)
        kind = "tensor" if isinstance(value, Tensor) else "array"
        if first != place:
            return _Node(f"{kind}, the same as {first}")
        dtype = getattr(value.dtype, "name", value.dtype)
        size = _size(math.prod(value.shape) * value.dtype.itemsize)
        return _Node(f"{kind} {dtype} {list(value.shape)}, {size}{_gradient(getattr(value, 'requires_grad', False))}")

    def pairs(self, kind: str, pairs: Iterable[tuple[Any, Any]], place: str) -> _Node:
        children = []
        for key, item in pairs:
            label = self.label(key)
            children.append((label, self.node(item, f"{place}.{label}" if place else label)))
        return _Node(f"{kind} of {len(children)}", children)

    def label(self, key: Any) -> str:
        return _word(key) if isinstance(key, str) else _short(key)

    def sequence(self, kind: str, items: list[Any] | tuple[Any, ...], place: str) -> _Node:
        if items and not any(isinstance(item, list | tuple | dict | Tensor | np.ndarray) for item in items):
            return _Node(f"{kind} of {len(items)}: {_short(items)}")
        return self.pairs(kind, enumerate(items), place)


class _Structures(_Objects):
    """Makes trees of the JSON in which ``save`` writes an object."""

    def __init__(self, stored: dict[str, _Stored]) -> None:
        super().__init__()
        self.stored = stored

    def node(self, value: Any, place: str) -> _Node:
        tag = next(iter(value), "") if isinstance(value, dict) else ""
        if not tag.startswith("$"):
            return super().node(value, place)
        content, kind = value[tag], tag[1:]
        if kind in ("tensor", "array", "scalar"):
            return self.reference(kind, content, value, place)
        if kind in ("dict", "ordered"):
            return self.pairs({"ordered": "OrderedDict"}.get(kind, kind), ((key, item) for key, item in content), place)
        if kind in ("tuple", "size"):
            return self.sequence(kind, content, place)
        if kind == "bytes":
            return _Node(f"bytes of length {len(content) * 3 // 4 - content[-2:].count('=')}")
        return _Node(f"{kind} {_short(content) if not isinstance(content, str) else _word(content)}")

    def reference(self, kind: str, name: str, value: dict[str, Any], place: str) -> _Node:
        stored, gradient = self.stored[name], _gradient(value.get("requires_grad"))
        first = self.seen.setdefault(name, place)
        if "view" in value:  # on memory that others show too: what is stored is told once
            dtype, _, shape, _ = value["view"]
            memory = f" ({stored.text()})" if first == place else ""
            return _Node(f"{kind} {_word(dtype)} {_short(shape)}, a view of {_word(name)}{memory}{gradient}")
        if first != place:
            return _Node(f"{kind}, the same as {first}")
        return _Node(f"{kind} {stored.text(value.get('dtype'))}{gradient}")

    def label(self, key: Any) -> str:
        if isinstance(key, dict):
            return " ".join(self.node(key, "").lines())
        return super().label(key)


# Words


def _gradient(needed: Any) -> str:
    return ", requires grad" if needed is True else ""


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} byte{'' if count == 1 else 's'}"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def _word(text: str) -> str:
    """Return a text as it is when it can be printed, else quoted: no file may steer the terminal."""
    return text if text and text.isprintable() and len(text) <= _LONGEST else _short(text)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
