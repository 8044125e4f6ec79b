"""The safetensors format, read without trust and written whole or not at all.

A file is 8 bytes with the header's length, the header (JSON: for each tensor its dtype, shape and place) and the data.
To that Dovetail adds, in the header's metadata, a CRC-32 of each tensor and one of the header; see ``checksums``.

Source: https://github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO, NoReturn

import numpy as np

from dovetail.atomic import Target, is_url, name_of, replace
from dovetail.checksums import Checksums
from dovetail.errors import LoadError, SaveError

METADATA = "__metadata__"
CHECKSUMS = "dovetail.checksums"
HEADER_CHECKSUM = "dovetail.header"
_LARGEST_HEADER = 100_000_000  # the format's own limit

_NUMPY_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
_FORMAT_NAMES = {numpy_name: name for name, numpy_name in _NUMPY_NAMES.items()}


def can_hold(dtype: np.dtype) -> bool:
    """Return whether the format has a NumPy dtype."""
    return dtype.name in _FORMAT_NAMES


def _numpy_dtype(format_name: str) -> np.dtype:
    name = _NUMPY_NAMES[format_name]
    if name == "bfloat16" or name.startswith("float8"):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name).newbyteorder("<")


def _canonical(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def dtype_named(name: str) -> np.dtype:
    """Return the NumPy dtype of this name.

    Raises:
        LookupError: the format has no such dtype.
    """
    return _numpy_dtype(_FORMAT_NAMES[name])


# Writing


def write(target: Target, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write arrays with their checksums, so that ``target`` holds either what it held before or the whole new file.

    Args:
        target: a path, a URL for fsspec, or a file open for writing; see ``atomic.replace``.
        arrays: by name, of dtypes that the format has (see ``can_hold``), with any strides.
        metadata: strings to keep beside them.

    Raises:
        OSError: the file cannot be written; what was there is as it was.
    """
    # largest elements first, so that each array begins at a multiple of its element size
    ordered = dict(sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize))
    size = sum(array.nbytes for array in ordered.values())

    size_of_header = len(_header_of(ordered, metadata, dict.fromkeys(ordered, "0" * 8)))
    if size_of_header > _LARGEST_HEADER:
        raise SaveError(
            f"cannot save {name_of(target)}: names, structure and plain values take {size_of_header} bytes, and the "
            f"format's limit is {_LARGEST_HEADER}; keep large lists of numbers in tensors or arrays"
        )

    def write_to(file: BinaryIO) -> None:
        if isinstance(target, (str, os.PathLike)) and not is_url(target):
            # a file of our own: the checksums are counted while the arrays are written
            file.write(_header_of(ordered, metadata, dict.fromkeys(ordered, "0" * 8)))
            sums = _write_data(file, ordered, size)
            file.seek(0)
            file.write(_header_of(ordered, metadata, sums))
            file.seek(0, os.SEEK_END)
        else:
            file.write(_header_of(ordered, metadata, _write_data(None, ordered, size)))
            _write_data(file, ordered, 0)

    replace(target, write_to)


def _write_data(file: BinaryIO | None, arrays: Mapping[str, np.ndarray], size: int) -> dict[str, str]:
    """Write arrays one after the other, unless there is no file, and return their checksums."""
    move = (lambda piece: None) if file is None else file.write
    with Checksums(size) as checksums:
        for name, array in arrays.items():
            plain = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
            checksums.take(name, plain.reshape(-1).view(np.uint8).data, move)
    return checksums.found


def _header_of(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str], sums: Mapping[str, str]) -> bytes:
    """Return the beginning of a file, up to the data; as long whatever the checksums are."""
    header: dict[str, Any] = {}
    offset = 0
    for name, array in arrays.items():
        end = offset + array.nbytes
        kind = _FORMAT_NAMES[array.dtype.name]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    header[METADATA] = {**metadata, CHECKSUMS: json.dumps(dict(sums))}
    header[METADATA][HEADER_CHECKSUM] = f"{zlib.crc32(_canonical(header)):08x}"
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


# Reading


class Reader:
    """Reads one file; every complaint names it.

    Args:
        name: what the file is called in errors.
        file: open for reading; it begins where it stands.
        verify: whether to compare the checksums of the data; those of the header are compared always.
        mmap: whether the arrays are views of the file, read when they are used; writes to them stay in memory.

    Attributes:
        damaged: by name, what is wrong with each tensor that was left out.
    """

    def __init__(self, name: str, file: BinaryIO, verify: bool = True, mmap: bool = False) -> None:
        self.name = name
        self.file = file
        self.verify = verify
        self.mmap = mmap
        self.start = file.tell()
        self.size = file.seek(0, os.SEEK_END) - self.start
        file.seek(self.start)
        self.damaged: dict[str, str] = {}

    def fail(self, what: str) -> NoReturn:
        raise LoadError(f"{self.name}: {what}")

    def header(self) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
        """Return the tensors' entries, the metadata and the checksums, none for a file of another tool."""
        header = self._header()
        metadata = header.pop(METADATA, {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            self.fail("its metadata is damaged: it must map strings to strings")
        return header, metadata, self._checksums(header, metadata)

    def read(self, strict: bool = True) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Return the arrays, by name in the order of the header, and the metadata.

        Args:
            strict: raise for a damaged tensor; otherwise leave it out and note it in ``damaged``.
        """
        header, metadata, stated = self.header()
        layout = self._layout(header, strict)
        contents = self._contents(layout, stated if self.verify else {})
        for name, what in self.damaged.items():
            if strict:
                self.fail(what)
            contents.pop(name, None)
        arrays = {name: self._array(name, contents[name], *layout[name][:2]) for name in header if name in contents}
        return arrays, metadata

    def _contents(self, layout: dict[str, Any], stated: dict[str, str]) -> dict[str, np.ndarray]:
        """Return the bytes of each tensor, after comparing their checksums with those stated."""
        whole = self._mapped() if self.mmap else None
        contents: dict[str, np.ndarray] = {}
        with Checksums(self.data_length if stated else 0) as checksums:
            for name, (_, _, begin, end) in layout.items():
                if whole is not None:
                    contents[name] = whole[begin:end]
                    if stated:
                        checksums.take(name, contents[name].data, lambda piece: None)
                    continue
                contents[name] = np.empty(end - begin, np.uint8)
                if stated:
                    checksums.take(name, contents[name].data, self._fill)
                else:
                    self._fill(contents[name].data)
        for name, checksum in checksums.found.items():
            if stated[name] != checksum:
                what = f"tensor {name!r} is damaged: its checksum is {stated[name]}, that of its data {checksum}"
                self.damaged[name] = what
        return contents

    def _fill(self, piece: memoryview) -> None:
        done = 0
        while done < len(piece):
            count = self.file.readinto(piece[done:])  # type: ignore[attr-defined]
            if not count:
                self.fail(f"cut off while it was read: {len(piece) - done} bytes more should have come")
            done += count

    def _mapped(self) -> np.ndarray:
        import mmap

        try:
            number = self.file.fileno()
        except (AttributeError, OSError):
            raise ValueError(f"{self.name}: mmap=True needs a file on this machine's disk; leave it out") from None
        if not self.data_length:
            return np.empty(0, np.uint8)
        memory = mmap.mmap(number, self.start + self.size, access=mmap.ACCESS_COPY)
        return np.frombuffer(memory, np.uint8)[-self.data_length :]

    def _header(self) -> dict[str, Any]:
        start = self.file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= min(_LARGEST_HEADER, self.size - 8):
            self.fail(
                f"not a safetensors file, or cut off: its {self.size} bytes begin with {start!r}, "
                "where the length of a header of up to 100 MB inside the file should be"
            )
        try:
            header = json.loads(self.file.read(length).decode(), object_pairs_hook=self._without_repeats)
        except (ValueError, RecursionError) as error:
            self.fail(f"not a safetensors file, or damaged: its header is not JSON ({error})")
        if not isinstance(header, dict):
            self.fail(f"not a safetensors file: its header is a JSON {type(header).__name__}, not an object")
        self.data_length = self.size - 8 - length
        return header

    def _without_repeats(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            self.fail("its header names something twice")
        return found

    def _checksums(self, header: dict[str, Any], metadata: dict[str, str]) -> dict[str, str]:
        """Return the tensors' checksums after comparing the header's own; none for a file of another tool."""
        if not any(key.startswith("dovetail") for key in metadata):
            return {}
        stated = metadata.get(HEADER_CHECKSUM)
        rest = {key: value for key, value in metadata.items() if key != HEADER_CHECKSUM}
        try:
            actual = f"{zlib.crc32(_canonical({**header, METADATA: rest})):08x}"
        except RecursionError:
            self.fail("its header is damaged: it is nested too deeply")
        if stated != actual:
            self.fail(f"its header is damaged: the checksum in it is {stated}, that of its content {actual}")
        try:
            checksums = json.loads(metadata[CHECKSUMS])
        except (KeyError, ValueError, RecursionError):
            checksums = None
        if not isinstance(checksums, dict) or checksums.keys() != header.keys():
            self.fail("its header is damaged: it must hold one checksum for each tensor")
        return checksums

    def _layout(self, header: dict[str, Any], strict: bool = True) -> dict[str, tuple[np.dtype, tuple, int, int]]:
        """Return dtype, shape, begin and end of each tensor in the order of the data, which they must fill."""
        entries = {name: self._entry(name, entry) for name, entry in header.items()}
        layout, position = {}, 0
        for name, (dtype, shape, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
            if begin != position:
                self.fail(
                    f"tensor {name!r} begins at byte {begin} of the data, but the one before it ends at {position}"
                )
            if end > self.data_length:
                what = f"cut off: tensor {name!r} ends at byte {end} of the data, but there are {self.data_length}"
                if strict:
                    self.fail(what)
                self.damaged[name] = what
            else:
                layout[name] = dtype, shape, begin, end
            position = end
        if position < self.data_length:
            self.fail(f"{self.data_length - position} bytes at its end belong to no tensor")
        return layout

    def _entry(self, name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            self.fail(f"tensor {name!r} must have dtype, shape and data_offsets in the header, got {entry!r:.100}")
        format_name, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(format_name, str) or format_name not in _NUMPY_NAMES:
            self.fail(f"tensor {name!r} has dtype {format_name!r:.50}; there are {', '.join(_NUMPY_NAMES)}")
        if not _whole_numbers(shape) or len(shape) > 64:
            self.fail(f"tensor {name!r} has shape {shape!r:.100}; a shape is a list of up to 64 sizes of 0 or more")
        if not _whole_numbers(offsets) or len(offsets) != 2:
            self.fail(f"tensor {name!r} has data_offsets {offsets!r:.100}; they are two positions")
        if max([*shape, *offsets], default=0) >= 2**63:  # Python does not even write the largest into an error
            what = f"tensor {name!r} has shape {shape!r:.100} and data_offsets {offsets!r:.100}"
            self.fail(f"{what}; numbers there are below 2**63")
        dtype = _numpy_dtype(format_name)
        needed = math.prod(shape) * dtype.itemsize
        if offsets[1] - offsets[0] != needed:
            self.fail(
                f"tensor {name!r} of shape {shape} and dtype {format_name} takes {needed} bytes, "
                f"but its data_offsets {offsets} hold {offsets[1] - offsets[0]}"
            )
        return dtype, tuple(shape), offsets[0], offsets[1]

    def _array(self, name: str, content: np.ndarray, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        if dtype == np.bool_ and content.size and content.max() > 1:
            self.fail(f"tensor {name!r} of dtype BOOL holds the byte {content.max()}; only 0 and 1 are allowed")
        try:
            array = content.view(dtype).reshape(shape)
        except ValueError as error:  # sizes whose product is 0 may still be too large for an array
            self.fail(f"tensor {name!r} of shape {shape} cannot be made: {error}")
        if not array.flags.aligned:  # of another tool's file that is mapped; what is read is always aligned
            return array.copy()
        return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and number >= 0 for number in value)
