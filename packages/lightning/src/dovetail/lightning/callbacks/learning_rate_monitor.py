"""LearningRateMonitor: log the learning rate as schedulers change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dovetail.lightning.callbacks.callback import Callback
from dovetail.lightning.exceptions import MisconfigurationException

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer


class LearningRateMonitor(Callback):
    """Logs the learning rate of each parameter group: ``lr-SGD``, or ``lr-SGD/pg1`` and so on for several groups.

    Args:
        logging_interval: "step" or "epoch".

    Raises:
        MisconfigurationException: ``logging_interval`` is something else.

    Example::

        >>> LearningRateMonitor("step").logging_interval
        'step'
    """

    def __init__(self, logging_interval: str = "epoch") -> None:
        if logging_interval not in ("step", "epoch"):
            raise MisconfigurationException(f"logging_interval is 'step' or 'epoch', got {logging_interval!r}")
        self.logging_interval = logging_interval

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> int | None:
        """Log the rate that this step uses."""
        if self.logging_interval == "step" and (trainer.global_step + 1) % trainer.log_every_n_steps == 0:
            trainer.log_metrics(_rates(trainer), trainer.global_step)
        return None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the rate that this epoch starts with."""
        if self.logging_interval == "epoch":
            trainer.log_metrics(_rates(trainer), trainer.global_step)


def _rates(trainer: Trainer) -> dict[str, float]:
    optimizer = trainer.optimizers[0]
    name = f"lr-{type(optimizer).__name__}"
    groups = optimizer.param_groups
    if len(groups) == 1:
        return {name: float(groups[0]["lr"])}
    return {f"{name}/pg{number}": float(group["lr"]) for number, group in enumerate(groups, 1)}
