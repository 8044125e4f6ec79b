"""Losses as modules; the functions in `dovetail.nn.functional` say what each computes and raises."""

from __future__ import annotations

from dovetail import Tensor
from dovetail.nn import functional as F
from dovetail.nn.module import Module


class _Loss(Module):
    def __init__(self, reduction: str) -> None:
        super().__init__()
        F.check_reduction(reduction)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    weight: Tensor | None

    def __init__(self, weight: Tensor | None, reduction: str) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """The cross entropy between scores (N, C, ...) and class indices (N, ...) or probabilities (N, C, ...).

    Args:
        weight: a factor per class, shape (C,).
        ignore_index: a class index that counts for nothing.
        reduction: "mean", "sum" or "none".
        label_smoothing: the share of the target spread evenly over all classes, in [0, 1].

    Raises:
        ValueError: ``reduction`` is not known.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> nn.CrossEntropyLoss()(dovetail.zeros(2, 4), dovetail.tensor([0, 3]))
        tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        """Keep the settings."""
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss; see `functional.cross_entropy`."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """The negative of the log-probabilities (N, C, ...) at the target classes (N, ...).

    Args:
        weight: a factor per class, shape (C,).
        ignore_index: a class index that counts for nothing.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: ``reduction`` is not known.
    """

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        """Keep the settings."""
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss; see `functional.nll_loss`."""
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class MSELoss(_Loss):
    """The squared differences of two tensors of one shape.

    Args:
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: ``reduction`` is not known.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> nn.MSELoss()(dovetail.tensor([1.0, 2.0]), dovetail.tensor([1.0, 4.0]))
        tensor(2.)
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        """Keep the setting."""
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss; see `functional.mse_loss`."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """The absolute differences of two tensors of one shape.

    Args:
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: ``reduction`` is not known.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        """Keep the setting."""
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss; see `functional.l1_loss`."""
        return F.l1_loss(input, target, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """The cross entropy between probabilities and targets in [0, 1] of one shape.

    Args:
        weight: factors that broadcast to that shape.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: ``reduction`` is not known.
    """

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        """Keep the settings."""
        super().__init__(weight, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss; see `functional.binary_cross_entropy`."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """The cross entropy between ``sigmoid(scores)`` and targets in [0, 1] of one shape, without overflow.

    Args:
        weight: factors that broadcast to that shape.
        reduction: "mean", "sum" or "none".
        pos_weight: factors of the positive targets that broadcast to that shape.

    Raises:
        ValueError: ``reduction`` is not known.
    """

    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        """Keep the settings."""
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss; see `functional.binary_cross_entropy_with_logits`."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
