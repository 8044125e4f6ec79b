"""Tensors' texts against PyTorch's, over shapes, dtypes, numbers and options."""

import re

import ml_dtypes
import numpy as np
import pytest

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
    return re.sub(r",\s+dtype=\w+\.", ", dtype=", repr(tensor))


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
