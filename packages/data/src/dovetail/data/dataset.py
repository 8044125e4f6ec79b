"""Datasets: what can be indexed (or iterated), and ways to cut and join them."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

import dovetail
from dovetail.data.allocation import empty, host_array
from dovetail.errors import ShapeError

Sample = TypeVar("Sample", covariant=True)


class Dataset(Generic[Sample]):
    """Anything with ``__getitem__`` and, for most samplers, ``__len__``.

    A dataset that can fetch many samples at once may add ``__getitems__(indices)``, which returns a list of samples.
    One that can return a finished batch may add ``__getbatch__(indices)``; the loader uses it in place of
    ``default_collate``, and only then, so both must give the same. It must draw no random numbers, and may return
    ``NotImplemented`` to have single samples read.

    Example::

        >>> class Squares(Dataset):
        ...     def __len__(self):
        ...         return 4
        ...
        ...     def __getitem__(self, index):
        ...         return index * index
        >>> Squares()[3]
        9
    """

    def __getitem__(self, index: Any) -> Sample:
        raise TypeError(f"{type(self).__name__} has no __getitem__; write one that takes an index and returns a sample")

    def __add__(self, other: Dataset[Sample]) -> ConcatDataset[Sample]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[Sample]):
    """A stream of samples: it has ``__iter__`` and no index, so it is neither shuffled nor sampled.

    Each worker of a loader goes through the whole stream unless ``__iter__`` takes a part, by ``get_worker_info()``;
    up to the first sample the default generator gives all workers the same numbers, to shuffle by. Where the iterator
    has ``state_dict()`` and ``load_state_dict(state)``, small dicts of plain values, a loader goes on from there
    without reading again what it had.

    Example::

        >>> class Countdown(IterableDataset):
        ...     def __iter__(self):
        ...         return iter((3, 2, 1))
        >>> list(Countdown())
        [3, 2, 1]
    """

    def __iter__(self) -> Iterator[Sample]:
        raise TypeError(f"{type(self).__name__} has no __iter__; write one that yields samples")

    def __add__(self, other: Dataset[Sample]) -> ChainDataset[Sample]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple]):
    """Samples are the rows of tensors that all have the same first size.

    Args:
        tensors: each of shape ``(N, ...)``; sample ``i`` is the tuple of their rows ``i``.

    Raises:
        ShapeError: the first sizes differ, or a tensor has no dimension.

    Example::

        >>> x, y = dovetail.arange(6).reshape(3, 2), dovetail.tensor([0, 1, 2])
        >>> TensorDataset(x, y)[1]
        (tensor([2, 3]), tensor(1))
    """

    tensors: tuple[Any, ...]

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise TypeError("TensorDataset needs at least one tensor, got none")
        shapes = [tuple(tensor.shape) for tensor in tensors]
        if not all(shapes) or len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(
                f"TensorDataset takes tensors with one common first size, got shapes {', '.join(map(str, shapes))}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getbatch__(self, indices: Sequence[int]) -> list:
        return rows(self.tensors, indices)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class StackDataset(Dataset[Any]):
    """Datasets side by side: sample ``i`` holds each one's sample ``i``.

    Args:
        args: datasets of one length; a sample is a tuple. Or:
        kwargs: datasets of one length by name; a sample is a dict.

    Raises:
        ValueError: none is given, both kinds are, or the lengths differ.

    Example::

        >>> StackDataset(image=["a", "b"], label=[0, 1])[1]
        {'image': 'b', 'label': 1}
    """

    datasets: tuple | dict

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            given = "both" if args else "neither"
            raise ValueError(f"StackDataset takes datasets, either one after the other or by name, got {given}")
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in self.parts()]
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset takes datasets of one length, got {', '.join(map(str, lengths))}")

    def parts(self) -> Sequence[Any]:
        """Return the datasets."""
        return self.datasets if isinstance(self.datasets, tuple) else list(self.datasets.values())

    def _joined(self, parts: Iterable[Any]) -> Any:
        return tuple(parts) if isinstance(self.datasets, tuple) else dict(zip(self.datasets, parts, strict=True))

    def __getitem__(self, index: Any) -> Any:
        return self._joined(dataset[index] for dataset in self.parts())

    def __getitems__(self, indices: list[int]) -> list[Any]:
        columns = []
        for dataset in self.parts():
            many = getattr(dataset, "__getitems__", None)
            columns.append(many(indices) if callable(many) else [dataset[index] for index in indices])
            if len(columns[-1]) != len(indices):
                raise ValueError(
                    f"{type(dataset).__name__}.__getitems__ was asked for {len(indices)} samples and gave "
                    f"{len(columns[-1])}; it returns one for each index"
                )
        return [self._joined(parts) for parts in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return len(self.parts()[0])


class ChainDataset(IterableDataset[Sample]):
    """Streams one after the other, as one.

    Example::

        >>> class Letters(IterableDataset):
        ...     def __iter__(self):
        ...         return iter("ab")
        >>> list(Letters() + Letters())
        ['a', 'b', 'a', 'b']
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _streams(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"ChainDataset joins IterableDatasets, got {type(dataset).__name__}; ConcatDataset joins those "
                    "with an index"
                )
            yield dataset

    def __iter__(self) -> Iterator[Sample]:
        for dataset in self._streams():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._streams())


class Subset(Dataset[Sample]):
    """The samples of ``dataset`` at ``indices``, in that order.

    Example::

        >>> Subset(["a", "b", "c"], [2, 0])[0]
        'c'
    """

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Sample:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        chosen = [self.indices[index] for index in indices]
        many = getattr(self.dataset, "__getitems__", None)
        return many(chosen) if callable(many) else [self.dataset[index] for index in chosen]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[Sample]):
    """Datasets one after the other, as one.

    Raises:
        ValueError: there is none, or one has no index.

    Example::

        >>> list(ConcatDataset([["a", "b"], ["c"]]))
        ['a', 'b', 'c']
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset needs at least one dataset, got an empty list")
        for position, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise ValueError(
                    f"ConcatDataset indexes its datasets, and number {position} ({type(dataset).__name__}) is an "
                    "IterableDataset, which has no index; join streams with itertools.chain in an IterableDataset"
                )
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Sample:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"index {index} is out of range for a ConcatDataset of {len(self)} samples")
        which = bisect.bisect_right(self.cumulative_sizes, position)
        return self.datasets[which][position - (self.cumulative_sizes[which - 1] if which else 0)]


def rows(tensors: Sequence[Any], indices: Sequence[int]) -> list[Any]:
    """Return the rows of each tensor at the indices, as a loader's batch."""
    chosen = np.asarray(indices, dtype=np.int64)
    found = []
    for tensor in tensors:
        array = host_array(tensor)
        if array is None:
            found.append(tensor[dovetail.tensor(chosen, device=tensor.device)])
            continue
        out = empty((len(chosen), *array.shape[1:]), array.dtype)
        found.append(dovetail.from_numpy(np.take(array, _inside(chosen, len(array)), 0, out, "clip")))
    return found


def _inside(chosen: np.ndarray, length: int) -> np.ndarray:
    """Return the indices, counted from the start; all are inside, so that "clip" changes none."""
    if chosen.size and (chosen.min() < 0 or chosen.max() >= length):
        outside = chosen[(chosen < -length) | (chosen >= length)]
        if outside.size:
            raise IndexError(f"index {outside[0]} is out of range for a dataset of {length} samples")
        return np.where(chosen < 0, chosen + length, chosen)
    return chosen


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Any = None) -> list[Subset]:
    """Cut a dataset at random into parts that do not overlap.

    Args:
        dataset: has ``__len__`` and ``__getitem__``.
        lengths: sizes that add up to ``len(dataset)``, or fractions that add up to 1; what rounding leaves over goes
            to the parts one by one, from the first.
        generator: a ``dovetail.Generator``; the default one if None. The same seed gives PyTorch's parts.

    Raises:
        ValueError: the lengths do not add up, or one is negative.

    Example::

        >>> parts = random_split(range(10), [0.7, 0.3], generator=dovetail.Generator().manual_seed(0))
        >>> [len(part) for part in parts]
        [7, 3]
    """
    sizes = _split_sizes(len(dataset), lengths)
    order = dovetail.randperm(len(dataset), generator=generator).tolist()
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, accumulate(sizes), strict=True)]


def _split_sizes(total: int, lengths: Sequence[int | float]) -> list[int]:
    if any(length < 0 for length in lengths):
        raise ValueError(f"random_split takes lengths of 0 or more, got {list(lengths)}")
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = [math.floor(total * fraction) for fraction in lengths]
        for position in range(total - sum(sizes)):
            sizes[position % len(sizes)] += 1
        return sizes
    if sum(lengths) != total or any(int(length) != length for length in lengths):
        raise ValueError(
            f"random_split takes whole lengths that add up to the dataset's {total} samples, or fractions that add up "
            f"to 1, got {list(lengths)}, which add up to {sum(lengths)}"
        )
    return [int(length) for length in lengths]
