"""ProgressBar: how far a run is, in the way that suits where it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dovetail.lightning.callbacks.callback import Callback
from dovetail.lightning.exceptions import MisconfigurationException
from dovetail.lightning.progress.state import Pass, View

if TYPE_CHECKING:
    from dovetail.lightning.module import LightningModule
    from dovetail.lightning.trainer import Trainer

WHERE = ("terminal", "notebook", "plain")
TITLES = {"validation": "Validating", "test": "Testing", "predict": "Predicting"}


class ProgressBar(Callback):
    """Shows progress: a live bar in a terminal, one that updates itself in a notebook, a line per epoch in a pipe.

    Args:
        where: "terminal", "notebook" or "plain" to say where this runs; found out by itself if None.
        leave: keep each epoch's bar on the screen instead of drawing the next one over it.
        console: the rich console to draw on; one on standard output if None.

    Raises:
        MisconfigurationException: ``where`` is something else.

    Example::

        >>> ProgressBar(leave=True).leave
        True
    """

    after_epoch_metrics = True

    def __init__(self, where: str | None = None, leave: bool = False, console: Any = None) -> None:
        if where is not None and where not in WHERE:
            raise MisconfigurationException(f"where is {', '.join(map(repr, WHERE))} or None, got {where!r}")
        self.where = where
        self.leave = leave
        self.console = console
        self._view: View | None = None
        self._outer: Pass | None = None
        self._inner: Pass | None = None
        self._next = 0.0

    @property
    def view(self) -> View:
        """What draws, made when it is first needed."""
        if self._view is None:
            self._view = choose_view(self.where, self.leave, self.console)
        return self._view

    def print(self, *words: object, **options: Any) -> None:
        """Print without tearing the bar."""
        self.view.print(*words, **options)

    # -- drawing ----------------------------------------------------------------------------------------------------

    def _draw(self, now: float | None = None) -> None:
        rate = self.view.refreshes_per_second
        shown, inside = (self._outer, self._inner) if self._outer is not None else (self._inner, None)
        if rate and shown is not None:
            self.view.show(shown, inside)
            self._next = (time.monotonic() if now is None else now) + 1 / rate

    def _begin_inner(self, trainer: Trainer, stage: str) -> None:
        loop = trainer.evaluation
        title = "Sanity check" if trainer.sanity_checking else TITLES[stage]
        self._inner = Pass(title, loop.total if loop is not None else 0)
        if self._outer is not None and trainer.fit_loop is not None:
            self._outer.advance(trainer.fit_loop.batches_done)
            self._outer.metrics = dict(trainer.metrics.bar)
        self._draw()

    def _advance_inner(self, batch_idx: int) -> None:
        now = time.monotonic()
        if self._inner is not None:
            self._inner.done = batch_idx + 1
            if now >= self._next and self.view.refreshes_per_second:
                self._inner.advance(batch_idx + 1)
                self._draw(now)

    def _end_inner(self, trainer: Trainer) -> None:
        inner, self._inner = self._inner, None
        if inner is None:
            return
        inner.advance(inner.done)
        if self._outer is not None:
            self._draw()
        elif not trainer.sanity_checking:
            self.view.finish(inner)
            self.view.close()

    # -- training ---------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a bar."""
        self._begin_epoch(trainer, 0)

    def _begin_epoch(self, trainer: Trainer, done: int) -> None:
        of = f"/{trainer.max_epochs}" if trainer.max_epochs != -1 else ""
        number = f"{trainer.current_epoch + 1}".rjust(len(of) - 1)
        self._outer = Pass(f"Epoch {number}{of}", trainer.num_training_batches, done)
        self._outer.metrics = dict(trainer.metrics.bar)
        self._draw()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar on, if it is time to draw again."""
        now = time.monotonic()
        if now < self._next:
            return
        if self._outer is None:  # an epoch that goes on where it was interrupted
            self._begin_epoch(trainer, batch_idx)
        if self._outer is not None and self.view.refreshes_per_second:
            self._outer.advance(batch_idx + 1)
            self._outer.metrics = dict(trainer.metrics.bar_values())
            self._draw(now)
        else:
            self._next = float("inf")  # nothing is drawn on the way here

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish the bar, with the epoch's metrics."""
        outer, self._outer = self._outer, None
        if outer is not None and trainer.fit_loop is not None:
            outer.advance(trainer.fit_loop.batches_done)
            outer.metrics = dict(trainer.metrics.bar_values())
            self.view.finish(outer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the last bar on the screen."""
        self._close()

    # -- validation, test, prediction -------------------------------------------------------------------------------

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a bar, below the epoch's if there is one."""
        self._begin_inner(trainer, "validation")

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move it on."""
        self._advance_inner(batch_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take it away, or leave it where it stands alone."""
        self._end_inner(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a bar."""
        self._begin_inner(trainer, "test")

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move it on."""
        self._advance_inner(batch_idx)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave it on the screen."""
        self._end_inner(trainer)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a bar."""
        self._begin_inner(trainer, "predict")

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move it on."""
        self._advance_inner(batch_idx)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave it on the screen."""
        self._end_inner(trainer)

    # -- the end ----------------------------------------------------------------------------------------------------

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the screen in order before the traceback."""
        self._close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the screen in order in any case."""
        self._close()

    def _close(self) -> None:
        self._outer = self._inner = None
        self._next = 0.0
        if self._view is not None:
            self._view.close()
            self._view = None  # the next run may have another standard output


def choose_view(where: str | None, leave: bool, console: Any) -> View:
    """Return what draws: as told, or as standard output is a notebook, a terminal, or neither."""
    from dovetail.lightning.progress.notebook import NotebookView
    from dovetail.lightning.progress.plain import PlainView
    from dovetail.lightning.progress.terminal import TerminalView
    from dovetail.lightning.tables import console_for

    if where == "plain":
        return PlainView(console.file if console is not None else None)
    drawn_on = console_for(console)
    if where == "notebook" or where is None and drawn_on.is_jupyter:
        return NotebookView(leave)
    told = where == "terminal" or console is not None and console.is_terminal
    # a pipe stays plain even where FORCE_COLOR makes rich take it for a terminal
    if told or drawn_on.is_terminal and drawn_on.file.isatty() and not drawn_on.is_dumb_terminal:
        return TerminalView(drawn_on, leave)
    return PlainView(console.file if console is not None else None)
