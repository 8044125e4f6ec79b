"""A pass over the data whose batches are made by workers, ahead of time."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from dovetail.data.passes import Numbered
from dovetail.data.position import Position
from dovetail.data.workers.serving import Reply, Task
from dovetail.errors import WorkerError

Pool = Any  # a ProcessPool or a ThreadPool


class WorkerPass(ABC):
    """A pass whose batches are made by workers, ahead of time."""

    def __init__(self, make_pool: Callable[[], Pool], position: Position, in_order: bool, persistent: bool) -> None:
        self.position = position
        self._make_pool, self._in_order, self._persistent = make_pool, in_order, persistent
        self._failure = ""  # the text of the error that has ended this pass
        self._start()
        self._fill()

    def _start(self) -> None:
        self.pool = self._make_pool()
        self._paused = False  # after an error of the dataset, the workers are gone until the program goes on
        self._replies: dict[int, tuple[int, Reply]] = {}
        self._run = self.pool.begin(self.position.seed, self._places())

    def __iter__(self) -> WorkerPass:
        return self

    def __next__(self) -> Any:
        batch, failure = self._step()
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # the error holds this frame: together they would stay until the collector comes
        return batch

    def _step(self) -> tuple[Any, BaseException | None]:
        if self._failure:
            return None, WorkerError(self._failure)
        if self.position.over:
            return None, StopIteration()
        if self._paused:
            self._start()
            self._ask_again()
        if self.pool.run != self._run or self.pool.closed:
            return None, WorkerError(
                "this pass has ended, since its loader began another one or was closed; with persistent_workers=False "
                "each pass has workers of its own"
            )
        try:
            return self._next()
        except WorkerError as failure:
            self._failure = str(failure)  # nothing but the text: its frames would keep pipes and memory open
        except BaseException:  # Ctrl-C
            self.pool.close()
            raise
        self.pool.close()
        return None, WorkerError(self._failure)

    def _next(self) -> tuple[Any, BaseException | None]:
        deadline = time.monotonic() + self.pool.timeout
        while True:
            self._fill()
            number = self._ready()
            if number is not None:
                worker, reply = self._replies.pop(number)
                batch = self.pool.open(worker, reply)
                interrupted = reply.kind == "error" and not isinstance(batch, Exception)
                if not interrupted:
                    self._had(worker, reply)
                if reply.kind == "end":
                    continue
                if reply.kind == "batch":
                    return batch, None
                if not self._persistent or interrupted:  # the program may keep the error, and so this pass, for long
                    self._paused = True
                    self.pool.close()
                return None, batch
            if self._finished():
                self.position.over = True
                if not self._persistent:
                    self.pool.close()
                return None, StopIteration()
            left = max(1e-3, deadline - time.monotonic()) if self.pool.timeout else None
            worker, reply = self.pool.receive(left)
            self._replies[reply.number] = (worker, reply)

    # What differs between datasets with an index and streams

    def _places(self) -> list[Any]:
        """Return where each worker begins."""
        return [None] * len(self.pool.workers)

    @abstractmethod
    def _fill(self) -> None:
        """Ask workers for batches, as many as they may make ahead."""

    @abstractmethod
    def _ask_again(self) -> None:
        """Ask new workers for what the old ones were asked for."""

    @abstractmethod
    def _ready(self) -> int | None:
        """Return the number of the reply that comes next, None if it has not come yet."""

    @abstractmethod
    def _finished(self) -> bool:
        """Return whether all batches were given to the program."""

    @abstractmethod
    def _had(self, worker: int, reply: Reply) -> None:
        """Note that the program has had this reply."""


class IndexedPass(WorkerPass):
    """A pass over a dataset with an index: any worker may make any batch."""

    def __init__(self, order: Numbered, *args: Any) -> None:
        self._order = order
        self._asked: dict[int, tuple[int, Any]] = {}  # what workers make, in order: samples before it, and indices
        self._exhausted = False
        super().__init__(*args)

    def _fill(self) -> None:
        while not self._exhausted and (worker := self._idle()) is not None:
            try:
                number, first, indices = self._order.next()
            except StopIteration:
                self._exhausted = True
                return
            self._asked[number] = first, indices
            self.pool.send(worker, Task(self._run, number, indices, first, 0))

    def _idle(self) -> int | None:
        """Return the worker that has the least to do, None if all have enough."""
        worker = max(range(len(self.pool.workers)), key=self.pool.room)
        return worker if self.pool.room(worker) > 0 else None

    def _ask_again(self) -> None:
        for number, (first, indices) in self._asked.items():
            self.pool.send(self._idle() or 0, Task(self._run, number, indices, first, 0))

    def _ready(self) -> int | None:
        first = next(iter(self._asked if self._in_order else self._replies), None)
        return first if first in self._replies else None

    def _finished(self) -> bool:
        return self._exhausted and not self._asked

    def _had(self, worker: int, reply: Reply) -> None:
        _, indices = self._asked.pop(reply.number)
        self.position.had(reply.number, self._order.size(indices))


class StreamPass(WorkerPass):
    """A pass over a stream: each worker makes the batches of its part, and they come in turns."""

    def __init__(self, *args: Any) -> None:
        self._count = 0
        self._asked: list[list[int]] = []
        super().__init__(*args)

    def _places(self) -> list[Any]:
        return self.position.places

    def _fill(self) -> None:
        if not self._asked:
            self._asked = [[] for _ in self.pool.workers]
        for worker, asked in enumerate(self._asked):
            while worker not in self.position.ended and self.pool.room(worker) > 0:
                asked.append(self._count)
                self.pool.send(worker, Task(self._run, self._count, None, 0, 0))
                self._count += 1

    def _ask_again(self) -> None:
        self._asked = []  # each goes on after the last batch that the program had

    def _ready(self) -> int | None:
        if not self._in_order:
            return next(iter(self._replies), None)
        position = self.position
        if self._finished():
            return None
        while position.turn in position.ended:
            position.turn = (position.turn + 1) % len(self._asked)
        first = self._asked[position.turn][0]
        return first if first in self._replies else None

    def _finished(self) -> bool:
        return len(self.position.ended) == len(self._asked)

    def _had(self, worker: int, reply: Reply) -> None:
        position = self.position
        self._asked[worker].remove(reply.number)
        if reply.kind == "end":
            position.ended.add(worker)
            return
        if reply.kind == "error" and not self._persistent:
            position.ended.add(worker)  # going on would mean to read it again, and to fail again
        position.had(position.batches, 0)
        position.turn = (worker + 1) % len(self._asked)
        if reply.place is not None:
            position.places[worker] = reply.place
