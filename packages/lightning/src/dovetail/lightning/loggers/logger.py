"""Logger: the base of what writes metrics somewhere."""

from __future__ import annotations

from typing import Any


class Logger:
    """The base of loggers: override ``log_metrics``, and the rest where there is something to do.

    Example::

        >>> class Memory(Logger):
        ...     def __init__(self):
        ...         self.rows = []
        ...
        ...     def log_metrics(self, metrics, step=None):
        ...         self.rows.append((step, metrics))
    """

    @property
    def log_dir(self) -> str | None:
        """The folder of this run's files, or None where there are none."""
        return None

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Take the metrics of a step; in ``fit``, "epoch" is among them."""
        raise TypeError(f"{type(self).__name__} has no log_metrics; write one that takes a dict and a step")

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Take the hyperparameters of the model."""

    def finalize(self, status: str) -> None:
        """Write what is left; the run is over with "success" or "failed"."""
