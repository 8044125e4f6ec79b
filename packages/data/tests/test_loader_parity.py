"""Loaders, samplers, splits and collating beside PyTorch: the same order and values for the same seed."""

import collections
import itertools

import numpy as np
import pytest

import dovetail
import dovetail.data

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")

Point = collections.namedtuple("Point", "x y")


def both(run):
    """What a program gives with each library."""
    found = []
    for library, data in ((dovetail, dovetail.data), (torch, torch.utils.data)):
        library.manual_seed(7)
        found.append((run(library, data), library.rand(3).tolist()))
    (ours, our_numbers), (theirs, their_numbers) = found
    assert ours == theirs
    assert our_numbers == pytest.approx(their_numbers), "the default generator stands elsewhere"


OPTIONS = [
    dict(zip(("shuffle", "drop_last", "batch_size"), values, strict=True))
    for values in itertools.product((False, True), (False, True), (1, 4, 23, 30))
]
SAMPLERS = {
    "random": lambda data, own: data.RandomSampler(range(23), generator=own),
    "with replacement": lambda data, own: data.RandomSampler(range(23), True, 40, generator=own),
    "some": lambda data, own: data.RandomSampler(range(23), num_samples=9, generator=own),
    "subset": lambda data, own: data.SubsetRandomSampler([3, 5, 7, 11, 13], generator=own),
    "weighted": lambda data, own: data.WeightedRandomSampler([0.1, 2.0, 1.0] * 7, 30, generator=own),
    "weighted, each once": lambda data, own: data.WeightedRandomSampler([0.1, 2.0, 1.0] * 7, 9, False, generator=own),
    "distributed": lambda data, own: data.DistributedSampler(range(23), 3, 1, seed=5),
    "distributed, in order": lambda data, own: data.DistributedSampler(range(23), 3, 2, shuffle=False),
    "distributed, dropping": lambda data, own: data.DistributedSampler(range(23), 3, 0, drop_last=True),
    "distributed, few": lambda data, own: data.DistributedSampler(range(2), 5, 4),
}


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_orders(options, own):
    def run(library, data):
        generator = library.Generator().manual_seed(9) if own else None
        loader = data.DataLoader(range(23), generator=generator, **options)
        return len(loader), [[batch.tolist() for batch in loader] for _ in range(3)]

    both(run)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers(name, own):
    def run(library, data):
        sampler = SAMPLERS[name](data, library.Generator().manual_seed(9) if own else None)
        loader = data.DataLoader(range(23), batch_size=4, sampler=sampler)
        batches = data.DataLoader(range(23), batch_sampler=data.BatchSampler(sampler, 3, True))
        return len(sampler), [[batch.tolist() for batch in loader] for _ in range(2)], [b.tolist() for b in batches]

    both(run)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("replicas", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("length", [1, 12, 23])
def test_distributed_parts(length, replicas, drop_last):
    def run(library, data):
        parts = []
        for rank in range(replicas):
            sampler = data.DistributedSampler(range(length), replicas, rank, drop_last=drop_last)
            sampler.set_epoch(rank)
            parts.append((len(sampler), list(sampler)))
        return parts

    both(run)


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("persistent", [False, True])
def test_workers_change_no_order(workers, persistent):
    def run(library, data):
        loader = data.DataLoader(range(23), 4, True, num_workers=workers, persistent_workers=persistent)
        return [[batch.tolist() for batch in loader] for _ in range(3)]

    both(run)


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_streams_are_read_by_workers_in_turns():
    def run(library, data):
        class Part(data.IterableDataset):
            def __iter__(self):
                info = data.get_worker_info()
                return iter(range(100 * info.id, 100 * info.id + (11 if info.id == 1 else 4)))

        return [batch.tolist() for batch in data.DataLoader(Part(), batch_size=3, num_workers=3)]

    both(run)


@pytest.mark.parametrize("batch_size", [None, 1, 4, 20])
@pytest.mark.parametrize("drop_last", [False, True])
def test_streams(batch_size, drop_last):
    def run(library, data):
        class Stream(data.IterableDataset):
            def __iter__(self):
                return iter(np.arange(10))

        loader = data.DataLoader(Stream() + Stream(), batch_size, drop_last=drop_last and batch_size is not None)
        return [batch.tolist() for batch in loader]

    both(run)


SAMPLES = {
    "ints": [1, 2, 3],
    "bools": [True, False],
    "floats": [0.5, 1.5],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "tuples": [(1, 2.0), (3, 4.0)],
    "lists": [[1, "a"], [2, "b"]],
    "dicts": [{"x": 1, "y": [1.0]}, {"x": 2, "y": [2.0]}],
    "ordered": [collections.OrderedDict(b=1, a=2), collections.OrderedDict(b=3, a=4)],
    "named": [Point(1, 2.0), Point(3, 4.0)],
    "arrays": [np.arange(3, dtype=np.int32), np.ones(3, dtype=np.int32)],
    "doubles": [np.ones((2, 2)), np.zeros((2, 2))],
    "scalars": [np.float32(1), np.float32(2)],
    "halves": [np.float16(1), np.float16(2)],
    "0-d": [np.array(1.0), np.array(2.0)],
    "empty": [np.empty((0, 2)), np.empty((0, 2))],
}


def described(library, value):
    """A batch with its types and dtypes."""
    if isinstance(value, library.Tensor):
        return str(value.dtype).split(".")[-1], tuple(value.shape), value.tolist()
    if isinstance(value, dict):
        return type(value).__name__, [(key, described(library, part)) for key, part in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [described(library, part) for part in value]
    return value


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("workers", [0, 1])
def test_collate(kind, workers):
    def run(library, data):
        samples = SAMPLES[kind]
        loader = data.DataLoader(samples, len(samples), num_workers=workers)
        return [described(library, data.default_collate(samples)), *(described(library, batch) for batch in loader)]

    both(run)


@pytest.mark.parametrize("kind", SAMPLES)
def test_convert(kind):
    both(lambda library, data: [described(library, data.default_convert(sample)) for sample in SAMPLES[kind]])


@pytest.mark.parametrize(
    "samples",
    [[1, None], [(1, 2), (1,)], [{"a": 1}, {"b": 1}], [np.ones(2), np.ones(3)], [None], [object()], [np.array(["a"])]],
    ids=repr,
)
def test_both_refuse_what_has_no_batch(samples):
    with pytest.raises(Exception):  # noqa: B017, PT011 each has its own
        torch.utils.data.default_collate(samples)
    with pytest.raises((TypeError, RuntimeError, ValueError)):
        dovetail.data.default_collate(samples)


@pytest.mark.parametrize("lengths", [[5, 18], [0.5, 0.5], [0.3, 0.3, 0.4], [23], [1, 22, 0], [1 / 3] * 3])
@pytest.mark.parametrize("own", [False, True])
def test_splits(lengths, own):
    def run(library, data):
        options = {"generator": library.Generator().manual_seed(1)} if own else {}
        parts = data.random_split(range(23), lengths, **options)
        stacked = data.StackDataset(range(23), data.ConcatDataset([range(10), range(13)]))
        loader = data.DataLoader(data.Subset(stacked, list(parts[0].indices)), 4, shuffle=True)
        return [list(part) for part in parts], [[part.tolist() for part in batch] for batch in loader]

    both(run)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"num_workers": -1}, ValueError),
        ({"batch_size": 0}, ValueError),
        ({"timeout": -1, "num_workers": 1}, ValueError),
        ({"prefetch_factor": 2}, ValueError),
        ({"persistent_workers": True}, ValueError),
        ({"multiprocessing_context": "fork"}, ValueError),
        ({"multiprocessing_context": "clone", "num_workers": 1}, ValueError),
        ({"multiprocessing_context": 3, "num_workers": 1}, TypeError),
        ({"sampler": [0], "shuffle": True}, ValueError),
        ({"batch_sampler": [[0]], "drop_last": True}, ValueError),
        ({"batch_size": None, "drop_last": True}, ValueError),
    ],
    ids=str,
)
def test_both_refuse_the_same_arguments(options, kind):
    for data in (dovetail.data, torch.utils.data):
        with pytest.raises(kind):
            list(data.DataLoader(range(4), **options))


@pytest.mark.parametrize(
    "make",
    [
        lambda data: data.WeightedRandomSampler([1.0], 0),
        lambda data: data.WeightedRandomSampler([1.0], True),
        lambda data: data.WeightedRandomSampler([1.0], 1, replacement=1),
        lambda data: data.WeightedRandomSampler([[1.0]], 1),
        lambda data: data.RandomSampler(range(3), num_samples=0),
        lambda data: data.DistributedSampler(range(3), 2, 2),
        lambda data: data.DistributedSampler(range(3), 2, -1),
        lambda data: data.StackDataset(),
        lambda data: data.StackDataset([1], x=[1]),
        lambda data: data.StackDataset([1], [1, 2]),
    ],
)
def test_both_refuse_the_same_samplers_and_datasets(make):
    for data in (dovetail.data, torch.utils.data):
        with pytest.raises(ValueError):  # noqa: PT011 the texts are their own
            make(data)


def test_errors_of_workers_have_their_own_type_in_both():
    for data in (dovetail.data, torch.utils.data):
        with pytest.raises(KeyError):
            list(data.DataLoader({}, sampler=["a"], num_workers=1))
