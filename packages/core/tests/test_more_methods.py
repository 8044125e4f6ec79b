"""Functions composed of others, and in-place changes of sizes, against PyTorch."""

import numpy as np
import pytest

import dovetail
from dovetail import errors


@pytest.mark.parity
@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: x.diagonal(),
        lambda lib, x: x.diagonal(1),
        lambda lib, x: x.diagonal(-1),
        lambda lib, x: lib.diagonal(x, 7),
        lambda lib, x: x.expand(2, 3, 4).diagonal(dim1=0, dim2=2),
        lambda lib, x: x.diagonal(dim1=1, dim2=1),
        lambda lib, x: x.diag(),
        lambda lib, x: x[0].diag(),
        lambda lib, x: lib.diag(x[0], -1),
        lambda lib, x: lib.diag(x[0], 2),
        lambda lib, x: x[None].diag(),
        lambda lib, x: x.trace(),
        lambda lib, x: x[0].trace(),
        lambda lib, x: x.mv(x[0]),
        lambda lib, x: x.mv(x),
        lambda lib, x: x.repeat_interleave(2),
        lambda lib, x: x.repeat_interleave(2, dim=0),
        lambda lib, x: x.repeat_interleave(lib.tensor([1, 0, 2]), dim=0),
        lambda lib, x: lib.vstack((x, x[0])),
        lambda lib, x: lib.hstack((x, x[:, :1])),
        lambda lib, x: lib.hstack([x[0], x[1]]),
        lambda lib, x: lib.meshgrid(x[0], x[1][:2], indexing="ij"),
        lambda lib, x: lib.meshgrid(x[0], x[1][:2], indexing="xy"),
        lambda lib, x: lib.meshgrid(x[0], x[1], indexing="yx"),
        lambda lib, x: (x / x[0]).nan_to_num(),
        lambda lib, x: lib.nan_to_num(x / 0, nan=1.0, posinf=2.0, neginf=-2.0),
        lambda lib, x: x.scatter(0, lib.tensor([[2, 0, 1, 1]]), x[:1] * 2),
    ],
)
def test_composed(compare, call):
    compare(call, np.arange(12.0).reshape(3, 4) - 5)


@pytest.mark.parity
@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: x.count_nonzero(),
        lambda lib, x: lib.count_nonzero(x, dim=1),
        lambda lib, x: x.long().abs().flatten().bincount(),
        lambda lib, x: lib.bincount(x[0].long().abs(), x[1], minlength=9),
        lambda lib, x: x.bincount(),
    ],
)
def test_composed_without_gradients(compare, call):
    compare(call, np.arange(12.0).reshape(3, 4) - 5, gradients=False)


@pytest.mark.parity
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.unsqueeze_(0),
        lambda x: x.unsqueeze_(-1).squeeze_(),
        lambda x: x.t_(),
        lambda x: x.transpose_(0, 1).mul_(2),
        lambda x: x.squeeze_(0),
    ],
)
def test_other_sizes_in_place(compare, change):
    def of_base(lib, x):
        base = x * 1
        view = base[0]
        assert change(base) is base
        base.add_(1)
        view.mul_(3)
        return base * 2, view * 1

    def of_view(lib, x):
        base = x * 1
        view = base[1:]
        assert change(view) is view
        view.mul_(2)
        base[1].add_(5)
        return base * 2, view * 1

    compare(of_base, np.arange(6.0).reshape(2, 3) + 1)
    compare(of_view, np.arange(9.0).reshape(3, 3) + 1)


def test_other_sizes_in_place_of_a_leaf():
    x = dovetail.ones(2, 3)
    assert x.unsqueeze_(0).shape == (1, 2, 3)
    assert x._base is not x
    leaf = dovetail.ones(2, 3, requires_grad=True)
    with pytest.raises(errors.GradError, match="unsqueeze_: a leaf tensor that needs a gradient"):
        leaf.unsqueeze_(0)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda x: x.diagonal(dim1=1, dim2=-1),
            errors.ShapeError,
            "diagonal: dim1 and dim2 must be different",
        ),
        (lambda x: x[None].diag(), errors.ShapeError, r"diag: takes a vector or a matrix, got sizes \(1, 2, 2\)"),
        (lambda x: x[0].trace(), errors.ShapeError, r"trace: takes a matrix, got sizes \(2,\)"),
        (lambda x: x.mv(x), errors.ShapeError, r"mv: takes a matrix and a vector, got sizes \(2, 2\) and \(2, 2\)"),
        (
            lambda x: x.bincount(),
            errors.DTypeError,
            "bincount: takes a vector of integers, got dovetail",
        ),
        (lambda x: dovetail.meshgrid(x[0], indexing="a"), ValueError, "meshgrid: indexing is 'ij' or 'xy', got 'a'"),
    ],
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call(dovetail.ones(2, 2))
