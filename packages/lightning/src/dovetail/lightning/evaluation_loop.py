"""Validation, testing and prediction: one pass over a loader without gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import dovetail
from dovetail.lightning.exceptions import MisconfigurationException
from dovetail.lightning.loaders import batch_count

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer

STEPS = {"validation": "validation_step", "test": "test_step", "predict": "predict_step"}
LIMITS = {"validation": "limit_val_batches", "test": "limit_test_batches", "predict": "limit_predict_batches"}


class EvaluationLoop:
    """Runs the step of a stage ("validation", "test" or "predict") over a loader."""

    def __init__(self, trainer: Trainer, model: LightningModule, loader: Any, stage: str) -> None:
        from lightning_utilities import is_overridden

        from dovetail.lightning.module import LightningModule as Base

        step = STEPS[stage]
        if stage != "predict" and not is_overridden(step, model, Base):
            called = (
                "fit with a validation loader" if stage == "validation" and trainer.state == "fit" else trainer.state
            )
            raise MisconfigurationException(
                f"{type(model).__name__} has no {step}, which trainer.{called} needs; define it"
            )
        self.trainer = trainer
        self.model = model
        self.loader = loader
        self.stage = stage
        self.step = getattr(model, step)
        self.batches = batch_count(loader, getattr(trainer, LIMITS[stage]), stage, LIMITS[stage])
        self.steps_logged = 0

    def run(self, limit: int | float = math.inf) -> list[Any]:
        """Run one pass over at most ``limit`` batches, and return what the steps returned when they predict."""
        trainer, call, stage = self.trainer, self.trainer.events.call, self.stage
        self.total = min(self.batches, limit)
        outer, trainer.evaluation = trainer.evaluation, self
        trainer.metrics.begin(steps_by_default=False)
        try:
            with evaluation_mode(self.model), dovetail.no_grad():
                call(f"on_{stage}_start")
                call(f"on_{stage}_epoch_start")
                predictions = self._batches()
                call(f"on_{stage}_epoch_end")
                trainer.log_metrics(trainer.metrics.epoch_values())
        finally:
            trainer.metrics.end()
            trainer.evaluation = outer
        call(f"on_{stage}_end")
        return predictions

    def _batches(self) -> list[Any]:
        trainer, metrics, call, stage = self.trainer, self.trainer.metrics, self.trainer.events.call, self.stage
        predictions = []
        batches = self.loader if self.total == math.inf else islice(self.loader, int(self.total))
        seen = 0
        for batch_idx, raw in enumerate(batches):
            batch = trainer.move(raw)
            metrics.set_batch(batch)
            call(f"on_{stage}_batch_start", batch, batch_idx)
            outputs = self.step(batch, batch_idx)
            call(f"on_{stage}_batch_end", outputs, batch, batch_idx)
            if stage == "predict":
                predictions.append(outputs)
            elif any(metric.on_step for metric in metrics.current.values()):
                trainer.log_metrics(metrics.step_values(), self.steps_logged)
                self.steps_logged += 1
            seen += 1
        if not seen and self.total:
            raise MisconfigurationException(
                f"the {stage} loader yields no batch: its dataset is empty, or it was used up by an earlier pass"
            )
        return predictions


@contextmanager
def evaluation_mode(model: LightningModule) -> Iterator[None]:
    """Put a model in evaluation mode inside the block, and each of its layers back as it was after it."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
