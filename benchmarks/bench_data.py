"""Loaders: data in memory, pictures that workers decode and augment, large batches through workers.

Each is a whole pass. Workers stay from pass to pass in both libraries, so that no start of a process is timed.
"""

import importlib
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from harness import Case, Timing, statement

PICTURES, SIDE, CROP = 512, 128, 112
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def data_of(library: Any) -> Any:
    """The library's loaders and datasets."""
    return importlib.import_module("torch.utils.data" if library.__name__ == "torch" else "dovetail.data")


class Rows:
    """A dataset as programs write it: one row of features and its label."""

    def __init__(self, library: Any) -> None:
        self.x, self.y = library.rand(6400, 20), library.arange(6400)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return self.x[index], self.y[index]


class Large:
    """Samples of 602 kB that cost nothing to make."""

    def __init__(self, library: Any) -> None:
        self.samples = [library.ones(3, 224, 224) for _ in range(64)]

    def __len__(self) -> int:
        return 640

    def __getitem__(self, index: int) -> Any:
        return self.samples[index % len(self.samples)]


class Pictures:
    """JPEG files in memory, decoded and augmented when they are read."""

    def __init__(self, library: Any) -> None:
        from PIL import Image

        self.augment = our_augment() if library.__name__ == "dovetail" else partial(their_augment, library)
        self.files = []
        numbers = np.random.default_rng(0)
        for _ in range(PICTURES):
            coarse = numbers.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            file = io.BytesIO()
            Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
            self.files.append(file.getvalue())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Any:
        from PIL import Image

        return self.augment(Image.open(io.BytesIO(self.files[index])).convert("RGB")), index


def our_augment() -> Callable[[Any], Any]:
    """Crop and flip at random, as a normalised tensor."""
    from dovetail.data import transforms

    return transforms.Compose(
        [
            transforms.RandomCrop(CROP),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )


def their_augment(torch: Any, image: Any) -> Any:
    """The same steps in PyTorch, as torchvision takes them."""
    from PIL import Image

    top, left = (torch.randint(0, SIDE - CROP + 1, size=(1,)).item() for _ in range(2))
    image = image.crop((left, top, left + CROP, top + CROP))
    if torch.rand(1) < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
    mean, std = (torch.as_tensor(values).view(-1, 1, 1) for values in (MEAN, STD))
    return tensor.sub_(mean).div_(std)


def passes(dataset: Callable[[Any], Any], **options: Any) -> Callable[[Any], Timing]:
    """How to time a pass over a dataset."""

    def setup(library: Any) -> dict[str, Any]:
        return {"loader": data_of(library).DataLoader(dataset(library), **options)}

    return statement("", "for batch in loader: pass", setup).timing


def tensors(library: Any) -> Any:
    """Rows of features and their labels, as a TensorDataset."""
    return data_of(library).TensorDataset(library.rand(6400, 20), library.arange(6400))


WORKERS = {"num_workers": 2, "persistent_workers": True}
CASES = [
    Case("load 100 batches of 64 from tensors in memory", passes(tensors, batch_size=64, shuffle=True)),
    Case("load the same by a dataset of one's own", passes(Rows, batch_size=64, shuffle=True)),
    Case("load the tensors with 2 workers", passes(tensors, batch_size=64, shuffle=True, **WORKERS)),
    Case(
        "load 512 JPEGs of 128x128, cropped and flipped, with 2 workers",
        passes(Pictures, batch_size=32, shuffle=True, **WORKERS),
    ),
    Case(
        "load 10 batches of 38.5 MB with 1 worker", passes(Large, batch_size=64, num_workers=1, persistent_workers=True)
    ),
    Case("load 10 batches of 38.5 MB with 2 workers", passes(Large, batch_size=64, **WORKERS)),
]
