"""`trace`: the graph of a function, and running it again."""

import copy
import re

import numpy as np
import pytest

import dovetail
from dovetail import ops
from dovetail.errors import TraceError
from dovetail.modes import active, trace


def same(graph, function, *inputs):
    """Assert that a graph gives what the function gives, with the same gradients."""
    results = []
    for call in (graph, function):
        leaves = [dovetail.tensor(value.numpy(), requires_grad=value.is_floating_point()) for value in inputs]
        out = call(*leaves)
        outputs = out if isinstance(out, (tuple, list)) else [out]
        wanted = [value for value in outputs if value.requires_grad]
        grads = dovetail.autograd.grad([o.sum() for o in wanted], leaves, allow_unused=True) if wanted else ()
        results.append([*outputs, *grads])
    assert len(results[0]) == len(results[1])
    for ours, theirs in zip(*results, strict=True):
        if theirs is None:
            assert ours is None
            continue
        assert ours.requires_grad == theirs.requires_grad
        np.testing.assert_array_equal(ours.numpy(force=True), theirs.numpy(force=True))


def numbers(*shape, seed=0):
    return dovetail.tensor(np.random.default_rng(seed).uniform(0.5, 1.5, shape))


def branch(x, y):
    z = x * 2 + y
    return z.exp(), dovetail.where(z > 3, z, -z).sum(0)


def writes(x, y):
    total = dovetail.zeros(3, dtype=dovetail.float64)
    total.add_(x[0])
    total[1] = y[1, 1]
    total *= 2
    z = x.clone()
    z[1:].sin_()
    z.pow_(2)
    z.t_().mul_(y.T)
    return total, z, total.detach() + 1


def turned(x, y):
    z = x * 1.0
    rows = z[:2]
    z.t_()
    z.mul_(y)
    z.unsqueeze_(0).squeeze_(0)
    z[0] = 0.5
    z.masked_fill_(y > 1, 2.0)
    z[[0, 2], 1] = y[0, 1:]
    z.diagonal().fill_(0.25)
    z.scatter_(1, dovetail.tensor([[0], [2]]), x)
    z.index_add_(0, dovetail.tensor([0, 0]), y[:2])
    z[1].zero_()
    return z, rows, z.gather(1, dovetail.tensor([[0], [2]]))


def second(x, y):
    (g,) = dovetail.autograd.grad((x**3 * y).sum(), x, create_graph=True)
    return g * y


def in_blocks(x, y):
    with dovetail.no_grad():
        scale = x.amax()
    return x / scale @ y.transpose(0, 1), dovetail.cat([x, y], 1).softmax(0), x.sum(0)[[0, 2]]


def mutating(x, y):
    weight = x.detach().clone()
    with dovetail.no_grad():
        ops.sgd_step(weight, y.detach(), None, lr=0.5)
    return weight + x


@pytest.mark.parametrize("function", [branch, writes, turned, second, in_blocks, mutating])
def test_replay_equals_the_function(function):
    x, y = numbers(3, 3), numbers(3, 3, seed=1)
    first = x.tolist()
    graph = trace(function, x.requires_grad_(function is not mutating), y)
    assert x.tolist() == first
    assert not active
    for seed in (2, 3):
        same(graph, function, numbers(3, 3, seed=seed), numbers(3, 3, seed=seed + 5))


def test_a_trace_without_gradients_replays_with_them():
    graph = trace(branch, numbers(3, 3), numbers(3, 3))
    same(graph, branch, numbers(3, 3, seed=4), numbers(3, 3, seed=5))
    for function in (writes, turned):
        graph = trace(function, numbers(3, 3), numbers(3, 3))
        same(graph, function, numbers(3, 3, seed=4), numbers(3, 3, seed=5))


def test_a_replay_refuses_what_the_function_refuses():
    def function(x):
        z = x * 1.0
        z.exp_()
        z[1:].mul_(2)  # the gradient of exp needs its result
        return z

    graph = trace(function, numbers(3))
    for call in (graph, function):
        with pytest.raises(dovetail.errors.GradError, match=r"exp: 'out'.*modified by an in-place operation"):
            call(dovetail.ones(3, dtype=dovetail.float64, requires_grad=True)).sum().backward()


def test_filling_a_single_number_and_captured_ones():
    total, turned_once = dovetail.tensor(1.0), dovetail.ones(2, 3)

    def function(x):
        total.add_(x[0]).neg_()
        return total.clone(), turned_once.clone().t_().fill_(3.0) + x.zero_()[1]

    graph = trace(function, dovetail.ones(2))
    assert total.item() == -2
    assert graph(dovetail.tensor([3.0, 1.0]))[0].item() == -1
    assert total.item() == -1


def test_printing_and_walking_through():
    weight = dovetail.ones(3)

    def function(x, *, factor=2):
        y = x * weight * factor
        values, _ = y.reshape(3, 2).max(1)
        return {"values": values[1:], "both": [y, x]}

    graph = trace(function, dovetail.ones(2, 3))
    text = repr(graph)
    lines = text.splitlines()
    assert lines[0] == "graph(x: float32[2, 3]):"
    assert re.match(r"    captured\d+: float32\[3\]  # captured$", lines[1])
    assert re.match(r"    %0 = mul\(x, captured\d\) +# float32\[2, 3\]$", lines[2])
    assert "    %2 = reshape(%1, shape=(3, 2))" in text
    assert "slice_view(%" in text
    assert "index=(1:3, ...))" in text
    assert lines[-1].startswith("    return {'values': %")
    assert str(graph) == text
    assert len({line.index("# float") for line in lines if " = " in line and "# float" in line}) == 1
    assert [step.name for step in graph][:3] == ["mul", "mul", "reshape"]
    assert len(graph) == len(graph.nodes)
    assert [value.name for value in graph.inputs] == ["x"]
    assert len(graph.outputs) == 3
    assert graph.outputs[1] is graph.nodes[1].outputs[0]
    assert graph.nodes[0].args[1].tensor is weight
    assert graph.nodes[2].options == {"shape": (3, 2)}
    assert graph.nodes[0].outputs[0].type == "float32[2, 3]"
    assert repr(graph.nodes[2]) == "%2 = reshape(%1, shape=(3, 2))"


def test_captured_tensors_are_used_by_reference():
    weight = dovetail.ones(2, requires_grad=True)
    graph = trace(lambda x: x * weight, dovetail.ones(2))
    with dovetail.no_grad():
        weight.mul_(3)
    out = graph(dovetail.ones(2))
    assert out.tolist() == [3, 3]
    out.sum().backward()
    assert weight.grad.tolist() == [1, 1]


def test_a_counter_is_written_to_each_time_and_a_buffer_made_inside_is_not():
    counter = dovetail.zeros(1)

    def function(x):
        counter.add_(1)
        inside = dovetail.zeros(1)
        inside.add_(x)
        return inside * counter

    graph = trace(function, dovetail.ones(1))
    assert [graph(dovetail.ones(1)).item() for _ in range(3)] == [2, 3, 4]
    assert counter.item() == 4


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * x.max().item(),
        lambda x: x[x > 0],
        lambda x: dovetail.tensor(x.tolist()),
        lambda x: x * float(x[0]),
        lambda x: dovetail.from_numpy(x.numpy()),
        lambda x: dovetail.zeros(3)[x.long()],
    ],
)
def test_what_depends_on_numbers_of_the_input_is_refused(function):
    with pytest.raises(TraceError) as raised:
        trace(function, dovetail.ones(3))
    text = str(raised.value)
    assert re.match(r"trace: the elements of a tensor of sizes \(.*\) that depends on an input are read, at \S+", text)
    assert "test_modes_trace.py:" in text
    assert "stay with tensors (where, gather, index_select)" in text
    assert not active


def test_a_write_of_an_input_makes_what_shares_the_memory_depend_on_it():
    def function(x):
        total = dovetail.zeros(3)
        total[0] = x[0]
        return x * total.sum().item()

    with pytest.raises(TraceError, match="depends on an input are read"):
        trace(function, dovetail.ones(3))


def test_numbers_of_constants_may_be_read():
    table = dovetail.tensor([2.0, 3.0])
    graph = trace(lambda x: x * table.max().item(), dovetail.ones(1))
    assert graph(dovetail.ones(1)).item() == 3


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + dovetail.rand(3),
        lambda x: x * dovetail.empty(3).bernoulli_(0.5),
        lambda x: x + dovetail.zeros(3).normal_(),
    ],
)
def test_random_numbers_are_refused(function):
    with pytest.raises(TraceError, match=r"random numbers were drawn before '\w+', at .*; a graph would use them each"):
        trace(function, dovetail.ones(3))


def test_printing_a_tensor_is_allowed(capsys):
    def function(x):
        print(x * 2)
        return x + 1

    graph = trace(function, dovetail.ones(2))
    assert [step.name for step in graph] == ["add"]
    assert "tensor([2., 2.])" in capsys.readouterr().out


def test_a_step_counted_by_a_number_is_refused():
    def function(x):
        parts = [dovetail.ones(2) for _ in range(3)]
        ops.adam_step(parts[0], x, parts[1], parts[2], None, step=1, lr=0.1)
        return parts[0]

    with pytest.raises(TraceError, match="adam_step is given the number of the step, which a graph would not count up"):
        trace(function, dovetail.ones(2))


def test_inputs_are_checked():
    graph = trace(lambda x, y: x + y, dovetail.ones(2), dovetail.ones(2))
    with pytest.raises(TypeError, match=r"graph takes 2 inputs \(x, y\), got 1"):
        graph(dovetail.ones(2))
    with pytest.raises(TypeError, match="input 'y' must be a tensor, got int"):
        graph(dovetail.ones(2), 1)
    with pytest.raises(RuntimeError, match=r"input 'x' had sizes \(2,\) in the trace, got \(3,\); a graph holds for"):
        graph(dovetail.ones(3), dovetail.ones(2))
    with pytest.raises(RuntimeError, match=r"input 'x' was dovetail.float32 in the trace, got dovetail.float64"):
        graph(dovetail.ones(2).double(), dovetail.ones(2))
    with pytest.raises(TypeError, match="example input 0 must be a tensor, got list"):
        trace(lambda x: x, [1])


def test_the_functions_own_errors_pass():
    with pytest.raises(RuntimeError, match="do not broadcast"):
        trace(lambda x: x + dovetail.ones(3), dovetail.ones(2))
    assert not active


def test_names_of_inputs():
    assert [value.name for value in trace(lambda *xs: xs[0] + xs[1], *[dovetail.ones(1)] * 2).inputs] == [
        "input0",
        "input1",
    ]


def test_a_training_step_with_its_update():
    def make():
        weight = dovetail.ones(3, requires_grad=True)

        def step(x, target):
            loss = ((weight * x).sum() - target) ** 2
            (g,) = dovetail.autograd.grad(loss, weight)
            with dovetail.no_grad():
                ops.sgd_step(weight, g, None, lr=0.1)
            return loss

        return weight, step

    x, target = dovetail.tensor([1.0, 2.0, 3.0]), dovetail.tensor(0.5)
    traced, step = make()
    graph = trace(step, x, target)
    plain, other = make()
    losses = [other(x, target).item() for _ in range(3)]
    assert [graph(x, target).item() for _ in range(2)] == losses[1:]
    assert traced.tolist() == plain.tolist()


def test_other_modes_inside_and_around():
    def function(x):
        with dovetail.autocast("cpu"):
            return (x @ x) + x

    graph = trace(function, numbers(3, 3).float())
    assert [step.name for step in graph].count("cast") >= 1
    x = numbers(3, 3, seed=2).float()
    assert graph(x).tolist() == function(x).tolist()
    with dovetail.modes.nan_guard(), pytest.raises(RuntimeError, match="matmul made"):
        graph(x * 1e30)
    inner = trace(graph, x)
    assert [step.name for step in inner] == [step.name for step in graph]


def test_a_graph_can_be_copied():
    graph = trace(lambda x: x * dovetail.ones(2), dovetail.ones(2))
    assert copy.copy(graph)(dovetail.ones(2)).tolist() == [1, 1]
