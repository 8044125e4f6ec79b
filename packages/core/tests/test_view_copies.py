"""Views and writes on backends that copy: arrays that cannot be written to, and the array standard without strides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail import errors, plugins


class Rows(np.ndarray):
    """An array of a library without views and writes."""


def own(array):
    out = np.array(array, subok=False, order="C").view(Rows)
    out.flags.writeable = False
    return out


class Frozen(dovetail.Backend):
    name = "frozen"
    xp = np
    capabilities = frozenset({"float64"})

    def owns(self, array):
        return type(array) is Rows

    def from_numpy(self, array, index=0):
        return own(array)

    def to_numpy(self, array):
        return np.array(array, subok=False)

    def filled(self, target, value):
        return own(super().filled(target, value))

    def prepare(self, kernel, arity):
        def run(*arrays, **options):
            plain = [np.asarray(array) if isinstance(array, Rows) else array for array in arrays]
            with np.errstate(all="ignore"):
                result = kernel(np, *plain, **options)
            return tuple(own(part) for part in result) if isinstance(result, tuple) else own(result)

        return run


class Strict(dovetail.Backend):
    name = "strict"

    @property
    def xp(self):
        return pytest.importorskip("array_api_strict")

    def owns(self, array):
        return type(array).__module__.startswith("array_api_strict")


@pytest.fixture(params=[Frozen, Strict], ids=["frozen", "strict"])
def device(request):
    class Plugin:
        @plugins.hookimpl
        def dovetail_register_backends(self):
            return [request.param()]

    name = request.param.name
    plugins.register(Plugin(), name)
    yield name
    plugins.unregister(name)


VIEWS = {
    "row": lambda x: x[0],
    "step": lambda x: x[:, ::2],
    "t": lambda x: x.t(),
    "view": lambda x: x.view(-1),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "split": lambda x: x.split(1)[1],
    "unbind": lambda x: x.unbind(1)[0],
    "diagonal": lambda x: x.diagonal(1),
    "unfold": lambda x: x.unfold(1, 2, 2),
    "as_strided": lambda x: x.as_strided((2, 2), (1, 2), 1),
    "as_strided of a view": lambda x: x[1].as_strided((2,), (1,), 2),
    "chain": lambda x: x.t()[1:].diagonal().unsqueeze(0),
}


@pytest.mark.parametrize("name", VIEWS)
def test_writes_are_seen_by_all(device, name):
    if device == "strict" and name == "view":
        pytest.skip("whether a reshape shares memory is not known there")
    base = dovetail.arange(6.0).reshape(2, 3).clone().to(device)
    here = dovetail.arange(6.0).reshape(2, 3).clone()
    first, same, other = VIEWS[name](base), VIEWS[name](here), base[1]
    assert first._base is base
    for x in (first, same):
        x.mul_(2).add_(x)
    assert base.tolist() == here.tolist()
    assert other.tolist() == here[1].tolist()
    assert first.tolist() == same.tolist()
    for x in (base, here):
        x[0] = dovetail.tensor([-1.0, -2.0, -3.0], device=x.device)
    assert first.tolist() == same.tolist()
    assert base._version == first._version == here._version


@pytest.mark.parametrize("name", VIEWS)
def test_gradients_through_writes(device, name):
    found = []
    for place in (device, "cpu"):
        start = dovetail.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], device=place, requires_grad=True)
        base = start * 1
        view = base[0] if name == "view" and place == "strict" else VIEWS[name](base)
        before = base * base.detach() if name == "row" else None
        if name in ("split", "unbind"):
            with pytest.raises(
                errors.GradError, match=rf"output of {name}, which returns multiple views, and is being"
            ):
                view.tanh_()
            return
        view.tanh_()
        (base * base).sum().backward()
        found.append((start.grad.tolist(), view.requires_grad, before is None))
    if not (name == "view" and device == "strict"):
        assert found[0] == found[1]


def test_strides_are_those_of_a_base_in_order(device):
    x = dovetail.arange(24.0).reshape(2, 3, 4).clone().to(device)
    assert x.stride() == (12, 4, 1)
    part = x[1, :, 1::2]
    assert part.stride() == (4, 2)
    assert part.storage_offset() == 13
    assert x.transpose(0, 2).stride() == (1, 4, 12)
    assert x.is_contiguous(memory_format=dovetail.contiguous_format)
    assert x.contiguous() is x
    assert x.clone(memory_format=dovetail.channels_last_3d if x.ndim == 5 else None).tolist() == x.tolist()


def test_other_sizes_and_bits(device):
    x = dovetail.arange(6.0).to(device)
    x.resize_(2, 2)
    assert x.tolist() == [[0, 1], [2, 3]]
    x.resize_(5)
    assert x[:4].tolist() == [0, 1, 2, 3]
    with pytest.raises(errors.DeviceError, match=f"backend '{device}' cannot view memory as another dtype"):
        x.view(dovetail.int32)
    with pytest.raises(errors.DeviceError, match="has no memory that processes share"):
        x.share_memory_()
    with pytest.raises(errors.DeviceError, match="does not give the memory behind an array"):
        x.set_(x.untyped_storage())


STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(set(VIEWS) - {"view"})), st.integers(0, 9), st.integers(0, 2)), max_size=5
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(STEPS)
def test_random_programs_do_what_they_do_on_the_cpu(program):
    class Plugin:
        @plugins.hookimpl
        def dovetail_register_backends(self):
            return [Frozen()]

    plugins.register(Plugin(), "frozen")
    try:
        assert _run("frozen", program) == _run("cpu", program)
    finally:
        plugins.unregister("frozen")


def _run(place, program):
    start = dovetail.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], device=place, requires_grad=True)
    tensors = [start * 1]
    try:
        for name, which, write in program:
            x = tensors[which % len(tensors)]
            if x.ndim == 2 and x.shape[0] > 1 and x.shape[1] > 2:
                tensors.append(VIEWS[name](x))
            (x.mul_, x.add_, x.fill_)[write](0.5)
        sum((x * (place + 1)).sum() for place, x in enumerate(tensors)).backward()
    except (errors.DovetailError, IndexError) as error:
        return type(error)
    return [x.tolist() for x in tensors], start.grad.tolist(), [x._version for x in tensors]
