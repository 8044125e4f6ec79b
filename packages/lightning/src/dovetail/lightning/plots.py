"""Pictures of a run: its curves, and images with what the model says they are. Needs ``dovetail-lightning[plots]``."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dovetail.errors import MissingPackageError
from dovetail.lightning.exceptions import MisconfigurationException

Curve = list[tuple[float, float]]
COLORS = ("#4C6FFF", "#F2784B", "#2BA58C", "#8E5BD0", "#C7962C")
INK, QUIET, WRONG = "#20242C", "#8A93A3", "#D6336C"


def read_metrics(path: Any) -> dict[str, Curve]:
    """Read a ``metrics.csv`` and return each metric's values as ``(epoch, value)``, in the file's order.

    Epochs are counted from 1 here, so that a value stands where its epoch ends; a metric that is logged several times
    an epoch is spread over it.

    Raises:
        MisconfigurationException: there is no such file, or it has no epochs.
    """
    if not os.path.isfile(path):
        raise MisconfigurationException(f"there is no metrics file at {os.fspath(path)!r}")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or "epoch" not in rows[0]:
        raise MisconfigurationException(f"{os.fspath(path)!r} has no column 'epoch'; it is no log of a fit")
    found: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in ("epoch", "step") and value and row["epoch"]:
                found.setdefault(name, {}).setdefault(int(row["epoch"]), []).append(float(value))
    return {
        name: [
            (epoch + (number + 1) / len(values), value)
            for epoch, values in epochs.items()
            for number, value in enumerate(values)
        ]
        for name, epochs in found.items()
    }


def figure(width: float, height: float) -> Any:
    """Return an empty matplotlib figure of so many inches.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "pictures need matplotlib, which is not installed; pip install 'dovetail-lightning[plots]'"
        ) from error
    return Figure(figsize=(width, height), facecolor="white", layout="constrained")


def draw_curves(axes: Any, curves: Mapping[str, Curve], title: str = "", logarithmic: bool = False) -> None:
    """Draw curves into matplotlib axes, each named at its end of the legend with its last value."""
    for color, (name, points) in zip(COLORS, curves.items(), strict=False):
        epochs, values = [point[0] for point in points], [point[1] for point in points]
        axes.plot(epochs, values, color=color, linewidth=2, solid_capstyle="round", label=f"{name}  {values[-1]:.4f}")
        axes.plot(epochs[-1:], values[-1:], "o", color=color, markersize=5)
    if logarithmic:
        from matplotlib.ticker import LogLocator, NullFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold")
    axes.set_xlabel("epoch", color=QUIET)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.margins(x=0.03, y=0.08)
    axes.tick_params(colors=QUIET, which="both", labelsize=9, length=0)
    axes.grid(color="#E8EBF0", linewidth=1)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)


def draw_images(
    target: Any, images: Any, labels: Sequence[Any], predictions: Sequence[Any], columns: int = 10, title: str = ""
) -> None:
    """Draw a grid of images into a figure, each with its prediction; a wrong one in red, with what it is in brackets.

    Args:
        target: a matplotlib figure or subfigure.
        images: tensor of shape ``(N, 1, H, W)`` or ``(N, H, W)``.
        labels: what the images are, ``N`` of them.
        predictions: what the model says, ``N`` of them.
        columns: images in a row.
        title: a line above the grid.

    Raises:
        MisconfigurationException: the three are not of one length.
    """
    if not len(images) == len(labels) == len(predictions):
        raise MisconfigurationException(
            f"images, labels and predictions go together, got {len(images)}, {len(labels)} and {len(predictions)}"
        )
    rows = -(-len(images) // columns)
    grid = list(target.subplots(rows, columns, squeeze=False).flat)
    pictures = images.reshape(len(images), *images.shape[-2:]).detach().cpu().numpy()
    for axes in grid:
        axes.set_axis_off()
    for axes, picture, label, said in zip(grid, pictures, labels, predictions, strict=False):
        right = said == label
        axes.imshow(picture, cmap="gray_r", interpolation="nearest", vmin=0)
        words = str(said) if right else f"{said} ({label})"
        axes.set_title(words, fontsize=10, pad=2, color=INK if right else WRONG)
    target.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold")


def plot_run(
    path: Any,
    metrics: Any,
    images: Any,
    labels: Sequence[Any],
    predictions: Sequence[Any],
    losses: Iterable[str] = ("train_loss", "val_loss"),
    accuracies: Iterable[str] = ("train_acc", "val_acc"),
    title: str = "",
) -> None:
    """Write one picture of a run: loss and accuracy curves on the left, images with predictions on the right.

    Args:
        path: the picture's file; its ending says which format.
        metrics: a ``metrics.csv``, or what ``read_metrics`` returned.
        images: tensor of shape ``(N, 1, H, W)`` or ``(N, H, W)``.
        labels: what the images are.
        predictions: what the model says.
        losses: the metrics in the upper panel; ones that were not logged are left out.
        accuracies: the metrics in the lower panel.
        title: a line above the images.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    curves = metrics if isinstance(metrics, Mapping) else read_metrics(metrics)
    canvas = figure(12, 5.6)
    canvas.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.0, hspace=0.0, rect=(0.01, 0.01, 0.98, 0.97))
    left, right = canvas.subfigures(1, 2, width_ratios=(1, 1.1), wspace=0.03)
    upper, lower = left.subplots(2, 1, sharex=True, gridspec_kw={"hspace": 0.06})
    draw_curves(upper, {name: curves[name] for name in losses if name in curves}, "Loss", logarithmic=True)
    draw_curves(lower, {name: curves[name] for name in accuracies if name in curves}, "Accuracy")
    upper.set_xlabel("")
    draw_images(right, images, labels, predictions, title=title)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    canvas.savefig(path, dpi=110)
