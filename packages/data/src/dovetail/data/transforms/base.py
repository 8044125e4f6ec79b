"""What random transforms have in common."""

from __future__ import annotations

from typing import Any

from dovetail.data.transforms.checks import probability
from dovetail.data.transforms.drawing import unit


class WithProbability:
    """Does to some images, drawn with probability ``p``, what a subclass's ``transform`` does."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability(type(self).__name__, p)

    def __call__(self, img: Any) -> Any:
        return self.transform(img) if unit() < self.p else img

    def transform(self, img: Any) -> Any:
        """Return the image changed."""
        raise NotImplementedError(f"{type(self).__name__} has no transform(img); write one")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"
