"""Methods and functions that change sizes and order."""

from __future__ import annotations

import math
from typing import Any

from dovetail import creation, ops
from dovetail.dtypes import DType
from dovetail.errors import ShapeError
from dovetail.methods.registry import check_dim, function, method
from dovetail.tensor import Tensor


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
    """Return the same memory under other sizes, or with its bits read as another dtype.

    Raises:
        ShapeError: the sizes do not fit, or the memory's order needs a copy (use ``reshape``).
    """
    if len(shape) == 1 and isinstance(shape[0], DType):
        from dovetail.methods.pieces import view_as_dtype

        return view_as_dtype(self, shape[0])
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
def swapaxes(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return a view with two dimensions exchanged."""
    return transpose(x, axis0, axis1)


@function
def swapdims(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return a view with two dimensions exchanged."""
    return transpose(x, dim0, dim1)


@function
def adjoint(x: Tensor) -> Tensor:
    """Return a view of a matrix, or of each matrix of a batch, transposed; of complex ones the conjugate of it."""
    if x.ndim == 1:
        raise ShapeError("adjoint: takes a matrix or a batch of matrices, got a 1-D tensor; use .unsqueeze(0) first")
    out = transpose(x, -2, -1) if x.ndim else x
    return out.conj() if x.is_complex() else out


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
    if (
        extra < 0
        or -1 in sizes[:extra]
        or any(wanted not in (-1, have) and have != 1 for have, wanted in zip(self.shape, sizes[extra:], strict=True))
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


@function
def movedim(x: Tensor, source: Any, destination: Any) -> Tensor:
    """Return a view with dimensions ``source`` at the places ``destination``, the others in order around them."""
    sources, places = (
        [check_dim(x, dim) for dim in (dims if isinstance(dims, (tuple, list)) else (dims,))]
        for dims in (source, destination)
    )
    if len(sources) != len(places) or len(set(sources)) != len(sources) or len(set(places)) != len(places):
        raise ShapeError(f"movedim: source {source} and destination {destination} must be as many and without repeats")
    order = [dim for dim in range(x.ndim) if dim not in sources]
    for place, dim in sorted(zip(places, sources, strict=True)):
        order.insert(place, dim)
    return permute(x, order)


@function
def moveaxis(x: Tensor, source: Any, destination: Any) -> Tensor:
    """Return ``movedim(x, source, destination)``."""
    return movedim(x, source, destination)


@function
def tile(x: Tensor, *dims: Any) -> Tensor:
    """Return the tensor repeated ``dims[d]`` times; unlike for ``repeat``, missing counts are 1."""
    counts = creation.sizes_of(dims)
    return x.repeat((1,) * (x.ndim - len(counts)) + counts)


@method
def repeat(self: Tensor, *sizes: Any) -> Tensor:
    """Return the tensor repeated ``sizes[d]`` times along each dimension."""
    counts = creation.sizes_of(sizes)
    if len(counts) < self.ndim:
        raise ShapeError(f"repeat: {len(counts)} counts for a tensor of {self.ndim} dimensions; give one for each")
    return ops.repeat(self, sizes=counts)


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
    tensors = tuple(tensors)
    return ops.cat(*tensors, dim=check_dim(max(tensors, key=lambda x: x.ndim), dim) if tensors else dim)


def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Return the tensors joined along a new dimension ``dim``."""
    tensors = tuple(tensors)
    return ops.stack(*tensors, dim=check_dim(tensors[0], dim, extra=1) if tensors else dim)
