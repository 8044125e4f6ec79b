"""The code of docs/transforms.md, and its picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import dovetail
from dovetail.data import DataLoader, Dataset, TensorDataset, default_collate, make_grid, save_image

PICTURE = Path(__file__).parents[2] / "docs/images/transforms.png"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def image():
    """A house under the sun, drawn here."""
    slope = np.linspace(0, 1, 72)[:, None, None]
    sky = np.array([80, 140, 230]) * (1 - slope) + np.array([235, 225, 200]) * slope
    picture = Image.fromarray(np.broadcast_to(sky, (72, 96, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((66, 6, 84, 24), fill=(255, 215, 60))
    draw.polygon([(0, 50), (30, 38), (60, 48), (96, 40), (96, 72), (0, 72)], fill=(70, 150, 70))
    draw.rectangle((22, 40, 52, 62), fill=(200, 90, 60))
    draw.polygon([(18, 40), (37, 24), (56, 40)], fill=(110, 50, 40))
    draw.rectangle((33, 50, 40, 62), fill=(60, 40, 30))
    draw.rectangle((44, 45, 49, 50), fill=(240, 240, 180))
    return picture


def test_usual(image):
    # region: usual
    from dovetail.data import transforms as T

    train = T.Compose([
        T.RandomResizedCrop(64),
        T.RandomHorizontalFlip(),
        T.ColorJitter(brightness=0.2, saturation=0.2),
        T.ToTensor(),  # float32 in [0, 1], of shape (channels, height, width)
        T.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ])  # fmt: skip
    test = T.Compose([T.Resize(72), T.CenterCrop(64), T.ToTensor(), train.transforms[-1]])
    # endregion
    assert train(image).shape == test(image).shape == (3, 64, 64)
    assert train(np.asarray(image)).shape == (3, 64, 64)

    class Houses(Dataset):
        def __getitem__(self, index):
            return train(image), index

        def __len__(self):
            return 4

    images, _ = next(iter(DataLoader(Houses(), batch_size=4)))
    assert images.shape == (4, 3, 64, 64)


def test_functions(image):
    # region: functions
    from dovetail.data.transforms import functional as F

    turned = F.rotate(image, 15, interpolation=F.InterpolationMode.BILINEAR, fill=(255, 255, 255))
    bright = F.adjust_brightness(np.asarray(image), 1.5)  # an array in, an array out
    # endregion
    assert turned.size == image.size
    assert bright.mean() > np.asarray(image).mean()


def test_mixing():
    dataset = TensorDataset(dovetail.rand(8, 3, 16, 16), dovetail.arange(8))
    # region: mixing
    from dovetail.data.transforms import CutMix, MixUp, RandomChoice

    mix = RandomChoice([MixUp(num_classes=10), CutMix(num_classes=10)])
    loader = DataLoader(dataset, batch_size=4, collate_fn=lambda samples: mix(default_collate(samples)))
    # endregion
    for images, labels in loader:
        assert images.shape == (4, 3, 16, 16)
        assert np.allclose(labels.sum(1).numpy(), 1)


def test_own(image):
    # region: own
    from dovetail.data import transforms as T

    class RandomNoise:
        """Add normal noise of a width drawn for each image."""

        def __init__(self, largest):
            self.largest = largest

        def __call__(self, tensor):
            return tensor + dovetail.rand(1) * self.largest * dovetail.randn(tensor.shape)

    transform = T.Compose([T.ToTensor(), RandomNoise(0.1)])
    # endregion
    dovetail.manual_seed(0)
    first = transform(image)
    dovetail.manual_seed(0)
    assert dovetail.equal(transform(image), first)


def test_grid():
    images = dovetail.rand(16, 3, 32, 32)
    # region: grid
    save_image(images, "batch.png", nrow=8)  # laid out by make_grid, which gives it as a tensor
    grid = make_grid(images, nrow=8, normalize=True)
    # endregion
    with Image.open("batch.png") as picture:
        assert picture.size == (grid.shape[2], grid.shape[1])


def test_picture(image):
    # region: picture
    from dovetail.data import transforms as T

    shown = [
        T.Lambda(lambda image: image), T.Grayscale(3), T.RandomHorizontalFlip(p=1.0), T.RandomInvert(p=1.0),
        T.CenterCrop((45, 60)), T.RandomCrop((45, 60)), T.RandomCrop((72, 96), padding=12),
        T.RandomResizedCrop((72, 96)),
        T.Pad(12, padding_mode="reflect"), T.RandomRotation((20, 20)), T.RandomAffine(0, shear=(25, 25)),
        T.RandomPerspective(0.5, p=1.0),
        T.ColorJitter(brightness=(1.5, 1.5)), T.ColorJitter(contrast=(0.4, 0.4)), T.ColorJitter(saturation=(3, 3)),
        T.ColorJitter(hue=(0.3, 0.3)),
        T.GaussianBlur(9, sigma=2.0), T.RandomAdjustSharpness(6, p=1.0), T.RandomPosterize(2, p=1.0),
        T.RandomSolarize(128, p=1.0),
        T.AutoAugment(T.AutoAugmentPolicy.CIFAR10), T.RandAugment(), T.TrivialAugmentWide(),
        T.Compose([T.ToTensor(), T.RandomErasing(p=1.0), T.ToPILImage()]),
    ]  # fmt: skip
    dovetail.manual_seed(43)
    finish = T.Compose([T.Resize((72, 96)), T.ToTensor()])
    save_image([finish(transform(image)) for transform in shown], "transforms.png", nrow=4)
    # endregion
    with Image.open("transforms.png") as made, Image.open(PICTURE) as kept:
        assert made.size == kept.size
        distance = np.abs(np.asarray(made).astype(int) - np.asarray(kept)).mean()
    assert distance < 1, f"the picture changed: look at {Path('transforms.png').resolve()} and copy it to {PICTURE}"
    assert PICTURE.stat().st_size < 150_000
