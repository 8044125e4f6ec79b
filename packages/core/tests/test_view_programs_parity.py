"""Random programs of views, writes and arithmetic in both libraries: equal numbers, gradients, versions, or errors."""

import contextlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail

pytestmark = pytest.mark.parity

SHAPES = [(2, 3), (3, 3), (4,), (2, 2, 3), (1, 4)]


def _size(x, n):
    return x.shape[n % x.ndim]


# Each takes library, tensor, another one (laid out so that PyTorch's result is defined) and a number of -3 to 5.
VIEWS = {
    "row": lambda lib, x, y, n: x[n % x.shape[0]],
    "slice": lambda lib, x, y, n: x[n % x.shape[0] :],
    "step": lambda lib, x, y, n: x[..., ::2],
    "none": lambda lib, x, y, n: x[None, ...],
    "transpose": lambda lib, x, y, n: x.transpose(0, -1),
    "permute": lambda lib, x, y, n: x.permute(*reversed(range(x.ndim))),
    "mT": lambda lib, x, y, n: x.mT,
    "reshape": lambda lib, x, y, n: x.reshape(-1),
    "view": lambda lib, x, y, n: x.view(-1),
    "unflatten": lambda lib, x, y, n: x.unflatten(0, (1, -1)),
    "unsqueeze": lambda lib, x, y, n: x.unsqueeze(n % (x.ndim + 1)),
    "squeeze": lambda lib, x, y, n: x.squeeze(),
    "expand": lambda lib, x, y, n: x.unsqueeze(0).expand(2, *x.shape),
    "diagonal": lambda lib, x, y, n: x.diagonal(n % 3 - 1, 0, -1),
    "unfold": lambda lib, x, y, n: x.unfold(n % x.ndim, min(2, _size(x, n)), 2),
    "narrow": lambda lib, x, y, n: x.narrow(n % x.ndim, n % _size(x, n), 1),
    "select": lambda lib, x, y, n: x.select(n % x.ndim, n % _size(x, n)),
    "unbind": lambda lib, x, y, n: x.unbind(n % x.ndim)[n % _size(x, n)],
    "split": lambda lib, x, y, n: x.split(1, n % x.ndim)[n % _size(x, n)],
    "chunk": lambda lib, x, y, n: x.chunk(2, n % x.ndim)[0],
    "tensor_split": lambda lib, x, y, n: x.tensor_split(2, n % x.ndim)[0],
    "as_strided": lambda lib, x, y, n: x.as_strided((2, 2), ((1, 2), (2, 1))[n % 2]) if x._base is None else x,
    "detach": lambda lib, x, y, n: x.detach(),
    "scaled": lambda lib, x, y, n: x * 1.5,
    "sum": lambda lib, x, y, n: x.sum() / 8,
    "product": lambda lib, x, y, n: x * y / 4,
    "tanh": lambda lib, x, y, n: x.tanh(),
    "clone": lambda lib, x, y, n: x.clone(),
    "contiguous": lambda lib, x, y, n: x.contiguous(),
    "cat": lambda lib, x, y, n: lib.cat([x, x]),
}
WRITES = {
    "mul_": lambda lib, x, y, n: x.mul_(1 + n / 8),
    "add_": lambda lib, x, y, n: x.add_(n / 4),
    "alpha": lambda lib, x, y, n: x.add_(y, alpha=0.5),
    "add_other": lambda lib, x, y, n: x.add_(y),
    "mul_other": lambda lib, x, y, n: x.mul_(y),
    "div_other": lambda lib, x, y, n: x.div_(y.abs() + 1.5),
    "sub_mean": lambda lib, x, y, n: x.sub_(y.mean() / 4),
    "addcmul_": lambda lib, x, y, n: x.addcmul_(y, y, value=0.25),
    "lerp_": lambda lib, x, y, n: x.lerp_(y, 0.25),
    "fill_": lambda lib, x, y, n: x.fill_(n / 2),
    "zero_": lambda lib, x, y, n: x.zero_(),
    "copy_": lambda lib, x, y, n: x.copy_(y.detach()),
    "item": lambda lib, x, y, n: x.__setitem__(n % x.shape[0], y.sum() / 8),
    "part": lambda lib, x, y, n: x.__setitem__((..., slice(1, None)), y.mean()),
    "masked_fill_": lambda lib, x, y, n: x.masked_fill_(x.detach() > 0.5, n / 2),
    "tanh_": lambda lib, x, y, n: x.tanh_(),
    "exp_": lambda lib, x, y, n: x.clamp_(-2, 2).exp_(),
    "sigmoid_": lambda lib, x, y, n: x.sigmoid_(),
    "relu_": lambda lib, x, y, n: x.relu_(),
    "pow_": lambda lib, x, y, n: x.pow_(2),
    "sqrt_": lambda lib, x, y, n: x.abs_().add_(0.1).sqrt_(),
    "sin_": lambda lib, x, y, n: x.sin_(),
    "floor_": lambda lib, x, y, n: x.floor_(),
    "cumsum_": lambda lib, x, y, n: x.cumsum_(0),
    "index_add_": lambda lib, x, y, n: x.index_add_(0, lib.tensor([0]), x[:1].clone() * 0.5),
}
CHANGES = {
    "t_": lambda lib, x, y, n: x.t_(),
    "squeeze_": lambda lib, x, y, n: x.squeeze_(),
    "unsqueeze_": lambda lib, x, y, n: x.unsqueeze_(0),
    "transpose_": lambda lib, x, y, n: x.transpose_(0, -1),
}
CALLS = {**VIEWS, **WRITES, **CHANGES}
NEED_A_DIMENSION = {
    "row", "slice", "step", "transpose", "permute", "mT", "unflatten", "diagonal", "unfold", "narrow", "select",
    "unbind", "split", "chunk", "tensor_split", "item", "part", "cumsum_", "index_add_", "cat", "transpose_",
}  # fmt: skip


def _step(lib, tensors, name, first, second, number):
    x, y = tensors[first % len(tensors)], tensors[second % len(tensors)]
    if (not x.ndim and name in NEED_A_DIMENSION) or 0 in x.shape:
        return
    if y is not x and not (x.is_contiguous() and y.is_contiguous()):
        y = y.clone()  # otherwise they may share memory in a way that PyTorch does not look into
    out = CALLS[name](lib, x, y, number)
    if name in VIEWS:
        tensors.append(out)


def _look_at(tensors):
    """Ask for every tensor's history: PyTorch takes a view for a leaf after its base was written to, until then."""
    for x in tensors:
        with contextlib.suppress(RuntimeError):
            x.grad_fn  # noqa: B018


def _run(lib, program, shape):
    count = int(np.prod(shape))
    start = lib.tensor(np.linspace(-2, 3, count).reshape(shape), requires_grad=True)
    tensors = [start * 1, lib.tensor(np.linspace(1, 2, count).reshape(shape))]
    for name, first, second, number, recorded in program:
        _look_at(tensors)
        with lib.set_grad_enabled(recorded or name not in WRITES):
            _step(lib, tensors, name, first, second, number)
    values = [x.detach().numpy().copy() for x in tensors]
    total = sum(((x * (place + 1)).sum() for place, x in enumerate(tensors)), start.sum())
    total.backward()
    versions, needs = [x._version for x in tensors], [x.requires_grad for x in tensors]
    return values, start.grad.numpy(), versions, needs


def _attempt(lib, program, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _run(lib, program, shape)
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            return error


def _compare(torch, program, shape):
    ours, theirs = _attempt(dovetail, program, shape), _attempt(torch, program, shape)
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        assert isinstance(ours, Exception), f"PyTorch refuses this: {theirs!r}"
        assert isinstance(theirs, Exception), f"PyTorch takes this: {ours!r}"
        return
    assert ours[2:] == theirs[2:]
    for one, other in zip([*ours[0], ours[1]], [*theirs[0], theirs[1]], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def _steps(recorded):
    place = st.integers(0, 20)
    return st.lists(
        st.tuples(st.sampled_from(sorted(CALLS)), place, place, st.integers(-3, 5), recorded), min_size=2, max_size=8
    )


@pytest.mark.parametrize("recorded", [st.just(True), st.booleans()], ids=["recorded", "partly under no_grad"])
def test_random_programs_do_what_they_do_in_pytorch(recorded):
    torch = pytest.importorskip("torch")

    @settings(max_examples=400, derandomize=True, deadline=None)
    @given(_steps(recorded), st.sampled_from(SHAPES))
    def check(program, shape):
        _compare(torch, program, shape)

    check()
