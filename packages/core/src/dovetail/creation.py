"""Making tensors: filled, and like another tensor. Random ones are in ``creation_random``."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dovetail import dtypes
from dovetail.align import wrapped_number
from dovetail.device import resolve
from dovetail.dtypes import DType, as_dtype, get_default_dtype
from dovetail.errors import DataError, DTypeError, ShapeError
from dovetail.from_data import as_tensor as as_tensor
from dovetail.from_data import from_array, into, tensor
from dovetail.from_data import from_numpy as from_numpy
from dovetail.tensor import Tensor


def sizes_of(sizes: tuple) -> tuple[int, ...]:
    """Return sizes given one by one, or as one sequence, as a tuple of integers.

    Raises:
        TypeError: one is no integer.
    """
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    try:
        return tuple(map(operator.index, sizes))
    except TypeError:
        raise TypeError(f"sizes must be integers, one by one or in one sequence, got {sizes!r}") from None


def _named(name: str, size: tuple, options: dict[str, Any]) -> tuple[int, ...]:
    """Return the sizes of a call, which may also be named ``size``."""
    if not size and options:
        size = (options.pop("size"),) if "size" in options else ()
    elif not size:
        raise TypeError(f"{name}() needs the sizes; for a 0-d tensor give an empty tuple")
    if options:
        raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(options))!r}")
    return sizes_of(size)


def full(
    size: Any, fill_value: Any, *, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return a tensor of ``size`` filled with ``fill_value``, whose dtype it has by default.

    Raises:
        DataError: the number does not fit into the dtype.
    """
    if isinstance(fill_value, (Tensor, np.generic)):
        fill_value = fill_value.item()
    kind = _kind("full", dtype, out, dtypes.scalar_dtype(fill_value))
    try:
        made = _filled(sizes_of((size,)), fill_value, kind, device, requires_grad)
    except OverflowError:
        limits = np.iinfo(kind.numpy)
        if limits.min or not -int(limits.max) <= fill_value < 0:
            raise DataError(f"full: {fill_value} does not fit into {kind}") from None
        made = _filled(sizes_of((size,)), wrapped_number(fill_value, 8, False), kind, device, requires_grad)
    return made if out is None else into(out, made, "full")


def _kind(name: str, dtype: DType | None, out: Tensor | None, default: DType) -> DType:
    """Return the dtype of a new tensor: the one asked for, that of ``out``, or the default."""
    kind = (default if out is None else out.dtype) if dtype is None else as_dtype(dtype)
    if out is not None and out.dtype is not kind:
        raise DTypeError(f"{name}: dtype is {kind}, but out is {out.dtype}; leave one of them out")
    return kind


def _filled(shape: tuple, value: Any, dtype: DType | None, device: Any, requires_grad: bool) -> Tensor:
    dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
    if shape and min(shape) < 0:
        raise ShapeError(f"sizes must not be negative, got {shape}")
    placed = resolve(device)
    backend = placed.backend
    with backend.use(placed.index or 0):
        native = backend.native_dtype(dtype)
        if value:
            array = backend.xp.full(shape, value if dtype.category > 1 else _whole(value, dtype), dtype=native)
        else:
            array = backend.xp.zeros(shape, dtype=native)
    out = Tensor(array, placed)
    return out.requires_grad_() if requires_grad else out


def _whole(value: Any, dtype: DType) -> Any:
    return int(value) if dtype.category and isinstance(value, float) else value


def zeros(
    *size: Any, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """Return a tensor of zeros.

    Example::

        >>> import dovetail
        >>> dovetail.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    shape = sizes_of(size) if size and not named else _named("zeros", size, named)
    if out is None:
        return _filled(shape, 0, dtype, device, requires_grad)
    return into(out, _filled(shape, 0, _kind("zeros", dtype, out, out.dtype), None, False), "zeros")


def ones(
    *size: Any, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """Return a tensor of ones."""
    shape = sizes_of(size) if size and not named else _named("ones", size, named)
    if out is None:
        return _filled(shape, 1, dtype, device, requires_grad)
    return into(out, _filled(shape, 1, _kind("ones", dtype, out, out.dtype), None, False), "ones")


def empty(
    *size: Any, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None,
    **named: Any,
) -> Tensor:  # fmt: skip
    """Return a tensor whose elements may be anything; here they are zeros, so that a run repeats."""
    shape = sizes_of(size) if size and not named else _named("empty", size, named)
    if out is None:
        return _filled(shape, 0, dtype, device, requires_grad)
    return into(out, _filled(shape, 0, _kind("empty", dtype, out, out.dtype), None, False), "empty")


def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Tensor:
    """Return an empty tensor whose dimensions lie in memory in the order ``physical_layout``, the outermost first.

    Example::

        >>> import dovetail
        >>> dovetail.empty_permuted((2, 3), (1, 0)).stride()
        (1, 2)
    """
    size, order = sizes_of((size,)), tuple(physical_layout)
    if sorted(order) != list(range(len(size))):
        raise ShapeError(f"empty_permuted: physical_layout must name each of {len(size)} dimensions once, got {order}")
    requires_grad = options.pop("requires_grad", False)
    made = empty([size[dim] for dim in order], **options).permute([order.index(dim) for dim in range(len(size))])
    return made.detach().requires_grad_(requires_grad)


def empty_strided(size: Any, stride: Any, **options: Any) -> Tensor:
    """Return an empty tensor of these strides, which must be those of dense memory in some order of dimensions.

    Raises:
        ShapeError: the strides leave gaps or overlap.
    """
    size, stride = sizes_of((size,)), tuple(stride)
    if len(size) != len(stride):
        raise ShapeError(f"empty_strided: needs a stride for each of {len(size)} sizes, got {stride}")
    order = sorted(range(len(size)), key=lambda dim: (-stride[dim], -size[dim]))
    expected = 1
    for dim in reversed(order):
        if size[dim] > 1 and stride[dim] != expected:
            raise ShapeError(
                f"empty_strided: strides {stride} of sizes {size} leave gaps or overlap; use .as_strided for a view"
            )
        expected *= max(size[dim], 1)
    return empty_permuted(size, order, **options)


def scalar_tensor(
    s: Any, *, dtype: DType | None = None, layout: Any = None, device: Any = None, **options: Any
) -> Tensor:
    """Return a number as a 0-d tensor, of the default dtype unless another is given."""
    if isinstance(s, Tensor):
        s = s.item()
    if not isinstance(s, (bool, int, float, complex, np.generic)):
        raise TypeError(f"scalar_tensor: takes a number, got {type(s).__name__}; use dovetail.tensor")
    default = dtypes.scalar_dtype(s) if isinstance(s, complex) else get_default_dtype()
    return tensor(s, dtype=dtype or default, device=device, **options)


def eye(
    n: int, m: int | None = None, *, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Return ones on the diagonal of an (n, m) matrix of zeros."""
    rows, columns = sizes_of((n, n if m is None else m))
    if min(rows, columns) < 0:
        raise ShapeError(f"eye: n and m must not be negative, got {n} and {m}")
    array = np.eye(rows, columns, dtype=_kind("eye", dtype, out, get_default_dtype()).numpy)
    return from_array(array, device, requires_grad) if out is None else into(out, from_array(array), "eye")


# Like another tensor


def _shape(x: Tensor) -> Any:
    if not isinstance(x, Tensor):
        raise TypeError(f"the first argument must be the tensor to be like, got {type(x).__name__}")
    return x.shape


def _like(x: Tensor, dtype: DType | None, device: Any) -> dict[str, Any]:
    return {"dtype": dtype or x.dtype, "device": x._device if device is None else device}


def zeros_like(
    x: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Return zeros of the sizes, dtype and device of ``x``."""
    return zeros(_shape(x), requires_grad=requires_grad, **_like(x, dtype, device))


def ones_like(
    x: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Return ones of the sizes, dtype and device of ``x``."""
    return ones(_shape(x), requires_grad=requires_grad, **_like(x, dtype, device))


def empty_like(
    x: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Return a tensor of the sizes, dtype and device of ``x`` whose elements may be anything."""
    return empty(_shape(x), requires_grad=requires_grad, **_like(x, dtype, device))


def full_like(
    x: Tensor, fill_value: Any, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Return a tensor of the sizes, dtype and device of ``x`` filled with ``fill_value``."""
    return full(_shape(x), fill_value, requires_grad=requires_grad, **_like(x, dtype, device))
