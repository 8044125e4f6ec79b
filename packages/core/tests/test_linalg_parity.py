"""Linear algebra against PyTorch: values, gradients, errors."""

import numpy as np
import pytest

import dovetail

pytestmark = pytest.mark.parity


def numbers(*shape, seed=0, dtype="float64"):
    return np.asarray(np.random.default_rng(seed).uniform(-2, 2, shape)).astype(dtype)


def square(*lead, size=3, seed=0):
    return numbers(*lead, size, size, seed=seed) + 3 * np.eye(size)


def sym(x):
    return x + x.transpose(-1, -2)


def positive(lib, x):
    return x @ x.transpose(-1, -2) + lib.eye(x.shape[-2], dtype=x.dtype)


SQUARE = {
    "inv": lambda lib, x: (lib.linalg.inv(x), lib.inverse(x), x.inverse()),
    "det": lambda lib, x: (lib.linalg.det(x), lib.det(x), x.det()),
    "slogdet": lambda lib, x: (lib.linalg.slogdet(x), lib.slogdet(x), x.slogdet().logabsdet),
    "logdet": lambda lib, x: (lib.logdet(positive(lib, x)), positive(lib, x).logdet()),
    "solve": lambda lib, x: (lib.linalg.solve(x, x[..., :2]), lib.linalg.solve(x, x[..., 0])),
    "solve right": lambda lib, x: lib.linalg.solve(x, x[..., :2, :], left=False),
    "cholesky": lambda lib, x: (lib.linalg.cholesky(positive(lib, x)), positive(lib, x).cholesky()),
    "upper cholesky": lambda lib, x: (
        lib.linalg.cholesky(positive(lib, x), upper=True), lib.cholesky(positive(lib, x), upper=True)
    ),
    "eigh": lambda lib, x: [part.abs() for U in "LU" for part in lib.linalg.eigh(sym(x), UPLO=U)],
    "eigvalsh": lambda lib, x: (lib.linalg.eigvalsh(sym(x)), lib.linalg.eigh(sym(x)).eigenvalues),
    "svd": lambda lib, x: [part.abs() for part in lib.linalg.svd(x)],
    "reduced svd": lambda lib, x: [part.abs() for part in lib.linalg.svd(x[..., :2], full_matrices=False)],
    "wide svd": lambda lib, x: [part.abs() for part in lib.svd(x[..., :2, :])],
    "svdvals": lambda lib, x: (lib.linalg.svdvals(x), lib.linalg.svd(x[..., :2]).S, x.svd().V.abs()),
    "qr": lambda lib, x: (lib.linalg.qr(x), lib.linalg.qr(x[..., :2]), lib.linalg.qr(x[..., :2, :]), x.qr()),
    "full qr": lambda lib, x: (lib.linalg.qr(x[..., :2].detach(), "complete"), lib.linalg.qr(x.detach(), mode="r")[1]),
    "pinv": lambda lib, x: (lib.linalg.pinv(x), lib.linalg.pinv(x[..., :2]), lib.pinverse(x[..., :2, :]), x.pinverse()),
    "lstsq": lambda lib, x: (lib.linalg.lstsq(x[..., :2], x)[0], lib.linalg.lstsq(x[..., :2, :], x[..., :2, :])[0]),
    "residuals": lambda lib, x: list(lib.linalg.lstsq(x[..., :2], x, driver="gelsd")),
    "matrix_rank": lambda lib, x: (lib.linalg.matrix_rank(x), lib.linalg.matrix_rank(x[..., :1] @ x[..., :1, :])),
    "matrix_power": lambda lib, x: [x.matrix_power(n) for n in (0, 1, 2, 3, 7)] + [lib.linalg.matrix_power(x, -2)],
    "matrix_exp": lambda lib, x: (lib.linalg.matrix_exp(x), x.matrix_exp(), lib.matrix_exp(x / 100)),
    "multi_dot": lambda lib, x: lib.linalg.multi_dot([m.reshape(-1, 3)[:3] for m in (x, x[..., :2, :], x)]),
    "triangular": lambda lib, x: (
        lib.linalg.solve_triangular(x, x, upper=True),
        lib.linalg.solve_triangular(x, x, upper=False, unitriangular=True),
        lib.linalg.solve_triangular(x, x, upper=True, left=False),
    ),
    "cross": lambda lib, x: (lib.linalg.cross(x, x.flip(0)), lib.linalg.cross(x, x * x, dim=-2)),
    "vecdot": lambda lib, x: (lib.linalg.vecdot(x, x * x), lib.linalg.vecdot(x, x[..., :1, :], dim=-2)),
    "diagonal": lambda lib, x: (lib.linalg.diagonal(x), lib.linalg.diagonal(x, offset=1)),
    "matmul": lambda lib, x: lib.linalg.matmul(x, x),
    "cond": lambda lib, x: [lib.linalg.cond(x, p) for p in (None, 2, -2, "fro", "nuc", 1, float("inf"))],
}  # fmt: skip


@pytest.mark.parametrize("name", SQUARE)
def test_matrices(compare, name):
    compare(SQUARE[name], square(), gradients=name != "cond")  # PyTorch refuses its own gradient of that
    if name != "multi_dot":
        compare(SQUARE[name], square(2, 2), gradients=name != "cond")
    single = square().astype("float32")
    compare(SQUARE[name], single, gradients=False)


NORMS = [None, "fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf")]


@pytest.mark.parametrize("order", NORMS)
def test_matrix_norms(compare, order):
    compare(lambda lib, x: (lib.linalg.norm(x, order), lib.linalg.norm(x, order, (0, 1), keepdim=True)), numbers(3, 4))
    if order is not None:
        compare(lambda lib, x: lib.linalg.matrix_norm(x, order, dim=(0, -1), keepdim=True), numbers(3, 2, 4))
        compare(lambda lib, x: lib.linalg.norm(x, order, dim=(2, 1)), numbers(3, 2, 4))


@pytest.mark.parametrize("order", [0, 0.5, 1, 1.5, 2, 3, float("inf"), -float("inf"), -1])
def test_vector_norms(compare, order):
    x = np.array([[1.0, -2.0, 3.0], [2.5, 0.5, -0.5]])
    compare(lambda lib, x: (lib.linalg.vector_norm(x, order), lib.linalg.vector_norm(x, order, 1, keepdim=True)), x)
    compare(lambda lib, x: (lib.linalg.norm(x[0], order), lib.linalg.norm(x, order, dim=0), x.norm(order, 1)), x)
    compare(lambda lib, x: lib.norm(x, p=order, dim=(0, 1)), x)
    if order > 0:
        compare(lambda lib, x: (x.norm(order), lib.norm(x, order, dim=1)), np.array([[0.0, 0.0], [1.0, 0.0]]),
                gradients=order >= 1)  # fmt: skip
        compare(lambda lib, x: x.norm(order, 0), np.zeros((0, 2)), gradients=False)


def test_other_norms(compare):
    x = numbers(3, 4)
    compare(lambda lib, x: (x.norm(), x.norm("fro"), x.norm("nuc"), lib.norm(x, dim=0), x.norm(dtype=lib.float64)), x)
    compare(lambda lib, x: lib.linalg.vector_norm(x, dtype=lib.float64), x.astype("float32"))
    compare(lambda lib, x: x.norm(), np.array(-3.0))


def test_general_eigenvalues(compare):
    x = square(2)
    ours, theirs = dovetail.linalg.eig(dovetail.tensor(x)), compare.torch.linalg.eig(compare.torch.tensor(x))
    np.testing.assert_allclose(ours.eigenvalues.numpy(), theirs.eigenvalues.numpy(), rtol=1e-10)
    np.testing.assert_allclose(np.abs(ours.eigenvectors.numpy()), np.abs(theirs.eigenvectors.numpy()), rtol=1e-9)
    assert dovetail.linalg.eigvals(dovetail.tensor(x.astype("float32"))).dtype is dovetail.complex64


def test_determinants_of_singular_matrices(compare):
    one = np.outer([1.0, 2.0, 3.0], [1.0, -1.0, 2.0])
    two = one + np.outer([0.0, 1.0, 0.0], [2.0, 0.0, 1.0])
    for x in (np.zeros((2, 2)), np.diag([0.0, 0.0, 3.0]), one):
        compare(lambda lib, x: x.det(), x)
    for x in (two, np.diag([0.0, 2.0, 3.0])):  # for the second PyTorch gives 0 instead of the cofactor 6
        assert dovetail.testing.gradcheck(dovetail.det, (dovetail.tensor(x, requires_grad=True),))
    compare(lambda lib, x: x.slogdet(), np.zeros((2, 2)), gradients=False)
    compare(lambda lib, x: x.det(), np.zeros((2, 0, 0)))


def test_second_derivatives():
    from dovetail.testing import gradgradcheck

    x = dovetail.tensor(square(size=2), requires_grad=True)
    linalg = dovetail.linalg
    calls = [linalg.inv, linalg.det, linalg.svdvals, linalg.matrix_exp, linalg.pinv, lambda x: linalg.qr(x)[1],
             lambda x: linalg.cholesky(positive(dovetail, x)), lambda x: linalg.eigvalsh(sym(x))]  # fmt: skip
    for call in calls:
        assert gradgradcheck(call, (x,))
    x = dovetail.tensor(numbers(3), requires_grad=True)
    for order in (1.5, 2, 3):
        assert gradgradcheck(lambda x, order=order: x.norm(order), (x,))


REFUSED = [
    (lambda lib, x: lib.linalg.inv(x * 0), "inv: a matrix is singular"),
    (lambda lib, x: lib.linalg.inv(x[:2]), r"inv: takes square matrices, got sizes \(2, 3\)"),
    (lambda lib, x: lib.linalg.inv(x.long()), "inv: takes float32, float64 or complex, got dovetail.int64"),
    (lambda lib, x: lib.linalg.inv(x.half()), "inv: takes float32, float64 or complex, got dovetail.float16"),
    (lambda lib, x: lib.linalg.solve(x * 0, x), "solve: a matrix is singular"),
    (lambda lib, x: lib.linalg.solve(x, x[:2]), "solve: matrices of sizes"),
    (lambda lib, x: lib.linalg.solve(x, x.float()), "solve: inputs must have one dtype"),
    (lambda lib, x: lib.linalg.cholesky(-x @ x.mT), "cholesky: a matrix is not positive definite"),
    (lambda lib, x: lib.linalg.eigh(x[:2]), "eigh: takes square matrices"),
    (lambda lib, x: lib.linalg.eigh(x, "A"), "eigh: UPLO is 'L' or 'U', got 'A'"),
    (lambda lib, x: lib.linalg.svd(x[0]), "svd: takes matrices"),
    (lambda lib, x: lib.linalg.qr(x, "all"), "qr: mode is 'reduced', 'complete' or 'r', got 'all'"),
    (lambda lib, x: lib.linalg.matrix_power(x, 1.5), "matrix_power: n must be an integer, got 1.5"),
    (lambda lib, x: lib.linalg.matrix_power(x[:2], 2), "matrix_power: takes square matrices"),
    (lambda lib, x: lib.linalg.matrix_exp(x[:2]), "matrix_exp: takes square matrices"),
    (lambda lib, x: lib.linalg.multi_dot([x]), "multi_dot: takes at least 2 tensors, got 1"),
    (lambda lib, x: lib.linalg.multi_dot([x, x[:2], x]), "cannot be multiplied"),
    (lambda lib, x: lib.linalg.norm(x, 3), "matrix_norm: order 3 is not there"),
    (lambda lib, x: lib.linalg.norm(x[0], "fro"), "matrix_norm: takes at least 2 dimensions"),
    (lambda lib, x: lib.linalg.norm(x, "fro", dim=1), "matrix_norm: dim must be two dimensions, got 1"),
    (lambda lib, x: lib.linalg.norm(x.long()), "norm: takes floating point or complex, got dovetail.int64"),
    (lambda lib, x: x.norm(dtype=lib.float32), "norm: numbers of dovetail.float64 do not fit into dovetail.float32"),
    (lambda lib, x: x.long().norm(), "norm: takes floating point or complex, got dovetail.int64"),
    (lambda lib, x: x[:0].norm(float("inf")), "norm: order inf has no value for no elements"),
    (lambda lib, x: lib.linalg.lstsq(x, x[:2]), "lstsq: matrices of sizes"),
    (lambda lib, x: lib.linalg.lstsq(x, x, driver="best"), "lstsq: driver is gels, gelsy"),
    (lambda lib, x: lib.linalg.solve_triangular(x, x[0], upper=True), "solve_triangular: takes matrices"),
    (lambda lib, x: lib.linalg.eig(x[:2]), "eig: takes square matrices"),
]


@pytest.mark.parametrize(("call", "says"), REFUSED)
def test_errors_in_both(compare, call, says):
    error = compare(call, square(), gradients=False)
    with pytest.raises((RuntimeError, ValueError, TypeError), match=says):
        raise error


def test_gradients_that_are_not_there():
    x = dovetail.tensor(square(), requires_grad=True)
    with pytest.raises(dovetail.errors.GradError, match="eig: has no gradient here; use eigh for symmetric matrices"):
        dovetail.linalg.eig(x)
    with pytest.raises(dovetail.errors.GradError, match="qr: mode='r' has no gradient; use mode='reduced'"):
        dovetail.linalg.qr(x, "r")
    with pytest.raises(dovetail.errors.GradError, match="qr: mode='complete' has no gradient for more rows"):
        dovetail.linalg.qr(x[:, :2], "complete").Q.sum().backward()
