"""The arrays that an op's samples are made of."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from dovetail import dtypes
from dovetail.dtypes import DType
from dovetail.op import Op, Sample


class Make:
    """Makes the arrays of samples: the same ones each time for the same ``seed``.

    Example::

        >>> from dovetail.testing import Make
        >>> Make(0)(2, 3).shape
        (2, 3)
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.Generator(np.random.PCG64(seed))

    def __call__(self, *shape: int, low: float = -1.5, high: float = 1.5) -> np.ndarray:
        """Return float64 numbers in (low, high) in random order.

        They lie apart from each other and from 0, so that a finite difference does not step over the corner of a
        maximum, an absolute value or a relu.
        """
        count = int(np.prod(shape, dtype=np.int64))
        steps = (self._random.permutation(count) + self._random.uniform(0.2, 0.8, count)) / max(count, 1)
        values = low + (high - low) * steps
        if low < 0.0 < high:
            gap = 0.02 * min(-low, high)
            values = np.where(np.abs(values) < gap, np.copysign(gap, values), values)
        return values.reshape(shape)

    def booleans(self, *shape: int) -> np.ndarray:
        """Return truth values, both of them where there is room for both."""
        count = int(np.prod(shape, dtype=np.int64))
        return (self._random.permutation(count) % 2 == 0).reshape(shape)

    def integers(self, *shape: int, high: int, low: int = 0) -> np.ndarray:
        """Return int64 numbers from ``low`` (included) to ``high`` (excluded)."""
        return self._random.integers(low, high, shape)

    def constant(self, value: Any) -> np.ndarray:
        """Return the array of exactly these numbers."""
        return np.array(value)

    def dtype(self, name: str) -> DType:
        """Return the dtype of that name, for a sample's option."""
        return dtypes.named(name)


def samples_of(op: Op) -> list[Sample]:
    """Return an op's samples, the same ones each time.

    Raises:
        AssertionError: the op has none.
    """
    assert op.sampler is not None, (
        f"op {op.name!r} has no sample; state one beside it: {op.name}.sample(lambda make: [Sample(make(3, 4))])"
    )
    samples = list(op.sampler(Make(zlib.crc32(op.name.encode()))))
    assert samples, f"op {op.name!r}: its sampler gives no sample; it must give at least one"
    return samples
