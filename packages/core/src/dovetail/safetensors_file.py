"""The safetensors format, read without trust and written whole or not at all.

A file is 8 bytes with the header's length, the header (JSON: for each tensor its dtype, shape and place) and the data.
To that Dovetail adds, in the header's metadata, a CRC-32 of each tensor and one of the header itself. CRC-32 because it
finds damage at 2 GB/s where SHA-256 takes twice as long, and neither stops somebody who can also change the checksum.

Source: https://github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
import math
import os
import secrets
import zlib
from collections.abc import Mapping
from contextlib import suppress
from io import BufferedReader
from typing import Any, BinaryIO, NoReturn

import numpy as np

from dovetail.errors import LoadError

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


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _canonical(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


# Writing


def write(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write arrays with their checksums, so that ``path`` holds either what it held before or the whole new file.

    Args:
        path: where to; a link is followed.
        arrays: by name, of dtypes that the format has (see ``can_hold``), with any strides.
        metadata: strings to keep beside them.

    Raises:
        OSError: the file cannot be written; what was at ``path`` is as it was.
    """
    # largest elements first, so that each array begins at a multiple of its element size
    ordered = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    plain = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in ordered}
    header, offset = {}, 0
    for name, array in plain.items():
        end = offset + array.nbytes
        header[name] = {
            "dtype": _FORMAT_NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    checksums = {name: f"{zlib.crc32(_bytes_of(array)):08x}" for name, array in plain.items()}
    header[METADATA] = {**metadata, CHECKSUMS: json.dumps(checksums)}
    header[METADATA][HEADER_CHECKSUM] = f"{zlib.crc32(_canonical(header)):08x}"
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)

    def write_to(file: BinaryIO) -> None:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for array in plain.values():
            file.write(_bytes_of(array))

    _replace(path, write_to)


def _replace(path: str | os.PathLike[str], write_to: Any) -> None:
    """Give a temporary file beside ``path`` to ``write_to``, then put it in the place of ``path``."""
    path = os.path.realpath(os.fspath(path))
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            write_to(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.remove(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):  # where folders can be opened, the new name must reach the disk too
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Reading


class _Reader:
    """Reads one file; every complaint names it."""

    def __init__(self, path: str, file: BufferedReader) -> None:
        self.path = path
        self.file = file
        self.size = os.fstat(file.fileno()).st_size

    def fail(self, what: str) -> NoReturn:
        raise LoadError(f"{self.path}: {what}")

    def read(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        header = self._header()
        metadata = header.pop(METADATA, {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            self.fail("its metadata is damaged: it must map strings to strings")
        checksums = self._checksums(header, metadata)
        arrays = {}
        for name, (dtype, shape, length) in self._layout(header).items():
            arrays[name] = self._array(name, dtype, shape, length, checksums)
        return {name: arrays[name] for name in header}, metadata

    def _header(self) -> dict[str, Any]:
        start = self.file.read(8)
        if start[:4] == b"PK\x03\x04":
            self.fail(
                "this is a zip archive, such as PyTorch and NumPy write, not a safetensors file; "
                "write it again there with safetensors.torch.save_file"
            )
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
        actual = f"{zlib.crc32(_canonical({**header, METADATA: rest})):08x}"
        if stated != actual:
            self.fail(f"its header is damaged: the checksum in it is {stated}, that of its content {actual}")
        try:
            checksums = json.loads(metadata[CHECKSUMS])
        except (KeyError, ValueError, RecursionError):
            checksums = None
        if not isinstance(checksums, dict) or checksums.keys() != header.keys():
            self.fail("its header is damaged: it must hold one checksum for each tensor")
        return checksums

    def _layout(self, header: dict[str, Any]) -> dict[str, tuple[np.dtype, tuple[int, ...], int]]:
        """Return dtype, shape and length of each tensor in the order of the data, which they must fill."""
        entries = {name: self._entry(name, entry) for name, entry in header.items()}
        layout, position = {}, 0
        for name, (dtype, shape, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
            if begin != position:
                self.fail(
                    f"tensor {name!r} begins at byte {begin} of the data, but the one before it ends at {position}"
                )
            if end > self.data_length:
                self.fail(f"cut off: tensor {name!r} ends at byte {end} of the data, but there are {self.data_length}")
            layout[name], position = (dtype, shape, end - begin), end
        if position != self.data_length:
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
        dtype = _numpy_dtype(format_name)
        needed = math.prod(shape) * dtype.itemsize
        if offsets[1] - offsets[0] != needed:
            self.fail(
                f"tensor {name!r} of shape {shape} and dtype {format_name} takes {needed} bytes, "
                f"but its data_offsets {offsets} hold {offsets[1] - offsets[0]}"
            )
        return dtype, tuple(shape), offsets[0], offsets[1]

    def _array(
        self, name: str, dtype: np.dtype, shape: tuple[int, ...], length: int, checksums: dict[str, str]
    ) -> np.ndarray:
        content = np.empty(length, np.uint8)
        if self.file.readinto(content.data) != length:
            self.fail(f"cut off while tensor {name!r} was read")
        if checksums:
            actual = f"{zlib.crc32(content.data):08x}"
            if checksums[name] != actual:
                self.fail(f"tensor {name!r} is damaged: its checksum is {checksums[name]}, that of its data {actual}")
        if dtype == np.bool_ and length and content.max() > 1:
            self.fail(f"tensor {name!r} of dtype BOOL holds the byte {content.max()}; only 0 and 1 are allowed")
        try:
            array = content.view(dtype).reshape(shape)
        except ValueError as error:  # sizes whose product is 0 may still be too large for an array
            self.fail(f"tensor {name!r} of shape {shape} cannot be made: {error}")
        return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and number >= 0 for number in value)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays (each with memory of its own) and the metadata of a safetensors file.

    Files that ``write`` made are compared with their checksums; other tools' files have none.

    Raises:
        LoadError: the file is cut off, damaged or no safetensors file; the text names the file, the tensor and why.
        OSError: the file cannot be opened or read.
    """
    with open(path, "rb") as file:
        return _Reader(os.fspath(path), file).read()
