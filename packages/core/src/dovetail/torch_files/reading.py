"""Reading what ``torch.save`` wrote: zip archives, and the form of before PyTorch 1.6."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np

from dovetail.device import Device, resolve
from dovetail.torch_files.archive import Archive
from dovetail.torch_files.machine import Machine
from dovetail.torch_files.names import Names
from dovetail.torch_files.source import Source, Stream, shown
from dovetail.torch_files.tensors import Storage, Tensors
from dovetail.torch_files.values import Check

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_MAGIC = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = b"\x8a\x0a" + _MAGIC.to_bytes(10, "little")
_PROTOCOL = 1001
_STORAGE_COST = 320  # bytes that Python takes for one beside its content
_OLDEST_VERSION, _NEWEST_VERSION = 1, 10
_SCRIPTED = ("code/", "constants.pkl", "constants/", "debug_pkl")
_TAR_NAMES = (b"sys_info\0", b"pickle\0", b"storages\0", b"tensors\0")


def recognises(start: bytes) -> bool:
    r"""Return whether a file with this beginning is for ``read``: PyTorch's, another zip archive or pickle.

    Args:
        start: the file's first bytes; 512 are enough for every form, 16 for all but the oldest.

    Example::

        >>> recognises(b"PK\x03\x04"), recognises(b"GIF89a")
        (True, False)
    """
    if start.startswith((_ZIP, _EMPTY_ZIP)) or _is_tar(start):
        return True
    if start[:1] != b"\x80" or not 2 <= (start[1:2] or b"\0")[0] <= 5:
        return False
    # A safetensors file of a header of 640 bytes begins like a pickle of protocol 2; the length's upper bytes are 0.
    return start[4:8] != bytes(4) or (start[2:3] == b"\x95" and start[8:9] == b"\0")


def _is_tar(start: bytes) -> bool:
    return start[257:262] == b"ustar" or start.startswith(_TAR_NAMES)


def read(
    name: str, file: BinaryIO, *, device: str | Device | None = None, verify: bool = True, mmap: bool = False
) -> Any:
    """Return the object in a file of PyTorch's, made of tensors and plain values; no code of the file is run.

    Tensors that share memory in PyTorch do so here. Parameters are tensors that require gradients, and tensors of a
    dtype that Dovetail has none for, such as uint16 and float8, are NumPy arrays.

    Args:
        name: what errors call the file.
        file: the open file, which can be sought in.
        device: where the tensors go; the default device when not given.
        verify: whether the checksums are compared, which only zip archives have.
        mmap: whether tensors are views of the file, mapped so that writing to them leaves it as it is. What is mapped
            is read when it is needed, so that its checksum is not compared.

    Raises:
        LoadError: the file is damaged, not PyTorch's, or holds what is not data; the text says what, and where.
        DeviceError: the device is unknown or cannot be used here.

    Example::

        >>> import io, pickle, zipfile
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w") as archive:
        ...     archive.writestr("notes/data.pkl", pickle.dumps({"step": 3}, 2))
        >>> read("notes.pt", file)
        {'step': 3}
    """
    placed = resolve(device)
    source = Source(name, file, mmap)
    start = source.read_at(0, min(source.size, 512))
    try:
        if start.startswith((_ZIP, _EMPTY_ZIP)):
            return _Zip(source, placed, verify).read()
        if start[:1] == b"\x80" and _MAGIC_BYTES in start[2:32]:
            return _Legacy(source, placed).read()
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        source.fail(f"damaged in a way that was not foreseen ({type(error).__name__}: {error}); get the file again")
    if _is_tar(start):
        source.fail("written by a PyTorch of before 0.1.10, as a tar archive; load it in PyTorch and save it again")
    if recognises(start):
        source.fail(
            "a pickle that torch.save did not write, or damaged; no pickles but PyTorch's are read. Load it where it "
            "was written, if you trust it, and save it again with dovetail.save"
        )
    source.fail(f"no file of PyTorch's, or damaged: it begins with {start[:16]!r}")


class _Zip:
    """Reads a zip archive of PyTorch's."""

    def __init__(self, source: Source, device: Device, verify: bool) -> None:
        self.source = source
        self.device = device
        self.archive = Archive(source, verify)
        self.storages: dict[str, Storage] = {}

    def read(self) -> Any:
        archive, source = self.archive, self.source
        if any(name.startswith(_SCRIPTED) for name in archive.members):
            source.fail("a TorchScript program, which is not read; load it in PyTorch and save its .state_dict()")
        self._check_version()
        self.order = (archive.record("byteorder") or b"little").decode("latin-1")
        if self.order not in ("little", "big"):
            source.fail(f"its byte order is {shown(self.order)}; there are 'little' and 'big'")
        pickled = archive.record("data.pkl")
        if pickled is None:
            source.fail(
                "a zip archive without data.pkl, so not PyTorch's; NumPy's .npz files are for numpy.load, "
                "others for what wrote them"
            )
        names = Names(Tensors(source, self.device), self._storage)
        value = _run(Stream(source, io.BytesIO(pickled), 0, len(pickled)), names, whole=True)
        archive.check_rest()
        return value

    def _check_version(self) -> None:
        text = self.archive.record("version") or self.archive.record(".data/version") or b"3"
        if not text.strip().isdigit() or len(text) > 9 or not _OLDEST_VERSION <= int(text) <= _NEWEST_VERSION:
            self.source.fail(
                f"written in version {shown(text)} of PyTorch's format; those from {_OLDEST_VERSION} to "
                f"{_NEWEST_VERSION} are read; try a newer Dovetail"
            )

    def _storage(self, key: str, dtype: np.dtype, count: int) -> Storage:
        found = self.storages.get(key)
        if found is None:
            if f"data/{key}" not in self.archive.members:
                self.source.fail(f"its pickle names a storage {shown(key)}, which is not in the archive")
            self.source.spend(_STORAGE_COST)
            found = self.storages[key] = Storage(self.archive.array(f"data/{key}"), self.order)
        length, needed = len(found.content), count * dtype.itemsize
        if length != needed:
            self.source.fail(f"storage {shown(key)} has {length} bytes, but {count} elements of {dtype} take {needed}")
        return found


class _Legacy:
    """Reads a file of the form of before PyTorch 1.6: pickles one after the other, then the storages.

    The main pickle is run twice: first to learn which storages there are, then, when their places are known, to make
    the tensors. The form has no checksums.
    """

    def __init__(self, source: Source, device: Device) -> None:
        self.source = source
        self.names = Names(Tensors(source, device), self._expect)
        self.expected: dict[str, tuple[np.dtype, int]] = {}
        self.storages: dict[str, Storage] = {}

    def read(self) -> Any:
        source = self.source
        stream = Stream(source, source.file, 0, source.size)
        magic, protocol, system = (self._run(stream) for _ in range(3))
        if type(magic) is not int or magic != _MAGIC or type(protocol) is not int or protocol != _PROTOCOL:
            source.fail(
                f"it begins like PyTorch's, but says {shown(magic)} and version {shown(protocol)}; it is damaged"
            )
        if type(system) is not dict:
            source.fail("damaged: where it was written is no dict; get the file again")
        begin = stream.position
        self._run(stream)
        keys = self._run(stream)
        source.renew()  # what the first run made is gone
        self._fill(keys, stream.position)
        self.names.storage_of = lambda key, dtype, count: self.storages[key]
        return self._run(Stream(source, source.file, begin, source.size))

    def _run(self, stream: Stream) -> Any:
        return _run(stream, self.names, whole=False)

    def _expect(self, key: str, dtype: np.dtype, count: int) -> None:
        known = self.expected.setdefault(key, (dtype, count))
        if known[0].itemsize * known[1] != dtype.itemsize * count:
            self.source.fail(f"storage {shown(key)} is said to have {known[1]} elements, and {count}")

    def _fill(self, keys: Any, position: int) -> None:
        """Read the storages, which are in the order of their keys."""
        if type(keys) is not list or not all(type(key) is str for key in keys):
            self.source.fail("damaged: the keys of its storages are no list of texts; get the file again")
        if len(set(keys)) != len(keys) or set(keys) != self.expected.keys():
            self.source.fail("damaged: its storages are not those that its tensors need; get the file again")
        for key in keys:
            dtype, count = self.expected[key]
            stated = int.from_bytes(self.source.read_at(position, 8), "little")
            length = count * dtype.itemsize
            if stated != count or position + 8 + length > self.source.size:
                self.source.fail(
                    f"cut off or damaged: storage {shown(key)} of {count} elements takes {length} bytes; it states "
                    f"{stated} elements, and {self.source.size - position - 8} bytes remain"
                )
            self.source.spend(_STORAGE_COST)
            self.storages[key] = Storage(self.source.array_at(position + 8, length)[0], "little")
            position += 8 + length
        if position != self.source.size:
            self.source.fail(f"{self.source.size - position} bytes at its end belong to no storage")


def _run(stream: Stream, names: Names, whole: bool) -> Any:
    """Run one pickle; ``whole`` when nothing may follow it."""
    machine = Machine(stream, names.resolve, names.call, names.persistent)
    names.machine = machine
    value = machine.run()
    if whole and stream.position != stream.end:
        machine.fail(f"{stream.end - stream.position} bytes follow the end of its pickle; it is damaged")
    names.machine = None
    del machine
    Check(stream.source).measure(value)
    return value
