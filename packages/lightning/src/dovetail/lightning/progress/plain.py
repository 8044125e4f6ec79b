"""Progress in a pipe or a file: one line for each pass, when it is over."""

from __future__ import annotations

import sys
from typing import Any

from dovetail.lightning.progress.state import Pass, View


class PlainView(View):
    """Writes one line per pass to ``stream``, or to what standard output is at that time."""

    def __init__(self, stream: Any = None) -> None:
        self.stream = stream

    def finish(self, finished: Pass) -> None:
        """Write the line of a pass."""
        parts = [finished.title, f"{finished.count} batches", f"{finished.seconds:.1f} s", finished.words]
        self.print("  ".join(part for part in parts if part))

    def print(self, *words: object, sep: str = " ", end: str = "\n") -> None:
        """Write a line of anything."""
        print(*words, sep=sep, end=end, file=self.stream or sys.stdout, flush=True)
