"""Conversions between dtypes, types by name, NumPy's and other libraries' arrays, against PyTorch."""

import itertools
import warnings

import numpy as np
import pytest

import dovetail
from dovetail import dtypes

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

NAMES = list(dtypes.DTYPES)
INTEGERS = [0, 1, -1, 127, 128, -128, -129, 255, 256, 32768, 2**31, -(2**31) - 1, 2**53 + 1, -(2**63), 2**63 - 1]
REALS = [0.0, -0.0, 1.5, -1.5, 2.5, 127.9, -0.9, 1e-8, 65504.0, 65520.0, 70000.0, 1e39, 3.4e38, float("nan"),
         float("inf"), -float("inf")]  # fmt: skip
IN_RANGE = [0.0, -0.0, 1.5, -1.5, 2.5, 100.9, -100.9, -0.9, 1e-8]  # what every integer dtype but uint8 holds


def pair(name, target):
    """The same numbers of dtype ``name`` in both libraries; those that no integer holds only where none is asked."""
    values = REALS if target.startswith(("float", "bfloat", "complex", "bool")) else IN_RANGE
    values = [abs(value) for value in values] if target == "uint8" else values
    array = np.array(INTEGERS) if "int" in name else np.array(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.tensor(array).to(getattr(torch, name))
        raw = theirs.view(torch.int16).numpy().view(dtypes.bfloat16.numpy) if name == "bfloat16" else theirs.numpy()
    return dovetail.from_numpy(raw.copy()), theirs


@pytest.mark.parametrize("name", NAMES)
def test_every_dtype_to_every_other(name):
    for target in NAMES:
        ours, theirs = pair(name, target)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, expected = ours.to(getattr(dovetail, target)), theirs.to(getattr(torch, target))
            assert found.dtype.name == target
            np.testing.assert_array_equal(
                found.to(dovetail.complex128).numpy(), expected.to(torch.complex128).numpy(), f"{name} to {target}"
            )


@pytest.mark.parametrize("name", NAMES)
def test_types_by_name_and_methods(name):
    ours, theirs = dovetail.ones(2, dtype=getattr(dovetail, name)), torch.ones(2, dtype=getattr(torch, name))
    assert ours.type() == theirs.type().replace("torch", "dovetail")
    assert ours.type(ours.type()) is ours
    assert dovetail.ones(2).type(theirs.type()).dtype is ours.dtype
    assert dovetail.ones(2).type_as(ours).dtype is ours.dtype
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for method in ("byte", "char", "short", "int", "long", "half", "bfloat16", "float", "double", "bool", "cfloat"):
            found, expected = getattr(ours, method)(), getattr(theirs, method)()
            assert found.dtype.name == str(expected.dtype).split(".")[1]
    for python in (float, int, bool):
        kind = str(torch.ones(1).to(python).dtype).split(".")[1]
        assert dovetail.ones(1).to(python).dtype.name == kind


TO = [
    lambda lib, x: x.to(lib.float32) is x,
    lambda lib, x: x.to("cpu") is x,
    lambda lib, x: x.to(lib.float32, copy=True) is x,
    lambda lib, x: x.to("cpu", lib.int32).dtype,
    lambda lib, x: x.to(lib.int32, True).dtype,
    lambda lib, x: x.to(lib.float32, False, True) is x,
    lambda lib, x: x.to(device="cpu", dtype=lib.float64, non_blocking=True).dtype,
    lambda lib, x: x.to(lib.ones(1, dtype=lib.int8)).dtype,
    lambda lib, x: x.to(other=lib.ones(1, dtype=lib.int8)).dtype,
    lambda lib, x: x.to(lib.float64, memory_format=lib.preserve_format).dtype,
    lambda lib, x: x.to(None) is x,
    lambda lib, x: x.to(dtype=None) is x,
    lambda lib, x: x.cpu() is x,
    lambda lib, x: x.cpu(memory_format=lib.preserve_format) is x,
    lambda lib, x: x.double(memory_format=lib.preserve_format).dtype,
    lambda lib, x: x.to("nowhere"),
    lambda lib, x: x.to(lib.float32, dtypes=3),
    lambda lib, x: x.type("Float"),
]


@pytest.mark.parametrize("call", TO)
def test_every_way_to_call_to(call):
    def run(lib):
        try:
            return str(call(lib, lib.ones(2))).replace("torch", "dovetail")
        except Exception:
            return "an error"

    assert run(dovetail) == run(torch)


def test_an_imaginary_part_is_lost_with_a_warning():
    x = dovetail.tensor([1 + 2j])
    with pytest.warns(np.exceptions.ComplexWarning, match=r"to\(dovetail.float32\): the imaginary part is discarded"):
        assert x.float().tolist() == [1]
    assert x.bool().tolist() == [True]


def test_pytorch_and_dovetail_exchange_memory():
    ours, theirs = dovetail.arange(4.0), torch.arange(4.0)
    there, here = torch.from_dlpack(ours), dovetail.from_dlpack(theirs)
    there[0], here[1] = 7, 8
    assert (ours[0].item(), theirs[1].item()) == (7, 8)
    assert torch.utils.dlpack.from_dlpack(ours.__dlpack__()).tolist() == ours.tolist()
    assert dovetail.from_dlpack(torch.utils.dlpack.to_dlpack(theirs)).tolist() == theirs.tolist()
    assert dovetail.from_dlpack(theirs[::2]).stride() == (2,)
    assert dovetail.tensor(theirs).tolist() == dovetail.asarray(theirs).tolist() == theirs.tolist()
    with pytest.raises((BufferError, RuntimeError), match="require"):
        dovetail.from_dlpack(torch.ones(1, requires_grad=True))


def test_numpy_functions_give_what_they_give_for_pytorchs_tensors():
    calls = [
        lambda t, a: np.sin(t), lambda t, a: np.add(a, t), lambda t, a: np.add(t, a), lambda t, a: np.argmax(t),
        lambda t, a: np.sqrt(t), lambda t, a: np.round(t), lambda t, a: np.transpose(t), lambda t, a: np.clip(t, 1, 2),
        lambda t, a: np.multiply.reduce(t), lambda t, a: np.maximum(a, t), lambda t, a: np.reshape(t, (3, 1)),
        lambda t, a: t * np.float64(2), lambda t, a: np.float64(2) * t, lambda t, a: t + a,
        lambda t, a: np.allclose(a, t), lambda t, a: np.where(t > 1, t, 0), lambda t, a: a[t.argmax()],
        lambda t, a: np.mean(t), lambda t, a: np.array([t, t]), lambda t, a: np.dot(a, t),
    ]  # fmt: skip
    for number, (call, dtype) in enumerate(itertools.product(calls, ("float64", "float32"))):
        results = []
        for lib in (dovetail, torch):
            try:
                warnings.simplefilter("ignore")  # restored by pytest after each test
                results.append(call(lib.tensor([1.5, 2.0, 3.0], dtype=getattr(lib, dtype)), np.array([1.0, 2.0, 3.0])))
            except Exception as error:
                results.append(type(error))
        found, expected = results
        assert type(found).__name__ == type(expected).__name__, number
        if hasattr(expected, "shape"):
            assert str(found.dtype).split(".")[-1] == str(expected.dtype).split(".")[-1], number
            np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-6)
        else:
            assert found == expected, number
