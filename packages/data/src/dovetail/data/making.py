"""Making batches out of a dataset: the same work in the loader's process, a worker process or a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dovetail.data.collate import default_collate
from dovetail.data.dataset import IterableDataset, StackDataset, Subset
from dovetail.data.randomness import Draws

#: What stands for a batch when a stream has none left.
END = object()

_ORDER, _COLLATE = 1, 2  # seeds that belong to no sample


@dataclass(frozen=True)
class Source:
    """What batches are made of and how: the part of a loader that its workers get."""

    dataset: Any
    collate_fn: Callable[[Any], Any]
    batch_size: int | None  # of a stream; None gives single samples
    drop_last: bool
    batched: bool  # whether what the sampler gives are lists of indices

    @property
    def is_stream(self) -> bool:
        """Whether samples have no index."""
        return isinstance(self.dataset, IterableDataset)


class IndexedMaker:
    """Makes the batches of a dataset with an index."""

    def __init__(self, source: Source, draws: Draws) -> None:
        self.source, self.draws = source, draws
        self._whole = whole_batch_getter(source.dataset) if source.collate_fn is default_collate else None
        self._many = samples_getter(source.dataset)

    def make(self, indices: Any, first: int) -> Any:
        """Return one batch.

        Args:
            indices: a list of them, or one where samples come single.
            first: how many samples of the pass came before.
        """
        if not self.source.batched:
            with self.draws:
                self.draws.batch(first)
                return self.source.collate_fn(self._samples([indices], first)[0])
        batch = NotImplemented if self._whole is None else self._whole(indices)
        if batch is not NotImplemented:
            return batch
        with self.draws:
            self.draws.batch(first)
            if self._many is None:
                samples = self._samples(indices, first)
            else:
                self.draws.sample(first)
                samples = self._many(indices)
            self.draws.sample(first, _COLLATE)
            return self.source.collate_fn(samples)

    def _samples(self, indices: Any, first: int) -> list[Any]:
        seed, dataset, samples = self.draws.sample, self.source.dataset, []
        index = None
        try:
            for number, index in enumerate(indices, first):
                seed(number, index if type(index) is int else 0)
                samples.append(dataset[index])
            return samples
        except StopIteration as error:
            raise _not_an_end(error, self.source.dataset) from error
        except Exception as error:
            error.add_note(f"The DataLoader was reading sample {index!r} of {type(self.source.dataset).__name__}.")
            raise


class StreamMaker:
    """Makes the batches of an ``IterableDataset``, or of the part of it that one worker reads."""

    def __init__(self, source: Source, draws: Draws, worker: int = 0) -> None:
        self.source, self.draws, self.worker = source, draws, worker
        self.count = 0  # samples read in this pass
        self._samples: Iterator[Any] = iter(())

    def begin(self, place: dict[str, Any] | None = None) -> None:
        """Begin a pass: at its start, or at a place that ``place`` gave."""
        with self.draws:
            self.draws.batch(_ORDER)
            self.draws.sample(_ORDER)
            self._samples = iter(self.source.dataset)
            self.count = 0
            if place is None:
                return
            if place["state"] is not None:
                self._samples.load_state_dict(place["state"])  # type: ignore[attr-defined]
                self.count = place["samples"]
            while self.count < place["samples"] and self._read() is not END:
                pass

    def place(self) -> dict[str, Any]:
        """Return where the pass is: small, and what ``begin`` needs to go on from here."""
        state = getattr(self._samples, "state_dict", None)
        return {"samples": self.count, "state": state() if callable(state) else None}

    def make(self) -> Any:
        """Return the next batch, END where there is none."""
        with self.draws:
            if self.source.batch_size is None:
                sample = self._read()
                return END if sample is END else self.source.collate_fn(sample)
            samples: list[Any] = []
            while len(samples) < self.source.batch_size and (sample := self._read()) is not END:
                samples.append(sample)
            if not samples or len(samples) < self.source.batch_size and self.source.drop_last:
                return END
            self.draws.sample(self.worker, self.count, _COLLATE)
            return self.source.collate_fn(samples)

    def _read(self) -> Any:
        # Up to the first sample all workers draw the same numbers, so that a stream that shuffles at its start and
        # then takes each worker's part has one order.
        if self.count:
            self.draws.sample(self.worker, self.count)
        if self.count % (self.source.batch_size or 1) == 0:
            self.draws.batch(*(self.worker, self.count) if self.count else (_ORDER,))
        self.count += 1
        try:
            return next(self._samples, END)
        except Exception as error:
            name = type(self.source.dataset).__name__
            error.add_note(f"The DataLoader was reading sample number {self.count - 1} of the stream {name}.")
            raise


def _not_an_end(error: StopIteration, dataset: Any) -> RuntimeError:
    return RuntimeError(
        f"{type(dataset).__name__}.__getitem__ raised StopIteration, which would look like the end of the data; "
        "raise another error, or find out why an iterator in the dataset has ended"
    )


def samples_getter(dataset: Any) -> Callable[[Any], list] | None:
    """Return the function that turns indices into a list of samples at once, where the dataset has one of its own.

    Subsets and stacks have one if what is in them does; their own would only hide single samples, each of which has its
    own random numbers.
    """
    kind = type(dataset)
    if isinstance(dataset, Subset) and kind.__getitems__ is Subset.__getitems__:
        own = kind.__getitem__ is Subset.__getitem__
        return dataset.__getitems__ if own and samples_getter(dataset.dataset) else None
    if kind is StackDataset and not any(samples_getter(part) for part in dataset.parts()):
        return None
    many = getattr(dataset, "__getitems__", None)
    return many if callable(many) else None


def whole_batch_getter(dataset: Any) -> Callable[[Sequence[int]], Any] | None:
    """Return the function that turns indices into a finished batch by one index operation, where the dataset has one.

    A subclass that overrides how single samples are read is never bypassed: ``__getbatch__`` counts only where it is
    defined at least as deep in the class tree as ``__getitem__`` and ``__getitems__``.
    """
    kind = type(dataset)
    if isinstance(dataset, Subset):
        inner = whole_batch_getter(dataset.dataset)
        if inner is None or kind.__getitem__ is not Subset.__getitem__ or kind.__getitems__ is not Subset.__getitems__:
            return None
        positions = dataset.indices
        return lambda indices: inner([positions[index] for index in indices])
    for ancestor in kind.__mro__:
        if "__getbatch__" in vars(ancestor):
            return dataset.__getbatch__
        if "__getitem__" in vars(ancestor) or "__getitems__" in vars(ancestor):
            return None
    return None
