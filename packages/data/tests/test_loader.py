"""The loader: batches, their order, and what it refuses."""

import pytest

import dovetail
from dovetail.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, random_split


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(5))


def test_batches_in_order():
    loader = DataLoader(range(5), batch_size=2)
    assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3], [4]]
    assert len(loader) == 3


def test_drop_last():
    loader = DataLoader(range(5), batch_size=2, drop_last=True)
    assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3]]
    assert len(loader) == 2


def test_shuffle_gives_each_sample_once_in_another_order_each_pass():
    dovetail.manual_seed(0)
    loader = DataLoader(range(40), batch_size=7, shuffle=True)
    passes = [[sample for batch in loader for sample in batch.tolist()] for _ in range(2)]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(40))
    assert passes[0] != passes[1]


def test_without_batches_samples_come_single():
    loader = DataLoader([3, 4], batch_size=None)
    assert list(loader) == [3, 4]
    assert len(loader) == 2


def test_collate_fn_gets_the_samples():
    assert list(DataLoader("abc", batch_size=2, collate_fn="".join)) == ["ab", "c"]


def test_sampler_and_batch_sampler_set_the_order():
    assert [batch.tolist() for batch in DataLoader(range(9), batch_size=2, sampler=[5, 1, 3])] == [[5, 1], [3]]
    loader = DataLoader(range(9), batch_sampler=[[8], [0, 1]])
    assert [batch.tolist() for batch in loader] == [[8], [0, 1]]
    assert len(loader) == 2
    assert loader.batch_size is None


def test_streams():
    assert [batch.tolist() for batch in DataLoader(Stream(), batch_size=2)] == [[0, 1], [2, 3], [4]]
    assert [batch.tolist() for batch in DataLoader(Stream(), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(), batch_size=None)) == [0, 1, 2, 3, 4]
    with pytest.raises(TypeError, match="has no len"):
        len(DataLoader(Stream()))


def test_a_stream_with_a_length_has_a_number_of_batches():
    sized = type("Sized", (Stream,), {"__len__": lambda self: 5})()
    assert len(DataLoader(sized, batch_size=2)) == 3
    assert len(DataLoader(sized, batch_size=2, drop_last=True)) == 2
    assert len(DataLoader(sized, batch_size=None)) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "whole number of 0 or more, got -1"),
        ({"num_workers": True}, "whole number of 0 or more, got True"),
        ({"worker": "fiber"}, "'process' or 'thread', got 'fiber'"),
        ({"timeout": -1, "num_workers": 1}, "0 to wait for ever, got -1"),
        ({"timeout": 1}, "timeout is about workers, and num_workers=0 has none"),
        ({"prefetch_factor": 2}, "prefetch_factor is about workers"),
        ({"prefetch_factor": 0, "num_workers": 1}, "whole number of 1 or more, got 0"),
        ({"persistent_workers": True}, "persistent_workers is about workers"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context is about workers"),
        ({"multiprocessing_context": "clone", "num_workers": 1}, "one of 'fork', .* here, got 'clone'"),
        ({"multiprocessing_context": "fork", "num_workers": 1, "worker": "thread"}, "is about processes"),
        ({"batch_size": 0}, "whole number of 1 or more, or None, got 0"),
        ({"batch_size": 2.0}, "whole number of 1 or more, or None, got 2.0"),
        ({"sampler": [0], "shuffle": True}, "excludes shuffle=True"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "a batch_sampler excludes batch_size"),
        ({"batch_sampler": [[0]], "drop_last": True}, "a batch_sampler excludes batch_size"),
        ({"batch_size": None, "drop_last": True}, "no last one to drop"),
    ],
)
def test_bad_choices_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(range(4), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_a_stream_takes_no_order(options):
    with pytest.raises(ValueError, match="an IterableDataset has no index"):
        DataLoader(Stream(), **options)


def test_what_the_order_follows_from_is_fixed():
    loader = DataLoader(range(4))
    with pytest.raises(ValueError, match=r"batch_size of a DataLoader is fixed, .* make a new DataLoader"):
        loader.batch_size = 2


def test_a_context_is_a_name_or_a_context():
    with pytest.raises(TypeError, match="a name or a context of multiprocessing, got 3"):
        DataLoader(range(4), num_workers=1, multiprocessing_context=3)


class Recording(Dataset):
    """Says by which method it was read."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return 1

    def __getitems__(self, indices):
        return [2] * len(indices)

    def __getbatch__(self, indices):
        return "whole"


def test_the_most_capable_reader_is_used():
    assert list(DataLoader(Recording(), batch_size=4)) == ["whole"]
    assert list(DataLoader(Subset(Recording(), [0, 1]), batch_size=2)) == ["whole"]
    assert list(DataLoader(Recording(), batch_size=4, collate_fn=sum)) == [8]
    assert list(DataLoader(Subset(Recording(), [0, 1]), batch_size=2, collate_fn=sum)) == [4]
    assert list(DataLoader(Recording(), batch_size=None)) == [1, 1, 1, 1]


def test_an_overridden_getitem_is_never_bypassed():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return super().__getitem__(index)[0] * 2

    class Shifted(Subset):
        def __getitem__(self, index):
            return self.dataset[self.indices[index]][0] + 1

        def __getitems__(self, indices):
            return [self[index] for index in indices]

    x = dovetail.arange(3)
    assert next(iter(DataLoader(Doubled(x), batch_size=3))).tolist() == [0, 2, 4]
    assert next(iter(DataLoader(Subset(Doubled(x), [2, 1]), batch_size=2))).tolist() == [4, 2]
    assert next(iter(DataLoader(Shifted(TensorDataset(x), [2, 1]), batch_size=2))).tolist() == [3, 2]


@pytest.mark.parity
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("options", [{"shuffle": True}, {"shuffle": True, "drop_last": True}, {}])
def test_order_and_the_numbers_after_it_equal_pytorch(own, options):
    torch = pytest.importorskip("torch")

    def passes(library, loader_class):
        library.manual_seed(7)
        generator = library.Generator().manual_seed(9) if own else None
        loader = loader_class(range(23), batch_size=5, generator=generator, **options)
        return [[batch.tolist() for batch in loader] for _ in range(3)], library.rand(3).tolist()

    batches, numbers = passes(dovetail, DataLoader)
    expected_batches, expected_numbers = passes(torch, torch.utils.data.DataLoader)
    assert batches == expected_batches
    assert numbers == pytest.approx(expected_numbers)


@pytest.mark.parity
def test_draws_between_batches_come_out_as_in_pytorch():
    torch = pytest.importorskip("torch")

    def run(library, data):
        library.manual_seed(1)
        train, _ = data.random_split(range(30), [20, 10])
        numbers = []
        for batch in data.DataLoader(train, batch_size=8, shuffle=True):
            numbers += [*batch.tolist(), library.randint(1000, ()).item()]
        return numbers

    import dovetail.data

    assert run(dovetail, dovetail.data) == run(torch, torch.utils.data)


def test_split_parts_load_by_one_index_operation():
    dovetail.manual_seed(0)
    train, _ = random_split(TensorDataset(dovetail.arange(10), dovetail.arange(10) * 2), [6, 4])
    x, y = next(iter(DataLoader(train, batch_size=6)))
    assert x.tolist() == list(train.indices)
    assert y.tolist() == [2 * index for index in train.indices]
