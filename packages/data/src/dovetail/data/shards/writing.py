"""Writing samples into tar files, so that each file is there whole or not at all."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import Any, BinaryIO

from dovetail.atomic import replace
from dovetail.data.shards.decoding import encode
from dovetail.data.shards.tar import split_name
from dovetail.errors import DataError


def write_tar_shards(
    samples: Iterable[Mapping[str, Any]], pattern: str | os.PathLike[str], *, samples_per_shard: int = 1000
) -> list[str]:
    """Write samples into tar files that `TarShards` and WebDataset read, and return the files' names.

    Each file takes its name when it is whole. The same samples give the same bytes.

    Args:
        samples: dicts with the sample's name under ``"__key__"`` and under each ending bytes, a string, or what that
            ending is decoded to: a number for ``cls``, an array for ``npy``, an image of Pillow for ``png``, ...
        pattern: the files' names, a path or a URL for fsspec, with the place of the number: ``"train-%06d.tar"``.
        samples_per_shard: how many go into one file.

    Raises:
        ValueError: the pattern has no place for a number. DataError: a sample has no name or one that another has
            just before it, or something in it has no rule for its ending. OSError: a file cannot be written.

    Example::

        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> names = write_tar_shards([{"__key__": "a", "txt": "first"}], folder.name + "/train-%03d.tar")
        >>> [os.path.basename(name) for name in names]
        ['train-000.tar']
        >>> folder.cleanup()
    """
    pattern = os.fspath(pattern)
    try:
        distinct = pattern % 0 != pattern % 1
    except (TypeError, ValueError):
        distinct = False
    if not distinct:
        raise ValueError(f"the pattern has one place for the shard's number, such as train-%06d.tar; got {pattern!r}")
    if samples_per_shard < 1:
        raise ValueError(f"a shard has 1 sample or more, got samples_per_shard={samples_per_shard}")
    names: list[str] = []
    remaining = enumerate(samples)
    for first in remaining:
        names.append(pattern % len(names))
        some = chain([first], islice(remaining, samples_per_shard - 1))
        replace(names[-1], lambda file, some=some: _write(file, some))  # type: ignore[misc]
    return names


def _write(file: BinaryIO, samples: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    last_key = None
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number, sample in samples:
            key = sample.get("__key__")
            if not isinstance(key, str) or split_name(f"{key}.x") != (key, "x") or key == last_key:
                raise DataError(
                    f"sample {number}: its '__key__' is a string of its own without a dot after the last slash, "
                    f"got {key!r}{' a second time' if key is not None and key == last_key else ''}"
                )
            last_key = key
            for ending, value in sample.items():
                if ending != "__key__":
                    _add(tar, key, ending, value, number)


def _add(tar: tarfile.TarFile, key: str, ending: str, value: Any, number: int) -> None:
    content = encode(ending, value)
    if content is None or not ending or split_name(f"{key}.{ending}") != (key, ending):
        raise DataError(
            f"sample {number} ({key!r}): cannot write a {type(value).__name__} under the ending {ending!r}; "
            "give its bytes, under an ending in small letters such as 'jpg', 'cls', 'txt', 'json' or 'npy'"
        )
    member = tarfile.TarInfo(f"{key}.{ending}")
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
