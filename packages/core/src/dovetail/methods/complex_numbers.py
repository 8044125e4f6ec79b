"""Functions of complex numbers and their parts; imported when first asked for."""

from __future__ import annotations

from dovetail import dtypes, ops
from dovetail.errors import DTypeError
from dovetail.ops import parts
from dovetail.tensor import Tensor


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """Return complex numbers of these real and imaginary parts, of float32 or float64 both.

    Example::

        >>> import dovetail
        >>> dovetail.complex(dovetail.ones(1), dovetail.zeros(1)).dtype
        dovetail.complex64
    """
    for part in (real, imag):
        if part.dtype not in (dtypes.float32, dtypes.float64):
            raise DTypeError(f"complex: takes parts of float32 or float64, got {part.dtype}; convert with .float()")
    return parts.make_complex(real, imag)


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Return complex numbers of these sizes and angles."""
    if abs.dtype is not angle.dtype:
        raise DTypeError(f"polar: abs and angle must have one dtype, got {abs.dtype} and {angle.dtype}")
    return parts.make_complex(abs * ops.cos(angle), abs * ops.sin(angle))


def real(input: Tensor) -> Tensor:
    """Return the real parts, on the same memory; a real tensor as it is."""
    return parts.real(input) if input.dtype.is_complex else input


def imag(input: Tensor) -> Tensor:
    """Return the imaginary parts, on the same memory.

    Raises:
        DTypeError: the numbers are real.
    """
    if not input.dtype.is_complex:
        raise DTypeError(f"imag: takes complex numbers, got {input.dtype}, which has no imaginary part")
    return parts.imag(input)


def conj(input: Tensor) -> Tensor:
    """Return the complex conjugate; a real tensor as it is."""
    return parts.conj(input) if input.dtype.is_complex else input
