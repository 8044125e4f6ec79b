"""Shards read by a loader's workers."""

import itertools

import pytest

import dovetail
from dovetail.data import DataLoader, ParquetShards, ShuffleBuffer, TarShards, write_tar_shards

WORKERS = [(0, "process"), (1, "thread"), (3, "thread"), (2, "process")]


def number(sample):
    return sample["cls"]


def number_and_noise(sample):
    return sample["cls"], dovetail.rand(1).item()


@pytest.fixture
def shards(tmp_path):
    samples = [{"__key__": f"{number:03d}", "cls": number} for number in range(40)]
    return write_tar_shards(samples, tmp_path / "%d.tar", samples_per_shard=7)  # 6 shards


def numbers(loader):
    return [value for batch in loader for value in batch.tolist()]


@pytest.mark.parametrize(("workers", "worker"), WORKERS)
def test_each_sample_comes_once(shards, workers, worker):
    stream = TarShards(shards, shuffle=True, buffer_size=8, transform=number).decode()
    loader = DataLoader(stream, batch_size=4, num_workers=workers, worker=worker)
    dovetail.manual_seed(0)
    first, second = numbers(loader), numbers(loader)
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second
    dovetail.manual_seed(0)
    assert numbers(loader) == first


@pytest.mark.parametrize(("workers", "worker"), WORKERS)
def test_fewer_shards_than_readers(shards, workers, worker):
    found = []
    for rank in range(3):
        stream = TarShards(shards[:2], transform=number, rank=rank, world_size=3).decode()
        found += numbers(DataLoader(stream, batch_size=4, num_workers=workers, worker=worker))
    assert sorted(found) == list(range(14))


@pytest.mark.parametrize(("workers", "worker"), WORKERS)
@pytest.mark.parametrize("stop", [0, 3, 9])
def test_a_loader_goes_on_exactly(shards, workers, worker, stop):
    stream = TarShards(shards, shuffle=True, buffer_size=8, transform=number_and_noise).decode()

    def new_loader():
        return DataLoader(stream, batch_size=4, num_workers=workers, worker=worker)

    loader = new_loader()
    batches = iter(loader)
    list(itertools.islice(batches, stop))
    state = loader.state_dict()
    rest = [[part.tolist() for part in batch] for batch in batches]
    resumed = new_loader()
    resumed.load_state_dict(state)
    dovetail.rand(3)
    assert [[part.tolist() for part in batch] for batch in resumed] == rest


def test_an_error_in_a_worker_names_the_shard(shards):
    with open(shards[1], "r+b") as file:
        file.truncate(1024)
    loader = DataLoader(TarShards(shards, transform=number).decode(), batch_size=4, num_workers=2)
    with pytest.raises(RuntimeError, match=r"1\.tar, sample \d.*damaged or cut off"):
        numbers(loader)


def test_rows_by_threads(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    for part in range(3):
        table = pyarrow.table({"cls": range(10 * part, 10 * part + 10)})
        parquet.write_table(table, tmp_path / f"{part}.parquet", row_group_size=3)
    stream = ParquetShards(tmp_path / "*.parquet", shuffle=True, transform=number)
    loader = DataLoader(stream, batch_size=4, num_workers=2, worker="thread")
    assert sorted(numbers(loader)) == list(range(30))


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("persistent", [False, True])
def test_workers_are_told_of_the_epoch(shards, persistent, wrapped):
    def orders(**options):
        stream = TarShards(shards, shuffle=True, seed=1, transform=number).decode()
        stream = ShuffleBuffer(stream, 1) if wrapped else stream
        loader, found = DataLoader(stream, 5, **options), []
        for epoch in (0, 1, 1, 2):
            stream.set_epoch(epoch)
            assert stream.epoch == epoch
            found.append(numbers(loader))
        return found

    found = orders(num_workers=1, persistent_workers=persistent)
    assert found == orders()
    assert found[1] == found[2]
    assert len({tuple(order) for order in found}) == 3
