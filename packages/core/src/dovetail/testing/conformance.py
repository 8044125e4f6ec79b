"""The conformance suite: what every op does on every backend, for a backend's author to run in a repository of theirs.

A test file of one line, ``from dovetail.testing.conformance import *``, run as ``pytest --dovetail-backend acme``,
tests each op there is against float64 NumPy, finite differences and the built-in backend, and prints a score. What a
backend does not state among its capabilities is not asked of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dovetail import dtypes, kernels, ops
from dovetail.backends.registry import get_backend
from dovetail.creation import tensor
from dovetail.device import resolve
from dovetail.errors import DeviceError
from dovetail.op import OPS, Op, Sample
from dovetail.testing import cases
from dovetail.testing.gradcheck import gradcheck, gradgradcheck
from dovetail.testing.samples import samples_of

_FLOATS = ["float16", "bfloat16", "float32", "float64"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test its ops and dtypes: those that there are when the tests are collected."""
    try:
        backend = get_backend(metafunc.config.getoption("dovetail_backend", "cpu"))
    except DeviceError as error:
        raise pytest.Collector.CollectError(f"--dovetail-backend: {error}") from None
    names = cases.offered(backend.capabilities)
    if "op_name" in metafunc.fixturenames:
        metafunc.parametrize("op_name", list(ops.every()))
    if "dtype_name" in metafunc.fixturenames:
        metafunc.parametrize("dtype_name", names)
    if "float_name" in metafunc.fixturenames:
        metafunc.parametrize("float_name", [name for name in _FLOATS if name in names])


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Any:
    """The first device of the backend under test."""
    return resolve(request.config.getoption("dovetail_backend", "cpu"))


def _has_float64(device: Any) -> bool:
    return "float64" in device.backend.capabilities


def _served(op_name: str, device: Any) -> Op:
    op = OPS[op_name]
    if kernels.lacks(op, device.backend):
        pytest.skip(f"needs {op.extension!r}, an extension of the array standard that the array library lacks")
    return op


def _samples_with_gradient(op: Op) -> list[Sample]:
    if op.mutates:
        pytest.skip("writes to its inputs, and has no gradient")
    found = [sample for sample in samples_of(op) if cases.differentiable(op, sample)]
    if not found:
        pytest.skip("no input has a gradient")
    return found


def _elementwise(op: Op) -> list[Sample]:
    found = cases.elementwise_samples(op)
    if not found:
        pytest.skip("does not work element by element")
    return found


# Each op


def test_defined(op_name: str) -> None:
    """An op has a sample, and for each input a gradient rule or the statement that none is meant."""
    op = OPS[op_name]
    samples_of(op)
    for name in op.inputs:
        assert op.joint_rule is not None or name in op.rules or name in op.undifferentiable, (
            f"op {op_name!r} has no gradient rule for {name!r}; state one, {op_name}.vjp({name}=lambda g, ...: ...), "
            f"or that none is meant: {op_name}.no_vjp({name!r})"
        )


def test_forward(op_name: str, dtype_name: str, device: Any) -> None:
    """An op gives what its reference kernel gives in float64.

    It takes each floating-point dtype. Others it may refuse, on some backends or on all, but not get wrong.
    """
    op, dtype = _served(op_name, device), dtypes.named(dtype_name)
    if op.mutates and not dtype.is_floating_point:
        pytest.skip("writes floating-point numbers")
    tried = 0
    for plain in samples_of(op):
        sample = cases.in_dtype(plain, dtype)
        wanted = plain.options.get("dtype")
        if wanted is not None and wanted.name not in cases.offered(device.backend.capabilities):
            continue
        why = cases.refusal(op, sample, "cpu") or cases.refusal(op, sample, device)
        if why is None:
            cases.expect_forward(op, sample, device)
            tried += 1
        else:
            assert not dtype.is_floating_point or not cases.floats(plain), f"{op_name} must take {dtype_name}: {why}"
    if not tried:
        pytest.skip(f"does not take {dtype_name}")


def test_gradient(op_name: str, device: Any) -> None:
    """Gradients are those of finite differences; without float64, those of the built-in backend."""
    op = _served(op_name, device)
    for sample in _samples_with_gradient(op):
        if not _has_float64(device):
            single = cases.in_dtype(sample, dtypes.float32)
            _expect_gradients(op, sample, cases.gradients(op, single, device), "cpu", "float32")
            continue
        gradcheck(_function(op, sample), _placed(op, sample, device), fast_mode=True)


def test_second_gradient(op_name: str, device: Any) -> None:
    """Gradients of gradients are those of finite differences."""
    op = _served(op_name, device)
    samples = _samples_with_gradient(op)
    if not _has_float64(device):
        pytest.skip("finite differences need float64")
    for sample in samples:
        gradgradcheck(_function(op, sample), _placed(op, sample, device), fast_mode=True)


def test_gradient_dtype(op_name: str, float_name: str, device: Any) -> None:
    """In each floating-point dtype, gradients are close to those in float64 and of the dtype of their input."""
    op = _served(op_name, device)
    for sample in _samples_with_gradient(op):
        rounded = cases.in_dtype(sample, dtypes.named(float_name))
        _expect_gradients(op, rounded, cases.gradients(op, rounded, device), "cpu", float_name)


def test_strided(op_name: str, device: Any) -> None:
    """Inputs whose elements do not lie side by side give the same results and gradients."""
    op = _served(op_name, device)
    float_name = "float64" if _has_float64(device) else "float32"
    for plain in samples_of(op):
        sample = _with_floats(plain, float_name)
        cases.expect_forward(op, sample, device, cases.strided)
        if cases.differentiable(op, sample) and not op.mutates:
            found = cases.gradients(op, sample, device, cases.strided)
            _expect_gradients(op, sample, found, device, float_name)


def test_empty(op_name: str, device: Any) -> None:
    """An op that works element by element gives no elements for none."""
    _expect_shapes(_served(op_name, device), [(0, 3)], device)


def test_zero_dim(op_name: str, device: Any) -> None:
    """An op that works element by element takes tensors without dimensions."""
    _expect_shapes(_served(op_name, device), [()], device)


@pytest.mark.parametrize("shapes", [[(2, 3), (3,)], [(2, 1), (1, 3)], [(), (3,)]], ids=str)
def test_broadcast(op_name: str, shapes: list, device: Any) -> None:
    """An op that works element by element broadcasts its inputs, and its gradients have their sizes."""
    op = _served(op_name, device)
    if len(op.inputs) < 2:
        pytest.skip("has one input")
    _expect_shapes(op, shapes, device)


def _function(op: Op, sample: Sample) -> Any:
    """Return the op with a sample's options, by the op's name."""

    def call(*inputs: Any) -> Any:
        return op.call(*inputs, **sample.options)

    call.__name__ = op.name
    call.definition = op  # type: ignore[attr-defined]
    return call


def _expect_gradients(op: Op, sample: Sample, found: list, twin: Any, float_name: str) -> None:
    """Compare gradients with those in float64 (or the device's own precision) of another device."""
    precise = Sample(*(_as_float64(value, twin) for value in sample.inputs), **sample.options)
    expected = cases.gradients(op, precise, twin)
    for position, ours, theirs in zip(cases.differentiable(op, sample), found, expected, strict=True):
        what = f"{op.name} on {sample}: the gradient of input {position}"
        cases.expect_close(what, ours, theirs, 4 * cases.TOLERANCE[float_name])


def _as_float64(value: Any, twin: Any) -> Any:
    is_float = isinstance(value, np.ndarray) and dtypes.from_numpy(value.dtype).is_floating_point
    return value.astype(np.float64) if is_float and _has_float64(resolve(twin)) else value


def _with_floats(sample: Sample, float_name: str) -> Sample:
    """Return the sample with its float arrays in a dtype, and its boolean ones as they are."""
    return cases.in_dtype(sample, dtypes.named(float_name)) if cases.floats(sample) else sample


def _placed(op: Op, sample: Sample, device: Any) -> list:
    return cases.place(sample, device, cases.follows_differences(op, sample))


def _expect_shapes(op: Op, shapes: list, device: Any) -> None:
    float_name = "float64" if _has_float64(device) else "float32"
    for plain in _elementwise(op):
        sample = _with_floats(cases.resized(plain, shapes), float_name)
        cases.expect_forward(op, sample, device)
        if cases.differentiable(op, sample) and _has_float64(device):
            gradcheck(_function(op, sample), _placed(op, sample, device), fast_mode=True)


# The backend


def test_backend_runs_and_owns_its_arrays(device: Any) -> None:
    """A backend that says it can run has a device, a name and arrays that it knows as its own."""
    backend = device.backend
    assert backend.device_count() >= 1
    made = backend.from_numpy(np.ones(3, np.float32), device.index or 0)
    assert backend.owns(made)
    assert not backend.owns("an array of nobody's")
    assert backend.memory_allocated(device.index or 0) >= 0
    backend.synchronize(device.index or 0)


def test_backend_has_no_device_behind_its_last(device: Any) -> None:
    """An index that is too large is a DeviceError, and not the first device."""
    if device.index is None:
        pytest.skip("the backend's devices are not counted")
    with pytest.raises(DeviceError, match=device.type):
        resolve(f"{device.type}:{device.backend.device_count()}")


@pytest.mark.parametrize("shape", [(), (0, 2), (3,), (2, 3, 4)], ids=str)
def test_arrays_come_back(dtype_name: str, shape: tuple, device: Any) -> None:
    """What goes to the device comes back in the same dtype, sizes and numbers, also when it was strided."""
    dtype = dtypes.named(dtype_name)
    array = (np.arange(np.prod(shape, dtype=int)) % 2).reshape(shape).astype(dtype.numpy)
    for given in (array, array.T):
        placed = tensor(given, dtype=dtype, device=device)
        assert placed.dtype is dtype
        assert placed.device == device
        back = device.backend.to_numpy(placed._array)
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, given)


def test_tensor_does_not_share_memory_with_the_array_it_was_made_of(device: Any) -> None:
    """``tensor(array)`` copies."""
    array = np.zeros(3, np.float32)
    placed = tensor(array, device=device)
    array[0] = 1
    assert placed.tolist() == [0, 0, 0]


def test_in_place(device: Any) -> None:
    """In-place ops and assignments change the tensor, and gradients see the change."""
    x = tensor([1.0, 2.0, 3.0], device=device)
    x.add_(1.0)
    x[1] = 10.0
    x[0:1] *= 2.0
    assert x.tolist() == [4.0, 10.0, 4.0]
    leaf = tensor([1.0, 2.0], device=device, requires_grad=True)
    y = leaf * 2.0
    y.mul_(leaf)
    y.sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [4.0, 8.0]


def test_views(device: Any) -> None:
    """A write to a view is seen in its base, and the other way round."""
    base = tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
    row, flipped = base[0], base.transpose(0, 1)
    row.add_(10.0)
    assert base.tolist() == [[11.0, 12.0], [3.0, 4.0]]
    base[1, 0] = 0.0
    assert flipped.tolist() == [[11.0, 0.0], [12.0, 4.0]]


def test_to_and_from_the_cpu(device: Any) -> None:
    """Moving to the CPU and back keeps numbers, dtype and gradients."""
    leaf = tensor([1.0, 2.0], requires_grad=True)
    moved = leaf.to(device)
    assert moved.device == device
    (moved * moved).sum().to("cpu").backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [2.0, 4.0]


__all__ = ["device", "pytest_generate_tests", *(name for name in dir() if name.startswith("test_"))]
assert ops  # imported for the ops that it defines
