"""An object as JSON and named arrays, and back: what ``save`` puts into a file's metadata.

What JSON does not have is an object whose first key begins with ``$``: ``{"$tensor": "weight"}`` or
``{"$tuple": [...]}``.
Loading makes data of these and nothing else: no code of the file's choice runs.
"""

from __future__ import annotations

import base64
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from dovetail import dtypes, safetensors_file
from dovetail.device import Device
from dovetail.errors import DTypeError, LoadError, SaveError
from dovetail.overlaps import bounds, memory, overlapping
from dovetail.tensor import Size, Tensor

_LARGEST_INTEGER_BITS = 10_000  # Python reads no longer numbers from text
SAVABLE = (
    "tensors, NumPy arrays and numbers, int, float, complex, bool, str, bytes, None, dtypes and devices, "
    "in dict, OrderedDict, list and tuple"
)


# Encoding: each encoder takes (self, value, path) and gives JSON


def readable(path: tuple[Any, ...]) -> str:
    """Return where in the object something is, as an index expression."""
    return "obj" + "".join(f"[{key!r}]" for key in path)


class Encoder:
    """Turns an object into JSON and named arrays."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.stored: dict[Any, Stored] = {}  # by what is equal for the same memory seen in the same way
        self.open: set[int] = set()

    def encode(self, value: Any, path: tuple[Any, ...]) -> Any:
        encoder = _ENCODERS.get(type(value))
        if encoder is None and isinstance(value, Tensor):
            encoder = Encoder.tensor
        elif encoder is None and isinstance(value, np.generic):
            encoder = Encoder.scalar
        if encoder is None:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise SaveError(f"cannot save {readable(path)}, a {kind}; what can be saved is {SAVABLE}")
        return encoder(self, value, path)

    def plain(self, value: Any, path: tuple[Any, ...]) -> Any:
        return value

    def integer(self, value: int, path: tuple[Any, ...]) -> int:
        if value.bit_length() > _LARGEST_INTEGER_BITS:
            raise SaveError(f"cannot save {readable(path)}, an int of {value.bit_length()} bits; use bytes for it")
        return value

    def text(self, value: str, path: tuple[Any, ...]) -> str:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise SaveError(f"cannot save {readable(path)}, a str that is no Unicode text: {error}") from None
        return value

    def number(self, value: float, path: tuple[Any, ...]) -> Any:
        return value if math.isfinite(value) else {"$float": repr(value)}

    def complex_number(self, value: complex, path: tuple[Any, ...]) -> Any:
        return {"$complex": [self.number(value.real, path), self.number(value.imag, path)]}

    def sequence(self, value: Iterable[Any], path: tuple[Any, ...]) -> list[Any]:
        if id(value) in self.open:
            raise SaveError(f"cannot save {readable(path)}: the {type(value).__name__} contains itself")
        self.open.add(id(value))
        items = [self.encode(item, (*path, index)) for index, item in enumerate(value)]
        self.open.discard(id(value))
        return items

    def mapping(self, value: dict[Any, Any], path: tuple[Any, ...]) -> Any:
        if id(value) in self.open:
            raise SaveError(f"cannot save {readable(path)}: the {type(value).__name__} contains itself")
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
            raise SaveError(f"cannot save {readable(path)}: one of its keys is a {type(key).__name__}; use .item()")
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
        key = self.identity(raw)
        stored = self.stored.get(key)
        if stored is None:
            stored = self.stored[key] = Stored(self.storable(array, path), path, raw)
        reference: dict[str, Any] = {tag: None}
        if array.dtype.name == "complex128":
            reference["dtype"] = "complex128"
        stored.references.append((reference, tag))
        return reference

    def settle(self) -> dict[str, np.ndarray]:
        """Return the arrays to be stored, by name, and put the names into the references to them.

        Arrays that share memory are stored as views of one: the one that covers all of them, or their memory itself.
        """
        arrays = {key: stored.array for key, stored in self.stored.items()}
        for keys in overlapping(arrays):
            group = [self.stored[key] for key in keys]
            base = covering(group)
            if base is None:
                name = self.free_name((*group[0].path, "memory"))
                self.arrays[name] = memory(*span(group), group)
            else:
                name = self.free_name(base.path)
                self.arrays[name] = base.array
            for stored in group:
                for reference, tag in stored.references:
                    reference[tag] = name
                    if stored is not base:
                        array = stored.array
                        place = array.__array_interface__["data"][0] - span(group)[0]
                        reference["view"] = [array.dtype.name, place, list(array.shape), list(array.strides)]
        return self.arrays

    @staticmethod
    def identity(array: Any) -> Any:
        """Return what is equal for arrays that show the same memory in the same way."""
        if type(array) is not np.ndarray or array.size == 0:
            return id(array)
        return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype

    @staticmethod
    def storable(array: np.ndarray, path: tuple[Any, ...]) -> np.ndarray:
        if array.dtype.name == "complex128":  # the format has no such dtype: real and imaginary parts side by side
            return np.lib.stride_tricks.as_strided(array.real, (*array.shape, 2), (*array.strides, 8))
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("="))
        if not safetensors_file.can_hold(array.dtype):
            raise SaveError(
                f"cannot save {readable(path)}, an array of dtype {array.dtype}; arrays of bool, integer, float "
                "and complex dtypes of up to 64 bits per part can be saved"
            )
        return array

    def free_name(self, path: tuple[Any, ...]) -> str:
        name = wanted = ".".join(str(key) for key in path) or "tensor"
        number = 2
        while name in self.arrays or name == safetensors_file.METADATA:
            name, number = f"{wanted}#{number}", number + 1
        return name


class Stored:
    """An array to be stored: where it was found first, and the references to it."""

    def __init__(self, array: np.ndarray, path: tuple[Any, ...], raw: Any) -> None:
        self.array = array
        self.path = path
        self.raw = raw  # kept alive, since it is known by its address
        self.references: list[tuple[dict[str, Any], str]] = []


def covering(group: list[Stored]) -> Stored | None:
    """Return the first array that shows all the memory of a group in its order, or the only one."""
    if len(group) == 1:
        return group[0]
    whole = span(group)
    return next((one for one in group if one.array.flags.c_contiguous and bounds(one.array) == whole), None)


def span(group: list[Stored]) -> tuple[int, int]:
    """Return the addresses between which arrays lie."""
    lows, highs = zip(*[bounds(stored.array) for stored in group], strict=True)
    return min(lows), max(highs)


_ENCODERS: dict[type, Callable[[Encoder, Any, tuple[Any, ...]], Any]] = {
    type(None): Encoder.plain,
    bool: Encoder.plain,
    int: Encoder.integer,
    float: Encoder.number,
    str: Encoder.text,
    complex: Encoder.complex_number,
    bytes: lambda encoder, value, path: {"$bytes": base64.b64encode(value).decode()},
    list: Encoder.sequence,
    tuple: lambda encoder, value, path: {"$tuple": encoder.sequence(value, path)},
    Size: lambda encoder, value, path: {"$size": encoder.sequence(value, path)},
    dict: Encoder.mapping,
    OrderedDict: Encoder.mapping,
    np.ndarray: Encoder.array,
    dtypes.DType: lambda encoder, value, path: {"$dtype": value.name},
    Device: lambda encoder, value, path: {"$device": str(value)},
}


# Decoding


class Decoder:
    """Turns JSON and named arrays back into the object; what they do not fit is damaged."""

    def __init__(self, path: str, arrays: dict[str, np.ndarray], device: Device, damaged: Iterable[str] = ()) -> None:
        self.path = path
        self.arrays = arrays
        self.device = device
        self.damaged = frozenset(damaged)  # None stands in their places
        self.tensors: dict[tuple[str, str, bool], Tensor] = {}
        self.whole: dict[tuple[str, str], np.ndarray] = {}

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

    def array(self, name: str, entry: dict[str, Any]) -> Any:
        if name in self.damaged:
            return None
        key = name, repr(entry.get("view"))
        array = self.whole.get(key)
        if array is None:
            array = self.arrays[name]
            if "view" in entry:
                array = self.view(array, *entry["view"])
            if entry.get("dtype") == "complex128":
                array = array.view(np.complex128)[..., 0]
            self.whole[key] = array
        return array

    def view(self, stored: np.ndarray, dtype: str, place: int, shape: list[int], strides: list[int]) -> np.ndarray:
        """Return an array on the memory of another, all of it inside."""
        steps = list(zip(shape, strides, strict=True))
        if not all(type(number) is int for pair in steps for number in pair) or type(place) is not int:
            raise ValueError("a view's place, shape and strides are whole numbers")
        kind = safetensors_file.dtype_named(dtype)
        low = place + sum(min(0, (size - 1) * step) for size, step in steps)
        high = place + sum(max(0, (size - 1) * step) for size, step in steps) + kind.itemsize
        if min(shape, default=1) < 1 or low < 0 or high > stored.nbytes:
            raise ValueError(f"a view of bytes {low} to {high} is outside the {stored.nbytes} bytes stored")
        found = np.ndarray(shape, kind, stored.reshape(-1).view(np.uint8), place, strides)
        if kind == np.bool_:
            looked_at = found.view(np.uint8) if found.size <= stored.nbytes else stored.reshape(-1).view(np.uint8)
            if looked_at.max() > 1:
                raise ValueError("a view of bool holds other bytes than 0 and 1")
        return found

    def tensor(self, name: str, entry: dict[str, Any]) -> Tensor | None:
        requires_grad = entry.get("requires_grad", False) is True
        key = name, repr(entry.get("view")), requires_grad
        found = self.tensors.get(key)
        if found is None and name not in self.damaged:
            array = self.array(name, entry)
            backend = self.device.backend
            try:
                dtypes.from_numpy(array.dtype)
                own = array if backend.owns(array) else backend.from_numpy(array, self.device.index or 0)
                found = Tensor(own, self.device)
            except DTypeError as error:
                self.fail(f"tensor {name!r} of dtype {array.dtype} cannot be put on {self.device}: {error}")
            self.tensors[key] = found.requires_grad_(requires_grad)
        return found


_DECODERS: dict[str, Callable[[Decoder, Any, dict[str, Any]], Any]] = {
    "$tensor": lambda decoder, name, entry: decoder.tensor(name, entry),
    "$array": lambda decoder, name, entry: decoder.array(name, entry),
    "$scalar": lambda decoder, name, entry: None if name in decoder.damaged else decoder.array(name, entry)[()],
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
