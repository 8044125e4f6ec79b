"""Shuffling a stream: a buffer that hands out a random one of the samples that it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import dovetail
from dovetail.data.dataset import IterableDataset
from dovetail.data.sampler import draw_seed
from dovetail.errors import LoadError

DRAWN_AT_ONCE = 1024


class Buffer:
    """Holds up to ``size`` items of a source and hands out a random one of them each time.

    Which slot is handed out depends on the seed and on how many items were read and handed out, on nothing else. So
    these two counts say what the buffer holds: `replayed` finds it out again with the items' numbers in their place.
    """

    def __init__(self, source: Iterator[Any], size: int, seed: int) -> None:
        self.source = source
        self.size = size
        self.held: list[Any] = []
        self.read = 0
        self.delivered = 0
        self._ended = False
        self.seed = seed
        self._generator = dovetail.Generator().manual_seed(seed)
        self._draws: list[int] = []

    @classmethod
    def replayed(cls, size: int, seed: int, read: int, delivered: int) -> Buffer:
        """Return the buffer as it was after so many items were read and handed out, holding the items' numbers."""
        buffer = cls(iter(range(read)), size, seed)
        if size == 1:  # nothing is held between two items, and nothing drawn
            buffer.read = buffer.delivered = delivered
        else:
            for _ in islice(buffer, delivered):
                pass
        return buffer

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while len(self.held) < self.size and not self._ended:
            try:
                self.held.append(next(self.source))
            except StopIteration:
                self._ended = True
            else:
                self.read += 1
        if not self.held:
            raise StopIteration
        slot = self._draw(len(self.held))
        self.held[slot], self.held[-1] = self.held[-1], self.held[slot]
        self.delivered += 1
        return self.held.pop()

    def _draw(self, count: int) -> int:
        if count == 1:
            return 0
        if not self._draws:
            self._draws = dovetail.randint(0, 2**62, (DRAWN_AT_ONCE,), generator=self._generator).tolist()
        return self._draws.pop() % count


class ShuffleBuffer(IterableDataset):
    """Another stream's samples, shuffled by a buffer that hands out a random one of the ``size`` that it holds.

    Shard readers shuffle by themselves, and resume faster than this, which reads again what came before.

    Args:
        dataset: an IterableDataset, or anything else that can be iterated over many times.
        size: how many samples are held; 1 leaves the order as it is.
        seed: the order of every pass; if None, each pass draws one from the default generator.

    Raises:
        ValueError: ``size`` is not a positive whole number.

    Example::

        >>> sorted(ShuffleBuffer(range(5), size=3))
        [0, 1, 2, 3, 4]
    """

    def __init__(self, dataset: Iterable[Any], size: int, seed: int | None = None) -> None:
        self.dataset = dataset
        self.size = checked_size(size)
        self.seed = seed

    @property
    def epoch(self) -> int | None:
        """The epoch that the other stream was told."""
        return getattr(self.dataset, "epoch", None)

    def set_epoch(self, epoch: int) -> None:
        """Tell the other stream, if it takes them."""
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)

    def __iter__(self) -> ShuffledIterator:
        return ShuffledIterator(self.dataset, self.size, draw_seed() if self.seed is None else self.seed)


class ShuffledIterator:
    """One pass over a `ShuffleBuffer`, which can say where it stands and go on from there."""

    def __init__(self, dataset: Iterable[Any], size: int, seed: int) -> None:
        self._dataset = dataset
        self._seed = seed
        self._buffer = Buffer(iter(dataset), size, seed)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._buffer)

    def state_dict(self) -> dict[str, int]:
        """Return where this pass stands."""
        buffer = self._buffer
        return {"seed": self._seed, "size": buffer.size, "read": buffer.read, "delivered": buffer.delivered}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to where a pass stood, by reading the samples before it again.

        Raises:
            ValueError: the state is of a buffer of another size. LoadError: the stream is shorter than it was.
        """
        size = self._buffer.size
        if state["size"] != size:
            raise ValueError(f"the state is of a shuffle buffer of {state['size']} samples, this one holds {size}")
        buffer = Buffer.replayed(size, state["seed"], state["read"], state["delivered"])
        source = iter(self._dataset)
        needed = set(buffer.held)
        found = {number: item for number, item in zip(range(state["read"]), source, strict=False) if number in needed}
        if len(found) < len(needed):
            raise LoadError(f"the state was saved after {state['read']} samples, and the stream has fewer now")
        buffer.held = [found[number] for number in buffer.held]
        buffer.source = source
        self._seed, self._buffer = state["seed"], buffer


def checked_size(size: Any) -> int:
    """Return the size of a buffer, or say what is wrong with it."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"a shuffle buffer holds 1 sample or more, got a size of {size!r}")
    return size
