"""Datasets and the ways to cut and join them."""

import pytest

import dovetail
from dovetail.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset, random_split
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
