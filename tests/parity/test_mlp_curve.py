"""The 784-128-10 net from one seed: weights, shuffles and the loss curve of 100 steps equal PyTorch's."""

import numpy as np
import pytest

import dovetail
import dovetail.data

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")


def samples():
    """Return 640 made-up images of 10 classes: a pattern per class, and noise."""
    draw = np.random.default_rng(7)
    labels = draw.integers(0, 10, 640)
    patterns = draw.random((10, 784))
    return (patterns[labels] + 0.5 * draw.standard_normal((640, 784))).astype(np.float32), labels


def train(library, data, make_optimizer, steps=100, seed=0):
    """Return the starting weights, the labels in the order in which they came, and the losses."""
    library.manual_seed(seed)
    nn = library.nn
    net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    start = [parameter.detach().numpy().copy() for parameter in net.parameters()]
    images, labels = (library.from_numpy(values) for values in samples())
    loader = data.DataLoader(data.TensorDataset(images, labels), batch_size=64, shuffle=True)
    loss_of, optimizer = nn.CrossEntropyLoss(), make_optimizer(library.optim, net.parameters())
    seen, losses = [], []
    while len(losses) < steps:
        for batch, target in loader:
            optimizer.zero_grad()
            loss = loss_of(net(batch), target)
            loss.backward()
            optimizer.step()
            seen.append(target.tolist())
            losses.append(loss.item())
    return start, seen, losses


def test_weights_shuffles_and_losses_over_100_sgd_steps():
    found = train(dovetail, dovetail.data, lambda optim, p: optim.SGD(p, lr=0.01))
    wanted = train(torch, torch.utils.data, lambda optim, p: optim.SGD(p, lr=0.01))
    for ours, theirs in zip(found[0], wanted[0], strict=True):
        assert (ours == theirs).all()
    assert found[1] == wanted[1]
    assert len(found[2]) == 100
    np.testing.assert_allclose(found[2], wanted[2], rtol=0, atol=1e-5)
    assert found[2][-1] < found[2][0] * 0.7, "the net must learn, or the curve says nothing"


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda optim, p: optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=1e-4),
        lambda optim, p: optim.Adam(p, lr=0.001),
        lambda optim, p: optim.AdamW(p, lr=0.001),
    ],
)
def test_curves_of_other_optimizers(make_optimizer):
    _, order, found = train(dovetail, dovetail.data, make_optimizer, 40, seed=3)
    _, wanted_order, wanted = train(torch, torch.utils.data, make_optimizer, 40, seed=3)
    assert order == wanted_order
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
