"""What a column holds: numbers, truth values, dates, categories or free text, found out or told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np

from dovetail.errors import DataError

MOST_CATEGORIES = 100  # a column with more different texts holds free text, unless told otherwise


class Column(NamedTuple):
    """One column: its values, with anything at all where ``missing`` is true."""

    kind: str
    values: np.ndarray
    missing: np.ndarray


class Kind(NamedTuple):
    """How values of a kind are made, what they are called in errors, and what fills the places of missing ones."""

    convert: Callable[[Any], Any]
    expected: str
    dtype: Any
    filler: Any


def _whole_number(value: Any) -> int:
    if isinstance(value, str):
        if "_" in value:
            raise ValueError(value)
        value = int(value)
    elif isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(value)
    if not -(2**63) <= value < 2**63:
        raise ValueError(value)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (str, int, float, np.integer, np.floating)):
        raise ValueError(value)
    if isinstance(value, str) and "_" in value:
        raise ValueError(value)
    return float(value)


def _truth(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(value)


def _date(value: Any) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise ValueError(value)


def _text(value: Any) -> str:
    if isinstance(value, (str, int, np.integer, np.bool_)):
        return str(value)
    raise ValueError(value)


KINDS = {
    "int": Kind(_whole_number, "a whole number", np.int64, 0),
    "float": Kind(_number, "a number", np.float64, 0.0),
    "bool": Kind(_truth, "true or false", np.bool_, False),
    "date": Kind(_date, "a date such as 2024-05-31", "datetime64[us]", datetime(1970, 1, 1)),
    "category": Kind(_text, "a text", object, ""),
    "text": Kind(_text, "a text", object, ""),
}


def column_of(
    name: str,
    values: Sequence[Any],
    missing: Sequence[bool],
    where: Callable[[int], str],
    kind: str | None = None,
    parse: bool = False,
) -> Column:
    """Return a column of Python values.

    Args:
        name: the column's, for errors.
        values: one for each row.
        missing: which of them count as missing.
        where: what a row is called in errors.
        kind: one of ``KINDS``, or None to find it out.
        parse: whether texts may be numbers, truth values and dates when the kind is found out.

    Raises:
        DataError: a value is not of the kind, or there is no kind for it.
    """
    if kind is not None:
        return _converted(name, values, missing, where, kind)
    present = [value for value, gone in zip(values, missing, strict=True) if not gone]
    if parse or not any(isinstance(value, str) for value in present):
        for candidate in ("int", "float", "bool", "date"):
            try:
                return _converted(name, values, missing, where, candidate if present else "float")
            except DataError:
                continue
    if other := next((value for value in present if not isinstance(value, str)), None):
        raise DataError(
            f"column {name!r} holds {other!r}, a {type(other).__name__}; a column holds either numbers, truth values, "
            "dates or texts"
        )
    return _converted(name, values, missing, where, "category" if len(set(present)) <= MOST_CATEGORIES else "text")


def _converted(
    name: str, values: Sequence[Any], missing: Sequence[bool], where: Callable[[int], str], kind: str
) -> Column:
    convert, expected, dtype, filler = KINDS[kind]
    made = []
    for row, (value, gone) in enumerate(zip(values, missing, strict=True)):
        try:
            made.append(filler if gone else convert(value))
        except (ValueError, OverflowError):
            raise DataError(
                f"{where(row)}, column {name!r}: expected {expected}, got {value!r}; correct it, list it in missing=, "
                f"or read the column as kinds={{{name!r}: 'category'}}"
            ) from None
    return Column(kind, np.array(made, dtype=dtype), np.array(missing, dtype=np.bool_))
