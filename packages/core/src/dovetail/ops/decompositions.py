"""Inverses, determinants and decompositions of matrices, or of batches of them; imported when first asked for.

Kernels use the array standard's extension ``linalg``. Gradients follow Giles, "An extended collection of matrix
derivative results", 2008, and where said others. float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

import math

from dovetail import creation
from dovetail.errors import GradError, LinAlgError, ShapeError
from dovetail.op import Sample, op
from dovetail.ops.elementwise import where
from dovetail.ops.linalg import matmul
from dovetail.ops.reduce import anywhere
from dovetail.ops.shape import cat, tril


def adjoint(x):
    """Return the transpose of each matrix, conjugated if complex."""
    turned = x.transpose(-1, -2)
    return turned.conj() if x.dtype.is_complex else turned


def _wide(xp, x):
    """Return an array in a dtype that libraries decompose."""
    return x if x.dtype in (xp.float32, xp.float64, xp.complex64, xp.complex128) else xp.astype(x, xp.float32)


def _narrow(xp, out, like):
    """Return a result in the dtype of the input, real numbers of complex ones excepted."""
    wide = (xp.float32, xp.float64, xp.complex64, xp.complex128)
    return out if like.dtype in wide else xp.astype(out, like.dtype)


def _attempt(name, what, compute, *arrays):
    """Run a decomposition; say in our words what cannot be decomposed."""
    try:
        return compute(*arrays)
    except Exception as error:
        raise LinAlgError(f"{name}: {what} ({error})") from error


def _expect_square(name, x):
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: takes square matrices, got sizes {tuple(x.shape)}")


def _expect_matrices(name, x):
    if len(x.shape) < 2:
        raise ShapeError(f"{name}: takes matrices, got sizes {tuple(x.shape)}")


def _eye_like(x):
    return creation.eye(x.shape[-1], dtype=x.dtype, device=x.device)


def _dominant(make, *lead, size=3):
    """Return well-conditioned matrices: a large diagonal."""
    return make(*lead, size, size, low=-0.4, high=0.4) + make.constant([float(n + 2) for n in range(size)]) * (
        make.constant([[float(i == j) for j in range(size)] for i in range(size)])
    )


def _inverses(make):
    return [Sample(_dominant(make)), Sample(_dominant(make, 2, size=2))]


@op(promote="float", extension="linalg")
def inv(xp, x):
    """Return the inverse of each matrix."""
    _expect_square("inv", x)
    wide = _wide(xp, x)
    return _narrow(xp, _attempt("inv", "a matrix is singular", xp.linalg.inv, wide), x)


inv.vjp(x=lambda g, out: -matmul(matmul(adjoint(out), g), adjoint(out)))
inv.sample(_inverses)


@op(promote="match", extension="linalg")
def solve(xp, x, b):
    """Return what each matrix must be multiplied by to give ``b``, matrices too."""
    what = "a matrix is singular"
    return _narrow(xp, _attempt("solve", what, xp.linalg.solve, _wide(xp, x), _wide(xp, b)), x)


def _solve_x(g, x, out):
    return -matmul(solve(adjoint(x), g), adjoint(out))


solve.vjp(x=_solve_x, b=lambda g, x: solve(adjoint(x), g))
solve.sample(lambda make: [Sample(_dominant(make), make(3, 2)), Sample(_dominant(make, 2), make(2, 3, 1))])


@op(promote="float", extension="linalg")
def det(xp, x):
    """Return the determinant of each matrix."""
    _expect_square("det", x)
    return _narrow(xp, xp.asarray(xp.linalg.det(_wide(xp, x))), x)


def _det_x(g, x, out):
    wide = (g * (out.conj() if x.dtype.is_complex else out)).unsqueeze(-1).unsqueeze(-1)
    if x.shape[-1] and not anywhere(out == 0):
        return wide * adjoint(inv(x))
    # the cofactors of a singular matrix, without dividing: products of all singular values but one
    u, s, vh = svd(x, full_matrices=False)
    size = s.shape[-1]
    others = where(_eye_like(x).to(s.dtype) == 1, 1.0, s.unsqueeze(-2).expand((*s.shape, size)))
    turned = (det(u) * det(vh)).unsqueeze(-1) * others.prod(-1)
    return g.unsqueeze(-1).unsqueeze(-1) * matmul(u * turned.unsqueeze(-2), vh)


det.vjp(x=_det_x)
det.sample(lambda make: [*_inverses(make), Sample(make(4, 4))])


@op(promote="float", outputs=("sign", "logabsdet"), extension="linalg")
def slogdet(xp, x):
    """Return the sign of each determinant, and the logarithm of its absolute value."""
    _expect_square("slogdet", x)
    sign, logarithm = xp.linalg.slogdet(_wide(xp, x))
    return _narrow(xp, xp.asarray(sign), x), _narrow(xp, xp.asarray(logarithm), x)


slogdet.vjp(x=lambda g, x: x * 0.0 if g[1] is None else g[1].unsqueeze(-1).unsqueeze(-1) * adjoint(inv(x)))
slogdet.sample(_inverses)


@op(promote="float", extension="linalg")
def cholesky(xp, x):
    """Return the lower triangle L of each matrix, which is L times its adjoint; of others the symmetric part counts."""
    _expect_square("cholesky", x)
    wide = _wide(xp, x)
    turned = xp.matrix_transpose(wide)
    turned = xp.conj(turned) if wide.dtype in (xp.complex64, xp.complex128) else turned
    what = "a matrix is not positive definite"
    return _narrow(xp, _attempt("cholesky", what, xp.linalg.cholesky, (wide + turned) / 2), x)


def _cholesky_x(g, out):
    """Murray, "Differentiation of the Cholesky decomposition", 2016."""
    lower = tril(matmul(adjoint(out), g))
    lower = lower - lower * _eye_like(out) / 2
    inverse = inv(out)
    found = matmul(matmul(adjoint(inverse), lower), inverse)
    return (found + adjoint(found)) / 2


cholesky.vjp(x=_cholesky_x)
cholesky.sample(_inverses)


@op(promote="float", outputs=("values", "vectors"), extension="linalg")
def eigh(xp, x):
    """Return the ascending eigenvalues of each symmetric matrix and its eigenvectors, the columns."""
    _expect_square("eigh", x)
    wide = _wide(xp, x)
    turned = xp.matrix_transpose(wide)
    turned = xp.conj(turned) if wide.dtype in (xp.complex64, xp.complex128) else turned
    values, vectors = _attempt("eigh", "the iteration did not converge", xp.linalg.eigh, (wide + turned) / 2)
    return _narrow(xp, values, x), _narrow(xp, vectors, x)


def _off_diagonal(numerator, gaps):
    """Return a matrix divided by gaps, which are 0 on the diagonal; there 0."""
    diagonal = _eye_like(gaps) == 1
    return where(diagonal, 0.0, numerator / where(diagonal, 1.0, gaps))


def _eigh_x(g, values, vectors):
    g_values, g_vectors = g
    inside = 0.0
    if g_vectors is not None:
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
        inside = _off_diagonal(matmul(adjoint(vectors), g_vectors), gaps)
    if g_values is not None:
        inside = inside + _eye_like(vectors) * g_values.unsqueeze(-2)
    found = matmul(matmul(vectors, inside), adjoint(vectors))
    return (found + adjoint(found)) / 2


eigh.vjp(x=_eigh_x)
eigh.sample(_inverses)


@op(promote="float", outputs=("u", "s", "vh"), extension="linalg")
def svd(xp, x, *, full_matrices=True):
    """Return U, the descending singular values and V's adjoint of each matrix."""
    _expect_matrices("svd", x)
    what = "the iteration did not converge"
    parts = _attempt("svd", what, lambda wide: xp.linalg.svd(wide, full_matrices=full_matrices), _wide(xp, x))
    return tuple(_narrow(xp, part, x) for part in parts)


def _svd_x(g, x_shape, u, s, vh):
    """Townsend, "Differentiating the singular value decomposition", 2016."""
    g_u, g_s, g_vh = g
    rows, columns, size = x_shape[-2], x_shape[-1], s.shape[-1]
    g_u = None if g_u is None else g_u.narrow(-1, 0, size)
    g_vh = None if g_vh is None else g_vh.narrow(-2, 0, size)
    u, vh = u.narrow(-1, 0, size), vh.narrow(-2, 0, size)
    across, down = s.unsqueeze(-2), s.unsqueeze(-1)
    gaps = (across - down) * (across + down)
    inside = 0.0 if g_s is None else creation.eye(size, dtype=u.dtype, device=u.device) * g_s.unsqueeze(-2)
    outside = 0.0
    if g_u is not None:
        part = matmul(adjoint(u), g_u)
        inside = inside + _off_diagonal(part - adjoint(part), gaps) * across
        if rows > size:
            outside = matmul((g_u - matmul(u, part)) / across, vh)
    if g_vh is not None:
        part = matmul(vh, adjoint(g_vh))
        inside = inside + down * _off_diagonal(part - adjoint(part), gaps)
        if columns > size:
            outside = outside + matmul(u, (g_vh - matmul(adjoint(part), vh)) / down)
    return matmul(matmul(u, inside), vh) + outside


svd.vjp(x=_svd_x)
svd.sample(
    lambda make: [
        Sample(_dominant(make)),
        Sample(_dominant(make, 2)[..., :2], full_matrices=False),
        Sample(_dominant(make)[:2], full_matrices=False),
    ]
)


@op(promote="float", outputs=("q", "r"), extension="linalg")
def qr(xp, x, *, mode="reduced"):
    """Return Q, of orthonormal columns, and the upper triangle R of each matrix, which is their product."""
    _expect_matrices("qr", x)
    q, r = xp.linalg.qr(_wide(xp, x), mode=mode)
    return _narrow(xp, q, x), _narrow(xp, r, x)


def _qr_x(g, q, r, mode):
    """Seeger et al., "Auto-differentiating linear algebra", 2017; wide matrices are split."""
    g_q, g_r = g
    rows, columns = q.shape[-2], r.shape[-1]
    if mode == "complete" and rows > columns:
        raise GradError("qr: mode='complete' has no gradient for more rows than columns; use mode='reduced'")
    g_q = q * 0.0 if g_q is None else g_q
    g_r = r * 0.0 if g_r is None else g_r
    if columns <= rows:
        return _qr_tall(g_q, g_r, q, r)
    rest, g_rest = r.narrow(-1, rows, columns - rows), g_r.narrow(-1, rows, columns - rows)
    right = matmul(q, g_rest)
    full = matmul(q, rest)
    first = _qr_tall(g_q + matmul(full, adjoint(g_rest)), g_r.narrow(-1, 0, rows), q, r.narrow(-1, 0, rows))
    return cat(first, right, dim=-1)


def _qr_tall(g_q, g_r, q, r):
    lower = tril(matmul(r, adjoint(g_r)) - matmul(adjoint(g_q), q))
    mirrored = lower + adjoint(tril(lower, -1))
    return adjoint(solve(r, adjoint(g_q + matmul(q, mirrored))))


qr.vjp(x=_qr_x)
qr.sample(
    lambda make: [
        Sample(_dominant(make)),
        Sample(_dominant(make, 2)[..., :2]),
        Sample(_dominant(make)[:2]),
        Sample(_dominant(make), mode="complete"),
    ]
)


@op(promote="float", extension="linalg")
def pinv(xp, x, *, rtol=None, atol=0.0):
    """Return the pseudoinverse of each matrix; singular values up to ``max(atol, rtol * the largest)`` count as 0."""
    _expect_matrices("pinv", x)
    u, s, vh = _attempt("pinv", "the iteration did not converge",
                        lambda wide: xp.linalg.svd(wide, full_matrices=False), _wide(xp, x))  # fmt: skip
    if not math.prod(s.shape):
        return xp.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), dtype=x.dtype)
    if rtol is None:
        rtol = max(x.shape[-2:]) * float(xp.finfo(s.dtype).eps) if not atol else 0.0
    limit = xp.maximum(rtol * xp.max(s, axis=-1, keepdims=True), xp.full_like(s[..., :1], atol))
    kept = s > limit
    inverse = xp.where(kept, 1.0 / xp.where(kept, s, xp.ones_like(s)), xp.zeros_like(s))
    right, left = xp.matrix_transpose(vh), xp.matrix_transpose(u)
    if x.dtype in (xp.complex64, xp.complex128):
        right, left = xp.conj(right), xp.conj(left)
    return _narrow(xp, xp.matmul(right * xp.expand_dims(xp.astype(inverse, right.dtype), axis=-2), left), x)


def _pinv_x(g, x, out):
    """Golub and Pereyra, "The differentiation of pseudo-inverses", 1973."""
    turned, flat = adjoint(out), adjoint(g)
    found = -matmul(matmul(turned, g), turned)
    left = matmul(matmul(flat, out), turned)
    right = matmul(matmul(turned, out), flat)
    return found + left - matmul(x, matmul(out, left)) + right - matmul(matmul(right, out), x)


pinv.vjp(x=_pinv_x)
pinv.sample(lambda make: [*_inverses(make), Sample(_dominant(make)[:2]), Sample(_dominant(make)[:, :2], rtol=1e-3)])


@solve.explained_by
def _solve_sizes(x, b):
    _expect_square("solve", x._array)
    if b.ndim < 2 or b.shape[-2] != x.shape[-1]:
        raise ShapeError(f"solve: matrices of sizes {tuple(x.shape)} do not go with a right side of {tuple(b.shape)}")
