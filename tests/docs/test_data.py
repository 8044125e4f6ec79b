"""The code of docs/data.md."""

import io
import zipfile

import pytest

import dovetail
from dovetail.data import DataLoader, Dataset, TensorDataset

net = dovetail.nn.Linear(4, 2)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# region: dataset
class Noisy(Dataset):
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index] + 0.1 * dovetail.randn(4), index


# endregion


def test_workers():
    dataset = Noisy(dovetail.zeros(100, 4))

    def batches(**options):
        dovetail.manual_seed(0)
        # region: workers
        loader = DataLoader(dataset, batch_size=32, shuffle=True, num_workers=2, persistent_workers=True)
        for x, _ in loader:
            net(x)
        # endregion
        dovetail.manual_seed(0)
        return [x.tolist() for x, index in DataLoader(dataset, batch_size=32, shuffle=True, **options)]

    assert batches() == batches(num_workers=2) == batches(num_workers=2, worker="thread")


def test_pictures(tmp_path):
    image = pytest.importorskip("PIL.Image")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for number in range(4):
            file = io.BytesIO()
            image.new("RGB", (40, 36), (60 * number, 0, 99)).save(file, "JPEG")
            archive.writestr(f"train/{('cat', 'dog')[number % 2]}/{number}.jpg", file.getvalue())
    dovetail.manual_seed(0)
    # region: pictures
    from dovetail.data import DataLoader, ImageFolder
    from dovetail.data import transforms as T

    augment = T.Compose([T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), T.ToTensor()])
    photos = ImageFolder("photos.zip/train", transform=augment)  # or a folder; an archive is not unpacked
    loader = DataLoader(photos, batch_size=64, shuffle=True, num_workers=2)
    images, labels = next(iter(loader))  # float32 of shape (batch, 3, 32, 32), and int64
    # endregion
    assert images.shape == (4, 3, 32, 32)
    assert sorted(labels.tolist()) == [0, 0, 1, 1]


def test_resume():
    dataset = TensorDataset(dovetail.arange(40))
    dovetail.manual_seed(3)
    # region: resume
    loader = DataLoader(dataset, batch_size=4, shuffle=True, num_workers=2)
    for number, _ in enumerate(loader):
        if number == 5:
            dovetail.save({"loader": loader.state_dict()}, "run.safetensors")

    loader = DataLoader(dataset, batch_size=4, shuffle=True)  # another process, another number of workers
    loader.load_state_dict(dovetail.load("run.safetensors")["loader"])
    rest = list(loader)  # batches 6 to 9, as they would have been
    # endregion
    dovetail.manual_seed(3)
    whole = list(DataLoader(dataset, batch_size=4, shuffle=True))
    assert [batch[0].tolist() for batch in rest] == [batch[0].tolist() for batch in whole[6:]]
