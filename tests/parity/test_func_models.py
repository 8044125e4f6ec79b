"""Models inside transforms: per-sample gradients, ensembles, layers and losses equal torch.func's."""

import warnings

import numpy as np
import pytest

import dovetail
import dovetail.nn

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")

_draw = np.random.default_rng(0)
IMAGES = _draw.normal(size=(4, 3, 8, 8)).astype(np.float32)
LABELS, TOKENS = _draw.integers(0, 5, 4), _draw.integers(0, 7, (4, 6))


def same(ours, theirs):
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            same(ours[key], theirs[key])
    elif isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    else:
        assert ours.requires_grad == theirs.requires_grad
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=2e-4, atol=2e-5)


def both(program):
    found = []
    for lib in (dovetail, torch):
        lib.manual_seed(0)
        with warnings.catch_warnings():
            if lib is torch:
                warnings.simplefilter("ignore")
            found.append(program(lib))
    same(*found)


def convolutional(nn):
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, stride=2), nn.GELU(),
        nn.AvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip


def normalised(nn):
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(144, 5))


def of_tokens(nn):
    layers = nn.Embedding(7, 8, padding_idx=1), nn.LayerNorm(8), nn.Linear(8, 8), nn.SiLU(), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(48, 5))


def values_of(model):
    return {name: value.detach() for name, value in model.named_parameters()}


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"ignore_index": 2, "reduction": "sum"}])
@pytest.mark.parametrize(
    ("make", "given"),
    [(convolutional, IMAGES), (normalised, IMAGES), (of_tokens, TOKENS)],
    ids=["conv", "norm", "text"],
)
def test_per_sample_gradients(make, given, options):
    def program(lib):
        model = make(lib.nn)

        def loss(values, x, label):
            scores = lib.func.functional_call(model, values, (x.unsqueeze(0),))
            return lib.nn.functional.cross_entropy(scores, label.unsqueeze(0), **options)

        each = lib.func.vmap(lib.func.grad(loss), (None, 0, 0))
        return each(values_of(model), lib.tensor(given), lib.tensor(LABELS))

    both(program)


@pytest.mark.parametrize("make", [convolutional, normalised])
def test_an_ensemble_of_models(make):
    def program(lib):
        models = [make(lib.nn) for _ in range(3)]
        values, buffers = lib.func.stack_module_state(models)

        def score(values, buffers, x):
            return lib.func.functional_call(models[0], (values, buffers), (x,))

        images = lib.tensor(IMAGES)
        slopes = lib.func.grad(lambda values, x: score(values, {}, x).square().mean())
        held = {name: value.detach() for name, value in values.items()}
        return lib.func.vmap(score, (0, 0, None))(values, buffers, images), lib.func.vmap(slopes, (0, None))(
            held, images
        )

    both(program)


def test_hessian_of_a_net_for_some_parameters():
    def program(lib):
        model = of_tokens(lib.nn)
        chosen = {name: value for name, value in values_of(model).items() if name in ("1.weight", "1.bias", "5.bias")}

        def loss(values):
            scores = lib.func.functional_call(model, values, (lib.tensor(TOKENS),))
            return lib.nn.functional.cross_entropy(scores, lib.tensor(LABELS))

        return lib.func.hessian(loss)(chosen)

    both(program)


def test_gradient_of_the_sizes_of_per_sample_gradients():
    def program(lib):
        model = convolutional(lib.nn)

        def loss(values, x, label):
            scores = lib.func.functional_call(model, values, (x.unsqueeze(0),))
            return lib.nn.functional.cross_entropy(scores, label.unsqueeze(0))

        def size(values):
            each = lib.func.vmap(lib.func.grad(loss), (None, 0, 0))(values, lib.tensor(IMAGES), lib.tensor(LABELS))
            return sum((g**2).sum() for g in each.values())

        return lib.func.grad(size)(values_of(model))

    both(program)


@pytest.mark.parametrize("randomness", ["different", "same"])
def test_dropout(randomness):
    def program(lib):
        drop = lib.nn.functional.dropout
        return lib.func.vmap(lambda x: drop(x, 0.5), randomness=randomness)(lib.tensor(IMAGES[:, 0]))

    both(program)


FUNCTIONS = {
    "attention": lambda nnf, x: nnf.scaled_dot_product_attention(x, x, x, is_causal=True),
    "mse_loss": lambda nnf, x: nnf.mse_loss(x, x * 2 + 1),
    "l1_loss": lambda nnf, x: nnf.l1_loss(x, x * 2 + 1),
    "binary": lambda nnf, x: nnf.binary_cross_entropy_with_logits(x, x.sigmoid().detach()),
    "gelu": lambda nnf, x: nnf.gelu(x),
    "leaky_relu": lambda nnf, x: nnf.leaky_relu(x),
    "softmax": lambda nnf, x: nnf.softmax(x, 1),
    "layer_norm": lambda nnf, x: nnf.layer_norm(x, x.shape[1:], x.mean(0), x.sum(0)),
    "linear": lambda nnf, x: nnf.linear(x, x[0], x[1, 0]),
    "conv2d": lambda nnf, x: nnf.conv2d(x.unsqueeze(0), x[:, :3, :3].unsqueeze(0), x[0, 0, :1], padding=1),
    "grouped conv2d": lambda nnf, x: nnf.conv2d(x, x[:2, :2, :2].unsqueeze(1).repeat(1, 3, 1, 1), stride=2),
    "pad": lambda nnf, x: nnf.pad(x, (1, 1, 2, 2)),
    "batch_norm": lambda nnf, x: nnf.batch_norm(x, None, None, x[0, 0], x[1, 0], training=True),
    "max_pool2d": lambda nnf, x: nnf.max_pool2d(x.unsqueeze(0), 3, 2, 1),
    "adaptive_avg_pool2d": lambda nnf, x: nnf.adaptive_avg_pool2d(x.unsqueeze(0), 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_with_what_each_sample_has_for_itself(name):
    def program(lib):
        def call(x):
            return FUNCTIONS[name](lib.nn.functional, x).sin().sum()

        images = lib.tensor(IMAGES)
        slopes = lib.func.vmap(lib.func.grad(call))(images)
        return slopes, lib.func.vmap(lib.func.grad(lambda x: (lib.func.grad(call)(x) ** 2).sum()))(images)

    both(program)


def test_labels_of_each_sample():
    def program(lib):
        functional = lib.nn.functional

        def call(x, labels):
            return functional.nll_loss(functional.log_softmax(x[0], 1)[:6], labels)

        tokens = lib.tensor(TOKENS)
        hot = lib.func.vmap(lambda labels: functional.one_hot(labels, 7))(tokens)
        return hot, lib.func.vmap(lib.func.grad(call))(lib.tensor(IMAGES), tokens)

    both(program)
