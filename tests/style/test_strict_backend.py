"""Every layer, loss and optimizer on arrays that have nothing but the array standard: no layer knows its device."""

import pytest

import dovetail
from dovetail import nn, optim, plugins
from dovetail.nn import functional as F

pytest.importorskip("array_api_strict")
pytestmark = pytest.mark.filterwarnings("ignore:You are comparing a array_api_strict dtype")  # a dict with both kinds


class Strict(dovetail.Backend):
    name = "strict"

    @property
    def xp(self):
        import array_api_strict

        return array_api_strict

    def owns(self, array):
        return type(array).__module__.startswith("array_api_strict")


@pytest.fixture
def device():
    class Plugin:
        @plugins.hookimpl
        def dovetail_register_backends(self):
            return [Strict()]

    plugins.register(Plugin(), "strict")
    yield "strict"
    plugins.unregister("strict")


def make_net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding="same", bias=False),  # before batch norm a bias has no gradient but rounding
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2, ceil_mode=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LayerNorm(4),
        nn.GELU(),
        nn.Linear(4, 3),
    )


def train(net, device, make_optimizer):
    optimizer = make_optimizer(net.parameters())
    dovetail.manual_seed(1)
    x, y = dovetail.randn(6, 1, 8, 8).to(device), dovetail.tensor([0, 1, 2, 0, 1, 2]).to(device)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    losses.append(net.eval()(x).sum().item())
    return losses


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.Adam(p, lr=0.01),
        lambda p: optim.AdamW(p, lr=0.01, amsgrad=True),
    ],
)
def test_training_gives_the_numbers_of_the_cpu(device, make_optimizer):
    dovetail.manual_seed(0)
    net = make_net()
    other = make_net().to(device)
    other.load_state_dict(net.state_dict())
    assert train(other, device, make_optimizer) == pytest.approx(train(net, "cpu", make_optimizer), rel=1e-4)


def test_layers_start_alike(device):
    dovetail.manual_seed(0)
    here = nn.Linear(5, 4)
    dovetail.manual_seed(0)
    there = nn.Linear(5, 4, device=device)
    assert dovetail.equal(here.weight, there.weight.cpu())


def test_embedding_attention_and_activations(device):
    table = nn.Embedding(5, 4, padding_idx=0, device=device)
    x = table(dovetail.tensor([[1, 2, 0]], device=device))
    layers = (nn.SiLU(), nn.Tanh(), nn.Sigmoid(), nn.LeakyReLU(), nn.Softmax(-1), nn.LogSoftmax(-1), nn.Dropout())
    total = F.scaled_dot_product_attention(x, x, x, is_causal=True).sum()
    for layer in layers:
        total = total + layer(x).sum()
    target = dovetail.zeros(1, 3, 4, device=device)
    total = total + F.binary_cross_entropy_with_logits(x, target) + F.mse_loss(x, target) + F.l1_loss(x, target)
    total = total + F.nll_loss(F.log_softmax(x[0], 1), dovetail.tensor([0, 3, -100], device=device))
    total.backward()
    assert table.weight.grad.cpu()[1:3].abs().sum().item() > 0
    assert table.weight.grad.cpu()[0].tolist() == [0.0, 0.0, 0.0, 0.0]


def test_labels_and_indices_out_of_range_are_named(device):
    with pytest.raises(IndexError, match="Embedding: index 7 is out of range; a table of 5"):
        nn.Embedding(5, 4, device=device)(dovetail.tensor([7], device=device))
    with pytest.raises(IndexError, match="cross_entropy: label 7 is out of range; with 3 classes"):
        F.cross_entropy(dovetail.zeros(1, 3, device=device), dovetail.tensor([7], device=device))
