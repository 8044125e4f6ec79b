"""Whole-run checkpoints: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import dovetail
from dovetail.lightning.exceptions import MisconfigurationException

if TYPE_CHECKING:
    from dovetail.lightning.trainer import Trainer

VERSION = "0.1.0"


def make_checkpoint(trainer: Trainer, weights_only: bool = False) -> dict[str, Any]:
    """Return the state of a run as nested dicts of tensors, numbers and strings.

    Args:
        trainer: its run; outside ``fit`` only the weights and hyperparameters are kept.
        weights_only: leave out what only training needs.
    """
    model = trainer.lightning_module
    checkpoint: dict[str, Any] = {
        "epoch": trainer.current_epoch,
        "global_step": trainer.global_step,
        "dovetail-lightning_version": VERSION,
        "state_dict": model.state_dict(),
    }
    if not weights_only and trainer.fit_loop is not None:
        checkpoint["loops"] = {"fit_loop": trainer.fit_loop.state_dict()}
        checkpoint["optimizer_states"] = [optimizer.state_dict() for optimizer in trainer.optimizers]
        checkpoint["lr_schedulers"] = [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs]
        checkpoint["callbacks"] = {
            callback.state_key: state for callback in trainer.callbacks if (state := callback.state_dict())
        }
        trainer.events.call("on_save_checkpoint", checkpoint)
    else:
        model.on_save_checkpoint(checkpoint)
    if model.hparams:
        checkpoint["hyper_parameters"] = dict(model.hparams)
    return checkpoint


def read_checkpoint(path: Any, map_location: Any = None) -> dict[str, Any]:
    """Read a file that a Trainer wrote.

    Raises:
        MisconfigurationException: there is no such file, or it holds something else.
        LoadError: the file is damaged.
    """
    if not os.path.isfile(path):
        raise MisconfigurationException(f"there is no checkpoint at {os.fspath(path)!r}")
    content = dovetail.load(path, map_location=map_location)
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise MisconfigurationException(
            f"{os.fspath(path)!r} is no checkpoint of a Trainer: it has no 'state_dict'; weights alone are loaded by "
            "model.load_state_dict(dovetail.load(path))"
        )
    return content


def restore_weights(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """Load the weights of a checkpoint into the model."""
    model = trainer.lightning_module
    model.on_load_checkpoint(checkpoint)
    model.load_state_dict(checkpoint["state_dict"])


def restore_training(trainer: Trainer, checkpoint: dict[str, Any], path: Any) -> None:
    """Put optimizers, schedulers, callbacks, counters and random numbers back to where the checkpoint was written.

    Raises:
        MisconfigurationException: it holds weights only, or other optimizers and schedulers than the model has now.
    """
    if "loops" not in checkpoint or trainer.fit_loop is None:
        raise MisconfigurationException(
            f"{os.fspath(path)!r} holds weights only, so training cannot go on from it; load the weights by "
            "load_from_checkpoint and call fit without ckpt_path"
        )
    for kind, states, owners in (
        ("optimizers", checkpoint["optimizer_states"], trainer.optimizers),
        ("schedulers", checkpoint["lr_schedulers"], [config.scheduler for config in trainer.lr_scheduler_configs]),
    ):
        if len(states) != len(owners):
            raise MisconfigurationException(
                f"{os.fspath(path)!r} holds {len(states)} {kind} and configure_optimizers gives {len(owners)}; resume "
                "with the configure_optimizers that the checkpoint was written with"
            )
        for state, owner in zip(states, owners, strict=True):
            owner.load_state_dict(state)
    for callback in trainer.callbacks:
        if callback.state_key in checkpoint["callbacks"]:
            callback.load_state_dict(checkpoint["callbacks"][callback.state_key])
        callback.on_load_checkpoint(trainer, trainer.lightning_module, checkpoint)
    trainer.current_epoch = checkpoint["epoch"]
    trainer.global_step = checkpoint["global_step"]
    trainer.fit_loop.load_state_dict(checkpoint["loops"]["fit_loop"])


def resolve_checkpoint_path(trainer: Trainer, path: Any) -> Any:
    """Turn "best" and "last" into the path that the ModelCheckpoint wrote; anything else is a path already.

    Raises:
        MisconfigurationException: nothing of that kind was written.
    """
    if path not in ("best", "last"):
        return path
    callback = trainer.checkpoint_callback
    found = getattr(callback, f"{path}_model_path", "") if callback is not None else ""
    if not found:
        raise MisconfigurationException(
            f"ckpt_path={path!r} asks for the {path} checkpoint and none was written; call fit first, with a "
            "ModelCheckpoint" + ("(save_last=True)" if path == "last" else "") + ", or give a path"
        )
    return found


def write_checkpoint(checkpoint: dict[str, Any], path: Any) -> None:
    """Write a checkpoint, making its folder where there is none.

    Raises:
        MisconfigurationException: a hyperparameter is of a kind that a file cannot hold.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    try:
        dovetail.save(checkpoint, path)
    except TypeError as error:
        raise MisconfigurationException(
            f"the checkpoint cannot be written: {error}; where it is a hyperparameter, leave it out by "
            "self.save_hyperparameters(ignore=[...])"
        ) from error
