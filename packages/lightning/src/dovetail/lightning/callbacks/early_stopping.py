"""EarlyStopping: end training when a metric no longer gets better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dovetail.lightning.callbacks.monitor import Monitor

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer


class EarlyStopping(Monitor):
    """Stops training when the monitored metric has not got better for ``patience`` looks at it.

    Args:
        monitor: the metric's name.
        min_delta: a change of at most this much is no improvement.
        patience: looks without improvement before training stops; one look per validation, or per epoch for a
            metric that training logs.
        verbose: print each improvement and the reason for stopping.
        mode: "min" if smaller is better, "max" if larger is.
        strict: raise if the metric is not logged.
        check_finite: stop at once when the metric is nan or infinite.
        stopping_threshold: stop at once when the metric is better than this.
        divergence_threshold: stop at once when the metric is worse than this.

    Raises:
        MisconfigurationException: ``mode`` is something else; while training, the metric was not logged.

    Example::

        >>> EarlyStopping("val_loss", patience=5).patience
        5
    """

    def __init__(
        self,
        monitor: str,
        min_delta: float = 0.0,
        patience: int = 3,
        verbose: bool = False,
        mode: str = "min",
        strict: bool = True,
        check_finite: bool = True,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.min_delta = abs(min_delta)
        self.patience = patience
        self.verbose = verbose
        self.strict = strict
        self.check_finite = check_finite
        self.stopping_threshold = stopping_threshold
        self.divergence_threshold = divergence_threshold
        self.wait_count = 0
        self.stopped_epoch = 0
        self.best_score = self.worst
        self.reason = ""

    def state_dict(self) -> dict[str, Any]:
        """Return how long it has waited, for what."""
        return {"wait_count": self.wait_count, "stopped_epoch": self.stopped_epoch, "best_score": self.best_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Wait on from there."""
        self.wait_count = state_dict["wait_count"]
        self.stopped_epoch = state_dict["stopped_epoch"]
        self.best_score = state_dict["best_score"]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the metric after a validation inside an epoch."""
        if self.inside_epoch(trainer):
            self._look(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the metric after an epoch."""
        if self.strict:
            self.require(trainer)
        self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        value = self.fresh(trainer)
        if value is None:
            return
        self.reason = self._reason(value)
        if self.reason:
            trainer.should_stop = True
            self.stopped_epoch = trainer.current_epoch
        if self.verbose and (self.reason or self.wait_count == 0):
            trainer.lightning_module.print(self.reason or f"{self.monitor} improved to {value:.4g}")

    def _reason(self, value: float) -> str:
        """Return why to stop, or "" to go on."""
        if self.check_finite and not math.isfinite(value):
            return f"{self.monitor} is {value}: stopping; the best was {self.best_score:.4g}"
        if self.stopping_threshold is not None and self.better(value, self.stopping_threshold):
            return f"{self.monitor} reached {value:.4g}, better than {self.stopping_threshold:.4g}: stopping"
        if self.divergence_threshold is not None and self.better(self.divergence_threshold, value):
            return f"{self.monitor} is {value:.4g}, worse than {self.divergence_threshold:.4g}: stopping"
        margin = self.min_delta if self.mode == "min" else -self.min_delta
        if self.better(value + margin, self.best_score):
            self.best_score = value
            self.wait_count = 0
            return ""
        self.wait_count += 1
        if self.wait_count < self.patience:
            return ""
        return f"{self.monitor} did not improve {self.wait_count} times; the best was {self.best_score:.4g}: stopping"
