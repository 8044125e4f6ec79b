"""Writing a file whole or not at all, and opening one to be read: paths, fsspec's URLs and open files."""

from __future__ import annotations

import io
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from dovetail.errors import MissingPackageError

Target = str | os.PathLike[str] | BinaryIO


def is_url(target: Any) -> bool:
    """Return whether this names a file for fsspec, such as ``s3://bucket/name``."""
    return isinstance(target, str) and "://" in target


def name_of(target: Any) -> str:
    """Return what a file is called in errors."""
    if isinstance(target, (str, os.PathLike)):
        return os.fspath(target)
    return str(getattr(target, "name", None) or f"<{type(target).__name__}>")


def _file_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path there."""
    try:
        import fsspec
    except ImportError:
        raise MissingPackageError(
            f"{url}: files at such addresses are read and written by fsspec, which is not installed; "
            "try: pip install fsspec"
        ) from None
    return fsspec.core.url_to_fs(url)


def replace(target: Target, write_to: Callable[[BinaryIO], None]) -> None:
    """Have ``write_to`` write a file so that ``target`` holds either what it held before or the whole new file.

    At a path a temporary file in the same folder takes its place when it has reached the disk; a link is followed, the
    permissions stay. At a URL the store's own transaction does that, as far as it has one. An open file is written
    to from where it stands.

    Args:
        target: a path, a URL for fsspec, or a file open for writing bytes.
        write_to: is given the file to write to.

    Raises:
        OSError: the file cannot be written; what was at the path is as it was.
        MissingPackageError: a URL, without fsspec.
    """
    if is_url(target):
        system, path = _file_system(str(target))
        if "file" not in (system.protocol if isinstance(system.protocol, tuple) else (system.protocol,)):
            with system.transaction, system.open(path, "wb") as file:
                write_to(file)
            return
        target = path
    if not isinstance(target, (str, os.PathLike)):
        write_to(target)
        return
    path = os.path.realpath(os.fspath(target))
    try:
        _put_in_place(path, write_to)
    except OSError as error:
        raise _named(error, path, "what was there before is as it was") from error
    try:
        _sync_folder(os.path.dirname(path))
    except OSError as error:
        raise _named(error, path, "the new file is there, but might be lost if the power fails now") from error


def _named(error: OSError, path: str, what: str) -> OSError:
    """Return the error with the file's name: the system tells none of a full disk, and the temporary one otherwise."""
    if error.errno is None:
        return error
    return type(error)(error.errno, f"{os.strerror(error.errno)}; {what}", path)


def _put_in_place(path: str, write_to: Callable[[BinaryIO], None]) -> None:
    """Write a temporary file beside ``path``, and give it that name when it has reached the disk."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            with suppress(OSError):  # there was none; or a file system without permissions
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
            write_to(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.remove(temporary)
        raise


def _sync_folder(folder: str) -> None:
    """Have the files' names in a folder reach the disk, where folders can be opened."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def opened(target: Target) -> Iterator[BinaryIO]:
    """Give a file from which bytes can be read at any place, and close what was opened here.

    Raises:
        OSError: there is no such file, or it cannot be read. MissingPackageError: a URL, without fsspec.
    """
    if is_url(target):
        system, path = _file_system(str(target))
        with system.open(path, "rb") as file:
            yield file
    elif isinstance(target, (str, os.PathLike)):
        with open(target, "rb") as file:
            yield file
    elif getattr(target, "seekable", lambda: False)():
        yield target
    else:  # a pipe, say
        yield io.BytesIO(target.read())
