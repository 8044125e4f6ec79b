"""autocast beside PyTorch for functions and layers that compose ops, and a counted model."""

import numpy as np
import pytest

import dovetail

pytestmark = pytest.mark.parity


def arrays():
    generator = np.random.default_rng(0)
    return {
        "rows": generator.uniform(0.1, 0.9, (4, 6)).astype("float32"),
        "other": generator.uniform(0.1, 0.9, (4, 6)).astype("float32"),
        "images": generator.normal(size=(2, 4, 6, 6)).astype("float32"),
        "vector": generator.uniform(0.5, 1.5, 6).astype("float32"),
        "channels": generator.uniform(0.5, 1.5, 4).astype("float32"),
        "mean": generator.normal(size=4).astype("float32"),
        "variance": generator.uniform(0.5, 1.5, 4).astype("float32"),
        "kernel": generator.normal(size=(5, 4, 3, 3)).astype("float32"),
        "classes": np.array([0, 2, 5, 1]),
    }


STATISTICS = ("mean", "variance", "channels", "channels")


def wide(given, *names):
    """Return arguments in float32, as the weights and statistics of layers are."""
    return [given[name].float() for name in names]


CALLS = {
    "mse_loss": lambda fn, a: fn.mse_loss(a["rows"], a["other"]),
    "mse_loss sum": lambda fn, a: fn.mse_loss(a["rows"], a["other"], reduction="sum"),
    "l1_loss": lambda fn, a: fn.l1_loss(a["rows"], a["other"]),
    "cross_entropy": lambda fn, a: fn.cross_entropy(a["rows"], a["classes"]),
    "cross_entropy soft": lambda fn, a: fn.cross_entropy(a["rows"], a["other"]),
    "nll_loss": lambda fn, a: fn.nll_loss(a["rows"], a["classes"]),
    "bce": lambda fn, a: fn.binary_cross_entropy(a["rows"], a["other"]),
    "bce with logits": lambda fn, a: fn.binary_cross_entropy_with_logits(a["rows"], a["other"]),
    "linear": lambda fn, a: fn.linear(a["rows"], a["other"]),
    "conv2d": lambda fn, a: fn.conv2d(a["images"], a["kernel"]),
    "attention": lambda fn, a: fn.scaled_dot_product_attention(a["rows"][None], a["other"][None], a["rows"][None]),
    "layer_norm": lambda fn, a: fn.layer_norm(a["rows"], (6,)),
    "layer_norm with float32 weights": lambda fn, a: fn.layer_norm(a["rows"], (6,), *wide(a, "vector", "vector")),
    "batch_norm": lambda fn, a: fn.batch_norm(a["images"], *wide(a, *STATISTICS), True),
    "batch_norm not training": lambda fn, a: fn.batch_norm(a["images"], *wide(a, *STATISTICS)),
    "max_pool2d": lambda fn, a: fn.max_pool2d(a["images"], 2),
    "avg_pool2d": lambda fn, a: fn.avg_pool2d(a["images"], 2),
    "adaptive_avg_pool2d": lambda fn, a: fn.adaptive_avg_pool2d(a["images"], 1),
    "gelu": lambda fn, a: fn.gelu(a["rows"]),
    "silu": lambda fn, a: fn.silu(a["rows"]),
    "softmax": lambda fn, a: fn.softmax(a["rows"], 1),
    "leaky_relu": lambda fn, a: fn.leaky_relu(a["rows"]),
    "embedding": lambda fn, a: fn.embedding(a["classes"], a["rows"].reshape(6, 4)),
    "dropout": lambda fn, a: fn.dropout(a["rows"], 0.5),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_autocast_gives_pytorchs_dtypes_and_numbers(name, kind):
    torch = pytest.importorskip("torch")
    found = []
    for lib in (dovetail, torch):
        lib.manual_seed(0)
        given = {key: lib.tensor(array) for key, array in arrays().items()}
        floats = {key: value.to(getattr(lib, kind)) for key, value in given.items() if key != "classes"}
        with lib.autocast("cpu", dtype=lib.bfloat16):
            found.append(CALLS[name](lib.nn.functional, {**given, **floats}))
    ours, theirs = found
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    if name != "dropout":
        np.testing.assert_allclose(ours.float().numpy(), theirs.float().numpy(), rtol=0.03, atol=0.03)


def layers(lib):
    return lib.nn.Sequential(
        lib.nn.Conv2d(1, 4, 3), lib.nn.BatchNorm2d(4), lib.nn.ReLU(), lib.nn.Flatten(), lib.nn.Linear(144, 10),
        lib.nn.LayerNorm(10), lib.nn.Linear(10, 3),
    )  # fmt: skip


def test_a_model_trains_under_autocast_with_a_scaler():
    torch = pytest.importorskip("torch")
    curves = []
    for lib in (dovetail, torch):
        lib.manual_seed(0)
        net = layers(lib)
        scaler = lib.amp.GradScaler("cpu", init_scale=1024.0)

        class Descent:
            param_groups = [{"params": list(net.parameters())}]  # noqa: RUF012

        optimizer = torch.optim.SGD(net.parameters(), lr=0.1) if lib is torch else Descent()

        def step():
            with dovetail.no_grad():
                for parameter in Descent.param_groups[0]["params"]:
                    parameter -= 0.1 * parameter.grad

        Descent.step = staticmethod(step)
        generator = np.random.default_rng(0)
        images = lib.tensor(generator.normal(size=(8, 1, 8, 8)).astype("float32"))
        labels = lib.tensor(generator.integers(0, 3, 8))
        curve = []
        for _ in range(6):
            net.zero_grad()
            with lib.autocast("cpu", dtype=lib.bfloat16):
                loss = lib.nn.functional.cross_entropy(net(images), labels)
            scaler.scale(loss).backward()
            assert all(str(p.grad.dtype).endswith("float32") for p in net.parameters())
            scaler.step(optimizer)
            scaler.update()
            curve.append(loss.item())
        curves.append(curve)
    assert curves[0][-1] < curves[0][0]
    np.testing.assert_allclose(*curves, rtol=0.05, atol=0.02)


@pytest.mark.filterwarnings("ignore")
def test_a_models_operations_are_pytorchs():
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    totals = []
    for lib, counter in ((dovetail, dovetail.modes.FlopCounter()), (torch, FlopCounterMode(display=False))):
        net = lib.nn.Sequential(
            lib.nn.Conv2d(2, 4, 3, padding=1, stride=2), lib.nn.ReLU(), lib.nn.Conv2d(4, 6, 3),
            lib.nn.Flatten(), lib.nn.Linear(24, 5),
        )  # fmt: skip
        with counter:
            net(lib.ones(3, 2, 8, 8)).sum().backward()
        totals.append(counter.get_total_flops())
    assert totals[0] == totals[1]
