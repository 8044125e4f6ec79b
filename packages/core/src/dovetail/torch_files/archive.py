"""PyTorch's zip archives, read without trust: each member is stored as it is, once, at a place of its own.

What the zip format leaves without a checksum is compared, where it counts, between a member's own header and the
directory at the end: names, sizes, checksums, the way it is stored. Times, versions, permissions and padding are not
protected, and are not read.

Source: PKWARE, APPNOTE.TXT - .ZIP File Format Specification, 6.3.10.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NoReturn

import numpy as np

from dovetail.torch_files.source import Source, shown

_END, _END64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_ENTRY, _LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
_FULL = 0xFFFFFFFF  # a number that stands in a field for large files
_STREAMED, _UTF8 = 0x8, 0x800
_MEMBER_COST = 360  # bytes that Python takes for what is known of a member


class Archive:
    """The members of a zip archive by their names without the folder that all are in."""

    def __init__(self, source: Source, verify: bool) -> None:
        self.source = source
        self.verify = verify
        self.members: dict[str, tuple[int, int, int]] = {}  # where the data begins, its length, its checksum
        self.folder = ""
        start, length, count = self._directory()
        places = sorted(self._entries(start, length, count))
        self._check_places(places, start)

    def _fail(self, what: str) -> NoReturn:
        self.source.fail(f"its zip archive is damaged or cut off: {what}; get the file again")

    def _directory(self) -> tuple[int, int, int]:
        """Return where the directory begins, its length and its number of entries."""
        end = self.source.size - _END.size
        if end < 0:
            self._fail(f"{self.source.size} bytes are too few")
        signature, disk, first, here, count, length, start, comment = _END.unpack(self.source.read_at(end, _END.size))
        if signature != b"PK\x05\x06" or comment or disk or first or here != count:
            self._fail("the last 22 bytes are not the end of an archive")
        found = (start, length, count)
        locator = end - _LOCATOR.size
        if locator >= 0:
            signature, _, place, _ = _LOCATOR.unpack(self.source.read_at(locator, _LOCATOR.size))
            if signature == b"PK\x06\x07":
                end = locator - _END64.size
                found = self._large(place, end, found)
        if found[0] + found[1] != end or found[2] * _ENTRY.size > found[1]:
            self._fail(f"its directory of {found[2]} entries does not end where the archive's end begins")
        return found

    def _large(self, place: int, expected: int, short: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return what the record for large archives says, which must not contradict the short one."""
        if place != expected or expected < 0:
            self._fail("the record for large archives is not where it is said to be")
        signature, *_, here, count, length, start = _END64.unpack(self.source.read_at(place, _END64.size))
        if signature != b"PK\x06\x06" or here != count:
            self._fail("the record for large archives is damaged")
        for own, brief, full in ((start, short[0], _FULL), (length, short[1], _FULL), (count, short[2], 0xFFFF)):
            if brief not in (own, full):
                self._fail("two of its records contradict each other")
        return start, length, count

    def _entries(self, start: int, length: int, count: int) -> Iterator[tuple[int, str]]:
        """Read the directory; yield where each member's own header is, and its name."""
        self.source.spend(length)
        directory = self.source.read_at(start, length)
        position = 0
        for _ in range(count):
            if position + _ENTRY.size > length:
                self._fail("its directory ends too early")
            fields = _ENTRY.unpack_from(directory, position)
            signature, _, _, flags, method, _, _, crc, packed, size, names, extras, comment, disk, *_, offset = fields
            position += _ENTRY.size
            name = directory[position : position + names].decode("utf-8", "backslashreplace")
            extra = directory[position + names : position + names + extras]
            position += names + extras + comment
            if signature != b"PK\x01\x02" or position > length or disk:
                self._fail("its directory holds what is no entry")
            size, packed, offset = self._sizes(name, extra, [size, packed, offset])
            self._check_entry(name, flags, method, size, packed)
            yield self._add(name, flags, offset, size, crc), name
        self.source.left += length  # it is not kept
        if position != length:
            self._fail(f"its directory holds {length - position} bytes more than its entries")

    def _sizes(self, name: str, extra: bytes, sizes: list[int]) -> list[int]:
        """Fill in the numbers that stand in the field for large files."""
        position = 0
        while _FULL in sizes and position + 4 <= len(extra):
            kind, length = struct.unpack_from("<HH", extra, position)
            if kind == 1:
                wanted = [index for index, size in enumerate(sizes) if size == _FULL]
                if length < 8 * len(wanted) or position + 4 + length > len(extra):
                    self._fail(f"the sizes of {shown(name)} are damaged")
                for index, size in zip(
                    wanted, struct.unpack_from(f"<{len(wanted)}Q", extra, position + 4), strict=True
                ):
                    sizes[index] = size
                break
            position += 4 + length
        return sizes

    def _check_entry(self, name: str, flags: int, method: int, size: int, packed: int) -> None:
        parts = name.split("/")
        if "\\" in name or "\0" in name or name[1:2] == ":" or not {"", ".", ".."}.isdisjoint(parts):
            self.source.fail(
                f"its zip archive holds a member {shown(name)}, which leads out of it; do not trust the file"
            )
        if method or size != packed:
            self.source.fail(
                f"member {shown(name)} of its zip archive is compressed (method {method}); PyTorch stores as it is. "
                "Load the file in PyTorch, if you trust it, and save it again"
            )
        if flags & ~(_STREAMED | _UTF8):
            self._fail(f"member {shown(name)} is encrypted or of an unknown kind (flags {flags:#x})")

    def _add(self, name: str, flags: int, offset: int, size: int, crc: int) -> int:
        """Compare an entry with the member's own header; return where that is."""
        self.source.spend(_MEMBER_COST + len(name))
        header = self.source.read_at(offset, _LOCAL.size)
        signature, _, own_flags, own_method, _, _, own_crc, own_packed, own_size, names, extras = _LOCAL.unpack(header)
        own_name = self.source.read_at(offset + _LOCAL.size, names).decode("utf-8", "backslashreplace")
        streamed = flags & _STREAMED and not (own_crc or own_packed or own_size)  # they follow the data then
        large = own_size == own_packed == _FULL
        if signature != b"PK\x03\x04" or own_name != name or own_flags != flags or own_method:
            self._fail(f"the header of member {shown(name)} contradicts the directory")
        if not streamed and (own_crc != crc or (not large and (own_size != size or own_packed != size))):
            self._fail(f"the header of member {shown(name)} contradicts the directory")
        folder, _, rest = name.partition("/")
        self.folder = self.folder or folder
        if folder != self.folder or not rest:
            self.source.fail(f"its zip archive holds {shown(name)} outside of the folder {shown(self.folder)}")
        if rest in self.members:
            self.source.fail(f"its zip archive holds {shown(name)} twice; do not trust the file")
        self.members[rest] = (offset + _LOCAL.size + names + extras, size, crc)
        return offset

    def _check_places(self, places: list[tuple[int, str]], end: int) -> None:
        free = 0
        for offset, name in places:
            start, size, _ = self.members[name.partition("/")[2]]
            if offset < free or start + size > end:
                self.source.fail(
                    f"member {shown(name)} of its zip archive overlaps another part; do not trust the file"
                )
            free = start + size

    # Members

    def record(self, name: str) -> bytes | None:
        """Return the content of a member, which is forgotten, or None when there is none."""
        if name not in self.members:
            return None
        start, size, crc = self.members.pop(name)
        self.source.spend(size)
        content = self.source.read_at(start, size)
        if self.verify:
            self._compare(name, crc, zlib.crc32(content))
        return content

    def array(self, name: str) -> np.ndarray:
        """Return the content of a member, which is forgotten, as bytes to write to; maps are not compared."""
        start, size, crc = self.members.pop(name)
        content, found = self.source.array_at(start, size, self.verify)
        if found is not None:
            self._compare(name, crc, found)
        return content

    def check_rest(self) -> None:
        """Compare the checksums of the members that nobody asked for."""
        if self.verify and self.source.map is None:
            for name, (start, size, crc) in self.members.items():
                self._compare(name, crc, self.source.crc32_at(start, size))

    def _compare(self, name: str, stated: int, actual: int) -> None:
        if stated != actual:
            self.source.fail(
                f"member {shown(name)} is damaged: its checksum is {stated:08x}, that of its data {actual:08x}; "
                "get the file again"
            )
