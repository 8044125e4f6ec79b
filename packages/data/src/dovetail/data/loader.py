"""DataLoader: batches out of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from dovetail.data.checks import check_choices, check_workers
from dovetail.data.collate import default_collate, default_convert
from dovetail.data.dataset import IterableDataset
from dovetail.data.making import Source
from dovetail.data.passes import LocalPass, Numbered
from dovetail.data.position import Position, begin
from dovetail.data.randomness import mixed
from dovetail.data.sampler import BatchSampler, RandomSampler, SequentialSampler

_VERSION = 1  # of what state_dict() gives
#: What the order of batches follows from; changed later it would have no effect, or half of one.
_FIXED = frozenset(("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"))


class DataLoader:
    """Iterates over a dataset in batches, in order or shuffled; the same seed gives PyTorch's shuffles.

    What samples and ``collate_fn`` draw from Dovetail's default generator depends on the pass and the sample alone:
    batches are the same for any number of workers, 0 too, processes or threads. So are the draws from ``random`` and
    ``numpy.random``, but for threads, which share these two with the program.

    Args:
        dataset: has ``__getitem__`` and ``__len__``, or is an ``IterableDataset``.
        batch_size: samples in a batch; None for single samples that are not collated.
        shuffle: a new random order in each pass.
        sampler: yields the indices to load, in place of ``shuffle``.
        batch_sampler: yields lists of indices, in place of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
        num_workers: how many processes or threads make batches ahead of time; 0 makes them here, on demand.
        collate_fn: turns a list of samples into a batch; ``default_collate`` if None.
        pin_memory: a hint that changes no result; no backend pins memory today.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a batch of a worker; 0 waits for ever (a worker that has died is seen at once).
        worker_init_fn: called with its number in each worker, at its start.
        multiprocessing_context: "fork", "spawn", "forkserver" or a context of ``multiprocessing``; its default if None.
        generator: where the random order comes from; the default generator if None.
        prefetch_factor: batches that each worker makes ahead; 2 if None.
        persistent_workers: keep the workers for the next pass. As in PyTorch the passes' own seed is then drawn once.
        pin_memory_device: as ``pin_memory``.
        in_order: give batches in their order; if False, each as soon as it is made.
        worker: "process" or "thread". Threads share the dataset, start at once and copy nothing; they use one core but
            for what NumPy, Pillow and the like do outside of Python's lock.

    Raises:
        ValueError: arguments that exclude each other or have no such value.
        WorkerError: while iterating: a worker died, hangs or cannot be started. What a dataset raises comes as it is.

    Example::

        >>> loader = DataLoader(range(5), batch_size=2)
        >>> list(loader)
        [tensor([0, 1]), tensor([2, 3]), tensor([4])]
        >>> len(loader)
        3
    """

    _position: Position | None = None  # of the newest pass
    _resumed: Position | None = None  # where the next pass begins
    _seed: int | None = None  # the newest one drawn; with persistent workers one is drawn once
    _passes = 0
    _pool: Any = None  # persistent workers
    _complete = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable | None = None,
        batch_sampler: Iterable[Sequence] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        worker: str = "process",
    ) -> None:
        check_choices(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        check_workers(num_workers, timeout, multiprocessing_context, prefetch_factor, persistent_workers, worker)
        self.dataset = dataset
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers, self.in_order, self.worker = persistent_workers, in_order, worker
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.generator = generator
        self.batch_size = None if batch_sampler is not None else batch_size
        self.drop_last = drop_last
        self.sampler = sampler if sampler is not None else self._default_sampler(bool(shuffle))
        if batch_sampler is None and batch_size is not None and self.sampler is not None:
            batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        batches = self.batch_size is not None or batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if batches else default_convert)
        self._complete = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and self._complete:
            raise ValueError(f"{name} of a DataLoader is fixed, since its order follows from it; make a new DataLoader")
        super().__setattr__(name, value)

    def _default_sampler(self, shuffle: bool) -> Iterable[int] | None:
        if isinstance(self.dataset, IterableDataset):
            return None
        return RandomSampler(self.dataset, generator=self.generator) if shuffle else SequentialSampler(self.dataset)

    def __iter__(self) -> Iterator[Any]:
        resumed, self._resumed = self._resumed, None
        indices, drawn, start = begin(self, resumed, self._seed if self.persistent_workers else None)
        self._seed, self._passes = drawn, self._passes + 1
        seed = mixed(drawn, self._passes) if self.persistent_workers and self._passes > 1 else drawn
        position = self._position = resumed or Position(start, seed, self.num_workers)
        batched = self.batch_sampler is not None
        source = Source(self.dataset, self.collate_fn, self.batch_size, self.drop_last, batched)
        if not self.num_workers:
            return LocalPass(source, None if source.is_stream else indices, position)
        from dovetail.data.workers.passes import IndexedPass, StreamPass  # late: many programs need none

        make_pool = partial(self._workers, source)
        if source.is_stream:
            return StreamPass(make_pool, position, self.in_order, self.persistent_workers)
        order = Numbered(indices, batched, position)
        return IndexedPass(order, make_pool, position, self.in_order, self.persistent_workers)

    def _workers(self, source: Source) -> Any:
        """Return the workers: those that were kept, or new ones."""
        from dovetail.data.workers.processes import ProcessPool
        from dovetail.data.workers.serving import Job
        from dovetail.data.workers.threads import ThreadPool

        if self._pool is not None and not self._pool.closed:
            return self._pool
        jobs = [Job(source, number, self.num_workers, self.worker_init_fn) for number in range(self.num_workers)]
        prefetch = self.prefetch_factor or 2
        if self.worker == "thread":
            pool: Any = ThreadPool(jobs, prefetch, self.timeout)
        else:
            pool = ProcessPool(jobs, self.multiprocessing_context, prefetch, self.timeout)
        self._pool = pool if self.persistent_workers else None
        return pool

    def state_dict(self) -> dict[str, Any]:
        """Return where the newest pass is, as plain values and tensors that ``dovetail.save`` takes.

        A loader made in the same way that loads this goes on with the very next batch, whatever its number of workers
        (of a stream, with as many). Between passes it tells that the next one begins at its start.

        Example::

            >>> loader = DataLoader(range(6), batch_size=2, shuffle=True)
            >>> batches = iter(loader)
            >>> first = next(batches)
            >>> state = loader.state_dict()
            >>> rest = [batch.tolist() for batch in batches]
            >>> again = DataLoader(range(6), batch_size=2, shuffle=True)
            >>> again.load_state_dict(state)
            >>> [batch.tolist() for batch in again] == rest
            True
        """
        position = self._resumed or self._position
        return {
            "version": _VERSION,
            "made_with": self._made_with(),
            "seed": self._seed,
            "passes": self._passes,
            "generator": None if self.generator is None else self.generator.get_state(),
            "position": None if position is None or position.over else position.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin the next pass where ``state_dict`` was called.

        Raises:
            ValueError: the state is of another kind of loader, which would give other batches.
        """
        if not isinstance(state, dict) or state.get("version") != _VERSION:
            raise ValueError(
                f"a DataLoader's state is what its state_dict() gives, of version {_VERSION}, got {state!r:.80}"
            )
        for name, here in self._made_with().items():
            if (there := state["made_with"][name]) != here:
                raise ValueError(
                    f"this state is of a DataLoader with {name}={there!r}, and this one has {name}={here!r}: its "
                    "batches would be others; make the loader as it was"
                )
        self._position = None
        self._resumed = None if state["position"] is None else Position.of(state["position"])
        self._seed, self._passes = state["seed"], state["passes"] - (self._resumed is not None)
        if state["generator"] is not None and self.generator is not None:
            self.generator.set_state(state["generator"])

    def _made_with(self) -> dict[str, Any]:
        """Return what a loader must have in common with the one that it goes on for."""
        stream = isinstance(self.dataset, IterableDataset)
        return {
            "batch_size": self.batch_size,
            "drop_last": self.drop_last,
            "samples": None if stream or not hasattr(self.dataset, "__len__") else len(self.dataset),
            "workers": max(1, self.num_workers) if stream else None,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pool": None}  # processes are not copied

    def __len__(self) -> int:
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        if self.sampler is not None:
            return len(self.sampler)  # type: ignore[arg-type]
        total = len(self.dataset)  # an IterableDataset may have a length of its own; if not, its TypeError says so
        if self.batch_size is None:
            return total
        return total // self.batch_size if self.drop_last else -(-total // self.batch_size)
