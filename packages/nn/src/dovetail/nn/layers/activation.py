"""Activation layers: each keeps its input's shape."""

from __future__ import annotations

from typing import Any

from dovetail import Tensor
from dovetail.nn import functional as F
from dovetail.nn.module import Module


class Identity(Module):
    """A module that returns its input; it takes any arguments and forgets them.

    Example::

        >>> from dovetail import nn
        >>> nn.Identity(54, unused=True)
        Identity()
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Forget the arguments."""
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input``."""
        return input


class _Inplace(Module):
    """An activation that can change its input instead of making a new tensor."""

    def __init__(self, inplace: bool = False) -> None:
        """Keep the choice."""
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return the choice when it is not the default."""
        return "inplace=True" if self.inplace else ""


class ReLU(_Inplace):
    """The input where it is positive, else 0.

    Args:
        inplace: whether the input itself is changed.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> nn.ReLU()(dovetail.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of ``input``, any shape."""
        return F.relu(input, self.inplace)


class SiLU(_Inplace):
    """``x * sigmoid(x)``, also called swish.

    Args:
        inplace: whether the input itself is changed.

    Source: Elfwing et al., "Sigmoid-weighted linear units for neural network function approximation" (2017).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of ``input``, any shape."""
        return F.silu(input, self.inplace)


class LeakyReLU(Module):
    """The input where it is positive, else ``negative_slope`` times it.

    Args:
        negative_slope: the slope below 0.
        inplace: whether the input itself is changed.
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        """Keep the slope."""
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of ``input``, any shape."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """Return the slope."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """The input times the normal distribution's probability below it.

    Args:
        approximate: "none" for the exact function, "tanh" for its approximation.

    Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016).
    """

    def __init__(self, approximate: str = "none") -> None:
        """Keep the choice."""
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of ``input``, any shape."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """Return the choice."""
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of ``input``, any shape."""
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of ``input``, any shape."""
        return F.tanh(input)


class Softmax(Module):
    """The exponentials along ``dim`` divided by their sum.

    Args:
        dim: the dimension that sums to 1.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> nn.Softmax(dim=0)(dovetail.zeros(2))
        tensor([0.5000, 0.5000])
    """

    def __init__(self, dim: int | None = None) -> None:
        """Keep the dimension."""
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Return the softmax of ``input``, any shape."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """Return the dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of the softmax along ``dim``, without overflow.

    Args:
        dim: the dimension whose exponentials sum to 1.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the log-softmax of ``input``, any shape."""
        return F.log_softmax(input, self.dim)
