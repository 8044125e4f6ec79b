"""What was logged: the values of this step, and those of the epoch brought down to one number each."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import dovetail
from dovetail.lightning.exceptions import MisconfigurationException

REDUCTIONS = ("mean", "sum", "min", "max")
#: So many values wait on their device before they are read: reading makes the host wait for the device.
PENDING = 64


class Metric:
    """One logged name: its options, its latest value, and what its epoch's values amount to so far."""

    __slots__ = ("bar", "latest", "logger", "name", "on_epoch", "on_step", "pending", "reduce_fx", "total", "weight")

    def __init__(self, name: str, on_step: bool, on_epoch: bool, bar: bool, logger: bool, reduce_fx: str) -> None:
        self.name, self.on_step, self.on_epoch = name, on_step, on_epoch
        self.bar, self.logger, self.reduce_fx = bar, logger, reduce_fx
        self.latest: Any = None
        self.pending: list[tuple[Any, float]] = []
        self.total: float | None = None
        self.weight = 0.0

    @property
    def step_name(self) -> str:
        return f"{self.name}_step" if self.on_epoch else self.name

    @property
    def epoch_name(self) -> str:
        return f"{self.name}_epoch" if self.on_step else self.name

    def add(self, value: Any, weight: float) -> None:
        self.latest = value
        if self.on_epoch:
            self.pending.append((value, weight))
            if len(self.pending) >= PENDING:
                self.flush()

    def flush(self) -> None:
        for waiting, weight in self.pending:
            value = float(waiting)
            if self.reduce_fx == "mean":
                value *= weight
            if self.total is None:
                self.total = value
            elif self.reduce_fx in ("mean", "sum"):
                self.total += value
            else:
                # a nan stays, whichever side it is on
                pick = min if self.reduce_fx == "min" else max
                self.total = math.nan if math.isnan(value + self.total) else pick(self.total, value)
            self.weight += weight
        self.pending.clear()

    def reduced(self) -> float:
        self.flush()
        if self.total is None:
            return math.nan
        if self.reduce_fx != "mean":
            return self.total
        return self.total / self.weight if self.weight else math.nan


class Metrics:
    """All that a run logs. The Trainer says which stage logs and when a step or an epoch is over."""

    def __init__(self) -> None:
        self.current: dict[str, Metric] = {}
        self.callback: dict[str, float] = {}
        self.bar: dict[str, float] = {}
        self.logged: dict[str, float] = {}
        self.versions: dict[str, int] = {}
        self.stage_logged: dict[str, float] = {}
        self.steps_by_default = False
        self.batch: Any = None
        self._batch_size: int | None = None
        self._stack: list[tuple[dict[str, Metric], bool]] = []

    # -- stages -----------------------------------------------------------------------------------------------------

    def begin(self, steps_by_default: bool) -> None:
        """Start collecting for a stage; validation inside training puts training's values aside."""
        self._stack.append((self.current, self.steps_by_default))
        self.current, self.steps_by_default = {}, steps_by_default

    def end(self) -> None:
        """Forget this stage's open values and go back to the one around it."""
        self.current, self.steps_by_default = self._stack.pop()

    def set_batch(self, batch: Any) -> None:
        """Say which batch the coming values are about; its size is their weight."""
        self.batch, self._batch_size = batch, None

    # -- recording --------------------------------------------------------------------------------------------------

    def record(
        self,
        name: str,
        value: Any,
        bar: bool = False,
        logger: bool = True,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        reduce_fx: str = "mean",
        batch_size: int | None = None,
    ) -> None:
        """Keep one value under ``name``."""
        if isinstance(value, dovetail.Tensor):
            if value.numel() != 1:
                raise MisconfigurationException(
                    f"log({name!r}, ...) takes one number, got a tensor of shape {tuple(value.shape)}; reduce it "
                    f"first, as in self.log({name!r}, value.mean())"
                )
            value = value.detach().clone()  # a buffer that is changed in place later must not change what was logged
        elif not isinstance(value, Real):
            raise MisconfigurationException(
                f"log({name!r}, ...) takes a number or a tensor with one element, got {type(value).__name__}"
            )
        metric = self.current.get(name)
        if metric is None:
            metric = self._open(name, bar, logger, on_step, on_epoch, reduce_fx)
        metric.add(value, 1.0 if not metric.on_epoch else self._weight(batch_size))

    def _open(
        self, name: str, bar: bool, logger: bool, on_step: bool | None, on_epoch: bool | None, reduce_fx: str
    ) -> Metric:
        if reduce_fx not in REDUCTIONS:
            raise MisconfigurationException(
                f"log({name!r}, ...) takes reduce_fx {', '.join(map(repr, REDUCTIONS))}, got {reduce_fx!r}"
            )
        step = self.steps_by_default if on_step is None else on_step
        epoch = not self.steps_by_default if on_epoch is None else on_epoch
        metric = self.current[name] = Metric(name, step, epoch, bar, logger, reduce_fx)
        return metric

    def _weight(self, batch_size: int | None) -> float:
        if batch_size is not None:
            return float(batch_size)
        if self._batch_size is None:
            self._batch_size = batch_size_of(self.batch)
        return float(self._batch_size)

    # -- reading ----------------------------------------------------------------------------------------------------

    def step_values(self) -> dict[str, float]:
        """Return the latest value of what is logged each step, and make it known."""
        return self._publish({metric: float(metric.latest) for metric in self.current.values() if metric.on_step}, True)

    def bar_values(self) -> dict[str, float]:
        """Return what stands beside the progress bar now."""
        for metric in self.current.values():
            if metric.bar and metric.on_step:
                self.bar[metric.step_name] = float(metric.latest)
        return self.bar

    def epoch_values(self) -> dict[str, float]:
        """Bring the epoch's values down to one number each, make them known, and start anew."""
        values = {metric: metric.reduced() for metric in self.current.values() if metric.on_epoch}
        last = {metric: float(metric.latest) for metric in self.current.values() if metric.on_step}
        self._publish(last, True)
        self.stage_logged = self._publish(values, False)
        self.current = {}
        return self.stage_logged

    def _publish(self, values: dict[Metric, float], step: bool) -> dict[str, float]:
        logged = {}
        for metric, value in values.items():
            name = metric.step_name if step else metric.epoch_name
            for known in {name, metric.name}:
                self.callback[known] = value
                self.versions[known] = self.versions.get(known, 0) + 1
            if metric.bar:
                self.bar[name] = value
            if metric.logger:
                logged[name] = value
        self.logged.update(logged)
        return logged

    def forget(self) -> None:
        """Drop all that was made known so far: what the sanity check logged is no result."""
        self.callback, self.bar, self.logged, self.versions, self.stage_logged = {}, {}, {}, {}, {}

    # -- the state of an unfinished epoch ---------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the open values, so that an interrupted epoch goes on with them."""
        for metric in self.current.values():
            metric.flush()
        return {
            "open": [
                [m.name, m.on_step, m.on_epoch, m.bar, m.logger, m.reduce_fx, m.total, m.weight, float(m.latest)]
                for m in self.current.values()
            ],
            "callback": dict(self.callback),
            "bar": dict(self.bar),
        }

    def load_known(self, state: dict[str, Any]) -> None:
        """Take up what was known when the state was made."""
        self.callback, self.bar = dict(state["callback"]), dict(state["bar"])

    def load_open(self, state: dict[str, Any]) -> None:
        """Take up the open values of the epoch that goes on."""
        for *options, total, weight, latest in state["open"]:
            metric = self.current[options[0]] = Metric(*options)
            metric.total, metric.weight, metric.latest = total, weight, latest


def batch_size_of(batch: Any) -> int:
    """Return the first size of the first tensor in a batch; 1 where there is none."""
    if isinstance(batch, dovetail.Tensor):
        return batch.shape[0] if batch.ndim else 1
    if isinstance(batch, dict):
        batch = batch.values()
    elif not isinstance(batch, list | tuple):
        return 1
    for part in batch:
        if isinstance(part, dovetail.Tensor | dict | list | tuple):
            return batch_size_of(part)
    return 1
