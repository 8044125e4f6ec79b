"""Training: fit, epoch, step, read from top to bottom."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dovetail
from dovetail.data import DataLoader
from dovetail.lightning import optimization
from dovetail.lightning.evaluation_loop import EvaluationLoop
from dovetail.lightning.exceptions import MisconfigurationException
from dovetail.lightning.loaders import batch_count

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer


class FitLoop:
    """Runs epochs until the Trainer's limits, a callback or the model says stop."""

    def __init__(self, trainer: Trainer, model: LightningModule, train_loader: Any, val_loader: Any) -> None:
        self.trainer = trainer
        self.model = model
        self.loader = train_loader
        self.batches = batch_count(train_loader, trainer.limit_train_batches, "training", "limit_train_batches")
        self.validation: EvaluationLoop | None = None
        if val_loader is not None and trainer.limit_val_batches != 0:
            self.validation = EvaluationLoop(trainer, model, val_loader, "validation")
        self.check_every = self._batches_between_checks(trainer.val_check_interval)
        self.has_validated = self.validation is None  # whether every metric had its chance to be logged
        self.batches_done = 0
        self.epoch_done = False
        self.epoch_random_state: Any = None
        self.resume_random_state: Any = None
        self.resume_metrics: dict[str, Any] = {}
        self.resume_loader: Any = None

    def _batches_between_checks(self, interval: int | float | None) -> int | None:
        """Return after how many batches to validate inside an epoch; None for once, at its end."""
        if interval is None or isinstance(interval, float) and interval == 1.0:
            return None
        if isinstance(interval, int):
            if interval > self.batches:
                raise MisconfigurationException(
                    f"val_check_interval={interval} is more than the {self.batches} training batches of an epoch; "
                    "take a smaller number, or check_val_every_n_epoch to validate less often than every epoch"
                )
            return interval
        if self.batches == math.inf:
            raise MisconfigurationException(
                f"val_check_interval={interval} is a fraction of a loader whose length is unknown; give a whole number"
            )
        return max(1, int(self.batches * interval))

    # -- fit --------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        trainer = self.trainer
        trainer.events.call("on_fit_start")
        self._sanity_check()
        if not self.model.training:  # put to evaluation as a whole; single layers that sleep stay as they are
            self.model.train()
        if self.resume_random_state is not None:
            dovetail.set_rng_state(self.resume_random_state)
        trainer.events.call("on_train_start")
        while not self._finished():
            self._epoch()
        trainer.events.call("on_train_end")
        trainer.events.call("on_fit_end")

    def _finished(self) -> bool:
        trainer = self.trainer
        epochs_over = trainer.max_epochs != -1 and trainer.current_epoch >= trainer.max_epochs
        return trainer.should_stop or epochs_over or self._steps_over() or self.batches == 0

    def _steps_over(self) -> bool:
        return self.trainer.max_steps != -1 and self.trainer.global_step >= self.trainer.max_steps

    def _sanity_check(self) -> None:
        """Try a few validation batches before hours of training; nothing of it stays, not even random numbers drawn."""
        trainer = self.trainer
        steps = trainer.num_sanity_val_steps
        if self.validation is None or steps == 0 or trainer.global_step > 0:
            return
        trainer.sanity_checking = True
        trainer.events.call("on_sanity_check_start")
        with dovetail.random.fork_rng():
            self.validation.run(math.inf if steps == -1 else steps)
        trainer.metrics.forget()
        trainer.events.call("on_sanity_check_end")
        trainer.sanity_checking = False

    # -- epoch ------------------------------------------------------------------------------------------------------

    def _epoch(self) -> None:
        trainer = self.trainer
        trainer.metrics.begin(steps_by_default=True)
        self.epoch_done = False
        for batch_idx, batch in self._epoch_batches():
            if self._step(batch, batch_idx) == -1:
                break
            if self.check_every and self.batches_done % self.check_every == 0 and self._validates_this_epoch():
                self._validate()
            if trainer.should_stop or self._steps_over() or self.batches_done >= self.batches:
                break
        if not self.check_every and self._validates_this_epoch():
            self._validate()
        self._end_epoch()

    def _epoch_batches(self) -> Iterator[tuple[int, Any]]:
        """Yield the epoch's batches with their numbers; an epoch that was interrupted goes on where it stopped."""
        start = self.batches_done
        if start == 0:
            self.trainer.events.call("on_train_epoch_start")
            self.epoch_random_state = dovetail.get_rng_state()
            batches = iter(self.loader)
        else:
            self.trainer.metrics.load_open(self.resume_metrics)
            batches = self._rest_of_epoch(start)
            if start >= self.batches:  # asking for one more could draw random numbers, which the whole run did not
                return
        empty = start == 0
        for batch_idx, batch in enumerate(batches, start):
            empty = False
            yield batch_idx, batch
        if empty:
            raise MisconfigurationException(
                "the training loader yields no batch: its dataset is empty, or it was used up by an earlier pass"
            )

    def _rest_of_epoch(self, start: int) -> Iterator[Any]:
        """Return what is left of an epoch of which ``start`` batches were used."""
        if self.resume_loader is not None:
            return iter(self.loader)
        # another kind of loader draws its order again from where the epoch began, and what was used is passed over
        dovetail.set_rng_state(self.epoch_random_state)
        batches = iter(self.loader)
        for _ in range(start):
            next(batches, None)
        dovetail.set_rng_state(self.resume_random_state)
        return batches

    def _validates_this_epoch(self) -> bool:
        return (
            self.validation is not None and (self.trainer.current_epoch + 1) % self.trainer.check_val_every_n_epoch == 0
        )

    def _validate(self) -> None:
        if self.validation is not None:
            self.validation.run()
            self.has_validated = True

    def _end_epoch(self) -> None:
        trainer = self.trainer
        trainer.events.call("on_train_epoch_end")
        trainer.log_metrics(trainer.metrics.epoch_values())
        configs = trainer.lr_scheduler_configs
        optimization.step_schedulers(configs, "epoch", trainer.current_epoch + 1, trainer.metrics.callback)
        self.epoch_done = True
        trainer.events.call_late()
        trainer.metrics.end()
        trainer.current_epoch += 1
        self.batches_done, self.epoch_done = 0, False

    # -- step -------------------------------------------------------------------------------------------------------

    def _step(self, batch: Any, batch_idx: int) -> int | None:
        trainer, model, call = self.trainer, self.model, self.trainer.events.call
        batch = trainer.move(batch)
        trainer.metrics.set_batch(batch)
        if -1 in call("on_train_batch_start", batch, batch_idx):
            return -1
        outputs = model.training_step(batch, batch_idx)
        loss = checked_loss(outputs, model)
        if loss is not None:
            self._optimize(loss, trainer.optimizers[0])
        self.batches_done = batch_idx + 1
        call("on_train_batch_end", outputs, batch, batch_idx)
        if loss is not None and trainer.global_step % trainer.log_every_n_steps == 0:
            trainer.log_metrics(trainer.metrics.step_values())
        return None

    def _optimize(self, loss: Any, optimizer: Any) -> None:
        trainer, call = self.trainer, self.trainer.events.call
        call("on_before_zero_grad", optimizer)
        optimizer.zero_grad()
        call("on_before_backward", loss)
        loss.backward()
        call("on_after_backward")
        if trainer.gradient_clip_val:
            dovetail.nn.utils.clip_grad_norm_(self.model.parameters(), trainer.gradient_clip_val)
        call("on_before_optimizer_step", optimizer)
        optimizer.step()
        trainer.global_step += 1
        if trainer.lr_scheduler_configs:
            optimization.step_schedulers(
                trainer.lr_scheduler_configs, "step", trainer.global_step, trainer.metrics.callback
            )

    # -- what a checkpoint keeps of it ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return where training stands, down to the batch, with the state of the random numbers."""
        return {
            "epoch_done": self.epoch_done,
            "batches_done": self.batches_done,
            "epoch_random_state": self.epoch_random_state,
            "random_state": dovetail.get_rng_state(),
            "loader": self._loader_state(),
            "metrics": self.trainer.metrics.state_dict(),
        }

    def _loader_state(self) -> dict[str, Any] | None:
        if not isinstance(self.loader, DataLoader):
            return None
        state = self.loader.state_dict()
        between_epochs = self.epoch_done or self.batches_done == 0  # the loader may not have been read to its end
        return {**state, "position": None} if between_epochs else state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there: with the next epoch, or in the middle of one."""
        self.resume_loader = state.get("loader") if isinstance(self.loader, DataLoader) else None
        if self.resume_loader is not None:
            self.loader.load_state_dict(self.resume_loader)
        self.resume_random_state = state["random_state"]
        self.resume_metrics = state["metrics"]
        self.trainer.metrics.load_known(state["metrics"])
        if state["epoch_done"]:
            self.trainer.current_epoch += 1
            return
        self.batches_done = state["batches_done"]
        self.epoch_random_state = state["epoch_random_state"]


def checked_loss(outputs: Any, model: LightningModule) -> Any:
    """Return the loss in what ``training_step`` returned, or None for a step that is to be skipped.

    Raises:
        MisconfigurationException: it is not a scalar tensor that depends on a parameter.
    """
    if outputs is None:
        return None
    where = f"{type(model).__name__}.training_step"
    loss = outputs
    if isinstance(outputs, dict):
        if "loss" not in outputs:
            raise MisconfigurationException(
                f"{where} returned a dict with {sorted(outputs)}; the loss goes under 'loss'"
            )
        loss = outputs["loss"]
    if not isinstance(loss, dovetail.Tensor):
        raise MisconfigurationException(
            f"{where} returned {type(loss).__name__}; return the loss as a scalar tensor, a dict with it under 'loss', "
            "or None to skip the batch"
        )
    if loss.numel() != 1:
        raise MisconfigurationException(
            f"{where} returned a loss of shape {tuple(loss.shape)}; a loss is one number: reduce it, as in loss.mean()"
        )
    if not loss.requires_grad:
        raise MisconfigurationException(
            f"{where} returned a loss that depends on no parameter that needs a gradient; was it detached, made under "
            "no_grad, or are all parameters frozen?"
        )
    return loss
