"""The methods of a LightningModule that the Trainer calls as it goes; each does nothing until overridden."""

from __future__ import annotations

from typing import Any


class ModuleHooks:
    """Overridable events of a LightningModule, under Lightning's names and with its arguments.

    A callback has the same events with ``(trainer, pl_module, ...)`` in front and is told first.
    """

    def setup(self, stage: str) -> None:
        """Tell that a run begins; ``stage`` is "fit", "validate", "test" or "predict"."""

    def teardown(self, stage: str) -> None:
        """Tell that a run is over, also when it failed."""

    def on_fit_start(self) -> None:
        """Tell that ``fit`` begins: the model is on its device, optimizers are ready."""

    def on_fit_end(self) -> None:
        """Tell that ``fit`` is over."""

    def on_train_start(self) -> None:
        """Tell that training begins, after the sanity check."""

    def on_train_end(self) -> None:
        """Tell that training is over."""

    def on_train_epoch_start(self) -> None:
        """Tell that a training epoch begins."""

    def on_train_epoch_end(self) -> None:
        """Tell that a training epoch is over; what is logged here counts for this epoch."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        """Tell that a training batch comes; returning -1 ends the epoch."""

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tell that a training batch is done, with what ``training_step`` returned."""

    def on_validation_start(self) -> None:
        """Tell that validation begins."""

    def on_validation_end(self) -> None:
        """Tell that validation is over and its metrics are there."""

    def on_validation_epoch_start(self) -> None:
        """Tell that the pass over the validation data begins."""

    def on_validation_epoch_end(self) -> None:
        """Tell that the pass is over; what is logged here counts for it."""

    def on_validation_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Tell that a validation batch comes."""

    def on_validation_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tell that a validation batch is done, with what ``validation_step`` returned."""

    def on_test_start(self) -> None:
        """Tell that testing begins."""

    def on_test_end(self) -> None:
        """Tell that testing is over and its metrics are there."""

    def on_test_epoch_start(self) -> None:
        """Tell that the pass over the test data begins."""

    def on_test_epoch_end(self) -> None:
        """Tell that the pass is over; what is logged here counts for it."""

    def on_test_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Tell that a test batch comes."""

    def on_test_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tell that a test batch is done, with what ``test_step`` returned."""

    def on_predict_start(self) -> None:
        """Tell that prediction begins."""

    def on_predict_end(self) -> None:
        """Tell that prediction is over."""

    def on_predict_epoch_start(self) -> None:
        """Tell that the pass over the data to predict begins."""

    def on_predict_epoch_end(self) -> None:
        """Tell that the pass is over."""

    def on_predict_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Tell that a batch to predict comes."""

    def on_predict_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tell that a batch is predicted, with what ``predict_step`` returned."""

    def on_before_zero_grad(self, optimizer: Any) -> None:
        """Tell that the gradients are about to be cleared."""

    def on_before_backward(self, loss: Any) -> None:
        """Tell that ``loss.backward()`` comes."""

    def on_after_backward(self) -> None:
        """Tell that the gradients are there, not yet clipped."""

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Tell that the optimizer is about to step, with clipped gradients."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add to a checkpoint that is about to be written."""

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Read from a checkpoint before the weights are loaded."""


#: Hooks that a callback has and a module has not.
CALLBACK_ONLY = ("on_sanity_check_start", "on_sanity_check_end", "on_exception")
EVENTS = tuple(name for name in vars(ModuleHooks) if not name.startswith("_"))
