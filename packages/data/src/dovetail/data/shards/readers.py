"""Which part of a stream is whose: ranks and workers as one row of readers, and the samples of one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from dovetail import data
from dovetail.data.sampler import launched
from dovetail.errors import LoadError


class Reader(NamedTuple):
    """Number ``number`` of ``total`` that read a stream together."""

    number: int
    total: int


class OpenShard(Protocol):
    """A shard that is being read from its beginning to its end."""

    position: int  # of the next sample

    def skip(self, count: int) -> int:
        """Pass over so many samples without decoding them; return how many there were, fewer at the end only."""

    def read(self) -> Any:
        """Return the next sample, or None after the last one."""

    def close(self) -> None:
        """Close the file."""


class Start(NamedTuple):
    """The beginning of a shard: its number in the order, the next sample's number, and how many to skip before it."""

    shard: int
    ordinal: int
    due: int


class Item(NamedTuple):
    """A sample as it was read, with the beginning of its shard and its position there."""

    start: Start
    position: int
    raw: Any


def reading_error(where: str, what: str, error: Exception) -> Exception:
    """Return the error to raise: the system's, if it could not read, or else that the file is damaged."""
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, f"{where}: the {what} cannot be read ({error.strerror})")
    return LoadError(f"{where}: the {what} is damaged or cut off ({error}); get it again")


def checked_rank(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return rank and world size, from the environment where they are not given.

    Raises:
        ValueError: only one is given, or they do not fit together.
    """
    if (rank is None) != (world_size is None):
        raise ValueError(f"rank and world_size go together, got rank={rank!r} and world_size={world_size!r}")
    source = "arguments"
    if rank is None or world_size is None:
        source = "environment variables RANK and WORLD_SIZE"
        told_rank, told_size = launched()
        rank, world_size = told_rank or 0, 1 if told_size is None else told_size
    if not 0 <= rank < world_size:
        raise ValueError(f"a rank is 0 or more and below the world size, got {rank} of {world_size} ({source})")
    return rank, world_size


def this_reader(rank: int, world_size: int) -> Reader:
    """Return which reader this process or worker is.

    Workers of one rank lie ``world_size`` apart, so what a rank gets does not depend on its number of workers.
    """
    info = data.get_worker_info()
    worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
    return Reader(worker * world_size + rank, workers * world_size)


class Source:
    """The samples of one of R readers: all of every R-th shard, or every R-th sample if there are fewer shards than R.

    Args:
        shards: all shards, in the order of this pass.
        reader: whose samples these are.
        open_shard: opens one by its name.
        start: where to begin, if not at the first sample.
    """

    _open: OpenShard | None = None

    def __init__(
        self, shards: list[str], reader: Reader, open_shard: Callable[[str], OpenShard], start: Start | None = None
    ) -> None:
        by_shard = len(shards) >= reader.total
        self.shards = shards[reader.number :: reader.total] if by_shard else shards
        self.start = start or Start(0, 0, 0 if by_shard else reader.number)
        self.live: dict[Start, int] = {}  # how many items of each shard are out and not let go
        self._stride = 1 if by_shard else reader.total
        self._shard, self.ordinal, self._due = self.start
        self._open_shard = open_shard

    def skip(self, count: int) -> None:
        """Pass over so many samples; nothing is read until the next one is asked for."""
        self.ordinal += count
        self._due += count * self._stride

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        while self._shard < len(self.shards):
            try:
                if self._open is None:
                    self.start = Start(self._shard, self.ordinal, self._due)
                    self._open = self._opened(self.shards[self._shard])
                self._due -= self._open.skip(self._due) if self._due else 0
                position = self._open.position
                raw = None if self._due else self._open.read()
            except BaseException:
                self.close()
                self._shard = len(self.shards)  # as a generator that raised: there is nothing more
                raise
            if raw is not None:
                self.ordinal += 1
                self._due = self._stride - 1
                self.live[self.start] = self.live.get(self.start, 0) + 1
                return Item(self.start, position, raw)
            self.close()
            self._shard += 1
        raise StopIteration

    def _opened(self, name: str) -> OpenShard:
        try:
            return self._open_shard(name)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"the shard {name!r}, {self._shard + 1} of the {len(self.shards)} to be read here, is not there; "
                "get it again, or leave it out of the list"
            ) from error

    def release(self, item: Item) -> None:
        """Count an item as gone: nobody will need to find it again."""
        self.live[item.start] -= 1
        if not self.live[item.start]:
            del self.live[item.start]

    def oldest(self) -> Start:
        """Return the beginning of the first shard that still has an item out, or else of the present one."""
        return next(iter(self.live), self.start)

    def close(self) -> None:
        """Close the shard that is being read."""
        if self._open is not None:
            opened, self._open = self._open, None
            opened.close()

    __del__ = close
