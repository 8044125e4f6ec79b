"""Arguments of transforms: what they may be, and the errors that say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Number
from typing import Any


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, (bool, complex))


def size_pair(owner: str, size: Any, name: str = "size") -> tuple[int, int]:
    """Return ``(height, width)`` of a size given as one number, ``(n,)`` or ``(height, width)``.

    Raises:
        TypeError: it is no number and no sequence. ValueError: its length is not 1 or 2, or it has a size below 1.
    """
    if _is_number(size):
        size = (size,)
    if not isinstance(size, Sequence) or isinstance(size, str):
        raise TypeError(f"{owner} takes a {name} of one number or (height, width), got {size!r}")
    if len(size) not in (1, 2):
        raise ValueError(f"{owner} takes a {name} of one number or (height, width), got {len(size)} numbers: {size!r}")
    height, width = int(size[0]), int(size[-1])
    if height < 1 or width < 1:
        raise ValueError(f"{owner} takes a {name} of at least 1 pixel, got {size!r}")
    return height, width


def probability(owner: str, p: Any) -> float:
    """Return a probability as it was given.

    Raises:
        ValueError: it is no number in [0, 1].
    """
    if not _is_number(p) or not 0 <= p <= 1:
        raise ValueError(f"{owner} takes a probability p in [0, 1], got {p!r}")
    return p


def pair(
    owner: str, name: str, value: Any, lowest: float = -math.inf, highest: float = math.inf, positive: bool = False
) -> Any:
    """Return a range ``(from, to)`` as it was given.

    Raises:
        TypeError: it is no sequence. ValueError: it does not have two numbers in order within the limits.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{owner} takes {name} as two numbers (from, to), got {value!r}")
    if len(value) != 2 or not lowest <= value[0] <= value[1] <= highest or (positive and value[0] <= 0):
        limits = " above 0" if positive else "" if lowest == -math.inf else f" between {lowest:g} and {highest:g}"
        raise ValueError(
            f"{owner} takes {name} as two numbers (from, to){limits}, the first not above the second, got {value!r}"
        )
    return value


def angles(owner: str, name: str, value: Any, lengths: tuple[int, ...] = (2,)) -> list[float]:
    """Return ranges of angles in degrees; one number stands for (-number, number).

    Raises:
        TypeError, ValueError: it is something else.
    """
    allowed = f"one number of at least 0 or a sequence of {' or '.join(map(str, lengths))}"
    if _is_number(value):
        if value < 0:
            raise ValueError(f"{owner} takes {name} as {allowed}, got {value!r}")
        value = (-value, value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{owner} takes {name} as {allowed}, got {value!r}")
    if len(value) not in lengths:
        raise ValueError(f"{owner} takes {name} as {allowed}, got {value!r}")
    for low, high in zip(value[::2], value[1::2], strict=True):
        pair(owner, name, (low, high))
    return [float(angle) for angle in value]


def fill_value(owner: str, fill: Any) -> Any:
    """Return what to fill with: a number, or one for each channel; None stands for 0.

    Raises:
        TypeError: it is something else.
    """
    if fill is None:
        return 0
    if not _is_number(fill) and (not isinstance(fill, Sequence) or isinstance(fill, str)):
        raise TypeError(f"{owner} takes fill as a number or one number for each channel, got {fill!r}")
    return fill


def padding_sides(owner: str, padding: Any) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a padding given as 1, 2 (sides, top and bottom) or 4 numbers.

    Raises:
        TypeError: it is no number and no sequence. ValueError: it has another length.
    """
    if _is_number(padding):
        padding = (padding,)
    if not isinstance(padding, Sequence) or isinstance(padding, str):
        raise TypeError(f"{owner} takes padding as one number or a sequence of 1, 2 or 4, got {padding!r}")
    if len(padding) not in (1, 2, 4):
        raise ValueError(f"{owner} takes padding as one number or a sequence of 1, 2 or 4, got {padding!r}")
    left, top, right, bottom = (int(number) for number in tuple(padding) * (4 // len(padding)))
    return left, top, right, bottom


PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def padding_mode_name(owner: str, mode: Any) -> str:
    """Return a padding mode as it was given.

    Raises:
        ValueError: there is no such mode.
    """
    if mode not in PADDING_MODES:
        raise ValueError(f"{owner} takes padding_mode {', '.join(map(repr, PADDING_MODES))}, got {mode!r}")
    return str(mode)


def channel_values(fill: Any, channels: int) -> tuple[float, ...]:
    """Return what to fill each channel with.

    Raises:
        ValueError: there are neither one number nor as many as channels.
    """
    values = tuple(fill) if isinstance(fill, Sequence) else (0 if fill is None else fill,)
    if len(values) not in (1, channels):
        raise ValueError(f"fill takes one number or one for each of the image's {channels} channels, got {fill!r}")
    return values * channels if len(values) == 1 else values
