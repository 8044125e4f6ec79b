"""Complex numbers and their parts; imported when first asked for.

Rules are right for complex numbers as they are: ``autograd.complex_numbers``.
"""

from __future__ import annotations

from dovetail.autograd import complex_numbers
from dovetail.errors import DTypeError
from dovetail.op import Sample, op
from dovetail.ops.elementwise import where
from dovetail.ops.reduce import is_complex, is_integer

complex_numbers.allow()


def _complex_dtype(xp, x):
    return xp.complex128 if x.dtype == xp.float64 else xp.complex64


def _one(make):
    return [Sample(make(3, 4) + 1j * make(3, 4)), Sample(make(3) + 1j * make(3))]


@op(promote=None, view="maybe")
def real(xp, x):
    """Return the real parts; a view where the backend has views."""
    return xp.real(x) if is_complex(xp, x) else x


real.vjp(x=lambda g, x: make_complex(g, g * 0.0) if x.dtype.is_complex else g)
real.sample(_one)


@op(promote=None, view="maybe")
def imag(xp, x):
    """Return the imaginary parts; a view where the backend has views."""
    return xp.imag(x)


imag.vjp(x=lambda g: make_complex(g * 0.0, g))
imag.sample(_one)


@op(promote=None)
def conj(xp, x):
    """Return the complex conjugate."""
    return xp.conj(x) if is_complex(xp, x) else xp.asarray(x, copy=True)


conj.vjp(x=lambda g: conj(g) if g.dtype.is_complex else g)
conj.sample(_one)


@op(promote="number")
def angle(xp, x):
    """Return the angle of each complex number, from -pi to pi; of real ones 0 or pi."""
    if is_complex(xp, x):
        return xp.atan2(xp.imag(x), xp.real(x))
    floats = x if x.dtype in (xp.float32, xp.float64) or str(x.dtype).endswith("16") else xp.astype(x, xp.float32)
    turned = xp.where(floats < 0, xp.full_like(floats, 3.141592653589793), xp.zeros_like(floats))
    return xp.where(floats == floats, turned, floats)


def _angle_x(g, x):
    if not x.dtype.is_complex:
        return g * 0.0
    square = real(x) * real(x) + imag(x) * imag(x)
    slope = where(square == 0, 0.0, g / square)
    return make_complex(-imag(x) * slope, real(x) * slope)


angle.vjp(x=_angle_x)
angle.sample(_one)


@op(promote="match")
def make_complex(xp, real, imag):
    """Return the complex numbers of these real and imaginary parts."""
    dtype = _complex_dtype(xp, real)
    return xp.astype(real, dtype) + xp.astype(imag, dtype) * 1j


def _part_of(take, g, like):
    """Return the gradient of a part; g is real where nothing imaginary came back."""
    found = take(g) if g.dtype.is_complex else g if take is _real else g * 0.0
    return found.to(like.dtype)


_real, _imag = real, imag
make_complex.vjp(real=lambda g, real: _part_of(_real, g, real), imag=lambda g, imag: _part_of(_imag, g, imag))
make_complex.sample(lambda make: [Sample(make(3, 4), make(3, 4)), Sample(make(2, 1), make(3))])


@op(promote=None, view="maybe")
def view_as_real(xp, x):
    """Return real and imaginary parts side by side in a last dimension of 2; a view where the backend has views."""
    if not is_complex(xp, x):
        raise DTypeError(f"view_as_real: takes complex numbers, got {x.dtype}")
    return xp.stack([xp.real(x), xp.imag(x)], axis=-1)


view_as_real.vjp(x=lambda g: make_complex(g.select(-1, 0), g.select(-1, 1)))
view_as_real.sample(_one)


@op(promote=None, view="maybe")
def view_as_complex(xp, x):
    """Return complex numbers of parts side by side in a last dimension of 2; a view where the backend has views."""
    if x.dtype == xp.bool or is_complex(xp, x) or is_integer(xp, x) or x.ndim < 1 or x.shape[-1] != 2:
        raise DTypeError(
            f"view_as_complex: takes floating point with a last dimension of 2, got {x.dtype} of sizes {x.shape}"
        )
    dtype = _complex_dtype(xp, x)
    return xp.astype(x[..., 0], dtype) + xp.astype(x[..., 1], dtype) * 1j


view_as_complex.vjp(x=lambda g, x: view_as_real(g).to(x.dtype))
view_as_complex.sample(lambda make: [Sample(make(3, 2)), Sample(make(2))])
