"""Tensors that share memory, and what in-place operations do to values, versions and gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail import errors

VIEWS = {
    "index": lambda x: x[0],
    "slice": lambda x: x[:, 1:],
    "step": lambda x: x[:, ::2],
    "ellipsis": lambda x: x[...],
    "none": lambda x: x[None],
    "element": lambda x: x[1, 2],
    "transpose": lambda x: x.transpose(0, 1),
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "permute": lambda x: x.permute(1, 0),
    "reshape": lambda x: x.reshape(3, 2),
    "view": lambda x: x.view(-1),
    "flatten": lambda x: x.flatten(),
    "squeeze": lambda x: x.squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(1, 1),
    "split": lambda x: x.split(1)[1],
    "chunk": lambda x: x.chunk(3, 1)[2],
    "unbind": lambda x: x.unbind(1)[0],
    "movedim": lambda x: x.movedim(0, 1),
    "diagonal": lambda x: x.diagonal(1),
    "unfold": lambda x: x.unfold(1, 2, 2),
    "as_strided": lambda x: x.as_strided((2, 2), (1, 2), 1),
    "tensor_split": lambda x: x.tensor_split(2, 1)[0],
    "hsplit": lambda x: x.hsplit(3)[1],
    "unflatten": lambda x: x.unflatten(1, (3, 1)),
    "mT": lambda x: x.mT,
    "H": lambda x: x.H,
    "expand": lambda x: x[None].expand(1, -1, -1),
    "chain": lambda x: x.view(6)[1:5].view(2, 2).T[0],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_and_version(name):
    base = dovetail.arange(6.0).reshape(2, 3).clone()
    view = VIEWS[name](base)
    assert view._base is base
    view.fill_(-1)
    assert (base == -1).sum().item() == view.numel()
    base.zero_()
    assert not view.any()
    assert base._version == view._version == 2


def test_what_is_no_view():
    x = dovetail.ones(2, 3)
    for copy in (x[[0]], x[x > 0], x + 0, x.clone(), x.t().reshape(-1), x.t().contiguous(), x.repeat(1, 1)):
        assert copy._base is not x
        assert copy.is_contiguous()
        copy.zero_()
    assert x.all()
    assert x.contiguous() is x
    with pytest.raises(errors.ShapeError, match=r"view size \[6\] is not compatible.*use \.reshape"):
        x.t().view(-1)


def test_expanded_views_share_memory():
    x = dovetail.tensor([[1.0], [2.0]])
    wide = x.expand(2, 3)
    assert wide._base is x
    x.mul_(2)
    assert wide.tolist() == [[2, 2, 2], [4, 4, 4]]


@pytest.mark.parity
@pytest.mark.parametrize("name", sorted(set(VIEWS) - {"split", "chunk", "unbind"}))  # these PyTorch refuses
def test_gradients_through_writes_to_views(compare, name):
    def write_view(lib, x, y):
        base = x * 1
        view = VIEWS[name](base)
        view.mul_(VIEWS[name](y))
        return base * y, view * 2, VIEWS[name](base) * 3

    def write_base(lib, x, y):
        base = x * 1
        view = VIEWS[name](base)
        base.mul_(y)
        return view * 2, base.sum()

    def write_twice(lib, x, y):
        base = x * 1
        first, second = VIEWS[name](base), base[0]
        first.add_(1)
        second.mul_(2)
        first.copy_(VIEWS[name](y))
        return base * base, first, second * 3

    x, y = np.arange(6.0).reshape(2, 3) + 1, np.arange(6.0).reshape(2, 3) * 0.5 + 2
    compare(write_view, x, y)
    compare(write_base, x, y)
    compare(write_twice, x, y)


@pytest.mark.parity
@pytest.mark.parametrize(
    "write",
    [
        lambda lib, x, y: x.add_(y),
        lambda lib, x, y: x.mul_(y),
        lambda lib, x, y: x.div_(y),
        lambda lib, x, y: x.sub_(y[0]),
        lambda lib, x, y: x.pow_(2),
        lambda lib, x, y: x.exp_(),
        lambda lib, x, y: x.log_(),
        lambda lib, x, y: x.sqrt_(),
        lambda lib, x, y: x.relu_(),
        lambda lib, x, y: x.tanh_(),
        lambda lib, x, y: x.sigmoid_(),
        lambda lib, x, y: x.clamp_(2, 4),
        lambda lib, x, y: x.neg_(),
        lambda lib, x, y: x.abs_(),
        lambda lib, x, y: x.square_(),
        lambda lib, x, y: x.zero_(),
        lambda lib, x, y: x.fill_(3),
        lambda lib, x, y: x.copy_(y),
        lambda lib, x, y: x.copy_(y[0]),
        lambda lib, x, y: x.masked_fill_(y > 3, 0),
        lambda lib, x, y: x.mul_(x),
        lambda lib, x, y: x.mul_(x[0]),
        lambda lib, x, y: x.add_(x),
        lambda lib, x, y: x.add_(y, alpha=2),
        lambda lib, x, y: x.sub_(y, alpha=3),
        lambda lib, x, y: x.floor_(),
        lambda lib, x, y: x.scatter_(1, lib.tensor([[0], [2]]), y[:, :1]),
        lambda lib, x, y: x.index_add_(0, lib.tensor([1]), y[:1]),
    ],
)
def test_gradients_through_in_place_methods(compare, write):
    def call(lib, x, y):
        x = x * 1
        before = x + 1
        out = write(lib, x, y * 1)
        assert out is x
        return x * 2, before

    x, y = np.arange(6.0).reshape(2, 3) + 1, np.arange(6.0).reshape(2, 3) * 0.5 + 2
    compare(call, x, y)


def test_augmented_assignment_is_in_place():
    x = dovetail.tensor([7.0, 8.0])
    alias = x
    for change in ("x += 1", "x -= 2", "x *= 3", "x /= 2", "x //= 1", "x %= 5", "x **= 2"):
        scope = {"x": x}
        exec(change, scope)
        assert scope["x"] is alias
    assert alias.tolist() == [16, 0]
    mask = dovetail.tensor([True, False])
    mask &= False
    mask |= dovetail.tensor([True, False])
    mask ^= True
    assert mask.tolist() == [False, True]


@pytest.mark.parametrize("make", [lambda: dovetail.tensor(2.0), lambda: dovetail.tensor([2.0]).sum()])
def test_single_numbers_are_written_to(make):
    x = make()
    shared = x.detach()
    x.add_(1).mul_(x).neg_()
    x -= dovetail.tensor(1.0)
    x.exp_().log_()
    assert x.item() == shared.item() == pytest.approx(-10)
    y = make().add_(1)  # no tensor shares its memory yet
    y.mul_(dovetail.tensor(2.0))
    y *= 3e38
    assert y.item() == float("inf")
    assert y.fill_(4).sqrt_().item() == 2
    count = dovetail.tensor(0)
    for _ in range(3):
        count.add_(1)
    assert count.item() == count._version == 3
    with pytest.raises(errors.ShapeError, match="broadcast"):
        make().add_(dovetail.ones(3))


def test_leaves_that_need_a_gradient_cannot_be_written_to():
    x = dovetail.ones(3, requires_grad=True)
    writes = {
        "add_": lambda: x.add_(1), "zero_": lambda: x.zero_(), "fill_": lambda: x.fill_(1), "copy_": lambda: x.copy_(x),
        "normal_": lambda: x.normal_(), "indexed assignment": lambda: x.__setitem__([0], 1),
    }  # fmt: skip
    for what, write in writes.items():
        with pytest.raises(errors.GradError, match=f"{what}: a leaf tensor that needs a gradient is being used"):
            write()
    with pytest.raises(errors.GradError, match="a view of a leaf that needs a gradient"):
        x[0] = 1
    with pytest.raises(errors.GradError, match="a view of a leaf that needs a gradient"):
        x[:2].zero_()
    assert x.tolist() == [1, 1, 1]
    with dovetail.no_grad():
        x.add_(1)
        x[0] = 5
    assert x.tolist() == [5, 2, 2]
    assert x.is_leaf
    assert x.requires_grad


def test_a_written_tensor_takes_part_in_the_graph():
    w = dovetail.tensor([2.0], requires_grad=True)
    x = dovetail.ones(3)
    x[1:] = w
    assert x.requires_grad
    assert not x.is_leaf
    (x * x).sum().backward()
    assert w.grad.tolist() == [8]


def test_sizes_and_dtypes_that_do_not_fit_in_place():
    x = dovetail.ones(3)
    with pytest.raises(errors.ShapeError, match=r"gave sizes \(2, 3\) for a tensor of sizes \(3,\); the other"):
        x.add_(dovetail.ones(2, 3))
    whole = dovetail.tensor([1, 2])
    with pytest.raises(errors.DTypeError, match=r"gave dovetail.float32, which a tensor of dovetail.int64 cannot hold"):
        whole.add_(1.5)
    with pytest.raises(errors.DTypeError):
        whole /= 2
    half = dovetail.ones(2, dtype=dovetail.float16)
    half += dovetail.ones(2, dtype=dovetail.float64)
    assert half.dtype is dovetail.float16
    assert half.tolist() == [2, 2]


def test_detach_and_data():
    x = dovetail.ones(2, requires_grad=True)
    y = x * 2
    cut = y.detach()
    assert not cut.requires_grad
    cut.zero_()
    assert y.tolist() == [0, 0]
    assert y._version == cut._version == 1
    x.data.add_(1)
    assert x.tolist() == [2, 2]
    x.data = dovetail.tensor([7.0, 8.0])
    assert x.tolist() == [7, 8]
    assert x.requires_grad
    assert y.detach_() is y
    assert y.is_leaf
    assert not y.requires_grad


def test_many_views_are_forgotten_when_they_are_gone():
    x = dovetail.ones(4)
    for _ in range(500):
        x[1:].add_(1)
    assert x._version == 500
    assert len(x._alias.shared.views) <= 64


def test_a_write_under_no_grad_reaches_views_and_keeps_their_history():
    w = dovetail.ones(3, requires_grad=True)
    y = w * 2
    part = y[:2]
    with dovetail.no_grad():
        y.mul_(3)
    assert part.tolist() == [6, 6]
    part.sum().backward()
    assert w.grad.tolist() == [2, 2, 0]


# Random programs of views and writes, run in both libraries


def _pick(lib, tensors, step):
    """Apply one step of a program to the tensors made so far."""
    kind, which, other, number = step
    x, y = tensors[which % len(tensors)], tensors[other % len(tensors)]
    if kind == "row" and x.ndim:
        tensors.append(x[number % x.shape[0]])
    elif kind == "slice" and x.ndim:
        tensors.append(x[number % x.shape[0] :])
    elif kind == "transpose":
        tensors.append(x.transpose(0, -1) if x.ndim else x)
    elif kind == "flat":
        tensors.append(x.reshape(-1))
    elif kind == "unsqueeze":
        tensors.append(x.unsqueeze(0))
    elif kind == "scale":
        x.mul_(1 + number / 8)
    elif kind == "shift":
        x.add_(y.mean() / 4)
    elif kind == "fill":
        x.fill_(number / 2)
    elif kind == "index" and x.ndim:
        x[number % x.shape[0]] = y.sum() / 8
    elif kind == "mask" and x.ndim:
        x[x.detach() > number / 4] = number / 8
    elif kind == "new":
        tensors.append(x * 1.5)
    return tensors


_KINDS = ["row", "slice", "transpose", "flat", "unsqueeze", "scale", "shift", "fill", "index", "mask", "new"]
_STEP = st.tuples(st.sampled_from(_KINDS), st.integers(0, 9), st.integers(0, 9), st.integers(-3, 5))


def _run(lib, program):
    start = lib.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], dtype=lib.float64, requires_grad=True)
    tensors = [start * 1]
    for step in program:
        tensors = _pick(lib, tensors, step)
    total = sum((value.sum() * (number + 1) for number, value in enumerate(tensors)), start.sum())
    total.backward()
    return [value.detach().numpy() for value in tensors], start.grad.numpy()


@pytest.mark.parity
def test_random_programs_do_what_they_do_in_pytorch():
    torch = pytest.importorskip("torch")

    @settings(max_examples=250, derandomize=True, deadline=None)
    @given(st.lists(_STEP, min_size=1, max_size=8))
    def check(program):
        (ours, our_grad), (theirs, their_grad) = _run(dovetail, program), _run(torch, program)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(our_grad, their_grad, rtol=1e-9, atol=1e-9)

    check()
