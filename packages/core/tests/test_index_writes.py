"""Writing by index: on backends without views, seen by modes, into views; and what each error says."""

import numpy as np
import pytest

import dovetail
from dovetail import errors, plugins


@pytest.fixture
def x():
    return dovetail.arange(6.0).reshape(2, 3)


class Immutable(dovetail.Backend):
    """NumPy arrays of which no slice is a view and none can be written to."""

    name = "immutable"
    capabilities = frozenset({"float64"})
    xp = np

    def owns(self, array):
        return type(array) is np.ndarray

    def prepare(self, kernel, arity):
        def prepared(*arrays, **options):
            result = np.array(kernel(np, *arrays, **options))
            result.flags.writeable = False
            return result

        return prepared


@pytest.fixture
def immutable():
    class Plugin:
        @plugins.hookimpl
        def dovetail_register_backends(self):
            return [Immutable()]

    plugins.register(Plugin(), "immutable")
    yield "immutable"
    plugins.unregister("immutable")


@pytest.mark.parametrize(
    "index", [0, (1, 2), slice(1, None), (..., 1), [1, 0], (0, [1, 1]), (slice(None), [0, 2]), True]
)
def test_backends_without_views_are_written_to(immutable, index):
    found = []
    for device in (immutable, "cpu"):
        x, factor = dovetail.zeros(2, 3, device=device), dovetail.tensor(2.0, requires_grad=True)
        x[index] = factor.to(device) * 3
        x.sum().backward()
        found.append((x.tolist(), factor.grad.item()))
    assert found[0] == found[1]
    assert found[0][1] >= 3


@pytest.mark.parametrize(
    "write",
    [
        lambda y, v: y.masked_fill_(y > 2, 1.0), lambda y, v: y.index_fill_(0, dovetail.tensor([1]), 4),
        lambda y, v: y.index_add_(0, dovetail.tensor([1, 1]), v),
        lambda y, v: y.scatter_(1, dovetail.tensor([[1], [0]]), v),
        lambda y, v: y.scatter_add_(0, dovetail.tensor([[1, 0, 1]]), v), lambda y, v: y.masked_scatter_(y > 2, v),
        lambda y, v: y.put_(dovetail.tensor([0, 0]), v[0, :2], accumulate=True),
        lambda y, v: y.scatter_reduce_(1, dovetail.tensor([[1, 1]]), v, "amax"),
    ],
)  # fmt: skip
def test_writers_do_what_the_reference_does(immutable, write):
    """On the immutable backend there is no writer, and each op runs by its reference kernel."""
    values = np.arange(6.0).reshape(2, 3)
    here, there = (dovetail.tensor(values, requires_grad=True) for _ in range(2))
    given = dovetail.tensor(values[::-1].copy())
    one = write(here * 1, given)
    with dovetail.device(immutable):  # where the index tensors are made
        other = write(there.to(immutable) * 1, given.to(immutable))
    np.testing.assert_array_equal(one.detach().numpy(), other.detach().cpu().numpy())
    (one * one).sum().backward()
    (other * other).sum().backward()
    np.testing.assert_array_equal(here.grad.numpy(), there.grad.numpy())


def test_modes_see_reads_and_writes(x):
    class Log(dovetail.Mode):
        def __init__(self):
            self.seen = []

        def __call__(self, op, args, kwargs):
            self.seen.append(op.definition.name)
            return op(*args, **kwargs)

    x[0], list(x)
    with Log() as log:
        x[0], x[:, 1], x[x > 2], x[[0, 1]]
        x[0] = 1.0
        x[x > 2] = 5.0
        list(x)
    assert log.seen == [
        "slice_view", "slice_view", "gt", "take", "take", "slice_view", "expand", "gt", "put",
        "slice_view", "slice_view",
    ]  # fmt: skip


def test_an_index_that_is_written_to_later_does_not_change_the_gradient():
    x = dovetail.ones(3, requires_grad=True)
    index, mask = dovetail.tensor([0, 1]), dovetail.tensor([True, False, False])
    y = x * 1
    out = x[index].sum() + x[mask].sum() * 10
    y[mask] = 0.0
    index.fill_(2)
    mask.fill_(True)
    (out + y.sum()).backward()
    assert x.grad.tolist() == [11, 2, 1]


def test_writing_counts_and_is_noticed():
    x = dovetail.ones(3, requires_grad=True)
    y = x * 2
    kept = y * y
    y[1] = 5.0
    with pytest.raises(errors.GradError, match="modified by an in-place operation"):
        kept.sum().backward()
    z = dovetail.zeros(3)
    z[0], z[1:], z[z == 0] = 1.0, z[1:], 2.0
    assert z._version == 3
    assert z.tolist() == [1.0, 2.0, 2.0]


def test_iterating_makes_views_with_one_node():
    x = dovetail.arange(6.0).reshape(3, 2).requires_grad_()
    first, _, third = x * 1
    assert first.grad_fn is third.grad_fn
    assert repr(first.grad_fn) == "<UnbindBackward0>"
    (first.sum() + (third * third).sum()).backward()
    assert x.grad.tolist() == [[1, 1], [0, 0], [8, 10]]
    y = dovetail.zeros(2, 2)
    for row in y:
        row[1] = 3.0
    assert y.tolist() == [[0, 3], [0, 3]]
    assert [part._base is y for part in y.unbind(1)] == [True, True]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda x: x[2], IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
        (lambda x: x[0, -4], IndexError, "index -4 is out of bounds for dimension 1 with size 3"),
        (lambda x: x[:, [0, 3]], IndexError, "index 3 is out of bounds for dimension 1 with size 3"),
        (lambda x: x[0, 0, 0], IndexError, r"too many indices for tensor of dimension 2 \(got 3\)"),
        (lambda x: x[[0, 1], [0, 1, 2]], IndexError, r"could not be broadcast together with shapes \[2\], \[3\]"),
        (lambda x: x[x[0] > 1], IndexError, r"the shape of the mask \[3\] at index 0 does not match the shape of the"),
        (lambda x: x[::-1], ValueError, "step must be greater than zero, got -1; use .flip"),
        (lambda x: x.__setitem__(0, "a"), TypeError, "set to a number, a tensor or an array, got str"),
        (
            lambda x: x.__setitem__([0], x.double()[:1]),
            errors.DTypeError,
            "value is dovetail.float64, the tensor written",
        ),
        (
            lambda x: x.__setitem__([0], x[:, :2]),
            errors.ShapeError,
            r"value tensor of shape \[2, 2\] cannot be broadcast",
        ),
        (
            lambda x: x.int().masked_fill(x > 2, 1e30),
            errors.DTypeError,
            "1e[+]30 cannot be converted to dovetail.int32",
        ),
        (lambda x: x.gather(0, dovetail.tensor([[2]])), IndexError, "gather: index 2 is out of bounds for dimension 0"),
        (lambda x: x.gather(0, dovetail.tensor([[-1]])), IndexError, "gather: index -1 is out of bounds"),
        (lambda x: x.gather(0, dovetail.ones(1, 1)), errors.DTypeError, "gather: index must be int64 or int32, got"),
        (
            lambda x: x.gather(1, dovetail.zeros(3, 1).long()),
            errors.ShapeError,
            r"index has sizes \(3, 1\), the tensor",
        ),
        (lambda x: x.gather(0, 1), TypeError, "gather: index must be a tensor of integers, got int"),
        (
            lambda x: x.scatter(0, dovetail.tensor([[0]]), 1, reduce="max"),
            errors.ShapeError,
            "either 'add' or 'multiply'",
        ),
        (
            lambda x: x.scatter_reduce(0, dovetail.tensor([[0]]), x, "max"),
            errors.ShapeError,
            "must be one of sum, prod",
        ),
        (lambda x: x.index_select(0, dovetail.tensor([2])), IndexError, "index_select: index 2 is out of bounds"),
        (
            lambda x: x.index_add(0, dovetail.tensor([0]), x),
            IndexError,
            "index_add: 1 indices for a source with 2 slices",
        ),
        (lambda x: x.index_copy(0, dovetail.tensor([0, 1]), x.double()), errors.DTypeError, "index_copy: source is"),
        (
            lambda x: x.take(dovetail.tensor([6])),
            IndexError,
            "take: index 6 is out of bounds for dimension 0 with size 6",
        ),
        (lambda x: x.put(dovetail.tensor([0]), x), IndexError, "put: 1 indices for a source of 6 elements"),
        (lambda x: x.index_put((1,), x), TypeError, "index_put: each of the indices must be a tensor, got int"),
        (lambda x: x.masked_scatter(x > 1, x[0]), errors.ShapeError, "source has 3 elements, the mask is true 4 times"),
        (lambda x: x.masked_select(x[0, :2] > 1), errors.ShapeError, "masked_select: sizes .* do not broadcast"),
        (lambda x: x.select_scatter(x, 0, 0), errors.ShapeError, r"src has \(2, 3\), the slice \(3,\)"),
        (lambda x: dovetail.where(x > 1, x), TypeError, "where: takes a condition alone, or with both"),
        (lambda x: dovetail.searchsorted(x, x[0]), errors.ShapeError, r"got sizes \(2, 3\) and \(3,\)"),
        (lambda x: dovetail.isin(1, 2), TypeError, "isin: at least one of elements and test_elements must be a tensor"),
    ],
)
def test_errors(x, call, kind, text):
    with pytest.raises(kind, match=text):
        call(x)


def test_deprecated_indices_say_so(x):
    with pytest.warns(UserWarning, match=r"a list of lists, tensors or slices as an index counts as a tuple"):
        assert x[[[0, 1], [1, 0]]].tolist() == [1, 3]
    with pytest.warns(UserWarning, match="a uint8 index counts as a mask, which is deprecated; use .bool"):
        assert x[dovetail.tensor([1, 0], dtype=dovetail.uint8)].tolist() == [[0, 1, 2]]
