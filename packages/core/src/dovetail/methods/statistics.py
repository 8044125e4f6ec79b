"""Quantiles, frequencies and other statistics; imported when first asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail import creation, dtypes, ops, return_types
from dovetail.creation import from_array
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.order import argsort, median, sort
from dovetail.methods.reduce import std, var
from dovetail.methods.registry import check_dim
from dovetail.methods.shape import cat
from dovetail.ops.running import cummax as cummax_op
from dovetail.ops.running import cummin as cummin_op
from dovetail.ops.running import logcumsumexp as logcumsumexp_op
from dovetail.tensor import Tensor


def var_mean(input: Tensor, dim: Any = None, unbiased: Any = None, *, correction: Any = None, keepdim: bool = False):
    """Return the variance and the mean over ``dim`` (all by default)."""
    over = None if isinstance(dim, bool) else dim
    spread = var(input, dim, unbiased, correction=correction, keepdim=keepdim)
    return spread, ops.mean(input, dim=over, keepdim=keepdim)


def std_mean(input: Tensor, dim: Any = None, unbiased: Any = None, *, correction: Any = None, keepdim: bool = False):
    """Return the standard deviation and the mean over ``dim`` (all by default)."""
    over = None if isinstance(dim, bool) else dim
    spread = std(input, dim, unbiased, correction=correction, keepdim=keepdim)
    return spread, ops.mean(input, dim=over, keepdim=keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the smallest and the largest element along ``dim`` (of all by default)."""
    return return_types.aminmax(ops.amin(input, dim=dim, keepdim=keepdim), ops.amax(input, dim=dim, keepdim=keepdim))


def cummax(input: Tensor, dim: int) -> Any:
    """Return the largest element so far along ``dim``, and its index."""
    return return_types.cummax(*cummax_op(input, dim=check_dim(input, dim)))


def cummin(input: Tensor, dim: int) -> Any:
    """Return the smallest element so far along ``dim``, and its index."""
    return return_types.cummin(*cummin_op(input, dim=check_dim(input, dim)))


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Return the logarithm of the running sum of exponentials along ``dim``, computed without overflow."""
    return logcumsumexp_op(input, dim=check_dim(input, dim))


# Order statistics


def _picked(input: Tensor, indices: Tensor, axis: int, keepdim: bool, make: Any) -> Any:
    """Return the elements at the indices, one along ``axis``, under a name."""
    values = ops.gather(input, indices, dim=axis)
    return make(*((values, indices) if keepdim else (values.squeeze(axis), indices.squeeze(axis))))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the ``k``-th smallest element (from 1) along ``dim``, and its index."""
    axis = check_dim(input, dim)
    size = input.shape[axis] if input.ndim else 1
    if not 1 <= k <= size:
        raise ShapeError(f"kthvalue: k is {k}, but dimension {dim} has {size} elements; k counts from 1")
    if not input.ndim:
        return return_types.kthvalue(input.clone(), creation.zeros((), dtype=dtypes.int64, device=input.device))
    return _picked(input, argsort(input, axis).narrow(axis, k - 1, 1), axis, keepdim, return_types.kthvalue)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the most frequent element along ``dim``, the smallest of several, and the index of the last of them."""
    axis = check_dim(input, dim)
    if not input.ndim:
        return return_types.mode(input.clone(), creation.zeros((), dtype=dtypes.int64, device=input.device))
    if not input.shape[axis]:
        raise ShapeError(f"mode: needs at least one element along dimension {dim}, got sizes {tuple(input.shape)}")
    order = np.moveaxis(argsort(input, axis).numpy(force=True), axis, -1)
    rows = np.take_along_axis(np.moveaxis(input.numpy(force=True), axis, -1), order, -1)
    places = np.broadcast_to(np.arange(rows.shape[-1]), rows.shape)
    new = np.concatenate([np.ones_like(rows[..., :1], dtype=bool), rows[..., 1:] != rows[..., :-1]], axis=-1)
    length = places - np.maximum.accumulate(np.where(new, places, 0), axis=-1)  # in its run so far
    best = np.take_along_axis(order, np.argmax(length, axis=-1)[..., None], -1)
    return _picked(input, from_array(np.moveaxis(best, -1, axis), input.device), axis, keepdim, return_types.mode)


def nanmedian(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the median of what is a number, the lower of two; with ``dim`` the medians along it and their indices."""
    if dim is None:
        return nanmedian(input.reshape(-1), 0).values if input.numel() else median(input)
    axis = check_dim(input, dim)
    if not input.ndim:
        return return_types.nanmedian(input.clone(), creation.zeros((), dtype=dtypes.int64, device=input.device))
    if not input.shape[axis]:
        raise ShapeError(f"nanmedian: needs at least one element along dimension {dim}, got {tuple(input.shape)}")
    count = ops.sum(ops.logical_not(ops.isnan(input)), dim=axis, keepdim=True)
    middle = ops.clamp((count - 1) // 2, min=0)
    indices = ops.gather(argsort(input, axis), middle, dim=axis)
    return _picked(input, indices, axis, keepdim, return_types.nanmedian)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(input: Tensor, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """Return the quantiles ``q``, from 0 to 1, along ``dim`` (of all elements by default); nan where there is one.

    Several quantiles become the first dimension of the result.

    Raises:
        DTypeError: not float32 or float64. ValueError: ``q`` or ``interpolation`` out of range.

    Example::

        >>> import dovetail
        >>> dovetail.tensor([1.0, 2.0, 4.0]).quantile(0.25)
        tensor(1.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


def nanquantile(
    input: Tensor, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Return the quantiles ``q`` of what is a number; otherwise as ``quantile``."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


def _quantile(name: str, x: Tensor, q: Any, dim: Any, keepdim: bool, interpolation: str, ignore_nan: bool) -> Tensor:
    q = _checked_quantiles(name, x, q, interpolation)
    ndim = x.ndim
    if dim is None:
        x, axis = x.reshape(-1), 0
    else:
        axis = check_dim(x, dim)
        x = x.reshape(1) if not ndim else x
    if not x.numel():
        raise ShapeError(f"{name}: needs at least one element, got sizes {tuple(x.shape)}")
    ordered = ops.gather(x, argsort(x, axis), dim=axis).movedim(axis, -1)
    nans = ops.sum(ops.isnan(ordered), dim=-1, keepdim=True)
    end = ordered.shape[-1] - 1
    if ignore_nan:
        place = q.reshape(-1) * ops.clamp(end - nans, min=0).to(x.dtype)
    else:
        place = ops.where(nans > 0, float(end), q.reshape(-1) * float(end))  # nans stand last
    found = _between(ordered, place, interpolation)
    found = found.movedim(-1, 0) if q.ndim else found.squeeze(-1)
    if keepdim:
        front = 1 if q.ndim else 0
        found = found.unsqueeze(front + axis) if dim is not None else found.reshape((*found.shape[:front], *[1] * ndim))
    return found.reshape(q.shape) if not ndim and dim is not None else found


def _checked_quantiles(name: str, x: Tensor, q: Any, interpolation: str) -> Tensor:
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise DTypeError(f"{name}: takes float32 or float64, got {x.dtype}; convert with .float()")
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"{name}: interpolation is one of {', '.join(_INTERPOLATIONS)}, got {interpolation!r}")
    given = isinstance(q, Tensor)
    q = q if given else creation.tensor(float(q), dtype=x.dtype, device=x.device)
    if q.dtype is not x.dtype:
        raise DTypeError(f"{name}: q must have the tensor's dtype, {x.dtype}, got {q.dtype}")
    if q.ndim > 1:
        raise ShapeError(f"{name}: q must be a number or a vector, got sizes {tuple(q.shape)}")
    if not bool(ops.all((q >= 0) & (q <= 1))):
        raise ValueError(f"{name}: q must be from 0 to 1, got {q.tolist()}")
    return q


def _between(ordered: Tensor, place: Tensor, interpolation: str) -> Tensor:
    """Return the elements of ordered rows at places that may lie between two."""
    below, above = ops.floor(place), ops.ceil(place)
    if interpolation == "nearest":
        below = above = ops.round(place)
    low, high = (ops.gather(ordered, part.detach().long(), dim=ordered.ndim - 1) for part in (below, above))
    if interpolation == "lower":
        return low
    if interpolation in ("higher", "nearest"):
        return high
    weight = ops.fill(place, value=0.5) if interpolation == "midpoint" else place - below
    between = high - low
    return ops.where(weight < 0.5, low + between * weight, high - between * (1 - weight))  # from the nearer one


# Frequencies


def _expect_floats(name: str, x: Tensor) -> None:
    if not x.dtype.is_floating_point:
        raise DTypeError(f"{name}: takes floating point, got {x.dtype}; convert with .float()")


def _range_of(name: str, array: np.ndarray, low: Any, high: Any) -> tuple[float, float]:
    if low == high and not array.size:
        return (-1.0, 1.0) if name == "histc" else (0.0, 1.0)
    if low == high:
        low, high = float(array.min()), float(array.max())
    if low == high:
        margin = 1.0 if name == "histc" else 0.5
        low, high = low - margin, high + margin
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise ValueError(f"{name}: the range must be finite and not empty, got from {low} to {high}")
    return low, high


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Return how many elements lie in each of ``bins`` equal parts of ``min`` to ``max``, by default all there are."""
    _expect_floats("histc", input)
    if bins < 1:
        raise ValueError(f"histc: bins must be 1 or more, got {bins}")
    array = input.numpy(force=True).reshape(-1)
    low, high = _range_of("histc", array, min, max)
    inside = array[(array >= low) & (array <= high)]
    place = np.minimum(((inside - low) / (high - low) * bins).astype(np.int64), bins - 1)
    return from_array(np.bincount(place, minlength=bins).astype(array.dtype), input.device)


def histogram(
    input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Any:
    """Return how many elements (or how much ``weight``) lie between each two of the edges, and the edges.

    Args:
        bins: the number of equal parts of ``range``, or the edges in order.
        density: give what integrates to 1.
    """
    _expect_floats("histogram", input)
    array = input.numpy(force=True).reshape(-1)
    if isinstance(bins, Tensor):
        edges = bins.numpy(force=True)
    else:
        low, high = _range_of("histogram", array, *(range or (0, 0)))
        edges = np.linspace(low, high, bins + 1).astype(array.dtype)
    if weight is not None and weight.shape != input.shape:
        raise ShapeError(f"histogram: weight must have the sizes {tuple(input.shape)}, got {tuple(weight.shape)}")
    place = np.searchsorted(edges, array, side="right") - 1
    place = np.where(array == edges[-1], len(edges) - 2, place)
    inside = (array >= edges[0]) & (array <= edges[-1])
    given = None if weight is None else weight.numpy(force=True).reshape(-1)[inside]
    counts = np.bincount(place[inside], given, len(edges) - 1).astype(array.dtype)
    if density:
        counts = counts / (counts.sum() * np.diff(edges))
    return return_types.histogram(*(from_array(part.astype(array.dtype), input.device) for part in (counts, edges)))


def msort(input: Tensor) -> Tensor:
    """Return the tensor in order along its first dimension."""
    return sort(input, 0).values


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return the elements (or the slices along ``dim``) without those that are equal to the one before.

    If asked for, also where each is among them, and how often it stood there in a row.
    """
    array = input.numpy(force=True)
    axis = 0 if dim is None else check_dim(input, dim)
    rows = array.reshape(-1) if dim is None else np.moveaxis(array, axis, 0)
    if dim is not None and not array.size and rows.shape[0]:
        raise ShapeError(f"unique_consecutive: slices of sizes {tuple(rows.shape[1:])} have no elements to compare")
    flat = rows.reshape(rows.shape[0], math.prod(rows.shape[1:]))
    new = np.concatenate([np.ones(min(len(flat), 1), dtype=bool), (flat[1:] != flat[:-1]).any(axis=1)])
    starts = np.flatnonzero(new)
    inverse = np.cumsum(new) - 1
    parts = [rows[starts] if dim is None else np.moveaxis(rows[starts], 0, axis)]
    if return_inverse:
        parts.append(inverse.reshape(array.shape) if dim is None else inverse)
    if return_counts:
        parts.append(np.diff(np.append(starts, len(flat))))
    found = tuple(from_array(part.copy(), input.device) for part in parts)
    return found if len(found) > 1 else found[0]


# Correlation


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Return the covariances of variables, one a row, over their observations, the columns.

    ``fweights`` says how often each observation counts, ``aweights`` how much.
    """
    if input.ndim > 2:
        raise ShapeError(f"cov: takes a matrix or a vector, got sizes {tuple(input.shape)}")
    if not input.dtype.category:
        raise DTypeError("cov: takes numbers, got dovetail.bool; convert with .float()")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    weights = _observation_weights(x, fweights, aweights)
    if not x.dtype.is_differentiable:
        x = x.to(dtypes.get_default_dtype())
    total: Any = x.shape[1] if weights is None else weights.sum()
    mean = (x if weights is None else x * weights).sum(1, keepdim=True) / total
    lost: Any = correction
    if weights is not None and aweights is not None and correction:
        lost = correction * (weights * aweights).sum() / total
    factor = total - lost
    factor = ops.clamp(factor, min=0) if isinstance(factor, Tensor) else max(factor, 0)
    centred = x - mean
    right = centred if weights is None else centred * weights
    product = ops.matmul(centred, (right.conj() if x.dtype.is_complex else right).transpose(0, 1))
    return (product / factor).squeeze()


def _observation_weights(x: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, given, category in (("fweights", fweights, 1), ("aweights", aweights, 2)):
        if given is None:
            continue
        if given.ndim > 1 or given.numel() != x.shape[1]:
            raise ShapeError(f"cov: {name} must be one for each of {x.shape[1]} observations, got {tuple(given.shape)}")
        if given.dtype.category != category:
            wanted = "integers" if category == 1 else "floating point"
            raise DTypeError(f"cov: {name} must be {wanted}, got {given.dtype}")
        if bool((given < 0).any()):
            raise ShapeError(f"cov: {name} must not be negative")
    if fweights is None or aweights is None:
        return fweights if aweights is None else aweights
    return fweights * aweights


def corrcoef(input: Tensor) -> Tensor:
    """Return Pearson's correlations of variables, one a row, over their observations, the columns."""
    if input.ndim > 2:
        raise ShapeError(f"corrcoef: takes a matrix or a vector, got sizes {tuple(input.shape)}")
    found = cov(input)
    if not found.ndim:
        return found / found
    spread = ops.sqrt(found.diagonal())
    return ops.clamp(found / spread.unsqueeze(1) / spread, min=-1, max=1)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Return the tensor with each slice along ``dim`` scaled down to a p-norm of ``maxnorm`` where it has more."""
    if input.ndim < 2:
        raise ShapeError(f"renorm: takes a tensor of at least 2 dimensions, got sizes {tuple(input.shape)}")
    if p <= 0 or maxnorm < 0:
        raise ValueError(f"renorm: p must be above 0 and maxnorm 0 or more, got {p} and {maxnorm}")
    axis = check_dim(input, dim)
    others = [other for other in range(input.ndim) if other != axis]
    size = input.norm(p, others, True)
    return input * ops.where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Return the differences of neighbours along ``dim``, taken ``n`` times."""
    if not input.ndim:
        raise ShapeError("diff: takes a tensor of at least one dimension")
    if n < 0:
        raise ValueError(f"diff: n must be 0 or more, got {n}")
    axis = check_dim(input, dim)
    x = cat([part for part in (prepend, input, append) if part is not None], axis)
    for _ in range(n):
        size = max(x.shape[axis] - 1, 0)
        after, before = x.narrow(axis, min(1, x.shape[axis]), size), x.narrow(axis, 0, size)
        x = ops.logical_xor(after, before) if x.dtype is dtypes.bool_ else after - before
    return x
