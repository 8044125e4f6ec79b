"""DataLoader: batches out of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from dovetail.data.collate import default_collate, default_convert
from dovetail.data.dataset import IterableDataset, Subset
from dovetail.data.sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed


class DataLoader:
    """Iterates over a dataset in batches, in order or shuffled; the same seed gives PyTorch's shuffles.

    Args:
        dataset: has ``__getitem__`` and ``__len__``, or is an ``IterableDataset``.
        batch_size: samples in a batch; None for single samples that are not collated.
        shuffle: a new random order in each pass.
        sampler: yields the indices to load, in place of ``shuffle``.
        batch_sampler: yields lists of indices, in place of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
        num_workers: only 0 today: batches are made in this process, on demand.
        collate_fn: turns a list of samples into a batch; ``default_collate`` if None.
        pin_memory: a hint that changes no result; nothing is pinned today.
        drop_last: leave out a last batch that is not full.
        generator: where the random order comes from; the default generator if None.

    Raises:
        ValueError: arguments that exclude each other, or ``num_workers`` other than 0.

    Example::

        >>> loader = DataLoader(range(5), batch_size=2)
        >>> list(loader)
        [tensor([0, 1]), tensor([2, 3]), tensor([4])]
        >>> len(loader)
        3
    """

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
        *,
        generator: Any = None,
    ) -> None:
        if num_workers != 0:
            raise ValueError(f"DataLoader loads in this process: num_workers is 0 for now, got {num_workers!r}")
        _check_choices(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.generator = generator
        self.batch_size = None if batch_sampler is not None else batch_size
        self.drop_last = drop_last
        self.sampler = sampler if sampler is not None else self._default_sampler(bool(shuffle))
        if batch_sampler is None and batch_size is not None and self.sampler is not None:
            batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        batches = self.batch_size is not None or batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if batches else default_convert)

    def _default_sampler(self, shuffle: bool) -> Iterable[int] | None:
        if isinstance(self.dataset, IterableDataset):
            return None
        return RandomSampler(self.dataset, generator=self.generator) if shuffle else SequentialSampler(self.dataset)

    def __iter__(self) -> Iterator[Any]:
        # PyTorch draws one seed for its workers whenever an iterator is made, even without workers: so that every
        # random number after it comes out the same, it is drawn here too, and not on the first batch.
        draw_seed(self.generator)
        if isinstance(self.dataset, IterableDataset):
            return self._stream()
        return self._fetch()

    def _fetch(self) -> Iterator[Any]:
        if self.batch_sampler is None:
            for index in self.sampler or ():
                yield self.collate_fn(self.dataset[index])
            return
        get_batch = whole_batch_getter(self.dataset) if self.collate_fn is default_collate else None
        get_samples = get_batch or samples_getter(self.dataset)
        for indices in self.batch_sampler:
            yield get_samples(indices) if get_batch else self.collate_fn(get_samples(indices))

    def _stream(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def __len__(self) -> int:
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        if self.sampler is not None:
            return len(self.sampler)  # type: ignore[arg-type]
        total = len(self.dataset)  # an IterableDataset may have a length of its own; if not, its TypeError says so
        if self.batch_size is None:
            return total
        return total // self.batch_size if self.drop_last else -(-total // self.batch_size)


def _check_choices(
    dataset: Any,
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Iterable | None,
    batch_sampler: Iterable | None,
    drop_last: bool,
) -> None:
    if isinstance(dataset, IterableDataset) and (shuffle or sampler is not None or batch_sampler is not None):
        raise ValueError(
            "an IterableDataset has no index, so it takes neither shuffle, sampler nor batch_sampler; "
            "shuffle inside its __iter__"
        )
    if sampler is not None and shuffle:
        raise ValueError("a sampler sets the order, so it excludes shuffle=True; leave one of them out")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("a batch_sampler excludes batch_size, shuffle, sampler and drop_last; leave these out")
    if batch_size is None and drop_last:
        raise ValueError("batch_size=None makes no batches, so there is no last one to drop; leave drop_last out")
    if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size is a whole number of 1 or more, or None, got {batch_size!r}")


def samples_getter(dataset: Any) -> Callable[[Sequence[int]], list]:
    """Return the function that turns indices into a list of samples."""
    many = getattr(dataset, "__getitems__", None)
    return many if callable(many) else lambda indices: [dataset[index] for index in indices]


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
