"""Samples in tar files, as WebDataset lays them out: members of one name and different endings are one sample."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from dovetail.atomic import opened
from dovetail.data.shards.decoding import decode_sample
from dovetail.data.shards.readers import reading_error
from dovetail.data.shards.stream import ShardDataset
from dovetail.errors import DataError

DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error)


class TarShards(ShardDataset):
    """A stream of the samples in tar files: dicts of ``"__key__"`` and a member's bytes under each ending.

    Members that follow one another and have one name up to the first dot after the last slash are one sample:
    ``dog/1.jpg`` and ``dog/1.cls`` give ``{"__key__": "dog/1", "jpg": ..., "cls": ...}``. Files compressed by gzip are
    read too.

    Ranks and workers take turns with the shards. If there are fewer shards than these, each reads all shards and takes
    turns with the samples.

    Args:
        shards: names, patterns such as ``"train-{000..009}.tar"`` or ``"train-*.tar"``, URLs for fsspec, or a list.
        shuffle: read the shards in random order, and hand out a random one of ``buffer_size`` samples each time.
        buffer_size: how many samples, not decoded yet, the shuffle holds.
        seed: with the epoch, the order of a pass; if None, each pass draws one from the default generator. Several
            ranks need one seed.
        transform: called with each sample, decoded if it is; what it returns is handed out.
        rank, world_size: which part of the samples is wanted; if None, what ``RANK`` and ``WORLD_SIZE`` say, or all.

    Raises:
        FileNotFoundError: a pattern matches nothing. ValueError: an argument is not one of these, or does not fit.
        LoadError: while reading, a shard is damaged or cut off.

    Example::

        >>> import tempfile
        >>> from dovetail.data import write_tar_shards
        >>> folder = tempfile.TemporaryDirectory()
        >>> samples = [{"__key__": str(number), "cls": number, "txt": "a" * number} for number in range(3)]
        >>> _ = write_tar_shards(samples, folder.name + "/shard-%02d.tar", samples_per_shard=2)
        >>> list(TarShards(folder.name + "/shard-{00..01}.tar").decode())[2]
        {'__key__': '2', 'cls': 2, 'txt': 'aa'}
        >>> folder.cleanup()
    """

    _decoders: Mapping[str, Callable[[bytes], Any]] | None = None

    def decode(self, decoders: Mapping[str, Callable[[bytes], Any]] | None = None) -> TarShards:
        """Return this stream with each member decoded by its ending; what has no decoder stays bytes.

        Pictures (``jpg``, ``png``, ``webp``, ...) become RGB images of Pillow; ``cls``, ``id``, ``index`` and
        ``count`` whole numbers; ``txt`` and ``text`` strings; ``json`` what it holds; ``npy`` and ``npz`` arrays.

        Args:
            decoders: functions of bytes for further endings, or in place of those above. The longest that fits
                counts: of ``1.mask.png``, ``"mask.png"`` before ``"png"``.

        Raises:
            DataError: while reading, a member cannot be decoded.
            MissingPackageError: while reading, there is a picture and no Pillow.
        """
        decoding = type(self).__new__(type(self))
        decoding.__dict__.update(self.__dict__, _decoders=dict(decoders or {}))
        return decoding

    def open_shard(self, name: str) -> TarReader:
        return TarReader(name)

    def finish(self, raw: dict[str, Any], where: str) -> dict[str, Any]:
        return raw if self._decoders is None else decode_sample(raw, self._decoders, where)


class TarReader:
    """The samples of one tar file, from its beginning to its end."""

    def __init__(self, name: str) -> None:
        self.position = 0
        self._name = name
        self._member: tarfile.TarInfo | None = None  # the one at which the next sample begins
        with ExitStack() as stack:
            file = stack.enter_context(opened(name))
            try:
                compressed = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                self._tar = stack.enter_context(tarfile.open(fileobj=file, mode="r:gz" if compressed else "r:"))
                self._advance()
            except DAMAGE as error:
                raise self._damaged(error) from error
            self._close = stack.pop_all().close

    def close(self) -> None:
        """Close the file."""
        self._close()

    def skip(self, count: int) -> int:
        """Pass over samples by their headers; the members' bytes are not read from a file that can seek."""
        for done in range(count):
            if self._next_sample(lambda member: None) is None:
                return done
        return count

    def read(self) -> dict[str, Any] | None:
        """Return the next sample, or None after the last one."""
        found = self._next_sample(lambda member: self._tar.extractfile(member).read())  # type: ignore[union-attr]
        if found is None:
            return None
        key, parts = found
        return {"__key__": key, **parts}

    def _next_sample(self, part_of: Callable[[tarfile.TarInfo], Any]) -> tuple[str, dict[str, Any]] | None:
        if self._member is None:
            return None
        key, parts = split_name(self._member.name)[0], {}
        try:
            while self._member is not None and (name := split_name(self._member.name))[0] == key:
                if name[1] in parts:
                    raise DataError(
                        f"{self._name}, sample {self.position} ({key!r}): the member {self._member.name!r} is there "
                        "twice; give each sample of a shard a name of its own"
                    )
                parts[name[1]] = part_of(self._member)
                self._advance()
        except DAMAGE as error:
            raise self._damaged(error) from error
        self.position += 1
        return key, parts

    def _advance(self) -> None:
        """Go to the next member that belongs to a sample."""
        while (member := self._tar.next()) is not None:
            self._tar.members = []  # type: ignore[attr-defined]  # or tarfile would keep each of them
            if member.issym() or member.islnk():
                raise tarfile.ReadError(f"{member.name!r} is a link, and shards hold files; write it with the contents")
            if member.isfile() and split_name(member.name)[1]:
                break
        else:
            self._check_end()
        self._member = member

    def _check_end(self) -> None:
        """A header that is damaged or missing ends an archive for tarfile; a whole one ends with a block of zeros."""
        offset = self._tar.offset
        self._tar.fileobj.seek(offset)
        rest = self._tar.fileobj.read(2 * tarfile.BLOCKSIZE)
        if len(rest) < tarfile.BLOCKSIZE or any(rest):
            raise tarfile.ReadError(f"neither a member nor the archive's end at byte {offset}")

    def _damaged(self, error: Exception) -> Exception:
        at = f", at or after the member {self._member.name!r}" if self._member else ""
        return reading_error(f"{self._name}, sample {self.position}{at}", "tar file", error)


def split_name(name: str) -> tuple[str, str]:
    """Return a member's key and ending, which is empty for what belongs to no sample.

    Example::

        >>> split_name("train.1/dog.seg.PNG")
        ('train.1/dog', 'seg.png')
    """
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return folder + slash + stem, ending.lower() if stem else ""
