"""Modes and modules: paths of modules in errors, profiles and counts; whole training steps under every mode."""

import re

import pytest

import dovetail
from dovetail import nn
from dovetail.errors import NonFiniteError, TraceError
from dovetail.modes import FlopCounter, Mode, detect_anomaly, deterministic, nan_guard, state, trace
from dovetail.modes.profile_tables import averages_by_module
from dovetail.nn import functional as F
from dovetail.profiler import profile


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))

    def forward(self, x):
        return self.layers(x)


class Root(nn.Module):
    def forward(self, x):
        y = x - x.detach()
        return y.sqrt()


def test_the_guard_names_the_module_and_the_users_line():
    net = Net()
    net.layers[2].weight.data.fill_(3e38)
    net.layers[0].bias.data.fill_(50.0)
    with pytest.raises(NonFiniteError) as raised, nan_guard():
        net(dovetail.ones(2, 4))
    text = str(raised.value)
    assert text.startswith("linear made 4 inf of finite inputs in Net.layers.2 (Linear)\n")
    assert "test_modes.py" in text
    assert ": return self.layers(x)" in text
    assert "weight: float32(2, 3), 3e+38 to 3e+38" in text


def test_the_guard_names_the_module_of_a_backward_pass():
    net = nn.Sequential(nn.Linear(2, 2), Root())
    for mode in (nan_guard(), detect_anomaly()):
        with pytest.raises(NonFiniteError) as raised, mode:
            (net(dovetail.ones(1, 2)) * 0).sum().backward()
        text = str(raised.value)
        assert text.startswith("the backward pass of sqrt (SqrtBackward0) made 2 nan")
        assert "its forward call in Sequential.1 (Root) was at" in text
        assert "return y.sqrt()" in text


def test_a_module_may_be_allowed():
    net = nn.Sequential(Root())
    with nan_guard(allow=("Root",)):
        net(dovetail.zeros(2, requires_grad=True)).sum().backward()


def test_a_module_called_past_its_parent_is_found():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()
            self.kept_apart = [Root()]

        def forward(self, x):
            return self.kept_apart[0](self.net.layers[0](x))

    outer = Outer()
    outer.net.layers[0].weight.data.fill_(3.0)
    with pytest.raises(NonFiniteError, match=r"in Outer\.net\.layers\.0 \(Linear\)"), nan_guard():
        outer(dovetail.full((1, 4), 3e38))
    with pytest.raises(NonFiniteError, match=r"in Outer\.<Root> \(Root\)"), detect_anomaly():
        (Outer()(dovetail.ones(1, 4)) * 0).sum().backward()


def test_modules_are_told_and_forgotten():
    told = []

    class Telling(Mode):
        def begins(self, what):
            told.append(("begins", type(what).__name__))

        def ends(self, what, error):
            told.append(("ends", type(what).__name__, error and type(error).__name__))

    with pytest.raises(RuntimeError, match="Linear with in_features=4"), Telling():
        Net()(dovetail.ones(2, 5))
    names = ["Net", "Sequential", "Linear"]
    assert told == [("begins", name) for name in names] + [("ends", name, "ShapeError") for name in reversed(names)]
    assert state.modules == ()
    assert state.modes == ()


def test_hooks_run_under_modes():
    net, seen = nn.Linear(2, 2), []
    net.register_forward_hook(lambda module, args, out: seen.append(1))
    with Mode():
        net(dovetail.ones(1, 2))
    assert seen == [1]


def test_profile_by_module():
    net = Net()
    with profile() as prof:
        for _ in range(2):
            net(dovetail.ones(5, 4)).sum().backward()
    lines = prof.table(by="module", sort_by="name").splitlines()
    assert lines[0].split() == ["Module", "Self", "Forward", "Backward", "Total", "%", "Calls", "Bytes", "FLOP"]
    names = [line.split("  ")[0] for line in lines[2:-1]]
    inner = [f"Net.layers.{index} ({kind})" for index, kind in enumerate(("Linear", "ReLU", "Linear"))]
    assert names == ["Net", "Net.layers (Sequential)", *inner]
    rows = {row.key: row for row in averages_by_module(prof.events)}
    first = rows[inner[0]]
    assert first.count == 2
    # forward, the weight's gradient and the bias's, a sum; the second gradients are added to the first
    assert first.flops == 2 * (2 * 2 * 5 * 4 * 3 + 5 * 3) + (4 * 3 + 3)
    assert first.total > first.backward > 0
    assert rows["Net"].total > rows["Net.layers (Sequential)"].total > first.total
    assert rows["Net"].flops == sum(rows[name].flops for name in inner)
    assert rows["Net"].own >= 0


def test_flops_by_module():
    net = Net()
    with FlopCounter(depth=3) as counter:
        net(dovetail.ones(5, 4)).sum().backward()
    counts = counter.get_flop_counts()
    assert counts["Net.layers.0"] == {"linear": 2 * 5 * 4 * 3, "linear_weight": 2 * 5 * 4 * 3}
    assert counts["Net.layers.2"] == dict.fromkeys(("linear", "linear_weight", "matmul"), 2 * 5 * 3 * 2)
    assert counts["Net"] == counts["Net.layers"] == counts["Global"]
    assert re.search(r"^      Net\.layers\.2 +180 ", counter.get_table(), re.M)
    assert "Net.layers.2" not in counter.get_table(depth=1)


def training(mode):
    dovetail.manual_seed(0)
    start = [nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*start, nn.Flatten(), nn.Linear(27, 4))
    images, labels = dovetail.rand(6, 1, 8, 8), dovetail.randint(0, 4, (6,))
    numbers = []
    for _ in range(3):
        with mode:
            net.zero_grad()
            loss = F.cross_entropy(net(images), labels)
            loss.backward()
            with dovetail.no_grad():
                for parameter in net.parameters():
                    dovetail.ops.sgd_step(parameter, parameter.grad, None, lr=0.1)
        numbers.append(loss.item())
    return numbers, [value.tolist() for value in net.state_dict().values()]


class Several:
    def __init__(self, *modes):
        self.modes = modes

    def __enter__(self):
        for mode in self.modes:
            mode.__enter__()

    def __exit__(self, *error):
        for mode in reversed(self.modes):
            mode.__exit__(*error)


@pytest.mark.parametrize(
    "make",
    [
        Mode,
        nan_guard,
        detect_anomaly,
        deterministic,
        profile,
        FlopCounter,
        lambda: dovetail.autocast("cpu", enabled=False),
        lambda: Several(nan_guard(), profile(), FlopCounter(), detect_anomaly(), deterministic()),
    ],
)
def test_training_under_a_mode_gives_the_same_bits(make):
    assert training(make()) == training(Several())


def test_autocast_inside_profile_inside_guard():
    with nan_guard(), profile() as prof, dovetail.autocast("cpu"):
        out = Net()(dovetail.ones(2, 4))
    assert out.dtype is dovetail.bfloat16
    found = {row.key: row.count for row in prof.key_averages()}
    assert found["linear"] == 2
    assert found["cast"] == 5  # the input, two weights, two biases
    net = Net()
    net.layers[0].weight.data.fill_(10.0)
    with pytest.raises(NonFiniteError, match="linear made"), nan_guard(), profile(), dovetail.autocast("cpu"):
        net(dovetail.full((2, 4), 1e38))


def test_a_model_is_traced_with_the_names_of_its_parameters():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Dropout(0.5))
    x = dovetail.rand(6, 4)
    with pytest.raises(TraceError, match=r"random numbers were drawn before .* in Sequential\.3 \(Dropout\); a graph"):
        trace(net, x)
    net.eval()
    graph = trace(net, x)
    assert "0.weight: float32[3, 4]  # captured" in repr(graph)
    assert "linear(input, 0.weight, 0.bias)" in repr(graph)
    other = dovetail.rand(6, 4)
    assert graph(other).tolist() == net(other).tolist()
    grads = []
    for call in (graph, net):
        net.zero_grad()
        call(other).sum().backward()
        grads.append([parameter.grad.tolist() for parameter in net.parameters()])
    assert grads[0] == grads[1]


def test_a_traced_batch_norm_keeps_its_running_statistics():
    nets = [nn.BatchNorm1d(3), nn.BatchNorm1d(3)]
    batches = [dovetail.rand(5, 3) for _ in range(3)]
    graph = trace(nets[0], batches[0])
    nets[1](batches[0])
    for batch in batches[1:]:
        assert graph(batch).tolist() == nets[1](batch).tolist()
    first, second = ({name: value.tolist() for name, value in net.state_dict().items()} for net in nets)
    assert first == second
