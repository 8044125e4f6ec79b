"""Tables of text, and numbers with units that can be read at a glance."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines with the first column to the left and the others to the right, under a ruled heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if position else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join((lines[0], rule, *lines[1:]))


def number(count: float) -> str:
    """Return a count with three digits and k, M, G, T or P; nothing but a dash for 0."""
    return _scaled(count, 1000, ("", "k", "M", "G", "T", "P"), "")


def size(count: float) -> str:
    """Return bytes with three digits and their unit."""
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), " ")


def duration(nanoseconds: float) -> str:
    """Return a time with three digits and its unit."""
    return _scaled(nanoseconds, 1000, ("ns", "us", "ms", "s"), " ")


def _scaled(amount: float, step: int, units: Sequence[str], space: str) -> str:
    if not amount:
        return "-"
    for unit in units:
        if amount < 999.5 or unit == units[-1]:
            break
        amount /= step
    digits = 0 if unit == units[0] or amount >= 99.95 else 1 if amount >= 9.995 else 2
    return f"{amount:.{digits}f}{space}{unit}"


def share(part: float, whole: float) -> str:
    """Return a part in per cent."""
    return f"{100 * part / whole:.1f}%" if whole else "-"
