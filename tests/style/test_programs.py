"""Programs in PyTorch's style, with only the names of the imports changed."""

import dovetail as torch
import dovetail.nn.functional as F
from dovetail import nn, optim
from dovetail.data import DataLoader, Dataset, TensorDataset


def made_up_images(count=320):
    torch.manual_seed(1)
    labels = torch.randint(0, 10, (count,))
    patterns = torch.rand(10, 1, 28, 28)
    return patterns[labels] + 0.1 * torch.randn(count, 1, 28, 28), labels


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()  # noqa: UP008 - as older programs write it
        self.fc1 = nn.Linear(784, 128)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = x.view(-1, 784)
        x = self.fc1(x)
        x = self.relu(x)
        return self.fc2(x)


def train(net, loader, criterion, optimizer, epochs):
    losses = []
    for _ in range(epochs):
        running_loss = 0.0
        for data, target in loader:
            optimizer.zero_grad()
            output = net(data)
            loss = criterion(output, target)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        losses.append(running_loss / len(loader))
    return losses


def accuracy(net, loader):
    correct = total = 0
    net.eval()
    with torch.no_grad():
        for data, target in loader:
            _, predicted = torch.max(net(data), 1)
            total += target.size(0)
            correct += (predicted == target).sum().item()
    return correct / total


def loader_of(*tensors, batch_size=32):
    return DataLoader(TensorDataset(*tensors), batch_size=batch_size, shuffle=True)


def test_a_classifier_trained_by_sgd():
    loader = loader_of(*made_up_images())
    net = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.01)
    losses = train(net, loader, criterion, optimizer, 10)
    assert losses[-1] < losses[0] * 0.8


def test_a_classifier_trained_by_adam():
    loader = loader_of(*made_up_images())
    net = Net()
    optimizer = optim.Adam(net.parameters(), lr=0.001)
    train(net, loader, nn.CrossEntropyLoss(), optimizer, 5)
    assert accuracy(net, loader) > 0.95


def test_print_net():
    assert str(Net()) == (
        "Net(\n"
        "  (fc1): Linear(in_features=784, out_features=128, bias=True)\n"
        "  (relu): ReLU()\n"
        "  (fc2): Linear(in_features=128, out_features=10, bias=True)\n"
        ")"
    )


def test_tensor_dataset_and_loader():
    x = torch.randn(105, 3)
    y = torch.arange(105)
    dataset = TensorDataset(x, y)
    loader = DataLoader(dataset, batch_size=10, shuffle=True)
    seen = []
    for inputs, targets in loader:
        assert inputs.shape[1] == 3
        assert torch.equal(inputs, x[targets])
        seen += targets.tolist()
    assert len(loader) == 11
    assert sorted(seen) == list(range(105))
    assert seen != list(range(105))


def test_regression_of_two_points():
    torch.manual_seed(0)
    inputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    targets = torch.tensor([[2.0], [4.0]])
    model = nn.Linear(2, 1)
    criterion = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    for _ in range(1000):
        outputs = model(inputs)
        loss = criterion(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    predicted = model(inputs).detach().numpy()
    assert abs(predicted - targets.numpy()).max() < 0.05


def test_tensor_arithmetic():
    tensor = torch.tensor([1, 2, 3, 4])
    assert (tensor + 1).tolist() == [2, 3, 4, 5]
    assert tensor.sum() == 10
    assert tensor.prod() == 24
    assert str(tensor + 1) == "tensor([2, 3, 4, 5])"
    assert torch.sum(tensor.float()).item() == 10.0
    assert torch.prod(tensor).item() == 24


def test_a_custom_loss():
    class WeightedError(nn.Module):
        def __init__(self, weight):
            super().__init__()
            self.weight = weight

        def forward(self, output, target):
            return torch.mean(self.weight * (output - target) ** 2)

    x = torch.linspace(-1, 1, 20).unsqueeze(1)
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.2)
    train(model, [(x, 3 * x + 1)], WeightedError(2.0), optimizer, 100)
    assert abs(model.weight.item() - 3) < 0.05
    assert abs(model.bias.item() - 1) < 0.05


def test_a_custom_optimizer():
    class Momentum(optim.Optimizer):
        def __init__(self, params, lr=0.1, beta=0.5):
            super().__init__(params, dict(lr=lr, beta=beta))  # noqa: C408 - as programs write it

        @torch.no_grad()
        def step(self, closure=None):
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if len(state) == 0:
                        state["velocity"] = torch.zeros_like(p)
                    state["velocity"].mul_(group["beta"]).add_(p.grad)
                    p.add_(state["velocity"], alpha=-group["lr"])
            return loss

    class OldStyle(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.data -= group["lr"] * p.grad.data

    x = torch.linspace(-1, 1, 20).unsqueeze(1)
    for make in (Momentum, lambda params: OldStyle(params, 0.2)):
        model = nn.Linear(1, 1)
        train(model, [(x, 2 * x)], nn.MSELoss(), make(model.parameters()), 100)
        assert abs(model.weight.item() - 2) < 0.05


def test_a_custom_activation():
    class Swish(nn.Module):
        def __init__(self):
            super().__init__()
            self.beta = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return x * torch.sigmoid(self.beta * x)

    model = nn.Sequential(nn.Linear(1, 16), Swish(), nn.Linear(16, 1))
    x = torch.linspace(-2, 2, 40).unsqueeze(1)
    losses = train(model, [(x, x**2)], nn.MSELoss(), optim.Adam(model.parameters(), lr=0.02), 200)
    assert losses[-1] < 0.02
    assert model[1].beta.grad is not None


def test_a_convolutional_net():
    class ConvNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 8, kernel_size=5)
            self.conv2 = nn.Conv2d(8, 16, kernel_size=5)
            self.drop = nn.Dropout(0.1)
            self.fc1 = nn.Linear(256, 50)
            self.fc2 = nn.Linear(50, 10)

        def forward(self, x):
            x = F.relu(F.max_pool2d(self.conv1(x), 2))
            x = F.relu(F.max_pool2d(self.drop(self.conv2(x)), 2))
            x = x.view(-1, 256)
            x = F.dropout(F.relu(self.fc1(x)), p=0.1, training=self.training)
            return F.log_softmax(self.fc2(x), dim=1)

    loader = loader_of(*made_up_images(160), batch_size=16)
    net = ConvNet()
    optimizer = optim.Adam(net.parameters(), lr=0.003)
    train(net, loader, F.nll_loss, optimizer, 8)
    assert accuracy(net, loader) > 0.8


def test_a_dataset_of_ones_own_and_text_classes():
    class Halves(Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, index):
            return torch.tensor([index % 8, index // 8]), int(index % 8 + index // 8 > 7)

    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(8, 6)
            self.norm = nn.LayerNorm(6)
            self.out = nn.Linear(6, 2)

        def forward(self, x):
            return self.out(self.norm(self.embedding(x)).mean(dim=1))

    torch.manual_seed(0)
    model = Bag()
    loader = DataLoader(Halves(), batch_size=16, shuffle=True)
    train(model, loader, nn.CrossEntropyLoss(), optim.AdamW(model.parameters(), lr=0.05), 25)
    assert accuracy(model, loader) > 0.95


def test_attention_by_hand():
    class SelfAttention(nn.Module):
        def __init__(self, size, heads):
            super().__init__()
            self.heads = heads
            self.qkv = nn.Linear(size, 3 * size)
            self.out = nn.Linear(size, size)

        def forward(self, x):
            batch, length, size = x.size()
            q, k, v = self.qkv(x).split(size, dim=2)
            shape = (batch, length, self.heads, size // self.heads)
            q, k, v = (part.view(shape).transpose(1, 2) for part in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(y.transpose(1, 2).contiguous().view(batch, length, size))

    torch.manual_seed(0)
    layer = SelfAttention(8, 2)
    x = torch.randn(2, 5, 8)
    first = layer(x)
    changed = torch.cat([x[:, :3], torch.zeros(2, 2, 8)], dim=1)
    assert torch.allclose(layer(changed)[:, :3], first[:, :3], atol=1e-6), "later positions must not be seen"
    first.sum().backward()
    assert layer.qkv.weight.grad.abs().sum() > 0


def test_saving_and_loading(tmp_path):
    net = Net()
    optimizer = optim.Adam(net.parameters())
    train(net, loader_of(*made_up_images(64)), nn.CrossEntropyLoss(), optimizer, 1)
    torch.save({"epoch": 1, "model": net.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "last.ckpt")
    checkpoint = torch.load(tmp_path / "last.ckpt")
    other = Net()
    other.load_state_dict(checkpoint["model"])
    optim.Adam(other.parameters()).load_state_dict(checkpoint["optimizer"])
    assert checkpoint["epoch"] == 1
    images, _ = made_up_images(8)
    assert torch.equal(net(images), other(images))


def test_a_device_chosen_at_the_start():
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Net().to(device)
    images, labels = made_up_images(8)
    loss = nn.CrossEntropyLoss()(model(images.to(device)), labels.to(device))
    loss.backward()
    assert next(model.parameters()).device.type == device.type


def test_a_schedule_clipping_and_frozen_layers():
    net = Net()
    for parameter in net.fc1.parameters():
        parameter.requires_grad = False
    optimizer = optim.SGD(filter(lambda p: p.requires_grad, net.parameters()), lr=0.1, momentum=0.9)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    before = net.fc1.weight.clone()
    images, labels = made_up_images(16)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
        optimizer.step()
        scheduler.step()
    assert torch.equal(net.fc1.weight, before)
    assert abs(optimizer.param_groups[0]["lr"] - 0.001) < 1e-12
    assert sum(p.numel() for p in net.parameters()) == 101770


def test_weights_set_by_a_function():
    def init_weights(m):
        if isinstance(m, nn.Linear):
            torch.nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net.apply(init_weights)
    assert net[0].bias.tolist() == [0.009999999776482582, 0.009999999776482582]
