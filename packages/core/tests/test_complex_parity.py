"""Complex numbers and Fourier transforms against PyTorch: values, gradients in its convention, errors."""

import numpy as np
import pytest

import dovetail
from dovetail.testing import gradcheck, gradgradcheck

pytestmark = pytest.mark.parity


def numbers(*shape, seed=0, dtype="float64"):
    return np.asarray(np.random.default_rng(seed).uniform(0.3, 2, shape)).astype(dtype)


def both(lib, out):
    """Return complex results as real ones, so that both parts get a gradient."""
    if isinstance(out, (tuple, list)):
        return [both(lib, part) for part in out]
    return lib.stack([out.real, out.imag], -1) if out.is_complex() else out


FUNCTIONS = {
    "parts": lambda lib, z, w: (z.real, z.imag, lib.real(z), lib.imag(w), z.conj(), lib.conj(w)),
    "polar parts": lambda lib, z, w: (z.abs(), w.abs(), z.angle(), lib.angle(-w), z.sgn(), lib.polar(w.real, w.imag)),
    "arithmetic": lambda lib, z, w: (z + w, z - w, z * w, z / w, -z, z * 2.5, 2j * z, z + 1, 1 / z, z - 1j),
    "with real": lambda lib, z, w: (z * w.real, w.imag + z, z / w.real, w.imag / z, w.real * 1j, w.imag + 2j),
    "powers": lambda lib, z, w: (z**2, z**3.0, z**w, z**0.5, z.square(), z.reciprocal(), 2.0**z, z.sqrt(), z.rsqrt()),
    "exponentials": lambda lib, z, w: (z.exp(), z.log(), z.log2(), z.log10(), z.exp2(), z.sigmoid(), z.log1p()),
    "trigonometry": lambda lib, z, w: (z.sin(), z.cos(), z.tan(), z.sinh(), z.cosh(), z.tanh(), z.sinc()),
    "inverse trigonometry": lambda lib, z, w: (z.asin(), z.acos(), z.atan(), z.asinh(), z.acosh(), z.atanh()),
    "sums": lambda lib, z, w: (z.sum(), z.mean(0), z.prod(), w.prod(1), z.cumsum(0), w.cumprod(1), z.norm(), w.norm(1)),
    "products": lambda lib, z, w: (z @ w.mT, z[0] @ w[0], lib.einsum("ij,kj->ik", z, w), lib.vdot(z[0], w[0]), z.dot(w)
                                   if z.ndim == 1 else lib.outer(z[0], w[1]), lib.linalg.vecdot(z, w)),
    "shapes": lambda lib, z, w: (z.T, z.reshape(-1), z[:, 1:], z[[0, 0]], lib.cat([z, w]), lib.stack([z, w.flip(0)])),
    "choice": lambda lib, z, w: (lib.where(z.real > 1, z, w), z.masked_fill(z.real > 1, 0), z.gather(
        1, lib.tensor([[0], [2]])), z.index_select(1, lib.tensor([2, 0])), z.expand(2, 2, 3), z.repeat(2, 1), z.tril()),
    "views": lambda lib, z, w: (lib.view_as_complex(lib.view_as_real(z) * 2), lib.view_as_real(z * w)),
    "solutions": lambda lib, z, w: (lib.linalg.inv(z @ w.mT), lib.linalg.solve(z @ w.mT, w), lib.linalg.det(z @ w.mT),
                                    lib.linalg.pinv(z)),
    "cholesky": lambda lib, z, w: lib.linalg.cholesky(z @ z.mT.conj() + lib.eye(2, dtype=z.real.dtype)),
    "eigenvalues": lambda lib, z, w: lib.linalg.eigvalsh((z @ z.mT.conj()).detach()),
    "casts": lambda lib, z, w: (z.to(lib.complex64), z.real.to(lib.complex128) * w),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(compare, name):
    def call(lib, *parts):
        z, w = lib.complex(parts[0], parts[1]), lib.complex(parts[2], parts[3])
        return both(lib, FUNCTIONS[name](lib, z, w))

    parts = [numbers(2, 3, seed=seed) - 0.7 * (seed % 2) for seed in range(4)]
    compare(call, *parts)
    compare(call, *[part.astype("float32") for part in parts], gradients=False)


FFT = {
    "fft": lambda lib, x: (lib.fft.fft(x), lib.fft.fft(x, 3, 0), lib.fft.fft(x, n=7, norm="ortho")),
    "ifft": lambda lib, x: (lib.fft.ifft(x), lib.fft.ifft(x, 3, 0), lib.fft.ifft(x, n=7, norm="forward")),
    "fft2": lambda lib, x: (lib.fft.fft2(x), lib.fft.ifft2(x, norm="ortho"), lib.fft.fft2(x, s=(3, 7), dim=(1, 0))),
    "fftn": lambda lib, x: (lib.fft.fftn(x), lib.fft.ifftn(x, s=(2,)), lib.fft.fftn(x, dim=(0,), norm="forward")),
    "irfft": lambda lib, x: (lib.fft.irfft(x), lib.fft.irfft(x, 5), lib.fft.irfft(x, n=9, dim=0, norm="ortho")),
    "irfftn": lambda lib, x: (
        lib.fft.irfftn(x),
        lib.fft.irfft2(x, (3, 7)),
        lib.fft.irfftn(x, dim=(1, 0), norm="forward"),
    ),
    "hfft": lambda lib, x: (lib.fft.hfft(x), lib.fft.hfft(x, 7, norm="ortho")),
    "shifts": lambda lib, x: (lib.fft.fftshift(x), lib.fft.ifftshift(x, dim=1), lib.fft.fftshift(x, (0,))),
}
REAL_FFT = {
    "rfft": lambda lib, x: (lib.fft.rfft(x), lib.fft.rfft(x, 3, 0), lib.fft.rfft(x, n=7, norm="ortho")),
    "rfftn": lambda lib, x: (lib.fft.rfftn(x), lib.fft.rfft2(x, (3, 4)), lib.fft.rfftn(x, dim=(1, 0), norm="forward")),
    "ihfft": lambda lib, x: (lib.fft.ihfft(x), lib.fft.ihfft(x, 7, norm="ortho")),
    "power": lambda lib, x: lib.fft.rfft(x).abs() ** 2,
    "convolution": lambda lib, x: lib.fft.irfft(lib.fft.rfft(x, 9) * lib.fft.rfft(x.flip(0), 9), 9),
}


@pytest.mark.parametrize("name", [*FFT, *REAL_FFT])
@pytest.mark.parametrize("shape", [(4, 5), (3, 6)])
def test_fourier(compare, name, shape):
    call = {**FFT, **REAL_FFT}[name]
    compare(lambda lib, x: both(lib, call(lib, x)), numbers(*shape))
    compare(lambda lib, x: both(lib, call(lib, x)), numbers(*shape, dtype="float32"), gradients=False)
    if name in FFT:
        parts = numbers(*shape), numbers(*shape, seed=1)
        compare(lambda lib, x, y: both(lib, call(lib, lib.complex(x, y))), *parts)
    if name != "convolution":
        compare(lambda lib, x: both(lib, call(lib, x)), numbers(*shape).astype("int64"))


def test_transforms_of_a_number(compare):
    compare(lambda lib, x: (lib.fft.fftn(x).real, lib.fft.ifftn(x).real), np.array(2.0))


def test_frequencies(compare):
    for n in (1, 4, 5):
        compare(
            lambda lib, n=n: (lib.fft.fftfreq(n), lib.fft.rfftfreq(n, 0.5), lib.fft.fftfreq(n, d=2, dtype=lib.float64))
        )


def test_angles_of_real_numbers(compare):
    x = np.array([1.0, -2.0, 0.0, -0.0, np.nan])
    compare(lambda lib, x: (x.angle(), x.real, x.conj(), lib.real(x)), x)
    compare(lambda lib, x: x.angle(), np.array([1, -2, 0]))


def test_complex_leaves():
    z, w = (dovetail.tensor(numbers(2, 2, seed=n) + 1j * numbers(2, 2, seed=n + 5), requires_grad=True) for n in (0, 1))
    for call in (dovetail.mul, dovetail.div, dovetail.matmul, lambda z, w: (z.abs() * w).sum(), lambda z, w: z**w):
        assert gradcheck(call, (z, w))
        assert gradgradcheck(call, (z, w))
    for call in (
        dovetail.exp,
        dovetail.angle,
        dovetail.linalg.inv,
        dovetail.linalg.det,
        lambda z: z.norm(),
        dovetail.sgn,
    ):
        assert gradcheck(call, (z,))
        assert gradgradcheck(call, (z,))
    (z.conj() * z).real.sum().backward()
    assert z.grad.dtype is dovetail.complex128
    np.testing.assert_allclose(z.grad.numpy(), 2 * z.detach().numpy())


def test_second_derivatives_of_transforms():
    x = dovetail.tensor(numbers(6), requires_grad=True)
    for call in (lambda x: dovetail.fft.rfft(x).abs(), lambda x: dovetail.fft.irfft(dovetail.fft.fft(x) ** 2)):
        assert gradcheck(call, (x,))
        assert gradgradcheck(call, (x,))


def test_parts_are_views():
    z = dovetail.tensor([1 + 2j, 3 + 4j])
    z.real = dovetail.tensor([5.0, 6.0])
    z.imag.zero_()
    dovetail.view_as_real(z)[0, 1] = 7.0
    assert z.tolist() == [5 + 7j, 6]


def test_a_gradient_that_is_not_known_to_be_right_is_refused_by_name():
    z = dovetail.tensor([[1 + 2j, 3.0], [0.5j, 1.0]], requires_grad=True)
    with pytest.raises(
        dovetail.errors.DTypeError, match="svd: its gradient for complex numbers is not known to be right"
    ):
        dovetail.linalg.svdvals(z).sum().backward()


REFUSED = [
    (lambda lib, z: z.sum().backward(), "grad can be implicitly created only for real outputs"),
    (lambda lib, z: lib.complex(z.real, z.real.float()), "make_complex: inputs must have one dtype"),
    (lambda lib, z: lib.complex(z.real.long(), z.real.long()), "complex: takes parts of float32 or float64"),
    (lambda lib, z: lib.polar(z.real, z.real.float()), "polar: abs and angle must have one dtype"),
    (lambda lib, z: z.real.imag, "imag: takes complex numbers, got dovetail.float64"),
    (lambda lib, z: lib.view_as_real(z.real), "view_as_real: takes complex numbers, got float64"),
    (lambda lib, z: lib.view_as_complex(lib.ones(3)), "view_as_complex: takes floating point with a last dimension"),
    (lambda lib, z: lib.fft.rfft(z), "rfftn: takes real numbers, got dovetail.complex128"),
    (lambda lib, z: lib.fft.fft(z, norm="half"), "fftn: norm is 'backward', 'forward' or 'ortho', got 'half'"),
    (lambda lib, z: lib.fft.fft(z, 0), "fftn: sizes must be 1 or more, got 0"),
    (lambda lib, z: lib.fft.fft2(z), "dim"),
    (lambda lib, z: lib.fft.fftn(z, dim=(0, 0)), "fftn: dims must be different dimensions"),
    (lambda lib, z: lib.fft.fftn(z, s=(2, 2), dim=(0,)), "fftn: as many sizes as dimensions are needed"),
    (lambda lib, z: lib.fft.irfft(z[:1]), "irfftn: the last size must be 1 or more, got 0"),
]


@pytest.mark.parametrize(("call", "says"), REFUSED)
def test_errors_in_both(compare, call, says):
    def run(lib, x):
        return call(lib, lib.complex(x, x))

    error = compare(run, numbers(3), gradients=says.startswith("grad"))
    with pytest.raises((RuntimeError, ValueError, IndexError), match=says):
        raise error
