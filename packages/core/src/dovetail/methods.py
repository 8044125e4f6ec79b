"""The methods and operators of a tensor, and the functions of the same names: each leads to an op.

``FUNCTIONS`` become both ``dovetail.name(x, ...)`` and ``x.name(...)``; the tables at the end attach the ops themselves.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail import creation, dtypes, ops, random
from dovetail.device import Device, resolve
from dovetail.dtypes import DType, as_dtype
from dovetail.errors import DTypeError, ShapeError
from dovetail.ops.linalg import expect_matrices
from dovetail.tensor import Tensor
from dovetail.transfer import transfer
from dovetail.views import assign, before, check_writable, in_place

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def function(call: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of this, and a function of ``dovetail``."""
    FUNCTIONS[call.__name__] = call
    setattr(Tensor, call.__name__, call)
    return call


def method(call: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of this."""
    setattr(Tensor, call.__name__, call)
    return call


def check_dim(x: Tensor, dim: int, extra: int = 0) -> int:
    """Return ``dim`` as an index of 0 or more.

    Raises:
        IndexError: ``x`` has no such dimension.
    """
    ndim = builtins.max(x.ndim + extra, 1)
    if not -ndim <= dim < ndim:
        raise IndexError(f"dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})")
    return dim + ndim if dim < 0 else dim


# Devices and dtypes


@method
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Return the tensor on another device, of another dtype, or like another tensor; itself when it is already.

    Called as ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(other)``; ``copy=True`` always copies.
    """
    device, dtype, copy = _target(self, args, dict(kwargs))
    out = self
    if device is not out._device:
        out = transfer(out, device)
    if dtype is not out.dtype:
        out = ops.cast(out, dtype=dtype)
    return out.clone() if copy and out is self else out


def _target(self: Tensor, args: tuple, kwargs: dict[str, Any]) -> tuple[Device, DType, bool]:
    device, dtype, copy = kwargs.pop("device", None), kwargs.pop("dtype", None), kwargs.pop("copy", False)
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to() takes device, dtype, copy and non_blocking, got {sorted(kwargs)}")
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value._device, value.dtype
        elif isinstance(value, (str, Device)):
            device = value
        elif isinstance(value, DType) or value in (builtins.float, builtins.int, builtins.bool):
            dtype = value
        elif value is not None and not isinstance(value, builtins.bool):
            raise TypeError(f"to() takes a device, a dtype or a tensor, got {value!r}")
    placed = self._device if device is None else resolve(device)
    return placed, self.dtype if dtype is None else as_dtype(dtype), copy


@method
def cpu(self: Tensor) -> Tensor:
    """Return the tensor on the CPU."""
    return self.to("cpu")


@method
def cuda(self: Tensor, device: Any = None) -> Tensor:
    """Return the tensor on a CUDA device."""
    return self.to("cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device)


@method
def type(self: Tensor, dtype: DType | None = None) -> Any:
    """Return the tensor as ``dtype``, or without one the name of its type."""
    return f"dovetail.{self.dtype.name}" if dtype is None else self.to(dtype)


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor as the dtype and on the device of ``other``."""
    return self.to(other)


def _cast_method(name: str, dtype: DType) -> None:
    def cast(self: Tensor) -> Tensor:
        return self.to(dtype)

    cast.__name__ = name
    cast.__doc__ = f"Return the tensor as {dtype}."
    setattr(Tensor, name, cast)


for _name, _dtype in {**dtypes.ALIASES, "bool": dtypes.bool_, "bfloat16": dtypes.bfloat16}.items():
    _cast_method(_name, _dtype)


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """Return the tensor with its elements in order in memory; itself when they are."""
    return self if self.is_contiguous() else self.clone()


@method
def is_contiguous(self: Tensor, memory_format: Any = None) -> builtins.bool:
    """Return whether the elements are in order in memory."""
    flags = getattr(self._array, "flags", None)
    return True if flags is None else builtins.bool(flags.c_contiguous)


@method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Return how many elements apart neighbours along each dimension, or along ``dim``, are in memory."""
    strides = getattr(self._array, "strides", None)
    if strides is None:
        steps = tuple(math.prod(self.shape[axis + 1 :]) for axis in range(self.ndim))
    else:
        steps = tuple(step // self._array.itemsize for step in strides)
    return steps if dim is None else steps[dim]


# Shapes


@function
def reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return the elements in the same order under other sizes, of which one may be -1."""
    sizes = creation.sizes_of(shape)
    _check_count(x, sizes)
    return ops.reshape(x, shape=sizes)


def _check_count(x: Tensor, sizes: tuple[int, ...]) -> None:
    known = math.prod(size for size in sizes if size != -1)
    unknown = sizes.count(-1)
    count = math.prod(x._array.shape)
    if unknown > 1 or (known != count if not unknown else known == 0 or count % known):
        raise ShapeError(f"shape '{list(sizes)}' is invalid for input of size {count}, of sizes {tuple(x.shape)}")


@method
def view(self: Tensor, *shape: Any) -> Tensor:
    """Return the same memory under other sizes.

    Raises:
        ShapeError: the sizes do not fit, or the memory's order needs a copy (use ``reshape``).
    """
    if len(shape) == 1 and isinstance(shape[0], DType):
        raise DTypeError("view(dtype) is not supported; use .to(dtype), which converts the numbers")
    out = reshape(self, *shape)
    backend = self._device.backend
    if "views" in backend.capabilities and out.numel() and not backend.shares_memory(out._array, self._array):
        raise ShapeError(
            f"view size {list(out.shape)} is not compatible with the tensor's memory order "
            f"(sizes {tuple(self.shape)}, strides {self.stride()}); use .reshape(...) instead"
        )
    return out


@method
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the same memory under the sizes of ``other``."""
    return self.view(other.shape)


@method
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the elements under the sizes of ``other``."""
    return reshape(self, other.shape)


@function
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return ``x`` with the dimensions from ``start_dim`` to ``end_dim`` made one."""
    if x.ndim == 0:
        return reshape(x, 1)
    start, end = check_dim(x, start_dim), check_dim(x, end_dim)
    if start > end:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    sizes = x._array.shape
    return reshape(x, *sizes[:start], math.prod(sizes[start : end + 1]), *sizes[end + 1 :])


@function
def unflatten(x: Tensor, dim: int, sizes: Any) -> Tensor:
    """Return ``x`` with dimension ``dim`` split into ``sizes``."""
    dim = check_dim(x, dim)
    return reshape(x, *x.shape[:dim], *sizes, *x.shape[dim + 1 :])


@function
def ravel(x: Tensor) -> Tensor:
    """Return the elements as one dimension."""
    return reshape(x, -1)


@function
def permute(x: Tensor, *dims: Any) -> Tensor:
    """Return a view with the dimensions in the order ``dims``."""
    order = creation.sizes_of(dims)
    if sorted(check_dim(x, dim) for dim in order) != list(range(x.ndim)):
        raise ShapeError(f"permute: dims {list(order)} must name each of the {x.ndim} dimensions once")
    return ops.permute(x, dims=order)


@function
def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return a view with two dimensions exchanged."""
    return ops.transpose(x, dim0=check_dim(x, dim0), dim1=check_dim(x, dim1))


@function
def t(x: Tensor) -> Tensor:
    """Return the transpose of a matrix; a vector as it is."""
    if x.ndim > 2:
        raise ShapeError(f"t: takes a tensor of at most 2 dimensions, got sizes {tuple(x.shape)}; use .mT")
    return x if x.ndim < 2 else transpose(x, 0, 1)


@method
def expand(self: Tensor, *shape: Any) -> Tensor:
    """Return a view in which dimensions of size 1 are repeated; -1 keeps a size."""
    sizes = creation.sizes_of(shape)
    extra = len(sizes) - self.ndim
    if extra < 0 or builtins.any(
        wanted not in (-1, have) and have != 1 for have, wanted in zip(self.shape, sizes[extra:], strict=True)
    ):
        raise ShapeError(f"expand: sizes {tuple(self.shape)} cannot be expanded to {sizes}; only 1s can be repeated")
    return ops.expand(self, shape=sizes)


@method
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """Return a view expanded to the sizes of ``other``."""
    return self.expand(other.shape)


@function
def broadcast_to(x: Tensor, shape: Any) -> Tensor:
    """Return a view expanded to ``shape``."""
    return x.expand(shape)


@function
def squeeze(x: Tensor, dim: Any = None) -> Tensor:
    """Return a view without the dimensions of size 1, or without ``dim`` where it is 1."""
    for axis in () if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,):
        check_dim(x, axis)
    return ops.squeeze(x, dim=dim)


@function
def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """Return a view with a dimension of size 1 at ``dim``."""
    return ops.unsqueeze(x, dim=check_dim(x, dim, extra=1))


@method
def repeat(self: Tensor, *sizes: Any) -> Tensor:
    """Return the tensor repeated ``sizes[d]`` times along each dimension."""
    counts = creation.sizes_of(sizes)
    if len(counts) < self.ndim:
        raise ShapeError(f"repeat: {len(counts)} counts for a tensor of {self.ndim} dimensions; give one for each")
    return ops.repeat(self, sizes=counts)


@function
def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return a view of ``length`` elements along ``dim`` from ``start``."""
    dim = check_dim(x, dim)
    size = x._array.shape[dim]
    start = start + size if start < 0 else start
    if length < 0 or start + length > size:
        raise ShapeError(f"narrow: start {start} and length {length} exceed dimension {dim}, of size {size}")
    return ops.slice_view(x, index=(*(slice(None),) * dim, slice(start, start + length), Ellipsis))


@function
def select(x: Tensor, dim: int, index: int) -> Tensor:
    """Return a view of one place along ``dim``, without that dimension."""
    dim = check_dim(x, dim)
    if not -x._array.shape[dim] <= index < x._array.shape[dim]:
        raise IndexError(f"select: index {index} is out of range for dimension {dim}, of size {x._array.shape[dim]}")
    return ops.slice_view(x, index=(*(slice(None),) * dim, int(index), Ellipsis))


@function
def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the views of each place along ``dim``."""
    return tuple(select(x, dim, index) for index in range(x.shape[check_dim(x, dim)]))


@function
def split(x: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of pieces along ``dim``: all of one size but the last, or of the sizes listed."""
    dim = check_dim(x, dim)
    size = x._array.shape[dim]
    if isinstance(split_size_or_sections, int):
        step = builtins.max(split_size_or_sections, 1)
        lengths = [builtins.min(step, size - start) for start in range(0, size, step)] or [0]
    else:
        lengths = list(split_size_or_sections)
        if builtins.sum(lengths) != size:
            raise ShapeError(f"split: sections {lengths} must add up to {size}, the size of dimension {dim}")
    starts = [builtins.sum(lengths[:position]) for position in range(len(lengths))]
    return tuple(narrow(x, dim, start, length) for start, length in zip(starts, lengths, strict=True))


@function
def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of at most ``chunks`` equal pieces along ``dim``."""
    size = x.shape[check_dim(x, dim)]
    return split(x, builtins.max(math.ceil(size / chunks), 1), dim)


@function
def flip(x: Tensor, *dims: Any) -> Tensor:
    """Return the tensor in reverse order along ``dims``."""
    return ops.flip(x, dims=creation.sizes_of(dims))


def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors joined along ``dim``.

    Example::

        >>> import dovetail
        >>> dovetail.cat((dovetail.ones(1), dovetail.zeros(2)))
        tensor([1., 0., 0.])
    """
    return ops.cat(*tensors, dim=dim)


def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors joined along a new dimension ``dim``."""
    return ops.stack(*tensors, dim=dim)


# Reductions whose dim may be left out or given as PyTorch's overloads do


def _both(extreme: Callable[..., Tensor], arg: Callable[..., Tensor], pairwise: Callable[..., Tensor], name: str) -> Any:
    def call(x: Tensor, dim: Any = None, keepdim: builtins.bool = False) -> Any:
        if isinstance(dim, Tensor):
            return pairwise(x, dim)
        if not x.numel() and (dim is None or x.shape[dim] == 0):
            raise ShapeError(f"{name}: needs at least one element to reduce, got sizes {tuple(x.shape)}")
        if dim is None:
            return extreme(x)
        check_dim(x, dim)
        indices = arg(x, dim=dim, keepdim=True)
        values = ops.gather(x, indices, dim=dim) if x.ndim else x
        return MinMax(*((values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))))

    call.__name__ = name
    call.__doc__ = (
        f"Return the {name} of all elements; with ``dim`` the values and their indices along it; with another tensor "
        "that of each pair."
    )
    return function(call)


class MinMax(tuple):
    """Values and the indices at which they were found."""

    __slots__ = ()

    def __new__(cls, values: Tensor, indices: Tensor) -> MinMax:
        return tuple.__new__(cls, (values, indices))

    @property
    def values(self) -> Tensor:
        return self[0]

    @property
    def indices(self) -> Tensor:
        return self[1]

    def __repr__(self) -> str:
        return f"values={self[0]!r},\nindices={self[1]!r}"


_both(ops.amax, ops.argmax, ops.maximum, "max")
_both(ops.amin, ops.argmin, ops.minimum, "min")


@function
def var(x: Tensor, dim: Any = None, unbiased: Any = None, *, correction: Any = None, keepdim: builtins.bool = False):
    """Return the variance over ``dim`` (all by default), with 1 subtracted from the count unless said otherwise."""
    if isinstance(dim, builtins.bool):
        dim, unbiased = None, dim
    correction = (1 if unbiased is None else int(unbiased)) if correction is None else correction
    return ops.var(x, dim=dim, correction=correction, keepdim=keepdim)


@function
def std(x: Tensor, dim: Any = None, unbiased: Any = None, *, correction: Any = None, keepdim: builtins.bool = False):
    """Return the standard deviation over ``dim`` (all by default)."""
    return ops.sqrt(var(x, dim, unbiased, correction=correction, keepdim=keepdim))


@function
def norm(x: Tensor, p: Any = 2, dim: Any = None, keepdim: builtins.bool = False) -> Tensor:
    """Return the p-norm over ``dim`` (all by default); ``p`` may be ``"fro"``, inf or -inf too."""
    if p in (2, "fro", None):
        return ops.sqrt(ops.sum(x * x, dim=dim, keepdim=keepdim))
    if p in (math.inf, -math.inf):
        return (ops.amax if p > 0 else ops.amin)(ops.abs(x), dim=dim, keepdim=keepdim)
    if p == 0:
        return ops.sum(ops.ne(x, 0).to(x.dtype), dim=dim, keepdim=keepdim)
    return ops.sum(ops.abs(x) ** p, dim=dim, keepdim=keepdim) ** (1.0 / p)


@function
def allclose(
    x: Tensor, other: Tensor, rtol: builtins.float = 1e-5, atol: builtins.float = 1e-8, equal_nan: builtins.bool = False
) -> builtins.bool:
    """Return whether all elements differ by at most ``atol + rtol * |other|``."""
    pair = (x.numpy(force=True), other.numpy(force=True))
    return builtins.bool(np.allclose(*pair, rtol=rtol, atol=atol, equal_nan=equal_nan))


@function
def equal(x: Tensor, other: Tensor) -> builtins.bool:
    """Return whether sizes and all elements are equal."""
    return x.shape == other.shape and builtins.bool(ops.all(ops.eq(x, other)))


# Products


@function
def mm(x: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices."""
    expect_matrices("mm", x, mat2, 2)
    return ops.matmul(x, mat2)


@function
def bmm(x: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two batches of matrices."""
    expect_matrices("bmm", x, mat2, 3)
    return ops.matmul(x, mat2)


@function
def dot(x: Tensor, other: Tensor) -> Tensor:
    """Return the sum of the products of two vectors."""
    expect_matrices("dot", x, other, 1)
    return ops.matmul(x, other)


# Indexing


_BASIC = (builtins.int, slice, builtins.type(None), builtins.type(Ellipsis))


def _normalised(index: Any) -> tuple[tuple, builtins.bool]:
    """Return an index as a tuple of what NumPy takes, and whether it gives a view."""
    parts = index if isinstance(index, tuple) else (index,)
    out, basic = [], True
    for part in parts:
        kind = part.__class__
        if kind is builtins.bool:
            part, basic = np.asarray(part), False
        elif isinstance(part, Tensor):
            if part.dtype.category > 1:
                raise IndexError(f"tensors used as indices must be integers or booleans, got {part.dtype}")
            part = part.numpy(force=True)
            if part.ndim == 0 and part.dtype != np.bool_:
                part = int(part)
            else:
                basic = False
        elif not isinstance(part, _BASIC):
            if hasattr(part, "__index__"):
                part = part.__index__()
            else:
                part, basic = _index_array(part), False
        out.append(part)
    if basic and Ellipsis not in out:
        out.append(Ellipsis)  # a 0-d result is then a view too
    return tuple(out), basic


def _index_array(part: Any) -> np.ndarray:
    array = np.asarray([_plain(item) for item in part] if isinstance(part, (list, tuple, range)) else part)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "biu":
        raise IndexError(f"an index is made of integers, slices, None, ..., masks and integer arrays, got {part!r}")
    return array


def _plain(item: Any) -> Any:
    return item.tolist() if isinstance(item, Tensor) else item


def getitem(self: Tensor, index: Any) -> Tensor:
    """Return the part of the tensor at ``index``: a view where it is made of integers, slices, None and ``...``."""
    parts, basic = _normalised(index)
    return ops.slice_view(self, index=parts) if basic else ops.take(self, index=parts)


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """Write ``value``, which broadcasts, to the part of the tensor at ``index``."""
    parts, basic = _normalised(index)
    if basic:
        target = ops.slice_view(self, index=parts)
        target.copy_(_as_operand(value, self))
        return
    check_writable(self, "indexed assignment")
    assign(self, ops.put(before(self), _as_operand(value, self).to(self), index=parts))


def _as_operand(value: Any, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else creation.tensor(value, device=like._device).to(like.dtype)


@function
def nonzero(x: Tensor, *, as_tuple: builtins.bool = False) -> Any:
    """Return the indices of the elements that are not zero, as rows (count, dimensions) or as one tensor for each."""
    found = np.nonzero(x.numpy(force=True))
    if as_tuple:
        return tuple(creation.from_array(part, x._device) for part in found)
    return creation.from_array(np.stack(found, axis=1) if found else np.zeros((1, 0), np.int64), x._device)


@function
def masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return the tensor with ``value`` where ``mask`` is true."""
    return ops.masked_fill(x, mask, value=value.item() if isinstance(value, Tensor) else value)


@function
def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the elements along ``dim`` that ``index`` names."""
    return ops.gather(x, index, dim=check_dim(x, dim))


@function
def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the slices along ``dim`` that the 1-d ``index`` names."""
    return ops.index_select(x, index, dim=check_dim(x, dim))


@function
def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return the tensor with ``src`` added along ``dim`` at the places that ``index`` names."""
    return ops.scatter_add(x, index, src, dim=check_dim(x, dim))


# In place


@method
def copy_(self: Tensor, src: Tensor, non_blocking: builtins.bool = False) -> Tensor:
    """Write the elements of ``src``, which broadcasts, into this tensor."""
    check_writable(self, "copy_")
    value = src.to(self)
    return assign(self, value if value.shape == self.shape else _spread(value, self))


def _spread(value: Tensor, target: Tensor) -> Tensor:
    while value.ndim > target.ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    return value.expand(target.shape)


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write ``value`` into every element."""
    check_writable(self, "fill_")
    number = value.item() if isinstance(value, Tensor) else value
    return assign(self, ops.fill(before(self), value=number))


@method
def zero_(self: Tensor) -> Tensor:
    """Write 0 into every element."""
    return self.fill_(0)


def _drawing(draw: Callable[..., np.ndarray], name: str, doc: str) -> None:
    def call(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
        check_writable(self, name)
        drawn = draw(tuple(self.shape), self.dtype.numpy, *args, generator=generator, **kwargs)
        return assign(self, creation.from_array(drawn, self._device))

    call.__name__ = name
    call.__doc__ = doc
    setattr(Tensor, name, call)


def _uniform(shape: Any, dtype: Any, from_: Any = 0.0, to: Any = 1.0, *, generator: Any = None, **renamed: Any) -> Any:
    return random.uniform(shape, dtype, renamed.get("from", from_), to, generator)


def _bernoulli(shape: Any, dtype: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    return random.bernoulli(p, shape, dtype, generator)


def _random(shape: Any, dtype: Any, low: Any = None, high: Any = None, *, generator: Any = None) -> Any:
    if low is None:
        return random.random_full_range(shape, dtype, generator)
    low, high = (0, low) if high is None else (low, high)
    return random.random_integers(low, high, shape, dtype, generator)


_drawing(random.normal, "normal_", "Write numbers of a normal distribution: ``normal_(mean=0, std=1)``.")
_drawing(_uniform, "uniform_", "Write numbers drawn evenly from ``[from, to)``: ``uniform_(from=0, to=1)``.")
_drawing(random.exponential, "exponential_", "Write exponentially distributed numbers: ``exponential_(rate=1)``.")
_drawing(_bernoulli, "bernoulli_", "Write 1 with probability ``p`` and 0 otherwise.")
_drawing(_random, "random_", "Write integers drawn evenly: ``random_(low, high)``, by default what the dtype holds.")


# New tensors like this one


def _new(name: str, make: Callable[..., Tensor]) -> None:
    def call(self: Tensor, *args: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Tensor:
        return make(*args, dtype=dtype or self.dtype, device=device or self._device, **kwargs)

    call.__name__ = name
    call.__doc__ = f"Return what ``dovetail.{name.removeprefix('new_')}`` does, of this tensor's dtype and device."
    setattr(Tensor, name, call)


for _name in ("zeros", "ones", "empty", "full", "tensor"):
    _new(f"new_{_name}", getattr(creation, _name))


# The ops that are methods and functions as they are

_AS_THEY_ARE = (
    "abs add all amax amin any argmax argmin atan bitwise_and bitwise_not bitwise_or bitwise_xor ceil clamp clone cos "
    "cumprod cumsum div eq erf exp expm1 floor floor_divide ge gt isfinite isinf isnan le log log10 log1p log2 "
    "log_softmax logical_and logical_not logical_or logical_xor logsumexp lt matmul maximum mean minimum mul ne neg "
    "outer pow prod reciprocal relu remainder roll round rsqrt sigmoid sign sin softmax sqrt square sub sum tan tanh "
    "tril triu trunc"
).split()
for _name in _AS_THEY_ARE:
    FUNCTIONS[_name] = getattr(ops, _name)
    setattr(Tensor, _name, getattr(ops, _name))

for _name, _other in {
    "multiply": "mul", "divide": "div", "true_divide": "div", "subtract": "sub", "negative": "neg", "clip": "clamp",
    "absolute": "abs", "greater": "gt", "less": "lt", "not_equal": "ne", "swapaxes": "transpose", "concat": "cat",
}.items():  # fmt: skip
    _call = FUNCTIONS.get(_other, globals().get(_other))
    assert _call is not None
    FUNCTIONS[_name] = _call
    if _other != "cat":
        setattr(Tensor, _name, _call)

for _name in (
    "abs add ceil clamp cos div exp floor masked_fill mul neg pow reciprocal relu remainder round rsqrt sigmoid sign "
    "sin sqrt square squeeze sub tanh tril triu trunc unsqueeze log scatter_add log1p"
).split():
    _method = in_place(FUNCTIONS[_name])
    setattr(Tensor, _method.__name__, _method)

FUNCTIONS.update(
    cat=cat, stack=stack, where=ops.where, tensor=creation.tensor, concatenate=cat, scatter_add=scatter_add,
)  # fmt: skip


# Operators


def _reflected(call: Callable[..., Any]) -> Callable[..., Any]:
    def swapped(self: Tensor, other: Any) -> Tensor:
        return call(other, self)

    return swapped


def _operator(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the op as a comparison operator: unlike what an op says, == with something else is just not equal."""

    def compare(self: Tensor, other: Any) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else call(self, other)

    return compare


for _name, _op in {
    "add": ops.add, "sub": ops.sub, "mul": ops.mul, "truediv": ops.div, "floordiv": ops.floor_divide,
    "mod": ops.remainder, "pow": ops.pow, "matmul": ops.matmul, "and": ops.bitwise_and, "or": ops.bitwise_or,
    "xor": ops.bitwise_xor,
}.items():  # fmt: skip
    setattr(Tensor, f"__{_name}__", _op)
    setattr(Tensor, f"__r{_name}__", _op if _name in ("add", "mul") else _reflected(_op))
    setattr(Tensor, f"__i{_name}__", in_place(_op))

for _name in ("lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", getattr(ops, _name))
for _name in ("eq", "ne"):
    setattr(Tensor, f"__{_name}__", _operator(getattr(ops, _name)))
Tensor.__neg__ = ops.neg  # type: ignore[method-assign]
Tensor.__pos__ = lambda self: self  # type: ignore[attr-defined]
Tensor.__abs__ = ops.abs  # type: ignore[attr-defined]
Tensor.__invert__ = ops.bitwise_not  # type: ignore[attr-defined]
Tensor.__getitem__ = getitem  # type: ignore[method-assign]
Tensor.__setitem__ = setitem  # type: ignore[method-assign]
Tensor.T = property(lambda self: permute(self, *reversed(range(self.ndim))))  # type: ignore[attr-defined]
Tensor.mT = property(lambda self: transpose(self, -1, -2))  # type: ignore[attr-defined]

