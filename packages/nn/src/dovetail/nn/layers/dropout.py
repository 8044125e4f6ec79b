"""Dropout layers."""

from __future__ import annotations

from dovetail import Tensor
from dovetail.nn import functional as F
from dovetail.nn.module import Module


class _DropoutNd(Module):
    """What every dropout layer has: the probability of a drop, and whether the input itself is changed."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        """Keep the probability."""
        super().__init__()
        F.check_probability(p)
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Zeros with probability ``p`` while training, the other values divided by ``1 - p``; nothing in evaluation mode.

    Args:
        p: the probability of a zero.
        inplace: whether the input itself is changed.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).

    Raises:
        ValueError: ``p`` is not in [0, 1].

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> nn.Dropout(0.5).eval()(dovetail.ones(3))
        tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with values dropped, any shape."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Dropout of whole channels of (N, C, L) or (C, L); see `Dropout` and ``functional.dropout1d``.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> nn.Dropout1d(0.5).eval()(dovetail.ones(1, 2))
        tensor([[1., 1.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with channels dropped."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Dropout of whole channels of (N, C, H, W); see `Dropout` and ``functional.dropout2d``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with channels dropped."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W); see `Dropout` and ``functional.dropout3d``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with channels dropped."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean and variance of what SELU gives; see `Dropout` and ``functional.alpha_dropout``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with values dropped, any shape."""
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels of (N, C, *); see ``functional.feature_alpha_dropout``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with channels dropped."""
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
