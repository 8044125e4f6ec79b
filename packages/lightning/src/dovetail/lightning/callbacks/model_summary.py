"""ModelSummary: the table of a model's layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dovetail.lightning.callbacks.callback import Callback

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer


class ModelSummary(Callback):
    """Prints a table of the model's layers and their parameters before training.

    Args:
        max_depth: how deep to look into layers of layers; -1 for all the way, 0 for the totals only.
        console: the rich console to print to; standard output if None.

    Example::

        >>> ModelSummary(max_depth=2).max_depth
        2
    """

    def __init__(self, max_depth: int = 1, console: Any = None) -> None:
        self.max_depth = max_depth
        self.console = console

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table."""
        from dovetail.lightning.tables import console_for, summary_table

        console_for(self.console).print(summary_table(pl_module, self.max_depth))
