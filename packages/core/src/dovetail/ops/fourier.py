"""Discrete Fourier transforms, on the array standard's extension ``fft``; imported when first asked for.

Rules are right for complex numbers as they are: the adjoint of a transform is the one in the other direction.
"""

from __future__ import annotations

from dovetail import creation
from dovetail.autograd import complex_numbers
from dovetail.op import Sample, op
from dovetail.ops import parts
from dovetail.ops.shape import cat

complex_numbers.allow()

#: How the adjoint is scaled: what the one direction divides by, the other's adjoint does.
OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _double(xp, x):
    """Return float16 and bfloat16 as float32, which libraries transform."""
    return x if x.dtype in (xp.float32, xp.float64, xp.complex64, xp.complex128) else xp.astype(x, xp.float32)


def _as_complex(xp, x):
    x = _double(xp, x)
    if x.dtype in (xp.complex64, xp.complex128):
        return x
    return xp.astype(x, xp.complex128 if x.dtype == xp.float64 else xp.complex64)


def _narrow(xp, out, like):
    """Return the transform in the precision of its input; older libraries give float64 always."""
    if out.dtype == xp.complex128 and like.dtype not in (xp.complex128, xp.float64):
        return xp.astype(out, xp.complex64)
    return xp.astype(out, xp.float32) if out.dtype == xp.float64 and like.dtype == xp.complex64 else out


def _complex(make):
    return [
        Sample(make(3, 4) + 1j * make(3, 4), dims=(1,)),
        Sample(make(3, 5) + 1j * make(3, 5), dims=(0, 1), inverse=True, norm="ortho"),
    ]


@op(promote=None, extension="fft")
def fourier(xp, x, *, dims, inverse=False, norm="backward"):
    """Return the transform of complex numbers along ``dims``."""
    transform = xp.fft.ifftn if inverse else xp.fft.fftn
    return _narrow(xp, transform(_as_complex(xp, x), axes=tuple(dims), norm=norm), _double(xp, x))


fourier.vjp(x=lambda g, dims, inverse, norm: fourier(g, dims, not inverse, OPPOSITE[norm]))
fourier.sample(_complex)


@op(promote=None, extension="fft")
def real_fourier(xp, x, *, dims, norm="backward"):
    """Return the transform of real numbers along ``dims``, the half of it along the last that says all."""
    x = _double(xp, x)
    return _narrow(xp, xp.fft.rfftn(x, axes=tuple(dims), norm=norm), x)


def _real_fourier_x(g, x, dims, norm):
    last = dims[-1]
    missing = x.shape[last] - g.shape[last]
    shape = [*g.shape]
    shape[last] = missing
    whole = cat(g, g.new_zeros(shape), dim=last) if missing else g
    return parts.real(fourier(whole, dims, True, OPPOSITE[norm])).to(x.dtype)


real_fourier.vjp(x=_real_fourier_x)
real_fourier.sample(
    lambda make: [
        Sample(make(3, 4), dims=(1,)),
        Sample(make(4, 5), dims=(0, 1), norm="ortho"),
        Sample(make(5), dims=(0,)),
    ]
)


@op(promote=None, extension="fft")
def fourier_to_real(xp, x, *, dims, size, norm="backward"):
    """Return the real numbers, ``size`` along the last of ``dims``, whose transform's half this is."""
    x = _as_complex(xp, x)
    sizes = (*(x.shape[dim] for dim in dims[:-1]), size)
    return _narrow(xp, xp.fft.irfftn(x, s=sizes, axes=tuple(dims), norm=norm), x)


def _fourier_to_real_x(g, x, dims, size, norm):
    # all but the first and, of an even size, the last stand for two, themselves and their conjugates
    found, last = real_fourier(g, dims, OPPOSITE[norm]), dims[-1] % g.ndim
    kept = found.shape[last]
    counts = [1.0] + [2.0] * (kept - 1)
    if size % 2 == 0:
        counts[-1] = 1.0
    weights = creation.tensor(counts, dtype=g.dtype, device=g.device)
    found = found * weights.reshape([-1 if axis == last else 1 for axis in range(g.ndim)])
    return found if x.dtype.is_complex else parts.real(found)


fourier_to_real.vjp(x=_fourier_to_real_x)
fourier_to_real.sample(
    lambda make: [
        Sample(make(3, 4) + 1j * make(3, 4), dims=(1,), size=6),
        Sample(make(3, 3) + 1j * make(3, 3), dims=(0, 1), size=5, norm="ortho"),
    ]
)
