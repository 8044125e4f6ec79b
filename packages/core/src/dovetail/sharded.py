"""Tensors that are spread over several files, with an index that says which is where.

Such an index, ``model.safetensors.index.json``, is ``{"metadata": {...}, "weight_map": {name: file}}``; the files, its
shards, are beside it. What the index says is compared with what the shards hold, so that nothing is missing unnoticed.

Source: https://huggingface.co/docs/safetensors/index and the files of models on that hub.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from dovetail.atomic import opened
from dovetail.errors import LoadError

ENDING = ".index.json"
_LARGEST_INDEX = 32_000_000  # bytes; that of a model with 90,000 tensors has 9 million
_FORBIDDEN = "/\\:\0"  # in a shard's name: it is a file's own name, never a way to another folder

Array = TypeVar("Array")


def read_arrays(path: str, read: Callable[[str], Mapping[str, Array]]) -> dict[str, Array]:
    """Return all arrays of the shards that an index names, in the index's order.

    Args:
        path: the index's name, a path or a URL; the shards are in the same folder.
        read: returns a shard's arrays by name, given its path; called once for each shard.

    Raises:
        LoadError: the index is damaged, a shard is not there, or their tensors are not those that the index states; the
            text names the index, the shard and the tensor.
        OSError: the index or a shard cannot be read.

    Example::

        >>> import dovetail, json, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> dovetail.save({"w": dovetail.ones(2)}, folder.name + "/1.safetensors")
        >>> dovetail.save({"b": dovetail.zeros(1)}, folder.name + "/2.safetensors")
        >>> with open(folder.name + "/model.safetensors.index.json", "w") as file:
        ...     json.dump({"weight_map": {"b": "2.safetensors", "w": "1.safetensors"}}, file)
        >>> read_arrays(file.name, dovetail.load)
        {'b': tensor([0.]), 'w': tensor([1., 1.])}
        >>> folder.cleanup()
    """
    places = read_index(path)
    names: dict[str, set[str]] = {}
    for name, shard in places.items():
        names.setdefault(shard, set()).add(name)
    found: dict[str, Array] = {}
    for shard, expected in names.items():
        try:
            arrays = read(shard_path(path, shard))
        except FileNotFoundError:
            _fail(path, f"its shard {shard!r:.100} is not beside it; copy or download all {len(names)} shards")
        _compare(path, shard, expected, arrays)
        found.update(arrays)
    return {name: found[name] for name in places}


def read_index(path: str) -> dict[str, str]:
    """Return the shard's file name for each tensor's name; the shards themselves are not looked at.

    Args:
        path: the index's name.

    Raises:
        LoadError: the index is too large, no JSON, names something twice, or a shard that is in another folder.
        OSError: the index cannot be read.
    """

    def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        once = dict(pairs)
        if len(once) != len(pairs):
            seen: set[str] = set()
            repeated = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            _fail(path, f"it names {repeated!r:.100} twice")
        return once

    with opened(path) as file:
        content = file.read(_LARGEST_INDEX + 1)
    if len(content) > _LARGEST_INDEX:
        _fail(path, f"it is larger than {_LARGEST_INDEX} bytes, more than an index may have")
    try:
        index = json.loads(content.decode(), object_pairs_hook=without_repeats)
    except (ValueError, RecursionError) as error:
        _fail(path, f"not an index of shards, or damaged: it is not JSON ({error})")
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict):
        _fail(path, 'not an index of shards: it must be {"metadata": {...}, "weight_map": {tensor: file}}')
    for name, shard in places.items():
        if not isinstance(shard, str) or shard in ("", ".", "..") or any(mark in shard for mark in _FORBIDDEN):
            _fail(
                path, f"it places tensor {name!r:.100} in {shard!r:.100}; a shard is a file in the index's own folder"
            )
    return places


def shard_path(path: str, shard: str) -> str:
    """Return the path or URL of a shard of the index at ``path``."""
    return path[: len(path) - len(os.path.basename(path))] + shard


def _compare(path: str, shard: str, expected: set[str], arrays: Mapping[str, Any]) -> None:
    """Raise a LoadError unless a shard holds just the tensors that the index places there."""
    advice = "take the index and all shards from one version of the model"
    if missing := sorted(expected - arrays.keys()):
        what = f"{missing[0]!r:.100}{_more(missing)}"
        _fail(path, f"it places tensor {what} in shard {shard!r:.100}, which does not hold it; {advice}")
    if extra := sorted(arrays.keys() - expected):
        what = f"{extra[0]!r:.100}{_more(extra)}"
        _fail(path, f"its shard {shard!r:.100} holds tensor {what}, which the index does not place there; {advice}")


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _fail(path: str, what: str) -> NoReturn:
    raise LoadError(f"{path}: {what}") from None
