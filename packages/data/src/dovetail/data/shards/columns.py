"""Rows of Parquet and Arrow files as samples, read one row group or record batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from dovetail.atomic import is_url, opened
from dovetail.data.shards.names import Shards
from dovetail.data.shards.readers import reading_error
from dovetail.data.shards.stream import ShardDataset
from dovetail.data.tables.arrow import import_pyarrow
from dovetail.errors import DataError

ROWS_AT_ONCE = 1024  # turned into Python values together
ARROW_FILE = b"ARROW1"  # others are streams, which have no such beginning


class Group(NamedTuple):
    """Rows that are read together."""

    rows: int
    read: Callable[[], Any]


class ColumnShards(ShardDataset):
    """The base of streams of rows: ``columns`` are those wanted, or None for all."""

    def __init__(self, shards: Shards, *, columns: Sequence[str] | None = None, **options: Any) -> None:
        super().__init__(shards, **options)
        self.columns = None if columns is None else list(columns)


class ParquetShards(ColumnShards):
    """A stream of the rows of Parquet files, as dicts of Python values; one row group is read at a time.

    Args:
        shards: names, patterns such as ``"train-{000..009}.parquet"`` or ``"train-*.parquet"``, URLs, or a list.
        columns: those wanted; if None, all. Others are not read.
        options: ``shuffle``, ``buffer_size``, ``seed``, ``transform``, ``rank`` and ``world_size``, as in `TarShards`.

    Raises:
        MissingPackageError: pyarrow is not installed. FileNotFoundError, ValueError: as in `TarShards`.
        LoadError: while reading, a file is damaged or cut off. DataError: while reading, a file has no such column.

    Example::

        >>> import pyarrow, pyarrow.parquet, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2], "b": ["x", "y"]}), folder.name + "/0.parquet")
        >>> list(ParquetShards(folder.name + "/*.parquet"))
        [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}]
        >>> folder.cleanup()
    """

    def open_shard(self, name: str) -> RowReader:
        return RowReader(name, self.columns, parquet_groups)


class ArrowShards(ColumnShards):
    """A stream of the rows of Arrow IPC files (Feather version 2 is one) or streams, as dicts of Python values.

    Files on this machine are mapped into memory, so what is not used is not read.

    Args:
        shards: names, patterns such as ``"train-{000..009}.arrow"`` or ``"train-*.arrow"``, URLs, or a list.
        columns: those wanted; if None, all.
        options: ``shuffle``, ``buffer_size``, ``seed``, ``transform``, ``rank`` and ``world_size``, as in `TarShards`.

    Raises:
        MissingPackageError: pyarrow is not installed. FileNotFoundError, ValueError: as in `TarShards`.
        LoadError: while reading, a file is damaged or cut off. DataError: while reading, a file has no such column.

    Example::

        >>> import pyarrow.feather, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> pyarrow.feather.write_feather(pyarrow.table({"a": [1, 2]}), folder.name + "/0.arrow")
        >>> list(ArrowShards(folder.name + "/0.arrow"))
        [{'a': 1}, {'a': 2}]
        >>> folder.cleanup()
    """

    def open_shard(self, name: str) -> RowReader:
        return RowReader(name, self.columns, arrow_groups)


Groups = Callable[[str, Sequence[str] | None, ExitStack], Iterator[Group]]


class RowReader:
    """The rows of one file, from its beginning to its end."""

    def __init__(self, name: str, columns: Sequence[str] | None, groups: Groups) -> None:
        import_pyarrow("shards of rows")
        self.position = 0
        self._name = name
        self._stack = ExitStack()
        self._groups = groups(name, columns, self._stack)
        self._group: Group | None = None
        self._number = -1  # of this group
        self._at = 0  # the next row in it
        self._table: Any = None  # the group's rows, once one of them is wanted
        self._block: tuple[int, list[dict]] = 0, []  # rows that are Python values, and where they begin
        try:
            self._ready()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._groups.close()  # type: ignore[attr-defined]
        self._table = self._group = None
        self._stack.close()

    def skip(self, count: int) -> int:
        """Pass over rows; groups of which no row is wanted are not read."""
        left = count
        while left and self._ready():
            step = min(left, self._group.rows - self._at)  # type: ignore[union-attr]
            self._at += step
            left -= step
        self.position += count - left
        return count - left

    def read(self) -> dict[str, Any] | None:
        """Return the next row, or None after the last one."""
        if not self._ready():
            return None
        begin, rows = self._block
        if not begin <= self._at < begin + len(rows):
            begin, rows = self._block = self._at, self._rows()
        self._at += 1
        self.position += 1
        return rows[self._at - 1 - begin]

    def _ready(self) -> bool:
        """Go to the next group that has a row left, if there is one."""
        while self._group is None or self._at >= self._group.rows:
            try:
                self._group = next(self._groups, None)
            except FileNotFoundError:
                raise
            except (OSError, self._arrow_error()) as error:
                raise self._damaged(error) from error
            if self._group is None:
                return False
            self._number, self._at, self._table, self._block = self._number + 1, 0, None, (0, [])
        return True

    def _rows(self) -> list[dict]:
        try:
            if self._table is None:
                self._table = self._group.read()  # type: ignore[union-attr]
            return self._table.slice(self._at, ROWS_AT_ONCE).to_pylist()
        except (OSError, self._arrow_error(), UnicodeDecodeError) as error:
            raise self._damaged(error) from error

    def _arrow_error(self) -> type[Exception]:
        return import_pyarrow("shards of rows").ArrowException

    def _damaged(self, error: Exception) -> Exception:
        where = f"{self._name}, sample {self.position} (in group {max(self._number, 0)})"
        return reading_error(where, "file", error)


def parquet_groups(name: str, columns: Sequence[str] | None, stack: ExitStack) -> Iterator[Group]:
    """Give the row groups of a Parquet file."""
    from pyarrow import parquet

    file = parquet.ParquetFile(stack.enter_context(opened(name)), page_checksum_verification=True)
    stack.callback(file.close)
    check_columns(name, columns, file.schema_arrow.names)
    for number in range(file.num_row_groups):
        yield Group(
            file.metadata.row_group(number).num_rows,
            lambda number=number: file.read_row_group(number, columns=columns),  # type: ignore[misc]
        )


def arrow_groups(name: str, columns: Sequence[str] | None, stack: ExitStack) -> Iterator[Group]:
    """Give the record batches of an Arrow file or stream."""
    import pyarrow

    if is_url(name):
        file = pyarrow.PythonFile(stack.enter_context(opened(name)), mode="r")
    else:
        file = stack.enter_context(pyarrow.memory_map(name))
    begins = file.read(len(ARROW_FILE))
    file.seek(0)
    if begins == ARROW_FILE:
        reader = stack.enter_context(pyarrow.ipc.open_file(file))
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    else:
        batches = reader = stack.enter_context(pyarrow.ipc.open_stream(file))
    check_columns(name, columns, reader.schema.names)
    for batch in batches:
        chosen = batch if columns is None else batch.select(columns)
        yield Group(chosen.num_rows, lambda chosen=chosen: validated(chosen))  # type: ignore[misc]


def validated(batch: Any) -> Any:
    """Return a batch whose offsets and strings have been looked at: pyarrow trusts those of a damaged file."""
    batch.validate(full=True)
    return batch


def check_columns(name: str, columns: Sequence[str] | None, there: Sequence[str]) -> None:
    """Say which column a file does not have.

    Raises:
        DataError: there is no such column.
    """
    missing = [column for column in columns or () if column not in there]
    if missing:
        raise DataError(f"{name} has no column {missing[0]!r}; it has {', '.join(map(repr, there))}")
