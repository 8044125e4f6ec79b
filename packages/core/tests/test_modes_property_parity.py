"""Random programs: the same bits with modes and without, and when they are traced and run again."""

import numpy as np
import pytest

import dovetail
from dovetail.autograd import detect_anomaly
from dovetail.modes import FlopCounter, Mode, deterministic, nan_guard, trace
from dovetail.profiler import profile

hypothesis = pytest.importorskip("hypothesis")
given, settings, st = hypothesis.given, hypothesis.settings, hypothesis.strategies
pytestmark = pytest.mark.parity

MAKING = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y * 0.5,
    "tanh": lambda x, y: x.tanh(),
    "sigmoid": lambda x, y: x.sigmoid(),
    "matmul": lambda x, y: x @ y * 0.2,
    "transpose": lambda x, y: x.transpose(0, 1),
    "row": lambda x, y: x[1:2].expand(3, 3).clone(),
    "flip by reshape": lambda x, y: x.reshape(9).reshape(3, 3),
    "cat": lambda x, y: dovetail.cat([x[:1], y[1:]]),
    "where": lambda x, y: dovetail.where(x > y, x, y),
    "take": lambda x, y: x[[2, 0, 1]],
    "detach": lambda x, y: x.detach() + y,
    "clone": lambda x, y: x.clone(),
    "max": lambda x, y: x.max(1, keepdim=True).values + y,
    "softmax": lambda x, y: x.softmax(0),
    "under no_grad": lambda x, y: _unrecorded(x) * y,
    "half": lambda x, y: x.float().double() + y,
}
WRITING = {
    "add_": lambda x, y: x.add_(y),
    "mul_": lambda x, y: x.mul_(0.5),
    "sigmoid_": lambda x, y: x.sigmoid_(),
    "pow_": lambda x, y: x.pow_(2),
    "row": lambda x, y: x[0].mul_(y[1]),
    "element": lambda x, y: x.__setitem__((1, 2), y[0, 0]),
    "column": lambda x, y: x.__setitem__((slice(None), 0), y[2]),
    "mask": lambda x, y: x.masked_fill_(dovetail.eye(3) > 0, 0.25),
    "transposed": lambda x, y: x.transpose(0, 1).copy_(y),
    "index": lambda x, y: x.__setitem__([0, 2], y[:2]),
    "zero": lambda x, y: x[2:].zero_(),
    "lerp": lambda x, y: x.lerp_(y, 0.3),
}
STEPS = [*MAKING, *(f"{name} in place" for name in WRITING)]
steps = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=9,
)


def _unrecorded(x):
    with dovetail.no_grad():
        return x.exp() * 0.2


def program(plan):
    """Return the function of two matrices that a list of (what, which, which) stands for."""

    def run(x, y):
        made = [x * 1.0, y * 1.0, dovetail.full((3, 3), 0.5, dtype=dovetail.float64)]
        for name, first, second in plan:
            one, other = made[first % len(made)], made[second % len(made)]
            if name.endswith(" in place"):
                if not _shares(one, other):
                    WRITING[name.removesuffix(" in place")](one, other)
            else:
                made.append(MAKING[name](one, other))
        return made

    return run


def _shares(one, other):
    return np.shares_memory(one._array, other._array)


def outcome(run, x, y):
    """Return the results and gradients of a program, or the error that it ends in."""
    leaves = [dovetail.tensor(value, requires_grad=True) for value in (x, y)]
    try:
        made = run(*leaves)
        total = sum((value * value).sum() for value in made if value.requires_grad)
        total.backward()
    except RuntimeError as error:
        return str(error)
    return [value.tolist() for value in made], [None if leaf.grad is None else leaf.grad.tolist() for leaf in leaves]


def numbers(seed):
    return np.random.default_rng(seed).uniform(-1, 1, (2, 3, 3))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(steps, st.integers(0, 1000))
def test_modes_change_nothing(plan, seed):
    run = program(plan)
    plain = outcome(run, *numbers(seed))
    with Mode(), nan_guard(), profile(), FlopCounter(), detect_anomaly(), deterministic():
        assert outcome(run, *numbers(seed)) == plain


@settings(max_examples=40, deadline=None, derandomize=True)
@given(steps, st.integers(0, 1000), st.booleans())
def test_a_traced_program_runs_again(plan, seed, with_gradients):
    run = program(plan)
    examples = [dovetail.tensor(value, requires_grad=with_gradients) for value in numbers(seed)]
    try:
        graph = trace(run, *examples)
    except RuntimeError:
        assert isinstance(outcome(run, *numbers(seed)), str)
        return
    for other in (seed + 1, seed + 2):
        assert outcome(graph, *numbers(other)) == outcome(run, *numbers(other))
