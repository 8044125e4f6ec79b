"""A tensor among Python's operators and protocols, NumPy's functions, DLPack, copies, pickles and processes."""

import copy
import math
import multiprocessing
import operator
import pickle

import numpy as np
import pytest

import dovetail
from dovetail import errors
from dovetail.backends import registry


class Foreign:
    """Says which of its own methods was asked."""

    __hash__ = None

    def __radd__(self, other):
        return "radd"

    def __rsub__(self, other):
        return "rsub"

    def __rmatmul__(self, other):
        return "rmatmul"

    def __rpow__(self, other):
        return "rpow"

    def __rand__(self, other):
        return "rand"

    def __rlshift__(self, other):
        return "rlshift"

    def __gt__(self, other):
        return "gt"

    def __eq__(self, other):
        return "eq"


def test_operators_leave_foreign_operands_to_their_class():
    x, whole, other = dovetail.ones(2), dovetail.tensor([1, 2]), Foreign()
    assert (x + other, x - other, x @ other, x**other) == ("radd", "rsub", "rmatmul", "rpow")
    assert (whole & other, whole << other, x < other, x == other) == ("rand", "rlshift", "gt", "eq")
    for call in (
        lambda: x + None,
        lambda: "a" + x,
        lambda: [1] + x,  # noqa: RUF005
        lambda: x < "a",
        lambda: x @ 2,
        lambda: divmod(x, 2),
    ):
        with pytest.raises(TypeError, match=r"unsupported operand|can only concatenate|not supported between"):
            call()
    with pytest.raises(TypeError, match=r"for \+=: 'Tensor' and 'str'"):
        x += "a"
    assert (x == {}) is False
    assert (x != [1, 2]) is True


def test_modes_see_operators_and_foreign_operands_do_not_reach_them():
    class Names(dovetail.Mode):
        def __init__(self):
            self.names = []

        def __call__(self, op, args, kwargs):
            self.names.append(op.definition.name)
            return op(*args, **kwargs)

    x = dovetail.ones(2)
    with Names() as names:
        x + x, x == x, 2 - x, x @ x
        assert x + Foreign() == "radd"
    assert names.names == ["add", "eq", "rsub", "matmul"]


def test_operators_refuse_what_has_no_result():
    flags, numbers = dovetail.tensor([True]), dovetail.ones(3)
    for call, kind, message in [
        (lambda: +flags, errors.DTypeError, r"\+ takes numbers, got a tensor of dovetail.bool"),
        (lambda: dovetail.tensor([1]) // 0, ZeroDivisionError, "floor_divide: .* an integer is divided by 0"),
        (lambda: dovetail.tensor([1]) % 0, errors.DivisionByZeroError, "remainder: .* an integer is divided by 0"),
        (lambda: dovetail.fmod(dovetail.tensor([1]), 0), ZeroDivisionError, "fmod: .* an integer is divided by 0"),
        (lambda: dovetail.tensor([1]).div(0, rounding_mode="floor"), ZeroDivisionError, "div: .* is divided by 0"),
        (lambda: dovetail.tensor([1]).div(0, rounding_mode="trunc"), ZeroDivisionError, "div: .* is divided by 0"),
        (lambda: dovetail.tensor([1j]) // 1, errors.DTypeError, "floor_divide: takes real numbers, got complex64"),
        (lambda: dovetail.tensor([1j]) < 1, errors.DTypeError, "lt: complex numbers have no order"),
        (lambda: dovetail.maximum(dovetail.tensor([1j]), dovetail.tensor([1j])), errors.DTypeError, "maximum: complex"),
        (lambda: numbers << 1, errors.DTypeError, "bitwise_left_shift: shifts integers, got float32"),
        (lambda: dovetail.tensor([1]) + 2**70, OverflowError, "does not fit into 64 bits"),
        (lambda: numbers.mT, errors.ShapeError, "mT is there for matrices and batches"),
        (lambda: numbers.H, errors.ShapeError, r"H is there for matrices, got sizes \(3,\)"),
        (lambda: "a" in numbers, RuntimeError, "`in` looks for a number or a tensor in a tensor, got str"),
        (lambda: float(numbers), ValueError, r"float\(\) got one of sizes \(3,\)"),
        (lambda: int(numbers), ValueError, r"int\(\) got one of sizes \(3,\)"),
        (lambda: bool(dovetail.ones(0)), RuntimeError, "truth value of a tensor with no elements is ambiguous"),
        (lambda: [1][dovetail.tensor([0, 1])], TypeError, "only integer tensors of a single element"),
        (lambda: f"{numbers:.2f}", TypeError, "unsupported format string passed to Tensor.__format__"),
    ]:
        with pytest.raises(kind, match=message):
            call()
    with pytest.warns(UserWarning, match=r"x\.T of a tensor with 3 dimensions, not 2, is deprecated; use \.mT"):
        assert tuple(dovetail.ones(2, 3, 4).T.shape) == (4, 3, 2)


def test_nothing_may_be_divided_by_0():
    nothing = dovetail.zeros(0, dtype=dovetail.int64)
    for out in (nothing // 0, nothing % 0, dovetail.fmod(nothing, 0), nothing.div(0, rounding_mode="floor")):
        assert tuple(out.shape) == (0,)


def test_python_asks_a_tensor():
    x = dovetail.tensor(2.5)
    assert (math.sqrt(dovetail.tensor(4.0)), f"{x:.2f}", f"{x}", complex(x)) == (2.0, "2.50", "2.5", 2.5 + 0j)
    assert reversed(dovetail.tensor([1, 2, 3])).tolist() == [3, 2, 1]
    assert [*dovetail.tensor([1, 2])] == [1, 2]
    assert (2 in dovetail.tensor([1, 2]), 5 in dovetail.tensor([1, 2])) == (True, False)
    assert ["a", "b"][dovetail.tensor([1])] == "b"
    assert x.__repr__(tensor_contents="...") == "tensor(...)"
    assert isinstance(dovetail.ones(2, 3).shape[:1] + (4,), dovetail.Size)  # noqa: RUF005
    assert isinstance((4,) + dovetail.ones(2, 3).shape, dovetail.Size)  # noqa: RUF005
    assert dovetail.tensor([1.5, 2], dtype=dovetail.bfloat16).tolist() == [1.5, 2.0]


def test_what_a_tensor_says_of_itself():
    x = dovetail.ones(2, 3, dtype=dovetail.float64)
    assert (x.is_cpu, x.is_cuda, x.is_sparse, x.is_quantized, x.is_meta, x.get_device()) == (True, *[False] * 4, -1)
    assert (x.itemsize, x.nbytes, x.element_size(), x.ndimension(), x.dense_dim(), x.sparse_dim()) == (
        8,
        48,
        8,
        2,
        2,
        0,
    )
    assert (repr(x.layout), x.layout is dovetail.strided, x.is_signed()) == ("dovetail.strided", True, True)
    assert pickle.loads(pickle.dumps(x.layout)) is x.layout
    assert (x.is_same_size(x.int()), x.is_conj(), x.is_pinned(), x.resolve_conj() is x) == (True, False, False, True)
    assert (dovetail.is_floating_point(x), dovetail.is_complex(x), dovetail.numel(x)) == (True, False, 6)
    assert (dovetail.is_nonzero(dovetail.tensor([3])), dovetail.is_tensor(x)) == (True, True)


# NumPy


def test_numpy_functions_give_tensors_and_operators_keep_gradients():
    x, array = dovetail.tensor([1.0, 2.0], requires_grad=True), np.array([3.0, 4.0])
    for result in (array * x, x * array, np.multiply(array, x), np.float64(3) * x, array - x, array / x, array < x):
        assert isinstance(result, dovetail.Tensor)
    (array * x).sum().backward()
    assert x.grad.tolist() == [3, 4]
    plain = x.detach()
    assert np.sin(plain).dtype is dovetail.float32
    assert np.isnan(plain).dtype is dovetail.bool
    assert np.add.reduce(plain).item() == 3
    assert [part.tolist() for part in np.modf(plain)] == [[0, 0], [1, 2]]
    assert np.clip(plain, 1, 1.5).tolist() == [1, 1.5]
    assert type(np.stack([plain, plain])) is np.ndarray
    with pytest.raises(errors.GradError, match="can't call numpy"):
        np.sin(x)
    array += plain
    assert array.tolist() == [4, 6]
    with pytest.raises(TypeError, match=r"numpy\.add: out must be a NumPy array"):
        np.add(array, array, out=plain)


def test_arrays_share_memory_unless_asked_not_to():
    x = dovetail.ones(2)
    assert np.shares_memory(np.asarray(x), x.numpy())
    assert np.shares_memory(np.array(x, copy=False), x.numpy())
    assert not np.shares_memory(np.array(x), x.numpy())
    assert np.asarray(x, dtype=np.int32).dtype == np.int32
    assert x.__array__(np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        x.__array__(np.float64, copy=False)
    assert np.asarray(dovetail.ones(2, dtype=dovetail.bfloat16)).dtype.name == "bfloat16"
    grad = dovetail.ones(2, requires_grad=True)
    assert not hasattr(grad, "__array_interface__")
    assert not hasattr(x, "__cuda_array_interface__")
    with pytest.raises(errors.GradError, match="can't call numpy"):
        np.asarray(grad)
    locked = np.ones(2)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        dovetail.from_numpy(locked)[0] = 1


# DLPack


def test_dlpack_goes_both_ways_on_one_memory():
    x = dovetail.arange(4.0)
    assert np.shares_memory(np.from_dlpack(x), x.numpy())
    array = np.ones(2)
    assert np.shares_memory(dovetail.from_dlpack(array).numpy(), array)
    assert not np.shares_memory(dovetail.from_dlpack(array, copy=True).numpy(), array)
    assert dovetail.from_dlpack(dovetail.to_dlpack(x)).tolist() == x.tolist()
    assert dovetail.from_dlpack(x[::2], device="cpu").tolist() == [0, 2]
    assert dovetail.from_dlpack(dovetail.tensor([True])).dtype is dovetail.bool
    assert (x.__dlpack_device__(), type(x.__dlpack__(max_version=(1, 0))).__name__) == ((1, 0), "PyCapsule")


def test_what_dlpack_cannot_carry():
    with pytest.raises(BufferError, match="can't export a tensor that requires a gradient"):
        dovetail.ones(1, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match=r"can't export a dovetail.bfloat16 tensor by DLPack"):
        np.from_dlpack(dovetail.ones(1, dtype=dovetail.bfloat16))
    with pytest.raises(TypeError, match="takes an array with __dlpack__, or a DLPack capsule, got int"):
        dovetail.from_dlpack(3)
    with pytest.raises(errors.DTypeError, match=r"cannot take .*bfloat16 elements: .*; convert the array first"):
        dovetail.from_dlpack(dovetail.ones(1, dtype=dovetail.bfloat16))
    with pytest.raises(errors.DTypeError, match="no dtype for NumPy's uint32"):
        dovetail.from_dlpack(np.ones(1, np.uint32))
    with pytest.raises(errors.DeviceError, match="no backend for memory of DLPack's device type 4"):
        registry.backend_for_dlpack(4, 0)


# Copies and pickles


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_of_one_memory_stay_so(protocol):
    base = dovetail.arange(6.0).reshape(2, 3)
    row, column, again = base[1], base[:, 1], base.detach()
    for copied in (
        pickle.loads(pickle.dumps([base, row, column, again], protocol)),
        copy.deepcopy([row, base, column, again]),
    ):
        whole, part = sorted(copied[:2], key=lambda x: -x.ndim)
        part[0] = 99
        assert (whole[1, 0].item(), copied[3][1, 0].item(), base[1, 0].item()) == (99, 99, 3)
        copied[2].zero_()
        assert whole[:, 1].tolist() == [0, 0]


def test_pickles_keep_what_a_tensor_is():
    for x in (
        dovetail.ones(2, 3).t(), dovetail.ones(2, dtype=dovetail.bfloat16), dovetail.ones(()), dovetail.ones(0, 2),
        dovetail.ones(2, 3)[:, ::2], dovetail.ones(1, 3).expand(2, 3), dovetail.from_numpy(np.arange(4)[::-1]),
        dovetail.tensor([1j]), dovetail.ones(2, requires_grad=True), dovetail.ones(2, requires_grad=True) * 2,
    ):  # fmt: skip
        back = pickle.loads(pickle.dumps(x))
        assert (back.dtype, back.shape, back.tolist()) == (x.dtype, x.shape, x.tolist())
        assert (back.requires_grad, back.is_leaf) == (x.requires_grad, True)
    assert pickle.loads(pickle.dumps(dovetail.ones(2, 3).t())).stride() == (1, 3)
    assert pickle.loads(pickle.dumps(dovetail.ones(2).shape)) == dovetail.Size([2])


def test_a_shallow_copy_is_a_leaf_on_the_same_memory():
    x = dovetail.ones(2, requires_grad=True)
    twin = copy.copy(x)
    assert (twin.is_leaf, twin.requires_grad, twin is x) == (True, True, False)
    with dovetail.no_grad():
        twin.add_(1)
    assert x.tolist() == [2, 2]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_tensors_go_to_other_processes(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply_async(operator.mul, (dovetail.arange(3.0)[1:], 2)).get(60).tolist() == [2, 4]
