"""Any index of any tensor: what is read, written and given back as a gradient is PyTorch's, or an error in both."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail

pytestmark = pytest.mark.parity


class Array:
    """An index tensor of any library: the numbers, and whether they come as a tensor, a list or a NumPy array."""

    def __init__(self, values, kind):
        self.values, self.kind = values, kind

    def __repr__(self):
        return f"{self.kind}({self.values.tolist()}, {self.values.dtype})"

    def of(self, lib):
        if self.kind == "list":
            return self.values.tolist()
        return lib.tensor(self.values) if self.kind == "tensor" else self.values


def in_library(lib, index):
    if isinstance(index, Array):
        return index.of(lib)
    return tuple(in_library(lib, part) for part in index) if isinstance(index, tuple) else index


KINDS = st.sampled_from(["tensor", "list", "array"])
BOUNDS = st.none() | st.integers(-4, 4)


def integers(size):
    """Mostly in range."""
    return st.integers(-size, max(size - 1, -size)) if size else st.integers(-1, 1)


@st.composite
def arrays(draw, size, joint):
    """Return an index array for a dimension of ``size``, of sizes that broadcast to ``joint``, mostly."""
    shape = tuple(draw(st.sampled_from([size, size, 1])) for size in joint[draw(st.integers(0, len(joint))) :])
    count = int(np.prod(shape))
    low, high = (-size, size - 1) if size and draw(st.integers(0, 30)) else (-size - 1, size)
    values = draw(st.lists(st.integers(low, high), min_size=count, max_size=count))
    kind = draw(KINDS)
    dtype = draw(st.sampled_from([np.int64, np.int64, np.int32])) if kind != "list" else np.int64
    return Array(np.array(values, dtype=dtype).reshape(shape), kind if values or kind != "list" else "tensor")


@st.composite
def masks(draw, sizes):
    count = int(np.prod(sizes))
    values = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    kind = draw(KINDS)
    mask = np.array(values, dtype=bool).reshape(sizes)
    return Array(mask, kind if mask.size and mask.ndim == 1 else "tensor")


@st.composite
def indices(draw):
    """Return the sizes of a tensor, and an index of it."""
    shape = tuple(draw(st.lists(st.integers(0, 3) | st.integers(1, 4), max_size=4)))
    joint = tuple(draw(st.lists(st.integers(0, 3) | st.integers(1, 3), max_size=2)))
    parts, dim, dots = [], 0, False
    while True:
        choice = draw(st.integers(0, 11))
        left = len(shape) - dim
        if choice == 0:
            break
        if choice == 1:
            parts.append(None)
        elif choice == 2 and not dots:
            parts.append(...)
            dots, dim = True, min(dim + draw(st.integers(0, 2)), len(shape))
        elif choice == 3 and not draw(st.integers(0, 3)):
            parts.append(draw(st.booleans()))
        elif not left:
            if draw(st.integers(0, 20)):
                break
            parts.append(0)
        elif choice in (4, 5):
            parts.append(draw(integers(shape[dim])))
            dim += 1
        elif choice in (6, 7):
            parts.append(slice(draw(BOUNDS), draw(BOUNDS), draw(st.sampled_from([None, None, 1, 2, 3]))))
            dim += 1
        elif choice == 8:
            width = min(draw(st.integers(1, 2)), left)
            parts.append(draw(masks(shape[dim : dim + width])))
            dim += width
        elif choice == 9:
            parts.append(Array(np.array(draw(integers(shape[dim]))), draw(st.sampled_from(["tensor", "array"]))))
            dim += 1
        else:
            parts.append(draw(arrays(shape[dim], joint)))
            dim += 1
        if len(parts) > 6:
            break
    return shape, tuple(parts) if len(parts) != 1 or draw(st.booleans()) else parts[0]


@st.composite
def values(draw, shape):
    """Return the sizes of something that broadcasts to ``shape``, mostly."""
    if not draw(st.integers(0, 12)):
        return tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    kept = shape[draw(st.integers(0, len(shape))) :]
    sizes = tuple(draw(st.sampled_from([size, size, size, 1])) for size in kept)
    return (1,) * draw(st.sampled_from([0, 0, 0, 1])) + sizes


def numbers(shape, start=0.0):
    return np.arange(start, start + np.prod(shape)).reshape(shape)


def outcome(torch, lib, call):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call(lib)
    except (IndexError, RuntimeError, ValueError, TypeError) as error:
        return error


def agree(compare, torch, call):
    ours, theirs = outcome(torch, dovetail, call), outcome(torch, torch, call)
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        assert isinstance(ours, Exception), f"PyTorch refuses this: {theirs!r}; Dovetail gave {ours!r}"
        assert isinstance(theirs, Exception), f"PyTorch takes this: {theirs!r}; Dovetail: {ours!r}"
        return
    compare.same(ours, theirs)


def second_order(lib, out, leaves):
    """Return gradients of a cube's sum, and gradients of these."""
    total = (out**3).sum() + sum((leaf * 0).sum() for leaf in leaves)
    first = lib.autograd.grad(total, leaves, create_graph=True)
    again = sum((g**2).sum() for g in first) + sum((leaf * 0).sum() for leaf in leaves)
    return [g.detach() for g in first], lib.autograd.grad(again, leaves)


@settings(max_examples=250, derandomize=True, deadline=None)
@given(indices(), st.sampled_from(["plain", "view"]))
def test_reading(compare, index, layout):
    shape, index = index

    def call(lib):
        leaf = lib.tensor(numbers(shape, 1.0) / 8, requires_grad=True)
        x = leaf * 1 if layout == "plain" else leaf.unsqueeze(0).transpose(0, -1)[..., 0]
        out = x[in_library(lib, index)]
        plain = leaf.detach()[in_library(lib, index)]
        views = plain._base is not None
        return [out.detach(), plain, views, *second_order(lib, out, [leaf])]

    agree(compare, pytest.importorskip("torch"), call)


@settings(max_examples=250, derandomize=True, deadline=None)
@given(indices(), st.data())
def test_writing(compare, index, data):
    shape, index = index
    torch = pytest.importorskip("torch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picked = tuple(torch.zeros(shape)[in_library(torch, index)].shape)
    except (IndexError, ValueError, TypeError):
        picked = ()
    sizes = data.draw(values(picked), "sizes of the value")
    which = data.draw(st.sampled_from(["both", "target", "value", "none", "number"]), "what needs a gradient")
    through = data.draw(st.booleans(), "through a view")

    def call(lib):
        leaf = lib.tensor(numbers(shape, 1.0) / 8, requires_grad=which in ("both", "target"))
        value = lib.tensor(numbers(sizes, 100.0) / 64, requires_grad=which in ("both", "value"))
        x = leaf * 1
        seen, twice = x.unsqueeze(0), x[None]
        (seen[0] if through else x)[in_library(lib, index)] = 7.5 if which == "number" else value
        leaves = [part for part in (leaf, value) if part.requires_grad]
        results = [x.detach(), twice.detach(), x.requires_grad, seen.requires_grad]
        return results + list(second_order(lib, (x + seen * 2) / 8, leaves) if leaves and x.requires_grad else [])

    agree(compare, torch, call)
