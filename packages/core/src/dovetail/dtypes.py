"""Data types and PyTorch's rules for mixing them."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from dovetail.errors import DTypeError

__all__ = ["DType", "can_cast", "finfo", "get_default_dtype", "iinfo", "promote_types", "set_default_dtype"]

_BOOL, _INTEGER, _FLOAT, _COMPLEX = range(4)  # the categories, in the order in which they win


class DType:
    """The type of a tensor's elements, such as ``dovetail.float32``; one object per type, so ``is`` compares them.

    Attributes:
        name: ``"float32"`` and the like.
        itemsize: bytes per element.
        category: 0 bool, 1 integer, 2 floating point, 3 complex; the higher one wins in a mix.
        is_floating_point, is_complex, is_signed: as in PyTorch.

    Example::

        >>> import dovetail
        >>> dovetail.float32.itemsize, dovetail.float32.is_floating_point
        (4, True)
    """

    __slots__ = ("_numpy", "category", "is_complex", "is_differentiable", "is_floating_point", "itemsize", "name")

    def __init__(self, name: str, category: int, itemsize: int) -> None:
        self.name = name
        self.category = category
        self.itemsize = itemsize
        self.is_floating_point = category == _FLOAT
        self.is_complex = category == _COMPLEX
        self.is_differentiable = category >= _FLOAT
        self._numpy: np.dtype | None = None

    @property
    def is_signed(self) -> builtins.bool:
        return self.name not in ("bool", "uint8")

    def to_real(self) -> DType:
        """Return the dtype of a complex dtype's parts; any other dtype itself."""
        return {complex64: float32, complex128: float64}.get(self, self)

    def to_complex(self) -> DType:
        """Return the complex dtype whose parts are of this one, or hold it.

        Raises:
            DTypeError: there is none for integers and booleans.
        """
        if self.category < _FLOAT:
            raise DTypeError(f"no complex dtype has parts of {self}; convert to floating point first")
        return self if self.is_complex else _complex_of(self)

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype of the same name (``bfloat16`` comes from ml_dtypes)."""
        if self._numpy is None:
            self._numpy = _numpy_dtype(self.name)
        return self._numpy

    def __repr__(self) -> str:
        return f"dovetail.{self.name}"

    def __reduce__(self):
        return (named, (self.name,))


def _numpy_dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


bool_ = DType("bool", _BOOL, 1)
uint8 = DType("uint8", _INTEGER, 1)
int8 = DType("int8", _INTEGER, 1)
int16 = DType("int16", _INTEGER, 2)
int32 = DType("int32", _INTEGER, 4)
int64 = DType("int64", _INTEGER, 8)
float16 = DType("float16", _FLOAT, 2)
bfloat16 = DType("bfloat16", _FLOAT, 2)
float32 = DType("float32", _FLOAT, 4)
float64 = DType("float64", _FLOAT, 8)
complex64 = DType("complex64", _COMPLEX, 8)
complex128 = DType("complex128", _COMPLEX, 16)

DTYPES: dict[str, DType] = {
    dtype.name: dtype
    for dtype in (
        bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128,
    )
}  # fmt: skip

ALIASES: dict[str, DType] = {
    "half": float16, "float": float32, "double": float64, "cfloat": complex64, "cdouble": complex128,
    "short": int16, "int": int32, "long": int64,
}  # fmt: skip

_PYTHON: dict[type, DType] = {
    builtins.float: float64, builtins.int: int64, builtins.bool: bool_, builtins.complex: complex128,
}  # fmt: skip
_BY_NUMPY: dict[np.dtype, DType] = {dtype.numpy: dtype for dtype in DTYPES.values() if dtype is not bfloat16}
_default = float32


def named(name: str) -> DType:
    """Return the dtype of that name, or raise DTypeError listing the names there are."""
    found = DTYPES.get(name) or ALIASES.get(name)
    if found is None:
        raise DTypeError(f"no dtype {name!r}; there are {', '.join(DTYPES)}")
    return found


def from_numpy(dtype) -> DType:
    """Return the dtype for a NumPy dtype, or raise DTypeError naming what can be converted."""
    dtype = np.dtype(dtype)
    found = _BY_NUMPY.get(dtype) or _BY_NUMPY.get(dtype.newbyteorder("="))
    if found is None and dtype.name == "bfloat16":
        found = _BY_NUMPY[dtype] = bfloat16
    if found is None:
        raise DTypeError(f"no dtype for NumPy's {dtype}; convert the array first, to one of {', '.join(DTYPES)}")
    return found


def as_dtype(value) -> DType:
    """Return ``value`` as a DType: a DType, a Python type (``float``), or a NumPy dtype."""
    if isinstance(value, DType):
        return value
    found = _PYTHON.get(value) if isinstance(value, type) else None
    if found is not None:
        return found
    try:
        return from_numpy(value)
    except TypeError:
        raise DTypeError(f"{value!r} is no dtype; use one such as dovetail.float32") from None


def get_default_dtype() -> DType:
    """Return the dtype of new floating-point tensors made from Python numbers."""
    return _default


def set_default_dtype(dtype: DType) -> None:
    """Set the dtype of new floating-point tensors made from Python numbers.

    Args:
        dtype: a floating-point dtype.

    Raises:
        DTypeError: ``dtype`` is not floating point.
    """
    global _default
    if not isinstance(dtype, DType) or not dtype.is_floating_point:
        raise DTypeError(f"the default dtype must be a floating-point dtype such as dovetail.float32, got {dtype!r}")
    _default = dtype


def _complex_of(dtype: DType) -> DType:
    return complex128 if dtype is float64 else complex64


def scalar_dtype(value) -> DType:
    """Return the dtype that a Python number stands for: bool, int64, the default float or its complex."""
    kind = type(value)
    if kind is builtins.bool:
        return bool_
    if kind is builtins.int or isinstance(value, builtins.int):
        return int64
    if isinstance(value, builtins.complex):
        return _complex_of(_default)
    return _default


_FLOAT_RANK = {float16: 1, bfloat16: 1, float32: 2, float64: 3}


def promote_types(type1: DType, type2: DType) -> DType:
    """Return the smallest dtype that both can be converted to, by PyTorch's table.

    Example::

        >>> import dovetail
        >>> dovetail.promote_types(dovetail.int32, dovetail.float16)
        dovetail.float16
    """
    if type1 is type2:
        return type1
    if type1.category != type2.category:
        low, high = (type1, type2) if type1.category < type2.category else (type2, type1)
        if high.category == _COMPLEX and low is float64:
            return complex128
        return high
    if type1.category == _FLOAT:
        if _FLOAT_RANK[type1] == _FLOAT_RANK[type2]:
            return float32  # float16 with bfloat16: neither holds the other
        return type1 if _FLOAT_RANK[type1] > _FLOAT_RANK[type2] else type2
    if type1.category == _COMPLEX:
        return complex128
    return _promote_integers(type1, type2)


def _promote_integers(type1: DType, type2: DType) -> DType:
    if uint8 in (type1, type2):
        other = type1 if type2 is uint8 else type2
        return int16 if other is int8 else other
    return type1 if type1.itemsize > type2.itemsize else type2


def combine(dimensioned: DType | None, zero_dim: DType | None, scalar: DType | None) -> DType:
    """Combine the promoted dtypes of tensors with dimensions, of 0-d tensors and of Python numbers.

    A lower-priority kind changes the result only when its category is higher, as in PyTorch's ``result_type``.
    """
    result = dimensioned
    for candidate in (zero_dim, scalar):
        if candidate is None:
            continue
        if result is None:
            result = candidate
        elif candidate.category > result.category:
            result = _complex_of(result) if candidate.is_complex and result.is_floating_point else candidate
    assert result is not None
    return result


class Categories(dict):
    """``DType.category`` by an array's own dtype object; one for each device, as libraries' dtypes do not compare.

    Half precision counts as -1, so that the dispatcher takes its slow path: a backend may have to widen it for numbers.
    """

    def __missing__(self, native: object) -> int:
        dtype = named_as(native)
        self[native] = category = -1 if dtype.category == _FLOAT and dtype.itemsize == 2 else dtype.category
        return category


class Natives(dict):
    """The DType of an array's own dtype object; one for each device."""

    def __missing__(self, native: object) -> DType:
        self[native] = dtype = named_as(native)
        return dtype


def named_as(native: object) -> DType:
    """Return the dtype that a library's own dtype object stands for, by its name."""
    return named(getattr(native, "name", None) or str(native).rpartition(".")[2])


class finfo:
    """The limits of a floating-point dtype (the default one when none is given), or of a complex dtype's parts.

    Attributes:
        bits, min, max, eps, tiny, smallest_normal, resolution, dtype: as in PyTorch.

    Raises:
        DTypeError: the dtype is not floating point.

    Example::

        >>> import dovetail
        >>> dovetail.finfo(dovetail.float16).max
        65504.0
    """

    def __init__(self, type: DType | None = None) -> None:
        dtype = (_default if type is None else as_dtype(type)).to_real()
        if not dtype.is_floating_point:
            raise DTypeError(f"finfo takes a floating-point dtype, got {dtype}; use dovetail.iinfo for integers")
        info: Any
        if dtype is bfloat16:
            import ml_dtypes

            info = ml_dtypes.finfo(dtype.numpy)
        else:
            info = np.finfo(dtype.numpy)
        number = builtins.float
        self.dtype, self.bits = dtype.name, dtype.itemsize * 8
        self.min, self.max, self.eps = number(info.min), number(info.max), number(info.eps)
        self.tiny = self.smallest_normal = number(info.smallest_normal)
        self.resolution = number(f"{number(info.resolution):.0e}")

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer dtype.

    Attributes:
        bits, min, max, dtype: as in PyTorch.

    Raises:
        DTypeError: the dtype is not an integer.

    Example::

        >>> import dovetail
        >>> dovetail.iinfo(dovetail.int8)
        iinfo(min=-128, max=127, dtype=int8)
    """

    def __init__(self, type: DType) -> None:
        dtype = as_dtype(type)
        if dtype.category != _INTEGER:
            raise DTypeError(f"iinfo takes an integer dtype, got {dtype}; use dovetail.finfo for floating point")
        info = np.iinfo(dtype.numpy)
        self.dtype, self.bits, self.min, self.max = (
            dtype.name,
            dtype.itemsize * 8,
            builtins.int(info.min),
            builtins.int(info.max),
        )

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def can_cast(from_: DType, to: DType) -> builtins.bool:
    """Return whether a result of dtype ``from_`` may be written to a tensor of dtype ``to``: not to a lower category.

    Example::

        >>> import dovetail
        >>> dovetail.can_cast(dovetail.float64, dovetail.int32)
        False
    """
    return from_.category <= to.category
