"""Layers beside PyTorch's: starting values, outputs, gradients, printing and state_dicts of the same nets."""

import inspect

import numpy as np
import pytest

import dovetail
from dovetail import nn

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")

LIBRARIES = (dovetail, torch)


def both(make, seed=0):
    """Return what ``make(library)`` gives in both, each after the same seed."""
    made = []
    for library in LIBRARIES:
        library.manual_seed(seed)
        made.append(make(library))
    return made


def array(value):
    return value.detach().numpy()


def assert_same(ours, theirs, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(array(ours), array(theirs), rtol=rtol, atol=atol)


def images(library, *shape, integers=None):
    values = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    if integers is not None:
        values = np.random.default_rng(3).integers(0, integers, shape)
    return library.from_numpy(values)


LAYERS = {
    "linear": (lambda m: m.nn.Linear(7, 5), (4, 7)),
    "linear of more dimensions": (lambda m: m.nn.Linear(7, 5, bias=False), (2, 3, 7)),
    "linear of a vector": (lambda m: m.nn.Linear(7, 5), (7,)),
    "conv": (lambda m: m.nn.Conv2d(3, 4, 3), (2, 3, 8, 9)),
    "conv strided": (lambda m: m.nn.Conv2d(3, 4, (3, 2), stride=2, padding=(1, 0)), (2, 3, 8, 9)),
    "conv dilated": (lambda m: m.nn.Conv2d(3, 4, 3, dilation=2, padding=2, bias=False), (2, 3, 8, 9)),
    "conv grouped": (lambda m: m.nn.Conv2d(4, 6, 3, groups=2), (2, 4, 8, 9)),
    "conv depthwise": (lambda m: m.nn.Conv2d(4, 4, 3, groups=4, padding=1), (2, 4, 8, 9)),
    "conv same": (lambda m: m.nn.Conv2d(3, 4, 3, padding="same"), (2, 3, 8, 9)),
    "conv same, even kernel": (lambda m: m.nn.Conv2d(3, 4, (4, 3), padding="same", dilation=(1, 2)), (2, 3, 8, 9)),
    "conv valid": (lambda m: m.nn.Conv2d(3, 4, 3, padding="valid"), (2, 3, 8, 9)),
    "conv of one image": (lambda m: m.nn.Conv2d(3, 4, 3), (3, 8, 9)),
    "max pool": (lambda m: m.nn.MaxPool2d(2), (2, 3, 8, 9)),
    "max pool overlapping": (lambda m: m.nn.MaxPool2d(3, stride=2, padding=1), (2, 3, 8, 9)),
    "max pool ceiling": (lambda m: m.nn.MaxPool2d((3, 2), stride=2, ceil_mode=True), (2, 3, 8, 9)),
    "max pool dilated": (lambda m: m.nn.MaxPool2d(2, dilation=2), (2, 3, 8, 9)),
    "avg pool": (lambda m: m.nn.AvgPool2d(2), (2, 3, 8, 9)),
    "avg pool padded": (lambda m: m.nn.AvgPool2d(3, stride=2, padding=1), (2, 3, 8, 9)),
    "avg pool without padding": (lambda m: m.nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 8, 9)),
    "avg pool ceiling": (lambda m: m.nn.AvgPool2d(3, 2, ceil_mode=True), (2, 3, 8, 10)),
    "avg pool ceiling padded": (lambda m: m.nn.AvgPool2d(3, 2, 1, ceil_mode=True), (2, 3, 8, 10)),
    "avg pool ceiling alone": (lambda m: m.nn.AvgPool2d(3, 2, 1, True, False), (2, 3, 8, 10)),
    "avg pool divisor": (lambda m: m.nn.AvgPool2d(2, divisor_override=3), (2, 3, 8, 9)),
    "adaptive pool to one": (lambda m: m.nn.AdaptiveAvgPool2d(1), (2, 3, 8, 9)),
    "adaptive pool": (lambda m: m.nn.AdaptiveAvgPool2d((3, 4)), (2, 3, 8, 9)),
    "adaptive pool widening": (lambda m: m.nn.AdaptiveAvgPool2d((None, 12)), (3, 8, 9)),
    "flatten": (lambda m: m.nn.Flatten(), (2, 3, 4)),
    "unflatten": (lambda m: m.nn.Unflatten(1, (2, 3)), (4, 6)),
    "relu": (lambda m: m.nn.ReLU(), (4, 7)),
    "leaky relu": (lambda m: m.nn.LeakyReLU(0.2), (4, 7)),
    "gelu": (lambda m: m.nn.GELU(), (4, 7)),
    "gelu tanh": (lambda m: m.nn.GELU(approximate="tanh"), (4, 7)),
    "sigmoid": (lambda m: m.nn.Sigmoid(), (4, 7)),
    "tanh": (lambda m: m.nn.Tanh(), (4, 7)),
    "silu": (lambda m: m.nn.SiLU(), (4, 7)),
    "softmax": (lambda m: m.nn.Softmax(dim=1), (4, 7, 2)),
    "log softmax": (lambda m: m.nn.LogSoftmax(dim=-1), (4, 7)),
    "batch norm 1d": (lambda m: m.nn.BatchNorm1d(5), (6, 5)),
    "batch norm of sequences": (lambda m: m.nn.BatchNorm1d(5, momentum=None), (6, 5, 3)),
    "batch norm 2d": (lambda m: m.nn.BatchNorm2d(3, momentum=0.3), (4, 3, 5, 6)),
    "batch norm plain": (lambda m: m.nn.BatchNorm2d(3, affine=False, track_running_stats=False), (4, 3, 5, 6)),
    "layer norm": (lambda m: m.nn.LayerNorm(7), (4, 7)),
    "layer norm of images": (lambda m: m.nn.LayerNorm([3, 5], bias=False), (4, 3, 5)),
    "layer norm plain": (lambda m: m.nn.LayerNorm(7, elementwise_affine=False), (4, 7)),
    "identity": (lambda m: m.nn.Identity(), (4, 7)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # PyTorch's, on its own speed
@pytest.mark.parametrize("name", LAYERS)
def test_output_and_gradients(name):
    make, shape = LAYERS[name]
    ours, theirs = both(make)
    for mode in (True, True, False):
        x, y = (images(library, *shape).requires_grad_() for library in LIBRARIES)
        out, wanted = ours.train(mode)(x), theirs.train(mode)(y)
        assert_same(out, wanted)
        for library, result in zip(LIBRARIES, (out, wanted), strict=True):
            (result * images(library, *result.shape)).sum().backward()
        assert_same(x.grad, y.grad, rtol=1e-4, atol=1e-5)
        for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert_same(parameter.grad, other.grad, rtol=1e-4, atol=2e-5)
    for buffer, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert_same(buffer, other)


@pytest.mark.parametrize("name", LAYERS)
def test_starting_values_and_printing(name):
    ours, theirs = both(LAYERS[name][0])
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for value, wanted in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        np.testing.assert_allclose(array(value), array(wanted), rtol=2e-7, atol=0)


@pytest.mark.parametrize("padding_idx", [None, 2, -1])
def test_embedding(padding_idx):
    ours, theirs = both(lambda m: m.nn.Embedding(11, 4, padding_idx=padding_idx))
    assert repr(ours) == repr(theirs)
    assert_same(ours.weight, theirs.weight)
    for library, layer in zip(LIBRARIES, (ours, theirs), strict=True):
        (layer(images(library, 3, 20, integers=11)) * images(library, 3, 20, 4)).sum().backward()
    assert_same(ours.weight.grad, theirs.weight.grad)


def test_max_pool_indices():
    for settings in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}):
        found = [m.nn.MaxPool2d(**settings, return_indices=True)(images(m, 2, 3, 8, 9)) for m in LIBRARIES]
        assert_same(found[0][0], found[1][0])
        assert (array(found[0][1]) == array(found[1][1])).all()


def classes(library, *shape):
    target = images(library, *shape, integers=5)
    target.reshape(-1)[1] = -100
    return target


LOSSES = {
    "cross entropy": (lambda m, **kw: m.nn.CrossEntropyLoss(**kw), classes),
    "cross entropy smoothed": (lambda m, **kw: m.nn.CrossEntropyLoss(label_smoothing=0.2, **kw), classes),
    "cross entropy weighted": (lambda m, **kw: m.nn.CrossEntropyLoss(images(m, 5).abs(), **kw), classes),
    "cross entropy of both": (
        lambda m, **kw: m.nn.CrossEntropyLoss(images(m, 5).abs(), label_smoothing=0.1, **kw),
        classes,
    ),
    "nll": (lambda m, **kw: m.nn.NLLLoss(**kw), classes),
    "nll weighted": (lambda m, **kw: m.nn.NLLLoss(images(m, 5).abs(), ignore_index=-100, **kw), classes),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(6, 5), (4, 5, 3), (2, 5, 3, 2)])
def test_losses_of_classes(name, shape, reduction):
    make, target = LOSSES[name]
    found, grads = [], []
    for m in LIBRARIES:
        x = images(m, *shape).requires_grad_()
        loss = make(m, reduction=reduction)(x, target(m, shape[0], *shape[2:]))
        loss.sum().backward()
        found.append(loss)
        grads.append(x.grad)
    assert_same(*found)
    assert_same(*grads)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "make",
    [
        lambda m, **kw: m.nn.MSELoss(**kw),
        lambda m, **kw: m.nn.L1Loss(**kw),
        lambda m, **kw: m.nn.BCEWithLogitsLoss(**kw),
        lambda m, **kw: m.nn.BCEWithLogitsLoss(images(m, 5).abs(), pos_weight=images(m, 5) ** 2, **kw),
        lambda m, **kw: lambda x, y: m.nn.BCELoss(**kw)(x.sigmoid(), y),
        lambda m, **kw: m.nn.CrossEntropyLoss(label_smoothing=0.1, **kw),
        lambda m, **kw: m.nn.CrossEntropyLoss(images(m, 5).abs(), **kw),
        lambda m, **kw: lambda x, y: m.nn.functional.mse_loss(x, y, weight=y + 0.5, **kw),
    ],
)
def test_losses_of_numbers(make, reduction):
    found, grads = [], []
    for m in LIBRARIES:
        x = images(m, 6, 5).requires_grad_()
        loss = make(m, reduction=reduction)(x, images(m, 5, 6).sigmoid().T)
        loss.sum().backward()
        found.append(loss)
        grads.append(x.grad)
    assert_same(*found)
    assert_same(*grads)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": "bool"},
        {"attn_mask": "float"},
    ],
    ids=str,
)
def test_attention(settings):
    found, grads = [], []
    for m in LIBRARIES:
        query, key, value = (images(m, 2, 3, length, 8).requires_grad_() for length in (5, 6, 6))
        kwargs = dict(settings)
        if "attn_mask" in kwargs:
            mask = images(m, 5, 6)
            kwargs["attn_mask"] = mask > -0.5 if kwargs["attn_mask"] == "bool" else mask
        out = m.nn.functional.scaled_dot_product_attention(query, key, value, **kwargs)
        (out * images(m, 2, 3, 5, 8)).sum().backward()
        found.append(out)
        grads.append([query.grad, key.grad, value.grad])
    assert_same(*found)
    for ours, theirs in zip(*grads, strict=True):
        assert_same(ours, theirs, rtol=1e-4, atol=1e-5)


def test_grouped_attention():
    found = [
        m.nn.functional.scaled_dot_product_attention(
            images(m, 2, 4, 5, 8), images(m, 2, 2, 6, 8), images(m, 2, 2, 6, 8), enable_gqa=True
        )
        for m in LIBRARIES
    ]
    assert_same(*found)


INITS = [
    "uniform_(w, -2.0, 3.0)",
    "normal_(w, 1.0, 2.0)",
    "constant_(w, 3.0)",
    "xavier_uniform_(w)",
    "xavier_uniform_(w, gain=2.0)",
    "xavier_normal_(w)",
    "kaiming_uniform_(w)",
    "kaiming_uniform_(w, a=1.0, mode='fan_out')",
    "kaiming_normal_(w, nonlinearity='relu')",
    "trunc_normal_(w)",
    "trunc_normal_(w, std=0.02)",
    "trunc_normal_(w, std=2.0, a=1.0, b=3.0)",
    "trunc_normal_(w, mean=1.0, std=0.5, a=0.9, b=1.1)",
    "eye_(w)",
]


@pytest.mark.parametrize("shape", [(3, 4), (40, 30), (8, 3, 3, 3)])
@pytest.mark.parametrize("call", INITS)
def test_inits(call, shape):
    if call.startswith("eye") and len(shape) != 2:
        shape = (5, 2)
    found = both(lambda m: eval(f"init.{call}", {"init": m.nn.init, "w": m.empty(*shape)}), seed=42)
    assert_same(*found, rtol=1e-6, atol=1e-7)
    assert dovetail.rand(1).item() == torch.rand(1).item(), "the generators are at different places"


def test_gains():
    for name in ("linear", "conv1d", "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


NETS = {
    "nested": lambda m: m.nn.Sequential(
        m.nn.Conv2d(1, 32, 3, 1), m.nn.ReLU(), m.nn.Sequential(m.nn.Dropout(0.25), m.nn.Flatten()), m.nn.Linear(9, 10)
    ),
    "list": lambda m: m.nn.ModuleList([m.nn.Linear(2, 2) for _ in range(3)] + [m.nn.ReLU(), m.nn.Sequential()]),
    "list of blocks": lambda m: m.nn.ModuleList([m.nn.Sequential(m.nn.Linear(2, 2), m.nn.ReLU()) for _ in range(2)]),
    "dict": lambda m: m.nn.ModuleDict({"a": m.nn.LeakyReLU(0.1, True), "b": m.nn.ModuleDict()}),
    "parameters": lambda m: m.nn.ParameterList([m.zeros(2, 3), m.zeros(4)]),
    "no parameters": lambda m: m.nn.ParameterList(),
    "losses": lambda m: m.nn.ModuleList([m.nn.CrossEntropyLoss(), m.nn.NLLLoss(), m.nn.MSELoss(), m.nn.L1Loss()]),
    "more": lambda m: m.nn.Sequential(
        m.nn.MaxPool2d((2, 1), (1, 2), ceil_mode=True),
        m.nn.AdaptiveAvgPool2d((1, None)),
        m.nn.ReLU(inplace=True),
        m.nn.SiLU(inplace=True),
        m.nn.Conv2d(2, 4, (3, 5), stride=(2, 1), padding="valid", groups=2, bias=False),
        m.nn.BatchNorm2d(4, eps=1e-3, affine=False),
        m.nn.LayerNorm((2, 3), elementwise_affine=False),
        m.nn.Embedding(3, 4, 0),
        m.nn.Unflatten(1, [2, 3]),
        m.nn.Softmax(),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_nets_print_alike(name):
    ours, theirs = (str(NETS[name](m)) for m in LIBRARIES)
    assert ours.replace("dovetail.float32", "torch.float32") == theirs


def test_a_user_defined_net_prints_alike():
    def make(m):
        class Net(m.nn.Module):
            def __init__(self):
                super().__init__()
                self.features = m.nn.Sequential(m.nn.Conv2d(3, 6, 5), m.nn.MaxPool2d(2, 2))
                self.weight = m.nn.Parameter(m.zeros(3))
                self.drop = m.nn.Dropout()
                self.nothing = None
                self.heads = m.nn.ModuleDict({"x": m.nn.Linear(2, 1)})
                self.add_module("gone", None)

            def extra_repr(self):
                return "classes=10,\nkind=plain"

        return Net()

    ours, theirs = (make(m) for m in LIBRARIES)
    assert str(ours) == str(theirs)


def test_parameter_prints_alike():
    assert str(nn.Parameter(dovetail.ones(2))) == str(torch.nn.Parameter(torch.ones(2)))
    ours, theirs = nn.Parameter(dovetail.ones(2), False), torch.nn.Parameter(torch.ones(2), False)
    assert str(ours) == str(theirs)


def make_net(m):
    return m.nn.Sequential(
        m.nn.Conv2d(1, 3, 3, padding=1),
        m.nn.BatchNorm2d(3),
        m.nn.ReLU(),
        m.nn.MaxPool2d(2),
        m.nn.Flatten(),
        m.nn.Linear(48, 10),
        m.nn.LayerNorm(10),
    )


def test_our_values_load_into_pytorch_and_the_other_way():
    ours, theirs = both(make_net, 1)[0], both(make_net, 2)[1]
    x = images(dovetail, 4, 1, 8, 8)
    ours(x)
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    assert_same(ours.eval()(x), theirs.eval()(images(torch, 4, 1, 8, 8)))
    other = both(make_net, 3)[1]
    ours.load_state_dict({name: dovetail.tensor(value.numpy()) for name, value in other.state_dict().items()})
    assert_same(ours.eval()(x), other.eval()(images(torch, 4, 1, 8, 8)))


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
def test_clipping(norm_type):
    found = []
    for m in LIBRARIES:
        parameters = [m.nn.Parameter(m.zeros(3)), m.nn.Parameter(m.zeros(2, 2))]
        for parameter in parameters:
            parameter.grad = images(m, *parameter.shape)
        total = m.nn.utils.clip_grad_norm_(parameters, 0.7, norm_type)
        found.append([total, *(parameter.grad for parameter in parameters)])
    for ours, theirs in zip(*found, strict=True):
        assert_same(ours, theirs)


# Names that PyTorch keeps for an older way of calling, or for what only its own kernels do.
LEFT_OUT = {
    *["size_average", "reduce", "_stacklevel"],
    *["max_norm", "norm_type", "scale_grad_by_freq", "sparse", "_weight", "_freeze", "foreach", "out", "p"],
}


def public_names():
    for part in ("", "functional", "init", "utils"):
        ours, theirs = ((getattr(m.nn, part) if part else m.nn) for m in LIBRARIES)
        for name in sorted(vars(ours)):
            if callable(getattr(ours, name)) and not name.startswith("_") and hasattr(theirs, name):
                yield part, name


@pytest.mark.parametrize(("part", "name"), list(public_names()))
def test_arguments_have_pytorchs_names_order_and_defaults(part, name):
    ours, theirs = (getattr(getattr(m.nn, part) if part else m.nn, name) for m in LIBRARIES)
    try:
        wanted = inspect.signature(theirs).parameters
        found = inspect.signature(ours).parameters
    except ValueError:
        return
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in (*wanted.values(), *found.values())):
        return
    keep = [parameter for parameter in wanted.values() if parameter.name in found or parameter.name not in LEFT_OUT]
    assert [(p.name, p.default) for p in found.values()] == [(p.name, p.default) for p in keep]
