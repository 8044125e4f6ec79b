"""The heavy ops for layers: against PyTorch's functions, and what they say of input that does not fit."""

import numpy as np
import pytest

import dovetail
from dovetail import errors, ops
from dovetail.op import OPS
from dovetail.testing.samples import samples_of


def numbers(*shape, seed=0):
    return np.asarray(np.random.default_rng(seed).normal(size=shape))


def zeros(*shape):
    return dovetail.zeros(*shape)


PLAIN = {"kernel_size": (2, 2), "stride": (2, 2)}


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: ops.conv2d(zeros(3, 4, 4), zeros(1, 3, 2, 2)), errors.ShapeError, r"conv2d: takes an input \(N, C, H"),
        (lambda: ops.conv2d(zeros(1, 2, 4, 4), zeros(1, 3, 2, 2)), errors.ShapeError, "has 2 channels, but the weight"),
        (
            lambda: ops.conv2d(zeros(1, 2, 4, 4), zeros(3, 1, 2, 2), groups=2),
            errors.ShapeError,
            "3 output channels cannot be split into 2 groups",
        ),
        (
            lambda: ops.conv2d(zeros(1, 1, 4, 2), zeros(1, 1, 3, 3)),
            errors.ShapeError,
            "the kernel covers a width of 3, the padded input has 2; use a smaller kernel or more padding",
        ),
        (lambda: ops.max_pool2d(zeros(2, 2), **PLAIN), errors.ShapeError, r"takes an input \(N, C, H, W\), got"),
        (
            lambda: ops.max_pool2d(zeros(1, 1, 4, 4), **PLAIN, padding=(2, 0)),
            errors.ShapeError,
            r"padding \(2, 0\) must be at most half of kernel_size \(2, 2\)",
        ),
        (lambda: ops.max_pool2d(zeros(1, 1, 1, 4), **PLAIN), errors.ShapeError, r"no window of \(2, 2\) fits into"),
        (lambda: ops.batch_norm(zeros(3)), errors.ShapeError, r"batch_norm: takes an input \(N, C, ...\), got sizes"),
        (
            lambda: ops.batch_norm(zeros(1, 3)),
            errors.ShapeError,
            "expected more than 1 value per channel when training",
        ),
        (
            lambda: ops.batch_norm(zeros(2, 3), zeros(2)),
            errors.ShapeError,
            r"weight has sizes \(2,\), the input 3 chan",
        ),
        (
            lambda: ops.layer_norm(zeros(2, 3), zeros(2), dims=1),
            errors.ShapeError,
            r"weight has sizes \(2,\), .*1 dimen",
        ),
        (lambda: ops.embedding(zeros(3, 2), zeros(2)), TypeError, "embedding: indices must be integers, got dovetail"),
        (
            lambda: ops.embedding(zeros(3, 2), dovetail.tensor([0, 3])),
            IndexError,
            "embedding: index 3 is out of range; the weight has 3 rows, 0 to 2",
        ),
        (lambda: ops.embedding(zeros(3, 2), dovetail.tensor([-1])), IndexError, "index -1 is out of range"),
        (
            lambda: ops.cross_entropy(zeros(2, 3), dovetail.tensor([0, 3])),
            IndexError,
            "cross_entropy: target 3 is out of bounds; there are 3 classes, 0 to 2, and ignore_index=-100",
        ),
        (lambda: ops.cross_entropy(zeros(2, 3), dovetail.tensor([0, -1])), IndexError, "target -1 is out of bounds"),
        (
            lambda: ops.cross_entropy(zeros(2, 3), zeros(2)),
            errors.DTypeError,
            "targets are classes, of an integer dtype",
        ),
        (
            lambda: ops.cross_entropy(zeros(2, 3), dovetail.tensor([0])),
            errors.ShapeError,
            r"logits of sizes \(2, 3\), \(N, C, ...\), take targets of sizes \(2,\), got \(1,\)",
        ),
        (
            lambda: ops.cross_entropy(zeros(2, 3), dovetail.tensor([0, 1]), zeros(2)),
            errors.ShapeError,
            r"weight needs one number for each of 3 classes, got \(2,\)",
        ),
        (
            lambda: ops.cross_entropy(zeros(2, 3), dovetail.tensor([0, 1]), reduction="max"),
            ValueError,
            "reduction is 'mean', 'sum' or 'none', got 'max'",
        ),
    ],
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parity
@pytest.mark.parametrize(
    ("x", "weight", "options"),
    [
        ((2, 3, 6, 5), (4, 3, 3, 2), {}),
        ((1, 2, 7, 7), (3, 2, 3, 3), {"stride": (2, 3), "padding": (1, 2)}),
        ((2, 4, 6, 6), (6, 2, 2, 2), {"groups": 2, "dilation": (2, 1)}),
        ((0, 2, 4, 4), (3, 2, 2, 2), {}),
        ((1, 2, 3, 3), (2, 2, 3, 3), {}),
    ],
)
def test_convolution(compare, x, weight, options):
    def call(lib, *values):
        return (ops if lib is dovetail else lib.nn.functional).conv2d(*values, **options)

    compare(call, numbers(*x), numbers(*weight, seed=1), numbers(weight[0], seed=2))
    compare(call, numbers(*x), numbers(*weight, seed=1), layout="permuted")


@pytest.mark.parity
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("stride", "padding"), [((2, 2), (0, 0)), ((1, 2), (1, 0)), ((3, 1), (1, 1))])
def test_pooling(compare, stride, padding, ceil_mode):
    def largest(lib, x):
        if lib is dovetail:
            return ops.max_pool2d(x, kernel_size=(3, 2), stride=stride, padding=padding, ceil_mode=ceil_mode)
        return lib.nn.functional.max_pool2d(x, (3, 2), stride, padding, ceil_mode=ceil_mode, return_indices=True)

    def mean(lib, x):
        if lib is dovetail:
            return ops.avg_pool2d(x, kernel_size=(3, 2), stride=stride, padding=padding)
        return lib.nn.functional.avg_pool2d(x, (3, 2), stride, padding)

    x = np.random.default_rng(0).permutation(2 * 2 * 7 * 6).reshape(2, 2, 7, 6) / 10
    compare(largest, x)
    compare(mean, x)


@pytest.mark.parity
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("target", [[0, 2, 1], [-100, 2, 2], [[0, 1], [2, -100], [1, 1]]])
def test_cross_entropy(compare, reduction, label_smoothing, weighted, target):
    target = np.array(target)
    options = {"reduction": reduction, "label_smoothing": label_smoothing}

    def call(lib, x, target):
        weight = lib.tensor([0.5, 2.0, 1.5], dtype=lib.float64) if weighted else None
        if lib is dovetail:
            return ops.cross_entropy(x, target, weight, **options)[0]
        return lib.nn.functional.cross_entropy(x, target, weight, **options)

    compare(call, numbers(3, 3, *target.shape[1:]), target)


@pytest.mark.parity
def test_norms_and_embedding(compare):
    def batch(lib, x, weight, bias):
        if lib is dovetail:
            return ops.batch_norm(x, weight, bias)[0]
        return lib.nn.functional.batch_norm(x, None, None, weight, bias, training=True)

    def layer(lib, x, weight, bias):
        if lib is dovetail:
            return ops.layer_norm(x, weight, bias, dims=1)[0]
        return lib.nn.functional.layer_norm(x, (4,), weight, bias)

    def rows(lib, weight):
        indices = lib.tensor([[0, 2], [2, 1]])
        if lib is dovetail:
            return ops.embedding(weight, indices, padding_idx=1)
        return lib.nn.functional.embedding(indices, weight, padding_idx=1)

    compare(batch, numbers(3, 4, 2, 2), numbers(4, seed=1), numbers(4, seed=2))
    compare(layer, numbers(2, 3, 4), numbers(4, seed=1), numbers(4, seed=2))
    compare(rows, numbers(3, 2))


@pytest.mark.parity
@pytest.mark.parametrize("name", ["gelu", "gelu tanh", "silu", "softplus", "leaky_relu", "relu", "sigmoid", "tanh"])
def test_activations(compare, name):
    name, *approximate = name.split()
    options = {"approximate": approximate[0]} if approximate else {}

    def call(lib, x):
        return getattr(ops if lib is dovetail else lib.nn.functional, name)(x, **options)

    for x in (np.linspace(-8, 8, 41), np.array(0.5), np.linspace(-30, 30, 7).astype("float32"), numbers(0, 2)):
        compare(call, x)


def test_every_op_has_samples():
    own = [op for op in OPS.values() if op.kernel.__module__.startswith("dovetail.ops.")]
    assert len(own) > 100
    for op in own:
        assert samples_of(op), op.name
