"""Products of matrices."""

from __future__ import annotations

from dovetail.errors import ShapeError
from dovetail.op import Sample, op


@op(promote="match")
def matmul(xp, x, y):
    """Return the matrix product: of vectors, matrices, or batches of matrices, which broadcast."""
    return xp.matmul(x, y)


def _matmul_x(g, y):
    if y.ndim == 1:
        return g * y if not g.ndim else g.unsqueeze(-1) * y
    if g.ndim < y.ndim:  # x is a vector
        g = g.unsqueeze(-2)
        out = matmul(g, y.transpose(-1, -2)).squeeze(-2)
        return out if out.ndim == 1 else out.reshape(-1, out.shape[-1]).sum(0)
    return matmul(g, y.transpose(-1, -2))


def _matmul_y(g, x):
    if x.ndim == 1:
        return g * x if not g.ndim else x.unsqueeze(-1) * g.unsqueeze(-2)
    if g.ndim < x.ndim:  # y is a vector
        return (x * g.unsqueeze(-1)).reshape(-1, x.shape[-1]).sum(0)
    return matmul(x.transpose(-1, -2), g)


matmul.vjp(x=_matmul_x, y=_matmul_y)
matmul.sample(
    lambda make: [
        Sample(make(3, 4), make(4, 2)),
        Sample(make(4), make(4)),
        Sample(make(3, 4), make(4)),
        Sample(make(4), make(4, 2)),
        Sample(make(2, 3, 4), make(2, 4, 2)),
        Sample(make(2, 1, 3, 4), make(5, 4, 2)),
        Sample(make(2, 3, 4), make(4)),
        Sample(make(4), make(2, 4, 3)),
    ]
)


@matmul.explained_by
def _matmul_sizes(x, y):
    a, b = x._array.shape, y._array.shape
    if not a or not b:
        raise ShapeError(f"matmul: both tensors need at least 1 dimension, got {tuple(a)} and {tuple(b)}; use *")
    rows, which = (b[-2], "second to last") if len(b) > 1 else (b[0], "only")
    if a[-1] != rows:
        raise ShapeError(
            f"matmul: sizes {tuple(a)} and {tuple(b)} cannot be multiplied: the first's last dimension is {a[-1]}, "
            f"the {which} dimension of the second is {rows}; they must be equal"
        )


@op(promote="match")
def linear(xp, x, weight, bias=None):
    """Return ``x @ weight.T + bias``: x (..., in), weight (out, in), bias (out) gives (..., out)."""
    out = xp.matmul(x, xp.permute_dims(weight, (1, 0)) if weight.ndim == 2 else weight)
    return out if bias is None else out + bias


@op(promote="match")
def linear_weight(xp, grad, x):
    """Return ``grad.T @ x`` over all leading dimensions: the gradient of ``linear`` for a weight (out, in)."""
    rows = xp.reshape(grad, (-1, grad.shape[-1]))
    return xp.matmul(xp.permute_dims(rows, (1, 0)), xp.reshape(x, (-1, x.shape[-1])))


linear_weight.vjp(grad=lambda g, x: linear(x, g), x=lambda g, grad: matmul(grad, g))
linear_weight.sample(lambda make: [Sample(make(3, 2), make(3, 4)), Sample(make(2, 3, 2), make(2, 3, 4))])


def _linear_weight(g, x, weight_shape):
    if len(weight_shape) == 1:
        return (x * g.unsqueeze(-1)).reshape(-1, x.shape[-1]).sum(0)
    return linear_weight(g, x)


linear.vjp(
    x=lambda g, weight: matmul(g, weight) if weight.ndim == 2 else g.unsqueeze(-1) * weight,
    weight=_linear_weight,
    bias=lambda g, bias_shape: g.sum(tuple(range(g.ndim - len(bias_shape)))) if g.ndim > len(bias_shape) else g,
)
linear.sample(
    lambda make: [
        Sample(make(3, 4), make(2, 4), make(2)),
        Sample(make(2, 3, 4), make(5, 4), make(5)),
        Sample(make(3, 4), make(2, 4), None),
        Sample(make(4), make(2, 4), make(2)),
    ]
)


@linear.explained_by
def _linear_sizes(x, weight, bias):
    given, wanted = x._array.shape, weight._array.shape
    if not given or given[-1] != wanted[-1]:
        raise ShapeError(
            f"linear: the input has sizes {tuple(given)}, but the weight {tuple(wanted)} takes a last dimension of "
            f"{wanted[-1]}; reshape the input (.flatten(1)?), or make the layer with in_features={(given or (0,))[-1]}"
        )
    if bias is not None and tuple(bias._array.shape) not in ((wanted[0],), ()):
        raise ShapeError(f"linear: the bias has sizes {tuple(bias.shape)}, but the weight gives {wanted[0]} features")


@op(promote="match")
def outer(xp, x, y):
    """Return the products of each element of ``x`` with each of ``y``."""
    return x[:, None] * y[None, :]


outer.vjp(x=lambda g, y: matmul(g, y), y=lambda g, x: matmul(x, g))
outer.sample(lambda make: [Sample(make(3), make(4))])


def expect_matrices(name: str, x, y, ndim: int) -> None:
    """Raise unless both have ``ndim`` dimensions; for the calls that, unlike matmul, take only these."""
    for tensor in (x, y):
        if tensor.ndim != ndim:
            raise ShapeError(f"{name}: takes tensors of {ndim} dimensions, got sizes {tuple(tensor.shape)}")
