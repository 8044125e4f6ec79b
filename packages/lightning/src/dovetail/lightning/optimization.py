"""Reading what ``configure_optimizers`` returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dovetail import optim
from dovetail.lightning.exceptions import MisconfigurationException

FORMS = (
    "return an optimizer, [optimizer], ([optimizer], [schedulers]) or {'optimizer': ..., 'lr_scheduler': ...}, "
    "for example dovetail.optim.Adam(self.parameters(), lr=1e-3)"
)


@dataclass
class SchedulerConfig:
    """A scheduler and when it steps: every ``frequency`` of ``interval``; ``monitor`` names the metric it looks at."""

    scheduler: Any
    interval: str = "epoch"
    frequency: int = 1
    monitor: str | None = None
    name: str | None = None
    strict: bool = True

    @property
    def reduces_on_plateau(self) -> bool:
        """Whether ``step`` takes a metric."""
        return isinstance(self.scheduler, getattr(optim.lr_scheduler, "ReduceLROnPlateau", ()))


def configure(model: Any) -> tuple[list[Any], list[SchedulerConfig]]:
    """Ask the model for its optimizer and schedulers.

    Raises:
        MisconfigurationException: what it returned has another form.
    """
    answer = model.configure_optimizers()
    name = type(model).__name__
    if answer is None:
        raise MisconfigurationException(f"{name}.configure_optimizers returned None; {FORMS}")
    optimizers, schedulers = _split(answer, name)
    for optimizer in optimizers:
        if not isinstance(optimizer, optim.Optimizer):
            raise MisconfigurationException(
                f"{name}.configure_optimizers gave {type(optimizer).__name__} where an optimizer is needed; {FORMS}"
            )
    if len(optimizers) != 1:
        raise MisconfigurationException(
            f"{name}.configure_optimizers gave {len(optimizers)} optimizers; the Trainer steps exactly one: put the "
            "parameters in groups of one optimizer, as in optim.SGD([{'params': a, 'lr': 0.1}, {'params': b}])"
        )
    return optimizers, [_scheduler(entry, name) for entry in schedulers]


def _split(answer: Any, name: str) -> tuple[list[Any], list[Any]]:
    if isinstance(answer, Mapping):
        if "optimizer" not in answer:
            raise MisconfigurationException(
                f"{name}.configure_optimizers returned a dict with {sorted(answer)} and no 'optimizer'; {FORMS}"
            )
        scheduler = answer.get("lr_scheduler")
        return [answer["optimizer"]], [] if scheduler is None else [scheduler]
    if isinstance(answer, tuple | list):
        if len(answer) == 2 and all(isinstance(part, list | tuple) for part in answer):
            return list(answer[0]), list(answer[1])
        return list(answer), []
    return [answer], []


def _scheduler(entry: Any, name: str) -> SchedulerConfig:
    if not isinstance(entry, Mapping):
        config = SchedulerConfig(entry)
    else:
        fields = SchedulerConfig.__dataclass_fields__
        unknown = sorted(set(entry) - set(fields))
        if unknown or "scheduler" not in entry:
            raise MisconfigurationException(
                f"{name}.configure_optimizers gave a scheduler dict with {sorted(entry)}; it needs 'scheduler' and "
                f"takes {sorted(set(fields) - {'scheduler'})}"
            )
        config = SchedulerConfig(**entry)
    if not callable(getattr(config.scheduler, "step", None)):
        raise MisconfigurationException(
            f"{name}.configure_optimizers gave {type(config.scheduler).__name__} where a scheduler is needed; it has "
            "no step()"
        )
    if config.interval not in ("epoch", "step"):
        raise MisconfigurationException(f"a scheduler's interval is 'epoch' or 'step', got {config.interval!r}")
    if config.reduces_on_plateau and config.monitor is None:
        raise MisconfigurationException(
            "ReduceLROnPlateau needs to know what to look at: return {'scheduler': ..., 'monitor': 'val_loss'}"
        )
    return config


def step_schedulers(configs: list[SchedulerConfig], interval: str, count: int, metrics: dict[str, float]) -> None:
    """Step the schedulers of an interval whose turn it is.

    Raises:
        MisconfigurationException: a scheduler looks at a metric that was not logged.
    """
    for config in configs:
        if config.interval != interval or count % config.frequency:
            continue
        if not config.reduces_on_plateau:
            config.scheduler.step()
        elif config.monitor in metrics:
            config.scheduler.step(metrics[config.monitor])
        elif config.strict:
            raise MisconfigurationException(not_logged("the scheduler", config.monitor, metrics))


def not_logged(who: str, monitor: str | None, metrics: dict[str, float]) -> str:
    """Return the text for a metric that nobody logged."""
    there = ", ".join(repr(name) for name in sorted(metrics)) or "nothing"
    return (
        f"{who} monitors {monitor!r}, which was not logged; logged so far: {there}; "
        f"call self.log({monitor!r}, ...) in a step, or monitor one of these"
    )
