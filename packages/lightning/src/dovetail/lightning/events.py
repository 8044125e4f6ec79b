"""Telling callbacks and the model what happens, at no cost for events that nobody listens to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dovetail.lightning.module_hooks import CALLBACK_ONLY, EVENTS, ModuleHooks

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer

#: Events in which ``self.log`` is about a step by default, as in ``training_step`` itself.
STEP_EVENTS = frozenset(
    (
        "on_train_batch_start",
        "on_train_batch_end",
        "on_before_zero_grad",
        "on_before_backward",
        "on_after_backward",
        "on_before_optimizer_step",
    )
)


class Events:
    """For each event, the methods that are to be called: callbacks in their order, then the model.

    Only overridden methods are in the table, so that an event without listeners costs one look-up.
    """

    def __init__(self, trainer: Trainer, model: LightningModule) -> None:
        from lightning_utilities import is_overridden

        from dovetail.lightning.callbacks.callback import Callback

        self._metrics = trainer.metrics
        self._listeners: dict[str, list[Any]] = {}
        for name in (*EVENTS, *CALLBACK_ONLY):
            told = [callback for callback in trainer.callbacks if is_overridden(name, callback, Callback)]
            late = [callback for callback in told if name == "on_train_epoch_end" and callback.after_epoch_metrics]
            table = self._listeners[name] = [
                partial(getattr(callback, name), trainer, model) for callback in told if callback not in late
            ]
            if name in EVENTS and is_overridden(name, model, ModuleHooks):
                table.append(getattr(model, name))
            if name == "on_train_epoch_end":
                self.late = [partial(callback.on_train_epoch_end, trainer, model) for callback in late]

    def call(self, name: str, *arguments: Any) -> list[Any]:
        """Tell all listeners of an event in order, and return what they returned."""
        listeners = self._listeners[name]
        if not listeners:
            return []
        metrics = self._metrics
        kept = metrics.steps_by_default
        metrics.steps_by_default = kept and name in STEP_EVENTS
        try:
            return [listener(*arguments) for listener in listeners]
        finally:
            metrics.steps_by_default = kept

    def call_late(self) -> None:
        """Tell the callbacks that look at the epoch's metrics that the epoch is over."""
        for listener in self.late:
            listener()
