"""MixUp and CutMix: each image of a batch mixed with another one, and their labels likewise."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import dovetail
from dovetail.data.transforms.drawing import dirichlet, integer
from dovetail.errors import DTypeError, ShapeError


class _Mixing(ABC):
    """What both have in common: which parts of a batch are images and labels, and what becomes of the labels."""

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        labels_getter: Callable[[Any], Any] | str = "default",
    ) -> None:
        if not alpha > 0:
            raise ValueError(f"{type(self).__name__} takes an alpha above 0, got {alpha!r}")
        if not callable(labels_getter) and labels_getter != "default":
            raise ValueError(
                f"{type(self).__name__} takes labels_getter 'default' or a function, got {labels_getter!r}"
            )
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self._labels_getter = labels_getter

    def __call__(self, *inputs: Any) -> Any:
        batch = inputs if len(inputs) > 1 else inputs[0]
        parts = dict(batch) if isinstance(batch, Mapping) else dict(enumerate(batch))
        labels = self._labels_getter(batch) if callable(self._labels_getter) else self._second(parts)
        self._check_labels(labels)
        images = {key: part for key, part in parts.items() if part is not labels and _is_images(part)}
        if not images:
            raise ShapeError(
                f"{type(self).__name__} takes a batch with images of shape (batch, channels, height, width), got "
                f"{', '.join(_described(part) for part in parts.values())}; use it after collating"
            )
        for key, part in images.items():
            if len(part) != len(labels):
                raise ShapeError(
                    f"{type(self).__name__} takes as many labels as images, got {len(labels)} and {len(part)} ({key!r})"
                )
        share, mix = self._drawn(*next(iter(images.values())).shape[-2:])
        mixed = {key: mix(part) if key in images else part for key, part in parts.items()}
        for key, part in parts.items():
            if part is labels:
                mixed[key] = self._mixed_labels(labels, share)
        return mixed if isinstance(batch, Mapping) else type(batch)(mixed.values())

    def _second(self, parts: dict[Any, Any]) -> Any:
        keys = list(parts)
        found = [key for key in keys if isinstance(key, str) and "label" in key.lower()] or keys[1:2]
        return parts[found[0]] if found else None

    @abstractmethod
    def _drawn(self, height: int, width: int) -> tuple[float, Callable[[Any], Any]]:
        """Return the share of each image that stays, and a function that mixes a batch of images."""

    def _share(self) -> float:
        """Draw from the Beta distribution with both parameters alpha."""
        return dirichlet([self.alpha, self.alpha])[0]

    def _check_labels(self, labels: Any) -> None:
        name, classes = type(self).__name__, self.num_classes
        if not isinstance(labels, dovetail.Tensor) or labels.ndim not in (1, 2):
            raise ShapeError(
                f"{name} takes labels in a tensor of shape (batch,) or, as probabilities, (batch, classes), got "
                f"{_described(labels)}"
            )
        if labels.ndim == 1:
            if classes is None:
                raise ValueError(f"{name} makes probabilities of labels of shape (batch,); give it num_classes")
            _check_whole(name, labels, classes)
        if labels.ndim == 2 and classes not in (None, labels.shape[1]):
            raise ShapeError(f"{name} with num_classes={classes} takes as many probabilities, got {labels.shape[1]}")

    def _mixed_labels(self, labels: dovetail.Tensor, share: float) -> dovetail.Tensor:
        if labels.ndim == 1:
            labels = dovetail.eye(self.num_classes or 0, device=labels.device)[labels]
        labels = labels if labels.dtype.is_floating_point else labels.float()
        return labels.roll(1, 0) * (1.0 - share) + labels * share

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, num_classes={self.num_classes})"


def _check_whole(name: str, labels: dovetail.Tensor, classes: int) -> None:
    """Raise an error if labels are not numbers of classes."""
    if labels.dtype.is_floating_point:
        raise DTypeError(f"{name}: labels of shape (batch,) are whole numbers, got {labels.dtype}; use .long()")
    for label in labels.tolist():
        if not 0 <= label < classes:
            raise ValueError(f"{name} with num_classes={classes} takes labels from 0 to {classes - 1}, got {label}")


def _is_images(part: Any) -> bool:
    return isinstance(part, dovetail.Tensor) and part.ndim == 4


def _described(part: Any) -> str:
    if isinstance(part, dovetail.Tensor):
        return f"a tensor of shape {tuple(part.shape)}"
    return f"{type(part).__module__}.{type(part).__qualname__}".removeprefix("builtins.")


class MixUp(_Mixing):
    """Replace each image of a batch, and its label, by a weighted mean with the one before it in the batch.

    To be called with a batch, ``mixup(images, labels)`` or ``mixup([images, labels])``, such as in a loader's
    ``collate_fn``. Images are floating-point, of shape (batch, channels, height, width); labels become probabilities
    of shape (batch, num_classes).

    Args:
        alpha: the weight is drawn from Beta(alpha, alpha), once for the batch.
        num_classes: how many classes there are; may be left out if labels are probabilities.
        labels_getter: a function from the batch to its labels; by default they are what has "label" in its key, or
            the second part.

    Raises:
        ValueError, ShapeError, DTypeError: an argument or the batch is something else.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2017.

    Example::

        >>> images, labels = MixUp(num_classes=3)(dovetail.rand(2, 1, 4, 4), dovetail.tensor([0, 2]))
        >>> labels.shape, labels.sum(1)
        (dovetail.Size([2, 3]), tensor([1., 1.]))
    """

    def _drawn(self, height: int, width: int) -> tuple[float, Callable[[Any], Any]]:
        share = self._share()

        def mix(images: dovetail.Tensor) -> dovetail.Tensor:
            if not images.dtype.is_floating_point:
                raise DTypeError(f"MixUp takes floating-point images, got {images.dtype}; try convert_image_dtype")
            return images.roll(1, 0) * (1.0 - share) + images * share

        return share, mix


class CutMix(_Mixing):
    """Replace a part of each image of a batch by that of the one before it, and mix their labels by the parts' areas.

    Called as ``MixUp`` is; images may be of any dtype.

    Args:
        alpha: the part's area, as a share of the image, is drawn from Beta(alpha, alpha), once for the batch.
        num_classes: how many classes there are; may be left out if labels are probabilities.
        labels_getter: see ``MixUp``.

    Raises:
        ValueError, ShapeError: an argument or the batch is something else.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019.

    Example::

        >>> images, labels = CutMix(num_classes=3)(dovetail.rand(2, 1, 4, 4), dovetail.tensor([0, 2]))
        >>> labels.shape, labels.sum(1)
        (dovetail.Size([2, 3]), tensor([1., 1.]))
    """

    def _drawn(self, height: int, width: int) -> tuple[float, Callable[[Any], Any]]:
        share = self._share()
        x, y = integer(0, width), integer(0, height)
        half = 0.5 * math.sqrt(1.0 - share)
        across, down = int(half * width), int(half * height)
        left, right = max(x - across, 0), min(x + across, width)
        top, bottom = max(y - down, 0), min(y + down, height)

        def mix(images: dovetail.Tensor) -> dovetail.Tensor:
            mixed = images.clone()
            mixed[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
            return mixed

        return 1.0 - (right - left) * (bottom - top) / (width * height), mix
