"""Ways to fill a tensor with starting values; after ``manual_seed`` they draw what PyTorch's CPU generator draws.

Each changes its tensor in place, outside autograd, and returns it.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import dovetail
from dovetail import Tensor

_PLAIN_GAIN = frozenset(
    ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid"]
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which a nonlinearity's input should be spread so that its output keeps its spread.

    Args:
        nonlinearity: ``linear``, ``conv2d``, ``sigmoid``, ``tanh``, ``relu``, ``leaky_relu``, ``selu``, ...
        param: the negative slope of ``leaky_relu``; None means 0.01.

    Raises:
        ValueError: the nonlinearity is not known, or ``param`` is not a number.

    Example::

        >>> from dovetail.nn import init
        >>> init.calculate_gain("leaky_relu", 1)
        1.0
    """
    if nonlinearity in _PLAIN_GAIN:
        return 1.0
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"the negative slope of leaky_relu is a number; got {slope!r}")
        return math.sqrt(2.0 / (1 + slope**2))
    known = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 0.75}
    if nonlinearity not in known:
        names = ", ".join(sorted({*_PLAIN_GAIN, *known, "leaky_relu"}))
        raise ValueError(f"no gain is known for nonlinearity {nonlinearity!r}; there are {names}")
    return known[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Return how many values reach and leave each output of a weight shaped (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ValueError(
            f"fan in and fan out need a weight of 2 or more dimensions, (out, in, ...); got shape {tuple(tensor.shape)}"
        )
    out, inputs, *kernel = tensor.shape
    area = math.prod(kernel)
    return inputs * area, out * area


def _fan(tensor: Tensor, mode: str) -> int:
    modes = ("fan_in", "fan_out")
    if mode not in modes:
        raise ValueError(f"mode is 'fan_in' or 'fan_out'; got {mode!r}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode)]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with draws from the uniform distribution on [a, b).

    Example::

        >>> import dovetail
        >>> from dovetail.nn import init
        >>> _ = dovetail.manual_seed(0)
        >>> init.uniform_(dovetail.empty(3))
        tensor([0.4963, 0.7682, 0.0885])
    """
    with dovetail.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with draws from the normal distribution."""
    with dovetail.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Tensor:
    """Fill with draws from the normal distribution cut off outside [a, b], by drawing again what falls outside."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: the mean {mean} is more than 2 std from [{a}, {b}]; the values may be badly spread",
            stacklevel=2,
        )
    inside = (math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))) / 2
    with dovetail.no_grad():
        # where little of the curve lies inside, drawing from all of it would take long
        draw = _redraw_normal if inside > 0.3 else _redraw_uniform
        return tensor.copy_(draw(tensor, mean, std, a, b, generator))


def _redraw_normal(tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any) -> Tensor:
    values = tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (values < a) | (values > b)
        if not outside.any():
            return values
        values = dovetail.where(outside, dovetail.empty_like(tensor).normal_(mean, std, generator=generator), values)


def _redraw_uniform(tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any) -> Tensor:
    """Accept uniform draws with the density's probability, the density being scaled to 1 at its peak in [a, b]."""
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    values = waiting = None
    while True:
        drawn = dovetail.empty_like(tensor).uniform_(a, b, generator=generator)
        density = ((drawn - mean) / std) ** 2 * -0.5 - peak
        refused = dovetail.empty_like(tensor).uniform_(generator=generator).log() > density
        values = drawn if values is None else dovetail.where(waiting, drawn, values)
        waiting = refused if waiting is None else waiting & refused
        if not waiting.any():
            return values


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    with dovetail.no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on the diagonal and zeros elsewhere.

    Raises:
        ValueError: the tensor is not 2-dimensional.
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_ fills a matrix; got shape {tuple(tensor.shape)}")
    with dovetail.no_grad():
        return tensor.copy_(dovetail.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill a weight (out, in, ...) uniformly so that outputs and gradients both keep their spread.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).

    Raises:
        ValueError: the weight has fewer than 2 dimensions.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill a weight (out, in, ...) normally so that outputs and gradients both keep their spread.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).

    Raises:
        ValueError: the weight has fewer than 2 dimensions.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill a weight (out, in, ...) uniformly so that a rectifier's outputs (or gradients) keep their spread.

    Args:
        tensor: the weight.
        a: the negative slope of the leaky rectifier that follows.
        mode: ``fan_in`` keeps the spread going forward, ``fan_out`` going backward.
        nonlinearity: what follows, as in `calculate_gain`.
        generator: what to draw from; None means the default generator.

    Source: He et al., "Delving deep into rectifiers" (2015).

    Raises:
        ValueError: the weight has fewer than 2 dimensions, or ``mode`` or ``nonlinearity`` is not known.
    """
    if tensor.numel() == 0:
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill a weight (out, in, ...) normally so that a rectifier's outputs (or gradients) keep their spread.

    The arguments are those of `kaiming_uniform_`.

    Source: He et al., "Delving deep into rectifiers" (2015).

    Raises:
        ValueError: the weight has fewer than 2 dimensions, or ``mode`` or ``nonlinearity`` is not known.
    """
    if tensor.numel() == 0:
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)
