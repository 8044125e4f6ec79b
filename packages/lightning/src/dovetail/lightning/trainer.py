"""Trainer: runs a LightningModule over data, with callbacks, logging and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import dovetail
from dovetail.lightning import checkpoint as checkpoints
from dovetail.lightning import settings
from dovetail.lightning.callbacks.callback import Callback
from dovetail.lightning.callbacks.early_stopping import EarlyStopping
from dovetail.lightning.callbacks.model_checkpoint import ModelCheckpoint
from dovetail.lightning.callbacks.progress_bar import ProgressBar
from dovetail.lightning.evaluation_loop import EvaluationLoop
from dovetail.lightning.events import Events
from dovetail.lightning.exceptions import MisconfigurationException
from dovetail.lightning.fit_loop import FitLoop
from dovetail.lightning.loaders import pick_loader, required_loader
from dovetail.lightning.loggers.logger import Logger
from dovetail.lightning.metrics import Metrics
from dovetail.lightning.module import LightningModule
from dovetail.lightning.optimization import SchedulerConfig, configure


class Trainer:
    """Trains, validates, tests and predicts; all arguments are named as in Lightning and optional.

    Args:
        accelerator: "auto" for the default device, or a backend's name: "cpu", "cuda" (or "gpu"), a plug-in's.
        devices: "auto", 1, or a list with the index of the one device to use.
        max_epochs: epochs to train; 1000 if neither this nor ``max_steps`` is given, -1 for no limit.
        max_steps: optimizer steps to train; -1 for no limit.
        callbacks: callbacks, or names of callbacks, told in this order.
        logger: loggers, or names of loggers; True for a CSVLogger, False for none.
        default_root_dir: where logs and checkpoints go; the working folder if None.
        limit_train_batches: so many batches in an epoch, or a fraction of them; the same for ``limit_val_batches``,
            ``limit_test_batches`` and ``limit_predict_batches``.
        val_check_interval: validate inside an epoch: every so many batches, or every fraction of it.
        check_val_every_n_epoch: validate in every n-th epoch only.
        num_sanity_val_steps: validation batches to try before training; -1 for all, 0 for none.
        gradient_clip_val: largest norm that all gradients together may have.
        log_every_n_steps: how often step values go to the loggers.
        enable_progress_bar: show progress: a bar in a terminal and a notebook, a line per epoch in a pipe.
        enable_model_summary: print the table of layers before training.
        enable_checkpointing: write checkpoints, by a ModelCheckpoint of yours or a default one.
        fast_dev_run: try everything on one batch (or so many), without logs and checkpoints.
        deterministic: accepted as in Lightning; the cpu backend gives the same numbers each time in any case.

    Raises:
        MisconfigurationException: an argument is not one of these.

    Example::

        >>> trainer = Trainer(max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False)
        >>> trainer.max_epochs
        3
    """

    def __init__(
        self,
        *,
        accelerator: str = "auto",
        devices: int | str | list[int] = "auto",
        max_epochs: int | None = None,
        max_steps: int = -1,
        callbacks: Callback | str | Iterable[Callback | str] | None = None,
        logger: Logger | str | bool | Iterable[Logger | str] | None = None,
        default_root_dir: Any = None,
        limit_train_batches: int | float | None = None,
        limit_val_batches: int | float | None = None,
        limit_test_batches: int | float | None = None,
        limit_predict_batches: int | float | None = None,
        val_check_interval: int | float | None = None,
        check_val_every_n_epoch: int = 1,
        num_sanity_val_steps: int = 2,
        gradient_clip_val: float | None = None,
        log_every_n_steps: int = 50,
        enable_progress_bar: bool = True,
        enable_model_summary: bool = True,
        enable_checkpointing: bool = True,
        fast_dev_run: bool | int = False,
        deterministic: bool = False,
    ) -> None:
        chosen = {name: value for name, value in locals().items() if name != "self"}
        settings.apply(self, **chosen)
        self.metrics = Metrics()
        self.optimizers: list[Any] = []
        self.lr_scheduler_configs: list[SchedulerConfig] = []
        self.current_epoch = 0
        self.global_step = 0
        self.should_stop = False
        self.sanity_checking = False
        self.interrupted = False
        self.state: str | None = None  # "fit", "validate", "test", "predict" while one runs
        self.evaluation: EvaluationLoop | None = None
        self.fit_loop: FitLoop | None = None
        self.events: Events
        self._model: LightningModule | None = None

    # filled by settings.apply
    callbacks: list[Callback]
    loggers: list[Logger]
    default_root_dir: str
    device: Any
    max_epochs: int
    max_steps: int
    limit_train_batches: int | float | None
    limit_val_batches: int | float | None
    limit_test_batches: int | float | None
    limit_predict_batches: int | float | None
    val_check_interval: int | float | None
    check_val_every_n_epoch: int
    num_sanity_val_steps: int
    gradient_clip_val: float | None
    log_every_n_steps: int
    fast_dev_run: int
    deterministic: bool

    # -- the four runs ----------------------------------------------------------------------------------------------

    def fit(
        self,
        model: LightningModule,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        *,
        ckpt_path: Any = None,
    ) -> None:
        """Train a model.

        Args:
            model: what to train.
            train_dataloaders: yields training batches; ``model.train_dataloader()`` if None.
            val_dataloaders: yields validation batches; ``model.val_dataloader()`` if None.
            ckpt_path: a checkpoint to go on from, "best" or "last".

        Raises:
            MisconfigurationException: something that training needs is missing or of another form.
        """
        settings.check_model(model, "fit")

        def work(path: Any) -> None:
            train = required_loader(model, train_dataloaders, "train", "fit")
            self.fit_loop = FitLoop(self, model, train, pick_loader(model, val_dataloaders, "val"))
            self.optimizers, self.lr_scheduler_configs = configure(model)
            if path is not None:
                content = checkpoints.read_checkpoint(path)
                checkpoints.restore_weights(self, content)
                checkpoints.restore_training(self, content, path)
            for logger in self.loggers:
                logger.log_hyperparams(dict(model.hparams))
            self.fit_loop.run()

        self.should_stop = False
        self.current_epoch = self.global_step = 0
        self._run("fit", model, work, ckpt_path)

    def validate(
        self, model: LightningModule | None = None, dataloaders: Any = None, ckpt_path: Any = None, verbose: bool = True
    ) -> list[dict[str, float]]:
        """Run ``validation_step`` over a loader and return what was logged, as a list with one dict.

        Args:
            model: what to validate; if None, the model of the last run with the best weights that were written.
            dataloaders: yields batches; ``model.val_dataloader()`` if None.
            ckpt_path: load these weights first: a path, "best" or "last".
            verbose: print the metrics as a table.
        """
        return self._evaluate("validate", "validation", "val", model, dataloaders, ckpt_path, verbose)

    def test(
        self, model: LightningModule | None = None, dataloaders: Any = None, ckpt_path: Any = None, verbose: bool = True
    ) -> list[dict[str, float]]:
        """Run ``test_step`` over a loader and return what was logged; arguments as in ``validate``."""
        return self._evaluate("test", "test", "test", model, dataloaders, ckpt_path, verbose)

    def predict(
        self, model: LightningModule | None = None, dataloaders: Any = None, ckpt_path: Any = None
    ) -> list[Any]:
        """Run ``predict_step`` over a loader and return its results, one per batch; arguments as in ``validate``."""
        chosen, path = self._model_and_path(model, ckpt_path, "predict")

        def work(path: Any) -> list[Any]:
            loader = required_loader(chosen, dataloaders, "predict", "predict")
            if path is not None:
                checkpoints.restore_weights(self, checkpoints.read_checkpoint(path))
            return EvaluationLoop(self, chosen, loader, "predict").run()

        return self._run("predict", chosen, work, path)

    def _evaluate(
        self, called: str, stage: str, short: str, model: Any, dataloaders: Any, ckpt_path: Any, verbose: bool
    ) -> list[dict[str, float]]:
        chosen, path = self._model_and_path(model, ckpt_path, called)

        def work(path: Any) -> list[dict[str, float]]:
            loader = required_loader(chosen, dataloaders, short, called)
            if path is not None:
                checkpoints.restore_weights(self, checkpoints.read_checkpoint(path))
            EvaluationLoop(self, chosen, loader, stage).run()
            return [dict(self.metrics.stage_logged)]

        results = self._run(called, chosen, work, path)
        if verbose:
            from dovetail.lightning.tables import print_metrics

            print_metrics(results[0], stage)
        return results

    def _model_and_path(self, model: LightningModule | None, path: Any, called: str) -> tuple[LightningModule, Any]:
        if model is not None:
            return settings.check_model(model, called), path
        if self._model is None:
            raise MisconfigurationException(f"trainer.{called} needs a model: pass one, or call fit first")
        best = getattr(self.checkpoint_callback, "best_model_path", "")
        return self._model, (best or None) if path is None else path

    def _run(self, state: str, model: LightningModule, work: Callable[[Any], Any], ckpt_path: Any) -> Any:
        """Set up, work, and clean up: also when the work fails."""
        path = checkpoints.resolve_checkpoint_path(self, ckpt_path)
        self._model, model._trainer, self.state, self.interrupted = model, self, state, False
        self.metrics = Metrics()
        self.events = Events(self, model)
        if state != "fit":
            self.fit_loop = None
        status = "failed"
        try:
            self.events.call("setup", state)
            model.to(self.device)
            result = work(path)
            status = "success"
            return result
        except BaseException as error:
            self.interrupted = isinstance(error, KeyboardInterrupt)
            self.events.call("on_exception", error)
            raise
        finally:
            for logger in self.loggers:
                logger.finalize(status)
            self.events.call("teardown", state)
            self.state, self.sanity_checking, self.evaluation = None, False, None

    # -- used by the loops ------------------------------------------------------------------------------------------

    def move(self, batch: Any) -> Any:
        """Bring a batch to the model's device, through the model's three batch hooks."""
        model = self.lightning_module
        batch = model.on_before_batch_transfer(batch, 0)
        batch = model.transfer_batch_to_device(batch, self.device, 0)
        return model.on_after_batch_transfer(batch, 0)

    def log_metrics(self, values: dict[str, float], step: int | None = None) -> None:
        """Hand values to the loggers; by default for the optimizer step that was taken last."""
        if not values or self.sanity_checking:
            return
        at = max(self.global_step - 1, 0) if step is None else step
        for logger in self.loggers:
            logger.log_metrics({"epoch": self.current_epoch, **values} if self.state == "fit" else dict(values), at)

    def save_checkpoint(self, filepath: Any, weights_only: bool = False) -> None:
        """Write the state of the run to a file, whole or not at all.

        Raises:
            MisconfigurationException: there is no model yet, or a hyperparameter cannot be saved.
        """
        if self._model is None:
            raise MisconfigurationException(
                "there is nothing to save before fit, validate, test or predict got a model"
            )
        checkpoints.write_checkpoint(checkpoints.make_checkpoint(self, weights_only), filepath)

    # -- what it knows ----------------------------------------------------------------------------------------------

    @property
    def lightning_module(self) -> LightningModule:
        """The model of the running or last run."""
        if self._model is None:
            raise MisconfigurationException(
                "the Trainer has no model yet; call fit, validate, test or predict with one"
            )
        return self._model

    model = lightning_module

    @property
    def callback_metrics(self) -> dict[str, Any]:
        """The latest value of everything logged, as scalar tensors."""
        return {name: dovetail.tensor(value) for name, value in self.metrics.callback.items()}

    @property
    def logged_metrics(self) -> dict[str, Any]:
        """The latest value of everything that went to the loggers, as scalar tensors."""
        return {name: dovetail.tensor(value) for name, value in self.metrics.logged.items()}

    @property
    def progress_bar_metrics(self) -> dict[str, float]:
        """What stands beside the progress bar."""
        return dict(self.metrics.bar_values())

    @property
    def training(self) -> bool:
        """Whether ``fit`` runs and does not validate just now."""
        return self.state == "fit" and self.evaluation is None

    @property
    def validating(self) -> bool:
        """Whether validation runs, on its own or inside ``fit``."""
        return self.evaluation is not None and self.evaluation.stage == "validation"

    @property
    def num_training_batches(self) -> int | float:
        """Batches of a training epoch; 0 before ``fit``."""
        return self.fit_loop.batches if self.fit_loop else 0

    @property
    def estimated_stepping_batches(self) -> int | float:
        """How many optimizer steps ``fit`` will take in all: what a one-cycle scheduler wants to know.

        Raises:
            MisconfigurationException: ``fit`` has not begun.
        """
        if self.fit_loop is None:
            raise MisconfigurationException("estimated_stepping_batches is known once fit has its loader")
        by_epochs = math.inf if self.max_epochs == -1 else self.max_epochs * self.fit_loop.batches
        return min(by_epochs, math.inf if self.max_steps == -1 else self.max_steps)

    @property
    def logger(self) -> Logger | None:
        """The first logger, or None."""
        return self.loggers[0] if self.loggers else None

    @property
    def log_dir(self) -> str:
        """Where this run's files go: the first logger's folder, or the root folder where there is none."""
        found = self.logger.log_dir if self.logger else None
        return found or self.default_root_dir

    @property
    def checkpoint_callback(self) -> ModelCheckpoint | None:
        """The first ModelCheckpoint, or None."""
        return next((callback for callback in self.callbacks if isinstance(callback, ModelCheckpoint)), None)

    @property
    def early_stopping_callback(self) -> EarlyStopping | None:
        """The first EarlyStopping, or None."""
        return next((callback for callback in self.callbacks if isinstance(callback, EarlyStopping)), None)

    @property
    def progress_bar_callback(self) -> ProgressBar | None:
        """The progress bar, or None."""
        return next((callback for callback in self.callbacks if isinstance(callback, ProgressBar)), None)
