"""Rows as numbers: what is learnt from the training rows, and how all rows are encoded with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import dovetail
from dovetail.data.tables.kinds import Column
from dovetail.errors import DataError

if TYPE_CHECKING:
    from dovetail.data.tables.table import Table

MICROSECONDS = 24 * 60 * 60 * 10**6  # of a day, the unit in which dates are counted


@dataclass(frozen=True)
class Feature:
    """How one column is encoded: as a number, or, if it has levels, as one number for each of these."""

    name: str
    kind: str
    mean: float
    scale: float
    levels: list[str]
    indicator: bool  # whether a further number says that the value is missing

    @property
    def names(self) -> list[str]:
        """What its numbers are called."""
        names = [f"{self.name}={level}" for level in self.levels] if self.kind == "category" else [self.name]
        return names + [f"{self.name} is missing"] * self.indicator

    def encode(self, column: Column) -> np.ndarray:
        """Return its numbers, of shape ``(rows, len(names))``."""
        if self.kind == "category":
            places = {level: place for place, level in enumerate(self.levels)}
            numbers = np.zeros((len(column.values), len(self.levels)))
            for row, (value, missing) in enumerate(zip(column.values, column.missing, strict=True)):
                if not missing and value in places:
                    numbers[row, places[value]] = 1
        else:
            numbers = np.zeros((len(column.values), 1))
            there = ~column.missing
            numbers[there, 0] = (as_numbers(column.kind, column.values[there]) - self.mean) / self.scale
        return np.concatenate([numbers, column.missing[:, None]], 1) if self.indicator else numbers


@dataclass(frozen=True)
class TargetColumn:
    """How the target is encoded: as a class, or, if there are no classes, as a number."""

    name: str
    kind: str
    classes: list[Any]
    mean: float
    scale: float


@dataclass(frozen=True)
class TableEncoder:
    """Turns rows of a table into the numbers that a network was trained with, and its output into targets.

    ``Table.split`` makes it. ``state_dict()`` can be saved beside the network, and ``TableEncoder.from_state_dict``
    makes the encoder again.

    Example::

        >>> from dovetail.data import Table
        >>> table = Table.from_columns({"size": [1.0, 2.0, 3.0, 4.0], "color": ["red", "blue"] * 2})
        >>> encoder = table.split("color", validation=0, test=0).encoder
        >>> encoder.feature_names, encoder.classes
        (['size'], ['blue', 'red'])
        >>> encoder.encode([{"size": 2.5}])
        tensor([[0.]])
        >>> encoder.decode(dovetail.tensor([[0.1, 0.9]]))
        ['red']
    """

    features: list[Feature]
    target: TargetColumn

    @property
    def feature_names(self) -> list[str]:
        """What each number of an encoded row is called."""
        return [name for feature in self.features for name in feature.names]

    @property
    def classes(self) -> list[Any]:
        """The target that each class number stands for; empty for regression."""
        return self.target.classes

    def encode(self, rows: Table | Sequence[Mapping[str, Any]]) -> Any:
        """Return rows as float32 of shape ``(rows, len(feature_names))``.

        Args:
            rows: a table, or dicts, which may lack a missing value. Columns that are not features, such as the target,
                are not looked at.

        Raises:
            DataError: a column is not there, or a value is not of its kind, or not finite.
        """
        from dovetail.data.tables.table import Table

        if not isinstance(rows, Table):
            kinds = {f.name: f.kind for f in self.features if any(f.name in row for row in rows)}
            rows = Table.from_rows([{name: row.get(name) for name in kinds} for row in rows], kinds=kinds)
        blocks = []
        for feature in self.features:
            column = rows.columns.get(feature.name)
            if column is None:
                raise DataError(f"the table has no column {feature.name!r}, which the encoder was made with")
            same = column.kind == feature.kind or {column.kind, feature.kind} == {"int", "float"}
            if not same and not column.missing.all():
                raise DataError(
                    f"column {feature.name!r} is of the kind {column.kind!r}, the encoder was made with "
                    f"{feature.kind!r}; read the table with kinds={{{feature.name!r}: {feature.kind!r}}}"
                )
            check_finite(rows, feature.name)
            blocks.append(feature.encode(column))
        return dovetail.from_numpy(np.concatenate(blocks, 1).astype(np.float32))

    def encode_target(self, table: Table) -> Any:
        """Return a table's targets: int64 classes, or float32 numbers, of shape ``(rows,)``.

        Raises:
            DataError: a target is missing, not finite, or of a class that the encoder does not know.
        """
        target = self.target
        column = table.columns[target.name]
        if column.missing.any():
            row = int(np.flatnonzero(column.missing)[0])
            raise DataError(
                f"{table.where(row)}: the target {target.name!r} is missing; leave such rows out: "
                f"table.drop_missing({target.name!r})"
            )
        if not target.classes:
            check_finite(table, target.name)
            numbers = (as_numbers(column.kind, column.values) - target.mean) / target.scale
            return dovetail.from_numpy(numbers.astype(np.float32))
        places = {value: place for place, value in enumerate(target.classes)}
        values = column.values.tolist()
        for row, value in enumerate(values):
            if value not in places:
                raise DataError(
                    f"{table.where(row)}: the class {value!r} of {target.name!r} is in no training row; split with "
                    "stratify=True, add rows of it, or leave it out"
                )
        return dovetail.tensor([places[value] for value in values], dtype=dovetail.int64)

    def decode(self, predictions: Any) -> list[Any]:
        """Return what predictions say about the target.

        Args:
            predictions: for classification, scores of shape ``(rows, classes)``, of which the largest counts, or
                class numbers of shape ``(rows,)``; for regression, numbers of shape ``(rows,)`` or ``(rows, 1)``.

        Raises:
            DataError: the shape or dtype is another.
        """
        values = np.asarray(predictions.detach().cpu() if isinstance(predictions, dovetail.Tensor) else predictions)
        count = len(self.classes)
        if not count and values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if not count and values.ndim == 1:
            return (values.astype(np.float64) * self.target.scale + self.target.mean).tolist()
        if count and values.ndim == 2 and values.shape[1] == count:
            values = values.argmax(1)
        if not count or values.ndim != 1 or values.dtype.kind not in "iu" or ((values < 0) | (values >= count)).any():
            wanted = (
                f"scores of shape (rows, {count}) or classes below {count}" if count else "numbers of shape (rows,)"
            )
            raise DataError(f"decode takes {wanted}, got {values.dtype} of shape {values.shape}")
        return [self.classes[place] for place in values]

    def state_dict(self) -> dict[str, Any]:
        """Return all that the encoder knows, in plain values."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> TableEncoder:
        """Make the encoder of which this is the state."""
        return cls([Feature(**feature) for feature in state["features"]], TargetColumn(**state["target"]))


def as_numbers(kind: str, values: np.ndarray) -> np.ndarray:
    """Return numbers, truth values or dates (in days) as float64."""
    return values.astype(np.int64) / MICROSECONDS if kind == "date" else values.astype(np.float64)


def check_finite(table: Table, name: str) -> None:
    """Raise an error if a column holds a number that is infinite."""
    column = table.columns[name]
    if column.kind == "float" and not (finite := np.isfinite(column.values) | column.missing).all():
        row = int(np.flatnonzero(~finite)[0])
        raise DataError(
            f"{table.where(row)}, column {name!r}: expected a finite number, got {column.values[row]}; correct it, or "
            "make it a missing value"
        )
