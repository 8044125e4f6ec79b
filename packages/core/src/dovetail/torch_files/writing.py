"""Writes PyTorch's ``.pt`` format, so that ``torch.load(..., weights_only=True)`` opens the file.

Such a file is a zip archive of uncompressed members: a pickle that describes the object, and each storage's bytes at a
multiple of 64. Here the pickle's opcodes are written by hand: it names PyTorch's classes, which need not be installed.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html; the opcodes are in Python's ``pickletools``.
"""

from __future__ import annotations

import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from dovetail import dtypes
from dovetail.device import Device
from dovetail.errors import SaveError
from dovetail.overlaps import bounds, memory, overlapping
from dovetail.structure import SAVABLE, Encoder, readable
from dovetail.tensor import Size, Tensor
from dovetail.torch_files.names import STORAGES
from dovetail.torch_files.zip_writing import ALIGNMENT, Archive

_LARGEST_INTEGER_BYTES = 255  # of the one opcode for large integers that weights_only allows

_STORAGES = {dtype: kind for kind, dtype in STORAGES.items()}
_UNTYPED = {"uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"}
_DEVICES = ("cpu", "cuda", "hpu", "meta", "mps", "mtia", "xla", "xpu")

Path = tuple[Any, ...]


def write(obj: Any, file: BinaryIO) -> None:
    """Write an object as a ``.pt`` file that PyTorch opens with ``weights_only=True``.

    Tensors that share memory share a storage in PyTorch too, where each is a view with its own strides. NumPy arrays
    and numbers become tensors. A view that PyTorch has no strides for (reversed ones) is stored as a copy.

    Args:
        obj: what ``dovetail.save`` takes.
        file: a binary file to write to, from its beginning; it need not be seekable.

    Raises:
        SaveError: something in ``obj`` is of another type, or PyTorch could not read it; the text says where and which.

    Example::

        >>> import dovetail, io, zipfile
        >>> file = io.BytesIO()
        >>> write({"w": dovetail.ones(2), "epoch": 3}, file)
        >>> zipfile.ZipFile(file).read("archive/byteorder")
        b'little'
    """
    arrays = _Arrays()
    try:
        arrays.gather(obj, ())
        views, storages = _lay_out(arrays.by_identity)
        pickler = _Pickler({key: views[identity] for key, identity in arrays.identities.items()})
        pickler.write(obj, ())
    except RecursionError:
        raise SaveError("the object is nested too deeply to be saved; flatten it") from None
    archive = Archive(file)
    archive.add("data.pkl", pickler.finished())
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", str(ALIGNMENT).encode())
    archive.add("byteorder", sys.byteorder.encode())
    for storage in storages:
        archive.add(f"data/{storage.key}", storage.content.data)
    archive.add("version", b"3\n")
    archive.close()


# Storages: which memory is stored, and what each tensor shows of it


class _Arrays:
    """The arrays of an object, each once, with where the first one was found."""

    def __init__(self) -> None:
        self.identities: dict[int, Any] = {}  # by id of the tensor, array or number, which the object keeps alive
        self.by_identity: dict[Any, tuple[np.ndarray, Path]] = {}
        self.kept: list[Any] = []  # arrays stay alive, since they are known by their address
        self.seen: set[int] = set()

    def gather(self, value: Any, path: Path) -> None:
        if isinstance(value, Tensor):
            self.add(value, value._array, value._device.backend.to_numpy, path)
        elif type(value) is np.ndarray or isinstance(value, np.generic):
            self.add(value, value, np.asarray, path)
        elif type(value) in (dict, OrderedDict, list, tuple) and id(value) not in self.seen:
            self.seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, item in items:
                self.gather(item, (*path, key))

    def add(self, value: Any, raw: Any, to_numpy: Callable[[Any], np.ndarray], path: Path) -> None:
        if id(value) in self.identities:
            return
        identity = Encoder.identity(raw)
        self.identities[id(value)] = identity
        if identity not in self.by_identity:
            array = to_numpy(raw)
            if array.dtype.name not in _STORAGES and array.dtype.name not in _UNTYPED:
                raise SaveError(
                    f"cannot save {readable(path)}, an array of dtype {array.dtype}; "
                    f"PyTorch's files have {', '.join([*_STORAGES, *sorted(_UNTYPED)])}"
                )
            self.kept += [raw, array]
            self.by_identity[identity] = array, path


class _Storage(NamedTuple):
    """Some memory that is stored in one piece; of no dtype when it is shown as several."""

    key: str
    content: np.ndarray
    dtype: str | None


class _View(NamedTuple):
    """A tensor as PyTorch describes it: a storage, and in elements where it begins and steps."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str


def _lay_out(arrays: dict[Any, tuple[np.ndarray, Path]]) -> tuple[dict[Any, _View], list[_Storage]]:
    """Return a view for each array, and the storages: arrays whose memory overlaps share one."""
    plain = {identity: (_representable(array), path) for identity, (array, path) in arrays.items()}
    views: dict[Any, _View] = {}
    storages: list[_Storage] = []
    for identities in overlapping({identity: array for identity, (array, _) in plain.items()}):
        group = {identity: plain[identity] for identity in identities}
        storages.append(_store(str(len(storages)), group, views))
    return views, storages


def _representable(array: np.ndarray) -> np.ndarray:
    """Return the array itself, or a copy where PyTorch could not show its memory: as it has no such steps."""
    steps = [step for step, size in zip(array.strides, array.shape, strict=True) if size > 1]
    if array.size and array.dtype.isnative and all(step >= 0 and step % array.itemsize == 0 for step in steps):
        return array
    return np.array(array, array.dtype.newbyteorder("="), order="C")


def _store(key: str, group: dict[Any, tuple[np.ndarray, Path]], views: dict[Any, _View]) -> _Storage:
    """Return the storage of arrays that overlap, and add the views of it."""
    if len(group) == 1:
        ((identity, (array, path)),) = group.items()
        low, high = bounds(array)
        if array.nbytes < high - low:  # nobody else shows what lies between its elements
            group = {identity: (np.array(array, order="C"), path)}
    ends = [bounds(array) for array, _ in group.values() if array.size] or [(0, 0)]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    pad = _padding(low, group)
    owners = [array for array, _ in group.values()]
    content = memory(low, high, owners)
    if pad:
        content = np.concatenate([np.zeros(pad, np.uint8), content])
    names = {array.dtype.name for array, _ in group.values()}
    typed = len(names) == 1 and names <= _STORAGES.keys()
    storage = _Storage(key, content, names.pop() if typed else None)
    for identity, (array, _) in group.items():
        offset = (bounds(array)[0] - low + pad) // array.itemsize if array.size else 0
        views[identity] = _View(storage, offset, array.shape, _stride(array), array.dtype.name)
    return storage


def _padding(low: int, group: dict[Any, tuple[np.ndarray, Path]]) -> int:
    """Return how many bytes to put in front, so that each array begins at a multiple of its own element size."""
    begins = [(bounds(array)[0] - low, array.itemsize) for array, _ in group.values() if array.size]
    for pad in range(16):
        if all((pad + begin) % itemsize == 0 for begin, itemsize in begins):
            return pad
    path = next(iter(group.values()))[1]
    raise SaveError(
        f"cannot save {readable(path)}: it shares memory with an array of another dtype at a distance "
        "that is no multiple of the element size; save a copy of one of them"
    )


def _stride(array: np.ndarray) -> tuple[int, ...]:
    """Return how many elements apart neighbours are along each dimension."""
    if array.flags.c_contiguous:
        steps = [1]
        for size in reversed(array.shape[1:]):
            steps.append(steps[-1] * max(size, 1))
        return tuple(reversed(steps[: array.ndim]))
    return tuple(
        step // array.itemsize if size > 1 else 1 for step, size in zip(array.strides, array.shape, strict=True)
    )


# The pickle: each writer takes (self, value, path)


class _Pickler:
    """Writes opcodes of protocol 2, of those that ``weights_only`` allows."""

    def __init__(self, views: dict[int, _View]) -> None:
        self.views = views
        self.pieces: list[bytes] = [pickle.PROTO + b"\x02"]
        self.memo: dict[Any, int] = {}  # objects by id, texts and globals by (kind, text)
        self.kept: list[Any] = []  # what was made here and is known by its id
        self.open: set[int] = set()

    def finished(self) -> bytes:
        return b"".join(self.pieces) + pickle.STOP

    def write(self, value: Any, path: Path) -> None:
        writer = _Pickler.tensor if id(value) in self.views else _WRITERS.get(type(value))
        if writer is None:
            where, kind = readable(path), f"{type(value).__module__}.{type(value).__qualname__}"
            raise SaveError(f"cannot save {where}, a {kind}; what can be saved is {SAVABLE}")
        writer(self, value, path)

    def put(self, *pieces: bytes) -> None:
        self.pieces.extend(pieces)

    def recall(self, key: Any) -> bool:
        """Put what was remembered under ``key``; return whether there was something."""
        place = self.memo.get(key)
        if place is not None:
            self.put(pickle.BINGET + bytes([place]) if place < 256 else pickle.LONG_BINGET + struct.pack("<I", place))
        return place is not None

    def remember(self, key: Any) -> None:
        place = self.memo[key] = len(self.memo)
        self.put(pickle.BINPUT + bytes([place]) if place < 256 else pickle.LONG_BINPUT + struct.pack("<I", place))

    def named(self, module: str, name: str) -> None:
        key = ("global", module, name)
        if not self.recall(key):
            self.put(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            self.remember(key)

    def call(self, module: str, name: str, *arguments: Any) -> None:
        self.kept.append(arguments)
        self.named(module, name)
        self.write(arguments, ())
        self.put(pickle.REDUCE)

    def text(self, value: str, path: Path) -> None:
        if self.recall(("text", value)):
            return
        try:
            content = value.encode()
        except UnicodeEncodeError as error:
            where = readable(path)
            raise SaveError(f"cannot save {where}, a str that is no Unicode text: {error}") from None
        self.put(pickle.BINUNICODE + struct.pack("<I", len(content)), content)
        self.remember(("text", value))

    def integer(self, value: int, path: Path) -> None:
        if -(1 << 31) <= value < 1 << 31:
            self.put(pickle.BININT + struct.pack("<i", value))
            return
        content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        if len(content) > _LARGEST_INTEGER_BYTES:
            raise SaveError(
                f"cannot save {readable(path)}, an int of {value.bit_length()} bits; "
                f"PyTorch's files have integers of up to {_LARGEST_INTEGER_BYTES * 8 - 1}; use bytes for it"
            )
        self.put(pickle.LONG1 + bytes([len(content)]), content)

    def once(self, value: Any, path: Path, write_items: Callable[[Any, Path], None]) -> None:
        """Write a container, or refer to it where it was written before."""
        if id(value) in self.open:
            where = readable(path)
            raise SaveError(f"cannot save {where}: the {type(value).__name__} contains itself")
        if not self.recall(id(value)):
            self.open.add(id(value))
            write_items(value, path)
            self.open.discard(id(value))

    def sequence(self, value: Iterable[Any], path: Path) -> None:
        self.put(pickle.MARK)
        for index, item in enumerate(value):
            self.write(item, (*path, index))

    def list_items(self, value: list[Any], path: Path) -> None:
        self.put(pickle.EMPTY_LIST)
        self.remember(id(value))
        self.sequence(value, path)
        self.put(pickle.APPENDS)

    def tuple_items(self, value: tuple[Any, ...], path: Path) -> None:
        self.sequence(value, path)
        self.put(pickle.TUPLE)
        self.remember(id(value))

    def dict_items(self, value: dict[Any, Any], path: Path) -> None:
        if type(value) is OrderedDict:
            self.call("collections", "OrderedDict")
        else:
            self.put(pickle.EMPTY_DICT)
        self.remember(id(value))
        self.put(pickle.MARK)
        for key, item in value.items():
            if isinstance(key, Tensor | np.generic):
                where, kind = readable(path), type(key).__name__
                raise SaveError(f"cannot save {where}: one of its keys is a {kind}; use .item()")
            self.write(key, (*path, key))
            self.write(item, (*path, key))
        self.put(pickle.SETITEMS)

    def device(self, value: Device, path: Path) -> None:
        if value.type not in _DEVICES:
            raise SaveError(
                f"cannot save {readable(path)}, the device {str(value)!r}: PyTorch has "
                f"{', '.join(_DEVICES)}; save its name as a str"
            )
        self.call("torch", "device", *((value.type,) if value.index is None else (value.type, value.index)))

    def tensor(self, value: Any, path: Path) -> None:
        if self.recall(id(value)):
            return
        view = self.views[id(value)]
        storage = view.storage
        self.named("torch._utils", "_rebuild_tensor_v2" if storage.dtype else "_rebuild_tensor_v3")
        self.put(pickle.MARK, pickle.MARK)
        self.text("storage", path)
        if storage.dtype:
            self.named("torch", _STORAGES[storage.dtype])
        else:
            self.named("torch.storage", "UntypedStorage")
        self.text(storage.key, path)
        self.text("cpu", path)
        self.integer(storage.content.size // (np.dtype(view.dtype).itemsize if storage.dtype else 1), path)
        self.put(pickle.TUPLE, pickle.BINPERSID)
        self.integer(view.offset, path)
        self.write(view.size, path)
        self.write(view.stride, path)
        self.put(pickle.NEWTRUE if getattr(value, "requires_grad", False) else pickle.NEWFALSE)
        self.call("collections", "OrderedDict")  # no hooks
        if not storage.dtype:
            self.named("torch", view.dtype)
        self.put(pickle.TUPLE, pickle.REDUCE)
        self.remember(id(value))


_WRITERS: dict[type, Callable[[_Pickler, Any, Path], None]] = {
    type(None): lambda pickler, value, path: pickler.put(pickle.NONE),
    bool: lambda pickler, value, path: pickler.put(pickle.NEWTRUE if value else pickle.NEWFALSE),
    int: _Pickler.integer,
    float: lambda pickler, value, path: pickler.put(pickle.BINFLOAT + struct.pack(">d", value)),
    complex: lambda pickler, value, path: pickler.call("__builtin__", "complex", value.real, value.imag),
    str: _Pickler.text,
    bytes: lambda pickler, value, path: pickler.call("_codecs", "encode", value.decode("latin1"), "latin1"),
    list: lambda pickler, value, path: pickler.once(value, path, pickler.list_items),
    tuple: lambda pickler, value, path: pickler.once(value, path, pickler.tuple_items),
    dict: lambda pickler, value, path: pickler.once(value, path, pickler.dict_items),
    OrderedDict: lambda pickler, value, path: pickler.once(value, path, pickler.dict_items),
    Size: lambda pickler, value, path: pickler.call("torch", "Size", tuple(value)),
    Device: _Pickler.device,
    dtypes.DType: lambda pickler, value, path: pickler.named("torch", value.name),
}
