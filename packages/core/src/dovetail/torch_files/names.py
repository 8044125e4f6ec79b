"""The closed list of names that a PyTorch file may use, and what calls of them give.

Nothing is imported by a file's word: a name that is not here is refused, whatever it stands for elsewhere.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail import layouts
from dovetail.device import Device
from dovetail.errors import DeviceError, DTypeError
from dovetail.sizes import Size
from dovetail.torch_files.machine import Machine
from dovetail.torch_files.source import shown
from dovetail.torch_files.tensors import Part, Storage, Tensors, as_value, numpy_dtype, whole_numbers
from dovetail.torch_files.values import Keys

#: PyTorch's kinds of storage, with the dtype of their elements.
STORAGES = {
    "BoolStorage": "bool", "ByteStorage": "uint8", "CharStorage": "int8", "ShortStorage": "int16",
    "IntStorage": "int32", "LongStorage": "int64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32", "DoubleStorage": "float64", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}  # fmt: skip
_DTYPES = frozenset((
    *STORAGES.values(), "uint16", "uint32", "uint64",
    "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
))  # fmt: skip
_UNTYPED = {("torch.storage", "UntypedStorage"), ("torch.storage", "_UntypedStorage"), ("torch", "UntypedStorage")}
_LONGEST_DEVICE = 32
_PART_COST = 150  # bytes
_SAVE_AGAIN = "load it in PyTorch, if you trust it, and save {}"
#: What is refused though PyTorch writes it, by the beginning of its name, with what it is and what to save.
_REFUSED = (
    ("torch._utils._rebuild_qtensor", "a quantized tensor", "its .dequantize() or .int_repr(), in a state_dict"),
    ("torch._utils._rebuild_sparse", "a sparse tensor", "its .to_dense(), or .indices() and .values()"),
    ("torch._utils._rebuild_nested", "a nested tensor", "its .unbind(), a list of tensors"),
    ("torch._utils._rebuild_meta", "a tensor without elements", "one that has some"),
    ("torch.nn.modules.", "a whole module", "its .state_dict()"),
    ("torch.jit.", "a TorchScript program", "its .state_dict()"),
    ("torch.ScriptObject", "a TorchScript program", "its .state_dict()"),
    ("torch.Q", "quantized numbers", "the tensor's .dequantize(), in a state_dict"),
    ("numpy.", "a NumPy array or number", "torch.from_numpy(array), or number.item()"),
    ("torch.", "something of PyTorch that is no plain data", "tensors, numbers and text, such as a .state_dict()"),
)


class Name:
    """A name of the closed list, of something that may be called or is a kind of storage."""

    __slots__ = ("call", "storage", "text")

    def __init__(self, text: str, call: Callable[..., Any] | None = None, storage: Any = None) -> None:
        self.text, self.call, self.storage = text, call, storage

    def __str__(self) -> str:
        return self.text


class Names:
    """What the machine asks: names, calls of them, and storages.

    Args:
        tensors: makes the tensors.
        storage_of: gives a storage for its key, kind's dtype, and count of elements; None while nothing is made.
    """

    def __init__(self, tensors: Tensors, storage_of: Callable[[str, np.dtype, int], Storage | None]) -> None:
        self.tensors = tensors
        self.source = tensors.source
        self.storage_of = storage_of
        self.keys = Keys(self.source.fail)
        self.machine: Machine | None = None
        self.found: dict[tuple[str, str], Any] = {}

    def resolve(self, module: str, name: str) -> Any:
        """Return what a name stands for, or refuse it."""
        known = self.found.get((module, name))
        if known is None:
            known = self.found[module, name] = self._resolve(module, name)
        return known

    def _resolve(self, module: str, name: str) -> Any:
        call = _CALLS.get((_PYTHON_2.get(module, module), name))
        if call is not None:
            return Name(f"{module}.{name}", call)
        if module in ("torch", "torch.cuda") and name in STORAGES:
            return Name(f"{module}.{name}", storage=numpy_dtype(STORAGES[name]))
        if (module, name) in _UNTYPED:
            return Name(f"{module}.{name}", storage=np.dtype(np.uint8))
        if module == "torch" and name in _DTYPES:
            return as_value(numpy_dtype(name))
        full = f"{module[:100]}.{name[:100]}"
        for beginning, what, instead in _REFUSED:
            if full.startswith(beginning):
                self._fail(f"it holds {what} ({full}), which is not read; {_SAVE_AGAIN.format(instead)}")
        self._fail(
            f"it names {full!r}, which is not on the closed list of what a file may name: no code of a file is run; "
            + _SAVE_AGAIN.format("what you need of it as tensors, numbers and text, such as a .state_dict()")
        )

    def call(self, called: Any, arguments: tuple) -> Any:
        """Return what a call gives, which is data and nothing else."""
        if type(called) is not Name or called.call is None:
            what = called.text if type(called) is Name else shown(called)
            self._fail(f"its pickle calls {what}, which cannot be called; do not trust the file")
        try:
            return called.call(self, *arguments)
        except (TypeError, ValueError, OverflowError, DTypeError, DeviceError) as error:
            self._fail(f"{called.text} does not take what the file gives it: {error}")

    def _fail(self, what: str) -> Any:
        (self.machine or self.source).fail(what)

    def persistent(self, found: Any) -> Part:
        """Return the part of a storage that a persistent id names."""
        first = found[0] if type(found) is tuple and found and type(found[0]) is str else None
        if first == "module":
            self._fail(f"it holds a whole module, which is not read; {_SAVE_AGAIN.format('its .state_dict()')}")
        if first != "storage" or len(found) not in (5, 6):
            self._fail("its pickle is damaged: a persistent id is no storage's; get the file again")
        _, kind, key, location, count, *view = found
        if type(kind) is not Name or kind.storage is None or type(key) is not str or type(location) is not str:
            self._fail("its pickle is damaged: a storage has no kind, key or place; get the file again")
        if type(count) is not int or not 0 <= count < 2**62:
            self._fail(f"storage {shown(key)} is said to have {shown(count)} elements")
        dtype = kind.storage
        start, length = 0, count * dtype.itemsize
        if view and view[0] is not None:
            start, length = self._view(key, view[0], count, dtype.itemsize)
        self.source.spend(_PART_COST)
        return Part(
            self.storage_of(key, dtype, count), start, length, None if kind.text.endswith("UntypedStorage") else dtype
        )

    def _view(self, key: str, view: Any, count: int, itemsize: int) -> tuple[int, int]:
        """Return where a view of a storage, as in files of the first versions, begins, and its length."""
        if type(view) is not tuple or len(view) != 3:
            self._fail(f"a view of storage {shown(key)} is damaged; get the file again")
        try:
            offset, size = whole_numbers(view[1:], "offset and size")
        except ValueError as error:
            self._fail(f"a view of storage {shown(key)} is damaged: {error}")
        if offset + size > count:
            self._fail(f"a view of storage {shown(key)} ends at element {offset + size} of {count}")
        return offset * itemsize, size * itemsize

    # Calls: what the names of the list give; wrong arguments are Python's own TypeError

    def ordered(self, pairs: Any = ()) -> OrderedDict[Any, Any]:
        made: OrderedDict[Any, Any] = OrderedDict()
        self.source.spend(140)
        for pair in _listed(pairs):
            key, value = _listed(pair)
            self.source.spend(300)
            self.keys.check(key)
            made[key] = value
        return made

    def counter(self, counts: Any = None) -> Counter[Any]:
        if counts is None:
            counts = {}
        if type(counts) is not dict:
            raise TypeError("it takes a dict")
        self.source.spend(200 + 100 * len(counts))
        made: Counter[Any] = Counter()
        dict.update(made, counts)
        return made

    def collection(self, kind: type, items: Any = ()) -> Any:
        self.source.spend(220)
        return kind(self.keys.set_of(_listed(items), self.source.spend))

    def encoded(self, text: Any, encoding: Any) -> bytes:
        if type(text) is not str or type(encoding) is not str or encoding not in ("latin1", "latin-1"):
            raise ValueError("it takes text and 'latin1'")
        self.source.spend(len(text) + 64)
        return text.encode("latin-1")

    def raw(self, kind: type, content: Any = b"", encoding: Any = None) -> Any:
        if encoding is not None:
            content = self.encoded(content, encoding)
        if type(content) is not bytes:
            raise TypeError("it takes bytes")
        self.source.spend(len(content) + 64)
        return kind(content)

    def size(self, sizes: Any) -> Size:
        sizes = whole_numbers(sizes, "sizes")
        self.source.spend(64 + 16 * len(sizes))
        return Size(sizes)

    def steps(self, kind: type, *numbers: Any) -> Any:
        if len(numbers) > 3 or not all(number is None or type(number) is int for number in numbers):
            raise TypeError("it takes up to three whole numbers")
        return kind(*numbers)

    def complex_number(self, real: Any, imaginary: Any) -> complex:
        if type(real) is not float or type(imaginary) is not float:
            raise TypeError("it takes two floats")
        return complex(real, imaginary)

    def device(self, kind: Any, index: Any = None) -> Device:
        if type(kind) is not str or len(kind) > _LONGEST_DEVICE or type(index) not in (int, type(None)):
            raise TypeError("it takes a name and a number")
        return Device(kind, index)

    def layout(self, name: Any) -> Any:
        if type(name) is not str or name != "torch.strided":
            raise ValueError(
                f"there is one layout, 'torch.strided', got {shown(name)}; {_SAVE_AGAIN.format('a dense one')}"
            )
        return layouts.strided

    def tensor_1(self, storage: Any, offset: Any, size: Any, stride: Any) -> Any:
        return self.tensor_2(storage, offset, size, stride, False, None)

    def tensor_2(
        self, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, metadata: Any = None
    ) -> Any:
        if type(storage) is not Part or storage.dtype is None:
            raise TypeError("its storage is none, or has no dtype")
        return self.tensors.tensor(storage, offset, size, stride, grad, storage.dtype, metadata)

    def tensor_3(
        self, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, metadata: Any = None
    ) -> Any:
        native = getattr(dtype, "numpy", dtype)
        if type(storage) is not Part or not isinstance(native, np.dtype):
            raise TypeError("its storage is none, or its dtype is none")
        return self.tensors.tensor(storage, offset, size, stride, grad, native, metadata)

    def parameter(self, data: Any, grad: Any, hooks: Any, state: Any = None) -> Any:
        return self.tensors.parameter(data, grad)


_PYTHON_2 = {"__builtin__": "builtins"}
_CALLS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): Names.ordered,
    ("collections", "Counter"): Names.counter,
    ("builtins", "set"): lambda names, *items: names.collection(set, *items),
    ("builtins", "frozenset"): lambda names, *items: names.collection(frozenset, *items),
    ("builtins", "bytes"): lambda names, *content: names.raw(bytes, *content),
    ("builtins", "bytearray"): lambda names, *content: names.raw(bytearray, *content),
    ("builtins", "slice"): lambda names, *numbers: names.steps(slice, *numbers),
    ("builtins", "range"): lambda names, *numbers: names.steps(range, *numbers),
    ("builtins", "xrange"): lambda names, *numbers: names.steps(range, *numbers),
    ("builtins", "complex"): Names.complex_number,
    ("_codecs", "encode"): Names.encoded,
    ("torch", "Size"): Names.size,
    ("torch", "device"): Names.device,
    ("torch.serialization", "_get_layout"): Names.layout,
    ("torch._utils", "_rebuild_tensor"): Names.tensor_1,
    ("torch._utils", "_rebuild_tensor_v2"): Names.tensor_2,
    ("torch._utils", "_rebuild_tensor_v3"): Names.tensor_3,
    ("torch._utils", "_rebuild_parameter"): Names.parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): Names.parameter,
}


def _listed(items: Any) -> list[Any] | tuple[Any, ...]:
    if type(items) not in (list, tuple):
        raise TypeError("it takes a list")
    return items
