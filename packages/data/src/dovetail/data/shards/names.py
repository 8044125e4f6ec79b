"""The names of shards: braces, globs and lists."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from itertools import product

from dovetail.atomic import is_url
from dovetail.errors import MissingPackageError

Shards = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand(shards: Shards) -> list[str]:
    """Return the names that one pattern, or a list of them, stands for.

    ``{000..009}`` counts, ``{a,b}`` lists, and ``*``, ``?`` and ``[...]`` match what is there, in sorted order.

    Raises:
        FileNotFoundError: a pattern with ``*``, ``?`` or ``[...]`` matches nothing. ValueError: there is no name.
        MissingPackageError: such a pattern in a URL, without fsspec.

    Example::

        >>> expand("train-{008..010}.tar")
        ['train-008.tar', 'train-009.tar', 'train-010.tar']
    """
    patterns = [shards] if isinstance(shards, (str, os.PathLike)) else list(shards)
    names = [name for pattern in patterns for name in _expand_one(os.fspath(pattern))]
    if not names:
        raise ValueError("a stream needs at least one shard, got an empty list of names")
    return names


def _expand_one(pattern: str) -> list[str]:
    if not is_url(pattern) and os.path.exists(pattern):  # a file may have brackets in its name
        return [pattern]
    parts = BRACES.split(pattern)  # text, inside of braces, text, ...
    choices = [_choices(part) if number % 2 else [part] for number, part in enumerate(parts)]
    return [name for combination in product(*choices) for name in _matches("".join(combination))]


def _choices(inside: str) -> list[str]:
    if span := RANGE.fullmatch(inside):
        first, last = int(span[1]), int(span[2])
        step = 1 if last >= first else -1
        return [str(number).zfill(len(span[1])) for number in range(first, last + step, step)]
    return inside.split(",") if "," in inside else [f"{{{inside}}}"]


def _matches(pattern: str) -> list[str]:
    if not glob.has_magic(pattern) or (not is_url(pattern) and os.path.exists(pattern)):
        return [pattern]
    if is_url(pattern):
        try:
            import fsspec
        except ImportError:
            raise MissingPackageError(
                f"{pattern}: shards at such addresses are found by fsspec, which is not installed; "
                'try: pip install "dovetail-data[remote]"'
            ) from None
        system, path = fsspec.core.url_to_fs(pattern)
        found = [system.unstrip_protocol(name) for name in system.glob(path)]
    else:
        found = glob.glob(pattern, recursive=True)
    if not found:
        raise FileNotFoundError(f"no shard matches {pattern!r}; check the folder and the pattern")
    return sorted(found)
