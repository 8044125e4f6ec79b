"""Convolution and pooling over images."""

from __future__ import annotations

import math
from typing import Any

import dovetail
from dovetail import Tensor
from dovetail.nn import functional as F
from dovetail.nn import init
from dovetail.nn.functional.convolution import pair
from dovetail.nn.module import Module
from dovetail.nn.parameter import Parameter


class Conv2d(Module):
    """A 2-dimensional convolution (cross-correlation).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: height and width of the kernel, or one int for both; so are the next three.
        stride: the step of the kernel.
        padding: zeros put around the input; "valid" is none, "same" keeps height and width (stride 1 only).
        dilation: the distance between the kernel's points.
        groups: how many blocks the channels are split into, each with kernels of its own.
        bias: whether a bias is added.
        padding_mode: what the padding holds; "zeros" is the only one.
        device: where the parameters live.
        dtype: the parameters' dtype.

    Attributes:
        weight: shape (out_channels, in_channels / groups, height, width).
        bias: shape (out_channels,); None without one.

    Raises:
        ValueError: an argument is out of range.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> tuple(nn.Conv2d(3, 8, 3, stride=2, padding=1)(dovetail.ones(4, 3, 32, 32)).shape)
        (4, 8, 16, 16)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make the parameters."""
        super().__init__()
        _check_conv(in_channels, out_channels, groups, stride, padding, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = padding if isinstance(padding, str) else pair(padding)
        self.dilation = pair(dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(dovetail.empty(shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias", Parameter(dovetail.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def forward(self, input: Tensor) -> Tensor:
        """Return (N, out_channels, H', W') for an input (N, in_channels, H, W); N may be absent.

        Raises:
            ShapeError: the input has other channels or dimensions, or is smaller than the kernel.
            DTypeError: the input's dtype is not the weight's.
        """
        return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """Return the settings that are not the defaults."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else text + ", bias=False"


def _check_conv(in_channels: int, out_channels: int, groups: int, stride: Any, padding: Any, padding_mode: str) -> None:
    if groups < 1:
        raise ValueError(f"Conv2d: groups is 1 or more; got {groups}")
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"Conv2d: {name}={channels} must be divisible by groups={groups}")
    if isinstance(padding, str) and padding not in ("same", "valid"):
        raise ValueError(f"Conv2d: padding is 'same', 'valid', an int or a pair of ints; got {padding!r}")
    if padding == "same" and pair(stride) != (1, 1):
        raise ValueError(
            f"Conv2d: padding='same' works with stride 1 only; got stride={stride}; give padding in numbers"
        )
    if padding_mode != "zeros":
        raise ValueError(
            f"Conv2d: padding_mode is 'zeros'; got {padding_mode!r}; pad the input before the layer instead"
        )


class _Pool(Module):
    def __init__(self, kernel_size: Any, stride: Any, padding: Any) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding


class MaxPool2d(_Pool):
    """The largest value in each window.

    Args:
        kernel_size: height and width of the window, or one int for both; so are the next three.
        stride: the window's step; None means ``kernel_size``.
        padding: how far windows reach over the edge.
        dilation: the distance between the window's points.
        return_indices: whether the places of the largest values are returned as well.
        ceil_mode: whether windows that reach over the far edge count.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> tuple(nn.MaxPool2d(2)(dovetail.ones(4, 8, 16, 16)).shape)
        (4, 8, 8, 8)
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        """Keep the settings."""
        super().__init__(kernel_size, stride, padding)
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        """Return (N, C, H', W') for an input (N, C, H, W); N may be absent."""
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(_Pool):
    """The mean of each window.

    Args:
        kernel_size: height and width of the window, or one int for both; so are the next two.
        stride: the window's step; None means ``kernel_size``.
        padding: zeros put around the input.
        ceil_mode: whether windows that reach over the far edge count.
        count_include_pad: whether the zeros count in the mean.
        divisor_override: what the sums are divided by instead of the window's size.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> tuple(nn.AvgPool2d(2)(dovetail.ones(4, 8, 16, 16)).shape)
        (4, 8, 8, 8)
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        """Keep the settings."""
        super().__init__(kernel_size, stride, padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Return (N, C, H', W') for an input (N, C, H, W); N may be absent."""
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The means of as many windows as the output is to have.

    Args:
        output_size: height and width of the output, or one int for both; None keeps the input's.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> tuple(nn.AdaptiveAvgPool2d(1)(dovetail.ones(4, 8, 7, 9)).shape)
        (4, 8, 1, 1)
    """

    def __init__(self, output_size: int | tuple[int | None, int | None] | None) -> None:
        """Keep the size."""
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """Return (N, C, *output_size) for an input (N, C, H, W); N may be absent."""
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        """Return the size."""
        return f"output_size={self.output_size}"
