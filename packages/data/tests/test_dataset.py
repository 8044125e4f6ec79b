"""Datasets and the ways to cut and join them."""

import pytest

import dovetail
from dovetail.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from dovetail.errors import ShapeError


def test_tensor_dataset_gives_rows():
    x, y = dovetail.arange(6).reshape(3, 2), dovetail.tensor([7, 8, 9])
    dataset = TensorDataset(x, y)
    assert len(dataset) == 3
    row, label = dataset[2]
    assert row.tolist() == [4, 5]
    assert label.item() == 9


def test_tensor_dataset_names_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"one common first size, got shapes \(3, 2\), \(4,\)"):
        TensorDataset(dovetail.zeros(3, 2), dovetail.zeros(4))
    with pytest.raises(ShapeError, match=r"got shapes \(\)"):
        TensorDataset(dovetail.tensor(1.0))
    with pytest.raises(TypeError, match="at least one tensor"):
        TensorDataset()


def test_subset_maps_indices_and_fetches_many_at_once():
    class Counting(Dataset):
        asked = None

        def __getitem__(self, index):
            return index

        def __getitems__(self, indices):
            self.asked = indices
            return [index * 10 for index in indices]

        def __len__(self):
            return 9

    inner = Counting()
    subset = Subset(inner, [5, 3, 8])
    assert len(subset) == 3
    assert subset[1] == 3
    assert subset.__getitems__([0, 2]) == [50, 80]
    assert inner.asked == [5, 8]
    assert Subset("abcd", [3, 0]).__getitems__([0, 1]) == ["d", "a"]


def test_concat_indexes_across_the_seams_and_from_the_end():
    joined = ConcatDataset(["ab", "", "cde"])
    assert "".join(joined[index] for index in range(5)) == "abcde"
    assert (joined[-1], joined[-5]) == ("e", "a")
    assert joined.cumulative_sizes == [2, 2, 5]
    for index in (5, -6):
        with pytest.raises(IndexError, match=f"index {index} is out of range for a ConcatDataset of 5 samples"):
            joined[index]


def test_adding_two_datasets_joins_them():
    both = TensorDataset(dovetail.arange(2)) + TensorDataset(dovetail.arange(3))
    assert [sample[0].item() for sample in both] == [0, 1, 0, 1, 2]


def test_concat_refuses_nothing_and_streams():
    with pytest.raises(ValueError, match="at least one dataset"):
        ConcatDataset([])
    with pytest.raises(ValueError, match=r"number 1 \(Stream\) is an IterableDataset"):
        ConcatDataset(["ab", type("Stream", (IterableDataset,), {})()])


def test_a_dataset_without_its_method_says_which():
    with pytest.raises(TypeError, match="Empty has no __getitem__"):
        type("Empty", (Dataset,), {})()[0]
    with pytest.raises(TypeError, match="Empty has no __iter__"):
        iter(type("Empty", (IterableDataset,), {})())


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [([7, 3], [7, 3]), ([0.5, 0.5], [5, 5]), ([1 / 3, 1 / 3, 1 / 3], [4, 3, 3]), ([10], [10]), ([0.99, 0.01], [10, 0])],
)
def test_random_split_covers_everything_once(lengths, sizes):
    parts = random_split(range(10), lengths)
    assert [len(part) for part in parts] == sizes
    assert sorted(sample for part in parts for sample in part) == list(range(10))


def test_random_split_refuses_lengths_that_do_not_add_up():
    with pytest.raises(ValueError, match=r"10 samples, or fractions that add up to 1, got \[7, 4\], .* to 11"):
        random_split(range(10), [7, 4])
    with pytest.raises(ValueError, match=r"lengths of 0 or more, got \[11, -1\]"):
        random_split(range(10), [11, -1])
    with pytest.raises(ValueError, match=r"got \[2.5, 7.5\]"):
        random_split(range(10), [2.5, 7.5])


@pytest.mark.parity
@pytest.mark.parametrize("lengths", [[70, 30], [0.8, 0.1, 0.1], [1 / 3, 1 / 3, 1 / 3]])
def test_random_split_equals_pytorch(lengths):
    torch = pytest.importorskip("torch")
    expected = torch.utils.data.random_split(range(100), lengths, torch.Generator().manual_seed(42))
    got = random_split(range(100), lengths, dovetail.Generator().manual_seed(42))
    assert [list(part) for part in got] == [list(part) for part in expected]
    torch.manual_seed(3)
    expected = torch.utils.data.random_split(range(100), lengths)
    dovetail.manual_seed(3)
    assert [list(part) for part in random_split(range(100), lengths)] == [list(part) for part in expected]


def test_tensor_dataset_batch_equals_collated_samples():
    dataset = TensorDataset(dovetail.arange(24.0).reshape(6, 2, 2), dovetail.arange(6))
    whole = next(iter(DataLoader(dataset, batch_size=4)))
    from dovetail.data import default_collate

    collated = default_collate([dataset[index] for index in range(4)])
    assert type(whole) is type(collated)
    for one, other in zip(whole, collated, strict=True):
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()


def test_datasets_side_by_side():
    assert StackDataset("ab", [1, 2])[1] == ("b", 2)
    named = StackDataset(letter="ab", number=[1, 2])
    assert named[0] == {"letter": "a", "number": 1}
    assert named.__getitems__([1, 0]) == [{"letter": "b", "number": 2}, {"letter": "a", "number": 1}]
    assert len(named) == 2


def test_datasets_side_by_side_fit():
    with pytest.raises(ValueError, match="datasets of one length, got 2, 3"):
        StackDataset("ab", "abc")
    with pytest.raises(ValueError, match="one after the other or by name, got neither"):
        StackDataset()
    with pytest.raises(ValueError, match="one after the other or by name, got both"):
        StackDataset("a", x="a")


class Many(Dataset):
    def __init__(self, spoilt=False):
        self.spoilt = spoilt

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return -1

    def __getitems__(self, indices):
        return [10 * index for index in indices][self.spoilt :]


def test_a_stack_asks_for_many_samples_where_a_part_can():
    assert [batch[1].tolist() for batch in DataLoader(StackDataset("abc", Many()), 3)] == [[0, 10, 20]]
    with pytest.raises(ValueError, match=r"Many.__getitems__ was asked for 3 samples and gave 2; it returns one"):
        list(DataLoader(StackDataset("abc", Many(spoilt=True)), 3))


def test_chained_streams():
    letters, numbers = type("Letters", (IterableDataset,), {}), type("Numbers", (IterableDataset,), {})
    letters.__iter__, numbers.__iter__ = lambda self: iter("ab"), lambda self: iter([1, 2, 3])
    letters.__len__, numbers.__len__ = lambda self: 2, lambda self: 3
    both = letters() + numbers()
    assert list(both) == ["a", "b", 1, 2, 3]
    assert len(both) == 5
    with pytest.raises(TypeError, match="joins IterableDatasets, got range; ConcatDataset joins those with an index"):
        list(ChainDataset([range(3)]))


@pytest.mark.parametrize("dtype", [dovetail.float32, dovetail.int64, dovetail.bool, dovetail.bfloat16])
def test_rows_are_those_of_the_indices(dtype):
    x = dovetail.arange(12).reshape(4, 3).to(dtype)
    (batch,) = TensorDataset(x).__getbatch__([2, -1, 0])
    assert batch.tolist() == [x[2].tolist(), x[3].tolist(), x[0].tolist()]
    batch[0] = 0
    assert bool(x[2].to(dovetail.bool).any()), "a batch is a copy"


@pytest.mark.parametrize("index", [4, -5])
def test_rows_outside_are_refused(index):
    with pytest.raises(IndexError, match=f"index {index} is out of range for a dataset of 4 samples"):
        TensorDataset(dovetail.zeros(4, 3)).__getbatch__([0, index])


def test_rows_of_tensors_that_need_gradients_are_recorded():
    x = dovetail.ones(4, 3, requires_grad=True)
    (batch,) = TensorDataset(x).__getbatch__([1, 1])
    batch.sum().backward()
    assert x.grad.sum(1).tolist() == [0.0, 6.0, 0.0, 0.0]
