"""Worker threads as the loader sees them."""

from __future__ import annotations

import threading
import weakref
from queue import Empty, SimpleQueue
from typing import Any

from dovetail.data.workers.failures import late
from dovetail.data.workers.serving import Begin, Job, Reply, Server, Task, epoch_of


class ThreadPool:
    """Worker threads that make batches: they share the dataset, and nothing is copied."""

    def __init__(self, jobs: list[Job], prefetch: int, timeout: float) -> None:
        self.prefetch, self.timeout = prefetch, timeout
        self.dataset = jobs[0].source.dataset
        self.run = -1
        self.replies: SimpleQueue[tuple[int, Reply]] = SimpleQueue()
        self.inboxes: list[SimpleQueue[Any]] = [SimpleQueue() for _ in jobs]
        self.pending = [0] * len(jobs)
        self._newest = [-1]  # shared with the threads: the newest pass
        self.close = weakref.finalize(self, _shut, self.inboxes, self._newest)
        for job, inbox in zip(jobs, self.inboxes, strict=True):
            threading.Thread(
                target=_serve,
                args=(job, inbox, self.replies, self._newest),
                name=f"dovetail-data-{job.worker}",
                daemon=True,
            ).start()

    @property
    def workers(self) -> list[Any]:
        """Return the threads' inboxes, one for each."""
        return self.inboxes

    @property
    def closed(self) -> bool:
        """Whether the threads are told to end."""
        return not self.close.alive

    def begin(self, seed: int, places: list[Any]) -> int:
        """Begin a pass and return its number."""
        self.run += 1
        self._newest[0] = self.run
        self.pending = [0] * len(self.inboxes)
        for inbox, place in zip(self.inboxes, places, strict=True):
            inbox.put(Begin(self.run, seed, place, epoch_of(self.dataset)))
        return self.run

    def room(self, worker: int) -> int:
        """Return how many more batches this worker may be asked for."""
        return self.prefetch - self.pending[worker]

    def send(self, worker: int, task: Task) -> None:
        """Ask a worker for a batch."""
        self.pending[worker] += 1
        self.inboxes[worker].put(task)

    def receive(self, left: float | None) -> tuple[int, Reply]:
        """Wait for the next reply of this pass, at most ``left`` seconds where that is not None.

        Raises:
            WorkerError: none replied in time.
        """
        while True:
            try:
                worker, reply = self.replies.get(timeout=left)
            except Empty:
                names = [(number, None) for number, count in enumerate(self.pending) if count]
                raise late(self.timeout, names, []) from None
            if reply.run == self.run:
                return worker, reply

    def open(self, number: int, reply: Reply) -> Any:
        """Return the batch of a reply; an exception for an error."""
        self.pending[number] -= 1
        return reply.body


def _serve(job: Job, inbox: SimpleQueue, replies: SimpleQueue, newest: list[int]) -> None:
    """Make batches until told to end; tasks of older passes are left out."""
    server = Server(job, in_thread=True)
    while (message := inbox.get()) is not None:
        if isinstance(message, Begin):
            server.begin(message)
        elif message.run == newest[0]:
            try:
                kind, batch, place = server.make(message)
            except BaseException as error:
                kind, batch, place = "error", error, None
            replies.put((job.worker, Reply(message.run, message.number, kind, batch, place)))
            del batch


def _shut(inboxes: list[SimpleQueue], newest: list[int]) -> None:
    newest[0] = -1
    for inbox in inboxes:
        inbox.put(None)
