"""Save and load: nested containers of tensors and plain values in one safetensors file, without pickle.

The arrays go into the file under their paths (``model.fc1.weight``), the rest into its metadata as JSON. There, what
JSON does not have is an object whose first key begins with ``$``: ``{"$tensor": "weight"}``, ``{"$tuple": [...]}``.
Loading makes data of these and nothing else: no code of the file's choice runs.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from dovetail import dtypes, safetensors_file
from dovetail.device import Device, resolve
from dovetail.errors import DeviceError, DTypeError, LoadError, SaveError
from dovetail.tensor import Size, Tensor

__all__ = ["load", "save"]

_FORMAT = "1"
_FORMAT_KEY, _STRUCTURE_KEY = "dovetail", "dovetail.structure"
_LARGEST_INTEGER_BITS = 10_000  # Python reads no longer numbers from text
_SAVABLE = (
    "tensors, NumPy arrays and numbers, int, float, complex, bool, str, bytes, None, dtypes and devices, "
    "in dict, OrderedDict, list and tuple"
)


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Save an object made of tensors and plain values, so that ``path`` holds the old file or the whole new one.

    A flat dict of tensors becomes a safetensors file that other tools open too. A tensor that occurs several times is
    stored once and loaded as one; a tensor's device is not stored.

    Args:
        obj: tensors, NumPy arrays and numbers, int, float, complex, bool, str, bytes, None, dtypes and devices, in
            dict, OrderedDict, list and tuple, nested as you like.
        path: the file's name; ``.safetensors`` is the usual ending.

    Raises:
        SaveError: something in ``obj`` is of another type; the text says where and which.
        OSError: the file cannot be written.

    Example::

        >>> import dovetail, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> dovetail.save({"w": dovetail.ones(2), "epoch": 3}, folder.name + "/best.safetensors")
        >>> dovetail.load(folder.name + "/best.safetensors")
        {'w': tensor([1., 1.]), 'epoch': 3}
        >>> folder.cleanup()
    """
    encoder = _Encoder()
    try:
        structure = json.dumps(encoder.encode(obj, ()), separators=(",", ":"))
    except RecursionError:
        raise SaveError("the object is nested too deeply to be saved; flatten it") from None
    safetensors_file.write(path, encoder.arrays, {_FORMAT_KEY: _FORMAT, _STRUCTURE_KEY: structure})


def load(
    path: str | os.PathLike[str],
    device: str | Device | None = None,
    *,
    map_location: str | Device | None = None,
    weights_only: bool = True,
) -> Any:
    """Load what ``save`` wrote, comparing every checksum; of another tool's safetensors file, the dict of its tensors.

    Args:
        path: the file's name.
        device: where the tensors go; the default device when not given.
        map_location: PyTorch's name for ``device``.
        weights_only: has no effect: nothing but data is ever loaded.

    Raises:
        LoadError: the file is damaged or of another format; the text names the file, the tensor and what is wrong.
        OSError: the file cannot be read.
        DeviceError: the device is unknown or cannot be used here.
    """
    if device is not None and map_location is not None:
        raise TypeError("load takes device or map_location, which mean the same; got both")
    placed = resolve(device if map_location is None else map_location)
    arrays, metadata = safetensors_file.read(path)
    decoder = _Decoder(os.fspath(path), arrays, placed)
    if _FORMAT_KEY not in metadata:
        return {name: decoder.tensor(name) for name in arrays}
    if metadata[_FORMAT_KEY] != _FORMAT:
        decoder.fail(f"written in format {metadata[_FORMAT_KEY]!r}; this Dovetail reads {_FORMAT!r}; try a newer one")
    try:
        return decoder.decode(json.loads(metadata[_STRUCTURE_KEY]))
    except (LookupError, TypeError, ValueError, RecursionError, DTypeError, DeviceError) as error:
        decoder.fail(f"its structure is damaged: {type(error).__name__}: {error}")


# Encoding: each encoder takes (self, value, path) and gives JSON


def _readable(path: tuple[Any, ...]) -> str:
    """Return where in the object something is, as an index expression."""
    return "obj" + "".join(f"[{key!r}]" for key in path)


class _Encoder:
    """Turns an object into JSON and named arrays."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.names: dict[Any, str] = {}
        self.open: set[int] = set()
        self.kept: list[Any] = []  # arrays stay alive, since they are known by their address

    def encode(self, value: Any, path: tuple[Any, ...]) -> Any:
        encoder = _ENCODERS.get(type(value))
        if encoder is None and isinstance(value, Tensor):
            encoder = _Encoder.tensor
        elif encoder is None and isinstance(value, np.generic):
            encoder = _Encoder.scalar
        if encoder is None:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise SaveError(f"cannot save {_readable(path)}, a {kind}; what can be saved is {_SAVABLE}")
        return encoder(self, value, path)

    def plain(self, value: Any, path: tuple[Any, ...]) -> Any:
        return value

    def integer(self, value: int, path: tuple[Any, ...]) -> int:
        if value.bit_length() > _LARGEST_INTEGER_BITS:
            raise SaveError(f"cannot save {_readable(path)}, an int of {value.bit_length()} bits; use bytes for it")
        return value

    def text(self, value: str, path: tuple[Any, ...]) -> str:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise SaveError(f"cannot save {_readable(path)}, a str that is no Unicode text: {error}") from None
        return value

    def number(self, value: float, path: tuple[Any, ...]) -> Any:
        return value if math.isfinite(value) else {"$float": repr(value)}

    def complex_number(self, value: complex, path: tuple[Any, ...]) -> Any:
        return {"$complex": [self.number(value.real, path), self.number(value.imag, path)]}

    def sequence(self, value: Iterable[Any], path: tuple[Any, ...]) -> list[Any]:
        if id(value) in self.open:
            raise SaveError(f"cannot save {_readable(path)}: the {type(value).__name__} contains itself")
        self.open.add(id(value))
        items = [self.encode(item, (*path, index)) for index, item in enumerate(value)]
        self.open.discard(id(value))
        return items

    def mapping(self, value: dict[Any, Any], path: tuple[Any, ...]) -> Any:
        if id(value) in self.open:
            raise SaveError(f"cannot save {_readable(path)}: the {type(value).__name__} contains itself")
        self.open.add(id(value))
        pairs = [[self.key(key, path), self.encode(item, (*path, key))] for key, item in value.items()]
        self.open.discard(id(value))
        if type(value) is OrderedDict:
            return {"$ordered": pairs}
        if all(type(key) is str and not key.startswith("$") for key in value):
            return dict(pairs)
        return {"$dict": pairs}

    def key(self, key: Any, path: tuple[Any, ...]) -> Any:
        if isinstance(key, Tensor | np.generic):
            raise SaveError(f"cannot save {_readable(path)}: one of its keys is a {type(key).__name__}; use .item()")
        return self.encode(key, (*path, key))

    def tensor(self, value: Tensor, path: tuple[Any, ...]) -> Any:
        reference = self.array(value._device.backend.to_numpy(value._array), path, ("$tensor", value._array))
        if value.requires_grad:
            reference["requires_grad"] = True
        return reference

    def scalar(self, value: np.generic, path: tuple[Any, ...]) -> Any:
        array = np.asarray(value)
        return self.array(array, path, ("$scalar", array))

    def array(self, array: np.ndarray, path: tuple[Any, ...], origin: Any = None) -> Any:
        tag, raw = origin or ("$array", array)
        name = self.names.get(self.identity(raw))
        if name is None:
            name = self.names[self.identity(raw)] = self.free_name(path)
            self.kept.append(raw)
            self.arrays[name] = self.storable(array, path)
        reference = {tag: name}
        if array.dtype.name == "complex128":
            reference["dtype"] = "complex128"
        return reference

    @staticmethod
    def identity(array: Any) -> Any:
        """Return what is equal for arrays that show the same memory in the same way."""
        if type(array) is not np.ndarray or array.size == 0:
            return id(array)
        return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype

    @staticmethod
    def storable(array: np.ndarray, path: tuple[Any, ...]) -> np.ndarray:
        if array.dtype.name == "complex128":  # the format has no such dtype: real and imaginary parts side by side
            return np.stack([array.real, array.imag], axis=-1)
        if not safetensors_file.can_hold(array.dtype):
            raise SaveError(
                f"cannot save {_readable(path)}, an array of dtype {array.dtype}; arrays of bool, integer, float "
                "and complex dtypes of up to 64 bits per part can be saved"
            )
        return array

    def free_name(self, path: tuple[Any, ...]) -> str:
        name = wanted = ".".join(str(key) for key in path) or "tensor"
        number = 2
        while name in self.arrays or name == safetensors_file.METADATA:
            name, number = f"{wanted}#{number}", number + 1
        return name


_ENCODERS: dict[type, Callable[[_Encoder, Any, tuple[Any, ...]], Any]] = {
    type(None): _Encoder.plain,
    bool: _Encoder.plain,
    int: _Encoder.integer,
    float: _Encoder.number,
    str: _Encoder.text,
    complex: _Encoder.complex_number,
    bytes: lambda encoder, value, path: {"$bytes": base64.b64encode(value).decode()},
    list: _Encoder.sequence,
    tuple: lambda encoder, value, path: {"$tuple": encoder.sequence(value, path)},
    Size: lambda encoder, value, path: {"$size": encoder.sequence(value, path)},
    dict: _Encoder.mapping,
    OrderedDict: _Encoder.mapping,
    np.ndarray: _Encoder.array,
    dtypes.DType: lambda encoder, value, path: {"$dtype": value.name},
    Device: lambda encoder, value, path: {"$device": str(value)},
}


# Decoding


class _Decoder:
    """Turns JSON and named arrays back into the object; what they do not fit is damaged."""

    def __init__(self, path: str, arrays: dict[str, np.ndarray], device: Device) -> None:
        self.path = path
        self.arrays = arrays
        self.device = device
        self.tensors: dict[tuple[str, bool], Tensor] = {}
        self.whole: dict[str, np.ndarray] = {}

    def fail(self, what: str) -> NoReturn:
        raise LoadError(f"{self.path}: {what}") from None

    def decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        tag = next(iter(value), "")
        if not tag.startswith("$"):
            return {key: self.decode(item) for key, item in value.items()}
        return _DECODERS[tag](self, value[tag], value)

    def pairs(self, pairs: list[Any]) -> Iterable[tuple[Any, Any]]:
        return ((self.decode(key), self.decode(item)) for key, item in pairs)

    def array(self, name: str, dtype: str | None = None) -> np.ndarray:
        array = self.whole.get(name)
        if array is None:
            array = self.arrays[name]
            if dtype == "complex128":
                array = array.view(np.complex128)[..., 0]
            self.whole[name] = array
        return array

    def tensor(self, name: str, dtype: str | None = None, requires_grad: bool = False) -> Tensor:
        found = self.tensors.get((name, requires_grad))
        if found is None:
            array = self.array(name, dtype)
            backend = self.device.backend
            try:
                dtypes.from_numpy(array.dtype)
                own = array if backend.owns(array) else backend.from_numpy(array, self.device.index or 0)
                found = Tensor(own, self.device)
            except DTypeError as error:
                self.fail(f"tensor {name!r} of dtype {array.dtype} cannot be put on {self.device}: {error}")
            self.tensors[name, requires_grad] = found.requires_grad_(requires_grad)
        return found


_DECODERS: dict[str, Callable[[_Decoder, Any, dict[str, Any]], Any]] = {
    "$tensor": lambda decoder, name, entry: decoder.tensor(
        name, entry.get("dtype"), entry.get("requires_grad", False) is True
    ),
    "$array": lambda decoder, name, entry: decoder.array(name, entry.get("dtype")),
    "$scalar": lambda decoder, name, entry: decoder.array(name, entry.get("dtype"))[()],
    "$float": lambda decoder, text, entry: float(text),
    "$complex": lambda decoder, parts, entry: complex(*decoder.decode(parts)),
    "$bytes": lambda decoder, text, entry: base64.b64decode(text, validate=True),
    "$tuple": lambda decoder, items, entry: tuple(decoder.decode(items)),
    "$size": lambda decoder, items, entry: Size(decoder.decode(items)),
    "$dict": lambda decoder, pairs, entry: dict(decoder.pairs(pairs)),
    "$ordered": lambda decoder, pairs, entry: OrderedDict(decoder.pairs(pairs)),
    "$dtype": lambda decoder, name, entry: dtypes.named(name),
    "$device": lambda decoder, text, entry: Device(text),
}
