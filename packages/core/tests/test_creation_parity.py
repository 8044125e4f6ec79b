"""New tensors against PyTorch: of data, sizes and ranges, typed classes, limits of dtypes; and what is refused."""

import array
import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail import errors

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

DATA = [
    lambda lib: lib.tensor([1, 2.5, True]),
    lambda lib: lib.tensor([True, 2]),
    lambda lib: lib.tensor([True, False]),
    lambda lib: lib.tensor([1, 2j]),
    lambda lib: lib.tensor([]),
    lambda lib: lib.tensor([[], []]),
    lambda lib: lib.tensor(()),
    lambda lib: lib.tensor([np.float64(1), 2]),
    lambda lib: lib.tensor([[1.0], [np.float64(2)]]),
    lambda lib: lib.tensor([np.float32(1)]),
    lambda lib: lib.tensor([np.int32(1), np.int8(2)]),
    lambda lib: lib.tensor([np.int32(1), 2.5]),
    lambda lib: lib.tensor([np.bool_(True)]),
    lambda lib: lib.tensor(np.float16(1.5)),
    lambda lib: lib.tensor([np.array([1.0, 2]), np.array([3, 4.0])]),
    lambda lib: lib.tensor([lib.tensor(1.0), 2]),
    lambda lib: lib.tensor([lib.tensor(1), lib.tensor(2.5)]),
    lambda lib: lib.tensor([[lib.tensor(1, dtype=lib.float64)]]),
    lambda lib: lib.tensor(range(3)),
    lambda lib: lib.tensor(bytearray(b"ab")),
    lambda lib: lib.tensor(memoryview(b"ab")),
    lambda lib: lib.tensor(array.array("d", [1, 2])),
    lambda lib: lib.tensor([-1, -255], dtype=lib.uint8),
    lambda lib: lib.tensor([1.7, -1.7], dtype=lib.int64),
    lambda lib: lib.tensor([1e40, -1e40], dtype=lib.float32),
    lambda lib: lib.tensor([70000], dtype=lib.float16),
    lambda lib: lib.tensor([2, 0], dtype=lib.bool),
    lambda lib: lib.tensor([1, 2], dtype=lib.bfloat16),
    lambda lib: lib.tensor(-(2**63)),
    lambda lib: lib.tensor(1.5, dtype=float),
    lambda lib: lib.tensor(1.5, dtype=int),
    lambda lib: lib.tensor([1.0], requires_grad=True, pin_memory=False),
    lambda lib: lib.as_tensor([1, 2.0]),
    lambda lib: lib.as_tensor(np.arange(2), dtype=lib.float32),
    lambda lib: lib.asarray([1, 2]),
    lambda lib: lib.asarray(np.arange(2.0), copy=True),
    lambda lib: lib.scalar_tensor(3),
    lambda lib: lib.scalar_tensor(True),
    lambda lib: lib.scalar_tensor(2, dtype=lib.int32),
    lambda lib: lib.Tensor(2, 3).shape,
    lambda lib: lib.Tensor(lib.Size([2])).shape,
    lambda lib: lib.Tensor([True]),
    lambda lib: lib.tensor([1], dtype=lib.int32).new([1, 2]),
    lambda lib: lib.ones(1).new(2, 3).shape,
    lambda lib: lib.ones(1).new(lib.Size([4])).shape,
    lambda lib: lib.frombuffer(bytearray(b"abcd"), dtype=lib.int16),
    lambda lib: lib.frombuffer(bytearray(b"abcde"), dtype=lib.int8, count=2, offset=1),
    lambda lib: lib.FloatTensor([1, 2]),
    lambda lib: lib.LongTensor([1.5]),
    lambda lib: lib.LongTensor(2, 3).shape,
    lambda lib: lib.BoolTensor([1, 0]),
    lambda lib: lib.HalfTensor([1]),
    lambda lib: lib.DoubleTensor(),
    lambda lib: [isinstance(lib.ones(1), getattr(lib, name)) for name in ("FloatTensor", "LongTensor")],
    lambda lib: lib.FloatTensor.dtype,
]
MADE = [
    lambda lib: lib.zeros(2, 3, out=lib.empty(0)),
    lambda lib: lib.zeros((2,), out=lib.empty(1, dtype=lib.int32)),
    lambda lib: lib.ones([], dtype=lib.bool),
    lambda lib: lib.zeros(size=(2,)),
    lambda lib: lib.zeros(lib.tensor(2)),
    lambda lib: lib.zeros(np.int64(2), 3, layout=lib.strided, pin_memory=False),
    lambda lib: lib.zeros([lib.tensor(2), 3]),
    lambda lib: lib.empty(2, 3, memory_format=lib.contiguous_format).shape,
    lambda lib: lib.full((2,), 1),
    lambda lib: lib.full((2,), True),
    lambda lib: lib.full((2,), 1.5, dtype=lib.int64),
    lambda lib: lib.full((2,), 1j),
    lambda lib: lib.full((2,), -1, dtype=lib.uint8),
    lambda lib: lib.full((2,), lib.tensor(3)),
    lambda lib: lib.full((2,), 1, out=lib.empty(2)),
    lambda lib: lib.full_like(lib.ones(2), 2, requires_grad=True),
    lambda lib: lib.ones_like(lib.ones(2), memory_format=lib.preserve_format),
    lambda lib: lib.zeros_like(lib.ones(2), dtype=lib.int8),
    lambda lib: lib.empty_permuted((2, 3), (1, 0)).stride(),
    lambda lib: lib.empty_strided((2, 3), (1, 2)).stride(),
    lambda lib: lib.ones(1).new_tensor([1, 2]),
    lambda lib: lib.ones(1).new_tensor([1.5], dtype=lib.int32),
    lambda lib: lib.ones(1).new_full((2,), 3),
    lambda lib: lib.ones(1, dtype=lib.int64).new_full((2,), 3.5),
    lambda lib: lib.ones(1, dtype=lib.half).new_ones([2], requires_grad=True),
    lambda lib: lib.ones(1).new_empty_strided((2, 3), (3, 1)).shape,
    lambda lib: lib.eye(2, 3, dtype=lib.int64),
    lambda lib: lib.eye(2, out=lib.empty(0)),
    lambda lib: lib.eye(2, 0).shape,
    lambda lib: lib.eye(2, dtype=lib.bool),
    lambda lib: lib.arange(5),
    lambda lib: lib.arange(5.0, requires_grad=True),
    lambda lib: lib.arange(5, 0, -2),
    lambda lib: lib.arange(0),
    lambda lib: lib.arange(True),
    lambda lib: lib.arange(end=4),
    lambda lib: lib.arange(start=1, end=4, step=2),
    lambda lib: lib.arange(lib.tensor(3.0)),
    lambda lib: lib.arange(1, 2.5, dtype=lib.int64),
    lambda lib: lib.arange(0.5, 3.5, dtype=lib.int64),
    lambda lib: lib.arange(1, 9, 3.9, dtype=lib.int32),
    lambda lib: lib.arange(300, 303, dtype=lib.uint8),
    lambda lib: lib.arange(2**53, 2**53 + 3),
    lambda lib: lib.arange(5, out=lib.empty(0)),
    lambda lib: lib.range(1, 4),
    lambda lib: lib.range(5, 1, -2, dtype=lib.int64),
    lambda lib: lib.range(0, 1, 0.1),
    lambda lib: lib.linspace(0, 1, 1),
    lambda lib: lib.linspace(0, 1, 0),
    lambda lib: lib.linspace(lib.tensor(0.0), 1, steps=3),
    lambda lib: lib.linspace(0, 1j, 3),
    lambda lib: lib.linspace(1 + 1j, 2, 4, dtype=lib.complex128),
    lambda lib: lib.linspace(0, 10, 4, dtype=lib.int64),
    lambda lib: lib.linspace(0, 1, 3, out=lib.empty(0)),
    lambda lib: lib.logspace(0, 3, 4),
    lambda lib: lib.logspace(0, 10, 5, base=2, dtype=lib.int64),
    lambda lib: lib.logspace(-1, 1, 5, dtype=lib.float64),
    lambda lib: lib.logspace(0, 1j, 3),
]
REFUSED = [
    (lambda lib: lib.tensor([[1, 2], [3]]), "expected a sequence of length 2 at dim 1 .got length 1"),
    (lambda lib: lib.tensor([[1, 2], 3]), "expected a sequence of length 2 at dim 1 .got a number"),
    (lambda lib: lib.tensor([1, [2]]), "expected a number at dim 1 .got length 1"),
    (lambda lib: lib.tensor([1, None]), "could not infer a dtype of NoneType"),
    (lambda lib: lib.tensor(None), "got NoneType None"),
    (lambda lib: lib.tensor(["a"]), "could not infer a dtype of str"),
    (lambda lib: lib.tensor("a"), "got str 'a'"),
    (lambda lib: lib.tensor(b"a"), "got bytes b'a'"),
    (lambda lib: lib.tensor({1: 2}), "got dict"),
    (lambda lib: lib.tensor({1, 2}), "got set"),
    (lambda lib: lib.tensor([2**63]), "a number does not fit into .*int64"),
    (lambda lib: lib.tensor([300], dtype=lib.uint8), "a number does not fit into .*uint8"),
    (lambda lib: lib.tensor([float("nan")], dtype=lib.int64), "a number does not fit into .*int64"),
    (lambda lib: lib.tensor([1j], dtype=lib.float32), "not 'complex'"),
    (lambda lib: lib.tensor(np.array(["a"])), "no dtype for NumPy's <U1"),
    (lambda lib: lib.tensor([1], requires_grad=True), "only tensors of floating point"),
    (lambda lib: lib.from_numpy(3), "takes a numpy.ndarray, got int"),
    (lambda lib: lib.asarray([1], copy=False), "without a copy; leave copy=False out"),
    (lambda lib: lib.asarray(lib.ones(1), dtype=lib.int32, copy=False), "cannot become .*int32"),
    (lambda lib: lib.scalar_tensor([1]), "takes a number, got list"),
    (lambda lib: lib.Tensor(2.5), "takes a sequence of numbers, or sizes, got 2.5"),
    (lambda lib: lib.frombuffer(bytearray(b"abc"), dtype=lib.int16), "must be a multiple of element size .2."),
    (lambda lib: lib.frombuffer(bytearray(b"abc"), dtype=lib.int8, count=9), r"length \(9 \* 1 bytes\)"),
    (lambda lib: lib.frombuffer(bytearray(), dtype=lib.int8), "must not be 0"),
    (lambda lib: lib.frombuffer(bytearray(b"a"), dtype=lib.int8, offset=1), r"offset \(1\) must be"),
    (lambda lib: lib.LongTensor(lib.tensor([1.0])), "takes tensors of dovetail.int64, got dovetail.float32"),
    (lambda lib: lib.FloatTensor(2.5), "data must be a sequence, got 2.5"),
    (lambda lib: lib.zeros(-1), "must not be negative, got"),
    (lambda lib: lib.zeros(2.0), "sizes must be integers"),
    (lambda lib: lib.zeros("a"), "sizes must be integers"),
    (lambda lib: lib.zeros(), "needs the sizes"),
    (lambda lib: lib.zeros(2, memory_format=None), "unexpected keyword argument 'memory_format'"),
    (lambda lib: lib.zeros(2, dtype=lib.int8, out=lib.ones(2)), "dtype is dovetail.int8, but out is dovetail.float32"),
    (lambda lib: lib.full((2,), 300, dtype=lib.uint8), "300 does not fit into dovetail.uint8"),
    (lambda lib: lib.ones_like([1]), "must be the tensor to be like, got list"),
    (lambda lib: lib.empty_permuted((2, 3), (0, 0)), "must name each of 2 dimensions once"),
    (lambda lib: lib.eye(-1), "n and m must not be negative, got -1"),
    (lambda lib: lib.arange(), "needs 'end'"),
    (lambda lib: lib.arange(5, 0), "step 1 does not lead from 5 to 0"),
    (lambda lib: lib.arange(0, 1, 0), "step must be nonzero"),
    (lambda lib: lib.arange(0, float("inf")), "must be finite numbers"),
    (lambda lib: lib.arange(0, 2, 0.5, dtype=lib.int64), "step must not be zero as an integer"),
    (lambda lib: lib.arange(3, dtype=lib.bool), "got dtype dovetail.bool"),
    (lambda lib: lib.linspace(0, 1), "needs 'steps'"),
    (lambda lib: lib.linspace(0, 1, -1), "must be non-negative, got -1"),
    (lambda lib: lib.linspace(0, 1j, 3, dtype=lib.float32), "are complex, got dtype"),
    (lambda lib: lib.linspace(0, 1, 3, dtype=lib.bool), "takes a dtype of numbers"),
    (lambda lib: lib.linspace(lib.ones(2), 1, 3), "start must be a number or a 0-d tensor"),
    (lambda lib: lib.set_default_dtype(lib.int32), "must be a floating-point dtype"),
    (lambda lib: lib.set_default_tensor_type(lib.LongTensor), "must be a floating-point dtype"),
    (lambda lib: lib.ones(1).type("torch.NoTensor"), "invalid type: 'torch.NoTensor'"),
    (lambda lib: lib.numel(3), "takes a tensor, got int"),
    (lambda lib: lib.result_type(lib.ones(1), "a"), "takes tensors and numbers, got str"),
    (lambda lib: lib.iinfo(lib.bool), "iinfo takes an integer dtype"),
    (lambda lib: lib.finfo(lib.int32), "finfo takes a floating-point dtype"),
    (lambda lib: lib.int32.to_complex(), "no complex dtype has parts of dovetail.int32"),
]


def result(lib, call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(lib)


def same(ours, theirs):
    if isinstance(theirs, torch.Tensor):
        assert ours.dtype.name == str(theirs.dtype).split(".")[1]
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert ours.requires_grad == theirs.requires_grad
        np.testing.assert_allclose(ours.detach().to(dovetail.complex128).numpy(),
                                   theirs.detach().to(torch.complex128).numpy(), rtol=1e-6)  # fmt: skip
    else:
        assert str(ours).replace("dovetail", "torch") == str(theirs)


@pytest.mark.parametrize("call", [*DATA, *MADE])
def test_new_tensors(call):
    same(result(dovetail, call), result(torch, call))


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_is_refused(call, message):
    with pytest.raises((RuntimeError, TypeError, ValueError)) as theirs:
        result(torch, call)
    kind = RuntimeError if theirs.type is NotImplementedError else theirs.type
    with pytest.raises(kind, match=message):
        result(dovetail, call)


def test_ranges_are_pytorchs_bit_for_bit():
    number = st.floats(-1e3, 1e3, allow_subnormal=False)

    @settings(max_examples=200, derandomize=True, deadline=None)
    @given(number, st.floats(1e-3, 1e2), st.integers(1, 150), st.sampled_from([1, -1]))
    def check(start, step, count, sign):
        for name in ("float32", "bfloat16", "float64"):
            found, expected = (
                lib.arange(start, start + sign * step * (count - 0.5), sign * step, dtype=getattr(lib, name)).double()
                for lib in (dovetail, torch)
            )
            assert found.shape[0] == expected.shape[0]
            if name == "float64":  # what lies between two numbers may go either way
                np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-15, atol=1e-12)
            else:
                assert found.tolist() == expected.tolist()

    check()


def test_linspace_is_pytorchs_bit_for_bit():
    rng = np.random.default_rng(0)
    for _, name in itertools.product(range(60), ("float32", "float64", "float16", "bfloat16")):
        start, end = (rng.normal(size=2) * 10 ** rng.uniform(-2, 3)).tolist()
        steps = int(rng.integers(2, 200))
        found, expected = (
            lib.linspace(start, end, steps, dtype=getattr(lib, name)).double() for lib in (dovetail, torch)
        )
        assert found.tolist() == expected.tolist(), (start, end, steps, name)


def test_limits_and_relations_of_dtypes():
    for name in ("float16", "bfloat16", "float32", "float64", "complex64", "complex128"):
        ours, theirs = dovetail.finfo(getattr(dovetail, name)), torch.finfo(getattr(torch, name))
        assert repr(ours) == repr(theirs)
        for attribute in ("bits", "min", "max", "eps", "tiny", "smallest_normal", "resolution", "dtype"):
            assert getattr(ours, attribute) == getattr(theirs, attribute)
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        assert repr(dovetail.iinfo(getattr(dovetail, name))) == repr(torch.iinfo(getattr(torch, name)))
    names = list(dovetail.dtypes.DTYPES)
    for first, second in itertools.product(names, names):
        found, expected = (lib.can_cast(getattr(lib, first), getattr(lib, second)) for lib in (dovetail, torch))
        assert found == expected
    for name in ("float32", "bfloat16", "complex64", "float64"):
        for method in ("to_real", "to_complex"):
            same(getattr(getattr(dovetail, name), method)(), getattr(getattr(torch, name), method)())
    for name in ("inf", "pi", "e", "newaxis"):
        assert getattr(dovetail, name) == getattr(torch, name)
    assert dovetail.nan != dovetail.nan


def test_the_default_tensor_type():
    try:
        with pytest.warns(UserWarning, match="use dovetail.set_default_dtype"):
            dovetail.set_default_tensor_type(dovetail.DoubleTensor)
        assert dovetail.ones(1).dtype is dovetail.float64
        with pytest.warns(UserWarning, match="deprecated"):
            dovetail.set_default_tensor_type("dovetail.FloatTensor")
        assert dovetail.ones(1).dtype is dovetail.float32
    finally:
        dovetail.set_default_dtype(dovetail.float32)
    with pytest.warns(UserWarning, match="range is deprecated; use dovetail.arange"):
        dovetail.range(1, 2)
    with pytest.raises(errors.ShapeError, match=r"strides \(5, 1\) of sizes \(2, 3\) leave gaps or overlap"):
        dovetail.empty_strided((2, 3), (5, 1))
