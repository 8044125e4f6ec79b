"""Progress in a notebook: one output that updates itself, so that no lines pile up."""

from __future__ import annotations

import html
import math
from typing import Any

from dovetail.lightning.progress.state import Pass, View


class NotebookView(View):
    """Shows the pass under way as HTML in one output of the cell; no widget extension is needed.

    Args:
        leave: keep the bar of each finished pass, each in an output of its own.
    """

    refreshes_per_second = 5.0

    def __init__(self, leave: bool = False) -> None:
        self.leave = leave
        self._output: Any = None

    def show(self, outer: Pass, inner: Pass | None) -> None:
        """Show the passes under way."""
        self._update([outer] if inner is None else [outer, inner])

    def finish(self, finished: Pass) -> None:
        """Show a pass that is over."""
        self._update([finished])
        if self.leave:
            self.close()

    def close(self) -> None:
        """Leave the output as it is; the next pass gets a new one."""
        self._output = None

    def _update(self, passes: list[Pass]) -> None:
        from IPython.display import display

        picture = Picture(passes)
        if self._output is None:
            self._output = display(picture, display_id=True)
        else:
            self._output.update(picture)


class Picture:
    """Passes as a notebook shows them: HTML where it can, text elsewhere."""

    def __init__(self, passes: list[Pass]) -> None:
        self.passes = passes

    def __repr__(self) -> str:
        return "\n".join(
            "  ".join(part for part in (shown.title, shown.count, shown.clock, shown.speed, shown.words) if part)
            for shown in self.passes
        )

    def _repr_html_(self) -> str:
        return "".join(_row(shown) for shown in self.passes)


def _row(shown: Pass) -> str:
    share = "" if shown.total == math.inf else f' value="{shown.done}" max="{max(int(shown.total), 1)}"'
    words = [shown.count, shown.clock, shown.speed, shown.words]
    return (
        '<div style="font-family: monospace; white-space: pre-wrap; display: flex; gap: 1em; align-items: center">'
        f"<b>{html.escape(shown.title)}</b><progress{share} style='width: 14em'></progress>"
        f"<span>{html.escape('  '.join(word for word in words if word))}</span></div>"
    )
