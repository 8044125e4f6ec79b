"""Callback: something that watches a run and steps in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer


class Callback:
    """The base of callbacks: override the events you care about, under Lightning's names.

    Every event gets the trainer and the module first. An event that is not overridden costs nothing.

    Example::

        >>> class Greeting(Callback):
        ...     def on_train_start(self, trainer, pl_module):
        ...         print("training", type(pl_module).__name__)
    """

    #: Call ``on_train_epoch_end`` once the epoch's metrics are reduced and schedulers have stepped.
    after_epoch_metrics = False

    @property
    def state_key(self) -> str:
        """Under which its state is kept in a checkpoint; two callbacks of one class need two keys."""
        return type(self).__qualname__

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint should keep of this callback: numbers, strings, tensors, lists and dicts of them."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what ``state_dict`` returned."""

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Tell that the run fails with this exception, or was interrupted."""

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that a few validation batches are tried before training."""

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that they went well."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Tell that a run begins; ``stage`` is "fit", "validate", "test" or "predict"."""

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Tell that a run is over, also when it failed."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that ``fit`` begins: the model is on its device, optimizers are ready."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that ``fit`` is over."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that training begins, after the sanity check."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that training is over."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that a training epoch begins."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that a training epoch is over; what is logged here counts for this epoch."""

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> int | None:
        """Tell that a training batch comes; returning -1 ends the epoch."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell that a training batch is done, with what ``training_step`` returned."""

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that validation begins."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that validation is over and its metrics are there."""

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that the pass over the validation data begins."""

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that the pass is over; what is logged here counts for it."""

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Tell that a validation batch comes."""

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell that a validation batch is done, with what ``validation_step`` returned."""

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that testing begins."""

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that testing is over and its metrics are there."""

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that the pass over the test data begins."""

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that the pass is over; what is logged here counts for it."""

    def on_test_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Tell that a test batch comes."""

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell that a test batch is done, with what ``test_step`` returned."""

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that prediction begins."""

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that prediction is over."""

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that the pass over the data to predict begins."""

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that the pass is over."""

    def on_predict_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Tell that a batch to predict comes."""

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell that a batch is predicted, with what ``predict_step`` returned."""

    def on_before_zero_grad(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Tell that the gradients are about to be cleared."""

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Any) -> None:
        """Tell that ``loss.backward()`` comes."""

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that the gradients are there, not yet clipped."""

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Tell that the optimizer is about to step, with clipped gradients."""

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add to a checkpoint that is about to be written."""

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Read from a checkpoint before the weights are loaded."""
