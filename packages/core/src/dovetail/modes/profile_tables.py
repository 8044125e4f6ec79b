"""What a profile's events come to, by op and by module, and how that is printed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dovetail.modes.places import names_of, titled
from dovetail.modes.tables import aligned, duration, number, share, size

SORTS = {"name": "key", "bytes": "bytes", "flops": "flops", "count": "count", "calls": "count"}
TIMES = {"time_total": "total", "time": "average", "self_time_total": "own"}


class Average:
    """All events of one key: how many, their times in nanoseconds, bytes and operations.

    ``self_cpu_time_total``, ``cpu_time_total`` and ``cpu_time`` are in microseconds, as PyTorch's.
    """

    def __init__(self, key: str, shapes: tuple = ()) -> None:
        self.key = key
        self.input_shapes = shapes
        self.count = self.own = self.total = self.backward = self.bytes = self.flops = 0

    @property
    def average(self) -> float:
        """The time of one, in nanoseconds."""
        return self.total / max(self.count, 1)

    @property
    def self_cpu_time_total(self) -> float:
        """The time apart from what ran inside, in microseconds."""
        return self.own / 1000

    @property
    def cpu_time_total(self) -> float:
        """The whole time, in microseconds."""
        return self.total / 1000

    @property
    def cpu_time(self) -> float:
        """The time of one, in microseconds."""
        return self.average / 1000

    def __repr__(self) -> str:
        return f"<{self.key}: {self.count} calls, {duration(self.total)}>"


class Averages(list):
    """The rows of a profile; ``table`` prints them."""

    def __init__(self, rows: Iterable[Average], whole: int, by_module: bool) -> None:
        super().__init__(sorted(rows, key=lambda row: -row.own))
        self.whole = whole
        self.by_module = by_module

    def table(self, sort_by: str | None = None, row_limit: int = 100) -> str:
        """Return the rows as a table of text, sorted by a column; see ``profile.table``.

        Raises:
            ValueError: there is no such column.
        """
        rows = list(self)
        if sort_by is not None:
            column = _column(sort_by)
            rows.sort(key=lambda row: getattr(row, column), reverse=column != "key")
        cells = (_by_module if self.by_module else _by_op)(rows[: row_limit if row_limit >= 0 else None], self.whole)
        return f"{aligned(cells)}\nTotal: {duration(self.whole)}"


def _column(name: str) -> str:
    plain = name.replace("cpu_", "").replace("cuda_", "").replace("device_", "")
    found = SORTS.get(plain) or TIMES.get(plain)
    if found is None:
        allowed = [*(f"{'self_cpu_time_total' if key.startswith('self') else 'cpu_' + key}" for key in TIMES), *SORTS]
        raise ValueError(f"profile.table: no column {name!r} to sort by; there are {allowed}")
    return found


def _by_op(rows: list[Average], whole: int) -> list[tuple[str, ...]]:
    shaped = any(row.input_shapes for row in rows)
    head = ("Name", "Self %", "Self", "Total %", "Total", "Average", "Calls", "Bytes", "FLOP", "FLOP/s")
    cells: list[tuple[str, ...]] = [(*head, "Input sizes") if shaped else head]
    for row in rows:
        line = (
            row.key, share(row.own, whole), duration(row.own), share(row.total, whole), duration(row.total),
            duration(row.average), str(row.count), size(row.bytes), number(row.flops),
            number(1e9 * row.flops / row.own if row.own else 0),
        )  # fmt: skip
        cells.append((*line, " ".join(map(str, row.input_shapes))) if shaped else line)
    return cells


def _by_module(rows: list[Average], whole: int) -> list[tuple[str, ...]]:
    cells: list[tuple[str, ...]] = [("Module", "Self", "Forward", "Backward", "Total %", "Calls", "Bytes", "FLOP")]
    cells += [
        (
            row.key, duration(row.own), duration(row.total - row.backward), duration(row.backward),
            share(row.total, whole), str(row.count), size(row.bytes), number(row.flops),
        )
        for row in rows
    ]  # fmt: skip
    return cells


def _whole(events: list[Any]) -> int:
    """Return the time of all events that are in no other."""
    return sum(event.total for event in events if event.owner is None)


def averages_by_op(events: list[Any], by_shape: bool = False) -> Averages:
    """Return a row for each op, backward node and range; modules have a table of their own."""
    rows: dict[Any, Average] = {}
    for event in events:
        if event.kind == "module":
            continue
        key = (event.name, event.shapes if by_shape else ())
        row = rows.get(key)
        if row is None:
            row = rows[key] = Average(*key)
        row.count += 1
        row.total += event.total
        row.own += event.own
        row.flops += event.flops
        row.bytes += event.bytes
    return Averages(rows.values(), _whole(events), False)


def averages_by_module(events: list[Any]) -> Averages:
    """Return a row for each module: its time with all that is in it, forward and backward, and without."""
    rows: dict[str, Average] = {}
    paths: dict[tuple[int, ...], list[str]] = {}
    for event in events:
        known = tuple(map(id, event.modules))
        names = paths.get(known)
        if names is None:
            names = paths[known] = names_of(event.modules)
        for depth in range(1, len(names) + 1):
            path = ".".join(names[:depth])
            row = rows.get(path)
            if row is None:
                row = rows[path] = Average(titled(path, event.modules[depth - 1]))
            row.bytes += event.bytes
            row.flops += event.flops
            if event.kind == "backward":
                row.backward += event.total
                row.total += event.total
            elif event.kind == "module" and depth == len(names):
                row.total += event.total
                row.count += 1
        if names and event.kind in ("module", "backward"):
            rows[".".join(names)].own += event.total
            if event.kind == "module" and len(names) > 1:
                rows[".".join(names[:-1])].own -= event.total
    return Averages(rows.values(), _whole(events), True)
