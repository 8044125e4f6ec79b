"""dovetail.func: what programs that nest transforms give, what is refused, and what is left behind."""

import gc
import subprocess
import sys
import threading
import weakref
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import dovetail
from dovetail.errors import GradError, VmapError
from dovetail.func import functional_call, grad, hessian, jacrev, jvp, stack_module_state, value_and_grad, vjp, vmap
from dovetail.func.batched import levels
from dovetail.func.transforms import transforms
from dovetail.func.tree import flatten, spread, unflatten
from dovetail.op import OPS

X = dovetail.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
V = dovetail.tensor([1.0, -2.0])


def loss(w, x):
    return (w * x).sum() ** 2


def test_per_sample_gradients_of_a_tensor_that_all_samples_share():
    found = vmap(grad(loss), in_dims=(None, 0))(V, X)
    assert dovetail.equal(found, 2 * (X @ V).unsqueeze(1) * X)
    assert not found.requires_grad


def test_a_gradient_around_vmap_is_the_sum_over_samples():
    assert dovetail.equal(grad(lambda w: vmap(loss, (None, 0))(w, X).sum())(V), 2 * (X @ V) @ X)


def test_vmap_is_a_name_of_dovetail_that_is_imported_late():
    assert dovetail.vmap is vmap
    code = "import sys, dovetail; assert 'dovetail.func' not in sys.modules; dovetail.func.grad"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_batched_tensor_prints_as_what_it_is():
    texts = []
    vmap(lambda x: texts.append(repr(x)) or x)(V)
    assert texts == ["BatchedTensor(lvl=1, bdim=0, value=\n    tensor([ 1., -2.])\n)"]
    vmap(lambda x: texts.append(repr(V.new_zeros(2).type_as(x))) or x)(V)
    assert "the same for each sample" in texts[1]


def test_two_threads_each_have_their_levels():
    inside, done = threading.Event(), threading.Event()

    def waits(x):
        inside.set()
        assert done.wait(20)
        return x * len(levels.running)

    found = []
    thread = threading.Thread(target=lambda: found.append(vmap(waits)(V)))
    thread.start()
    assert inside.wait(20)
    assert not levels.running
    assert dovetail.equal(vmap(lambda x: x * len(levels.running))(V), V)
    done.set()
    thread.join()
    assert dovetail.equal(found[0], V)


def test_an_error_inside_leaves_nothing_running():
    with pytest.raises(VmapError):
        vmap(grad(lambda x: x.item()))(V)
    assert not levels.running
    assert not transforms.fresh
    assert dovetail.is_grad_enabled()
    assert dovetail.rand(2).shape == (2,)


def test_nothing_is_kept_alive():
    gc.collect()
    gc.disable()
    try:
        w = dovetail.ones(2)
        kept = weakref.ref(w)
        vmap(grad(loss), (None, 0))(w, X)
        grad(lambda w: vmap(loss, (None, 0))(w, X).sum())(w)
        hessian(lambda w: loss(w, X[0]))(w)
        del w
        assert kept() is None
    finally:
        gc.enable()


def test_a_tensor_that_got_out_is_refused_where_a_level_is_needed():
    kept = []
    vmap(lambda x: kept.append(x) or x)(V)
    with pytest.raises(VmapError, match="used after the function has ended; return it from the function"):
        dovetail.zeros_like(kept[0])


def test_numbers_of_a_sample_are_refused_with_advice():
    for asks in (float, bool, lambda x: x.item(), lambda x: x.numpy(), lambda x: x.tolist(), lambda x: np.asarray(x)):
        with pytest.raises(VmapError, match=r"each sample has others; use operations that need no numbers"):
            vmap(asks)(V)


def test_a_write_needs_room_for_all_samples():
    with pytest.raises(VmapError, match=r"room for one sample only.*zeros_like"):
        vmap(lambda x: dovetail.zeros(2).add_(x))(X)
    assert dovetail.equal(vmap(lambda x: dovetail.zeros_like(x).add_(x))(X), X)


def test_a_mask_may_be_written_to_with_one_number_only():
    assert vmap(lambda x: _written(x.clone(), x > 2, 0.0))(X).tolist() == [[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(VmapError, match=r"only one number can be written there, got sizes \(2,\)"):
        vmap(lambda x: _written(x.clone(), x > 2, V))(X)


def _written(x, index, value):
    x[index] = value
    return x


def test_embedding_and_labels_are_checked_over_all_samples():
    table = dovetail.eye(3)
    indices = dovetail.tensor([[0, 1], [2, 3]])
    with pytest.raises(IndexError, match="index 3 is out of range"):
        vmap(lambda i: dovetail.ops.embedding(table, i))(indices)
    assert vmap(lambda i: dovetail.ops.embedding(table, i))(indices - 1 + (indices == 0)).shape == (2, 2, 3)


def test_jacobians_loop_where_vmap_cannot():
    @dovetail.op
    def odd(xp, x):
        return x * x

    odd.vjp(x=lambda g, x: g * 2 * x if float(g.sum()) < 10 else g)  # looks at the numbers
    try:
        assert dovetail.equal(jacrev(odd)(V), dovetail.tensor([[2.0, 0], [0, -4]]))
    finally:
        del OPS["odd"]


def test_value_and_grad():
    value, slope = value_and_grad(loss)(V, X[0])
    assert (value.item(), slope.tolist()) == (9.0, [-6.0, -12.0])


def test_strict_jvp_wants_every_output_to_depend_on_every_input():
    assert jvp(loss, (V, X[0]), (V, V), strict=True)[0].item() == 9.0
    with pytest.raises(GradError, match="every output must depend"):
        jvp(lambda x: dovetail.ones(2), (V,), (V,), strict=True)
    with pytest.raises(GradError, match="depend on every primal"):
        jvp(lambda x, y: x * 2, (V, V), (V, V), strict=True)


def test_a_pull_back_can_be_called_again():
    out, pull = vjp(lambda x: x**3, V)
    assert dovetail.equal(pull(out)[0], pull(out)[0])
    assert dovetail.equal(vmap(pull)(X)[0], X * 3 * V**2)


# Trees

Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    "tree",
    [1, None, [], (), {}, (1, [2, {"a": 3}]), Pair(1, (2,)), OrderedDict(b=1, a=2), [Pair([1], {}), None]],
)
def test_a_tree_comes_back_from_its_leaves(tree):
    leaves, structure = flatten(tree)
    again = unflatten(leaves, structure)
    assert again == tree
    assert type(again) is type(tree)
    assert structure == flatten(again)[1]
    assert structure.count == len(leaves)


@pytest.mark.parametrize(
    ("prefix", "tree", "found"),
    [
        (0, (1, [2, 3]), [0, 0, 0]),
        ((0, None), (1, [2, 3]), [0, None, None]),
        ((0, [1, 2]), (1, [2, 3]), [0, 1, 2]),
        ({"a": 1, "b": 0}, {"b": 5, "a": (6, 7)}, [0, 1, 1]),
        ((0, (1, 2)), (1, [2, 3]), None),
        ((0,), (1, 2), None),
        ({"a": 1}, {"b": 1}, None),
        ((0,), 1, None),
        (Pair(0, 1), Pair(5, [6]), [0, 1]),
    ],
)
def test_a_prefix_spreads_over_a_tree(prefix, tree, found):
    assert spread(prefix, flatten(tree)[1]) == found


def test_named_tuples_go_in_and_out():
    found = vmap(lambda pair: Pair(pair.first * 2, pair.second), in_dims=(Pair(0, None),), out_dims=Pair(0, None))(
        Pair(X, V)
    )
    assert type(found) is Pair
    assert dovetail.equal(found.first, X * 2)
    assert found.second is V
    slope = grad(lambda pair: (pair.first * pair.second).sum())(Pair(V, V * 2))
    assert type(slope) is Pair
    assert dovetail.equal(slope.first, V * 2)


def test_sorted_values_and_indices_come_out_of_vmap():
    found = vmap(lambda x: x.sort(descending=True))(X)
    assert found.values.tolist() == [[2.0, 1.0], [4.0, 3.0], [6.0, 5.0]]


# Modules


class Layer:
    """As much of a module as functional calls need."""

    training = True

    def __init__(self, scale, inner=None):
        self._parameters, self._buffers = {"scale": scale}, {"shift": dovetail.zeros(2), "none": None}
        self.inner = inner

    def named_modules(self, remove_duplicate=True):
        return [("", self)] + ([("inner", self.inner)] if self.inner else [])

    def named_parameters(self):
        return [("scale", self._parameters["scale"])]

    def named_buffers(self):
        return [("shift", self._buffers["shift"])]

    def __call__(self, x, times=1):
        out = x * self._parameters["scale"] * times + self._buffers["shift"]
        return self.inner(out) if self.inner else out


def test_functional_call_replaces_for_one_call():
    layer = Layer(dovetail.ones(2))
    assert functional_call(layer, {"scale": V}, (dovetail.ones(2),), {"times": 2}).tolist() == [2.0, -4.0]
    assert functional_call(layer, ({"scale": V}, {"shift": V}), dovetail.ones(2)).tolist() == [2.0, -4.0]
    assert layer(V).tolist() == [1.0, -2.0]
    with pytest.raises(ValueError, match=r"\['scale'\] appear in more than one"):
        functional_call(layer, ({"scale": V}, {"scale": V}), V)
    with pytest.raises(ValueError, match="a dictionary or a sequence of them, got int"):
        functional_call(layer, 3, V)
    with pytest.raises(RuntimeError, match=r"missing: \['shift'\], unknown: \['other'\]"):
        functional_call(layer, {"scale": V, "other": V}, V, strict=True)
    assert layer(V).tolist() == [1.0, -2.0]


def test_functional_call_replaces_a_shared_parameter_under_all_its_names():
    scale = dovetail.ones(2)
    layer = Layer(scale, Layer(scale))
    assert functional_call(layer, {"scale": V}, dovetail.ones(2)).tolist() == [1.0, 4.0]
    assert functional_call(layer, {"scale": V}, dovetail.ones(2), tie_weights=False).tolist() == [1.0, -2.0]
    assert layer(V).tolist() == [1.0, -2.0]


def test_modules_are_stacked():
    models = [Layer(V * number) for number in range(3)]
    parameters, buffers = stack_module_state(models)
    assert parameters["scale"].shape == buffers["shift"].shape == (3, 2)
    called = vmap(lambda p, b: functional_call(models[0], (p, b), dovetail.ones(2)))(parameters, buffers)
    assert called.tolist() == [[0.0, -0.0], [1.0, -2.0], [2.0, -4.0]]
    with pytest.raises(ValueError, match="at least one model"):
        stack_module_state([])
    models[1]._parameters["scale"] = dovetail.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="'scale' requires a gradient in some models"):
        stack_module_state(models)
    models[1].training = False
    with pytest.raises(ValueError, match="in one mode"):
        stack_module_state(models)
    with pytest.raises(ValueError, match="of one class, got Layer, Other"):
        stack_module_state([models[0], type("Other", (Layer,), {})(V)])
