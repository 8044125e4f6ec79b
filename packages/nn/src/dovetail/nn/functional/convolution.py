"""Convolution and pooling over images, shape (N, C, H, W) or (C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dovetail
from dovetail import Tensor, ops
from dovetail.errors import ShapeError
from dovetail.nn._explain import explain_conv2d


def pair(value: Any) -> tuple[int, int]:
    """Return an int as a pair, and a pair as it is."""
    if isinstance(value, int):
        return value, value
    value = tuple(value)
    if len(value) != 2:
        raise ValueError(f"an int or a pair (height, width) is needed; got {value}")
    return value


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str | int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Tensor:
    """Return the 2-dimensional cross-correlation of the input with each kernel.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        weight: shape (out_channels, C / groups, height, width), of the same dtype.
        bias: shape (out_channels,).
        stride: the step of the kernel; an int or a pair, as are the next two.
        padding: zeros put around the input; "valid" is none, "same" keeps H and W (stride 1 only).
        dilation: the distance between the kernel's points.
        groups: how many blocks the channels are split into.

    Returns:
        Shape (N, out_channels, H', W') or (out_channels, H', W').

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the dtypes differ.
        ValueError: ``padding`` is another word, or "same" with a stride.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.conv2d(dovetail.ones(1, 1, 2, 2), dovetail.ones(1, 1, 2, 2))
        tensor([[[[4.]]]])
    """
    stride, dilation = pair(stride), pair(dilation)
    if isinstance(padding, str):
        input, padding = _padded(input, weight, padding, stride, dilation)
    else:
        padding = pair(padding)
    try:
        if input.ndim == 3:
            return conv2d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
        return ops.conv2d(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    except Exception as error:
        raise (explain_conv2d(input, weight, bias, groups, dilation, padding) or error) from None


def _padded(
    input: Tensor, weight: Tensor, padding: str, stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[Tensor, tuple[int, int]]:
    """Return the input and the numbers that a word for padding stands for."""
    if padding == "valid":
        return input, (0, 0)
    if padding != "same":
        raise ValueError(f"conv2d: padding is 'same', 'valid', an int or a pair of ints; got {padding!r}")
    if stride != (1, 1):
        raise ValueError(f"conv2d: padding='same' works with stride 1 only; got stride={stride}")
    totals = [step * (kernel - 1) for step, kernel in zip(dilation, weight.shape[-2:], strict=True)]
    if any(total % 2 for total in totals):
        # what is left over goes to the far side, which the op cannot say
        input = pad(input, (0, totals[1] % 2, 0, totals[0] % 2))
    return input, (totals[0] // 2, totals[1] // 2)


def max_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest value in each window; the arguments are those of `MaxPool2d`.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        kernel_size: height and width of the window.
        stride: the window's step; None means ``kernel_size``.
        padding: how far windows reach over the edge, at most half the window.
        dilation: the distance between the window's points.
        ceil_mode: whether windows that reach over the far edge count.
        return_indices: whether the places of the values in H * W are returned as well, int64.

    Returns:
        Shape (N, C, H', W') or (C, H', W'), or a pair of these.

    Raises:
        ShapeError: the input has other dimensions, or is smaller than the window.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.max_pool2d(dovetail.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
        tensor([[[4.]]])
    """
    _check_image("max_pool2d", input)
    if input.ndim == 3:
        out = max_pool2d(input.unsqueeze(0), kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        return tuple(part.squeeze(0) for part in out) if return_indices else out.squeeze(0)
    kernel = pair(kernel_size)
    step = kernel if stride is None or stride == () else pair(stride)
    options = {"kernel_size": kernel, "stride": step, "padding": pair(padding), "dilation": pair(dilation)}
    values, indices = ops.max_pool2d(input, ceil_mode=ceil_mode, **options)
    return (values, indices) if return_indices else values


def avg_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window; the arguments are those of `AvgPool2d`.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        kernel_size: height and width of the window.
        stride: the window's step; None means ``kernel_size``.
        padding: zeros put around the input, at most half the window.
        ceil_mode: whether windows that reach over the far edge count.
        count_include_pad: whether the zeros count in the mean.
        divisor_override: what the sums are divided by instead of the window's size.

    Returns:
        Shape (N, C, H', W') or (C, H', W').

    Raises:
        ShapeError: the input has other dimensions, or is smaller than the window.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.avg_pool2d(dovetail.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
        tensor([[[2.5000]]])
    """
    _check_image("avg_pool2d", input)
    if input.ndim == 3:
        rest = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        return avg_pool2d(input.unsqueeze(0), *rest).squeeze(0)
    kernel, border = pair(kernel_size), pair(padding)
    step = kernel if stride is None or stride == () else pair(stride)
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override must not be 0")
    beyond = [_overhang(*sizes, ceil_mode) for sizes in zip(input.shape[-2:], kernel, step, border, strict=True)]
    plain = count_include_pad or border == (0, 0)
    if not any(beyond) and (plain or divisor_override):
        out = ops.avg_pool2d(input, kernel_size=kernel, stride=step, padding=border)
        return out * (kernel[0] * kernel[1] / divisor_override) if divisor_override else out
    edges = (border[1], border[1] + beyond[1], border[0], border[0] + beyond[0])
    out = ops.avg_pool2d(pad(input, edges), kernel_size=kernel, stride=step)
    if divisor_override:
        return out * (kernel[0] * kernel[1] / divisor_override)
    # the same over ones where a position counts gives the share of each window that does
    counted = input.new_ones((1, 1, *input.shape[-2:]))
    if count_include_pad:
        counted = pad(
            pad(counted, (border[1], border[1], border[0], border[0]), value=1.0), (0, beyond[1], 0, beyond[0])
        )
    else:
        counted = pad(counted, edges)
    return out / ops.avg_pool2d(counted, kernel_size=kernel, stride=step)


def _overhang(size: int, kernel: int, step: int, border: int, ceil_mode: bool) -> int:
    """Return how far the last window reaches over the padded far edge; it must start inside the near one."""
    reach = size + 2 * border - kernel
    if not ceil_mode or reach % step == 0:
        return 0
    last = (reach // step + 1) * step
    return last + kernel - size - 2 * border if last < size + border else 0


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Return the input with a border of one value.

    Args:
        input: any shape.
        pad: the widths before and after the last dimension, then the one before it, and so on; negative ones cut.
        mode: "constant" is the only one.
        value: what the border holds; None means 0.

    Raises:
        ValueError: ``mode`` is another, or ``pad`` is odd or too long.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.pad(dovetail.tensor([1.0, 2.0]), (1, 2))
        tensor([0., 1., 2., 0., 0.])
    """
    if mode != "constant":
        raise ValueError(f"pad: mode is 'constant'; got {mode!r}")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(f"pad takes two widths for each of up to {input.ndim} dimensions; got {tuple(pad)}")
    for position in range(0, len(pad), 2):
        dim = input.ndim - 1 - position // 2
        before, after = pad[position], pad[position + 1]
        cut = input.shape[dim] + min(before, 0) + min(after, 0)
        if before < 0 or after < 0:
            input = input.narrow(dim, max(-before, 0), cut)
        borders = [(*input.shape[:dim], max(width, 0), *input.shape[dim + 1 :]) for width in (before, after)]
        first, last = (input.new_full(shape, value or 0) for shape in borders)
        parts = [part for part, width in ((first, before), (input, 1), (last, after)) if width > 0]
        input = dovetail.cat(parts, dim) if len(parts) > 1 else input
    return input


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Return the means of as many windows as the output is to have.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        output_size: height and width of the output, or one int for both; None keeps the input's.

    Returns:
        Shape (N, C, *output_size) or (C, *output_size).

    Raises:
        ShapeError: the input has other dimensions.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.adaptive_avg_pool2d(dovetail.tensor([[[1.0, 2.0, 3.0]]]), (1, 2))
        tensor([[[1.5000, 2.5000]]])
    """
    _check_image("adaptive_avg_pool2d", input)
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    for dim, size in zip((-2, -1), sizes, strict=True):
        input = _mean_windows(input, dim, input.shape[dim] if size is None else size)
    return input


def _mean_windows(input: Tensor, dim: int, count: int) -> Tensor:
    """Return the means of ``count`` windows along ``dim``, which overlap where the size is no multiple."""
    size = input.shape[dim]
    if count == size:
        return input
    if count == 1:
        return input.mean(dim, keepdim=True)
    # window k goes from floor(k * size / count) to ceil((k + 1) * size / count)
    edges = [(k * size // count, -((k + 1) * -size // count)) for k in range(count)]
    return dovetail.cat([input.narrow(dim, low, high - low).mean(dim, keepdim=True) for low, high in edges], dim)


def _check_image(name: str, input: Tensor) -> None:
    if input.ndim not in (3, 4):
        raise ShapeError(f"{name} takes an input of shape (N, C, H, W) or (C, H, W); got {tuple(input.shape)}")
