"""Samplers: the order in which a loader asks for samples."""

from __future__ import annotations

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
