"""Save and load: nested containers of tensors and plain values in one file, without pickle.

The arrays go into a safetensors file under their paths (``model.fc1.weight``), the rest into its metadata; see
``structure``. PyTorch's own files are read and written too; see ``torch_files``.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

from dovetail import safetensors_file, sharded
from dovetail.atomic import Target, name_of, opened, replace
from dovetail.device import Device, resolve
from dovetail.errors import DeviceError, DTypeError, SaveError
from dovetail.structure import Decoder, Encoder

__all__ = ["load", "save"]

_FORMAT = "1"
_FORMAT_KEY, _STRUCTURE_KEY = "dovetail", "dovetail.structure"
FORMATS = ("safetensors", "torch")


def save(obj: Any, path: Target, *, format: str = "safetensors") -> None:
    """Save an object made of tensors and plain values, so that ``path`` holds the old file or the whole new one.

    A flat dict of tensors becomes a safetensors file that other tools open too. Tensors that share memory are stored
    once and share it again when they are loaded; a tensor's device is not stored.

    Args:
        obj: tensors, NumPy arrays and numbers, int, float, complex, bool, str, bytes, None, dtypes and devices, in
            dict, OrderedDict, list and tuple, nested as you like.
        path: the file's name, a URL for fsspec (``s3://...``), or a file open for writing bytes, which is written to as
            it comes; ``.safetensors`` is the usual ending.
        format: ``"safetensors"``, or ``"torch"`` for a ``.pt`` file that PyTorch opens.

    Raises:
        SaveError: something in ``obj`` is of another type; the text says where and which.
        OSError: the file cannot be written; what was there is as it was.
        ValueError: there is no such format. MissingPackageError: a URL, and fsspec is not installed.

    Example::

        >>> import dovetail, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> dovetail.save({"w": dovetail.ones(2), "epoch": 3}, folder.name + "/best.safetensors")
        >>> dovetail.load(folder.name + "/best.safetensors")
        {'w': tensor([1., 1.]), 'epoch': 3}
        >>> folder.cleanup()
    """
    if format not in FORMATS:
        raise ValueError(f"save writes the formats {', '.join(FORMATS)}; got {format!r}")
    if format == "torch":
        from dovetail.torch_files import writing

        replace(path, lambda file: writing.write(obj, file))
        return
    encoder = Encoder()
    try:
        encoded = encoder.encode(obj, ())
        arrays = encoder.settle()
        structure = json.dumps(encoded, separators=(",", ":"))
    except RecursionError:
        raise SaveError("the object is nested too deeply to be saved; flatten it") from None
    safetensors_file.write(path, arrays, {_FORMAT_KEY: _FORMAT, _STRUCTURE_KEY: structure})


def load(
    path: Target,
    device: str | Device | None = None,
    *,
    mmap: bool = False,
    strict: bool = True,
    verify: bool | None = None,
    map_location: str | Device | None = None,
    weights_only: bool = True,
) -> Any:
    """Load what ``save`` wrote, comparing every checksum; of other tools' safetensors files, the dict of their tensors.

    PyTorch's files (``.pt``, ``.pth``, ``.bin``) and sharded models (``model.safetensors.index.json``) are read too.
    Whatever the file is, no code of its choice runs.

    Args:
        path: the file's name, a URL for fsspec (``s3://...``), or a file open for reading bytes.
        device: where the tensors go; the default device when not given.
        mmap: read the tensors when they are used, from the file's memory map. Writes to them stay in memory. The file
            may be replaced meanwhile, but must not be written to.
        strict: whether a damaged tensor is an error. If not, None stands in its place, and a warning says what is
            wrong; to save what can be saved. Of safetensors files in one piece; others are loaded whole or not at all.
        verify: whether to compare the checksums of the data; by default yes, but with ``mmap``, since that would read
            all of it. Those of the header are compared always.
        map_location: PyTorch's name for ``device``.
        weights_only: has no effect: nothing but data is ever loaded.

    Raises:
        LoadError: the file is damaged or of another format; the text names the file, the tensor and what is wrong.
        OSError: the file cannot be read. MissingPackageError: a URL, and fsspec is not installed.
        DeviceError: the device is unknown or cannot be used here. ValueError: ``mmap`` for what is no file on a disk.
    """
    if device is not None and map_location is not None:
        raise TypeError("load takes device or map_location, which mean the same; got both")
    placed = resolve(device if map_location is None else map_location)
    verify = not mmap if verify is None else verify
    name = name_of(path)
    if name.endswith(sharded.ENDING):
        return _sharded(name, placed, verify, mmap)
    with opened(path) as file:
        start = file.read(512)
        file.seek(-len(start), os.SEEK_CUR)
        if start[4:8] != bytes(4) or start[:1] == b"\x80" or start[:2] == b"PK":  # else a safetensors header's length
            from dovetail.torch_files import reading

            if reading.recognises(start):
                return reading.read(name, file, device=placed, verify=verify, mmap=mmap)
        reader = safetensors_file.Reader(name, file, verify, mmap)
        return _object_in(reader, placed, strict)


def _sharded(name: str, device: Device, verify: bool, mmap: bool) -> dict[str, Any]:
    """Return the tensors of a model in several files, of which ``name`` is the index."""

    def read(shard: str) -> dict[str, Any]:
        with opened(shard) as file:
            return safetensors_file.Reader(shard, file, verify, mmap).read()[0]

    decoder = Decoder(name, sharded.read_arrays(name, read), device)
    return {tensor: decoder.tensor(tensor, {}) for tensor in decoder.arrays}


def _object_in(reader: safetensors_file.Reader, device: Device, strict: bool) -> Any:
    """Return the object in a safetensors file."""
    arrays, metadata = reader.read(strict)
    for what in reader.damaged.values():
        warnings.warn(f"{reader.name}: {what}; left out", stacklevel=3)
    decoder = Decoder(reader.name, arrays, device, reader.damaged)
    if _FORMAT_KEY not in metadata:
        return {name: decoder.tensor(name, {}) for name in (*arrays, *reader.damaged)}
    if metadata[_FORMAT_KEY] != _FORMAT:
        decoder.fail(f"written in format {metadata[_FORMAT_KEY]!r}; this Dovetail reads {_FORMAT!r}; try a newer one")
    try:
        return decoder.decode(json.loads(metadata[_STRUCTURE_KEY]))
    except (LookupError, TypeError, ValueError, OverflowError, RecursionError, DTypeError, DeviceError) as error:
        decoder.fail(f"its structure is damaged: {type(error).__name__}: {error}")
