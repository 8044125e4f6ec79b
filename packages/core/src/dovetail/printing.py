"""How tensors print: as PyTorch's, which people read at a glance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dovetail import dtypes
from dovetail.device import CPU
from dovetail.tensor import Tensor

__all__ = ["printoptions", "set_printoptions", "tensor_repr"]


@dataclass(frozen=True)
class Options:
    """What ``set_printoptions`` sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {"default": Options(), "short": Options(precision=2, edgeitems=2), "full": Options(threshold=math.inf)}
_options = Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print; what is not given stays, but for ``sci_mode``.

    Args:
        precision: digits after the point of floating-point numbers (4 at first).
        threshold: the number of elements above which a tensor is summarised (1000).
        edgeitems: elements shown at each end of a summarised dimension (3).
        linewidth: characters per line (80).
        profile: "default", "short" or "full", which sets all of these first.
        sci_mode: whether to write 1.0000e+00; None, the default, decides by the numbers.

    Raises:
        ValueError: there is no such profile, or a number is negative.

    Example::

        >>> import dovetail
        >>> dovetail.set_printoptions(precision=2)
        >>> dovetail.tensor([1.12345])
        tensor([1.12])
        >>> dovetail.set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"profile must be one of {', '.join(map(repr, _PROFILES))}, got {profile!r}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name, value in changes.items():
        if not value >= 0:
            raise ValueError(f"{name} must be 0 or more, got {value}")
    _options = replace(_PROFILES[profile] if profile else _options, sci_mode=sci_mode, **changes)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print tensors differently in a block; takes what ``set_printoptions`` takes.

    Example::

        >>> import dovetail
        >>> with dovetail.printing.printoptions(precision=1):
        ...     print(dovetail.tensor([1.12345]))
        tensor([1.1])
    """
    global _options
    before = _options
    set_printoptions(**options)
    try:
        yield
    finally:
        _options = before


class _Format:
    """Writes the real numbers of one array, all in the way that suits the finite ones that are not zero."""

    def __init__(self, array: np.ndarray) -> None:
        self.is_float = array.dtype.kind == "f"
        self.scientific = self.whole = False
        self.width = 1
        if self.is_float:
            self._choose(array.astype(np.float64).reshape(-1))
        elif array.dtype.kind == "b":
            self.width = 5 if not array.all() else 4
        else:
            self.width = max(len(str(array.min())), len(str(array.max())))

    def _choose(self, array: np.ndarray) -> None:
        numbers = array[np.isfinite(array) & (array != 0)]
        self.whole = bool((numbers == np.ceil(numbers)).all())
        if numbers.size:
            smallest, largest = float(np.abs(numbers).min()), float(np.abs(numbers).max())
            uneven = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
            self.scientific = uneven if _options.sci_mode is None else _options.sci_mode
            self.width = max(len(self._text(number)) for number in numbers.tolist())

    def _text(self, number: float) -> str:
        if self.scientific:
            return f"{number:.{_options.precision}e}"
        if self.whole:
            return f"{number:.0f}." if math.isfinite(number) else f"{number:.0f}"
        return f"{number:.{_options.precision}f}"

    def __call__(self, value: Any) -> str:
        return (self._text(value) if self.is_float else str(value)).rjust(self.width)


class _ComplexFormat:
    """Writes complex numbers, their parts in a format of their own each."""

    def __init__(self, array: np.ndarray) -> None:
        self.real, self.imaginary = _Format(array.real), _Format(array.imag)
        self.width = self.real.width + self.imaginary.width + 1

    def __call__(self, value: complex) -> str:
        imaginary = self.imaginary(value.imag).lstrip()
        return self.real(value.real) + ("" if imaginary.startswith("-") else "+") + imaginary + "j"


def _edges(array: np.ndarray) -> np.ndarray:
    """Return the elements that a summary shows."""
    count = _options.edgeitems
    for axis, size in enumerate(array.shape):
        if size > 2 * count:
            array = np.take(array, [*range(count), *range(size - count, size)], axis=axis)
    return array


def _body(array: np.ndarray, indent: int, summarise: bool, write: Any) -> str:
    """Return the brackets and numbers of an array whose first bracket stands in column ``indent``."""
    if array.ndim == 0:
        return write(array.item())
    count = _options.edgeitems
    cut = summarise and array.shape[0] > 2 * count
    if array.ndim == 1:
        return _line(array.tolist(), indent, count if cut else None, write)
    rows = [*array[:count], None, *array[len(array) - count :]] if cut else array
    parts = ["..." if row is None else _body(row, indent + 1, summarise, write) for row in rows]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _line(values: list[Any], indent: int, edge: int | None, write: Any) -> str:
    """Return one bracket of numbers, broken where the line is full."""
    if edge is None:
        parts = [write(value) for value in values]
    else:
        # with no edges at all the dots stand alone, without the space that follows a comma
        start, end = [write(value) for value in values[:edge]], [write(value) for value in values[len(values) - edge :]]
        parts = [*start, " ..." if edge else "...", *end]
    per_line = max(1, (_options.linewidth - indent) // (write.width + 2))
    lines = [", ".join(parts[first : first + per_line]) for first in range(0, len(parts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _suffixes(tensor: Tensor) -> list[str]:
    """Return what is told behind the numbers: whatever they do not show."""
    default = dtypes.get_default_dtype()
    default_complex = dtypes.complex128 if default is dtypes.float64 else dtypes.complex64
    empty = tensor.numel() == 0
    found = []
    if tensor.device is not CPU:
        found.append(f"device='{tensor.device}'")
    if empty and tensor.ndim != 1 or not (empty or _options.edgeitems):
        found.append(f"size={tuple(tensor.shape)}")
    if tensor.dtype not in ((default,) if empty else (default, default_complex, dtypes.int64, dtypes.bool_)):
        found.append(f"dtype={tensor.dtype}")
    if tensor.grad_fn is not None:
        found.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        found.append("requires_grad=True")
    return found


def tensor_repr(tensor: Tensor, tensor_contents: str | None = None) -> str:
    """Return a tensor's text: its numbers, then its device, dtype and gradient function where they say something.

    Args:
        tensor_contents: what to write in place of the numbers.

    Example::

        >>> import dovetail
        >>> dovetail.printing.tensor_repr(dovetail.ones(2, requires_grad=True))
        'tensor([1., 1.], requires_grad=True)'
    """
    special = tensor._device.backend.text_of(tensor._array)
    if special is not None:
        return special
    kind = type(tensor)
    prefix = f"{kind.__name__}(" if kind is not Tensor and kind.__repr__ is Tensor.__repr__ else "tensor("
    body = _numbers(tensor, len(prefix)) if tensor_contents is None else tensor_contents
    text = prefix + body
    column = len(text) - (text.rfind("\n") + 1) + 2
    for suffix in _suffixes(tensor):
        if column + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * len(prefix) + suffix
            column = len(prefix) + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"


def _numbers(tensor: Tensor, indent: int) -> str:
    """Return the brackets and numbers of a tensor, a summary of them when there are many."""
    array = tensor.device.backend.to_numpy(tensor._array)
    if tensor.dtype is dtypes.bfloat16:
        array = array.astype(np.float32)
    if array.size == 0:
        return "[]"
    summarise = array.size > _options.threshold
    shown = _edges(array) if summarise else array
    if shown.size == 0:  # no edges: there are only dots
        shown = np.zeros(1, array.dtype)
    write = _ComplexFormat(shown) if array.dtype.kind == "c" else _Format(shown)
    return _body(array, indent, summarise, write)
