"""state_dict(): a pass goes on with exactly the next batch, in another process, with other workers."""

import pytest
from loader_helpers import WAYS, Augmented, Counting, plain

import dovetail
from dovetail.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    WeightedRandomSampler,
)

# newer Pythons say so at each fork; threads of other tests may still be there
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def rest(loader, passes=2):
    """What is left of this pass, and the next one."""
    return [[plain(batch) for batch in loader] for _ in range(passes)]


def cut(make, taken, tmp_path, other=None):
    """Run a loader to the end of its second pass, and go on after ``taken`` batches of the first with one made anew."""
    dovetail.manual_seed(3)
    loader = make()
    batches = iter(loader)
    for _ in range(taken):
        next(batches)
    state, numbers = loader.state_dict(), dovetail.get_rng_state()
    whole = [[plain(batch) for batch in batches], *rest(loader, 1)]
    dovetail.save(state, tmp_path / "state.safetensors")

    dovetail.manual_seed(99)
    again = (other or make)()
    again.load_state_dict(dovetail.load(tmp_path / "state.safetensors"))
    dovetail.set_rng_state(numbers)  # as a checkpoint of the whole run does
    return whole, rest(again)


ORDERS = {
    "in order": dict,
    "shuffled": lambda: {"shuffle": True},
    "own generator": lambda: {"shuffle": True, "generator": dovetail.Generator().manual_seed(4)},
    "with replacement": lambda: {"sampler": RandomSampler(range(23), replacement=True, num_samples=70)},
    "weighted": lambda: {"sampler": WeightedRandomSampler([1.0] * 20 + [5.0] * 3, 23)},
    "distributed": lambda: {"sampler": DistributedSampler(range(23), 2, 1)},
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_the_next_batch_is_the_next(order, taken, tmp_path):
    def make():
        return DataLoader(Augmented(), batch_size=4, **ORDERS[order]())

    whole, found = cut(make, taken, tmp_path)
    assert found == whole


@pytest.mark.parametrize("before", ["here", "2 processes", "3 threads"])
@pytest.mark.parametrize("after", ["here", "4 processes", "2 spawned", "1 thread"])
def test_the_number_of_workers_may_change(before, after, tmp_path):
    whole, found = cut(
        lambda: DataLoader(Augmented(), batch_size=4, shuffle=True, **WAYS[before]),
        2,
        tmp_path,
        lambda: DataLoader(Augmented(), batch_size=4, shuffle=True, **WAYS[after]),
    )
    assert found == whole


def test_persistent_workers_go_on_too(tmp_path):
    def make():
        return DataLoader(Augmented(), 4, True, num_workers=2, persistent_workers=True)

    dovetail.manual_seed(3)
    loader = make()
    rest(loader, 1)
    batches = iter(loader)
    next(batches)
    state, numbers = loader.state_dict(), dovetail.get_rng_state()
    whole = [[plain(batch) for batch in batches], *rest(loader, 1)]
    again = make()
    again.load_state_dict(state)
    dovetail.set_rng_state(numbers)
    assert rest(again) == whole


def test_batches_out_of_their_order_are_not_given_again():
    loader = DataLoader(Augmented(), 4, num_workers=3, in_order=False)
    batches = iter(loader)
    first = [plain(next(batches)) for _ in range(3)]
    again = DataLoader(Augmented(), 4, num_workers=2, in_order=False)
    again.load_state_dict(loader.state_dict())
    del batches
    numbers = [number for batch in first + rest(again, 1)[0] for number in batch[0]]
    assert sorted(numbers) == list(range(23))


def test_what_was_had_before_its_turn_is_told():
    from dovetail.data.position import Position

    position = Position({}, 0, 0)
    for number in (2, 0, 4):
        position.had(number, 3)
    assert (position.batches, position.samples, position.ahead) == (1, 3, {2: 3, 4: 3})
    position.had(1, 3)
    assert (position.batches, position.samples, position.ahead) == (3, 9, {4: 3})


@pytest.mark.parametrize("way", ["here", "1 process", "2 processes", "3 threads"])
@pytest.mark.parametrize("taken", [0, 1, 4])
def test_streams_go_on(way, taken, tmp_path):
    whole, found = cut(lambda: DataLoader(Counting(), batch_size=3, **WAYS[way]), taken, tmp_path)
    assert found == whole


class Placed(IterableDataset):
    """A stream that says where it is; reading what was read before is an error."""

    def __init__(self, refuse=()):
        self.refuse = refuse

    def __iter__(self):
        return Reader(self.refuse)


class Reader:
    def __init__(self, refuse):
        self.position, self.refuse = 0, refuse

    def __iter__(self):
        return self

    def __next__(self):
        if self.position in self.refuse:
            raise AssertionError("read again")
        if self.position == 20:
            raise StopIteration
        self.position += 1
        return self.position - 1, dovetail.rand(1)

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]


@pytest.mark.parametrize("way", ["here", "2 processes"])
def test_streams_that_say_where_they_are_are_not_read_again(way, tmp_path):
    options = {"batch_size": 3, **WAYS[way]}
    workers = max(1, options.get("num_workers", 0))
    whole, _ = cut(lambda: DataLoader(Placed(), **options), 4, tmp_path)
    again = DataLoader(Placed(range(12 // workers)), **options)
    again.load_state_dict(dovetail.load(tmp_path / "state.safetensors"))
    assert rest(again, 1) == whole[:1]


def test_after_the_last_batch_nothing_is_left():
    loader = DataLoader(range(8), batch_size=4)
    batches = iter(loader)
    for _ in range(2):
        next(batches)
    again = DataLoader(range(8), batch_size=4)
    again.load_state_dict(loader.state_dict())
    assert [len(batches) for batches in rest(again)] == [0, 2], "this pass, then the next"
    assert list(batches) == []
    again.load_state_dict(loader.state_dict())
    assert [len(batches) for batches in rest(again)] == [2, 2], "between passes"


def test_a_generator_goes_on_between_passes():
    def make():
        return DataLoader(range(8), 4, shuffle=True, generator=dovetail.Generator().manual_seed(1))

    loader, again = make(), make()
    rest(loader, 1)
    again.load_state_dict(loader.state_dict())
    assert rest(again) == rest(loader)


def test_a_state_can_be_passed_on_before_it_is_used():
    loader = DataLoader(range(8), batch_size=2)
    batches = iter(loader)
    next(batches)
    second, third = DataLoader(range(8), batch_size=2), DataLoader(range(8), batch_size=2)
    second.load_state_dict(loader.state_dict())
    third.load_state_dict(second.state_dict())
    assert rest(third, 1) == [[[2, 3], [4, 5], [6, 7]]]


class Reversing(Sampler):
    """Changes its order from pass to pass, by a state of its own."""

    def __init__(self):
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        yield from [[0, 1], [2, 3], [4, 5]] if self.passes % 2 else [[5, 4], [3, 2], [1, 0]]

    def state_dict(self):
        return {"passes": self.passes}

    def load_state_dict(self, state):
        self.passes = state["passes"]


def test_samplers_may_have_a_state(tmp_path):
    dovetail.manual_seed(0)
    whole, found = cut(lambda: DataLoader(range(6), batch_sampler=Reversing()), 1, tmp_path)
    assert found == whole == [[[2, 3], [4, 5]], [[5, 4], [3, 2], [1, 0]]]
    sampler = DistributedSampler(range(6), 2, 0)
    sampler.set_epoch(4)
    other = DistributedSampler(range(6), 2, 0)
    other.load_state_dict(sampler.state_dict())
    assert other.epoch == 4


def test_the_order_of_a_given_batch_sampler_goes_on(tmp_path):
    def make():
        return DataLoader(range(9), batch_sampler=BatchSampler(RandomSampler(range(9)), 2, False))

    whole, found = cut(make, 2, tmp_path)
    assert found == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"batch_size": 3},
            "a DataLoader with batch_size=2, and this one has batch_size=3: its batches would be others",
        ),
        ({"drop_last": True}, "with drop_last=False, and this one has drop_last=True"),
        ({"dataset": range(7)}, "with samples=6, and this one has samples=7"),
        ({"dataset": Counting(6)}, "with samples=6, and this one has samples=None"),
    ],
)
def test_a_state_of_another_loader_is_refused(options, message):
    state = DataLoader(range(6), batch_size=2).state_dict()
    with pytest.raises(ValueError, match=message):
        DataLoader(**{"dataset": range(6), "batch_size": 2, **options}).load_state_dict(state)


def test_a_stream_needs_as_many_workers():
    state = DataLoader(Counting(), num_workers=3).state_dict()
    with pytest.raises(ValueError, match="with workers=3, and this one has workers=2"):
        DataLoader(Counting(), num_workers=2).load_state_dict(state)


@pytest.mark.parametrize("state", [{}, None, {"version": 2}])
def test_what_is_no_state_is_refused(state):
    with pytest.raises(ValueError, match=r"is what its state_dict\(\) gives, of version 1, got"):
        DataLoader(range(4)).load_state_dict(state)


class Cutting(Augmented):
    def __init__(self, kind):
        super().__init__(12)
        self.kind = kind

    def __getitem__(self, index):
        if index == 5:
            raise self.kind
        return index


@pytest.mark.parametrize("way", [{}, {"num_workers": 2, "worker": "thread"}], ids=["here", "threads"])
@pytest.mark.parametrize(("kind", "then"), [(ValueError, [8, 9, 10, 11]), (KeyboardInterrupt, [4, 5, 6, 7])])
def test_a_batch_that_failed_is_left_out_and_one_that_was_interrupted_is_not(way, kind, then):
    loader = DataLoader(Cutting(kind), batch_size=4, **way)
    batches = iter(loader)
    next(batches)
    with pytest.raises(kind):
        next(batches)
    again = DataLoader(range(12), batch_size=4)
    again.load_state_dict(loader.state_dict())
    assert next(iter(again)).tolist() == then
