"""What a worker does, in a process or a thread: take a task, make a batch, reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from dovetail.data.making import END, IndexedMaker, Source, StreamMaker
from dovetail.data.randomness import Draws
from dovetail.data.workers.info import WorkerInfo, set_worker_info


class Begin(NamedTuple):
    """The start of a pass."""

    run: int  # which pass: replies to an older one are thrown away
    seed: int
    place: dict[str, Any] | None  # where a stream goes on
    epoch: int | None  # of a dataset that is told its epochs; a worker that is kept has a copy that was not told


class Task(NamedTuple):
    """One batch to make."""

    run: int
    number: int  # of the batch within the pass
    indices: Any  # None of a stream
    first: int  # how many samples of the pass come before, in a dataset with an index
    slot: int


class Reply(NamedTuple):
    """What a worker says about a task."""

    run: int
    number: int
    kind: str  # "batch", "end" of a stream, "error"
    body: Any
    place: dict[str, Any] | None  # of a stream, after this batch


@dataclass(frozen=True)
class Job:
    """What a worker needs to know from the start."""

    source: Source
    worker: int
    num_workers: int
    init_fn: Callable[[int], Any] | None


def epoch_of(dataset: Any) -> int | None:
    """Return the epoch that a dataset was told by ``set_epoch``, None where it takes none."""
    return getattr(dataset, "epoch", None) if callable(getattr(dataset, "set_epoch", None)) else None


class Server:
    """Makes batches, one after the other, for a loader elsewhere."""

    def __init__(self, job: Job, in_thread: bool) -> None:
        self.job, self.in_thread = job, in_thread
        draws = Draws("thread" if in_thread else "process")
        self.draws = draws
        if job.source.is_stream:
            self.maker: Any = StreamMaker(job.source, draws, job.worker)
        else:
            self.maker = IndexedMaker(job.source, draws)
        self._initialized = False
        self._failed: BaseException | None = None  # an error at the start of a pass, told with its first batch

    def begin(self, message: Begin) -> None:
        """Begin a pass."""
        self.draws.start(message.seed)
        job = self.job
        info = WorkerInfo(job.worker, job.num_workers, message.seed + job.worker, job.source.dataset)
        set_worker_info(info, self.in_thread)
        self._failed = None
        try:
            if not self._initialized and job.init_fn is not None:
                with self.draws:
                    self.draws.batch(job.worker)
                    self.draws.sample(job.worker)
                    job.init_fn(job.worker)
            self._initialized = True
            if message.epoch is not None:
                job.source.dataset.set_epoch(message.epoch)
            if job.source.is_stream:
                self.maker.begin(message.place)
        except BaseException as error:
            self._failed = error

    def make(self, task: Task) -> tuple[str, Any, Any]:
        """Return what became of a task: its kind, the batch, and where a stream is then.

        Raises:
            BaseException: whatever the dataset or ``collate_fn`` raised.
        """
        if self._failed is not None:
            raise self._failed
        if not self.job.source.is_stream:
            return "batch", self.maker.make(task.indices, task.first), None
        batch = self.maker.make()
        return ("end", None, None) if batch is END else ("batch", batch, self.maker.place())
