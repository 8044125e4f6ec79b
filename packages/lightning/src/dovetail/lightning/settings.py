"""Checking the Trainer's arguments and turning them into what it works with."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import dovetail
from dovetail.lightning import catalog
from dovetail.lightning.callbacks.callback import Callback
from dovetail.lightning.callbacks.early_stopping import EarlyStopping
from dovetail.lightning.callbacks.model_checkpoint import ModelCheckpoint
from dovetail.lightning.callbacks.model_summary import ModelSummary
from dovetail.lightning.callbacks.progress_bar import ProgressBar
from dovetail.lightning.exceptions import MisconfigurationException
from dovetail.lightning.loaders import check_limit
from dovetail.lightning.loggers.csv_logger import CSVLogger
from dovetail.lightning.loggers.logger import Logger

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer

DEFAULT_EPOCHS = 1000  # as in Lightning, where neither epochs nor steps are given
BACKEND_OF = {"gpu": "cuda"}  # Lightning's word for it


def apply(trainer: Trainer, **chosen: Any) -> None:
    """Check the arguments and set the Trainer's attributes."""
    for name in ("limit_train_batches", "limit_val_batches", "limit_test_batches", "limit_predict_batches"):
        setattr(trainer, name, check_limit(name, chosen[name]))
    for name in ("check_val_every_n_epoch", "log_every_n_steps"):
        setattr(trainer, name, _whole(name, chosen[name], 1))
    for name in ("max_steps", "num_sanity_val_steps"):
        setattr(trainer, name, _whole(name, chosen[name], -1))
    trainer.max_epochs = _epochs(chosen["max_epochs"], trainer.max_steps)
    trainer.val_check_interval = _interval(chosen["val_check_interval"])
    trainer.gradient_clip_val = _clip(chosen["gradient_clip_val"])
    trainer.deterministic = bool(chosen["deterministic"])
    trainer.default_root_dir = os.fspath(chosen["default_root_dir"] or os.getcwd())
    trainer.device = _device(chosen["accelerator"], chosen["devices"])
    trainer.fast_dev_run = _whole("fast_dev_run", int(chosen["fast_dev_run"]), 0)
    trainer.loggers = _loggers(chosen["logger"], trainer.default_root_dir)
    trainer.callbacks = _callbacks(chosen)
    if trainer.fast_dev_run:
        _try_out(trainer)


def check_model(model: Any, called: str) -> LightningModule:
    """Return the model, which must be a LightningModule with what the run needs.

    Raises:
        MisconfigurationException: it is not, or a method is missing.
    """
    from lightning_utilities import is_overridden

    from dovetail.lightning.module import LightningModule

    if not isinstance(model, LightningModule):
        kind = f"the class {model.__name__}; pass an object of it" if isinstance(model, type) else type(model).__name__
        raise MisconfigurationException(f"trainer.{called} takes a LightningModule, got {kind}")
    needed = ("training_step", "configure_optimizers") if called == "fit" else ()
    for name in needed:
        if not is_overridden(name, model, LightningModule):
            raise MisconfigurationException(
                f"{type(model).__name__} has no {name}, which trainer.{called} needs; define it"
            )
    return model


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise MisconfigurationException(f"{name} is a whole number of {least} or more, got {value!r}")
    return value


def _epochs(max_epochs: Any, max_steps: int) -> int:
    if max_epochs is None:
        return DEFAULT_EPOCHS if max_steps == -1 else -1
    return _whole("max_epochs", max_epochs, -1)


def _interval(value: Any) -> int | float | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if value is None or whole or isinstance(value, float) and 0.0 < value <= 1.0:
        return value
    raise MisconfigurationException(
        f"val_check_interval is a whole number of batches or a fraction of an epoch up to 1.0, got {value!r}"
    )


def _clip(value: Any) -> float | None:
    if value is None or isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return value
    raise MisconfigurationException(f"gradient_clip_val is a number of 0 or more, or None, got {value!r}")


def _device(accelerator: Any, devices: Any) -> Any:
    """Return the device to run on.

    Raises:
        DeviceError: there is no such backend, or it cannot run here.
    """
    index = None
    if isinstance(devices, list | tuple) and len(devices) == 1 and isinstance(devices[0], int):
        index = devices[0]
    elif devices not in ("auto", 1, "1", -1) or isinstance(devices, bool):
        raise MisconfigurationException(
            f"the Trainer runs on one device: devices is 'auto', 1, or a list with one index, got {devices!r}"
        )
    if accelerator == "auto":
        return dovetail.get_default_device()
    device = dovetail.device(BACKEND_OF.get(accelerator, accelerator))
    if index is not None:
        device = dovetail.device(device.type, index)
    return dovetail.empty(0, device=device).device  # placed, or a clear error from the backend


def _as_list(given: Any, kind: type) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, kind | str):
        return [given]
    return list(given) if isinstance(given, Iterable) else [given]


def _loggers(given: Any, root: str) -> list[Logger]:
    if given is None or given is True:
        return [CSVLogger(root)]
    if given is False:
        return []
    loggers = []
    for entry in _as_list(given, Logger):
        logger = catalog.logger(entry)(save_dir=root) if isinstance(entry, str) else entry
        if not isinstance(logger, Logger):
            raise MisconfigurationException(f"logger takes Loggers, their names, True or False, got {logger!r}")
        loggers.append(logger)
    return loggers


def _callbacks(chosen: dict[str, Any]) -> list[Callback]:
    callbacks: list[Callback] = []
    for entry in _as_list(chosen["callbacks"], Callback):
        callback = catalog.callback(entry)() if isinstance(entry, str) else entry
        if not isinstance(callback, Callback):
            raise MisconfigurationException(f"callbacks takes Callbacks or their names, got {callback!r}")
        callbacks.append(callback)
    for kind, switch in (
        (ProgressBar, "enable_progress_bar"),
        (ModelSummary, "enable_model_summary"),
        (ModelCheckpoint, "enable_checkpointing"),
    ):
        there = any(isinstance(callback, kind) for callback in callbacks)
        if there and not chosen[switch]:
            raise MisconfigurationException(f"{switch}=False, and callbacks holds a {kind.__name__}; leave one out")
        if not there and chosen[switch]:
            callbacks.append(kind())
    _check_keys(callbacks)
    # checkpoints come last, so that they hold what the others did
    return sorted(callbacks, key=lambda callback: isinstance(callback, ModelCheckpoint))


def _check_keys(callbacks: list[Callback]) -> None:
    keys = [callback.state_key for callback in callbacks if callback.state_dict()]
    for key in keys:
        if keys.count(key) > 1:
            raise MisconfigurationException(
                f"two callbacks have the state_key {key!r}, so a checkpoint could hold only one of them; give them "
                "different arguments, or override state_key"
            )


def _try_out(trainer: Trainer) -> None:
    """Make ``fast_dev_run`` true: so many batches of each kind, one epoch, nothing written."""
    count = trainer.fast_dev_run
    trainer.limit_train_batches = trainer.limit_val_batches = count
    trainer.limit_test_batches = trainer.limit_predict_batches = count
    trainer.max_epochs, trainer.max_steps, trainer.num_sanity_val_steps = 1, count, 0
    trainer.val_check_interval, trainer.check_val_every_n_epoch = None, 1
    trainer.loggers = []
    left_out = (ModelCheckpoint, EarlyStopping)
    trainer.callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, left_out)]
