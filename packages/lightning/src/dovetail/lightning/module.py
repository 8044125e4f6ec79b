"""LightningModule: a model together with how it is trained, validated, tested and used."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import dovetail
from dovetail import nn
from dovetail.lightning import hyperparameters
from dovetail.lightning.exceptions import MisconfigurationException
from dovetail.lightning.module_hooks import ModuleHooks

if TYPE_CHECKING:
    from dovetail.lightning.trainer import Trainer


class LightningModule(nn.Module, ModuleHooks):
    """A model with its training: write ``training_step`` and ``configure_optimizers``, and a Trainer does the rest.

    ``validation_step``, ``test_step`` and ``predict_step`` have the same form; any event of ``ModuleHooks`` may be
    overridden too.

    Example::

        >>> class Line(LightningModule):
        ...     def __init__(self, lr=0.1):
        ...         super().__init__()
        ...         self.save_hyperparameters()
        ...         self.layer = nn.Linear(1, 1)
        ...
        ...     def training_step(self, batch, batch_idx):
        ...         x, y = batch
        ...         loss = ((self.layer(x) - y) ** 2).mean()
        ...         self.log("train_loss", loss)
        ...         return loss
        ...
        ...     def configure_optimizers(self):
        ...         return dovetail.optim.SGD(self.parameters(), lr=self.hparams.lr)
        >>> Line(lr=0.2).hparams.lr
        0.2
    """

    def __init__(self) -> None:
        super().__init__()
        self._trainer: Trainer | None = None
        self._hparams = hyperparameters.AttributeDict()

    # -- what a model may define ------------------------------------------------------------------------------------

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Return the loss of a training batch: a scalar tensor, a dict with one under "loss", or None to skip it."""
        raise _undefined(self, "training_step", "fit")

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        """Look at a validation batch and log what is to be known."""
        raise _undefined(self, "validation_step", "validate")

    def test_step(self, batch: Any, batch_idx: int) -> Any:
        """Look at a test batch and log what is to be known."""
        raise _undefined(self, "test_step", "test")

    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        """Return the prediction for a batch; without an override, ``self(batch)`` or ``self(batch[0])``."""
        return self(batch[0] if isinstance(batch, list | tuple) else batch)

    def configure_optimizers(self) -> Any:
        """Return how to optimize.

        One optimizer; a list with one; ``([optimizer], [schedulers])``; or
        ``{"optimizer": ..., "lr_scheduler": ...}``. A scheduler is one object, or a dict with ``scheduler`` and, where
        they differ from these, ``interval="epoch"`` (or "step"), ``frequency=1``, ``monitor=None``.
        """
        raise _undefined(self, "configure_optimizers", "fit")

    # -- where it runs ----------------------------------------------------------------------------------------------

    @property
    def trainer(self) -> Trainer:
        """The Trainer that runs this module.

        Raises:
            MisconfigurationException: none does.
        """
        if self._trainer is None:
            raise MisconfigurationException(
                f"{type(self).__name__} is not attached to a Trainer; hand it to trainer.fit, validate, test or predict"
            )
        return self._trainer

    @property
    def device(self) -> Any:
        """Where the first parameter or buffer lives; the default device where there is none."""
        for tensor in (*self.parameters(), *self.buffers()):
            return tensor.device
        return dovetail.get_default_device()

    @property
    def current_epoch(self) -> int:
        """The number of the running epoch, from 0; 0 without a Trainer."""
        return self._trainer.current_epoch if self._trainer else 0

    @property
    def global_step(self) -> int:
        """How many optimizer steps were taken, over all epochs; 0 without a Trainer."""
        return self._trainer.global_step if self._trainer else 0

    @property
    def logger(self) -> Any:
        """The Trainer's first logger, or None."""
        return self._trainer.logger if self._trainer else None

    def optimizers(self) -> Any:
        """Return the optimizer that ``fit`` uses."""
        return self.trainer.optimizers[0]

    def lr_schedulers(self) -> Any:
        """Return the scheduler, a list where there are several, or None."""
        schedulers = [config.scheduler for config in self.trainer.lr_scheduler_configs]
        return (schedulers or None) if len(schedulers) != 1 else schedulers[0]

    def print(self, *words: Any, **options: Any) -> None:
        """Print without tearing a progress bar that is on the screen."""
        bar = self._trainer.progress_bar_callback if self._trainer else None
        (bar.print if bar is not None else print)(*words, **options)

    # -- what it tells ----------------------------------------------------------------------------------------------

    def log(
        self,
        name: str,
        value: Any,
        prog_bar: bool = False,
        logger: bool = True,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        reduce_fx: str = "mean",
        batch_size: int | None = None,
        sync_dist: bool = False,
    ) -> None:
        """Log one number.

        Args:
            name: what it is called; with both ``on_step`` and ``on_epoch``, ``name_step`` and ``name_epoch``.
            value: a number or a tensor with one element.
            prog_bar: show it beside the progress bar.
            logger: hand it to the loggers.
            on_step: log each step's value; by default in a training step.
            on_epoch: log the value over the epoch; by default everywhere else.
            reduce_fx: how an epoch's values become one: "mean" (weighted by batch size), "sum", "min" or "max".
            batch_size: the weight of this value; by default the first size of the first tensor in the batch.
            sync_dist: accepted for code that runs on several devices; one device has nothing to bring together.

        Raises:
            MisconfigurationException: the value is not one number, or an option is not one of these.
        """
        if self._trainer is None:
            warnings.warn(
                f"{type(self).__name__}.log({name!r}, ...) does nothing, since no Trainer runs this module",
                stacklevel=2,
            )
            return
        self._trainer.metrics.record(name, value, prog_bar, logger, on_step, on_epoch, reduce_fx, batch_size)

    def log_dict(self, dictionary: Mapping[str, Any], **options: Any) -> None:
        """Log several numbers with the same options as ``log``."""
        for name, value in dictionary.items():
            self.log(name, value, **options)

    # -- hyperparameters and checkpoints ----------------------------------------------------------------------------

    @property
    def hparams(self) -> hyperparameters.AttributeDict:
        """The saved hyperparameters, also as attributes: ``self.hparams.lr``."""
        return self._hparams

    def save_hyperparameters(self, *names: str, ignore: str | Iterable[str] = ()) -> None:
        """Keep the arguments of the running ``__init__`` in ``self.hparams`` and in checkpoints.

        Args:
            names: only these; all where none is named.
            ignore: all but these (modules and other things that a file cannot hold).

        Raises:
            MisconfigurationException: a name is not an argument.
        """
        frame = inspect.currentframe()
        arguments = hyperparameters.init_arguments(self, frame.f_back if frame else None)
        ignored = [ignore] if isinstance(ignore, str) else list(ignore)
        self._hparams.update(hyperparameters.choose(arguments, names, ignored))

    @classmethod
    def load_from_checkpoint(
        cls, checkpoint_path: Any, map_location: Any = None, strict: bool = True, **arguments: Any
    ) -> Any:
        """Make the module again from a checkpoint: its hyperparameters, then its weights.

        Args:
            checkpoint_path: a file that a Trainer wrote.
            map_location: the device to put it on.
            strict: refuse missing and unexpected weights.
            arguments: override saved hyperparameters, and give the ones that were not saved.

        Raises:
            MisconfigurationException: the ``__init__`` needs an argument that was not saved, or this is no checkpoint
                of a Trainer.
        """
        from dovetail.lightning.checkpoint import read_checkpoint

        checkpoint = read_checkpoint(checkpoint_path, map_location)
        known = hyperparameters.accepted_by(cls, checkpoint.get("hyper_parameters", {})) | arguments
        try:
            inspect.signature(cls).bind(**known)
        except TypeError as error:
            raise MisconfigurationException(
                f"{cls.__name__} cannot be made from {checkpoint_path}: {error}; the file holds the hyperparameters "
                f"{sorted(known) or 'none'}: call self.save_hyperparameters() in __init__ before training, or give "
                "the argument to load_from_checkpoint"
            ) from None
        module = cls(**known)
        module.on_load_checkpoint(checkpoint)
        module.load_state_dict(checkpoint["state_dict"], strict=strict)
        return module if map_location is None else module.to(map_location)

    def freeze(self) -> None:
        """Stop gradients for all parameters and go to evaluation mode."""
        self.requires_grad_(False)
        self.eval()

    def unfreeze(self) -> None:
        """Ask for gradients for all parameters and go to training mode."""
        self.requires_grad_(True)
        self.train()

    # -- batches ----------------------------------------------------------------------------------------------------

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Change a batch before it is moved to the device."""
        return batch

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Move a batch to the device; override it for a class of batch that has no ``to``."""
        if type(batch) in (list, tuple) and all(type(part) is dovetail.Tensor for part in batch):
            # what most loaders give, every step: nothing to search through, and mostly nothing to move
            return type(batch)(part if part.device is device else part.to(device) for part in batch)
        from lightning_utilities import apply_to_collection

        return apply_to_collection(batch, dovetail.Tensor, lambda tensor: tensor.to(device))

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Change a batch once it is on the device: the place for augmentation."""
        return batch


def _undefined(module: LightningModule, method: str, called: str) -> MisconfigurationException:
    return MisconfigurationException(
        f"{type(module).__name__} has no {method}, which trainer.{called} needs; define it"
    )
