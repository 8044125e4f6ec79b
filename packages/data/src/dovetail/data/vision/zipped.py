"""Reading the files in a .zip archive by several processes and threads at once, without unpacking it."""

from __future__ import annotations

import os
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.errors import LoadError

_HEADER = struct.Struct("<4s22xHH")  # of a file in the archive: a mark, and the lengths of its name and extra part
_SLACK = 64  # bytes read along with a file for an extra part that the directory does not know
_LOCK = threading.Lock()


class ZipFiles:
    """The files in a .zip archive, by name; stored and deflated ones.

    The directory is read once, here. Files are read at their place, without moving a common position: threads and
    forked processes may do it at once, and an object that is sent to another process opens the archive again there.

    Args:
        path: the archive.

    Raises:
        LoadError: it is no .zip archive, or damaged.

    Example::

        >>> import pathlib, tempfile, zipfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "a.zip")
        >>> with zipfile.ZipFile(path, "w") as file:
        ...     file.writestr("a.txt", "hello")
        >>> ZipFiles(path).read("a.txt")
        b'hello'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._descriptor: int | None = None
        try:
            with zipfile.ZipFile(self.path) as file:
                found = [info for info in file.infolist() if not info.is_dir()]
            # an array: six numbers for each of millions of files must not be as many objects, in every worker process
            self._places = np.array(
                [(i.header_offset, i.compress_size, i.file_size, i.CRC, i.compress_type, i.flag_bits) for i in found],
                np.int64,
            ).reshape(-1, 6)
            if (self._places[:, 1] > os.path.getsize(self.path)).any():
                raise ValueError("a file in it would be larger than all of it")
        except (zipfile.BadZipFile, NotImplementedError, OverflowError, ValueError) as error:
            raise LoadError(f"{self.path}: it is no .zip archive, or damaged ({error}); get it again") from error
        self._rows = {info.filename: row for row, info in enumerate(found)}

    def names(self) -> Iterable[str]:
        """Return the names of all files, in the archive's order."""
        return self._rows.keys()

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            LoadError: it is damaged, needs a password, or is packed in another way.
            KeyError: there is no such file.
        """
        offset, packed, size, checksum, method, flags = self._places[self._rows[name]].tolist()
        if flags & 1:
            raise LoadError(f"{self.path}/{name}: it needs a password; make an archive without")
        block = self._read_at(offset, _HEADER.size + len(name.encode()) + _SLACK + packed)
        mark, name_length, extra_length = _HEADER.unpack_from(block.ljust(_HEADER.size, b"\0"))
        start = _HEADER.size + name_length + extra_length
        if start + packed > len(block):
            block = self._read_at(offset, start + packed)
        content = self._unpacked(name, memoryview(block)[start : start + packed], size, method)
        if mark != b"PK\3\4" or len(content) != size or zlib.crc32(content) != checksum:
            raise LoadError(
                f"{self.path}/{name}: damaged, its content does not have its checksum; get the archive again"
            )
        return content

    def _unpacked(self, name: str, packed: memoryview, size: int, method: int) -> bytes:
        if method == zipfile.ZIP_STORED:
            return bytes(packed)
        if method != zipfile.ZIP_DEFLATED:
            raise LoadError(f"{self.path}/{name}: packed by method {method}; stored and deflated files are read")
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
        except zlib.error as error:
            raise LoadError(f"{self.path}/{name}: damaged ({error}); get the archive again") from error

    def _read_at(self, offset: int, size: int) -> bytes:
        """Return what is at a place; a damaged directory may tell of one before the beginning, which is no header."""
        if self._descriptor is None:  # first without the lock, which a fork might copy while a thread holds it
            with _LOCK:
                if self._descriptor is None:
                    self._descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, size, max(offset, 0))
        with _LOCK:
            os.lseek(self._descriptor, max(offset, 0), os.SEEK_SET)
            return os.read(self._descriptor, size)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptor": None}

    def __del__(self) -> None:
        if getattr(self, "_descriptor", None) is not None:
            os.close(self._descriptor)  # type: ignore[arg-type]


def split_path(path: str) -> tuple[str, str]:
    """Split ``photos.zip/train`` into the archive, which must be a file, and the folder in it; ("", path) for others.

    Example::

        >>> split_path("no/such.zip/train")
        ('', 'no/such.zip/train')
    """
    archive, inside = path.rstrip("/" + os.sep), ""
    while archive:
        try:
            mode = os.stat(archive).st_mode
        except OSError:
            mode = 0
        if stat.S_ISREG(mode):
            return archive, inside
        if stat.S_ISDIR(mode) or os.path.dirname(archive) == archive:
            break
        archive, last = os.path.split(archive)
        inside = f"{last}/{inside}" if inside else last
    return "", path
