"""Training, validation and test rows of a table, encoded by what the training rows say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dovetail
from dovetail.data.dataset import TensorDataset
from dovetail.data.tables.encoder import Feature, TableEncoder, TargetColumn, as_numbers, check_finite
from dovetail.data.tables.kinds import Column
from dovetail.errors import DataError

if TYPE_CHECKING:
    from dovetail.data.tables.table import Table

TASKS = ("classification", "regression")


@dataclass(frozen=True)
class TableSplit:
    """The parts of a table: datasets of ``(x, y)``, the encoder, and which rows of the table each part has."""

    train: TensorDataset
    validation: TensorDataset
    test: TensorDataset
    encoder: TableEncoder
    rows: dict[str, list[int]]


def split_table(
    table: Table,
    target: str,
    validation: float,
    test: float,
    seed: int,
    stratify: bool,
    task: str | None,
    ignore: set[str],
    scale_target: bool,
) -> TableSplit:
    """Do what `Table.split` says."""
    task = _checked_task(target, table.columns[target], task)
    if task == "regression" and stratify:
        raise ValueError(f"stratify keeps the shares of classes, and {target!r} is a number; leave it out")
    if task == "classification" and scale_target:
        raise ValueError(f"scale_target is for numbers, and {target!r} is a class; leave it out")
    tested, validated = (_size(name, part, len(table)) for name, part in (("test", test), ("validation", validation)))
    if tested + validated >= len(table):
        raise ValueError(
            f"{validated} validation and {tested} test rows leave no row of {len(table)} to learn from; take fewer"
        )
    order = _order(len(table), seed, table[target].tolist() if stratify else None)
    rows = {
        "train": sorted(order[tested + validated :]),
        "validation": sorted(order[tested : tested + validated]),
        "test": sorted(order[:tested]),
    }
    learnt = table.take(rows["train"])
    features = [_feature(learnt, name) for name in table.columns if name != target and name not in ignore]
    if not features:
        raise DataError(f"there is no column beside the target {target!r} to learn from")
    encoder = TableEncoder(features, _target(learnt, target, task, scale_target))

    def dataset(part: str) -> TensorDataset:
        chosen = table.take(rows[part])
        return TensorDataset(encoder.encode(chosen), encoder.encode_target(chosen))

    return TableSplit(dataset("train"), dataset("validation"), dataset("test"), encoder, rows)


def _checked_task(target: str, column: Column, task: str | None) -> str:
    if task is not None and task not in TASKS:
        raise ValueError(f"a task is {' or '.join(map(repr, TASKS))}, got {task!r}")
    if column.kind in ("category", "text", "bool"):
        if task == "regression":
            raise ValueError(f"the target {target!r} is of the kind {column.kind!r}, which has classes, no numbers")
        return "classification"
    if column.kind == "int" and task is None:
        raise ValueError(
            f"the target {target!r} holds whole numbers, which may be classes or amounts; say "
            "task='classification' or task='regression'"
        )
    if column.kind != "int" and task == "classification":
        raise ValueError(
            f"the target {target!r} is of the kind {column.kind!r}, which has no classes; read the table with "
            f"kinds={{{target!r}: 'category'}}"
        )
    return task or "regression"


def _size(name: str, part: float, rows: int) -> int:
    whole = isinstance(part, int) and not isinstance(part, bool)
    if (whole and part < 0) or (not whole and not 0 <= part < 1):
        raise ValueError(f"{name} is a fraction from 0 to below 1, or a whole number of rows, got {part!r}")
    return int(part) if whole else round(part * rows)


def _order(rows: int, seed: int, classes: list[Any] | None) -> list[int]:
    """Return the rows in random order; with classes, any stretch of it has about the shares of all."""
    order = dovetail.randperm(rows, generator=dovetail.Generator().manual_seed(seed)).tolist()
    if classes is None:
        return order
    of_class: dict[Any, list[int]] = {}
    for row in order:
        of_class.setdefault(classes[row], []).append(row)
    places = {row: (place + 0.5) / len(members) for members in of_class.values() for place, row in enumerate(members)}
    return sorted(order, key=places.__getitem__)


def _feature(learnt: Table, name: str) -> Feature:
    column = learnt.columns[name]
    present = column.values[~column.missing]
    indicator = bool(column.missing.any())
    if column.kind == "text":
        raise DataError(
            f"column {name!r} holds texts that are no categories, {len(set(present))} different ones in the training "
            f"rows; leave it out by ignore=[{name!r}], or read the table with kinds={{{name!r}: 'category'}}"
        )
    if column.kind == "category":
        return Feature(name, column.kind, 0.0, 1.0, sorted(set(present)), indicator)
    check_finite(learnt, name)
    mean, scale = _mean_and_scale(column)
    return Feature(name, "float" if column.kind == "int" else column.kind, mean, scale, [], indicator)


def _mean_and_scale(column: Column) -> tuple[float, float]:
    """Return what makes the values that there are have mean 0 and standard deviation 1; equal values become 0."""
    numbers = as_numbers(column.kind, column.values[~column.missing])
    if not numbers.size or numbers.min() == numbers.max():
        return (float(numbers[0]) if numbers.size else 0.0), 1.0
    return float(numbers.mean()), float(numbers.std())


def _target(learnt: Table, name: str, task: str, scale_target: bool) -> TargetColumn:
    column = learnt.columns[name]
    if task == "classification":
        return TargetColumn(name, column.kind, sorted(set(column.values[~column.missing].tolist())), 0.0, 1.0)
    check_finite(learnt, name)
    mean, scale = _mean_and_scale(column) if scale_target else (0.0, 1.0)
    return TargetColumn(name, column.kind, [], mean, scale)
