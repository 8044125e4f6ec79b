"""Workers: the same batches however they are made, in memory that is used again and never overwritten too early."""

import collections
import os
import random
from pathlib import Path

import numpy as np
import pytest
from loader_helpers import WAYS, Augmented, Counting, Globals, GlobalStream, Mapped, Shared, left_behind, plain

import dovetail
from dovetail.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, get_worker_info, random_split

# newer Pythons say so at each fork; threads of other tests may still be there
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

Pair = collections.namedtuple("Pair", "x y")


def passes(dataset, count=2, **options):
    dovetail.manual_seed(3)
    loader = DataLoader(dataset, batch_size=4, **options)
    return [[plain(batch) for batch in loader] for _ in range(count)]


@pytest.fixture(scope="module")
def expected():
    return passes(Augmented(), shuffle=True)


@pytest.mark.parametrize("way", WAYS)
def test_batches_and_augmentations_are_the_same_however_they_are_made(way, expected):
    assert passes(Augmented(), shuffle=True, **WAYS[way]) == expected
    drawn = [tuple(numbers) for batches in expected for _, batch, _ in batches for numbers in batch]
    assert len(set(drawn)) == 2 * 23, "each sample of each pass has numbers of its own"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", ["here", "1 process", "2 spawned"])
def test_draws_from_python_and_numpy_are_the_same_however_batches_are_made(way, stream):
    dataset = GlobalStream() if stream else Globals()
    found = passes(dataset, **WAYS[way] if not stream or way != "2 spawned" else WAYS["1 process"])
    assert found == passes(dataset, **WAYS["4 processes"] if not stream else WAYS["here"])
    assert found[0] != found[1]
    assert len({number for _, numbers, _ in found[0] for number in numbers}) == 23


def test_a_sample_has_its_numbers_in_subsets_and_whatever_the_batch_size():
    def drawn(dataset, batch_size):
        dovetail.manual_seed(1)
        return [numbers for _, batch, _ in DataLoader(dataset, batch_size) for numbers in batch.tolist()]

    assert drawn(Augmented(), 4) == drawn(Augmented(), 7)
    first, _ = random_split(Augmented(), [10, 13], generator=dovetail.Generator().manual_seed(0))
    assert drawn(first, 4) == drawn(first, 3)
    assert drawn(Subset(first, range(10)), 4) == drawn(first, 5)


@pytest.mark.parametrize("dataset", [Globals(), GlobalStream()])
def test_the_programs_own_draws_from_python_and_numpy_are_left_alone(dataset):
    def numbers(samples):
        random.seed(1)
        np.random.seed(1)
        found = []
        for _ in samples:
            found.append((random.random(), random.gauss(), np.random.rand()))
        return found

    assert numbers(DataLoader(dataset, 4)) == numbers(range(6))
    before = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(np.random.PCG64(0))
        assert len(list(DataLoader(dataset, 4, num_workers=1))) == 6, "another generator, which has other seeds"
        assert len(list(DataLoader(dataset, 4))) == 6
        assert isinstance(np.random.get_bit_generator(), np.random.PCG64)
    finally:
        np.random.set_bit_generator(before)


def test_the_programs_own_numbers_are_left_alone():
    def numbers(**options):
        dovetail.manual_seed(5)
        return [dovetail.rand(1).item() for _ in DataLoader(Augmented(), 4, **options)]

    assert numbers() == numbers(num_workers=2) == numbers(num_workers=2, worker="thread")


@pytest.mark.parametrize("way", ["here", "1 process", "1 thread"])
def test_a_stream_is_the_same_here_and_by_one_worker(way):
    assert passes(Counting(), **WAYS[way]) == passes(Counting())


@pytest.mark.parametrize("way", ["2 processes", "3 threads"])
def test_workers_share_a_stream(way):
    for batches in passes(Counting(), **WAYS[way]):
        assert sorted(number for batch, _ in batches for number in batch) == list(range(23))


def test_threads_and_processes_take_turns_alike():
    assert passes(Counting(), num_workers=3) == passes(Counting(), num_workers=3, worker="thread")


def test_samples_come_single_without_a_batch_size():
    assert [plain(sample) for sample in DataLoader([3, 4.5, "a"], batch_size=None, num_workers=2)] == [3, 4.5, "a"]
    streamed = [number for number, _ in DataLoader(Counting(5), batch_size=None, num_workers=2)]
    assert sorted(streamed) == [0, 1, 2, 3, 4]


def _everything(samples):
    x = dovetail.arange(12).reshape(3, 4)
    return {
        "numbers": samples,
        "pair": Pair(x.float(), "text"),
        "views": (x.t(), x[:, 1:3], np.arange(12).reshape(3, 4)[::2, ::-1]),
        "halves": x.to(dovetail.bfloat16),
        "empty": dovetail.empty(0, 3),
        "scalar": dovetail.tensor(2.5),
        "objects": np.array(["a", None], dtype=object),
        "bytes": x.to(dovetail.uint8)[1:],
        "nothing": None,
        "parameter": dovetail.ones(2, requires_grad=True),
    }


@pytest.mark.parametrize("way", ["2 processes", "3 threads"])
def test_any_batch_comes_as_it_is(way):
    for batch, number in zip(DataLoader(range(3), collate_fn=_everything, **WAYS[way]), range(3), strict=True):
        wanted = _everything([number])
        assert repr(batch) == repr(wanted)
        assert type(batch["pair"]) is Pair
        assert batch["halves"].dtype == dovetail.bfloat16
        batch["views"][0].add_(1)  # batches can be written to


def test_batches_that_are_kept_are_never_overwritten():
    x = dovetail.arange(400 * 50).reshape(400, 50)
    kept = list(DataLoader(TensorDataset(x), batch_size=10, num_workers=2))
    assert bool((dovetail.cat([batch for (batch,) in kept]) == x).all())
    rows, seen = [], []
    for (batch,) in DataLoader(TensorDataset(x), batch_size=10, num_workers=1):
        rows.append(batch.numpy()[3, 5:])  # a view keeps its batch
        seen.append(batch[3, 5:].tolist())
    assert [row.tolist() for row in rows] == seen == [x[10 * number + 3, 5:].tolist() for number in range(40)]


def test_memory_of_batches_is_used_again():
    x = dovetail.zeros(64, 1000)
    places = set()
    for (batch,) in DataLoader(TensorDataset(x), batch_size=1, num_workers=1, prefetch_factor=2):
        places.add(batch.numpy().__array_interface__["data"][0])
    assert len(places) <= 4, "two batches ahead, the one in use and the one before"


class Keeping(Dataset):
    """Keeps what its collate function made, and looks later whether it is still as it was."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return np.full(3, index)


class KeepingCollate:
    def __init__(self):
        self.kept = []

    def __call__(self, samples):
        from dovetail.data import default_collate

        batch = default_collate(samples)
        self.kept.append((batch, batch.tolist()))
        assert all(batch.tolist() == wanted for batch, wanted in self.kept), "a kept batch was overwritten"
        return batch


def test_batches_that_a_worker_keeps_are_never_overwritten():
    loader = DataLoader(Keeping(), collate_fn=KeepingCollate(), num_workers=1)
    assert [batch[0, 0].item() for batch in loader] == list(range(40))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_are_started_anew_share_large_arrays(method):
    dataset = Shared()
    sums = [float(array.sum()) for array in [*dataset.arrays.values(), dataset.halves.view(dovetail.int16).numpy()]]
    loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=method)
    written = collections.defaultdict(list)
    for shared, found, value, worker in loader:
        assert shared == [True, True, True, False, True]
        assert found == sums[1:]
        written[worker].append(value)
    assert dataset.arrays["plain"][0] == 0
    assert all(values == list(range(1, len(values) + 1)) for values in written.values()), "each has what it wrote"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_files_that_are_mapped_are_mapped_again(method, tmp_path):
    dataset = Mapped(tmp_path / "tokens")
    found = list(DataLoader(dataset, batch_size=None, num_workers=1, multiprocessing_context=method))
    for (kinds, *sample), wanted in zip(found, [dataset[index] for index in range(4)], strict=True):
        assert sample == list(wanted[1:])
        assert kinds[0] == "memmap"


def test_a_large_array_is_sent_once(monkeypatch):
    from dovetail.data.workers import sending

    made = []
    monkeypatch.setattr(
        sending.Shelf, "__init__", lambda self, init=sending.Shelf.__init__: (made.append(self), init(self))[1]
    )
    x = dovetail.zeros(100, 1000)
    loader = DataLoader(
        TensorDataset(x, x[50:].clone().repeat(2, 1)), 50, num_workers=3, multiprocessing_context="spawn"
    )
    assert len(list(loader)) == 2
    assert len(made) == 1
    assert 800_000 <= made[0].size <= 800_000 + 2 * 4096, "for three workers, too"


def test_without_room_large_arrays_are_sent_with_the_rest(monkeypatch):
    from dovetail.data.workers.memory import Slot

    def full(self, size):
        raise OSError("no space")

    monkeypatch.setattr(Slot, "grow", full)
    x = dovetail.rand(100, 1000)
    loader = DataLoader(TensorDataset(x), batch_size=50, num_workers=2, multiprocessing_context="spawn")
    assert bool((dovetail.cat([batch for (batch,) in loader]) == x).all())


def test_nothing_is_in_the_shared_memory_folder():
    for (batch,) in DataLoader(TensorDataset(dovetail.zeros(8, 1000)), num_workers=2):
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
        assert "/memfd:dovetail-batch" in maps
        assert "/dev/shm" not in maps
        assert batch.shape == (1, 1000)


class Informed(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        info = get_worker_info()
        return info.id, info.num_workers, info.seed - info.id, type(info.dataset).__name__


@pytest.mark.parametrize("way", ["2 processes", "3 threads"])
def test_get_worker_info(way):
    found = [sample for (sample,) in DataLoader(Informed(), collate_fn=list, **WAYS[way])]
    assert {sample[1:] for sample in found} == {(WAYS[way]["num_workers"], found[0][2], "Informed")}
    assert {sample[0] for sample in found} <= set(range(WAYS[way]["num_workers"]))
    assert get_worker_info() is None


def _set_variable(worker):
    os.environ["DOVETAIL_TEST_WORKER"] = str(worker)


class FromEnvironment(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return int(os.environ["DOVETAIL_TEST_WORKER"]) - get_worker_info().id


def test_worker_init_fn():
    loader = DataLoader(FromEnvironment(), worker_init_fn=_set_variable, num_workers=2)
    assert [batch.item() for batch in loader] == [0] * 6
    assert "DOVETAIL_TEST_WORKER" not in os.environ


class Process(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return os.getpid()


def test_persistent_workers_stay():
    loader = DataLoader(Process(), num_workers=2, persistent_workers=True)
    first, second = ({batch.item() for batch in loader} for _ in range(2))
    assert first | second == first
    assert os.getpid() not in first
    fresh = DataLoader(Process(), num_workers=2)
    assert {batch.item() for batch in fresh}.isdisjoint({batch.item() for batch in fresh})


def test_the_first_pass_is_the_same_with_persistent_workers(expected):
    found = passes(Augmented(), shuffle=True, num_workers=2, persistent_workers=True)
    assert found[0] == expected[0]
    assert found[1] == passes(Augmented(), shuffle=True, num_workers=1, persistent_workers=True)[1]
    assert len({tuple(numbers) for batches in found for _, batch, _ in batches for numbers in batch}) == 2 * 23


def test_a_new_pass_of_persistent_workers_ends_the_old_one():
    loader = DataLoader(range(40), num_workers=2, persistent_workers=True)
    old = iter(loader)
    assert next(old).item() == 0
    assert [batch.item() for batch in loader] == list(range(40))
    with pytest.raises(dovetail.errors.WorkerError, match="this pass has ended, since its loader began another one"):
        next(old)


@pytest.mark.parametrize("stream", [False, True])
def test_batches_may_come_out_of_order(stream):
    dataset = Counting() if stream else Augmented()
    batches = list(DataLoader(dataset, batch_size=4, num_workers=3, in_order=False))
    assert sorted(number for batch in batches for number in batch[0].tolist()) == list(range(23))


class Stuck(IterableDataset):
    """The first worker's part is longer."""

    def __iter__(self):
        return iter(range(9 if get_worker_info().id == 0 else 2))


def test_workers_with_less_of_a_stream_are_left_out():
    found = [batch.tolist() for batch in DataLoader(Stuck(), batch_size=2, num_workers=2)]
    assert found == [[0, 1], [0, 1], [2, 3], [4, 5], [6, 7], [8]]


@pytest.mark.parametrize("persistent", [False, True])
def test_two_hundred_passes_leave_memory_and_files_as_they_are(persistent):
    def resident():
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    count = 200 if persistent else 40
    loader = DataLoader(
        TensorDataset(dovetail.zeros(32, 5000)), 8, shuffle=True, num_workers=2, persistent_workers=persistent
    )
    marks = []
    for number in range(count):
        for _ in loader:
            pass
        if number in (count // 10, count - 1):
            marks.append((left_behind(), resident()))
    assert marks[0][0] == marks[1][0]
    assert marks[1][1] - marks[0][1] < 2_000_000
    del loader
    assert left_behind()[0] == 0


@pytest.mark.parametrize("number", [0, 1, 2**63])
def test_seeds_of_samples_have_nothing_in_common(number):
    from dovetail.data.randomness import mixed

    seeds = {mixed(number, sample, index) for sample in range(100) for index in range(100)}
    assert len(seeds) == len({seed % 2**32 for seed in seeds}) == 10_000
    bits = np.array([[seed >> bit & 1 for bit in range(64)] for seed in seeds])
    assert np.abs(bits.mean(0) - 0.5).max() < 0.03
