"""Defining an op: what a definition may say, what is kept for its rules, which kernel serves it."""

import gc

import pytest

import dovetail
from dovetail.op import OPS, Op, Sample, op


@pytest.fixture(autouse=True)
def _forget_new_ops():
    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]


@pytest.fixture
def x():
    return dovetail.tensor([1.0, 2.0], requires_grad=True)


def product():
    @op
    def product(xp, x, y, *, scale=1.0):
        """Return ``x * y * scale``."""
        return x * y * scale

    return product


# Definitions


def test_the_definition_is_read_off_the_kernel():
    @op(outputs=("out", "extra"), no_grad_outputs=("extra",))
    def everything_(xp, x, y=None, *, dim, keepdim=False):
        """Do it."""
        return x, x

    found = everything_.definition
    assert OPS["everything"] is found
    assert (found.name, found.inputs, found.optional) == ("everything", ("x", "y"), {"y"})
    assert found.options == {"dim": Op.MISSING, "keepdim": False}
    assert found.required_options == ("dim",)
    assert found.grad_name == "EverythingBackward0"
    assert (everything_.__name__, everything_.__doc__, everything_.__module__) == ("everything", "Do it.", __name__)
    assert not found.variadic
    assert OPS["cat"].variadic


def test_the_first_parameter_is_the_namespace():
    for wrong in (lambda x: x, lambda: None):
        with pytest.raises(TypeError, match="a kernel's first parameter is 'xp', the array namespace"):
            op(wrong)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"z": lambda g: g}, r"op 'product': a rule for 'z', but its inputs are \['x', 'y'\]"),
        ({"x": lambda g, z: g}, r"rule for 'x' asks for \['z'\]; it may ask for .*'out', 'scale', 'x', 'x_dtype'"),
        ({"x": lambda y, g: g}, r"the first parameter of the rule for 'x' must be 'g', got \['y', 'g'\]"),
        ({"x": lambda: None}, r"must be 'g', got \[\]"),
    ],
)
def test_wrong_rules_are_refused_when_they_are_stated(rules, message):
    with pytest.raises(TypeError, match=message):
        product().vjp(**rules)


def test_wrong_names_elsewhere_are_refused():
    with pytest.raises(TypeError, match="no_vjp for 'z', but its inputs are"):
        product().no_vjp("z")
    with pytest.raises(TypeError, match="rule for 'all inputs' asks for"):
        product().vjp_all(lambda g, z: (g, g))


def test_a_sample_shows_what_it_holds():
    sample = Sample(dovetail.ones(2, 3).numpy(), 2.5, dim=1)
    assert repr(sample) == "Sample((2, 3), 2.5, dim=1)"
    mine = product()
    assert mine.sample(_samples) is _samples
    assert mine.definition.sampler is _samples


def _samples(make):
    return [Sample(make(2), make(2))]


# What is kept


def saved(out):
    """Return what a result's node keeps, without what no rule needs."""
    return [value for value in (out.grad_fn.saved or ()) if value is not None]


def test_only_what_the_rules_name_is_kept(x):
    y = dovetail.tensor([3.0, 4.0])
    assert saved(x + y) == []
    assert saved(x - y) == []
    (kept,) = saved(x.exp())
    assert kept.tolist() == x.exp().tolist()
    assert kept is not x
    (kept,) = saved(x * y)
    assert kept is y  # x needs a gradient, and its rule only the other factor
    (kept,) = saved(y * x)
    assert kept is y
    both = saved(x * (x + 1))
    assert len(both) == 2
    assert saved(x.sin()) == [x]
    assert saved(x.sum()) == [(2,), False]  # the sizes and keepdim


def test_nothing_is_recorded_where_no_gradient_is_needed(x):
    assert (dovetail.ones(2) * 2).grad_fn is None
    assert (x > 0).grad_fn is None
    assert x.argmax().grad_fn is None
    with dovetail.no_grad():
        assert (x * 2).grad_fn is None


def test_a_result_that_is_kept_does_not_keep_its_node_alive(x):
    gc.disable()
    try:
        import weakref

        node = weakref.ref(x.exp().grad_fn)
        assert node() is None
    finally:
        gc.enable()


# Where the parameters of a rule come from


def test_rules_get_each_thing_that_they_name(x):
    seen = {}
    mine = product()

    def rule(g, out, x, y, x_shape, y_shape, scale):
        seen.update(out=out, x=x, y=y, x_shape=x_shape, y_shape=y_shape, scale=scale)
        return g * y * scale

    mine.vjp(x=rule)
    mine.no_vjp("y")
    y = dovetail.tensor(3.0)
    result = mine(x, y, scale=2.0)
    result.sum().backward()
    assert x.grad.tolist() == [6, 6]
    assert seen["x"] is x
    assert seen["y"] is y
    assert seen["out"].tolist() == result.tolist()
    assert (tuple(seen["x_shape"]), tuple(seen["y_shape"]), seen["scale"]) == ((2,), (), 2.0)


def test_an_input_without_a_rule_gets_no_gradient(x):
    mine = product()
    mine.no_vjp("x", "y")
    assert mine(x, x).grad_fn is None


def test_variadic_ops_get_lists(x):
    @op
    def total(xp, *parts):
        return sum(parts)

    total.vjp(parts=lambda g, parts, parts_shape: [g * (i + len(parts_shape)) for i in range(len(parts))])
    total(x, dovetail.ones(2), x).sum().backward()
    assert x.grad.tolist() == [3 + 5] * 2


def test_a_joint_rule_sees_none_where_no_gradient_came_back(x):
    @op(outputs=("one", "two"))
    def pair(xp, x):
        return x * 2, x * 3

    seen = []

    def rule(g):
        seen.append(g)
        return ((0 if g[0] is None else g[0] * 2) + (0 if g[1] is None else g[1] * 3),)

    pair.vjp_all(rule)
    one, two = pair(x)
    two.sum().backward()
    assert seen[0][0] is None
    assert x.grad.tolist() == [3, 3]
    one, two = pair(x)
    (one + two).sum().backward()
    assert x.grad.tolist() == [8, 8]


def test_vjp_of_gives_the_gradient_of_a_composition(x):
    @op
    def scaled_square(xp, x, y, *, factor):
        return x * x * y * factor

    scaled_square.vjp_of(lambda x, factor, y: x * x * y * factor)
    y = dovetail.tensor([3.0, 5.0], requires_grad=True)
    (scaled_square(x, y, factor=2.0)).sum().backward(create_graph=True)
    assert x.grad.tolist() == [12, 40]
    assert y.grad.tolist() == [2, 8]
    (second,) = dovetail.autograd.grad(x.grad.sum(), x)
    assert second.tolist() == [12, 20]
    x.grad = y.grad = None


def test_rules_differentiate_again(x):
    mine = product()
    mine.vjp(x=lambda g, y, scale: g * y * scale, y=lambda g, x, scale: g * x * scale)
    (first,) = dovetail.autograd.grad(mine(x, x).sum(), x, create_graph=True)
    (second,) = dovetail.autograd.grad(first.sum(), x)
    assert (first.tolist(), second.tolist()) == ([2, 4], [2, 2])


# Kernels


def test_a_backend_kernel_serves_and_may_pass_on(x, monkeypatch):
    calls = []
    mine = product()

    def kernel(xp, x, y, *, scale):
        calls.append(scale)
        return NotImplemented if scale == 1.0 else x * 0 + 42

    backend = dovetail.device("cpu").backend
    monkeypatch.setattr(type(backend), "kernels", {**backend.kernels, "product": kernel})
    plain = x.detach()
    assert mine(plain, plain).tolist() == [1, 4]
    assert mine(plain, plain, scale=2.0).tolist() == [42, 42]
    assert calls == [1.0, 2.0]


def test_the_kernel_that_passes_on_for_one_or_two_inputs(monkeypatch):
    @op
    def double(xp, x):
        return x * 2

    @op
    def plus(xp, x, y):
        return x + y

    backend = dovetail.device("cpu").backend
    passing = {"double": lambda xp, x: NotImplemented, "plus": lambda xp, x, y: NotImplemented}
    monkeypatch.setattr(type(backend), "kernels", {**backend.kernels, **passing})
    assert double(dovetail.ones(2)).tolist() == [2, 2]
    assert plus(dovetail.ones(2), 1.0).tolist() == [2, 2]


def test_checked_by_sees_tensors_and_options():
    mine = product()

    @mine.checked_by
    def check(x, y, scale):
        if scale < 0:
            raise dovetail.errors.ShapeError(f"product: scale {scale} of {tuple(x.shape)}")

    assert mine(dovetail.ones(2), 3.0).tolist() == [3, 3]
    with pytest.raises(dovetail.errors.ShapeError, match=r"product: scale -1 of \(2,\)"):
        mine(dovetail.ones(2), 3.0, scale=-1)


def test_an_op_that_writes(x):
    @op(promote=None, mutates=("x",))
    def grow(xp, x, *, by):
        return x + by

    grow.no_vjp("x")
    y = dovetail.ones(2)
    alias = y.detach()
    assert grow(y, by=2.0) is None
    assert (y.tolist(), alias.tolist(), y._version) == ([3, 3], [3, 3], 1)
    with pytest.raises(dovetail.errors.GradError, match="grow writes to 'x', which needs a gradient"):
        grow(x, by=1.0)
    with dovetail.no_grad():
        grow(x, by=1.0)
    assert x.tolist() == [2, 3]


def test_every_op_of_core_has_a_rule_or_says_no():
    for name, found in OPS.items():
        if not found.kernel.__module__.startswith("dovetail.ops."):
            continue  # another test's
        stated = set(found.rules) | found.undifferentiable | (set(found.inputs) if found.joint_rule else set())
        assert stated >= set(found.inputs), name
