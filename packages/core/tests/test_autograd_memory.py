"""What autograd keeps alive: no cycles, nothing that no rule needs, nothing longer than it is needed; any depth."""

import gc
import sys
import tracemalloc
import weakref

import pytest

import dovetail
from dovetail import autograd
from dovetail.autograd.graph import Node, Output
from dovetail.utils.checkpoint import checkpoint


@pytest.fixture
def no_collector():
    """Switch the collector off, after it has run."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Square(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        out = x * x
        ctx.save_for_backward(x, out)
        ctx.mark_non_differentiable(sign := x.sign())
        return out, sign

    @staticmethod
    def backward(ctx, g, _):
        x, out = ctx.saved_tensors
        return 2 * g * x + 0 * out


def leaf(*values):
    return dovetail.tensor([float(value) for value in values or (1, 2, 3)], requires_grad=True)


def plain(x):
    return ((x * x).exp().log() @ x) ** 2


def with_hooks(x):
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda grad: grad * x)
    y.grad_fn.register_prehook(lambda grads: None)
    y.grad_fn.register_hook(lambda inputs, outputs: None)
    y.mul_(2)
    return (y * y).sum()


def with_leaf_hooks(x):
    twin = x.detach().requires_grad_()
    twin.register_hook(lambda grad: grad * 2)
    twin.register_post_accumulate_grad_hook(lambda tensor: None)
    return (twin * x * twin).sum()


def with_function(x):
    out, sign = Square.apply(x * 1)
    return (out * sign).sum()


def with_written_argument(x):
    class Double(autograd.Function):
        forward = staticmethod(lambda ctx, x: (ctx.mark_dirty(x), ctx.save_for_backward(y := x.mul_(2)), y)[2])
        backward = staticmethod(lambda ctx, g: g * 2 + 0 * ctx.saved_tensors[0])

    y = x * 1
    Double.apply(y[:2])
    Double._ops.clear()
    return y.sum()


def with_checkpoint(x):
    def inner(y):
        return (y * y).exp() * x

    return checkpoint(lambda y: checkpoint(inner, y * 2).tanh() * y, x * 0.1).sum()


def with_packing(x):
    with autograd.graph.saved_tensors_hooks(lambda tensor: tensor.numpy(force=True), dovetail.from_numpy):
        return (x * x).exp().sum()


def with_modes(x):
    @dovetail.no_grad()
    def steps():
        for number in range(3):
            yield x * number

    return sum((part.sum() for part in steps()), (x * x).sum())


PROGRAMS = [
    plain, with_hooks, with_leaf_hooks, with_function, with_checkpoint, with_packing, with_modes,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("backward", [True, False])
def test_no_reference_cycles(no_collector, program, backward):
    x = leaf()
    program(x).backward()  # imports and caches
    x.grad = None
    gc.collect()
    loss = program(x)
    node = weakref.ref(loss.grad_fn)
    if backward:
        loss.backward()
    del loss
    assert node() is None
    assert gc.collect() == 0


@pytest.mark.parametrize("program", [plain, with_function, with_checkpoint, with_packing])
def test_no_reference_cycles_in_second_derivatives(no_collector, program):
    x = leaf()
    for _ in range(2):
        gc.collect()
        (first,) = autograd.grad(program(x), x, create_graph=True)
        (first * first).sum().backward()
        x.grad = None
        del first
    assert gc.collect() == 0


def test_a_written_argument_is_no_cycle(no_collector):
    x = leaf()
    loss = with_written_argument(x)
    node = weakref.ref(loss.grad_fn)
    loss.backward()
    del loss
    assert node() is None
    assert x.grad.tolist() == [2, 2, 1]


def test_errors_in_backward_leave_no_cycles(no_collector):
    def fail(grad):
        raise ValueError("in a hook")

    def step():
        x = leaf()
        y = x * 2
        y.register_hook(fail)
        with pytest.raises(ValueError, match="in a hook"):
            y.sum().backward()
        return weakref.ref(y)

    step()
    gc.collect()
    assert step()() is None


def resident():
    """Return the bytes of memory that this process holds, where the system says it."""
    try:
        with open("/proc/self/statm") as figures:
            return int(figures.read().split()[1]) * 4096
    except OSError:
        pytest.skip("this system does not say")


@pytest.mark.slow
def test_10_000_steps_without_the_collector_stay_in_the_same_memory(no_collector):
    weights = [dovetail.full((8, 8), 0.1, requires_grad=True), dovetail.full((8, 1), 0.1, requires_grad=True)]
    data = dovetail.ones(4, 8)
    handles = [weight.register_hook(lambda grad: grad * 0.5) for weight in weights]

    def step(number):
        function = lambda x: dovetail.relu(x @ weights[0])  # noqa: E731
        hidden = function(data) if number % 10 else checkpoint(function, data)
        out = Square.apply(hidden @ weights[1])[0] if number % 10 else (hidden @ weights[1]) ** 2
        out.register_hook(lambda grad: grad)
        out.mean().backward()
        with dovetail.no_grad():
            for weight in weights:
                weight -= 0.001 * weight.grad
                weight.grad = None

    for number in range(500):
        step(number)
    before = resident()
    for number in range(10_000):
        step(number)
    assert resident() - before < 3 * 2**20
    assert len(handles) == 2


# What nodes keep


@pytest.mark.parametrize(("link", "objects"), [(lambda y, x: y + x, 1), (lambda y, x: y * x, 2)])
def test_a_recorded_op_leaves_few_objects_to_the_garbage_collector(no_collector, link, objects):
    """A node, and beside it what the rules keep: for a product the tensor that was its input."""
    x, links = leaf(1), 500
    y = link(x, x)
    before = len(gc.get_objects())
    for _ in range(links):
        y = link(y, x)
    gc.collect()  # which forgets tuples of numbers, such as sizes
    assert len(gc.get_objects()) - before <= objects * links + 10


def saved_bytes(root):
    """Return the bytes of all arrays that a graph keeps for its rules, each counted once."""
    found, seen, stack = {}, set(), [root._node]
    while stack:
        edge = stack.pop()
        node = edge.node if isinstance(edge, Output) else edge
        if not isinstance(node, Node) or id(node) in seen:
            continue
        seen.add(id(node))
        stack.extend(node.edges)
        for value in node.saved if isinstance(node.saved, (tuple, list)) else ():
            if isinstance(value, dovetail.Tensor) and not (value.is_leaf and value.requires_grad):
                owner = value._array if value._array.base is None else value._array.base
                found[id(owner)] = owner.nbytes
    return sum(found.values())


def deep_net(layers, width, batch, around=lambda function, x: function(x)):
    dovetail.manual_seed(0)
    weights = [(dovetail.randn(width, width) * 0.1).requires_grad_() for _ in range(layers)]
    x = dovetail.randn(batch, width)
    data = x
    for weight in weights:
        x = around(lambda x, weight=weight: dovetail.tanh(x @ weight) + x, x)
    return weights, data, (x * x).mean()


def test_a_deep_net_keeps_what_its_rules_need():
    layers, width, batch = 20, 16, 256
    each = width * batch * 4
    _, _, loss = deep_net(layers, width, batch)
    # matmul keeps its input, tanh its result, the square its input; sums and the mean keep nothing
    assert saved_bytes(loss) == (2 * layers + 1) * each
    loss.backward(retain_graph=True)
    assert saved_bytes(loss) == (2 * layers + 1) * each
    loss.backward()
    assert saved_bytes(loss) == 0


def test_checkpointed_layers_keep_their_inputs_only():
    layers, width, batch = 20, 16, 256
    weights, _, loss = deep_net(layers, width, batch)
    loss.backward()
    others, _, other = deep_net(layers, width, batch, around=checkpoint)
    assert saved_bytes(other) == width * batch * 4  # of the square; the arguments are in the frames
    assert other.item() == loss.item()
    other.backward()
    assert all((one.grad == another.grad).all() for one, another in zip(weights, others, strict=True))


def peak_of(action):
    gc.collect()
    tracemalloc.start()
    try:
        kept = action()
        held, peak = tracemalloc.get_traced_memory()
        del kept
        return held, peak
    finally:
        tracemalloc.stop()


def test_checkpointing_halves_memory_and_more():
    layers, width, batch = 20, 16, 2048
    each = width * batch * 4

    def run(around):
        def action():
            weights, data, loss = deep_net(layers, width, batch, around)
            return weights, data, loss

        return peak_of(action)[0]

    def four(function, x):  # four operations, whose inputs would all be kept
        return checkpoint(lambda x: function(function(function(function(x)))), x)

    def four_plain(function, x):
        return function(function(function(function(x))))

    deep_net(2, 4, 4, checkpoint)
    whole, less = run(four_plain), run(four)
    assert whole > 8 * layers * each
    assert less < (layers + 4) * each


def test_backward_frees_as_it_goes():
    layers, width, batch = 20, 16, 2048
    each = width * batch * 4
    deep_net(2, 4, 4)[2].backward()
    weights, data, loss = deep_net(layers, width, batch)
    _, peak = peak_of(loss.backward)
    assert peak < 12 * each  # a few gradients at a time; were they all kept, it would be 40 and more
    assert len(weights) == layers
    assert data.shape == (batch, width)


def test_a_tensor_without_hooks_pays_nothing():
    x = dovetail.ones(1, requires_grad=True)
    y = x * 2
    assert not hasattr(x, "_hooks")
    assert not hasattr(y.grad_fn, "hooks")
    handle = y.register_hook(lambda grad: None)
    assert autograd.hooks.nodes
    del y, handle
    assert not autograd.hooks.nodes
    assert not autograd.hooks.leaves


# Deep graphs


@pytest.mark.slow
def test_a_chain_of_1_000_000_operations():
    limit = sys.getrecursionlimit()
    x = dovetail.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y + x
    first = weakref.ref(y.grad_fn)
    y.backward()
    assert x.grad.item() == 1_000_001
    del y
    assert first() is None
    assert sys.getrecursionlimit() == limit


def test_deep_graphs_of_gradients_functions_hooks_and_views():
    x = dovetail.tensor([1.0, 1.0], requires_grad=True)
    y = x
    for _ in range(5_000):
        y = y * x
    (first,) = autograd.grad(y.sum() * 1e-4, x, create_graph=True)
    first.sum().backward()
    assert x.grad.tolist() == pytest.approx([5_001 * 5_000 * 1e-4] * 2, rel=1e-3)
    x.grad = None
    handle = x.register_hook(lambda grad: grad * 2)
    y = x
    for number in range(10_000):
        y = Square.apply(y)[0].sqrt() if number % 2 else y.reshape(2) + 0
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]
    handle.remove()
