"""Samplers: the order in which a loader asks for samples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import dovetail

Index = TypeVar("Index", covariant=True)


class Sampler(Generic[Index]):
    """The base of samplers: ``__iter__`` yields indices (or lists of them), ``__len__`` says how many.

    Example::

        >>> class Backwards(Sampler):
        ...     def __init__(self, source):
        ...         self.source = source
        ...
        ...     def __iter__(self):
        ...         return reversed(range(len(self.source)))
        >>> list(Backwards("abc"))
        [2, 1, 0]
    """

    def __iter__(self) -> Iterator[Index]:
        raise TypeError(f"{type(self).__name__} has no __iter__; write one that yields indices")


class SequentialSampler(Sampler[int]):
    """Every index in order.

    Example::

        >>> list(SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices in random order, with or without replacement; the same seed gives PyTorch's order.

    Args:
        data_source: has ``__len__``.
        replacement: draw each index anew.
        num_samples: how many to draw; ``len(data_source)`` if None.
        generator: where to draw from; if None, one seeded from the default generator for each pass.

    Raises:
        ValueError: ``num_samples`` is not a positive whole number.

    Example::

        >>> sampler = RandomSampler(range(5), generator=dovetail.Generator().manual_seed(0))
        >>> sorted(sampler)
        [0, 1, 2, 3, 4]
    """

    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ) -> None:
        if num_samples is not None and (not isinstance(num_samples, int) or num_samples <= 0):
            raise ValueError(f"RandomSampler takes a num_samples of 1 or more, or None for all, got {num_samples!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """How many indices one pass yields; read anew each time, since a dataset may grow."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        generator = self.generator
        if generator is None:
            generator = dovetail.Generator().manual_seed(draw_seed())
        size = len(self.data_source)
        if size:
            yield from self._replaced(size, generator) if self.replacement else self._permuted(size, generator)

    def _replaced(self, size: int, generator: Any) -> Iterator[int]:
        block = 32  # PyTorch draws in blocks of 32 and the rest at once: the numbers depend on it
        for _ in range(self.num_samples // block):
            yield from dovetail.randint(size, (block,), generator=generator).tolist()
        yield from dovetail.randint(size, (self.num_samples % block,), generator=generator).tolist()

    def _permuted(self, size: int, generator: Any) -> Iterator[int]:
        for _ in range(self.num_samples // size):
            yield from dovetail.randperm(size, generator=generator).tolist()
        # PyTorch draws this last order even when nothing of it is needed: later passes depend on it
        yield from dovetail.randperm(size, generator=generator).tolist()[: self.num_samples % size]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order, without replacement.

    Example::

        >>> sorted(SubsetRandomSampler([4, 9, 2]))
        [2, 4, 9]
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for position in dovetail.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with given weights; the same seed gives PyTorch's.

    Args:
        weights: one for each index, 0 or more; they need not add up to 1.
        num_samples: how many to draw.
        replacement: whether an index may come more than once.
        generator: where to draw from; the default generator if None.

    Raises:
        ValueError: the weights are no sequence of numbers, or another argument has no such value.

    Example::

        >>> set(WeightedRandomSampler([0.0, 3.0, 1.0], num_samples=50)) <= {1, 2}
        True
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples is a whole number of 1 or more, got {num_samples!r}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement is True or False, got {replacement!r}")
        self.weights = dovetail.as_tensor(weights, dtype=dovetail.float64)
        if self.weights.ndim != 1:
            raise ValueError(f"weights are one number for each sample, got shape {tuple(self.weights.shape)}")
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        yield from dovetail.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        ).tolist()

    def __len__(self) -> int:
        return self.num_samples


class DistributedSampler(Sampler[int]):
    """The part of a dataset that one of several processes reads, in PyTorch's order for the same seed and epoch.

    Args:
        dataset: has ``__len__``.
        num_replicas: how many processes there are; the environment's WORLD_SIZE if None.
        rank: which one this is, from 0; the environment's RANK if None.
        shuffle: a new order for each epoch, which ``set_epoch`` tells.
        seed: of the order; the same in all processes.
        drop_last: leave out the last samples so that all parts are of one size; if False, the first come once more.

    Raises:
        ValueError: ``rank`` is not one of them, or neither the arguments nor the environment tell.

    Example::

        >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
        [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        told_rank, told_size = launched()
        self.num_replicas = _known("num_replicas", num_replicas, told_size, "WORLD_SIZE")
        self.rank = _known("rank", rank, told_rank, "RANK")
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"rank is from 0 to {self.num_replicas - 1}, got {self.rank}")
        self.dataset = dataset
        self.epoch = 0
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        length = len(dataset)
        self.num_samples = length // self.num_replicas if drop_last else -(-length // self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        length = len(self.dataset)
        if self.shuffle:
            generator = dovetail.Generator().manual_seed(self.seed + self.epoch)
            order = dovetail.randperm(length, generator=generator).tolist()
        else:
            order = list(range(length))
        if length:
            order = (order * -(-self.total_size // length))[: self.total_size]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Have the next pass in the order of this epoch."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch, for a loader's state."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the epoch that ``state_dict`` told."""
        self.epoch = state["epoch"]


def launched() -> tuple[int | None, int | None]:
    """Return the rank and the number of processes that a launcher put into the environment, None where it did not.

    Raises:
        ValueError: what is there is no whole number.
    """
    texts = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if not all(text is None or text.isdecimal() for text in texts):
        raise ValueError(
            f"the environment variables RANK and WORLD_SIZE are whole numbers, got {texts[0]!r} and {texts[1]!r}"
        )
    rank, size = (None if text is None else int(text) for text in texts)
    return rank, size


def _known(name: str, given: int | None, told: int | None, variable: str) -> int:
    """Return an argument, or what the environment says in its place."""
    known = told if given is None else given
    if known is None:
        raise ValueError(f"DistributedSampler needs {name}: give it, or set {variable} as launchers do")
    return known


class BatchSampler(Sampler[list[int]]):
    """Groups the indices of another sampler into lists of ``batch_size``.

    Args:
        sampler: anything that yields indices.
        batch_size: 1 or more.
        drop_last: leave out a last batch that is not full.

    Raises:
        ValueError: ``batch_size`` or ``drop_last`` is something else.

    Example::

        >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size is a whole number of 1 or more, got {batch_size!r}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last is True or False, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        total = len(self.sampler)  # type: ignore[arg-type]
        return total // self.batch_size if self.drop_last else -(-total // self.batch_size)


def draw_seed(generator: Any = None) -> int:
    """Draw a seed of 63 bits, as PyTorch's loader and sampler do, from ``generator`` or the default one."""
    return int(dovetail.empty((), dtype=dovetail.int64).random_(generator=generator).item())
