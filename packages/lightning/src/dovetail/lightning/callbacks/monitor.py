"""Looking at a logged metric: what early stopping and checkpoints share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dovetail.lightning.callbacks.callback import Callback
from dovetail.lightning.exceptions import MisconfigurationException
from dovetail.lightning.optimization import not_logged

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer


class Monitor(Callback):
    """A callback that compares a metric; it never sees a value twice, so never a stale one."""

    after_epoch_metrics = True

    def __init__(self, monitor: str | None, mode: str) -> None:
        if mode not in ("min", "max"):
            raise MisconfigurationException(f"mode is 'min' (smaller is better) or 'max', got {mode!r}")
        self.monitor = monitor
        self.mode = mode
        self._seen = 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget what an earlier run logged."""
        self._seen = 0

    @property
    def state_key(self) -> str:
        """Under which its state is kept: class, metric and mode."""
        return f"{type(self).__qualname__}(monitor={self.monitor!r}, mode={self.mode!r})"

    def better(self, value: float, than: float) -> bool:
        """Whether a value is better than another; a nan never is."""
        return value < than if self.mode == "min" else value > than

    @property
    def worst(self) -> float:
        """What every number is better than."""
        return math.inf if self.mode == "min" else -math.inf

    @staticmethod
    def inside_epoch(trainer: Trainer) -> bool:
        """Whether a validation that ends now stands inside a training epoch, and not at its end."""
        loop = trainer.fit_loop
        return trainer.state == "fit" and not trainer.sanity_checking and loop is not None and bool(loop.check_every)

    def fresh(self, trainer: Trainer) -> float | None:
        """Return the metric's value if it was logged since the last look, None if not."""
        name: Any = self.monitor
        version = trainer.metrics.versions.get(name, 0)
        if version == self._seen:
            return None
        self._seen = version
        return trainer.metrics.callback[name]

    def require(self, trainer: Trainer) -> None:
        """Complain about a metric that nobody logged in a whole epoch with validation.

        Raises:
            MisconfigurationException: that is so.
        """
        loop = trainer.fit_loop
        if self.monitor not in trainer.metrics.callback and (loop is None or loop.has_validated):
            raise MisconfigurationException(not_logged(type(self).__name__, self.monitor, trainer.metrics.callback))
