"""Joining, turning, repeating, windows and integrals against PyTorch."""

import numpy as np
import pytest

pytestmark = pytest.mark.parity


def numbers(*shape, dtype="float64"):
    return np.asarray(np.random.default_rng(0).uniform(-2, 2, shape)).astype(dtype)


CALLS = {
    "broadcast_tensors": lambda lib, x, v: lib.broadcast_tensors(x, v[:4], x[:, :1]),
    "broadcast_shapes": lambda lib, x, v: tuple(lib.broadcast_shapes((2, 1), (3,), 1, (4, 1, 1), x.shape[:0])),
    "atleast_1d": lambda lib, x, v: (lib.atleast_1d(v[0]), *lib.atleast_1d(v[0], x), *lib.atleast_1d([x])),
    "atleast_2d": lambda lib, x, v: (lib.atleast_2d(v[0]), *lib.atleast_2d(v, x)),
    "atleast_3d": lambda lib, x, v: (lib.atleast_3d(v[0]), *lib.atleast_3d(v, x, x[None])),
    "column_stack": lambda lib, x, v: (lib.column_stack((v, v)), lib.column_stack([x, v[:3]])),
    "row_stack": lambda lib, x, v: (lib.row_stack((v, v)), lib.vstack((x, v[:4]))),
    "dstack": lambda lib, x, v: (lib.dstack((x, x)), lib.dstack((v, v))),
    "block_diag": lambda lib, x, v: (lib.block_diag(x, v, v[0]), lib.block_diag(x[:, :0], x), lib.block_diag(v)),
    "cartesian_prod": lambda lib, x, v: (lib.cartesian_prod(v, v[:2], v[:1]), lib.cartesian_prod(v)),
    "combinations": lambda lib, x, v: (lib.combinations(v), lib.combinations(v, 3), lib.combinations(v, 2, True)),
    "no combinations": lambda lib, x, v: (lib.combinations(v, r=0), lib.combinations(v, 9)),
    "fliplr": lambda lib, x, v: (lib.fliplr(x), x.flipud(), v.flipud()),
    "rot90": lambda lib, x, v: [x.rot90(k) for k in range(-1, 5)] + [lib.rot90(x, 1, [1, 0]), lib.rot90(x, 3, (-1, 0))],
    "diag_embed": lambda lib, x, v: (x.diag_embed(), lib.diag_embed(x, 1), x.diag_embed(-1, 0, 2), v.diag_embed(1, 1)),
    "diagflat": lambda lib, x, v: (x.diagflat(), lib.diagflat(v, 1), v[0].diagflat()),
    "indices": lambda lib, x, v: (lib.tril_indices(3, 4), lib.triu_indices(4, 2, -1), lib.tril_indices(0, 3, offset=1)),
    "vander": lambda lib, x, v: (lib.vander(v), lib.vander(v, 3, True), lib.vander(v, N=0), lib.vander(v, 1)),
    "trapezoid": lambda lib, x, v: (lib.trapezoid(x), lib.trapz(x, dx=0.5), lib.trapz(x, dim=0), lib.trapz(x, x)),
    "trapezoid at points": lambda lib, x, v: (lib.trapezoid(x, v[:4]), lib.trapezoid(x, v[:3], dim=0)),
    "cumulative_trapezoid": lambda lib, x, v: (
        lib.cumulative_trapezoid(x), lib.cumulative_trapezoid(x, v[:3], dim=0), lib.cumulative_trapezoid(x, dx=2.0)
    ),
    "repeat_interleave": lambda lib, x, v: (
        x.repeat_interleave(2), lib.repeat_interleave(x, lib.tensor([1, 0, 2]), dim=0), x.repeat_interleave(3, 1),
        lib.repeat_interleave(x, lib.tensor([2]), dim=0), lib.repeat_interleave(lib.tensor([2, 0, 1])),
        x.repeat_interleave(lib.tensor([1, 0, 2]), 0, output_size=3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_arranging(compare, name):
    gradients = name != "vander"  # PyTorch refuses its own gradient of that
    compare(CALLS[name], numbers(3, 4), numbers(5), gradients=gradients)
    compare(CALLS[name], numbers(3, 4), numbers(5), layout="strided", gradients=gradients)
    compare(CALLS[name], numbers(3, 4, dtype="int64"), numbers(5, dtype="int64"))


@pytest.mark.parametrize("name", ["hann_window", "hamming_window", "blackman_window", "bartlett_window"])
def test_windows(compare, name):
    for length in (0, 1, 2, 5, 8):
        compare(lambda lib, length=length: getattr(lib, name)(length, dtype=lib.float64))
        compare(lambda lib, length=length: getattr(lib, name)(length, periodic=False))
    compare(lambda lib: getattr(lib, name)(-1))
    compare(lambda lib: lib.hamming_window(5, True, 0.5, 0.4))


REFUSED = [
    (lambda lib, x, v: lib.broadcast_shapes((2,), (3,)), r"broadcast_shapes: \(2,\) and \(3,\) do not broadcast"),
    (lambda lib, x, v: lib.broadcast_tensors(x, v), "do not broadcast: dimension -1 is 4 and 5"),
    (lambda lib, x, v: lib.block_diag(x[None]), r"block_diag: takes matrices, got sizes \(1, 3, 4\) at position 0"),
    (lambda lib, x, v: lib.cartesian_prod(x, v), "cartesian_prod: takes vectors"),
    (lambda lib, x, v: lib.combinations(x), "combinations: takes a vector"),
    (lambda lib, x, v: lib.combinations(v, -1), "combinations: r must be 0 or more, got -1"),
    (lambda lib, x, v: v.fliplr(), "fliplr: takes at least 2 dimensions"),
    (lambda lib, x, v: v[0].flipud(), "flipud: takes at least 1 dimension"),
    (lambda lib, x, v: v.rot90(), "rot90: takes 2 dims of at least 2"),
    (lambda lib, x, v: x.rot90(1, (0, 0)), "rot90: dims must be different"),
    (lambda lib, x, v: x.diag_embed(0, 1, 1), "diag_embed: dim1 and dim2 must be different"),
    (lambda lib, x, v: lib.tril_indices(-1, 2), "tril_indices: rows and columns must be 0 or more"),
    (lambda lib, x, v: lib.vander(x), "vander: takes a vector"),
    (lambda lib, x, v: lib.trapezoid(v[0]), "trapezoid: takes a tensor of at least one dimension"),
    (lambda lib, x, v: lib.trapezoid(x, v), "trapezoid: x has 5 points, but y 4"),
    (lambda lib, x, v: lib.hann_window(-2), "hann_window: window_length must be 0 or more, got -2"),
    (lambda lib, x, v: x.repeat_interleave(lib.tensor([1, 2]), 0), "repeats must be an integer or 3 of them"),
    (lambda lib, x, v: x.repeat_interleave(lib.tensor([1, -2, 1]), 0), "repeats must not be negative"),
    (lambda lib, x, v: x.repeat_interleave(2, 0, output_size=7), "repeats give 6 places, but output_size is 7"),
]


@pytest.mark.parametrize(("call", "says"), REFUSED)
def test_errors_in_both(compare, call, says):
    error = compare(call, numbers(3, 4), numbers(5), gradients=False)
    with pytest.raises((RuntimeError, ValueError), match=says):
        raise error
