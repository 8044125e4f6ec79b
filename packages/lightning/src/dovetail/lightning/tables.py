"""Tables: the layers of a model, and the metrics of a run."""

from __future__ import annotations

import math
from typing import Any


def format_number(value: float) -> str:
    """Write a metric with four decimals, or with an exponent where these would not show it.

    Example::

        >>> format_number(0.98611), format_number(0.00002), format_number(12345.678)
        ('0.9861', '2.00e-05', '1.23e+04')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:.4f}"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"


def format_count(count: float) -> str:
    """Write a count as Lightning does, to three digits or so with a letter for the thousands.

    Example::

        >>> format_count(512), format_count(101_770), format_count(2_500_000)
        ('512', '101 K', '2.5 M')
    """
    for letter in ("", " K", " M", " B"):
        if count < 1000 or letter == " B":
            return f"{count:.1f}{letter}" if letter and count < 100 else f"{int(count)}{letter}"
        count /= 1000
    return str(count)


def console_for(console: Any) -> Any:
    """Return the console, or one on what standard output is now."""
    if console is not None:
        return console
    from rich.console import Console

    return Console()


def print_metrics(metrics: dict[str, float], stage: str, console: Any = None) -> None:
    """Print what a validation or test logged, as a table."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.ROUNDED, header_style="bold")
    table.add_column(f"{stage.capitalize()} metric", style="cyan")
    table.add_column("Value", justify="right")
    for name, value in metrics.items():
        table.add_row(name, format_number(value))
    if not metrics:
        table.add_row("nothing was logged", "")
    console_for(console).print(table)


def summary_table(model: Any, max_depth: int = 1) -> Any:
    """Return the table of a model's layers as something that rich prints.

    Args:
        model: a Module.
        max_depth: how deep to look into layers of layers; -1 for all the way, 0 for the totals only.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table

    table = Table(box=box.ROUNDED, header_style="bold")
    for title, side in (("", "right"), ("Name", "left"), ("Type", "left"), ("Params", "right"), ("Mode", "left")):
        table.add_column(title, justify=side)  # type: ignore[arg-type]
    for number, (name, layer) in enumerate(_layers(model, max_depth)):
        count = sum(parameter.numel() for parameter in layer.parameters())
        table.add_row(
            f"[dim]{number}[/dim]",
            f"[cyan]{name}[/cyan]",
            type(layer).__name__,
            format_count(count) if count else "",
            "train" if layer.training else "[yellow]eval[/yellow]",
        )
    return Group(table, totals(model)) if table.row_count else totals(model)


def _layers(model: Any, max_depth: int) -> list[tuple[str, Any]]:
    return [
        (name, layer)
        for name, layer in model.named_modules()
        if name and (max_depth == -1 or name.count(".") < max_depth)
    ]


def totals(model: Any) -> str:
    """Return the line under the table: how many parameters are trained, how many are not, and their size."""
    trained = frozen = size = 0
    for parameter in model.parameters():
        size += parameter.numel() * parameter.element_size()
        if parameter.requires_grad:
            trained += parameter.numel()
        else:
            frozen += parameter.numel()
    return f"{trained:,} trainable and {frozen:,} frozen parameters, {size / 1e6:.3f} MB"
