"""A worker process: what runs in it."""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import signal
import threading
import time
import weakref
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from dovetail.data.allocation import made_in
from dovetail.data.workers.failures import Failure
from dovetail.data.workers.memory import Arena, Slot, made_here, pack
from dovetail.data.workers.serving import Begin, Job, Reply, Server, Task

#: Seconds that a worker has to finish what it does when its loader has gone or needs it no more.
GRACE = 2.0

#: The loader's ends of all pipes in this process; a forked worker closes its copies, so that ends are seen as such.
loader_ends: weakref.WeakSet[Connection] = weakref.WeakSet()


def main(job: Job, tasks: Connection, replies: Connection, slots: list[Slot], stack_file: Slot | None) -> None:
    """Make batches until the loader's end of the pipe is closed."""
    _prepare([*slots, stack_file])
    if stack_file is not None:  # the loader asks in this way where a worker hangs
        faulthandler.register(signal.SIGUSR1, file=stack_file.file, all_threads=False)
    inbox: SimpleQueue[Any] = SimpleQueue()
    reader = _Reader(tasks, inbox)
    threading.Thread(target=reader.run, daemon=True).start()
    replies.send_bytes(pickle.dumps(None))  # so that the loader knows that the start went well
    server = Server(job, in_thread=False)
    writer = _Writer(replies, slots)
    with suppress(BrokenPipeError, ConnectionResetError):  # the loader has closed its end: the reader sees it too
        while (message := inbox.get()) is not None:
            if isinstance(message, Begin):
                server.begin(message)
            elif message.run == reader.newest:
                writer.answer(server, message)


def _prepare(own: list[Slot | None]) -> None:
    """Let go of what a fork brought along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes; the loader's own ends this one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for end in list(loader_ends):
        end.close()
    for slot in list(made_here):
        if slot not in own:
            slot.close()
    gc.freeze()  # what came with a fork is left out of collections, which would write to (and so copy) its pages


class _Reader:
    """Takes messages from the pipe at once, so that the loader never waits, and sees when the loader has gone."""

    def __init__(self, tasks: Connection, inbox: SimpleQueue[Any]) -> None:
        self.tasks, self.inbox = tasks, inbox
        self.newest = -1  # the newest pass: tasks of older ones are left out

    def run(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                message = self.tasks.recv()
                if isinstance(message, Begin):
                    self.newest = message.run
                self.inbox.put(message)
        self.newest = -1
        self.inbox.put(None)
        time.sleep(GRACE)  # whoever reads a sample just now may finish it
        os._exit(0)


class _Writer:
    """Puts batches into slots and tells the loader."""

    def __init__(self, replies: Connection, slots: list[Slot]) -> None:
        self.replies, self.slots = replies, slots
        self._kept: dict[int, list[weakref.ref]] = {}  # memory of earlier batches, by slot

    def answer(self, server: Server, task: Task) -> None:
        """Make the batch of a task and send it, or the error that came up."""
        try:
            reply = self._batch(server, task)
        except BaseException as error:
            body = Failure.of(error)
            reply = pickle.dumps(Reply(task.run, task.number, "error", body, None), 5)
        self.replies.send_bytes(reply)

    def _batch(self, server: Server, task: Task) -> bytes:
        # Someone in this process may have kept an array of a batch that was sent long ago: then the slot is not used.
        busy = any(kept() is not None for kept in self._kept.get(task.slot, ()))
        arena = None if busy or not self.slots else Arena(self.slots[task.slot])
        with made_in(arena):
            kind, batch, place = server.make(task)
        packed = pack(batch, arena)
        if arena is not None:
            self._kept[task.slot] = [weakref.ref(mapped) for mapped in arena.mapped]
        return pickle.dumps(Reply(task.run, task.number, kind, packed, place), 5)
