"""Running an op on a sample, on a backend and by its reference kernel on NumPy: what the conformance suite compares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dovetail import dtypes
from dovetail.autograd import grad, no_grad
from dovetail.creation import tensor
from dovetail.dtypes import DType
from dovetail.errors import DovetailError
from dovetail.op import OPS, Op, Sample
from dovetail.tensor import Tensor
from dovetail.testing.samples import samples_of

#: How far a result may be from float64's: relative to it, or absolute.
TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 1e-4, "complex64": 1e-4, "float64": 1e-9, "complex128": 1e-9}
#: What a backend must state among its capabilities for a dtype to be asked of it.
NEEDS = {"float16": {"float16"}, "bfloat16": {"bfloat16"}, "float64": {"float64"}, "complex64": {"complex"},
         "complex128": {"complex", "float64"}}  # fmt: skip


def offered(capabilities: Iterable[str]) -> list[str]:
    """Return the names of the dtypes that a backend with these capabilities has."""
    return [name for name in dtypes.DTYPES if NEEDS.get(name, set()) <= set(capabilities)]


# Samples in a dtype


def varied(sample: Sample) -> list[int]:
    """Return which inputs of a sample take the dtype under test: the float arrays, or else the boolean ones."""
    return floats(sample) or [
        place for place, value in enumerate(sample.inputs) if isinstance(value, np.ndarray) and value.dtype.kind == "b"
    ]


def floats(sample: Sample) -> list[int]:
    """Return which inputs of a sample are float arrays."""
    return [
        place
        for place, value in enumerate(sample.inputs)
        if isinstance(value, np.ndarray) and dtypes.from_numpy(value.dtype).is_floating_point
    ]


def in_dtype(sample: Sample, dtype: DType) -> Sample:
    """Return the sample with its numbers in ``dtype``: rounded, whole and not 0, or with an imaginary part."""
    inputs = list(sample.inputs)
    for place in varied(sample):
        inputs[place] = np.asarray(_converted(inputs[place], dtype))  # NumPy makes scalars of 0-d arrays
    return Sample(*inputs, **sample.options)


def _converted(array: np.ndarray, dtype: DType) -> np.ndarray:
    if dtype is dtypes.bool_:
        return array > 0
    if array.dtype.kind == "b" or dtype.is_floating_point:
        return array.astype(dtype.numpy)
    if dtype.is_complex:
        return (array + 1j * np.roll(array, 1)).astype(dtype.numpy)
    whole = np.trunc(2 * array)
    whole = np.where(whole == 0, 1, whole)
    return (whole if dtype.is_signed else np.abs(whole)).astype(dtype.numpy)


def resized(sample: Sample, shapes: Iterable[tuple[int, ...]]) -> Sample:
    """Return the sample with the numbers of its arrays repeated or cut to other shapes, the same for all or in turn."""
    shapes = list(shapes)
    inputs, turn = [], 0
    for value in sample.inputs:
        if isinstance(value, np.ndarray):
            shape = shapes[turn % len(shapes)]
            turn += 1
            value = _filled(value, shape)
        inputs.append(value)
    return Sample(*inputs, **sample.options)


def _filled(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of another shape of the same numbers, a little smaller each so that no two are equal."""
    numbers = np.resize(array, shape)
    if array.dtype.kind != "f":
        return numbers
    return np.asarray(numbers * np.linspace(1.0, 0.9, numbers.size).reshape(shape))


# Running


def place(
    sample: Sample, device: Any, requires_grad: Iterable[int] = (), layout: Callable[..., Any] | None = None
) -> list:
    """Return a sample's inputs on a device: its arrays as tensors, those at some places requiring a gradient."""
    placed = []
    for position, value in enumerate(sample.inputs):
        if isinstance(value, np.ndarray):
            value = tensor(value, dtype=dtypes.from_numpy(value.dtype), device=device)
            if position in requires_grad:
                value.requires_grad_()
            if layout is not None:
                value = layout(value)
        placed.append(value)
    return placed


def run(op: Op, inputs: list, options: dict[str, Any]) -> list[Tensor]:
    """Return an op's results; for one that writes to its inputs, these."""
    if op.mutates:
        with no_grad():
            op.call(*inputs, **options)
        changed = [inputs[op.inputs.index(name)] for name in op.mutates]
        return [value for value in changed if value is not None]
    results = op.call(*inputs, **options)
    return list(results) if op.outputs != ("out",) else [results]


def reference(op: Op, sample: Sample) -> list[np.ndarray]:
    """Return what the op's reference kernel gives on NumPy: in float64 for floating point, else in the dtype given."""
    inputs = [_precise(op, value) if isinstance(value, np.ndarray) else value for value in sample.inputs]
    options = {**op.options, **sample.options}
    if isinstance(options.get("dtype"), DType):
        options["dtype"] = options["dtype"].numpy
    inputs += [None] * (len(op.inputs) - len(inputs))
    with np.errstate(all="ignore"):
        results = op.kernel(np, *inputs, **options)
    if op.mutates:
        results = (results,) if len(op.mutates) == 1 else results
        return [np.asarray(value) for value in results if value is not None]
    return [np.asarray(value) for value in (results if op.outputs != ("out",) else (results,))]


def _precise(op: Op, array: np.ndarray) -> np.ndarray:
    dtype = dtypes.from_numpy(array.dtype)
    if dtype.is_floating_point or (op.promote == "float" and not dtype.is_complex):
        return array.astype(np.float64)
    return array.astype(np.complex128) if dtype.is_complex else array.copy()


def to_numpy(value: Tensor) -> np.ndarray:
    """Return a tensor's elements, bfloat16 as float32."""
    array = value.detach().numpy(force=True)
    return array.astype(np.float32) if value.dtype is dtypes.bfloat16 else array


def expect_close(what: str, found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Raise AssertionError, saying where and by how much, unless two arrays agree."""
    assert found.shape == expected.shape, f"{what} has sizes {found.shape}, expected {expected.shape}"
    kind = np.complex128 if "c" in (found.dtype.kind, expected.dtype.kind) else np.float64
    found, expected = found.astype(kind), expected.astype(kind)
    close = np.isclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    if not close.all():
        element = tuple(int(place[0]) for place in np.nonzero(np.atleast_1d(~close)))[: found.ndim]
        raise AssertionError(
            f"{what} is {found[element]:.6g} at element {element}, expected {expected[element]:.6g} (tolerance "
            f"{tolerance:g}); {int((~close).sum())} of {close.size} elements are wrong"
        )


def refusal(op: Op, sample: Sample, device: Any) -> str | None:
    """Return why a device does not take a sample, or None when it does and gives results of dtypes that there are."""
    try:
        for result in run(op, place(sample, device), sample.options):
            _ = result.dtype
    except (DovetailError, TypeError, OverflowError) as error:
        return str(error)
    return None


def tolerance_of(sample: Sample) -> float:
    """Return how far results may be off, given the dtype of the least precise input."""
    names = [value.dtype.name for value in sample.inputs if isinstance(value, np.ndarray)]
    return max((TOLERANCE[name] for name in names if name in TOLERANCE), default=TOLERANCE["float32"])


def expect_forward(op: Op, sample: Sample, device: Any, layout: Callable[..., Any] | None = None) -> None:
    """Raise AssertionError unless the op gives on the device what its reference kernel gives on NumPy."""
    results = run(op, place(sample, device, layout=layout), sample.options)
    expected = reference(op, sample)
    assert len(results) == len(expected), f"{op.name} gives {len(results)} results, its reference {len(expected)}"
    on_cpu = run(op, place(sample, "cpu"), sample.options)
    for number, (found, wanted, twin) in enumerate(zip(results, expected, on_cpu, strict=True)):
        what = f"{op.name} on {sample}: result {number}"
        _expect_dtype(what, found.dtype, twin.dtype, op, sample, wanted)
        expect_close(what, to_numpy(found), wanted, tolerance_of(sample))


def _expect_dtype(what: str, found: DType, on_cpu: DType, op: Op, sample: Sample, expected: np.ndarray) -> None:
    """Raise AssertionError unless a result has the dtype that it has on the CPU, and floats stay what they were."""
    assert found is on_cpu, f"{what} has dtype {found}, on cpu {on_cpu}"
    given = {sample.inputs[position].dtype for position in varied(sample)}
    if expected.dtype.kind == "f" and len(given) == 1 and sample.options.get("dtype") is None:
        (dtype,) = (dtypes.from_numpy(native) for native in given)
        assert not dtype.is_floating_point or found is dtype, f"{what} has dtype {found}, its inputs {dtype}"


# Gradients


def differentiable(op: Op, sample: Sample) -> list[int]:
    """Return which inputs of a sample get a gradient: float arrays that have a rule."""
    found = []
    for position in range(len(sample.inputs)):
        name = op.inputs[min(position, len(op.inputs) - 1)]
        has_rule = op.joint_rule is not None or name in op.rules
        if position in floats(sample) and has_rule and name not in op.undifferentiable:
            found.append(position)
    return found


def follows_differences(op: Op, sample: Sample) -> list[int]:
    """Return which inputs have a gradient that finite differences must give.

    That is all which have a gradient, but for an op that is handed what another op saved: it has an input with the
    name of that op's result, from which no gradient flows. Its rules count how the saved result depends on the others,
    and a difference in these alone does not; only its first input, the gradient that it passes on, is apart from that.
    """
    wanted = differentiable(op, sample)
    saved = {name for other in OPS.values() for name in other.no_grad_outputs}
    for position in floats(sample):
        name = op.inputs[min(position, len(op.inputs) - 1)]
        if name in saved and name in op.undifferentiable:
            return [position for position in wanted if position == 0]
    return wanted


def gradients(op: Op, sample: Sample, device: Any, layout: Callable[..., Any] | None = None) -> list[np.ndarray]:
    """Return the gradients of a fixed combination of the results, for each input that gets one."""
    wanted = differentiable(op, sample)
    leaves = place(sample, device, wanted)
    inputs = [layout(value) if layout is not None and isinstance(value, Tensor) else value for value in leaves]
    results = [out for out in run(op, inputs, sample.options) if out.requires_grad]
    starts = []
    for number, out in enumerate(results):
        values = np.random.Generator(np.random.PCG64(number)).uniform(0.5, 1.5, tuple(out.shape))
        starts.append(tensor(values, dtype=out.dtype, device=device))
    found = grad(results, [leaves[position] for position in wanted], starts, materialize_grads=True)
    return [to_numpy(gradient) for gradient in found]


# Layouts and kinds


def strided(value: Tensor) -> Tensor:
    """Return the same numbers as a view whose elements do not lie side by side, where the backend has views."""
    last = value.ndim - 1
    if last < 0:
        return value
    if last == 0:
        return value.unsqueeze(1).expand((*value.shape, 2)).reshape((2 * value.shape[0],))[::2]
    turned = value.transpose(0, last)
    return turned.reshape((-1,)).reshape(tuple(turned.shape)).transpose(0, last)  # flat first, or it may stay a view


def is_elementwise(op: Op, sample: Sample) -> bool:
    """Return whether the op treats each element by itself: alone, an element gives what it gives among others."""
    if op.mutates or op.outputs != ("out",) or not any(isinstance(value, np.ndarray) for value in sample.inputs):
        return False
    whole = resized(sample, [(2, 3)])
    try:
        among = reference(op, whole)[0]
        return among.shape == (2, 3) and all(
            np.array_equal(reference(op, _alone(whole, element))[0], among[element].reshape(1), equal_nan=True)
            for element in np.ndindex(2, 3)
        )
    except (ValueError, TypeError, IndexError, DovetailError):
        return False


def _alone(sample: Sample, element: tuple[int, ...]) -> Sample:
    """Return the sample with one element of each array, as an array of one."""
    inputs = [value[element].reshape(1) if isinstance(value, np.ndarray) else value for value in sample.inputs]
    return Sample(*inputs, **sample.options)


def elementwise_samples(op: Op) -> list[Sample]:
    """Return the op's samples if it works element by element, else none."""
    samples = samples_of(op)
    return [sample for sample in samples if is_elementwise(op, sample)]
