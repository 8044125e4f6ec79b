"""Discrete Fourier transforms, as ``torch.fft``: of complex or real numbers, over one, two or more dimensions.

``norm`` says where is divided: ``"backward"`` (by default) when going back, ``"forward"``, or ``"ortho"`` by the
square root both ways. Sizes ``n`` or ``s`` cut the input or fill it with zeros.

Example::

    >>> import dovetail
    >>> dovetail.fft.fft(dovetail.tensor([1.0, 0.0, 0.0, 0.0]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
"""

from __future__ import annotations

from typing import Any

from dovetail import creation, dtypes, ops
from dovetail.errors import DTypeError, ShapeError
from dovetail.methods.registry import check_dim
from dovetail.ops import fourier, parts
from dovetail.tensor import Tensor

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft",
    "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip


def _prepared(name: str, x: Tensor, s: Any, dim: Any, norm: Any, last: int | None = None) -> tuple[Tensor, list, str]:
    """Return the input cut or filled to the sizes wanted, the dimensions, and the norm."""
    norm = "backward" if norm is None else norm
    if norm not in fourier.OPPOSITE:
        raise ValueError(f"{name}: norm is 'backward', 'forward' or 'ortho', got {norm!r}")
    if dim is None:
        dims = list(range(x.ndim)) if s is None else list(range(x.ndim - len(s), x.ndim))
    else:
        dims = [check_dim(x, axis) for axis in ((dim,) if isinstance(dim, int) else dim)]
    if len(set(dims)) != len(dims) or (dims and (not x.ndim or min(dims) < 0)):
        raise ShapeError(f"{name}: dims must be different dimensions of sizes {tuple(x.shape)}, got {dim}")
    sizes = [x.shape[axis] for axis in dims] if s is None else [s] if isinstance(s, int) else list(s)
    if len(sizes) != len(dims):
        raise ShapeError(f"{name}: as many sizes as dimensions are needed, got {sizes} for {dims}")
    for position, (axis, size) in enumerate(zip(dims, sizes, strict=True)):
        wanted = x.shape[axis] if size == -1 else size
        if last is not None and position == len(dims) - 1:
            wanted = last if s is None or size == -1 else size // 2 + 1
        if wanted < 1:
            raise ShapeError(f"{name}: sizes must be 1 or more, got {wanted} for dimension {axis}")
        x = _resized(x, axis, wanted)
    return x, dims, norm


def _resized(x: Tensor, axis: int, size: int) -> Tensor:
    have = x.shape[axis]
    if size <= have:
        return x.narrow(axis, 0, size) if size < have else x
    shape = list(x.shape)
    shape[axis] = size - have
    return ops.cat(x, x.new_zeros(shape), dim=axis)


def _as_complex(x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        return x
    if x.dtype.category < 2:
        x = x.to(dtypes.get_default_dtype())
    return x.to(dtypes.complex128 if x.dtype is dtypes.float64 else dtypes.complex64)


def _as_real(name: str, x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        raise DTypeError(f"{name}: takes real numbers, got {x.dtype}; use fft, or take .real")
    return x if x.dtype.is_floating_point else x.to(dtypes.get_default_dtype())


def fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the transform over ``dim`` (all by default)."""
    x, dims, norm = _prepared("fftn", _as_complex(input), s, dim, norm)
    return fourier.fourier(x, dims=tuple(dims), norm=norm) if dims else x.clone()


def ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the inverse transform over ``dim`` (all by default)."""
    x, dims, norm = _prepared("ifftn", _as_complex(input), s, dim, norm)
    return fourier.fourier(x, dims=tuple(dims), inverse=True, norm=norm) if dims else x.clone()


def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the transform of real numbers over ``dim`` (all by default), half of it along the last."""
    x, dims, norm = _prepared("rfftn", _as_real("rfftn", input), s, dim, norm)
    return fourier.real_fourier(x, dims=tuple(dims), norm=norm)


def irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Return the real numbers of which ``rfftn`` gives this; by default of an even size along the last dimension."""
    x = _as_complex(input)
    axes = list(range(x.ndim)) if dim is None and s is None else dim
    axis = x.ndim - 1 if axes is None else axes if isinstance(axes, int) else axes[-1]
    have = x.shape[check_dim(x, axis)]
    wanted = s if s is None or isinstance(s, int) else s[-1]
    x, dims, norm = _prepared("irfftn", x, s, dim, norm, last=have)
    size = 2 * (have - 1) if wanted in (None, -1) else wanted
    if size < 1:
        raise ShapeError(f"irfftn: the last size must be 1 or more, got {size}; give it by n= or s=")
    return fourier.fourier_to_real(x, dims=tuple(dims), size=size, norm=norm)


def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the transform along ``dim``."""
    return fftn(input, n, (dim,), norm)


def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse transform along ``dim``."""
    return ifftn(input, n, (dim,), norm)


def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the half of the transform of real numbers along ``dim`` that says all."""
    return rfftn(input, n, (dim,), norm)


def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the ``n`` real numbers along ``dim`` of which ``rfft`` gives this; by default an even number."""
    return irfftn(input, n, (dim,), norm)


def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the real transform along ``dim`` of numbers of which one half, the other's conjugates, is given."""
    return irfft(parts.conj(_as_complex(input)), n, dim, fourier.OPPOSITE.get(norm or "backward", norm))


def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return what ``hfft`` gives these real numbers for."""
    return parts.conj(rfft(input, n, dim, fourier.OPPOSITE.get(norm or "backward", norm)))


def fft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """Return the transform over two dimensions."""
    return fftn(input, s, dim, norm)


def ifft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """Return the inverse transform over two dimensions."""
    return ifftn(input, s, dim, norm)


def rfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """Return the transform of real numbers over two dimensions, half of it along the last."""
    return rfftn(input, s, dim, norm)


def irfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """Return the real numbers of which ``rfft2`` gives this."""
    return irfftn(input, s, dim, norm)


def _frequencies(places: Any, n: int, d: float, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    dtype = dtype or dtypes.get_default_dtype()
    out = creation.tensor(list(places), dtype=dtype, device=device) * (1.0 / (n * d))
    return out.requires_grad_(requires_grad)


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return the frequencies of a transform of ``n`` samples ``d`` apart: from 0 up, then the negative ones."""
    places = [*range((n + 1) // 2), *range(-(n // 2), 0)]
    return _frequencies(places, n, d, dtype, device, requires_grad)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return the frequencies of a half transform of ``n`` real samples ``d`` apart."""
    return _frequencies(range(n // 2 + 1), n, d, dtype, device, requires_grad)


def _shifted(x: Tensor, dim: Any, back: bool) -> Tensor:
    dims = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = tuple(check_dim(x, axis) for axis in dims)
    shifts = tuple((x.shape[axis] + 1) // 2 if back else x.shape[axis] // 2 for axis in axes)
    return ops.roll(x, shifts=shifts, dims=axes)


def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Return the transform with frequency 0 in the middle of ``dim`` (all by default)."""
    return _shifted(input, dim, False)


def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Return the transform with frequency 0 first again."""
    return _shifted(input, dim, True)
