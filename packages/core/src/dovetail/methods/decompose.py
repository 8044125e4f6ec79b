"""Solutions, inverses and decompositions of matrices, for ``dovetail.linalg`` and the older names at the top."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail import creation, dtypes, ops, return_types
from dovetail.creation import from_array
from dovetail.errors import DTypeError, GradError, ShapeError
from dovetail.ops import decompositions
from dovetail.ops.decompositions import adjoint
from dovetail.tensor import Tensor


def expect_floats(name: str, *tensors: Tensor) -> None:
    for x in tensors:
        if x.dtype.category < 2 or x.dtype.itemsize == 2:
            raise DTypeError(f"{name}: takes float32, float64 or complex, got {x.dtype}; convert with .float()")


# Inverses, determinants, solutions


def inv(A: Tensor) -> Tensor:
    """Return the inverse of each matrix.

    Raises:
        LinAlgError: one is singular. ShapeError: they are not square.
    """
    expect_floats("inv", A)
    return decompositions.inv(A)


def det(A: Tensor) -> Tensor:
    """Return the determinant of each square matrix."""
    expect_floats("det", A)
    return decompositions.det(A)


def slogdet(A: Tensor) -> Any:
    """Return the sign of each determinant and the logarithm of its absolute value."""
    expect_floats("slogdet", A)
    return return_types.linalg_slogdet(*decompositions.slogdet(A))


def slogdet_at_top(input: Tensor) -> Any:
    """Return what ``linalg.slogdet`` does, under its older name."""
    return return_types.slogdet(*slogdet(input))


def logdet(A: Tensor) -> Tensor:
    """Return the logarithm of each determinant; nan where that is negative."""
    expect_floats("logdet", A)
    sign, logarithm = decompositions.slogdet(A)
    return ops.where(sign < 0, math.nan, logarithm)


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """Return X with ``A @ X = B``, or ``X @ A = B`` where not ``left``; ``B`` may be vectors, one for each matrix.

    Raises:
        LinAlgError: a matrix is singular. ShapeError: sizes that do not go together.
    """
    expect_floats("solve", A, B)
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    B = B.unsqueeze(-1) if vector else B
    if left:
        out = decompositions.solve(A, B)
    else:
        if vector:
            raise ShapeError("solve: left=False takes matrices on the right side, got vectors")
        out = decompositions.solve(A.transpose(-1, -2), B.transpose(-1, -2)).transpose(-1, -2)
    return out.squeeze(-1) if vector else out


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """Return X with ``A @ X = B`` (``X @ A = B`` where not ``left``), reading one triangle of ``A``.

    ``unitriangular`` says that its diagonal counts as ones.
    """
    if B.ndim < 2 or A.ndim < 2:
        raise ShapeError(f"solve_triangular: takes matrices, got sizes {tuple(A.shape)} and {tuple(B.shape)}")
    A = ops.triu(A, diagonal=int(unitriangular)) if upper else ops.tril(A, diagonal=-int(unitriangular))
    if unitriangular:
        A = A + creation.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    return solve(A, B, left=left)


def pinv(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Tensor:
    """Return the pseudoinverse of each matrix; singular values up to ``max(atol, rtol * largest)`` count as 0."""
    expect_floats("pinv", A)
    return decompositions.pinv(A, rtol=rtol, atol=0.0 if atol is None else atol)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Return the pseudoinverse of each matrix; singular values up to ``rcond`` times the largest count as 0."""
    return pinv(input, rtol=rcond)


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """Return X that makes ``A @ X - B`` smallest, of several the smallest, with residuals, rank, singular values.

    Solved by the pseudoinverse, whatever the ``driver``; singular values are given as PyTorch gives them: for
    ``driver="gelsd"`` and ``"gelss"`` only.
    """
    expect_floats("lstsq", A, B)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise ValueError(f"lstsq: driver is gels, gelsy, gelsd or gelss, got {driver!r}")
    if A.ndim < 2 or B.ndim < 1:
        raise ShapeError(f"lstsq: takes matrices, got sizes {tuple(A.shape)} and {tuple(B.shape)}")
    vector = B.ndim == A.ndim - 1 and A.shape[:-1] == B.shape
    B = B.unsqueeze(-1) if vector else B
    if B.ndim < 2 or A.shape[-2] != B.shape[-2]:
        raise ShapeError(f"lstsq: matrices of sizes {tuple(A.shape)} do not go with a right side of {tuple(B.shape)}")
    solution = ops.matmul(pinv(A, rtol=rcond), B)
    rank = matrix_rank(A.detach(), rtol=rcond)
    rows, columns = A.shape[-2:]
    none = A.new_zeros(0)
    residuals = none
    if rows > columns and driver != "gelsy" and driver is not None and bool((rank == columns).all()):
        difference = ops.matmul(A, solution) - B
        residuals = ops.sum(difference.abs() ** 2, dim=-2)
    values = svdvals(A.detach()) if driver in ("gelsd", "gelss") else none
    found_rank = rank if driver != "gels" else creation.zeros(0, dtype=dtypes.int64, device=A.device)
    return return_types.linalg_lstsq(solution.squeeze(-1) if vector else solution, residuals, found_rank, values)


def matrix_rank(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False, tol: Any = None) -> Tensor:
    """Return how many singular values of each matrix are above ``max(atol, rtol * the largest)``."""
    expect_floats("matrix_rank", A)
    values = svdvals(A.detach())
    if tol is not None:
        atol, rtol = tol, 0.0
    if rtol is None:
        rtol = max(A.shape[-2:]) * dtypes.finfo(values.dtype).eps if not atol else 0.0
    if not values.shape[-1]:
        return creation.zeros(*A.shape[:-2], dtype=dtypes.int64, device=A.device)
    limit = ops.maximum(values[..., :1] * rtol, values[..., :1] * 0 + (0.0 if atol is None else atol))
    return (values > limit).sum(-1)


# Decompositions


def _mirrored(name: str, A: Tensor, upper: bool) -> Tensor:
    """Return the symmetric matrix of which one triangle is given; its gradient goes to both triangles."""
    expect_floats(name, A)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"{name}: takes square matrices, got sizes {tuple(A.shape)}")
    plain = A.detach()
    whole = (
        ops.triu(plain) + adjoint(ops.triu(plain, diagonal=1))
        if upper
        else (ops.tril(plain) + adjoint(ops.tril(plain, diagonal=-1)))
    )
    return A + (whole - plain) if A.requires_grad else whole


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """Return the triangle L of each symmetric positive definite matrix, which is L times its adjoint.

    Raises:
        LinAlgError: a matrix is not positive definite.
    """
    out = decompositions.cholesky(_mirrored("cholesky", A, upper))
    return adjoint(out) if upper else out


def cholesky_at_top(input: Tensor, upper: bool = False) -> Tensor:
    """Return ``linalg.cholesky(input)``, or its adjoint if ``upper``."""
    return cholesky(input, upper=upper)


def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Return the ascending eigenvalues and the eigenvectors, columns, of symmetric matrices, reading one triangle."""
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"eigh: UPLO is 'L' or 'U', got {UPLO!r}")
    return return_types.linalg_eigh(*decompositions.eigh(_mirrored("eigh", A, UPLO.upper() == "U")))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Return the ascending eigenvalues of symmetric matrices."""
    return eigh(A, UPLO)[0]


def eig(A: Tensor) -> Any:
    """Return the complex eigenvalues and eigenvectors of each square matrix; without a gradient.

    Raises:
        GradError: the matrix needs a gradient; ``eigh`` of symmetric matrices has one.
    """
    expect_floats("eig", A)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"eig: takes square matrices, got sizes {tuple(A.shape)}")
    if A.requires_grad:
        raise GradError("eig: has no gradient here; use eigh for symmetric matrices, or A.detach()")
    wanted = np.complex128 if A.dtype in (dtypes.float64, dtypes.complex128) else np.complex64
    values, vectors = np.linalg.eig(A.numpy(force=True))
    return return_types.linalg_eig(*(from_array(part.astype(wanted), A.device) for part in (values, vectors)))


def eigvals(A: Tensor) -> Tensor:
    """Return the complex eigenvalues of each square matrix; without a gradient."""
    return eig(A)[0]


def qr(A: Tensor, mode: str = "reduced") -> Any:
    """Return Q and R of each matrix; ``mode`` is ``"reduced"``, ``"complete"``, or ``"r"`` for R alone."""
    expect_floats("qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode is 'reduced', 'complete' or 'r', got {mode!r}")
    if mode == "r":
        if A.requires_grad:
            raise GradError("qr: mode='r' has no gradient; use mode='reduced'")
        return return_types.linalg_qr(A.new_zeros(0), decompositions.qr(A)[1])
    return return_types.linalg_qr(*decompositions.qr(A, mode=mode))


def qr_at_top(input: Tensor, some: bool = True) -> Any:
    """Return Q and R of each matrix, Q square if not ``some``."""
    return return_types.qr(*qr(input, "reduced" if some else "complete"))


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """Return U, the descending singular values, and V's adjoint of each matrix."""
    expect_floats("svd", A)
    return return_types.linalg_svd(*decompositions.svd(A, full_matrices=full_matrices))


def svd_at_top(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """Return U, the singular values and V (not its adjoint) of each matrix."""
    if not compute_uv:
        rows, columns = input.shape[-2:]
        lead = input.shape[:-2]
        return return_types.svd(
            input.new_zeros(*lead, rows, rows), svdvals(input), input.new_zeros(*lead, columns, columns)
        )
    u, s, vh = svd(input, full_matrices=not some)
    return return_types.svd(u, s, adjoint(vh))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Return the descending singular values of each matrix."""
    expect_floats("svdvals", A)
    return decompositions.svd(A, full_matrices=False)[1]
