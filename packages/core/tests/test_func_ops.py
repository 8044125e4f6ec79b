"""Every op inside vmap gives what it gives for one sample after the other, and so do its gradients."""

import importlib
import pkgutil

import numpy as np
import pytest

import dovetail
from dovetail.func import grad, vmap
from dovetail.func.rules import rule_of
from dovetail.op import OPS
from dovetail.testing import cases
from dovetail.testing.samples import samples_of

for _module in pkgutil.iter_modules(dovetail.ops.__path__, "dovetail.ops."):
    importlib.import_module(_module.name)  # some families are imported late

SIZE = 3
SIZED_BY_NUMBERS = ("nonzero",)  # these are refused: see test_func_parity.py
CASES = [
    (op, sample)
    for op in OPS.values()
    if op.sampler is not None and op.name not in SIZED_BY_NUMBERS
    for sample in samples_of(op)
]
NAMES = [f"{op.name}-{number}" for number, (op, _) in enumerate(CASES)]


def batch_of(value, dim):
    """Return three samples like ``value``, integers and truths in another order each, stacked along ``dim``."""
    if value.dtype.kind == "f":
        samples = [value * (1 - 0.04 * number) for number in range(SIZE)]
    else:
        samples = [np.roll(value, number) for number in range(SIZE)]
    return dovetail.tensor(np.stack(samples, axis=dim))


def arrays_of(sample):
    return [place for place, value in enumerate(sample.inputs) if isinstance(value, np.ndarray)]


def mapped_inputs(sample, unbatched, dim):
    """Return the sample's inputs, batched but for one, and the dimension of the batch of each."""
    inputs, dims = [], []
    for place, value in enumerate(sample.inputs):
        is_array = isinstance(value, np.ndarray)
        if is_array and place != unbatched:
            axis = min(dim, value.ndim)
            inputs.append(batch_of(value, axis))
            dims.append(axis)
        else:
            inputs.append(dovetail.tensor(value) if is_array else value)
            dims.append(None)
    return inputs, dims


def looped(call, inputs, dims):
    """Return what a loop over the batch gives, stacked."""
    found = []
    for number in range(SIZE):
        one = [x if dim is None else x.select(dim, number) for x, dim in zip(inputs, dims, strict=True)]
        found.append(call(*[x.clone() if isinstance(x, dovetail.Tensor) else x for x in one]))
    return [dovetail.stack(parts) for parts in zip(*found, strict=True)]


def expect_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype is other.dtype
        cases.expect_close("vmap", cases.to_numpy(one), cases.to_numpy(other), 1e-9)


def variants(sample):
    yield None, 0
    yield None, 1
    places = arrays_of(sample)
    if len(places) > 1:
        for place in places:
            yield place, 0


def runner(op, options):
    def call(*values):
        if op.mutates:
            values = [x.clone() if isinstance(x, dovetail.Tensor) else x for x in values]
        return tuple(cases.run(op, list(values), options))

    return call


@pytest.mark.parametrize(("op", "sample"), CASES, ids=NAMES)
def test_a_batch_gives_what_a_loop_gives(op, sample):
    call = runner(op, sample.options)
    for unbatched, dim in variants(sample):
        if op.mutates and op.inputs[unbatched or 0] in op.mutates and unbatched is not None:
            continue
        inputs, dims = mapped_inputs(sample, unbatched, dim)
        expected = looped(call, inputs, dims)
        expect_same(vmap(call, in_dims=tuple(dims))(*inputs), expected)


@pytest.mark.parametrize(("op", "sample"), CASES, ids=NAMES)
def test_gradients_of_each_sample_are_what_a_loop_gives(op, sample):
    wanted = tuple(cases.differentiable(op, sample))
    if not wanted or op.mutates:
        return

    def total(*values):
        parts = [part for part in cases.run(op, list(values), sample.options) if part.dtype.is_differentiable]
        parts = [part.abs() if part.dtype.is_complex else part for part in parts]
        return sum((part.sin() * 1.5).sum() for part in parts[:1])

    slope = grad(total, argnums=wanted)
    for unbatched, dim in variants(sample):
        inputs, dims = mapped_inputs(sample, unbatched, dim)
        expected = looped(slope, inputs, dims)
        expect_same(vmap(slope, in_dims=tuple(dims))(*inputs), expected)
        if unbatched in wanted:
            around = grad(lambda *values: vmap(total, in_dims=tuple(dims))(*values).sum(), argnums=unbatched)  # noqa: B023
            expect_same([around(*inputs)], [expected[wanted.index(unbatched)].sum(0)])


def test_most_ops_do_a_batch_at_once():
    slow = {op.name for op, _ in CASES if rule_of(op) is None and not op.mutates}
    assert len(slow) < 0.1 * len(CASES), sorted(slow)


def test_an_op_without_a_rule_runs_sample_by_sample():
    @dovetail.op
    def mirrored_sum(xp, x):
        return x + xp.flip(x, axis=0)

    try:
        mirrored_sum.vjp(x=lambda g: mirrored_sum(g))
        x = dovetail.randn(4, 3)
        assert rule_of(mirrored_sum.definition) is None
        assert dovetail.equal(vmap(mirrored_sum)(x), x + x.flip(1))
        assert dovetail.equal(vmap(grad(lambda x: mirrored_sum(x)[0]))(x), dovetail.tensor([[1.0, 0, 1]] * 4))
    finally:
        del OPS["mirrored_sum"]
