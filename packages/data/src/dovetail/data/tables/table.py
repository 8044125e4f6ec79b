"""Tables: named columns, each of one kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dovetail.atomic import Target, name_of, opened
from dovetail.data.tables.arrow import import_pyarrow
from dovetail.data.tables.csv_file import read_csv
from dovetail.data.tables.kinds import KINDS, Column, column_of
from dovetail.data.tables.splitting import TableSplit, split_table
from dovetail.errors import DataError, LoadError

NANS = (float, np.floating, np.datetime64)  # kinds of values of which one is unequal to itself
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null")


class Table:
    """Rows of numbers, truth values, dates, categories and texts, in columns that have a name and a kind.

    ``Table.from_csv``, ``from_parquet``, ``from_columns`` and ``from_rows`` make tables; ``split`` makes of one what a
    network learns from. A column's kind is ``"int"``, ``"float"``, ``"bool"``, ``"date"``, ``"category"``, or
    ``"text"`` if it has more than 100 different texts.

    Example::

        >>> table = Table.from_columns({"size": [1.5, None, 2.0], "color": ["red", "blue", "red"]})
        >>> table
        Table(3 rows: size float (1 missing), color category (2))
        >>> len(table), table["color"].tolist()
        (3, ['red', 'blue', 'red'])
    """

    def __init__(self, columns: Mapping[str, Column], source: str, unit: str, numbers: Sequence[int]) -> None:
        self.columns = dict(columns)
        self._source = source
        self._unit, self._numbers = unit, numbers  # "line" or "row", and that of each row in the source

    @classmethod
    def from_csv(
        cls,
        file: Target | Any,
        *,
        delimiter: str | None = None,
        kinds: Mapping[str, str] | None = None,
        missing: Iterable[str] = MISSING,
        names: Sequence[str] | None = None,
        encoding: str = "utf-8",
    ) -> Table:
        """Read a CSV file.

        Args:
            file: a path, a URL for fsspec, or an open file of text or bytes.
            delimiter: between fields; if None, comma, semicolon, tab or bar, whichever fits the first rows.
            kinds: of columns whose kind is not to be found out from all of their texts.
            missing: texts, without spaces around them, that mean that there is no value.
            names: of the columns, for a file without a header.
            encoding: of a file that is not open as text.

        Raises:
            OSError: there is no such file. DataError: the file is no table, or a text is not of its column's kind.
        """
        texts = read_csv(file, delimiter, names, encoding)
        gone = frozenset(missing)
        table = cls({}, name_of(file), "line", texts.lines)
        given = _checked_kinds(kinds, texts.names)
        for name, values in zip(texts.names, zip(*texts.rows, strict=True), strict=True):
            no_value = [value in gone for value in values]
            table.columns[name] = column_of(name, values, no_value, table.where, given.get(name), parse=True)
        return table

    @classmethod
    def from_parquet(
        cls, file: Target, *, columns: Sequence[str] | None = None, kinds: Mapping[str, str] | None = None
    ) -> Table:
        """Read a Parquet file; nulls and nan are missing values.

        Args:
            file: a path, a URL for fsspec, or an open file.
            columns: those wanted; if None, all.
            kinds: of columns whose kind does not follow from their type, such as numbers that are categories.

        Raises:
            MissingPackageError: pyarrow is not installed. OSError: there is no such file.
            LoadError: it is no Parquet file. DataError: there is no such column, or a column's type has no kind here.
        """
        pyarrow = import_pyarrow("Parquet files")
        from pyarrow import parquet

        with opened(file) as binary:
            try:
                found = parquet.ParquetFile(binary)
                _check_columns(name_of(file), columns or (), found.schema_arrow.names)
                table = found.read(columns=None if columns is None else list(columns))
            except (OSError, pyarrow.ArrowException) as error:
                raise LoadError(f"{name_of(file)} is no Parquet file, or damaged ({error}); get it again") from error
        values = {}
        for name in table.column_names:
            column = table[name]
            if pyarrow.types.is_decimal(column.type):
                column = column.cast(pyarrow.float64())
            elif pyarrow.types.is_timestamp(column.type):  # Python's have no nanoseconds
                column = column.cast(pyarrow.timestamp("us", column.type.tz), safe=False)
            values[name] = column.to_pylist()
        return cls.from_columns(values, kinds=kinds, source=name_of(file))

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Sequence[Any]],
        *,
        kinds: Mapping[str, str] | None = None,
        source: str = "the table",
    ) -> Table:
        """Make a table of Python values, NumPy arrays or tensors; None and nan are missing values.

        Args:
            columns: the values of each column.
            kinds: of columns whose kind does not follow from their values, such as numbers that are categories.
            source: what the table is called in errors.

        Raises:
            DataError: the columns have different lengths, or a value is not of its column's kind.
        """
        lists = {name: _listed(values) for name, values in columns.items()}
        lengths = {name: len(values) for name, values in lists.items()}
        if len(set(lengths.values())) != 1:
            raise DataError(f"{source}: columns have one length, got {lengths or 'no columns'}")

        table = cls({}, source, "row", range(next(iter(lengths.values()))))
        given = _checked_kinds(kinds, list(lists))
        for name, values in lists.items():
            no_value = [value is None or (isinstance(value, NANS) and value != value) for value in values]
            table.columns[name] = column_of(name, values, no_value, table.where, given.get(name))
        return table

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]], *, kinds: Mapping[str, str] | None = None) -> Table:
        """Make a table of dicts; a key that a row does not have is a missing value there.

        Raises:
            DataError: there is no row, or a value is not of its column's kind.
        """
        names = list(dict.fromkeys(name for row in rows for name in row))
        return cls.from_columns({name: [row.get(name) for row in rows] for name in names}, kinds=kinds)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, name: str) -> np.ndarray:
        _check_columns(self._source, [name], list(self.columns))
        return self.columns[name].values

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column."""
        return {name: column.kind for name, column in self.columns.items()}

    def where(self, row: int) -> str:
        """Return what a row is called in errors: its line in the file, or its number in the table first made."""
        return f"{self._source}, {self._unit} {self._numbers[row]}"

    def take(self, rows: Sequence[int] | np.ndarray) -> Table:
        """Return the table of these rows."""
        chosen = np.asarray(rows, dtype=np.int64)
        columns = {
            name: Column(column.kind, column.values[chosen], column.missing[chosen])
            for name, column in self.columns.items()
        }
        return Table(columns, self._source, self._unit, [self._numbers[row] for row in chosen])

    def drop_missing(self, *names: str) -> Table:
        """Return the table of the rows that have a value in each of these columns, or in all."""
        _check_columns(self._source, names, list(self.columns))
        gone = [self.columns[name].missing for name in names or self.columns]
        return self.take(np.flatnonzero(~np.logical_or.reduce(gone)))

    def split(
        self,
        target: str,
        *,
        validation: float = 0.1,
        test: float = 0.2,
        seed: int = 0,
        stratify: bool = False,
        task: str | None = None,
        ignore: Sequence[str] = (),
        scale_target: bool = False,
    ) -> TableSplit:
        """Cut the rows at random into training, validation and test datasets of numbers.

        Everything that the encoding needs (means, standard deviations, categories, classes) is taken from the training
        rows only. Numbers and dates become ``(value - mean) / standard deviation``, truth values too; a missing one
        becomes the mean, and if the training rows have missing ones, a column ``"name is missing"`` of 0 and 1 says so.
        A category becomes a column of 0 and 1 for each of those in the training rows; others, and missing ones, are 0
        in all of them.

        Args:
            target: the column to predict.
            validation, test: what part of the rows goes there: a fraction, or a whole number of rows.
            seed: another one, another cut. It depends on the number of rows, and with ``stratify`` on the targets.
            stratify: give each part the same shares of the classes, as far as whole rows allow.
            task: ``"classification"`` or ``"regression"``; must be given if the target holds whole numbers.
            ignore: columns to leave out.
            scale_target: for regression, make the target ``(value - mean) / standard deviation`` too; the encoder's
                ``decode`` undoes that.

        Returns:
            ``train``, ``validation`` and ``test``, each a TensorDataset of ``(x, y)``: ``x`` float32 of shape
            ``(features,)``, ``y`` an int64 class or a float32 number; the ``encoder``; and ``rows``, which rows of
            this table each part has.

        Raises:
            DataError: there is no such column, a column holds free text, a target is missing or not finite, a class is
                in no training row. ValueError: the sizes, the task or ``stratify`` do not fit.
        """
        _check_columns(self._source, [target, *ignore], list(self.columns))
        return split_table(self, target, validation, test, seed, stratify, task, set(ignore), scale_target)

    def __repr__(self) -> str:
        parts = []
        for name, column in self.columns.items():
            different = f" ({len(set(column.values[~column.missing]))})" if column.kind == "category" else ""
            gone = f" ({column.missing.sum()} missing)" if column.missing.any() else ""
            parts.append(f"{name} {column.kind}{different}{gone}")
        return f"Table({len(self)} rows: {', '.join(parts)})"


def _listed(values: Any) -> list[Any]:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        values = values.astype("datetime64[us]")  # finer ones would be listed as whole numbers
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _checked_kinds(kinds: Mapping[str, str] | None, names: Sequence[str]) -> Mapping[str, str]:
    for name, kind in (kinds or {}).items():
        if name not in names or kind not in KINDS:
            what = f"no column {name!r}" if name not in names else f"no kind {kind!r}"
            raise ValueError(
                f"kinds: there is {what}; columns are {', '.join(map(repr, names))}, kinds {', '.join(KINDS)}"
            )
    return kinds or {}


def _check_columns(source: str, wanted: Iterable[str], there: Sequence[str]) -> None:
    for name in wanted:
        if name not in there:
            raise DataError(f"{source} has no column {name!r}; it has {', '.join(map(repr, there))}")
