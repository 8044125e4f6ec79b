"""Reading and writing by index: against PyTorch, and the errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail import errors

BASIC = [
    0, -1, slice(None), slice(1, None), slice(None, None, 2), slice(-2, None), slice(1, 1), None, ..., (0, 1),
    (0, 1, 2), (slice(None), 1), (..., 1), (..., None), (None, ..., None), (1, ..., slice(0, 3, 2)), (0, None, 1),
    (slice(None), None, slice(1, 3)), (), (0, 1, 2, ...), (slice(5, 9),), (slice(0, 100), 0),
]  # fmt: skip
ADVANCED = [
    [0, 1], ([0, 1], [2, 0]), (slice(None), [0, 2]), ([1], slice(None), [0, 3]),
    (..., [0, 0, 1]), ([0, 1], None, [1, 2]), (0, [1, 2]), ([1, 0, -1], 0), (None, [1]), [True, False],
    (slice(None), [True, False, True]), (0, [True, False, True], 1), ([[0], [1]], [0, 2]), [], (slice(0, 1), [2, 2, 2]),
    np.array([1, 0]), np.array([[True, False, True], [False, False, True]]), True, False,
]  # fmt: skip
WRONG = [2, -3, (0, 3), (0, 0, 0, 0), "a", 1.5, [5], ([0, 1], [0, 1, 2]), [True, False, True], (0, "b")]


def numbers(*shape):
    return np.arange(float(np.prod(shape))).reshape(shape)


def identifier(index):
    return str(index).replace("\n", "").replace("slice", "")


def in_library(lib, index):
    """Return an index with its arrays as tensors of a library."""
    if isinstance(index, tuple):
        return tuple(in_library(lib, part) for part in index)
    return lib.tensor(index) if isinstance(index, (list, np.ndarray)) and np.size(index) else index


@pytest.mark.parity
@pytest.mark.parametrize("index", BASIC + ADVANCED + WRONG, ids=identifier)
@pytest.mark.parametrize("layout", ["plain", "strided", "permuted"])
def test_reading(compare, index, layout):
    compare(lambda lib, x: x[index], numbers(2, 3, 4), layout=layout)
    compare(lambda lib, x: x[in_library(lib, index)], numbers(2, 3, 4), layout=layout)


@pytest.mark.parity
@pytest.mark.parametrize("index", BASIC + ADVANCED + WRONG, ids=identifier)
@pytest.mark.parametrize("layout", ["plain", "strided"])
def test_writing(compare, index, layout):
    def write(value):
        def call(lib, x, *rest):
            x = x * 1
            x[in_library(lib, index)] = rest[0] if rest else value
            return x * 2

        return call

    compare(write(7), numbers(2, 3, 4), layout=layout)
    compare(write(-1.5), numbers(2, 3, 4), layout=layout)
    compare(write(None), numbers(2, 3, 4), np.array(5.0), layout=layout)
    repeated = isinstance(index, tuple) and any(part == [2, 2, 2] or part == [0, 0, 1] for part in index)
    shape = np.zeros((2, 3, 4))[index].shape if not _is_wrong(index) and not repeated else ()
    compare(write(None), numbers(2, 3, 4), numbers(*shape) + 0.5, layout=layout)


def _is_wrong(index):
    return any(index is wrong for wrong in WRONG)


@pytest.mark.parity
@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: x[x > 4],
        lambda lib, x: x[x[:, 0] > 3],
        lambda lib, x: x[lib.tensor(1)],
        lambda lib, x: x[lib.tensor(True)],
        lambda lib, x: x[lib.arange(2), lib.arange(2)],
        lambda lib, x: x[lib.tensor([1.0])],
        lambda lib, x: x[range(2)],
        lambda lib, x: x[np.int64(1)],
        lambda lib, x: x[x > 100],
        lambda lib, x: x.gather(1, lib.tensor([[0, 0], [2, 1]])),
        lambda lib, x: lib.gather(x, 0, lib.tensor([[1, 0, 1]])),
        lambda lib, x: x.gather(-1, lib.zeros(2, 0, dtype=lib.int64)),
        lambda lib, x: x.gather(1, lib.tensor([[3]])),
        lambda lib, x: x.gather(1, lib.tensor([0])),
        lambda lib, x: x.gather(2, lib.tensor([[0]])),
        lambda lib, x: x.gather(1, lib.tensor([[0.0]])),
        lambda lib, x: x.index_select(1, lib.tensor([2, 0, 2])),
        lambda lib, x: x.index_select(0, lib.tensor([2])),
        lambda lib, x: x.index_select(0, lib.tensor([[0]])),
        lambda lib, x: x.scatter_add(1, lib.tensor([[0, 0], [2, 1]]), x[:, :2]),
        lambda lib, x: x.scatter_add(0, lib.tensor([[1, 0, 1]]), x[:1] * 2),
        lambda lib, x: x.scatter_add(0, lib.tensor([[5, 0, 1]]), x * 2),
        lambda lib, x: x.scatter(1, lib.tensor([[0], [2]]), 9.0),
        lambda lib, x: x.scatter(1, lib.tensor([[0], [2]]), x[:, :1] * 3),
        lambda lib, x: x.take_along_dim(lib.tensor([[0], [2]]), 1),
        lambda lib, x: x.masked_select(x > 2),
        lambda lib, x: x.index_add(0, lib.tensor([1, 1]), x),
        lambda lib, x: x.masked_fill(x > 2, lib.tensor(4.0, dtype=lib.float64)),
        lambda lib, x: x.masked_fill(lib.tensor([True, False, True]), 0),
        lambda lib, x: (x * 1).masked_fill_(x > 2, 0),
        lambda lib, x: (x * 1).scatter_add_(1, lib.tensor([[0, 0], [2, 1]]), x[:, 1:]),
        lambda lib, x: x.masked_fill(x > 2, lib.ones(2)),
        lambda lib, x: (x * 1).scatter_(1, lib.tensor([[0], [2]]), 1),
        lambda lib, x: x.scatter(1, lib.tensor([0]), 1.0),
        lambda lib, x: x.scatter(1, lib.tensor([[3]]), 1.0),
        lambda lib, x: x.scatter(1, lib.tensor([[1]]), x.float()),
        lambda lib, x: x.index_add(1, lib.tensor([1]), x[:, :1], alpha=2),
        lambda lib, x: x[0].masked_select(x > 2),
        lambda lib, x: x.take_along_dim(lib.tensor([5, 0])),
    ],
)
def test_more_indexing(compare, call):
    compare(call, numbers(2, 3))


@pytest.mark.parity
def test_repeated_indices_add_their_gradients(compare):
    compare(lambda lib, x: x[[0, 0, 1]] * x[[1, 1, 1]], numbers(2, 3))
    compare(lambda lib, x: x.index_select(0, lib.tensor([0, 0])).prod(), numbers(2, 3) + 1)


@pytest.mark.parity
def test_second_derivatives_of_indexing(compare):
    def call(lib, x):
        y = (x[[0, 1, 1]] ** 3).sum() + (x[:, 1] ** 3).sum() + (x.gather(0, lib.tensor([[1, 1, 0]])) ** 3).sum()
        (first,) = lib.autograd.grad(y, x, create_graph=True)
        return first * first

    compare(call, numbers(2, 3))


@pytest.mark.parity
def test_augmented_writes(compare):
    def call(lib, x):
        y = x * 1
        y[0] += 2
        y[:, 1] *= x[:, 0]
        y[y > 5] -= 1
        y[[0, 1], [2, 2]] /= 2
        return y

    compare(call, numbers(2, 3))


def test_values_are_converted_and_broadcast():
    x = dovetail.zeros(2, 3, dtype=dovetail.int64)
    x[0] = [1.9, 2.1, 3.0]
    x[1] = dovetail.tensor([5.5])
    assert x.tolist() == [[1, 2, 3], [5, 5, 5]]
    x[:, 0] = True
    assert x[:, 0].tolist() == [1, 1]


def test_errors_of_indices():
    x = dovetail.ones(2, 3)
    with pytest.raises(IndexError, match="tensors used as indices must be integers or booleans, got dovetail"):
        x[dovetail.ones(2)]
    with pytest.raises(IndexError, match=r"an index is made of integers, slices, None, \.\.\., masks and integer"):
        x["a"]
    with pytest.raises(IndexError, match="out of bounds"):
        x[2]
    with pytest.raises(errors.ShapeError, match="cannot be expanded"):
        x[0] = dovetail.ones(2)
    with pytest.raises(errors.ShapeError):
        x[[0, 1]] = dovetail.ones(5)


_PART = st.one_of(
    st.integers(-2, 1),
    st.slices(3).filter(lambda part: (part.step or 1) > 0),
    st.none(),
    st.just(...),
    st.lists(st.integers(-2, 1), min_size=1, max_size=2),
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(_PART, max_size=4), st.booleans())
def test_any_index_does_what_it_does_in_numpy(parts, write):
    if any(isinstance(part, list) for part in parts):  # an integer beside arrays is an array in NumPy alone
        parts = [part for part in parts if not isinstance(part, int)]
    if parts.count(...) > 1:  # an error in NumPy alone
        parts = [part for part in parts if part is not ...]
    index, array = tuple(parts), numbers(2, 2, 3)
    tensor = dovetail.tensor(array)
    try:
        expected = array[index]
    except IndexError:
        with pytest.raises(IndexError):
            tensor[index]
        return
    np.testing.assert_array_equal(tensor[index].numpy(), expected)
    assert (tensor[index]._base is tensor) == (not any(isinstance(part, list) for part in parts))
    if write:
        array[index] = -1.0
        tensor[index] = -1.0
        np.testing.assert_array_equal(tensor.numpy(), array)
