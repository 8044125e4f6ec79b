"""ModelCheckpoint: write the state of a run as it goes, and keep the best."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from dovetail.lightning.callbacks.monitor import Monitor
from dovetail.lightning.exceptions import MisconfigurationException

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer

EXTENSION = ".ckpt"


class ModelCheckpoint(Monitor):
    """Writes checkpoints after epochs (and validations inside epochs) and keeps the ``save_top_k`` best.

    Args:
        dirpath: the folder; ``checkpoints`` in the logger's folder if None.
        filename: a name with fields in braces, such as "{epoch}-{val_loss:.2f}"; "{epoch}-{step}" if None.
        monitor: the metric that says what is best; without one, the latest is kept.
        verbose: print each file that is written.
        save_last: also keep the latest as ``last.ckpt``.
        save_top_k: how many of the best to keep; -1 for all, 0 for none.
        save_weights_only: leave out what only training needs.
        mode: "min" if a smaller metric is better, "max" if a larger one is.
        every_n_train_steps: write every so many steps; not with ``monitor``.
        every_n_epochs: look at every n-th epoch only.

    Attributes:
        best_model_path: the best file so far, "" if there is none.
        best_model_score: its metric, None without ``monitor``.
        last_model_path: the latest ``last.ckpt``.

    Raises:
        MisconfigurationException: arguments that do not go together; while training, the metric was not logged.

    Example::

        >>> ModelCheckpoint(monitor="val_acc", mode="max", save_top_k=2).best_model_path
        ''
    """

    def __init__(
        self,
        dirpath: Any = None,
        filename: str | None = None,
        monitor: str | None = None,
        verbose: bool = False,
        save_last: bool = False,
        save_top_k: int = 1,
        save_weights_only: bool = False,
        mode: str = "min",
        every_n_train_steps: int | None = None,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(monitor, mode)
        if isinstance(save_top_k, bool) or not isinstance(save_top_k, int) or save_top_k < -1:
            raise MisconfigurationException(f"save_top_k is -1 (all), 0 (none) or more, got {save_top_k!r}")
        if monitor is None and save_top_k > 1:
            raise MisconfigurationException(
                f"save_top_k={save_top_k} needs a metric to say what is best: give monitor, or save_top_k of 1, 0 or -1"
            )
        if monitor is not None and every_n_train_steps:
            raise MisconfigurationException(
                "every_n_train_steps writes between validations, where no fresh metric is: leave monitor out"
            )
        self.dirpath = None if dirpath is None else os.fspath(dirpath)
        self.filename = filename or "{epoch}-{step}"
        self.verbose = verbose
        self.save_last = save_last
        self.save_top_k = save_top_k
        self.save_weights_only = save_weights_only
        self.every_n_train_steps = every_n_train_steps
        self.every_n_epochs = every_n_epochs
        self.best_k_models: dict[str, float] = {}
        self.best_model_path = ""
        self.best_model_score: float | None = None
        self.last_model_path = ""

    # -- when -------------------------------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Choose the folder."""
        super().setup(trainer, pl_module, stage)
        if stage == "fit" and self.dirpath is None:
            self.dirpath = os.path.join(trainer.log_dir, "checkpoints")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write every so many steps."""
        if self.every_n_train_steps and trainer.global_step % self.every_n_train_steps == 0:
            self._write_latest(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the metric after a validation inside an epoch."""
        if self.inside_epoch(trainer) and self.monitor:
            self._consider(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the metric after an epoch."""
        if self.every_n_train_steps or (trainer.current_epoch + 1) % self.every_n_epochs:
            return
        if self.monitor is None:
            self._write_latest(trainer)
        else:
            self.require(trainer)
            self._consider(trainer)

    # -- what -------------------------------------------------------------------------------------------------------

    def _write_latest(self, trainer: Trainer) -> None:
        if self.save_top_k:
            previous, path = self.best_model_path, self._free_path(trainer, self.best_model_path)
            self.best_model_path = path
            self._write(trainer, path)
            if self.save_top_k == 1 and previous != path:
                self._remove(previous)
        self._write_last(trainer)

    def _consider(self, trainer: Trainer) -> None:
        score = self.fresh(trainer)
        if score is None:
            return
        # a nan is no number to be best with: it ranks below everything
        rank = score if score == score else self.worst
        if self.save_top_k == -1 or len(self.best_k_models) < self.save_top_k:
            self._keep(trainer, rank)
        elif self.save_top_k:
            dropped = self._worst_path()
            if self.better(rank, self.best_k_models[dropped]):
                del self.best_k_models[dropped]
                if self._keep(trainer, rank, dropped) != dropped:
                    self._remove(dropped)
        self._write_last(trainer)

    def _worst_path(self) -> str:
        pick = max if self.mode == "min" else min
        return pick(self.best_k_models, key=self.best_k_models.__getitem__)

    def _keep(self, trainer: Trainer, score: float, dropped: str = "") -> str:
        path = self._free_path(trainer, dropped)
        self.best_k_models[path] = score
        pick = min if self.mode == "min" else max
        self.best_model_path = pick(self.best_k_models, key=self.best_k_models.__getitem__)
        self.best_model_score = self.best_k_models[self.best_model_path]
        self._write(trainer, path)
        return path

    def _write_last(self, trainer: Trainer) -> None:
        if self.save_last:
            self.last_model_path = os.path.join(str(self.dirpath), "last" + EXTENSION)
            self._write(trainer, self.last_model_path)

    def _write(self, trainer: Trainer, path: str) -> None:
        trainer.save_checkpoint(path, self.save_weights_only)
        if self.verbose:
            trainer.lightning_module.print(f"wrote {path}")

    def _remove(self, path: str) -> None:
        if path and os.path.isfile(path):
            os.remove(path)

    # -- where ------------------------------------------------------------------------------------------------------

    def format_checkpoint_name(self, metrics: dict[str, Any]) -> str:
        """Fill the fields of ``filename``: ``{epoch}`` becomes ``epoch=3``, ``{val_loss:.2f}`` ``val_loss=0.12``.

        Example::

            >>> ModelCheckpoint(filename="{epoch:02d}-{val_loss:.2f}").format_checkpoint_name(
            ...     {"epoch": 3, "step": 40, "val_loss": 0.123}
            ... )
            'epoch=03-val_loss=0.12.ckpt'
        """

        def fill(found: re.Match) -> str:
            name, layout = found.group(1), found.group(2) or ""
            if name not in metrics:
                raise MisconfigurationException(
                    f"filename {self.filename!r} has the field {name!r}, which was not logged; "
                    f"there are {', '.join(sorted(metrics))}"
                )
            return f"{name.replace('/', '_')}={format(metrics[name], layout)}"

        return re.sub(r"\{([^}:]+)(?::([^}]*))?\}", fill, self.filename) + EXTENSION

    def _free_path(self, trainer: Trainer, ours: str = "") -> str:
        """Return a path that holds no file yet, or the file that is being replaced."""
        metrics = {**trainer.metrics.callback, "epoch": trainer.current_epoch, "step": trainer.global_step}
        path = wanted = os.path.join(str(self.dirpath), self.format_checkpoint_name(metrics))
        version = 1
        while os.path.exists(path) and path != ours:
            path = f"{wanted.removesuffix(EXTENSION)}-v{version}{EXTENSION}"
            version += 1
        return path

    # -- resuming ---------------------------------------------------------------------------------------------------

    @property
    def state_key(self) -> str:
        """Under which its state is kept: class, metric, mode and when it writes."""
        return f"{super().state_key[:-1]}, every_n_train_steps={self.every_n_train_steps})"

    def state_dict(self) -> dict[str, Any]:
        """Return which files it keeps and how good they are."""
        return {
            "best_model_path": self.best_model_path,
            "best_model_score": self.best_model_score,
            "best_k_models": dict(self.best_k_models),
            "last_model_path": self.last_model_path,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep those files; ones that are gone are forgotten."""
        self.best_k_models = {
            path: score for path, score in state_dict["best_k_models"].items() if os.path.isfile(path)
        }
        if os.path.isfile(state_dict["best_model_path"]):
            self.best_model_path = state_dict["best_model_path"]
            self.best_model_score = state_dict["best_model_score"]
        if os.path.isfile(state_dict["last_model_path"]):
            self.last_model_path = state_dict["last_model_path"]
