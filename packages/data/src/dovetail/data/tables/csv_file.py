"""Rows of a CSV file as texts, with the line at which each begins."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from dovetail.atomic import name_of, opened
from dovetail.errors import DataError

DELIMITERS = ",;\t|"
LOOKED_AT = 20  # rows from which the delimiter is found out


class Texts(NamedTuple):
    """A table of texts: names, rows, and the line of each row."""

    names: list[str]
    rows: list[list[str]]
    lines: list[int]


def read_csv(file: Any, delimiter: str | None, names: Sequence[str] | None, encoding: str) -> Texts:
    """Return the texts of a CSV file, without the spaces around them.

    Raises:
        DataError: the file is not in the encoding, has no rows, a row has more or fewer fields than the header, or a
            column has no name or another's.
    """
    source, text = name_of(file), _text_of(file, encoding)
    delimiter = delimiter or _found_delimiter(text)
    rows, lines = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            if any(row) or len(row) > 1:  # an empty line is no row
                rows.append([field.strip() for field in row])
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{source}, line {line}: no row of a CSV file ({error}); correct the quotes there") from None
    if names is None and rows:
        names, rows, lines = rows[0], rows[1:], lines[1:]
    if not rows or not names:
        raise DataError(f"{source} has no rows below a header; check that it is the right file")
    _check_names(source, names)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise DataError(
                f"{source}, line {line}: expected {len(names)} fields with {delimiter!r} between them, got {len(row)}; "
                "correct the line, or give the file's delimiter="
            )
    return Texts(list(names), rows, lines)


def _text_of(file: Any, encoding: str) -> str:
    if isinstance(file, io.TextIOBase):
        return file.read().removeprefix("\ufeff")
    with opened(file) as binary:
        content = binary.read()
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name_of(file)}, line {line}: byte 0x{content[error.start]:02x} is not {encoding}; give the file's "
            "encoding=, such as 'latin-1'"
        ) from None


def _found_delimiter(text: str) -> str:
    """Return the delimiter that cuts the first rows into the same number of fields, the one that makes most of them."""
    best, most = DELIMITERS[0], 1
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        try:
            counts = {len(row) for row in islice((row for row in reader if row), LOOKED_AT)}
        except csv.Error:
            continue
        if len(counts) == 1 and (count := counts.pop()) > most:
            best, most = delimiter, count
    return best


def _check_names(source: str, names: Sequence[str]) -> None:
    for number, name in enumerate(names, 1):
        if not name or list(names).count(name) > 1:
            what = "has no name" if not name else f"is the second one called {name!r}"
            number = number if not name else len(names) - list(names)[::-1].index(name)
            raise DataError(f"{source}: column {number} {what}; give all names by names=[...], or correct the header")
