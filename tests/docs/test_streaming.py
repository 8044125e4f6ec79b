"""The code of docs/streaming.md."""

import numpy as np
import pytest

import dovetail
from dovetail.data import DataLoader, Digits

Image = pytest.importorskip("PIL.Image")


def pictures(count):
    images, labels = Digits().images[:count], Digits().targets[:count].tolist()
    arrays = (images[:, 0].numpy() * 255).astype(np.uint8)
    return [(Image.fromarray(array), label) for array, label in zip(arrays, labels, strict=True)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shards():
    images_and_labels = pictures(25)
    # region: write
    from dovetail.data import write_tar_shards

    samples = (
        {"__key__": f"{number:06d}", "png": image, "cls": label}
        for number, (image, label) in enumerate(images_and_labels)
    )
    names = write_tar_shards(samples, "train-%03d.tar", samples_per_shard=10)
    # endregion
    return names


def test_read(shards):
    # region: read
    from dovetail.data import TarShards

    def to_pair(sample):
        pixels = np.asarray(sample["png"], dtype=np.float32) / 255
        return dovetail.from_numpy(pixels).permute(2, 0, 1), sample["cls"]

    stream = TarShards("train-{000..002}.tar", shuffle=True, seed=0, transform=to_pair).decode()
    loader = DataLoader(stream, batch_size=8)
    for epoch in range(2):
        stream.set_epoch(epoch)
        for images, labels in loader:
            print(epoch, images.shape, labels.tolist())
    # endregion
    assert shards == [f"train-00{number}.tar" for number in range(3)]
    assert images.shape == (1, 3, 8, 8)
    assert labels.dtype == dovetail.int64


def test_resume(shards):
    from dovetail.data import TarShards

    stream = TarShards(shards, shuffle=True, buffer_size=5)
    dovetail.manual_seed(0)
    # region: resume
    samples = iter(stream)
    for _ in range(12):
        sample = next(samples)
    dovetail.save({"stream": samples.state_dict()}, "state.safetensors")

    # after the crash
    samples = iter(stream)
    samples.load_state_dict(dovetail.load("state.safetensors")["stream"])
    sample = next(samples)  # the thirteenth
    # endregion
    dovetail.manual_seed(0)
    assert list(stream)[12] == sample


def test_rows():
    pyarrow = pytest.importorskip("pyarrow")
    feather, parquet = pytest.importorskip("pyarrow.feather"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"text": ["a", "b", "c"], "label": [0, 1, 0], "other": [1, 2, 3]})
    parquet.write_table(table, "part-0.parquet")
    feather.write_feather(table, "part-0.arrow")
    # region: rows
    from dovetail.data import ArrowShards, ParquetShards

    rows = ParquetShards("part-*.parquet", columns=["text", "label"])
    mapped = ArrowShards("part-*.arrow", columns=["text", "label"])
    # endregion
    assert list(rows) == list(mapped) == [{"text": t, "label": n} for t, n in zip("abc", (0, 1, 0), strict=True)]


def test_own_format():
    # region: own
    from pathlib import Path

    from dovetail.data import ShardDataset

    class Lines:
        """One open shard: samples are its lines."""

        def __init__(self, name):
            self.lines = Path(name).read_text(encoding="utf-8").splitlines()
            self.position = 0  # of the next sample

        def read(self):
            if self.position == len(self.lines):
                return None
            self.position += 1
            return self.lines[self.position - 1]

        def skip(self, count):
            skipped = min(count, len(self.lines) - self.position)
            self.position += skipped
            return skipped

        def close(self):
            pass

    class LineShards(ShardDataset):
        def open_shard(self, name):
            return Lines(name)

    # endregion
    for number in range(2):
        with open(f"{number}.txt", "w", encoding="utf-8") as file:
            file.write(f"a{number}\nb{number}\n")
    assert list(LineShards("{0..1}.txt")) == ["a0", "b0", "a1", "b1"]
    assert list(LineShards("{0..1}.txt", rank=2, world_size=3)) == ["a1"]


def test_shuffle_buffer():
    my_stream = range(10)
    # region: buffer
    from dovetail.data import ShuffleBuffer

    shuffled = ShuffleBuffer(my_stream, size=1000)
    # endregion
    assert sorted(shuffled) == list(range(10))
