"""Loaders of any size and kind: every sample once, the same for any workers, and cut anywhere they go on exactly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loader_helpers import Augmented, Counting, plain

import dovetail
from dovetail.data import BatchSampler, DataLoader, Subset

WORKERS = st.sampled_from([{}, {"num_workers": 1, "worker": "thread"}, {"num_workers": 3, "worker": "thread"}])


@st.composite
def loaders(draw):
    """How to make a loader over a dataset with an index, as often as wanted, with other workers each time."""
    length = draw(st.integers(0, 30))
    chosen = draw(st.lists(st.integers(0, length - 1), max_size=20)) if length and draw(st.booleans()) else None
    dataset = Augmented(length) if chosen is None else Subset(Augmented(length), chosen)
    kind = draw(st.sampled_from(["plain", "shuffled", "batch sampler", "single"]))
    size, drop_last = draw(st.integers(1, 9)), draw(st.booleans())

    def make(**workers):
        if kind == "batch sampler":
            order = list(reversed(range(len(dataset))))
            return DataLoader(dataset, batch_sampler=BatchSampler(order, size, drop_last), **workers)
        if kind == "single":
            return DataLoader(dataset, batch_size=None, **workers)
        return DataLoader(
            dataset, size, shuffle=kind == "shuffled" and len(dataset) > 0, drop_last=drop_last, **workers
        )

    return make


def read(loader):
    dovetail.manual_seed(11)
    return [[plain(batch) for batch in loader] for _ in range(2)]


@settings(max_examples=60, deadline=None)
@given(loaders(), WORKERS)
def test_workers_change_nothing(make, workers):
    loader = make(**workers)
    found = read(loader)
    assert found == read(make())
    assert [len(batches) for batches in found] == [len(loader)] * 2


@settings(max_examples=60, deadline=None)
@given(loaders(), WORKERS, WORKERS, st.data())
def test_a_pass_that_is_cut_goes_on(make, before, after, data):
    loader = make(**before)
    taken = data.draw(st.integers(0, len(loader)))
    dovetail.manual_seed(11)
    batches = iter(loader)
    for _ in range(taken):
        next(batches)
    state, numbers = loader.state_dict(), dovetail.get_rng_state()
    whole = [plain(batch) for batch in batches]
    second = [plain(batch) for batch in loader]
    again = make(**after)
    again.load_state_dict(state)
    dovetail.set_rng_state(numbers)
    assert [plain(batch) for batch in again] == whole
    assert [plain(batch) for batch in again] == second


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 25), st.integers(1, 6), st.booleans(), st.integers(0, 4), st.data())
def test_a_stream_that_is_cut_goes_on(length, size, drop_last, workers, data):
    options = {"num_workers": workers, "worker": "thread"} if workers else {}

    def make():
        return DataLoader(Counting(length), size, drop_last=drop_last, **options)

    dovetail.manual_seed(5)
    whole = [plain(batch) for batch in make()]
    taken = data.draw(st.integers(0, len(whole)))
    dovetail.manual_seed(5)
    loader = make()
    batches = iter(loader)
    first = [plain(next(batches)) for _ in range(taken)]
    again = make()
    again.load_state_dict(loader.state_dict())
    assert first + [plain(batch) for batch in again] == whole


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-40, 40), max_size=8), st.integers(1, 30))
def test_rows_are_those_of_indexing(indices, length):
    from dovetail.data import TensorDataset

    x = dovetail.arange(2 * length).reshape(length, 2)
    dataset = TensorDataset(x)
    if any(not -length <= index < length for index in indices):
        with pytest.raises(IndexError, match="is out of range for a dataset of"):
            dataset.__getbatch__(indices)
        return
    assert dataset.__getbatch__(indices)[0].tolist() == [x[index].tolist() for index in indices]
