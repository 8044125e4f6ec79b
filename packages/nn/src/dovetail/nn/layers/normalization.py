"""Layers that normalise by a batch's or a sample's own mean and variance."""

from __future__ import annotations

from typing import Any

import dovetail
from dovetail import Tensor
from dovetail.errors import ShapeError
from dovetail.nn import functional as F
from dovetail.nn import init
from dovetail.nn.module import Module
from dovetail.nn.parameter import Parameter


class _BatchNorm(Module):
    """What batch norm over any number of positions shares."""

    # version 2 counts the batches
    _version = 2
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _dimensions: tuple[int, ...] = ()
    _layout = ""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        """Make the parameters and the running statistics."""
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        place = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(dovetail.ones(num_features, **place)) if affine else None)
        self.register_parameter("bias", Parameter(dovetail.zeros(num_features, **place)) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", dovetail.zeros(num_features, **place) if tracked else None)
        self.register_buffer("running_var", dovetail.ones(num_features, **place) if tracked else None)
        count = dovetail.tensor(0, dtype=dovetail.int64, device=device) if tracked else None
        self.register_buffer("num_batches_tracked", count)

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set weight to 1, bias to 0, and forget the running statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised input, of the input's shape; in training mode update the running statistics.

        Raises:
            ShapeError: the input has other dimensions or features.
        """
        shape = input.shape
        if len(shape) not in self._dimensions or shape[1] != self.num_features:
            raise ShapeError(
                f"{type(self).__name__} with num_features={self.num_features} takes an input of shape "
                f"{self._layout.format(self.num_features)}; got {tuple(shape)}"
            )
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1.0 / int(self.num_batches_tracked)
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            0.0 if momentum is None else momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any) -> None:
        key = prefix + "num_batches_tracked"
        if self.num_batches_tracked is not None and (local_metadata.get("version") or 0) < 2 and key not in state_dict:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class BatchNorm1d(_BatchNorm):
    """Each feature less its mean over the batch, divided by its standard deviation, scaled and shifted.

    Args:
        num_features: the size C of dimension 1.
        eps: added to the variance.
        momentum: how much of the running statistics a batch replaces; None averages over all batches.
        affine: whether to learn a scale ``weight``, and with ``bias`` a shift, shape (C,).
        track_running_stats: whether to keep statistics for evaluation mode.
        device: where the tensors live.
        dtype: the parameters' dtype.
        bias: whether to learn a shift.

    Source: Ioffe and Szegedy, "Batch normalization" (2015).

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> nn.BatchNorm1d(1)(dovetail.tensor([[0.0], [2.0]])).tolist() == [[-0.9999949932098389], [0.9999949932098389]]
        True
    """

    _dimensions = (2, 3)
    _layout = "(N, {0}) or (N, {0}, L)"


class BatchNorm2d(_BatchNorm):
    """Each channel less its mean over batch and positions, divided by its standard deviation, scaled and shifted.

    The arguments are those of `BatchNorm1d`; the input has shape (N, C, H, W).

    Source: Ioffe and Szegedy, "Batch normalization" (2015).

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> layer = nn.BatchNorm2d(3)
        >>> tuple(layer(dovetail.ones(2, 3, 4, 4)).shape)
        (2, 3, 4, 4)
        >>> layer.running_mean
        tensor([0.1000, 0.1000, 0.1000])
    """

    _dimensions = (4,)
    _layout = "(N, {0}, H, W)"


class LayerNorm(Module):
    """Each sample less its mean over the last dimensions, divided by its standard deviation, scaled and shifted.

    Args:
        normalized_shape: the last dimensions, or one int for the last.
        eps: added to the variance.
        elementwise_affine: whether to learn a scale ``weight``, and with ``bias`` a shift, of that shape.
        bias: whether to learn a shift.
        device: where the parameters live.
        dtype: the parameters' dtype.

    Source: Ba et al., "Layer normalization" (2016).

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> tuple(nn.LayerNorm(4)(dovetail.ones(2, 3, 4)).shape)
        (2, 3, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make the parameters."""
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        place = {"device": device, "dtype": dtype}
        shape = self.normalized_shape
        self.register_parameter("weight", Parameter(dovetail.ones(shape, **place)) if elementwise_affine else None)
        shifted = elementwise_affine and bias
        self.register_parameter("bias", Parameter(dovetail.zeros(shape, **place)) if shifted else None)

    def reset_parameters(self) -> None:
        """Set weight to 1 and bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised input, of the input's shape.

        Raises:
            ShapeError: the input does not end in ``normalized_shape``.
        """
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )
