"""Writes zip archives as PyTorch lays them out: nothing compressed, each member's content at a multiple of 64.

Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3 to 4.5.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import BinaryIO

ALIGNMENT = 64  # what PyTorch 2.13 writes and states
_ZIP64 = 0xFFFFFFFF  # sizes and positions from here on need the format's larger fields
_FIELD_FULL = 0xFFFFFFFF  # says that the larger field holds the value
_CHUNK = 1 << 22


class Archive:
    """An archive that is written from front to back, with sizes and CRC-32 after each member."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.position = 0
        self.directory: list[bytes] = []
        self.summary = hashlib.sha256()  # of names and CRCs: tells files with different content apart

    def put(self, content: bytes) -> None:
        self.file.write(content)
        self.position += len(content)

    def add(self, name: str, content: bytes | memoryview) -> None:
        """Add a member whose content begins at a multiple of the alignment."""
        path, begin, size = f"archive/{name}".encode(), self.position, len(content)
        large, far = size >= _ZIP64, begin >= _ZIP64
        larger = [size, size] * large + [begin] * far
        extra = struct.pack(f"<HH{len(larger)}Q", 1, 8 * len(larger), *larger) if larger else b""
        fill = -(begin + 30 + len(path) + len(extra) + 4) % ALIGNMENT
        filler = b"FB" + struct.pack("<H", fill) + b"Z" * fill
        version = 45 if larger else 20
        flags = 0x0808 if size else 0x0800  # the name is UTF-8, and the CRC comes after the content if there is any
        start = (version, flags, 0, 0, 33)  # not compressed, of 1 January 1980
        self.put(struct.pack("<4s5H3I2H", b"PK\3\4", *start, 0, 0, 0, len(path), len(extra) + len(filler)))
        self.put(path + extra + filler)
        crc = 0
        for place in range(0, size, _CHUNK):
            chunk = content[place : place + _CHUNK]
            crc = zlib.crc32(chunk, crc)
            self.file.write(chunk)
        self.position += size
        if size:
            self.put(struct.pack("<4sI2Q" if larger else "<4sI2I", b"PK\7\x08", crc, size, size))
        stated = (_FIELD_FULL if large else size,) * 2
        self.directory.append(
            struct.pack("<4s6H3I5H2I", b"PK\1\2", version, *start, crc, *stated, len(path), len(extra), 0, 0, 0, 0,
                        _FIELD_FULL if far else begin) + path + extra
        )  # fmt: skip
        self.summary.update(path + struct.pack("<I", crc))

    def close(self) -> None:
        """Write the directory, which is what readers begin with."""
        number = int.from_bytes(self.summary.digest(), "little") % 10**40
        self.add(".data/serialization_id", f"{number:040d}".encode())
        begin, count = self.position, len(self.directory)
        self.put(b"".join(self.directory))
        size = self.position - begin
        if begin >= _ZIP64 or count >= 0xFFFF:
            end = self.position
            self.put(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, begin))
            self.put(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
            begin, count = _FIELD_FULL, min(count, 0xFFFF)
        self.put(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, begin, 0))
