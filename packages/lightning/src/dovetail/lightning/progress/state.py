"""What there is to show: how far a pass over the data is, and what it logged."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from dovetail.lightning.tables import format_number


@dataclass
class Pass:
    """One pass over a loader."""

    title: str
    total: float
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)

    def advance(self, done: int) -> None:
        """Note that so many batches are done."""
        self.done = done
        self.seconds = time.monotonic() - self.started

    @property
    def count(self) -> str:
        """How many batches are done, of how many where that is known."""
        return f"{self.done}" if self.total == math.inf else f"{self.done}/{int(self.total)}"

    @property
    def speed(self) -> str:
        """Batches per second, or seconds per batch; "" while none is done."""
        if not self.done or not self.seconds:
            return ""
        rate = self.done / self.seconds
        return f"{rate:.0f} it/s" if rate >= 100 else f"{rate:.1f} it/s" if rate >= 1 else f"{1 / rate:.1f} s/it"

    @property
    def clock(self) -> str:
        """Time used, and what is left where that is known."""
        used = format_seconds(self.seconds)
        if self.total == math.inf or not self.done or self.done >= self.total:
            return used
        return f"{used} < {format_seconds(self.seconds / self.done * (self.total - self.done))}"

    @property
    def words(self) -> str:
        """The metrics in one line; once the pass is over, the value of its last step gives way to the pass's own."""
        over = {f"{name.removesuffix('_epoch')}_step" for name in self.metrics if name.endswith("_epoch")}
        hidden = over if self.done >= self.total else set()
        return "  ".join(f"{name} {format_number(value)}" for name, value in self.metrics.items() if name not in hidden)


def format_seconds(seconds: float) -> str:
    """Write a duration as a clock does.

    Example::

        >>> format_seconds(7.4), format_seconds(3725)
        ('0:07', '1:02:05')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class View:
    """The base of what shows a pass, and perhaps a second one inside it."""

    #: Shown so many times a second at most; 0 where only finished passes are shown.
    refreshes_per_second = 0.0

    def show(self, outer: Pass, inner: Pass | None) -> None:
        """Show passes that are under way."""

    def finish(self, finished: Pass) -> None:
        """Show a pass that is over."""

    def print(self, *words: object, sep: str = " ", end: str = "\n") -> None:
        """Print a line without harm to what is shown."""
        print(*words, sep=sep, end=end, flush=True)

    def close(self) -> None:
        """Leave the screen in order; it may be asked more than once."""
