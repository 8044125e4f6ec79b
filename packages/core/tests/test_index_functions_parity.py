"""The functions that take an index tensor or a mask: results, gradients and errors are PyTorch's."""

import numpy as np
import pytest

import dovetail
from dovetail.testing import gradcheck

pytestmark = pytest.mark.parity

READING = """
m.gather(0, T([[-1]])) | m.gather(0, T([[2]])) | m.gather(0, T([[0]], dtype=lib.int32)) | m.gather(0, T([[0.0]]))
m.gather(0, T([0])) | m.gather(1, T([[0], [0], [0]])) | m.gather(0, T([[0], [0], [0]])) | m.gather(2, T([[0]]))
T(5.0).gather(0, T(0)) | T(5.0).gather(0, T([0, 0])) | T(5.0).gather(0, T([1])) | m.gather(0, E)
m.gather(0, lib.zeros(0, 5, dtype=L)) | m[0].gather(0, T(1)) | lib.zeros(0, 3).gather(0, lib.zeros(0, 3, dtype=L))
lib.zeros(0, 3).gather(0, T([[0]])) | m.gather(1, T([[0, 2, 2]])) | m.index_select(0, T([-1]))
m.index_select(0, T([5])) | m.index_select(0, T([0], dtype=lib.int32)) | m.index_select(0, T([0.0]))
m.index_select(0, T(1)) | m.index_select(0, T([[0]])) | m.index_select(3, T([0])) | T(5.0).index_select(0, T([0]))
T(5.0).index_select(0, T([1])) | T(5.0).index_select(0, T(0)) | m.index_select(0, E)
T(5.0).index_select(0, T([0, 0])) | m.index_select(0, T([0], dtype=lib.uint8)) | m.index_select(-1, T([2, 2, 0]))
m.take(T([0, -1])) | m.take(T([6])) | m.take(T([-7])) | m.take(T([[0, 1]])) | m.take(T(3)) | m.take(T([0.0]))
m.take(E) | m.take(T([0], dtype=lib.int32)) | lib.zeros(0).take(T([0])) | lib.zeros(0).take(E)
m.T.take(T([1, 1, 4])) | m.take_along_dim(T([[0]]), 0) | m.take_along_dim(T([[0, 1, 2]]), 1)
m.take_along_dim(T([[-1]]), 0) | m.take_along_dim(T([0]), 0) | m.take_along_dim(T([0, 3]))
m.take_along_dim(T([[0, 3], [0, 9]])) | m.take_along_dim(T([[0]], dtype=lib.int32), 0)
m.take_along_dim(T([[0.0]]), 0) | T(5.0).take_along_dim(T(0), 0) | m.masked_select(m > 2)
m.masked_select(T([True, False, True])) | m.masked_select(T(True)) | m[0].masked_select(m > 2)
m.masked_select(T([True, False])) | m.masked_select(T([1, 0, 1], dtype=lib.uint8)) | m.masked_select(T([1, 0, 1]))
T(5.0).masked_select(T(True)) | T(5.0).masked_select(T(False)) | m.narrow_copy(0, 1, 1) | m.narrow_copy(1, 1, 5)
m.nonzero() | T(5.0).nonzero() | T(0.0).nonzero() | T(5.0).nonzero(as_tuple=True) | T(0.0).nonzero(as_tuple=True)
lib.zeros(0, 3).nonzero() | lib.zeros(2, 0, 3).nonzero(as_tuple=True) | T([float("nan"), 0.0]).nonzero()
m.argwhere() | T(5.0).argwhere() | lib.argwhere(i) | m.nonzero(True) | lib.nonzero(m, as_tuple=True)
lib.isin(m, T([1.0, 2.0])) | lib.isin(m, 2) | lib.isin(2, m) | lib.isin(i, T([1.0, 2.5])) | lib.isin(2, 2)
lib.isin(m, T([1.0, 2.0]), invert=True) | lib.isin(m, m, assume_unique=True) | lib.isin(m, T([]))
lib.isin(m > 2, m > 2) | lib.isin(T([float("nan")]), T([float("nan")])) | lib.searchsorted(S, V)
lib.searchsorted(S, V, right=True) | lib.searchsorted(S, V, side="right")
lib.searchsorted(S, V, side="left", right=True) | lib.searchsorted(S, V, side="foo") | lib.searchsorted(S, 2)
lib.searchsorted(S, T(2.0)) | lib.searchsorted(S, T([2.0]), out_int32=True) | lib.searchsorted(i[0], 2.5)
lib.searchsorted(T([[1.0, 3.0], [5.0, 6.0]]), T([[2.0], [5.5]]))
lib.searchsorted(T([[1.0, 3.0], [5.0, 6.0]]), T([2.0])) | lib.searchsorted(T([[1.0, 3.0], [5.0, 6.0]]), T([[2.0]]))
lib.searchsorted(T([[1.0, 3.0], [5.0, 6.0]]), 2.0) | lib.searchsorted(S, T([[2.0], [float("nan")]]))
lib.searchsorted(T([5.0, 1.0, 3.0]), V, sorter=T([1, 2, 0]))
lib.searchsorted(T([5.0, 1.0, 3.0]), V, sorter=T([1, 2])) | lib.searchsorted(S, V, sorter=T([1, 2, 7]))
lib.searchsorted(T(3.0), V) | lib.bucketize(V, S) | lib.bucketize(V, S, right=True) | lib.bucketize(2.0, S)
lib.bucketize(2.0, T([[1.0, 3.0]])) | lib.bucketize(i, S, out_int32=True) | lib.searchsorted(S, T([]))
lib.where(m > 2, m, i) | lib.where(m > 2, 1, 2) | lib.where(m > 2, 1.0, 2) | lib.where(m > 2, m, 2)
lib.where(m > 2, i, 2.5) | lib.where(m > 2, i, T(2.5)) | lib.where(m > 2, i, T(2.5, dtype=lib.float64))
lib.where(m > 2, True, 2) | lib.where(T([1, 0, 1]), 1, 2) | lib.where(m > 2, m) | lib.where(m > 2)
lib.where(True, m, m) | lib.where(m > 2, m, T([1.0, 2.0])) | lib.where(T(5.0)) | lib.where(T(0.0)) | m.where(m > 2, 0)
m.where(m > 2, i) | lib.where(m > 2, input=m, other=i)
lib.where(m > 2, T(1, dtype=lib.int8), T([2], dtype=lib.uint8)) | i.where(m > 2, m)
lib.where(m > 2, T(1, dtype=lib.float16), 3.5) | lib.where(m[0] > 1, m, m * 3) | lib.where(m[:, :1] > 1, m[0], 2.0)
"""

WRITING = """
scatter(0, T([[-1]]), 1.0) | scatter(0, T([[2]]), 1.0) | scatter(0, T([[0]]), T([[1]]))
scatter(0, T([[0]]), F([1.0])) | scatter(0, T([[0], [1]]), F([[1.0]])) | scatter(0, T([[0]]), value=3)
scatter(0, T([[0, 1]]), F([[5.0, 6.0]])) | scatter(0, T([[0]]), F(3.0)) | scatter(0, T([[0, 1]]), 2, reduce="foo")
scatter(0, T([0]), 1.0) | scatter(1, T([[0], [0], [0]]), 1.0) | scatter(0, E, 1.0)
scatter(1, T([[2, 0], [1, 1]]), m[:, 1:] * 2) | scatter(-1, T([[2, 0], [1, 1]]), 4.0) | scatter(0, T([[0.0]]), 1.0)
scatter(0, T([[0]], dtype=lib.int32), 1.0) | scatter(0, T([[0, 1, 1]]), m[1:] * m[:1]) | scatter(5, T([[0]]), 1.0)
scatter_add(0, T([[0]]), T([[1]])) | scatter_add(0, T([[0]]), 1.0) | scatter_add(0, T([[5]]), F([[1.0]]))
scatter_add(1, T([[0, 0, 1], [2, 2, 2]]), m * 3) | scatter_add(0, T([[0, 1], [0, 0], [1, 1]]), m)
scatter_add(0, T([[0, 1]]), m[:1, 1:]) | index_add(0, T([0, 0]), m) | index_add(0, T([0, 5]), m)
index_add(0, T([0, -1]), m) | index_add(0, T([0]), m) | index_add(0, T(0), m[:1]) | index_add(0, T(0), m[0])
index_add(0, T([0]), m[0]) | index_add(0, T([[0, 1]]), m) | index_add(0, T([0, 1], dtype=lib.int32), m)
index_add(0, T([0.0, 1]), m) | index_add(0, T([0, 1]), i) | index_add(0, T([0, 1]), m[:, :2])
index_add(1, T([0, 1, 1]), m * 2, alpha=2) | index_add(0, E, m[:0]) | index_copy(0, T([1]), m[:1])
index_copy(0, T([5]), m[:1]) | index_copy(0, T([-1]), m[:1]) | index_copy(0, T([1]), m)
index_copy(0, T([1], dtype=lib.int32), m[:1]) | index_copy(0, T([1]), i[:1]) | index_copy(0, T([1]), m[0])
index_copy(0, T(1), m[0]) | index_copy(0, T([0, 1]), F(7.0)) | index_copy(0, T([0]), F(7.0))
index_copy(0, T([1]), m[:1, :2]) | index_copy(1, T([2, 0]), m[:, 1:] * 2) | index_fill(0, T([1]), 3)
index_fill(0, T([-1]), 3) | index_fill(0, T([2]), 3) | index_fill(0, T([-3]), 3)
index_fill(0, T([1], dtype=lib.int32), 3) | index_fill(0, T([[1]]), 3) | index_fill(0, T(1), F(3))
index_fill(0, T([1]), F([3.0])) | index_fill(0, T([1]), 1j) | index_fill(1, T([0, 0]), m[0, 1]) | index_fill(0, E, 2)
index_put((T([0]), T([1])), F(5.0)) | index_put((T([0]), T([1])), T(5)) | index_put([T([0])], F([5.0, 6.0, 7.0]))
index_put((T([0, 0]), T([1, 1])), F([5.0, 6.0]), accumulate=True) | index_put((m > 2,), F(9.0))
index_put((T([5]),), F(9.0)) | index_put((), F(9.0)) | index_put((T([0]), T([0]), T([0])), F(9.0))
index_put((T(1),), F(9.0)) | index_put((1,), F(9.0)) | index_put((T([0]),), 5.0) | index_put((T([0]),), F([5.0, 6.0]))
index_put((T([0.0]),), F(5.0)) | index_put((m > 2,), F([9.0, 8.0, 7.0]), accumulate=True)
index_put((T([0, 0]),), m * 2, accumulate=True) | index_put((T([1, 0]),), m * 2)
index_put((T([-1]), T([True, False, True])), m[0, :2]) | index_put((T([0, 1]),), m[0, :1], True)
put(T([0, 0]), F([5.0, 6.0]), accumulate=True) | put(T([[0, 1]]), F([5.0, 6.0])) | put(T([0, 1]), F([5.0]))
put(T([0]), T([5])) | put(T([0]), 5.0) | put(T([9]), F([5.0])) | put(T([0], dtype=lib.int32), F([5.0]))
put(T([0, -1]), m[0, :2]) | put(E, F([])) | masked_fill(m > 2, 1) | masked_fill(m > 2, T(1))
masked_fill(m > 2, F([1.0])) | masked_fill(m > 2, 1j) | masked_fill(m > 2, m[0, 1])
masked_fill(T([1, 0, 1], dtype=lib.uint8), 1) | masked_fill(T([1, 0, 1]), 1) | masked_fill(m > 2, "a")
masked_fill(T([True, False, True]), 2.5) | masked_fill(T(True), float("inf")) | masked_fill(m[:, :1] > 1, 0)
masked_scatter(m > 2, F([7.0, 8.0, 9.0, 10.0])) | masked_scatter(m > 2, F([7.0, 8.0]))
masked_scatter(m > 2, T([7, 8, 9])) | masked_scatter(T([True, False, True]), m * 2) | masked_scatter(T([1, 0, 1]), m)
masked_scatter(m > 2, 5.0) | masked_scatter(m > 2, m[0]) | masked_scatter(T(True), m * 3)
masked_scatter(T(False), m)
"""

ONLY_NEW = """
select_scatter(m[0, :2], 1, 0) | select_scatter(T([7, 8]), 1, 0) | select_scatter(F([7.0]), 1, 0)
select_scatter(F(7.0), 1, 0) | select_scatter(F([7.0, 8.0]), 1, 5) | select_scatter(F([7.0, 8.0]), 1, -1)
slice_scatter(F([[7.0], [8.0]]), 1, 0, 1) | slice_scatter(F([[7.0, 7.0, 7.0]]), 0, 1)
slice_scatter(F([[7.0, 7.0, 7.0]]), 0, 0, 2) | slice_scatter(m[:, :2], 1, 0, 3, 2)
slice_scatter(m[:, :2], dim=1, start=0, end=9, step=2) | slice_scatter(m, dim=1, step=0)
slice_scatter(m[:, :2], 1, -2) | diagonal_scatter(m[0, :2]) | diagonal_scatter(F([7.0, 8.0]), 1)
diagonal_scatter(F([7.0]), -1) | diagonal_scatter(F([7.0]), 0) | diagonal_scatter(T([7, 8]))
diagonal_scatter(m[0, :2], 0, 1, 0) | diagonal_scatter(m[0, :2], 0, -1, -2)
scatter_reduce(0, T([[0, 1, 0]]), m[:1], "sum") | scatter_reduce(0, T([[0, 1, 0]]), m[:1], "foo")
scatter_reduce(0, T([[0, 1, 0]]), i[:1], "mean") | scatter_reduce(0, T([[0, 5, 0]]), m, "prod")
index_reduce(0, T([0, 0]), m, "prod") | index_reduce(0, T([0, 0]), m * 2, "mean")
index_reduce(0, T([0, 0]), m, "sum") | index_reduce(0, T([1, 1]), m - 8, "amax", include_self=False)
index_reduce(0, T([0, 5]), m, "prod") | index_reduce(0, T([0]), m, "prod") | index_reduce(0, T([0, 0]), i, "prod")
index_reduce(1, T([2, 0, 0]), m, "amin")
"""

UNDIFFERENTIATED = """
scatter(0, T([[0]]), 3, reduce="add") | scatter(0, T([[0, 1]]), 2.5, reduce="multiply") | scatter_add(0, E, m)
scatter(1, T([[2, 0]]), m) | scatter_add(0, T([[0, 1]]), m) | scatter_reduce(0, T([[0, 1]]), m, 'prod')
scatter_reduce(0, T([[0, 1]]), m, 'amax', include_self=False)
"""

OF_ANY_DTYPE = """
x.scatter(0, T([0]), 1.5) | x.scatter(0, T([0]), 300) | x.scatter(0, T([0]), -1) | x.index_fill(0, T([0]), 3.7)
x.masked_fill(x == 0, 2.5) | x.masked_fill(x == 0, float('nan')) | x.masked_fill(x == 0, 1e300) | put(0.5) | put(-1)
put(300) | put(2**40) | put(float('inf')) | put(True) | put(1j) | put(2 + 0j) | put(-300) | put(70000)
x.scatter_add(0, T([0, 0]), x[:2]) | x.index_add(0, T([0, 0]), x[:2]) | x.index_put((T([0, 0]),), x[:2], True)
x.scatter_reduce(0, T([0, 0]), x[1:], 'amax') | x.scatter_reduce(0, T([0, 0]), x[1:], 'mean')
x.scatter_reduce(0, T([0, 0]), x[1:], 'prod') | x.index_add(0, T([0, 0]), x[1:], alpha=1.5) | x[x > 0] | x[T([0])]
x.nonzero() | x.take(T([2, 0])) | put(T([2.5, 1.5])) | put(T(2.5)) | x.index_fill(0, T([0]), T(2.5))
"""

TWICE = """
x.gather(1, T([[0, 0, 2], [1, 2, 2]])) | x.scatter(1, T([[2, 0]]), y) | x.scatter_add(1, T([[2, 2, 0]]), y)
x.index_select(1, T([0, 0])) | x.index_add(0, T([1, 1]), y) | x.index_copy(0, T([1, 0]), y)
x.masked_fill(x > 2, y[0, 0]) | x.masked_scatter(x > 2, y) | x.take(T([0, 0, 4])) | x.put(T([3, 1]), y[0, :2])
x.index_put((T([0, 0]), T([1, 2])), y[0, 0]) | x.index_put((T([0, 0]),), y, True) | x.select_scatter(y[1], 0, 0)
x.diagonal_scatter(y[0, :2]) | lib.where(x > 2, x, y) | x.masked_select(y > 3) | x.take_along_dim(T([[0], [1]]), 1)
"""


def calls(text):
    return [call.strip() for line in text.strip().splitlines() for call in line.split(" | ")]


def names(lib, m):
    def floats(values):
        return lib.tensor(values, dtype=m.dtype)

    return {
        "lib": lib, "m": m, "i": lib.arange(6).reshape(2, 3), "T": lib.tensor, "F": floats, "L": lib.int64,
        "E": lib.zeros(0, dtype=lib.int64), "S": floats([1.0, 3.0, 5.0]), "V": floats([0.0, 1.0, 2.0, 6.0]),
    }  # fmt: skip


def numbers():
    return np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("call", calls(READING))
def test_reading(compare, call):
    compare(lambda lib, x: eval(call, names(lib, x)), numbers())


@pytest.mark.parametrize("call", calls(WRITING) + calls(ONLY_NEW))
def test_new_tensors(compare, call):
    compare(lambda lib, x: eval(f"(m * 2).{call}", names(lib, x)), numbers())


@pytest.mark.parametrize("call", calls(WRITING))
@pytest.mark.parametrize("recorded", [True, False])
def test_in_place(compare, call, recorded):
    name, rest = call.split("(", 1)

    def run(lib, x):
        values = names(lib, x)
        y = x * 2
        seen = y[:, 1]
        out = eval(f"y.{name}_({rest}", {**values, "y": y})
        return [out + 0, y * 3, seen * 5, y._version]

    compare(run, numbers(), gradients=recorded)


@pytest.mark.parametrize("call", calls(UNDIFFERENTIATED))
def test_what_pytorch_does_not_differentiate(compare, call):
    compare(lambda lib, x: eval(f"m.{call}", names(lib, x)), numbers(), gradients=False)
    x = dovetail.tensor(numbers() + 0.5)
    assert gradcheck(lambda m: eval(f"m.{call}", {**names(dovetail, m), "m": m}), (x.requires_grad_(),))


KINDS = ["bool", "uint8", "int8", "int64", "float16", "bfloat16", "float32"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", calls(OF_ANY_DTYPE))
def test_dtypes(compare, call, kind):
    def run(lib, x):
        x = x.to(getattr(lib, kind))

        def put(value):
            results = []
            for index in (0, slice(0, 2), lib.tensor([0, 2]), x == 0):
                y = x.clone()
                try:
                    y[index] = value
                    results.append(y)
                except (RuntimeError, ValueError):
                    results.append("error")
            return results

        return eval(call, {"x": x, "T": lib.tensor, "put": put})

    compare(run, np.array([0, 1, 3]), gradients=False)


def second_order(lib, out, leaves):
    first = lib.autograd.grad((out**3).sum(), leaves, create_graph=True)
    return [*first, *lib.autograd.grad(sum((g**2).sum() for g in first), leaves)]


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("zeros", [False, True])
def test_reductions(compare, reduce, include_self, zeros):
    def run(lib, x, src):
        index = lib.tensor([[0, 1, 0, 0], [1, 1, 3, 0]])
        out = x.scatter_reduce(1, index, src, reduce, include_self=include_self)
        y = x * 1
        y.scatter_reduce_(1, index, src, reduce, include_self=include_self)
        second = [] if zeros else second_order(lib, out, [x, src])
        return [out, y, *second]

    source = np.array([[1.0, 3.0, 3.0, -2.0], [0.5, 4.0, 1.5, 2.5]])
    target = np.array([[1.0, 2.0, 3.0, 7.0], [3.0, 4.0, -1.0, 2.0]])
    if zeros:
        source[0, 0] = source[1, 1] = target[0, 1] = 0.0
    compare(run, target, source)


@pytest.mark.parametrize("call", calls(TWICE))
def test_second_derivatives(compare, call):
    def run(lib, x, y):
        out = eval(call, {"lib": lib, "x": x, "y": y, "T": lib.tensor})
        return second_order(lib, out + (y * 0).sum() + (x * 0).sum(), [x, y])

    compare(run, numbers() + 0.5, numbers() * 2 + 1)


@pytest.mark.parametrize("layout", ["plain", "permuted"])
def test_wide_rows_and_many_places(compare, layout):
    """Beyond some sizes the kernels go another way."""

    def run(lib, x, src):
        places = (lib.arange(90 * 60).reshape(90, 60) * 7) % 70
        rows = lib.tensor([3, 3, -1, 0, 3])
        picked = x[rows] * 2
        added = x.index_add(0, lib.tensor([1, 1, 0]), x[:3]) + x.scatter_add(0, places, src)
        written = x.scatter(0, lib.arange(70 * 60).reshape(70, 60) % 70, src[:70, :60])
        return [picked, added, written, src.gather(0, places), x.scatter_reduce(0, places, src, "amin")]

    random = np.random.default_rng(0)
    compare(run, random.uniform(-1, 1, (70, 150)), random.uniform(-1, 1, (90, 60)), layout=layout)
