"""What a tensor is to Python: protocols, conversions, copies, pickles."""

import copy
import pickle

import numpy as np
import pytest

import dovetail
from dovetail import errors


def test_sizes():
    x = dovetail.zeros(2, 3)
    assert x.shape == x.size() == (2, 3) == dovetail.Size([2, 3])
    assert repr(x.shape) == "dovetail.Size([2, 3])"
    assert isinstance(x.shape[:1], dovetail.Size)
    assert x.shape + x.shape[:1] == (2, 3, 2)
    assert (x.shape.numel(), x.shape[0], x.size(-1), x.nbytes) == (6, 2, 3, 24)
    assert dovetail.zeros(()).shape.numel() == 1


def test_length_and_iteration():
    x = dovetail.arange(6).reshape(2, 3)
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[0, 1, 2], [3, 4, 5]]
    _, second = x
    assert second._base is x or second._base is x._base
    zero = dovetail.tensor(1)
    with pytest.raises(TypeError, match=r"len\(\) of a 0-d tensor"):
        len(zero)
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(zero)


def test_membership_and_equality():
    x = dovetail.tensor([1.0, 2.0])
    assert 2 in x
    assert 3 not in x
    assert (x == x).tolist() == [True, True]
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True
    assert len({x, x.clone(), x}) == 2


def test_conversions_to_python_numbers():
    x = dovetail.tensor(2.5)
    assert (float(x), int(x), complex(x), bool(x), x.item(), x.tolist()) == (2.5, 2, 2.5 + 0j, True, 2.5, 2.5)
    assert [type(value.item()) for value in (dovetail.tensor(1), dovetail.tensor(True), x)] == [int, bool, float]
    assert dovetail.tensor([[3]]).item() == 3
    assert dovetail.tensor(1.5, dtype=dovetail.bfloat16).item() == 1.5
    assert ["a", "b", "c"][dovetail.tensor(1)] == "b"
    assert list(range(dovetail.tensor(2))) == [0, 1]
    assert not dovetail.tensor([0.0])
    with pytest.raises(TypeError, match=r"only integer tensors of a single element .* got one of dovetail"):
        ["a"][x]
    with pytest.raises(RuntimeError, match=r"item\(\) takes the one element of a tensor, .* has sizes \(2,\)"):
        dovetail.ones(2).item()
    with pytest.raises(RuntimeError, match=r"the truth value .* of sizes \(2,\), is ambiguous; use \.any\(\)"):
        bool(dovetail.ones(2))


def test_to_numpy_and_back():
    x = dovetail.ones(2, 2)
    array = x.numpy()
    array[0, 0] = 5
    assert x[0, 0].item() == 5
    back = dovetail.from_numpy(array)
    back[1, 1] = 7
    assert array[1, 1] == 7
    assert np.asarray(x) is not None
    assert np.array(x, dtype=np.int64).tolist() == [[5, 1], [1, 7]]
    assert np.add(array, 1).shape == (2, 2)
    assert x.__array__(dtype=np.float64).dtype == np.float64
    leaf = dovetail.ones(1, requires_grad=True)
    with pytest.raises(errors.GradError, match=r"can't call numpy\(\) on a tensor that requires grad; use"):
        leaf.numpy()
    assert leaf.numpy(force=True).tolist() == leaf.detach().numpy().tolist() == leaf.tolist() == [1]
    with pytest.raises(TypeError, match=r"from_numpy takes a numpy.ndarray, got list; use dovetail.tensor"):
        dovetail.from_numpy([1])
    swapped = dovetail.from_numpy(np.array([1.0], dtype=">f8"))
    assert (swapped + 1).tolist() == [2]


def test_formatting():
    x = dovetail.tensor(3.14159)
    assert f"{x:.2f}" == "3.14"
    assert f"{x}" == str(x.item())
    assert str(x) == "tensor(3.1416)"
    assert f"{dovetail.tensor([1, 2])}" == "tensor([1, 2])"


def test_deep_copies():
    x = dovetail.tensor([1.0], requires_grad=True)
    x.grad = dovetail.tensor([2.0])
    twin, again = copy.deepcopy([x, x])
    assert twin is again
    assert twin is not x
    assert (twin.requires_grad, twin.grad.item(), twin.is_leaf) == (True, 2, True)
    twin.data.zero_()
    assert x.item() == 1
    with pytest.raises(errors.GradError, match="only leaf tensors can be deep-copied"):
        copy.deepcopy(x * 2)
    assert copy.copy(x).item() == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool", "complex64"])
def test_pickles(dtype):
    x = dovetail.ones(2, 3, dtype=getattr(dovetail, dtype))
    back = pickle.loads(pickle.dumps(x))
    assert (back.dtype, tuple(back.shape), back.tolist()) == (x.dtype, (2, 3), x.tolist())
    back.zero_()
    assert x.all()


def test_pickles_of_leaves():
    x = dovetail.ones(2, requires_grad=True)
    assert pickle.loads(pickle.dumps(x)).requires_grad
    assert pickle.loads(pickle.dumps(x * 2)).is_leaf


class Named(dovetail.Tensor):
    pass


def test_subclasses_are_tensors():
    x = Named([1.0, 2.0])
    x.label = "a"
    twin = copy.deepcopy(x)
    assert (type(twin), twin.label, twin.tolist()) == (Named, "a", [1, 2])
    assert type(pickle.loads(pickle.dumps(x))) is Named
    assert dovetail.is_tensor(x + 1)
    assert not dovetail.is_tensor([1])


def test_the_old_constructor():
    assert dovetail.Tensor([1, 2]).dtype is dovetail.float32
    assert tuple(dovetail.Tensor(2, 3).shape) == (2, 3)
    assert tuple(dovetail.Tensor(4).shape) == (4,)
    assert dovetail.Tensor(dovetail.ones(2)).tolist() == [1, 1]
    assert dovetail.Tensor().numel() == 0
    with pytest.raises(TypeError, match="Tensor takes data, or sizes as integers, got"):
        dovetail.Tensor([1], [2])


@pytest.mark.parity
@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.tensor(1),
        lambda lib: lib.tensor(1.5),
        lambda lib: lib.tensor(True),
        lambda lib: lib.tensor(1j),
        lambda lib: lib.tensor([]),
        lambda lib: lib.tensor([[]]),
        lambda lib: lib.tensor([1, 2.5]),
        lambda lib: lib.tensor([True, 2]),
        lambda lib: lib.tensor(np.float32(1)),
        lambda lib: lib.tensor(np.arange(3)),
        lambda lib: lib.tensor([np.float64(1), 2]),
        lambda lib: lib.tensor([lib.tensor(1), lib.tensor(2)]),
        lambda lib: lib.tensor([[lib.tensor(1.5), 2]]),
        lambda lib: lib.tensor([1.7, 2], dtype=lib.int64),
        lambda lib: lib.tensor([[1, 2], [3]]),
        lambda lib: lib.tensor("a"),
        lambda lib: lib.tensor([1, None]),
        lambda lib: lib.tensor(None),
        lambda lib: lib.as_tensor([1, 2]),
        lambda lib: lib.as_tensor(np.ones(2), dtype=lib.float32),
        lambda lib: lib.zeros(2, 3),
        lambda lib: lib.zeros((2, 3), dtype=lib.int32),
        lambda lib: lib.ones([2]),
        lambda lib: lib.ones(lib.zeros(2, 3).shape),
        lambda lib: lib.ones(()),
        lambda lib: lib.zeros(-1),
        lambda lib: lib.zeros(1.5),
        lambda lib: lib.full((2,), 3),
        lambda lib: lib.full((2,), 3.5),
        lambda lib: lib.full((2, 2), True),
        lambda lib: lib.full((2,), 3, dtype=lib.float64),
        lambda lib: lib.arange(5),
        lambda lib: lib.arange(1, 6, 2),
        lambda lib: lib.arange(0, 1, 0.25),
        lambda lib: lib.arange(5, 0, -2),
        lambda lib: lib.arange(2.5),
        lambda lib: lib.arange(0),
        lambda lib: lib.arange(3, dtype=lib.float32),
        lambda lib: lib.arange(1, 0),
        lambda lib: lib.arange(0, 5, 0),
        lambda lib: lib.linspace(0, 1, 5),
        lambda lib: lib.linspace(-2, 3, 1),
        lambda lib: lib.linspace(3, 0, 4, dtype=lib.float64),
        lambda lib: lib.linspace(0, 1, 0),
        lambda lib: lib.eye(3),
        lambda lib: lib.eye(2, 3, dtype=lib.int64),
        lambda lib: lib.zeros_like(lib.ones(2, 3, dtype=lib.int32)),
        lambda lib: lib.ones_like(lib.zeros(2), dtype=lib.float64),
        lambda lib: lib.full_like(lib.zeros(2), 3),
        lambda lib: lib.ones(2, dtype=lib.float64).new_zeros(3),
        lambda lib: lib.ones(2, dtype=lib.int32).new_ones((2, 2)),
        lambda lib: lib.ones(2).new_full((2,), 3),
        lambda lib: lib.ones(2, dtype=lib.float64).new_tensor([1, 2]),
        lambda lib: lib.empty(2, 3).shape.numel(),
        lambda lib: lib.ones(2, requires_grad=True) * 2,
        lambda lib: lib.tensor([1], requires_grad=True),
        lambda lib: lib.rand(2, dtype=lib.int64),
        lambda lib: lib.randint(5, (0,)),
        lambda lib: lib.ones(2).to("cpu", lib.float64),
        lambda lib: lib.ones(2).to(lib.ones(1, dtype=lib.int32)),
        lambda lib: lib.ones(2).to(dtype=lib.float16, copy=True),
        lambda lib: lib.ones(2).to(nonsense=1),
        lambda lib: lib.ones(2).type(lib.int64).bool().float().half().double().long().int().short(),
    ],
)
def test_making_and_converting(compare, call):
    compare(call)
