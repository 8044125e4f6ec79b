"""How far a pass over the data is, and how to go on from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import dovetail
from dovetail.data.sampler import BatchSampler, SequentialSampler, draw_seed


class Position:
    """Where one pass is: enough to go on with exactly the next batch.

    Attributes:
        seed: what the pass's random numbers come from.
        batches: how many the program has had.
        samples: how many were in these.
        ahead: batches had before their turn, with ``in_order=False``: their numbers, and the samples in each.
        places: where each worker is in its part of a stream.
        asked: how often the sampler was asked for indices, which is when it draws; workers are ahead of the program.
        over: whether the program had all of it.
        start: the random numbers and the sampler as they were at the start.
    """

    def __init__(self, start: dict[str, Any], seed: int, workers: int) -> None:
        self.start, self.seed = start, seed
        self.batches = self.samples = 0
        self.ahead: dict[int, int] = {}
        self.places: list[dict[str, Any] | None] = [None] * max(1, workers)
        self.turn = 0  # the worker whose batch of a stream is next
        self.ended: set[int] = set()  # workers that have no more of a stream
        self.asked = 0
        self.over = False

    def had(self, number: int, size: int) -> None:
        """Note that the program has had a batch."""
        self.ahead[number] = size
        while self.batches in self.ahead:
            self.samples += self.ahead.pop(self.batches)
            self.batches += 1

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as plain values and tensors."""
        return {
            "start": self.start,
            "seed": self.seed,
            "batches": self.batches,
            "samples": self.samples,
            "ahead": [list(entry) for entry in self.ahead.items()],
            "places": list(self.places),
            "turn": self.turn,
            "ended": sorted(self.ended),
            "asked": self.asked,
        }

    @staticmethod
    def of(state: dict[str, Any]) -> Position:
        """Return the position that ``state_dict`` told."""
        position = Position(state["start"], state["seed"], 0)
        position.batches, position.samples = state["batches"], state["samples"]
        position.ahead, position.turn, position.ended = dict(state["ahead"]), state["turn"], set(state["ended"])
        position.places, position.asked = list(state["places"]), state["asked"]
        return position


def ordering(loader: Any) -> Any:
    """Return the sampler that decides on a loader's order."""
    batches = loader.batch_sampler
    if batches is None:
        return loader.sampler
    return batches.sampler if type(batches) is BatchSampler else batches


def begin(loader: Any, resumed: Position | None, kept_seed: int | None) -> tuple[Iterator[Any], int, dict[str, Any]]:
    """Begin a pass.

    Args:
        loader: whose sampler and generators are used.
        resumed: where the pass begins; at its start if None.
        kept_seed: the seed of earlier passes, where the loader draws one once.

    Returns:
        what the sampler gives from there on, the seed that was drawn or kept, and what decided on the order.
    """
    start = _start(loader, kept_seed) if resumed is None else resumed.start
    batches = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
    with _as_at(loader, None if resumed is None else start):
        indices = iter(batches if batches is not None else ())
        # PyTorch draws one seed for its workers whenever an iterator is made, even without workers: so that every
        # random number after it comes out the same, it is drawn here too, and not on the first batch.
        seed = draw_seed(loader.generator) if start["kept_seed"] is None else start["kept_seed"]
        if resumed is not None:
            asked = list(islice(indices, resumed.asked))  # now, as the sampler would draw other numbers later
            indices = chain(asked[resumed.batches :], indices)
    return indices, seed, start


def _start(loader: Any, kept_seed: int | None) -> dict[str, Any]:
    """Return what decides on a loader's order, as it is now."""
    sampler = ordering(loader)
    state = getattr(sampler, "state_dict", None)
    return {
        "kept_seed": kept_seed,
        "sampler": state() if callable(state) else None,
        "default": None if sampler is None or type(sampler) is SequentialSampler else dovetail.get_rng_state(),
        "generator": None if loader.generator is None else loader.generator.get_state(),
    }


@contextmanager
def _as_at(loader: Any, start: dict[str, Any] | None) -> Iterator[None]:
    """Have the random numbers and the sampler of a start; the default generator is as before afterwards."""
    if start is None:
        yield
        return
    now = dovetail.get_rng_state()
    if start["generator"] is not None:
        loader.generator.set_state(start["generator"])
    if start["sampler"] is not None:
        ordering(loader).load_state_dict(start["sampler"])
    if start["default"] is not None:
        dovetail.set_rng_state(start["default"])
    try:
        yield
    finally:
        dovetail.set_rng_state(now)
