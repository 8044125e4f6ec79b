"""Progress in a terminal: a bar that stays in its place, by rich."""

from __future__ import annotations

import math
from typing import Any

from dovetail.lightning.progress.state import Pass, View

NARROWEST = 10  # columns of the bar
WIDEST = 40
GAP = 2


class TerminalView(View):
    """Draws a bar for the pass under way, and a second one below it for a validation inside an epoch.

    Args:
        console: a rich console.
        leave: keep the bar of each finished pass on the screen.
    """

    refreshes_per_second = 10.0

    def __init__(self, console: Any, leave: bool = False) -> None:
        self.console = console
        self.leave = leave
        self._live: Any = None
        self._widths = [len("Sanity check"), 0, 0]

    def show(self, outer: Pass, inner: Pass | None) -> None:
        """Draw the passes under way."""
        self._draw(self._picture([outer] if inner is None else [outer, inner]))

    def finish(self, finished: Pass) -> None:
        """Draw a pass that is over; it stays until the next one takes its place, or for good with ``leave``."""
        self._draw(self._picture([finished]))
        if self.leave:
            self.close()

    def print(self, *words: object, sep: str = " ", end: str = "\n") -> None:
        """Print above the bar."""
        if self._live is None:
            print(*words, sep=sep, end=end, flush=True)
        else:
            self._live.console.print(sep.join(map(str, words)), end=end, markup=False, highlight=False)

    def close(self) -> None:
        """Stop drawing: the last bar stays, the cursor comes back."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def _draw(self, picture: Any) -> None:
        from rich.live import Live

        if self._live is None:
            # no thread: drawn from the loop, so a bar can neither slow down a step nor outlive its run
            self._live = Live(picture, console=self.console, auto_refresh=False)
            self._live.start(refresh=True)
        else:
            self._live.update(picture, refresh=True)

    def _picture(self, passes: list[Pass]) -> Any:
        """Return bars below each other, with the metrics of the first beside them or, for want of room, below."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        titles = [Text(shown.title, style="dim" if row else "bold") for row, shown in enumerate(passes)]
        figures = [_figures(shown) for shown in passes]
        words = Text(passes[0].words, style="cyan")
        room_for = [self._widest(0, titles), self._widest(1, figures), self._widest(2, [words])]
        room = self.console.width - room_for[0] - room_for[1] - 2 * GAP
        beside = bool(words) and room - room_for[2] - GAP >= NARROWEST
        width = max(NARROWEST, min(WIDEST, room - (room_for[2] + GAP if room_for[2] and beside else 0)))
        grid = Table.grid(padding=(0, GAP, 0, 0))
        grid.add_column(min_width=room_for[0])
        for row, shown in enumerate(passes):
            grid.add_row(titles[row], _bar(shown, width), figures[row], words if beside and not row else "")
        return Group(grid, words) if words and not beside else grid

    def _widest(self, column: int, texts: list[Any]) -> int:
        """Return the widest that a column has been so far, so that the bar does not jump as texts grow and shrink."""
        self._widths[column] = max(self._widths[column], *(text.cell_len for text in texts))
        return self._widths[column]


def _figures(shown: Pass) -> Any:
    from rich.text import Text

    parts = [(shown.count, "green"), (shown.clock, "yellow"), (shown.speed, "dim")]
    return Text("  ").join(Text(words, style=style) for words, style in parts if words)


def _bar(shown: Pass, width: int) -> Any:
    from rich.progress_bar import ProgressBar

    known = shown.total != math.inf
    return ProgressBar(
        total=max(shown.total, 1) if known else None,
        completed=shown.done,
        width=width,
        pulse=not known,
        complete_style="magenta",
        finished_style="green",
    )
