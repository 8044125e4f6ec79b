"""Streams over shards: whose samples are whose, their order, and going on where a pass stood."""

import itertools
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail import data
from dovetail.data import DataLoader, IterableDataset, ShuffleBuffer
from dovetail.data.shards.names import expand
from dovetail.data.shards.stream import ShardDataset
from dovetail.errors import LoadError, MissingPackageError


class Rows:
    """A shard in memory that counts what is read of it."""

    def __init__(self, name, rows, log):
        self.name, self.rows, self.position, self.log = name, rows, 0, log
        log.append(("open", name))

    def skip(self, count):
        done = min(count, self.rows - self.position)
        self.position += done
        return done

    def read(self):
        if self.position == self.rows:
            return None
        self.position += 1
        self.log.append((self.name, self.position - 1))
        return self.name, self.position - 1

    def close(self):
        self.log.append(("close", self.name))


class Stream(ShardDataset):
    """Shards "0", "1", ... of the given sizes."""

    def __init__(self, sizes, **options):
        super().__init__([str(number) for number in range(len(sizes))], **options)
        self.sizes, self.log = sizes, []

    def open_shard(self, name):
        return Rows(name, self.sizes[int(name)], self.log)


class Info:
    """What a loader says of a worker."""

    def __init__(self, id, num_workers):
        self.id, self.num_workers = id, num_workers


def everything(sizes):
    return [(str(shard), row) for shard, size in enumerate(sizes) for row in range(size)]


@pytest.fixture
def worker(monkeypatch):
    """Sets which worker this process is."""

    def be(id, num_workers):
        monkeypatch.setattr(data, "get_worker_info", lambda: Info(id, num_workers), raising=False)

    monkeypatch.setattr(data, "get_worker_info", lambda: None, raising=False)
    return be


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


SIZES = st.lists(st.integers(0, 6), min_size=1, max_size=7)


@settings(deadline=None, max_examples=60)
@given(sizes=SIZES, world=st.integers(1, 4), workers=st.integers(1, 4), shuffle=st.booleans(), size=st.integers(1, 9))
def test_ranks_and_workers_get_each_sample_once(sizes, world, workers, shuffle, size):
    found, of_rank = [], {}
    with pytest.MonkeyPatch.context() as patch:
        for rank, worker in itertools.product(range(world), range(workers)):
            patch.setattr(data, "get_worker_info", lambda worker=worker: Info(worker, workers), raising=False)
            stream = Stream(sizes, shuffle=shuffle, buffer_size=size, seed=3, rank=rank, world_size=world)
            part = list(stream)
            found += part
            of_rank.setdefault(rank, []).append(len(part))
    assert sorted(found) == everything(sizes)
    if len(sizes) < world * workers:  # divided sample by sample, so evenly
        counts = list(itertools.chain(*of_rank.values()))
        assert max(counts) - min(counts) <= 1


def test_what_a_rank_gets_does_not_depend_on_its_workers(worker):
    def part(rank, workers):
        found = []
        for number in range(workers):
            worker(number, workers)
            found += Stream([2] * 8, rank=rank, world_size=2)
        return sorted(found)

    assert part(1, 1) == part(1, 2) == part(1, 4)
    assert part(0, 4) != part(1, 4)


def test_with_enough_shards_a_reader_opens_only_its_own(worker):
    worker(1, 2)
    stream = Stream([2, 2, 2, 2], rank=0, world_size=2)
    assert list(stream) == [("2", 0), ("2", 1)]
    assert {name for what, name in stream.log if what == "open"} == {"2"}


def test_rank_and_world_size_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert list(Stream([1, 1])) == [("1", 0)]
    assert list(Stream([1, 1], rank=0, world_size=2)) == [("0", 0)]
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(ValueError, match=r"below the world size, got 2 of 2 \(environment variables RANK and WORLD"):
        Stream([1])
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(ValueError, match="are whole numbers, got 'first' and '2'"):
        Stream([1])


def test_order_is_that_of_the_names_unless_shuffled():
    assert list(Stream([2, 0, 3])) == everything([2, 0, 3])


def test_shuffle_depends_on_seed_and_epoch_only():
    def order(seed, epoch):
        stream = Stream([7] * 6, shuffle=True, buffer_size=5, seed=seed)
        stream.set_epoch(epoch)
        dovetail.rand(3)  # draws in between change nothing
        return list(stream)

    assert order(1, 0) == order(1, 0)
    orders = [tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9
    assert all(sorted(each) == everything([7] * 6) for each in orders)


def test_without_a_seed_each_pass_draws_one_when_it_begins():
    stream = Stream([9, 9], shuffle=True)
    dovetail.manual_seed(0)
    first, second = iter(stream), iter(stream)
    dovetail.rand(1)
    first, second = list(first), list(second)
    assert first != second
    dovetail.manual_seed(0)
    assert list(stream) == first


def test_the_buffer_mixes_near_shards_and_shuffle_is_uniform_enough():
    """Each of three samples comes first about equally often."""
    counts = dict.fromkeys(range(3), 0)
    for seed in range(600):
        counts[next(iter(ShuffleBuffer(range(3), 3, seed=seed)))] += 1
    assert all(150 < count < 250 for count in counts.values()), counts


@settings(deadline=None, max_examples=80)
@given(sizes=SIZES, size=st.integers(1, 9), readers=st.integers(1, 4), data_=st.data())
def test_a_pass_goes_on_exactly(sizes, size, readers, data_):
    options = {"shuffle": size > 1, "buffer_size": size, "seed": 5, "rank": readers - 1, "world_size": readers}
    whole = list(Stream(sizes, **options))
    begun = iter(Stream(sizes, **options))
    stop = data_.draw(st.integers(0, len(whole)))
    assert list(itertools.islice(begun, stop)) == whole[:stop]
    state = json.loads(json.dumps(begun.state_dict()))  # plain numbers
    stream = Stream(sizes, **{**options, "seed": 99})  # the state has the order
    resumed = iter(stream)
    resumed.load_state_dict(state)
    again = data_.draw(st.integers(0, len(whole) - stop))
    assert list(itertools.islice(resumed, again)) == whole[stop : stop + again]
    twice = iter(stream)
    twice.load_state_dict(resumed.state_dict())
    assert list(twice) == whole[stop + again :]
    assert list(begun) == whole[stop:]


def test_going_on_reads_only_the_samples_that_are_still_to_come():
    options = {"shuffle": True, "buffer_size": 4, "seed": 0}
    begun = iter(Stream([10] * 10, **options))
    seen = list(itertools.islice(begun, 77))
    stream = Stream([10] * 10, **options)
    resumed = iter(stream)
    state = begun.state_dict()
    assert len(state) == 10, "whatever the buffer holds"
    resumed.load_state_dict(state)
    rest = list(resumed)
    assert sorted(seen + rest) == everything([10] * 10)
    read = [entry for entry in stream.log if entry[0].isdigit()]
    assert sorted(read) == sorted(rest)
    assert len([entry for entry in stream.log if entry[0] == "open"]) <= 4, "shards that were done are not opened"


def test_a_state_that_does_not_fit_is_refused():
    begun = iter(Stream([5, 5], shuffle=True, seed=1, buffer_size=3))
    next(begun)
    state = begun.state_dict()
    with pytest.raises(ValueError, match="saved with buffer size 3, here it is 4"):
        iter(Stream([5, 5], shuffle=True, seed=1, buffer_size=4)).load_state_dict(state)
    with pytest.raises(ValueError, match="saved with shards 2, here it is 3; go on with the same shards, ranks"):
        iter(Stream([5, 5, 5], shuffle=True, seed=1, buffer_size=3)).load_state_dict(state)
    with pytest.raises(ValueError, match="saved with readers 1, here it is 2"):
        iter(Stream([5, 5], shuffle=True, seed=1, buffer_size=3, rank=0, world_size=2)).load_state_dict(state)
    with pytest.raises(LoadError, match="the shards have fewer now; put back"):
        iter(Stream([1, 1], shuffle=True, seed=1, buffer_size=3)).load_state_dict(state)


def test_a_state_is_saved_and_loaded(tmp_path):
    begun = iter(Stream([5, 5], shuffle=True))  # a pass seed of 63 bits
    first = list(itertools.islice(begun, 3))
    dovetail.save(begun.state_dict(), tmp_path / "state.safetensors")
    resumed = iter(Stream([5, 5], shuffle=True))
    resumed.load_state_dict(dovetail.load(tmp_path / "state.safetensors"))
    rest = list(resumed)
    assert sorted(first + rest) == everything([5, 5])
    assert rest == list(begun)


def test_a_shard_is_closed_when_the_pass_stops_half_way():
    stream = Stream([3, 3])
    samples = iter(stream)
    next(samples)
    assert ("close", "0") not in stream.log
    del samples
    assert stream.log[-1] == ("close", "0")
    samples = iter(stream)
    next(samples)
    samples.close()
    assert stream.log[-1] == ("close", "0")


def test_after_an_error_the_pass_is_over_and_the_shard_closed():
    class Broken(Rows):
        def read(self):
            raise LoadError("damaged")

    class BrokenStream(Stream):
        def open_shard(self, name):
            return Broken(name, 3, self.log)

    stream = BrokenStream([3, 3])
    samples = iter(stream)
    with pytest.raises(LoadError, match="damaged"):
        next(samples)
    assert stream.log == [("open", "0"), ("close", "0")]
    assert list(samples) == []


def test_an_error_in_the_transform_says_which_sample_it_was_given():
    def fail(sample):
        raise KeyError("jpg")

    samples = iter(Stream([2], transform=fail))
    with pytest.raises(KeyError) as caught:
        next(samples)
    assert caught.value.__notes__ == ["The transform was given sample 0 of 0."]
    assert list(Stream([2], transform=lambda sample: sample[1] * 10)) == [0, 10]


def test_arguments_that_do_not_fit():
    with pytest.raises(ValueError, match="holds 1 sample or more, got a size of 0"):
        Stream([1], buffer_size=0)
    with pytest.raises(ValueError, match="go together, got rank=1 and world_size=None"):
        Stream([1], rank=1)
    with pytest.raises(ValueError, match=r"got 2 of 2 \(arguments\)"):
        Stream([1], rank=2, world_size=2)
    with pytest.raises(ValueError, match="2 ranks divide the shuffled samples only if all shuffle alike; give each"):
        Stream([1], rank=0, world_size=2, shuffle=True)
    with pytest.raises(TypeError, match="ShardDataset has no open_shard; write one"):
        next(iter(ShardDataset("x")))


def test_a_loader_makes_batches():
    stream = Stream([3, 2], transform=lambda sample: sample[1])
    assert [batch.tolist() for batch in DataLoader(stream, batch_size=2)] == [[0, 1], [2, 0], [1]]


class Count(IterableDataset):
    """0 to 19."""

    def __iter__(self):
        return iter(range(20))


@pytest.mark.parametrize("stop", [0, 1, 13, 19, 20])
def test_a_shuffle_buffer_over_any_stream_goes_on_exactly(stop):
    whole = list(ShuffleBuffer(Count(), 6, seed=2))
    assert sorted(whole) == list(range(20)) != whole
    begun = iter(ShuffleBuffer(Count(), 6, seed=2))
    assert list(itertools.islice(begun, stop)) == whole[:stop]
    resumed = iter(ShuffleBuffer(Count(), 6))
    resumed.load_state_dict(begun.state_dict())
    assert list(resumed) == whole[stop:]


def test_a_shuffle_buffer_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="holds 1 sample or more, got a size of True"):
        ShuffleBuffer(Count(), True)
    begun = iter(ShuffleBuffer(Count(), 6))
    next(begun)
    with pytest.raises(ValueError, match="of a shuffle buffer of 6 samples, this one holds 5"):
        iter(ShuffleBuffer(Count(), 5)).load_state_dict(begun.state_dict())
    with pytest.raises(LoadError, match="saved after 6 samples, and the stream has fewer now"):
        iter(ShuffleBuffer(range(2), 6)).load_state_dict(begun.state_dict())


def test_a_shuffle_buffer_draws_a_seed_for_each_pass():
    buffer = ShuffleBuffer(Count(), 20)
    dovetail.manual_seed(1)
    first, second = list(buffer), list(buffer)
    dovetail.manual_seed(1)
    assert list(buffer) == first != second


def test_names():
    assert expand("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expand("{b,a}/{1..0}.tar") == ["b/1.tar", "b/0.tar", "a/1.tar", "a/0.tar"]
    assert expand(["x.tar", "y-{0..1}.tar"]) == ["x.tar", "y-0.tar", "y-1.tar"]
    assert expand("{one}.tar") == ["{one}.tar"]
    assert expand("memory://bucket/{0..1}.tar") == ["memory://bucket/0.tar", "memory://bucket/1.tar"]
    with pytest.raises(ValueError, match="at least one shard, got an empty list"):
        expand([])


def test_globs(tmp_path):
    for name in ("b.tar", "a.tar", "c[1].tar", "d.txt"):
        (tmp_path / name).touch()
    assert expand(tmp_path / "*.tar") == [str(tmp_path / name) for name in ("a.tar", "b.tar", "c[1].tar")]
    assert expand(tmp_path / "c[1].tar") == [str(tmp_path / "c[1].tar")]
    with pytest.raises(FileNotFoundError, match=r"no shard matches '.*/e\*'; check the folder and the pattern"):
        expand(tmp_path / "e*")


def test_globs_of_urls():
    fsspec = pytest.importorskip("fsspec")
    for name in ("1", "0"):
        fsspec.filesystem("memory").pipe(f"/globs/{name}.tar", b"")
    assert expand("memory://globs/*.tar") == ["memory:///globs/0.tar", "memory:///globs/1.tar"]
    with pytest.raises(FileNotFoundError, match=r"no shard matches 'memory://globs/\*\.zip'"):
        expand("memory://globs/*.zip")


def test_globs_of_urls_need_fsspec(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingPackageError, match=r"memory://a/\*: .*try: pip install \"dovetail-data\[remote\]\""):
        expand("memory://a/*")


@pytest.mark.parametrize(
    ("module", "late"),
    [
        ("dovetail.data", "dovetail.data.shards dovetail.data.tables dovetail.data.text tarfile csv"),
        ("dovetail.data.shards", "fsspec PIL pyarrow"),
        ("dovetail.data.tables", "fsspec pyarrow"),
    ],
)
def test_importing_loads_nothing_that_is_used_later(module, late):
    code = f"import {module}, sys; print(*set({late!r}.split()) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
