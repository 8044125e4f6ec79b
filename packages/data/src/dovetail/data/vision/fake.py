"""Images that are made up, for trying out a program before the real ones are there."""

from __future__ import annotations

from typing import Any

import dovetail
from dovetail.data.catalog import About
from dovetail.data.vision.base import Transform, VisionDataset, pillow


class FakeData(VisionDataset):
    """Random images with random labels; sample ``i`` is the same each time, and draws nothing from other generators.

    Args:
        size: how many.
        image_size: their channels (1 or 3), height and width.
        num_classes: how many classes.
        transform: called with each image, a Pillow image; the sample holds what it returns.
        target_transform: called with each label, an int.
        random_offset: added to the index for the seed of an image.

    Raises:
        ValueError: ``image_size`` has other numbers of channels or dimensions.
        IndexError: there is no such sample.

    Example::

        >>> images = FakeData(size=5, image_size=(3, 8, 16), num_classes=3)
        >>> image, label = images[4]
        >>> len(images), image.size, image.mode, label in range(3)
        (5, (16, 8), 'RGB', True)
    """

    about = About("", "made up")

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, ...] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__("", transform, target_transform)
        if len(image_size) != 3 or image_size[0] not in (1, 3):
            raise ValueError(f"image_size is (channels, height, width) with 1 or 3 channels, got {image_size!r}")
        self.size = size
        self.image_size = tuple(image_size)
        self.num_classes = num_classes
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"index {index} is out of range for FakeData of {self.size} samples")
        generator = dovetail.Generator().manual_seed(index + self.random_offset)
        channels, height, width = self.image_size
        shape = (height, width, channels) if channels > 1 else (height, width)
        pixels = dovetail.randint(256, shape, dtype=dovetail.uint8, generator=generator).numpy()
        label = int(dovetail.randint(self.num_classes, (1,), generator=generator))
        return self._sample(pillow().fromarray(pixels), label)

    def __len__(self) -> int:
        return self.size
