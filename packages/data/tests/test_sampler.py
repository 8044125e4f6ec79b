"""The order in which samples are asked for."""

import pytest

import dovetail
from dovetail.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def test_sequential_is_in_order():
    assert list(SequentialSampler("abcd")) == [0, 1, 2, 3]
    assert len(SequentialSampler("abcd")) == 4


def test_random_without_replacement_is_a_permutation_each_time_another():
    dovetail.manual_seed(0)
    sampler = RandomSampler(range(50))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert len(sampler) == 50


def test_random_with_more_samples_than_data_starts_over():
    drawn = list(RandomSampler(range(4), num_samples=10))
    assert len(drawn) == 10
    assert sorted(drawn[:4]) == sorted(drawn[4:8]) == [0, 1, 2, 3]


def test_random_of_nothing_is_nothing():
    assert list(RandomSampler([])) == []


@pytest.mark.parametrize("num_samples", [0, -1, 2.5])
def test_random_refuses_a_bad_number(num_samples):
    with pytest.raises(ValueError, match=f"num_samples of 1 or more, or None for all, got {num_samples}"):
        RandomSampler(range(4), num_samples=num_samples)


def test_subset_random_permutes_the_given_indices():
    sampler = SubsetRandomSampler([3, 7, 9])
    assert sorted(sampler) == [3, 7, 9]
    assert len(sampler) == 3


@pytest.mark.parametrize(
    ("drop_last", "batches"), [(False, [[0, 1, 2], [3, 4, 5], [6]]), (True, [[0, 1, 2], [3, 4, 5]])]
)
def test_batches_and_their_number(drop_last, batches):
    sampler = BatchSampler(SequentialSampler(range(7)), 3, drop_last)
    assert list(sampler) == batches
    assert len(sampler) == len(batches)


@pytest.mark.parametrize("batch_size", [0, -2, 1.5, True])
def test_batch_size_is_checked(batch_size):
    with pytest.raises(ValueError, match=f"whole number of 1 or more, got {batch_size}"):
        BatchSampler(range(3), batch_size, False)


def test_drop_last_is_checked():
    with pytest.raises(ValueError, match="True or False, got 1"):
        BatchSampler(range(3), 2, 1)


def test_a_sampler_without_iter_says_so():
    with pytest.raises(TypeError, match="Empty has no __iter__"):
        iter(type("Empty", (Sampler,), {})())


@pytest.mark.parity
@pytest.mark.parametrize(
    "options",
    [{}, {"num_samples": 7}, {"num_samples": 45}, {"replacement": True}, {"replacement": True, "num_samples": 70}],
)
@pytest.mark.parametrize("own", [True, False])
def test_random_sampler_equals_pytorch(options, own):
    torch = pytest.importorskip("torch")
    torch.manual_seed(11)
    theirs = torch.utils.data.RandomSampler(
        range(20), **options, generator=torch.Generator().manual_seed(5) if own else None
    )
    expected = [list(theirs), list(theirs)]
    dovetail.manual_seed(11)
    ours = RandomSampler(range(20), **options, generator=dovetail.Generator().manual_seed(5) if own else None)
    assert [list(ours), list(ours)] == expected


@pytest.mark.parity
def test_subset_random_sampler_equals_pytorch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    expected = list(torch.utils.data.SubsetRandomSampler(range(5, 40)))
    dovetail.manual_seed(1)
    assert list(SubsetRandomSampler(range(5, 40))) == expected


def test_weights_decide():
    dovetail.manual_seed(0)
    drawn = list(WeightedRandomSampler([0.0, 1.0, 3.0], 4000))
    assert len(drawn) == 4000
    assert 0 not in drawn
    assert 0.7 < drawn.count(2) / 4000 < 0.8
    assert sorted(WeightedRandomSampler([1.0, 5.0, 2.0], 3, replacement=False)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], 0), "num_samples is a whole number of 1 or more, got 0"),
        (([1.0], True), "num_samples is a whole number of 1 or more, got True"),
        (([1.0], 1, "yes"), "replacement is True or False, got 'yes'"),
        (([[1.0]], 1), r"one number for each sample, got shape \(1, 1\)"),
    ],
)
def test_bad_weights_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        WeightedRandomSampler(*arguments)


@pytest.mark.parametrize("replicas", [1, 2, 3, 5])
def test_parts_of_several_processes_cover_everything(replicas):
    parts = [list(DistributedSampler(range(11), replicas, rank)) for rank in range(replicas)]
    assert set().union(*parts) == set(range(11))
    assert {len(part) for part in parts} == {-(-11 // replicas)}
    dropping = [list(DistributedSampler(range(11), replicas, rank, drop_last=True)) for rank in range(replicas)]
    assert sum(len(set(part)) for part in dropping) == len(set().union(*dropping)) == 11 // replicas * replicas


def test_the_environment_tells_which_process_this_is(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="DistributedSampler needs rank: give it, or set RANK as launchers do"):
        DistributedSampler(range(4))
    monkeypatch.setenv("RANK", "1")
    assert list(DistributedSampler(range(4), shuffle=False)) == [1, 3]
    with pytest.raises(ValueError, match="rank is from 0 to 1, got 2"):
        DistributedSampler(range(4), rank=2)


def test_an_environment_without_numbers_is_refused(monkeypatch):
    monkeypatch.setenv("RANK", "first")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ValueError, match="RANK and WORLD_SIZE are whole numbers, got 'first' and None"):
        DistributedSampler(range(4))
