"""The code of docs/modes.md."""

import json

import pytest

# region: write
import dovetail


class Shapes(dovetail.Mode):
    """Note each op with the sizes that it gave."""

    def __init__(self):
        self.seen = []

    def __call__(self, op, args, kwargs):
        out = op(*args, **kwargs)  # the op, or the next mode outside
        self.seen.append((op.definition.name, tuple(out.shape)))
        return out


# endregion

nn, optim = dovetail.nn, dovetail.optim


@pytest.fixture
def net():
    dovetail.manual_seed(0)
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


@pytest.fixture
def batch():
    return dovetail.rand(64, 784), dovetail.randint(0, 10, (64,))


def test_write():
    # region: use
    with Shapes() as shapes:
        (dovetail.ones(2, 3) @ dovetail.ones(3, 4)).sum(0)
    # endregion
    assert shapes.seen == [("matmul", (2, 4)), ("sum", (4,))]


def test_autocast(net, batch):
    images, labels = batch
    # region: autocast
    optimizer, scaler = optim.SGD(net.parameters(), lr=0.1), dovetail.amp.GradScaler("cpu")
    with dovetail.autocast("cpu", dtype=dovetail.bfloat16):
        loss = nn.functional.cross_entropy(net(images), labels)  # products in bfloat16, the loss in float32
    scaler.scale(loss).backward()  # gradients in float32, as the weights
    scaler.step(optimizer)
    scaler.update()
    # endregion
    assert loss.dtype is dovetail.float32
    assert net[0].weight.grad.dtype is dovetail.float32


def test_guard(net, batch):
    images, _ = batch

    def step():
        # region: guard
        with dovetail.nan_guard():
            net(images).log().sum().backward()
        # endregion

    with pytest.raises(dovetail.errors.NonFiniteError, match="log made") as raised:
        step()
    assert "net(images).log().sum().backward()" in str(raised.value)


def test_profile(net, batch, tmp_path):
    images, labels = batch
    optimizer = optim.Adam(net.parameters())
    path = tmp_path / "trace.json"
    # region: profile
    with dovetail.profiler.profile() as prof:
        for _ in range(10):
            with dovetail.profiler.record_function("step"):
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(images), labels).backward()
                optimizer.step()

    print(prof.table(sort_by="self_cpu_time_total", row_limit=12))
    print(prof.table(by="module"))
    prof.export_chrome_trace(path)  # for ui.perfetto.dev
    # endregion
    assert json.loads(path.read_text())["traceEvents"]


def test_flops(net, batch, capsys):
    images, _ = batch
    # region: flops
    with dovetail.modes.FlopCounter(depth=1) as counter:
        net(images).sum().backward()
    print(counter.get_table())
    # endregion
    assert counter.get_total_flops() == 2 * 64 * (2 * 784 * 128 + 3 * 128 * 10)
    assert "Sequential" in capsys.readouterr().out


def test_trace(net, batch):
    images, _ = batch
    # region: trace
    graph = dovetail.modes.trace(net, images)
    for step in graph:
        print(step.name, step.args, step.outputs[0].type)
    scores = graph(images * 2)
    # endregion
    assert scores.tolist() == net(images * 2).tolist()
    assert repr(graph) == GRAPH


GRAPH = """\
graph(input: float32[64, 784]):
    0.weight: float32[128, 784]  # captured
    0.bias: float32[128]  # captured
    2.weight: float32[10, 128]  # captured
    2.bias: float32[10]  # captured
    %0 = linear(input, 0.weight, 0.bias)  # float32[64, 128]
    %1 = relu(%0)                         # float32[64, 128]
    %2 = linear(%1, 2.weight, 2.bias)     # float32[64, 10]
    return %2"""


def test_deterministic():
    # region: deterministic
    with dovetail.modes.deterministic():
        dovetail.zeros(3).index_add(0, dovetail.tensor([0, 0, 2]), dovetail.ones(3))
    dovetail.use_deterministic_algorithms(True)  # from here on, in this thread
    dovetail.use_deterministic_algorithms(False)
    # endregion
    assert not dovetail.are_deterministic_algorithms_enabled()
