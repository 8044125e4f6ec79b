"""Random programs vmapped: what a loop over the batch gives, and what PyTorch gives, gradients too."""

import numpy as np
import pytest

import dovetail
from dovetail.func import grad, hessian, jacfwd, jacrev, vmap

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

ROWS, COLUMNS, BATCH = 3, 4, 2

#: Steps from two tensors (3, 4) to another one.
STEPS = {
    "add": lambda lib, x, y: x + y,
    "mul": lambda lib, x, y: x * y,
    "div": lambda lib, x, y: x / (y * y + 1),
    "tanh": lambda lib, x, y: lib.tanh(x),
    "exp": lambda lib, x, y: lib.exp(-x * x),
    "maximum": lambda lib, x, y: lib.maximum(x, y),
    "where": lambda lib, x, y: lib.where(x > y, x * 2, y),
    "sum": lambda lib, x, y: x.sum(1, keepdim=True) * y,
    "mean": lambda lib, x, y: x - x.mean(0),
    "amax": lambda lib, x, y: y - x.amax((0, 1)),
    "softmax": lambda lib, x, y: x.softmax(-1) + y.log_softmax(0),
    "matmul": lambda lib, x, y: (x @ y.mT) @ x,
    "vector": lambda lib, x, y: (x @ y[0]).unsqueeze(1) + y,
    "row": lambda lib, x, y: (y[:, 0] @ x) * y,
    "cat": lambda lib, x, y: lib.cat([x[1:], y[:1]]),
    "stack": lambda lib, x, y: lib.stack([x[0], y[1], x[2]]),
    "transposed": lambda lib, x, y: x.reshape(COLUMNS, ROWS).mT * y,
    "roll": lambda lib, x, y: lib.roll(x, 1, 0) + y.flip(1),
    "cumsum": lambda lib, x, y: x.cumsum(1) + y,
    "var": lambda lib, x, y: x.var(1, keepdim=True) + y,
    "outer": lambda lib, x, y: lib.outer(x[:, 0], y[0]),
    "sort": lambda lib, x, y: x.sort(1)[0] * y,
    "gather": lambda lib, x, y: x.gather(1, y.argsort(1)),
    "taken": lambda lib, x, y: x[[2, 0, 1]] + y[:, [3, 1, 0, 0]],
    "own place": lambda lib, x, y: x[:, y.sum(0).argmax().reshape(1)] * y,
    "clamp": lambda lib, x, y: x.clamp(-0.5, 0.5) + y,
    "in place": lambda lib, x, y: (x - y).add_(y * x).mul_(y),
    "written": lambda lib, x, y: _written(x * y, y),
    "filled": lambda lib, x, y: _written(lib.zeros_like(x - y), y) + x,
    "tril": lambda lib, x, y: x.tril() + y.triu(1),
    "expand": lambda lib, x, y: x[:, :1].expand(ROWS, COLUMNS) * y,
    "norm": lambda lib, x, y: x / (y.norm() + 1),
    "logsumexp": lambda lib, x, y: x.logsumexp(0) + y,
    "detach": lambda lib, x, y: x.detach() * y,
    "constant": lambda lib, x, y: x + lib.arange(COLUMNS),
}


def _written(x, y):
    x[1] = y[0]
    x[:, 2] += y[:, 1]
    return x


def program(lib, steps):
    def run(x, w):
        values = [x, w]
        for name, first, second in steps:
            values.append(STEPS[name](lib, values[first % len(values)], values[second % len(values)]))
        return values[-1] + 0.1 * values[-2]

    return run


_steps = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5
)
_dims = st.tuples(st.sampled_from([0, 1, 2, -1]), st.sampled_from([0, 1, 2, -1, None]))
_numbers = st.integers(0, 2**32 - 1)


def arrays(seed, dims):
    draw = np.random.default_rng(seed)
    found = []
    for dim in dims:
        shape = [ROWS, COLUMNS]
        if dim is not None:
            shape.insert(len(shape) + 1 + dim if dim < 0 else dim, BATCH)
        found.append(draw.normal(size=shape))
    return found


def close(ours, theirs):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-7, atol=1e-9)


def looped(call, tensors, dims):
    one = [[x if dim is None else x.select(dim, n) for x, dim in zip(tensors, dims, strict=True)] for n in range(BATCH)]
    return dovetail.stack([call(*values) for values in one])


settings = hypothesis.settings(deadline=None, derandomize=True, max_examples=100)


@settings
@hypothesis.given(_steps, _dims, _numbers)
def test_a_random_program_vmapped(steps, dims, seed):
    given = arrays(seed, dims)
    ours, run = [dovetail.tensor(x) for x in given], program(dovetail, steps)
    theirs = [torch.tensor(x) for x in given]
    found = vmap(run, dims)(*ours)
    close(found, looped(run, ours, dims))
    close(found, torch.func.vmap(program(torch, steps), dims)(*theirs))


def scalar(run):
    return lambda x, w: (run(x, w) ** 2).sum()


@settings
@hypothesis.given(_steps, _dims, _numbers)
def test_gradients_of_a_random_program(steps, dims, seed):
    given = arrays(seed, dims)
    ours, theirs = [dovetail.tensor(x) for x in given], [torch.tensor(x) for x in given]
    loss, their_loss = scalar(program(dovetail, steps)), scalar(program(torch, steps))
    for argnum in (0, 1):
        slope = grad(loss, argnum)
        each = vmap(slope, dims)(*ours)
        close(each, looped(slope, ours, dims))
        close(each, torch.func.vmap(torch.func.grad(their_loss, argnum), dims)(*theirs))
        around = grad(lambda x, w: vmap(loss, dims)(x, w).sum(), argnum)(*ours)
        close(around, torch.func.grad(lambda x, w: torch.func.vmap(their_loss, dims)(x, w).sum(), argnum)(*theirs))


@hypothesis.settings(deadline=None, derandomize=True, max_examples=40)
@hypothesis.given(_steps, _dims, _numbers, st.sampled_from(["hessian", "jacrev", "jacfwd", "grad of vmap of grad"]))
def test_second_derivatives_of_a_random_program(steps, dims, seed, kind):
    given = arrays(seed, dims)
    ours, theirs = [dovetail.tensor(x) for x in given], [torch.tensor(x) for x in given]
    loss, their_loss = scalar(program(dovetail, steps)), scalar(program(torch, steps))
    if kind == "grad of vmap of grad":
        found = grad(lambda x, w: (vmap(grad(loss), dims)(x, w) ** 2).sum(), 1)(*ours)
        inner = torch.func.vmap(torch.func.grad(their_loss), dims)
        close(found, torch.func.grad(lambda x, w: (inner(x, w) ** 2).sum(), 1)(*theirs))
        return
    make = {"hessian": hessian, "jacrev": lambda f: jacrev(grad(f)), "jacfwd": lambda f: jacfwd(grad(f))}[kind]
    found = vmap(make(loss), dims)(*ours)
    close(found, looped(make(loss), ours, dims))
    close(found, torch.func.vmap(torch.func.jacrev(torch.func.grad(their_loss)), dims)(*theirs))
