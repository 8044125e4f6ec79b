"""Text files, and tokenizers in JSON files."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from dovetail.atomic import Target, name_of, opened, replace
from dovetail.errors import DataError, LoadError


def read_text(path: Target) -> str:
    """Return the text of a file in UTF-8, its line ends as they are.

    Raises:
        OSError: there is no such file. DataError: it is not in UTF-8.
    """
    with opened(path) as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name_of(path)} is not in UTF-8: byte {error.start} is 0x{content[error.start]:02x}; convert the file, "
            "or decode it yourself and give the text"
        ) from None


def write_json(path: Target, kind: str, content: dict[str, Any]) -> None:
    """Write a tokenizer's file, whole or not at all."""
    text = json.dumps({"format": f"dovetail {kind}", "version": 1, **content}, ensure_ascii=False, indent=1)

    def write(file: BinaryIO) -> None:
        file.write(text.encode("utf-8", "surrogatepass"))

    replace(path, write)


def read_json(path: Target, kind: str) -> dict[str, Any]:
    """Return what `write_json` wrote.

    Raises:
        OSError: there is no such file. LoadError: it is another kind of file, or damaged.
    """
    with opened(path) as file:
        content = file.read()
    try:
        found = json.loads(content.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise LoadError(f"{name_of(path)} is no JSON file ({error}); get it again, or train a new tokenizer") from None
    head = (found.get("format"), found.get("version")) if isinstance(found, dict) else (None, None)
    if head != (f"dovetail {kind}", 1):
        raise LoadError(
            f"{name_of(path)}: expected the file of a {kind}, version 1, got format {head[0]!r}, version {head[1]!r}"
        )
    return found
