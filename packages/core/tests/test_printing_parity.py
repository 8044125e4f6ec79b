"""Tensors' texts against PyTorch's, over shapes, dtypes, numbers and options."""

import re

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail.printing import printoptions

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

SHAPES = [
    (), (1,), (3,), (0,), (0, 3), (3, 0), (2, 3), (2, 3, 4), (1, 1, 1, 2), (20,), (30, 40), (1001,), (2, 600),
    (11, 11, 11), (3, 1, 500), (2, 2, 2, 2, 2),
]  # fmt: skip
DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64"]
NUMBERS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "large": lambda rng, shape: rng.normal(size=shape) * 1e5,
    "small": lambda rng, shape: rng.normal(size=shape) * 1e-6,
    "uneven": lambda rng, shape: np.exp(rng.normal(size=shape) * 3),
    "whole": lambda rng, shape: rng.integers(-5, 5, shape).astype(float),
    "large whole": lambda rng, shape: rng.integers(0, 10**9, shape).astype(float),
    "nan": lambda rng, shape: np.where(rng.random(shape) < 0.2, np.nan, rng.normal(size=shape)),
    "inf": lambda rng, shape: np.where(rng.random(shape) < 0.2, -np.inf, rng.integers(0, 3, shape).astype(float)),
    "zero": lambda rng, shape: np.zeros(shape),
    "minus zero": lambda rng, shape: np.full(shape, -0.0),
    "only nan": lambda rng, shape: np.full(shape, np.nan),
}
OPTIONS = [
    {}, {"precision": 2}, {"threshold": 5}, {"edgeitems": 1, "threshold": 3}, {"linewidth": 40}, {"sci_mode": True},
    {"sci_mode": False}, {"profile": "short"}, {"profile": "full", "linewidth": 120},
]  # fmt: skip


def both(array, name):
    """The same numbers as a tensor of ours and of PyTorch's."""
    with np.errstate(all="ignore"):
        theirs = torch.as_tensor(array).to(getattr(torch, name))
    raw = theirs.view(torch.uint16).numpy().view(ml_dtypes.bfloat16) if name == "bfloat16" else theirs.numpy()
    return dovetail.from_numpy(raw), theirs


def text(tensor):
    """The text with one module name, and without the line break that the longer of the names may need."""
    return re.sub(
        r",\s+(dtype=|size=|requires_grad=|grad_fn=)", r", \1", re.sub(r"(dovetail|torch)\.", "", repr(tensor))
    )


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("numbers", NUMBERS)
def test_every_shape_prints_alike(numbers, name):
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        array = NUMBERS[numbers](rng, shape)
        if name == "complex64":
            array = np.stack([array, np.flip(array)], axis=-1).view(complex)[..., 0]
        ours, theirs = both(array, name)
        assert text(ours) == text(theirs)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_acts_alike(options):
    rng = np.random.default_rng(1)
    torch.set_printoptions(**options)
    try:
        with printoptions(**options):
            for shape in SHAPES:
                for numbers in NUMBERS.values():
                    for name in ("float32", "int64"):
                        ours, theirs = both(numbers(rng, shape), name)
                        assert text(ours) == text(theirs)
    finally:
        torch.set_printoptions(profile="default")


def test_gradients_print_alike():
    for module in (dovetail, torch):
        leaf = module.ones(3, requires_grad=True)
        assert repr(leaf) == "tensor([1., 1., 1.], requires_grad=True)"
        texts = [repr(leaf * 2), repr(leaf.sum()), repr((leaf * 2).exp()), repr(leaf.detach())]
        assert texts == [
            "tensor([2., 2., 2.], grad_fn=<MulBackward0>)",
            "tensor(3., grad_fn=<SumBackward0>)",
            "tensor([7.3891, 7.3891, 7.3891], grad_fn=<ExpBackward0>)",
            "tensor([1., 1., 1.])",
        ]


# What a result shows of how it was computed

COMPUTED = [
    "x + 1", "x - 1", "1 - x", "x * 2", "x / 2", "x**2", "2**x", "x**x", "-x", "x % 2", "x % x", "x.sum()", "x.sum(0)",
    "x.mean()", "x.mean(0)", "x.prod()", "x.prod(0)", "x.var()", "x.std(0)", "x.amax(0)", "x.view(6)", "x.reshape(6)",
    "x.flatten()", "x.permute(1, 0)", "x.T", "x.unsqueeze(0)", "x.unsqueeze(0).squeeze()", "x.expand(2, 2, 3)", "x[0]",
    "x[0:1]", "x[:, 0]", "x[1:, 0]", "x[0, 1:]", "x[None]", "x[:, None]", "x[...]", "x[:]", "x[[0, 1]]", "x[x > 0]",
    "x @ x.T", "x @ x[0]", "x[0] @ x[0]", "x[None] @ x.T", "x.exp()", "x.log()", "x.log1p()", "x.sqrt()", "x.rsqrt()",
    "x.sin()", "x.cos()", "x.tan()", "x.tanh()", "x.sigmoid()", "x.relu()", "x.abs()", "x.square()", "x.clamp(0, 1)",
    "x.clamp(min=0)", "x.softmax(0)", "x.log_softmax(0)", "x.logsumexp(0)", "x.cumsum(0)", "x.double()", "x.half()",
    "x.clone()", "x.masked_fill(x > 0, 1)", "x.tril()", "x.gather(0, (x > 0).long())", "x.repeat(2, 1)", "x.flip(0)",
    "x.roll(1)", "lib.cat([x, x])", "lib.stack([x, x])", "lib.where(x > 0, x, x)", "lib.maximum(x, x)", "x.erf()",
    "x.clone().add_(1)", "x.clone().mul_(2)", "x[0].outer(x[0])", "x.floor()", "x.reciprocal()", "x.view_as(x)",
]  # fmt: skip


@pytest.mark.parametrize("code", COMPUTED)
def test_results_name_how_they_were_computed_alike(code):
    texts = [eval(code, {"lib": lib, "x": lib.ones(2, 3, requires_grad=True)}) for lib in (dovetail, torch)]
    assert text(texts[0]).replace("dovetail", "torch") == text(texts[1])


def test_subclasses_and_contents_print_alike():
    class Named(dovetail.Tensor):
        pass

    ours, made = Named([1.0, 2.0]), torch.ones(2, requires_grad=True)
    assert repr(ours) == "Named([1., 2.])"
    assert dovetail.ones(2, requires_grad=True).__repr__(tensor_contents="abc") == made.__repr__(tensor_contents="abc")
    assert repr([dovetail.ones(2), dovetail.ones(())]) == repr([torch.ones(2), torch.ones(())])


# Any tensor, any options

ELEMENTS = st.one_of(
    st.floats(width=32), st.integers(-5, 5).map(float), st.sampled_from([1e-4, 9.99e-5, 1e8, 1e8 + 1, 999.99, -0.0])
)
ANY_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "precision": st.integers(0, 8), "threshold": st.sampled_from([0, 1, 5, 20]), "edgeitems": st.integers(0, 4),
        "linewidth": st.sampled_from([0, 1, 20, 40, 79, 80, 120]), "sci_mode": st.sampled_from([True, False, None]),
        "profile": st.sampled_from(["default", "short", "full"]),
    },
)  # fmt: skip


def test_any_tensor_prints_alike_with_any_options():
    shapes = st.lists(st.sampled_from([0, 1, 2, 3, 5, 7, 12]), max_size=4).map(tuple)

    @settings(max_examples=500, derandomize=True, deadline=None)
    @given(shapes, st.lists(ELEMENTS, min_size=1, max_size=12), st.sampled_from(DTYPES), ANY_OPTIONS)
    def check(shape, numbers, name, options):
        array = np.resize(np.array(numbers), shape)
        if name == "complex64":
            array = array + 1j * np.flip(array)
        elif name in ("int64", "int32", "uint8"):
            array = np.nan_to_num(array, posinf=0, neginf=0).clip(0, 200)
        ours, theirs = both(array, name)
        torch.set_printoptions(**options)
        try:
            with printoptions(**options):
                assert text(ours) == text(theirs).replace("torch.", "dovetail.")
        finally:
            torch.set_printoptions(profile="default")

    check()
