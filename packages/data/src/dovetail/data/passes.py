"""One pass over the data, made in this process; those of workers are in ``workers/passes.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dovetail.data.making import END, IndexedMaker, Source, StreamMaker
from dovetail.data.position import Position
from dovetail.data.randomness import Draws


class Numbered:
    """The lists of indices that a sampler gives, each with its number and the number of samples before it."""

    def __init__(self, indices: Iterator[Any], batched: bool, position: Position) -> None:
        self._indices, self._batched = indices, batched
        self._number, self._first = position.batches, position.samples
        self._asked = position.batches
        self._position, self._skipped = position, set(position.ahead)

    def next(self) -> tuple[int, int, Any]:
        """Return the next.

        Raises:
            StopIteration: there is none.
        """
        while True:
            self._asked += 1
            self._position.asked = max(self._position.asked, self._asked)
            indices = next(self._indices)
            number, first = self._number, self._first
            self._number += 1
            self._first += self.size(indices)
            if number not in self._skipped:
                return number, first, indices

    def size(self, indices: Any) -> int:
        """Return how many samples these indices are."""
        return len(indices) if self._batched else 1


class LocalPass:
    """A pass whose batches are made in this process, each when it is asked for."""

    def __init__(self, source: Source, indices: Iterator[Any] | None, position: Position) -> None:
        self.position = position
        draws = Draws()
        draws.start(position.seed)
        self._stream = self._indexed = None
        if indices is None:
            self._stream = StreamMaker(source, draws)
            self._stream.begin(position.places[0])
        else:
            self._indexed = IndexedMaker(source, draws)
            self._order = Numbered(indices, source.batched, position)

    def __iter__(self) -> LocalPass:
        return self

    def __next__(self) -> Any:
        position = self.position
        if self._stream is not None:
            batch = self._stream.make()
            position.places[0] = self._stream.place()
            if batch is END:
                position.over = True
                raise StopIteration
            position.had(position.batches, 0)
            return batch
        try:
            number, first, indices = self._order.next()
        except StopIteration:
            position.over = True
            raise
        assert self._indexed is not None
        try:
            batch = self._indexed.make(indices, first)
        except Exception:
            position.had(number, self._order.size(indices))  # the program may go on with the next
            raise
        position.had(number, self._order.size(indices))
        return batch
