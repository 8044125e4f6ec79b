"""A file that nobody trusts, the memory that may be spent on it, and the texts that its damage gets."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO, NoReturn

import numpy as np

from dovetail.errors import LoadError

_FACTOR, _SPARE = 16, 15 << 20  # with a megabyte for what is not counted, 16 times the file's size and 16 MB
_ALIGNMENT = 16  # bytes: the largest element, a complex128
_BLOCK = 1 << 20
_LONGEST_SHOWN = 80


def shown(value: Any) -> str:
    """Return a short text for a value of a file, which may be huge or refer to itself."""
    if type(value) in (str, bytes):
        return repr(value[:_LONGEST_SHOWN])
    if value is None or type(value) in (bool, float) or (type(value) is int and value.bit_length() < 200):
        return repr(value)
    return f"{type(value).__name__}"


class Source:
    """The bytes of a file, which may be mapped, and an account of the memory that its objects take.

    What is read, and what Python takes for the objects that a pickle makes, is counted before it is taken, so that
    loading stays under 16 times the file's size and 16 MB. A file of tensors takes little more than its size; one of
    small values, a dictionary of words, can take ten times that: Python's objects are larger than their pickles.
    """

    def __init__(self, name: str, file: BinaryIO, mapped: bool = False) -> None:
        self.name = name
        self.file = file
        self.size = file.seek(0, 2)
        self.limit = _FACTOR * self.size + _SPARE
        self.renew()
        self.map = self._mapped() if mapped and self.size else None

    def _mapped(self) -> Any:
        import mmap

        try:
            return mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, AttributeError, ValueError) as error:
            self.fail(f"cannot be mapped, only files on a disk can ({error}); load it without mmap=True")

    def fail(self, what: str) -> NoReturn:
        """Raise LoadError with the file's name."""
        raise LoadError(f"{self.name}: {what}") from None

    def renew(self) -> None:
        """Begin the account anew."""
        self.left = self.limit

    def spend(self, count: int) -> None:
        """Count bytes of memory that are about to be taken, and refuse when they become too many."""
        self.left -= count
        if self.left < 0:
            self.fail(
                f"loading its {self.size} bytes takes more than {self.limit}, as of a file made to exhaust memory; "
                "if you trust it, load it in PyTorch and save it with fewer, larger tensors and fewer other values"
            )

    def read_at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes, all of which must be inside the file."""
        if offset < 0 or length < 0 or offset + length > self.size:
            self.fail(f"cut off or damaged: bytes {offset} to {offset + length} of {self.size} are asked for")
        self.file.seek(offset)
        parts = []
        while length:
            part = self.file.read(length)
            if not part:
                self.fail("cut off while it was read")
            parts.append(part)
            length -= len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def array_at(self, offset: int, length: int, summed: bool = False) -> tuple[np.ndarray, int | None]:
        """Return bytes of the file that can be written to, and their checksum where it is wanted.

        They are mapped where the file is and they begin at a fit place, which gives no checksum; else they are copied.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            self.fail(f"cut off or damaged: bytes {offset} to {offset + length} of {self.size} are asked for")
        if self.map is not None and length and not offset % _ALIGNMENT:
            return np.frombuffer(self.map, np.uint8, length, offset), None
        self.spend(length)
        content = np.empty(length, np.uint8)
        self.file.seek(offset)
        rest, found = content.data, 0
        while len(rest):
            count = self.file.readinto(rest[:_BLOCK])  # type: ignore[attr-defined]
            if not count:
                self.fail("cut off while it was read")
            if summed:  # while it is in the processor's cache
                found = zlib.crc32(rest[:count], found)
            rest = rest[count:]
        return content, found if summed else None

    def crc32_at(self, offset: int, length: int) -> int:
        """Return the checksum of bytes that nobody needs, a block at a time."""
        found = 0
        for start in range(offset, offset + length, _BLOCK):
            found = zlib.crc32(self.read_at(start, min(_BLOCK, offset + length - start)), found)
        return found


class Stream:
    """Bytes in order, as a pickle is read; what would be beyond the end is never asked for."""

    def __init__(self, source: Source, file: BinaryIO, position: int, end: int) -> None:
        self.source = source
        self.file = file
        self.position = file.seek(position)
        self.end = end

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if count > self.end - self.position:
            self.source.fail(
                f"cut off or damaged: its pickle asks for {count} bytes, {self.end - self.position} remain"
            )
        found = self.file.read(count)
        if len(found) != count:
            self.source.fail("cut off while its pickle was read")
        self.position += count
        return found

    def line(self) -> str:
        """Return the text up to the next line's end."""
        found = self.file.readline(min(_LONGEST_SHOWN * 4, self.end - self.position))
        self.position += len(found)
        if not found.endswith(b"\n"):
            self.source.fail(f"damaged: its pickle holds a name that does not end, {shown(found)}")
        return found[:-1].decode("utf-8", "backslashreplace")
