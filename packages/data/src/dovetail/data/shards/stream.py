"""The stream that all shard readers are: order, parts for ranks and workers, and exact resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dovetail
from dovetail.data.dataset import IterableDataset
from dovetail.data.randomness import mixed
from dovetail.data.sampler import draw_seed
from dovetail.data.shards.names import Shards, expand
from dovetail.data.shards.readers import Item, OpenShard, Reader, Source, Start, checked_rank, this_reader
from dovetail.data.shards.shuffle import Buffer, checked_size
from dovetail.errors import LoadError

COUNTED = ("shards", "readers", "reader", "buffer_size")  # what must be the same when a pass goes on


class ShardDataset(IterableDataset):
    """The base of shard readers: a class for another format writes ``open_shard``, and ``finish`` if it decodes.

    Args:
        shards: names, patterns such as ``"train-{000..009}.tar"`` or ``"train-*.tar"``, URLs for fsspec, or a list.
        shuffle: read the shards in random order, and hand out a random one of ``buffer_size`` samples each time.
        buffer_size: how many samples, not decoded yet, the shuffle holds.
        seed: with the epoch, the order of a pass. If None, each pass draws one from the default generator; several
            ranks need the same number to divide the samples, so there it must be given.
        transform: called with each sample; what it returns is handed out.
        rank, world_size: which part of the samples is wanted; if None, what the environment variables ``RANK`` and
            ``WORLD_SIZE`` say, or all. Each worker of a loader takes its part of the rank's.

    Raises:
        FileNotFoundError: a pattern matches nothing. ValueError: an argument is not one of these, or does not fit.
    """

    def __init__(
        self,
        shards: Shards,
        *,
        shuffle: bool = False,
        buffer_size: int = 1000,
        seed: int | None = None,
        transform: Callable[[Any], Any] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self.shards = expand(shards)
        self.shuffle = shuffle
        self.buffer_size = checked_size(buffer_size)
        self.seed = seed
        self.transform = transform
        self.rank, self.world_size = checked_rank(rank, world_size)
        self.epoch = 0
        if shuffle and seed is None and self.world_size > 1:
            raise ValueError(
                f"{self.world_size} ranks divide the shuffled samples only if all shuffle alike; give each the same "
                "seed=, and call set_epoch(epoch) before each pass"
            )

    def set_epoch(self, epoch: int) -> None:
        """Have the next pass shuffle in another order, in a loader's workers too; without a seed every pass does so."""
        self.epoch = epoch

    def open_shard(self, name: str) -> OpenShard:
        """Open the shard of this name."""
        raise TypeError(f"{type(self).__name__} has no open_shard; write one that returns an OpenShard")

    def finish(self, raw: Any, where: str) -> Any:
        """Turn a sample as it was read into the one that ``transform`` sees; ``where`` is for errors."""
        return raw

    def __iter__(self) -> ShardIterator:
        if not self.shuffle:
            seed = 0
        elif self.seed is None:
            seed = draw_seed()
        else:
            seed = mixed(self.seed, self.epoch) >> 1  # an int of 64 bits, in states too
        return ShardIterator(self, seed, this_reader(self.rank, self.world_size))


class ShardIterator:
    """One pass over a reader's part of the shards, which can say where it stands and go on from there."""

    def __init__(self, dataset: ShardDataset, seed: int, reader: Reader) -> None:
        self._dataset = dataset
        self._reader = reader
        self._size = dataset.buffer_size if dataset.shuffle else 1
        self._begin(seed)

    def _begin(self, seed: int, start: Start | None = None) -> None:
        shards = self._dataset.shards
        if self._dataset.shuffle:
            order = dovetail.randperm(len(shards), generator=dovetail.Generator().manual_seed(seed)).tolist()
            shards = [shards[number] for number in order]
        self._seed = seed
        self._source = Source(shards, self._reader, self._dataset.open_shard, start)
        self._buffer = Buffer(self._source, self._size, mixed(seed, self._reader.number))

    def __iter__(self) -> ShardIterator:
        return self

    def __next__(self) -> Any:
        item: Item = next(self._buffer)
        self._source.release(item)
        shard = self._source.shards[item.start.shard]
        sample = self._dataset.finish(item.raw, f"{shard}, sample {item.position}")
        if self._dataset.transform is None:
            return sample
        try:
            return self._dataset.transform(sample)
        except Exception as error:
            error.add_note(f"The transform was given sample {item.position} of {shard}.")
            raise

    def close(self) -> None:
        """Close the shard that is being read; this also happens when the iterator is no longer used."""
        self._source.close()

    def state_dict(self) -> dict[str, int]:
        """Return where this pass stands: ten numbers, whatever the buffer holds."""
        start = self._source.oldest()
        return {
            **self._layout(),
            "seed": self._seed,
            "read": self._buffer.read,
            "delivered": self._buffer.delivered,
            "start_shard": start.shard,
            "start_ordinal": start.ordinal,
            "start_due": start.due,
        }

    def _layout(self) -> dict[str, int]:
        numbers = len(self._dataset.shards), self._reader.total, self._reader.number, self._size
        return dict(zip(COUNTED, numbers, strict=True))

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to where a pass stood: the next sample is the one that came next there.

        What lies before it is passed over without decoding, from the first shard of which the buffer held a sample.

        Raises:
            ValueError: the state is of another number of shards, ranks or workers, or of another buffer.
            LoadError: the shards have fewer samples than they had.
        """
        for name, here in self._layout().items():
            if state[name] != here:
                raise ValueError(
                    f"the state was saved with {name.replace('_', ' ')} {state[name]}, here it is {here}; go on with "
                    "the same shards, ranks, workers and shuffle buffer, or begin the pass anew"
                )
        self.close()
        self._begin(state["seed"], Start(state["start_shard"], state["start_ordinal"], state["start_due"]))
        replayed = Buffer.replayed(self._size, self._buffer.seed, state["read"], state["delivered"])
        replayed.held = self._found(replayed.held)
        self._source.skip(state["read"] - self._source.ordinal)
        replayed.source = self._source
        self._buffer = replayed

    def _found(self, ordinals: list[int]) -> list[Item]:
        """Read the samples of these numbers, the ones between them only as far as it takes to pass over them."""
        found = {}
        for ordinal in sorted(ordinals):
            self._source.skip(ordinal - self._source.ordinal)
            try:
                found[ordinal] = next(self._source)
            except StopIteration:
                raise LoadError(
                    f"the state was saved after sample {ordinal} of this reader, and the shards have fewer now; "
                    "put back those that were read then, or begin the pass anew"
                ) from None
        return [found[ordinal] for ordinal in ordinals]
