"""Transforms made of transforms: one after the other, some of them, one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dovetail.data.transforms.checks import probability
from dovetail.data.transforms.drawing import choice, order, unit

Transform = Callable[[Any], Any]


def _listed(owner: Any, *lines: str) -> str:
    return "\n".join([f"{type(owner).__name__}(", *(f"    {line}" for line in lines), ")"])


class Compose:
    """Transforms one after the other.

    Args:
        transforms: called in turn, each with what the one before returned.

    Example::

        >>> Compose([lambda x: x + 1, lambda x: x * 2])(3)
        8
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(self, *map(str, self.transforms))


class Lambda:
    """A function as a transform. To be sent to worker processes, it must not be a ``lambda``.

    Args:
        lambd: the function.

    Raises:
        TypeError: it cannot be called.

    Example::

        >>> Lambda(abs)(-3)
        3
    """

    def __init__(self, lambd: Transform) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda takes a function, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class RandomApply:
    """All of the transforms, with probability ``p``, or none.

    Args:
        transforms: called in turn.
        p: the probability.

    Raises:
        ValueError: ``p`` is not in [0, 1].

    Example::

        >>> RandomApply([abs], p=1.0)(-3)
        3
    """

    def __init__(self, transforms: Sequence[Transform], p: float = 0.5) -> None:
        self.transforms = transforms
        self.p = probability("RandomApply", p)

    def __call__(self, img: Any) -> Any:
        if self.p < unit():
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(self, f"p={self.p}", *map(str, self.transforms))


class RandomChoice:
    """One of the transforms, drawn anew each time, from the default generator as all random transforms do.

    Args:
        transforms: to choose from.
        p: how probable each of them is; they need not add up to 1. All are equally probable if None.

    Raises:
        ValueError: there are not as many probabilities as transforms, or one is negative.

    Example::

        >>> RandomChoice([abs, float], p=[1, 0])(-3)
        3
    """

    def __init__(self, transforms: Sequence[Transform], p: Sequence[float] | None = None) -> None:
        if p is not None and (len(p) != len(transforms) or min(p) < 0 or sum(p) <= 0):
            raise ValueError(
                f"RandomChoice takes p with one number of at least 0 for each of {len(transforms)} transforms, got {p}"
            )
        self.transforms = transforms
        self.p = p

    def __call__(self, img: Any) -> Any:
        return self.transforms[choice([1.0] * len(self.transforms) if self.p is None else self.p)](img)

    def __repr__(self) -> str:
        return f"{_listed(self, *map(str, self.transforms))}(p={self.p})"


class RandomOrder:
    """All of the transforms, in an order drawn anew each time, from the default generator.

    Args:
        transforms: called in turn.

    Example::

        >>> RandomOrder([abs, abs])(-3)
        3
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for place in order(len(self.transforms)):
            img = self.transforms[place](img)
        return img

    def __repr__(self) -> str:
        return _listed(self, *map(str, self.transforms))
