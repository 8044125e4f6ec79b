"""Indices of each sample's own inside vmap, beside torch.func: reading, writing, and gradients taken around it."""

import numpy as np
import pytest

pytestmark = pytest.mark.parity

_draw = np.random.default_rng(0)
X, Y, W = _draw.normal(size=(5, 4)), _draw.normal(size=(5, 3, 4)), _draw.normal(size=(3, 4))
VALUES, ROWS = _draw.normal(size=(5, 2)), _draw.normal(size=(5, 2, 4))
PLACES = _draw.integers(0, 3, size=(5, 2))  # some name one place twice
APART = np.array([_draw.permutation(3)[:2] for _ in range(5)])
MASK = X > 0


def written(x, index, value):
    x = x.clone()
    x[index] = value
    return x


def after(x, write):
    x = x.clone()
    write(x)
    return x


#: name: the function of one sample, and what it is called with, the batch in front of each.
PROGRAMS = {
    "take": (lambda lib, y, i: y.take(i - 5), Y, PLACES),
    "take of what is shared": (lambda lib, i: lib.tensor(W).take(i), PLACES),
    "put": (lambda lib, x, i, v: x.put(i, v), X, APART, VALUES),
    "put in rows": (lambda lib, y, i, v: y.put(i + 4, v), Y, APART, VALUES),
    "put_": (lambda lib, x, i, v: x.clone().put_(i, v), X, APART, VALUES),
    "put, added": (lambda lib, x, i, v: x.put(i, v, accumulate=True), X, PLACES, VALUES),
    "put_, added": (lambda lib, x, i, v: x.clone().put_(i - 3, v, accumulate=True), X, PLACES, VALUES),
    "index_add": (lambda lib, y, i, r: y.index_add(0, i, r, alpha=2), Y, PLACES, ROWS),
    "index_add_": (lambda lib, y, i, r: y.clone().index_add_(0, i, r), Y, PLACES, ROWS),
    "index_copy": (lambda lib, y, i, r: y.index_copy(0, i, r), Y, APART, ROWS),
    "index_copy_": (lambda lib, y, i, r: y.clone().index_copy_(0, i, r), Y, APART, ROWS),
    "index_copy into what is shared": (lambda lib, i, r: lib.tensor(W).index_copy(0, i, r), APART, ROWS),
    "index_fill": (lambda lib, y, i: y.index_fill(0, i, 3.0), Y, PLACES),
    "index_fill_": (lambda lib, y, i: y.clone().index_fill_(0, i, 3.0), Y, PLACES),
    "index_put": (lambda lib, y, i, r: y.index_put((i,), r), Y, APART, ROWS),
    "index_put_, added": (lambda lib, y, i, v: y.clone().index_put_((i, i), v, accumulate=True), Y, PLACES, VALUES),
    "x[:, i] = v": (lambda lib, y, i, v: written(y, (slice(None), i), v[0]), Y, APART, VALUES),
    "x[i, 0] = v": (lambda lib, y, i, v: written(y, (i, 0), v), Y, APART, VALUES),
    "x[i] = 7": (lambda lib, x, i: written(x, i[0], 7.0), X, PLACES),
    "indices that are shared": (lambda lib, y, v: written(y, lib.tensor(APART[0]), v[0]), Y, VALUES),
    "x[i] of no samples": (lambda lib, x, i: x[i], X[:0], PLACES[:0]),
    "gather of no samples": (lambda lib, x, i: x.gather(0, i), X[:0], PLACES[:0]),
    "vmap twice": (lambda lib, y, i: lib.func.vmap(lambda r, j: r[j])(y[:2], i), Y, PLACES),
    "vmap twice, written": (lambda lib, y, i: lib.func.vmap(lambda r, j: written(r, j, 1.0))(y[:2], i), Y, PLACES),
    "scatter_": (lambda lib, x, i, v: x.clone().scatter_(0, i, v), X, APART, VALUES),
    "scatter_add_": (lambda lib, x, i, v: x.clone().scatter_add_(0, i, v), X, PLACES, VALUES),
    "scatter_reduce": (lambda lib, x, i, v: x.scatter_reduce(0, i, v, "amax"), X, PLACES, VALUES),
    "scatter_reduce_": (lambda lib, x, i, v: (x * 1).scatter_reduce_(0, i, v, "prod"), X, PLACES, VALUES),
    "masked_fill_": (lambda lib, x, m: x.clone().masked_fill_(m, 2.0), X, MASK),
    "masked_fill_ with a tensor": (lambda lib, x, m: x.clone().masked_fill_(m, x.sum()), X, MASK),
    "mul_ by what is mapped over": (lambda lib, x, v: (x * 1).mul_(v.sum()), X, VALUES),
    "a diagonal written to": (lambda lib, y: after(y, lambda z: z.diagonal(1).mul_(3)), Y),
    "strides written to": (lambda lib, y: after(y, lambda z: z.as_strided((2, 2), (4, 1), 1).fill_(0)), Y),
    "a piece written to": (lambda lib, y: after(y, lambda z: z[2:].zero_()), Y),
    "unfold": (lambda lib, y: y.unfold(-1, 2, 1), Y),
    "arranged": (lambda lib, y: y.t().contiguous(), Y),
    "out of range": (lambda lib, x, i: x[i + 3], X, PLACES),
    "gather, out of range": (lambda lib, x, i: x.gather(0, i + 9), X, PLACES),
    "index_select, out of range": (lambda lib, x, i: x.index_select(0, i + 9), X, PLACES),
    "index_add, out of range": (lambda lib, x, i, v: x.index_add(0, i + 9, v), X, PLACES, VALUES),
    "too many": (lambda lib, x, i: x[i, i], X, PLACES),
    "another dtype": (lambda lib, x, i: written(x, i, lib.ones(2, dtype=lib.int64)), X, PLACES),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_vmapped(name, compare):
    call, *arrays = PROGRAMS[name]
    compare(lambda lib, *tensors: lib.func.vmap(lambda *given: call(lib, *given))(*tensors), *arrays)


#: Where one sample's own gradient is taken inside.
GRADIENTS = {
    "x[i]": (lambda lib, x, i, v: (x[i] * v).sum(), X, PLACES, VALUES),
    "x[i] = v": (lambda lib, x, i, v: (written(x * 1, i, v) ** 2).sum(), X, APART, VALUES),
    "x[i] = v, of v": (lambda lib, v, i, x: (written(x * 1, i, v) ** 2).sum(), VALUES, APART, X),
    "index_add_": (lambda lib, r, i, y: ((y * 1).index_add_(0, i, r) ** 2).sum(), ROWS, PLACES, Y),
    "diagonal": (lambda lib, y: (after(y * 1, lambda z: z.diagonal(1).mul_(3)) ** 2).sum(), Y),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_inside(name, compare):
    call, *arrays = GRADIENTS[name]
    compare(
        lambda lib, *tensors: lib.func.vmap(lib.func.grad(lambda *given: call(lib, *given)))(*tensors),
        *arrays, gradients=False,
    )  # fmt: skip
