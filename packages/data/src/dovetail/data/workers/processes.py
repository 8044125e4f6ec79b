"""Worker processes as the loader sees them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
import warnings
import weakref
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from dovetail.data.workers import child, memory
from dovetail.data.workers.failures import died, late, of_program, unpicklable
from dovetail.data.workers.memory import Packed, Slot, unpack
from dovetail.data.workers.sending import Sent, Shelf
from dovetail.data.workers.serving import Begin, Job, Reply, Task, epoch_of
from dovetail.errors import WorkerError

#: Batches of one worker that the program may hold without a copy: the one it uses and the one before.
HELD = 2


class Worker:
    """One process, its pipes and the memory that it fills."""

    def __init__(self, job: Job, sent: Job | Sent, context: Any, prefetch: int) -> None:
        self.number = job.worker
        self.pending = 0  # batches asked for and not given to the program yet
        self.unanswered = 0  # of these, the ones that it still makes
        self.ready = False  # whether it has begun
        self.count = prefetch + HELD
        self.slots = [Slot() for _ in range(self.count)] if memory.AVAILABLE else []
        self.free = list(range(self.count))
        self._leases: dict[int, weakref.ref] = {}  # slots in which the program has a batch
        self.stack_file = Slot() if memory.AVAILABLE else None
        task_end, self.tasks = context.Pipe(duplex=False)
        self.replies, reply_end = context.Pipe(duplex=False)
        child.loader_ends.update((self.tasks, self.replies))
        self.process = context.Process(
            target=child.main,
            args=(sent, task_end, reply_end, self.slots, self.stack_file),
            name=f"dovetail-data-{job.worker}",
            daemon=True,
        )
        try:
            self.process.start()
        finally:
            task_end.close()
            reply_end.close()

    def begin(self, message: Begin) -> None:
        """Tell of a new pass; what was asked for in an older one is forgotten."""
        self.pending = self.unanswered = 0
        self.free = [slot for slot in range(self.count) if slot not in self._leases]
        self._say(message)

    def send(self, task: Task) -> int:
        """Ask for a batch and return the slot it will be in."""
        slot = self.free.pop()
        self.pending += 1
        self.unanswered += 1
        self._say(task._replace(slot=slot))
        return slot

    def _say(self, message: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has died, which receive() tells with the reason
            self.tasks.send(message)

    def open(self, slot: int, packed: Packed) -> Any:
        """Return the batch in a slot; the slot is free again when the last of the batch's arrays has gone."""
        if not packed.placed:
            self.free.append(slot)
            return pickle.loads(packed.data)
        shared = self.slots[slot].bytes(packed.size)
        if len(self._leases) >= HELD:
            self.free.append(slot)
            return unpack(packed, shared, copy=True)
        batch = unpack(packed, shared, copy=False)
        worker = weakref.ref(self)
        self._leases[slot] = weakref.ref(shared, lambda _: _given_back(worker, slot))
        return batch

    def give_back(self, slot: int) -> None:
        """Note that the program has no array in this slot any more."""
        del self._leases[slot]
        self.free.append(slot)

    def stack(self) -> str:
        """Return where in its code the process is now, "" if it does not say."""
        if self.process.pid is None or self.stack_file is None:
            return ""
        with suppress(OSError):
            os.kill(self.process.pid, signal.SIGUSR1)
            for _ in range(50):
                time.sleep(0.01)
                if text := os.pread(self.stack_file.file, 1 << 16, 0):
                    time.sleep(0.01)
                    text = os.pread(self.stack_file.file, 1 << 16, 0)
                    return f"worker {self.number} is here:\n{of_program(text.decode(errors='replace'))}"
        return ""

    def died(self, method: str) -> WorkerError:
        """Return the error for this worker, whose process has ended."""
        self.process.join(1)
        return died(self.number, self.process.pid, self.process.exitcode, self.ready, method)


def _given_back(reference: weakref.ref[Worker], slot: int) -> None:
    worker = reference()
    if worker is not None:
        worker.give_back(slot)


class ProcessPool:
    """Worker processes that make batches.

    Raises:
        WorkerError: a part of the loader cannot be sent to a process.
    """

    def __init__(self, jobs: list[Job], context: Any, prefetch: int, timeout: float) -> None:
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context)
        self.method = context.get_start_method()
        self.prefetch, self.timeout = prefetch, timeout
        self.dataset = jobs[0].source.dataset
        self.run = -1
        self.workers: list[Worker] = []
        self._slots: dict[int, int] = {}  # by the number of the batch
        self._warned = False
        self.close = weakref.finalize(self, _shut, self.workers, os.getpid())
        shelf = Shelf() if memory.AVAILABLE and self.method != "fork" else None
        for job in jobs:
            reason = self._start(job, context, shelf)
            if reason is not None:
                self.close()
                source = job.source
                parts = {"dataset": source.dataset, "collate_fn": source.collate_fn, "worker_init_fn": job.init_fn}
                raise unpicklable(parts, self.method, reason)

    def _start(self, job: Job, context: Any, shelf: Shelf | None) -> str | None:
        """Start one more worker; return why a part of the loader cannot be sent there: text, as errors keep frames."""
        try:
            self.workers.append(Worker(job, Sent(job, shelf) if shelf else job, context, self.prefetch))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            return str(error)
        return None

    @property
    def closed(self) -> bool:
        """Whether the processes are gone."""
        return not self.close.alive

    def begin(self, seed: int, places: list[Any]) -> int:
        """Begin a pass and return its number."""
        self.run += 1
        self._slots.clear()
        for worker, place in zip(self.workers, places, strict=True):
            worker.begin(Begin(self.run, seed, place, epoch_of(self.dataset)))
        return self.run

    def room(self, worker: int) -> int:
        """Return how many more batches this worker may be asked for."""
        return min(self.prefetch - self.workers[worker].pending, len(self.workers[worker].free))

    def send(self, worker: int, task: Task) -> None:
        """Ask a worker for a batch."""
        self._slots[task.number] = self.workers[worker].send(task)

    def receive(self, left: float | None) -> tuple[int, Reply]:
        """Wait for the next reply of this pass, at most ``left`` seconds where that is not None.

        Raises:
            WorkerError: a process has died, or none replied in time.
        """
        ends = {worker.replies: worker for worker in self.workers}
        processes = {worker.process.sentinel: worker for worker in self.workers}
        deadline = None if left is None else time.monotonic() + left
        while True:
            ready = wait([*ends, *processes], deadline and max(0.0, deadline - time.monotonic()))
            if not ready:
                waited = [worker for worker in self.workers if worker.unanswered]
                names = [(worker.number, worker.process.pid) for worker in waited]
                raise late(self.timeout, names, [stack for worker in waited if (stack := worker.stack())])
            for end in ready:
                worker = ends.get(end)
                if worker is None:
                    continue
                try:
                    reply = pickle.loads(end.recv_bytes())  # type: ignore[union-attr]
                except (EOFError, ConnectionResetError):
                    raise worker.died(self.method) from None
                worker.ready = True
                if reply is not None and reply.run == self.run:
                    worker.unanswered -= 1
                    return worker.number, reply
            if not any(end in ends for end in ready):
                raise processes[ready[0]].died(self.method)

    def open(self, number: int, reply: Reply) -> Any:
        """Return the batch of a reply; an exception for an error."""
        worker, slot = self.workers[number], self._slots.pop(reply.number)
        worker.pending -= 1
        if reply.kind == "batch":
            if reply.body.full and not self._warned:
                self._warned = True
                warnings.warn(
                    "there is no memory left for batches shared with worker processes: they are sent through pipes, "
                    "which is slower; free memory, or use fewer workers, a smaller batch_size or prefetch_factor=1",
                    RuntimeWarning,
                    stacklevel=4,
                )
            return worker.open(slot, reply.body)
        worker.free.append(slot)
        return reply.body.told(number, worker.process.pid) if reply.kind == "error" else None


def _shut(workers: list[Worker], owner: int) -> None:
    """End all processes: at once where they wait, after ``GRACE`` seconds where they work, by force where they hang."""
    if os.getpid() != owner:  # a forked copy of the loader went; its processes are not ours
        return
    for worker in workers:
        worker.tasks.close()
        worker.replies.close()
    deadline = time.monotonic() + child.GRACE + 1
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.process.close()
    workers.clear()
