"""Modes beside PyTorch: autocast's dtypes, the gradient scaler, anomalies, counted operations."""

import numpy as np
import pytest

import dovetail

pytestmark = pytest.mark.parity

SAME = (
    "exp expm1 log log1p log2 log10 sqrt rsqrt sin cos tan atan floor ceil round trunc sign tanh sigmoid relu erf "
    "reciprocal abs square neg sum mean prod amax amin var std norm isnan logical_not argmax flatten tril triu clone "
    "max min"
)
PAIRS = "add sub mul div pow maximum minimum floor_divide remainder matmul mm where_ cat_ stack_ eq lt"
CALLS = {
    **{name: lambda lib, x, y, name=name: getattr(x, name)() for name in SAME.split()},
    **{name: lambda lib, x, y, name=name: getattr(lib, name)(x, y) for name in PAIRS.split() if name[-1] != "_"},
    "where": lambda lib, x, y: lib.where(x > 1, x, y),
    "cat": lambda lib, x, y: lib.cat([x, y]),
    "stack": lambda lib, x, y: lib.stack([x, y]),
    "bmm": lambda lib, x, y: lib.bmm(x[None], y[None]),
    "matrix times vector": lambda lib, x, y: x @ y[0],
    "vectors": lambda lib, x, y: lib.matmul(x[0], y[0]),
    "softmax": lambda lib, x, y: x.softmax(1),
    "log_softmax": lambda lib, x, y: x.log_softmax(1),
    "logsumexp": lambda lib, x, y: x.logsumexp(1),
    "cumsum": lambda lib, x, y: x.cumsum(1),
    "cumprod": lambda lib, x, y: x.cumprod(1),
    "prod of a dimension": lambda lib, x, y: x.prod(1),
    "prod with dtype": lambda lib, x, y: lib.prod(x, 1, dtype=lib.bfloat16),
    "clamp": lambda lib, x, y: x.clamp(0, 1),
    "gather": lambda lib, x, y: x.gather(1, lib.zeros(3, 3, dtype=lib.int64)),
    **{
        name: lambda lib, x, y, name=name: getattr(x, name)(1, lib.zeros(3, 3, dtype=lib.int64), y)
        for name in ("scatter", "scatter_add")
    },
    **{
        name: lambda lib, x, y, name=name: getattr(x, name)(0, lib.tensor([2, 0, 1]), y)
        for name in ("index_add", "index_copy", "index_add_", "index_copy_")
    },
    "index_put": lambda lib, x, y: x.index_put((lib.tensor([2, 0, 1]),), y),
    "masked_scatter": lambda lib, x, y: x.masked_scatter(x > 1, y),
    "index_select": lambda lib, x, y: x.index_select(0, lib.tensor([1])),
    "as_strided": lambda lib, x, y: x.as_strided((2,), (2,)),
    "unfold": lambda lib, x, y: x.unfold(0, 2, 1),
    "diagonal": lambda lib, x, y: x.diagonal(),
    "isin": lambda lib, x, y: lib.isin(x, y),
    "trace": lambda lib, x, y: lib.trace(x),
    "einsum": lambda lib, x, y: lib.einsum("ij,jk->ik", x, y) if hasattr(lib, "einsum") else (x @ y),
    "number": lambda lib, x, y: x * 2.5 + 1,
}

PROMOTED = ("cat", "stack", "index_copy")  # PyTorch cannot join bfloat16 tensors while autocast is float16


@pytest.mark.parametrize("name", [name for name in CALLS if name not in PROMOTED])
@pytest.mark.parametrize("kinds", [("float32", "float32"), ("bfloat16", "bfloat16"), ("float32", "bfloat16")])
@pytest.mark.parametrize("target", ["bfloat16", "float16"])
def test_autocast_gives_pytorchs_dtypes(name, kinds, target):
    torch = pytest.importorskip("torch")
    found = []
    for lib in (dovetail, torch):
        numbers = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3, 3)).astype("float32")
        x, y = (lib.tensor(part).to(getattr(lib, kind)) for part, kind in zip(numbers, kinds, strict=True))
        with lib.autocast("cpu", dtype=getattr(lib, target)):
            try:
                out = CALLS[name](lib, x, y)
                found.append(str(out.dtype).split(".")[1])
            except RuntimeError:
                found.append("error")
    assert found[0] == found[1]


@pytest.mark.parametrize("name", PROMOTED)
@pytest.mark.parametrize("kinds", [("float32", "float32"), ("bfloat16", "bfloat16"), ("float32", "bfloat16")])
def test_autocast_joins_as_pytorch_does(name, kinds):
    test_autocast_gives_pytorchs_dtypes(name, kinds, "bfloat16")


def test_autocast_trains_as_pytorch_does():
    torch = pytest.importorskip("torch")
    losses = []
    for lib in (dovetail, torch):
        generator = np.random.default_rng(1)
        first, second = (
            lib.tensor(generator.normal(size=size).astype("float32") / 3).requires_grad_() for size in ((6, 8), (8, 2))
        )
        x, y = (lib.tensor(generator.normal(size=size).astype("float32")) for size in ((16, 6), (16, 2)))
        curve = []
        for _ in range(12):
            with lib.autocast("cpu", dtype=lib.bfloat16):
                loss = ((((x @ first).tanh() @ second) - y) ** 2).mean()
            gradients = lib.autograd.grad(loss, [first, second])
            assert all(str(g.dtype).endswith("float32") for g in gradients)
            with lib.no_grad():
                for parameter, g in zip((first, second), gradients, strict=True):
                    parameter -= 0.1 * g
            curve.append(loss.item())
        losses.append(curve)
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(*losses, rtol=1e-2)


class Descent:
    """A small optimizer, for tests of the scaler without dovetail-optim."""

    def __init__(self, lib, parameters):
        self.lib, self.param_groups = lib, [{"params": parameters}]

    def step(self):
        with self.lib.no_grad():
            for parameter in self.param_groups[0]["params"]:
                parameter -= 0.1 * parameter.grad


def scaled_run(lib, factors):
    """Return the parameter, the factor and the state after each step, with losses times ``factors``."""
    parameter = lib.tensor([1.0, 2.0], requires_grad=True)
    optimizer = Descent(lib, [parameter]) if lib is dovetail else lib.optim.SGD([parameter], lr=0.1)
    scaler = lib.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2, growth_factor=4.0, backoff_factor=0.25)
    seen = []
    for factor in factors:
        parameter.grad = None
        scaler.scale((parameter * factor).sum()).backward()
        if factor == 2.0:
            scaler.unscale_(optimizer)
            seen.append(parameter.grad.tolist())
        scaler.step(optimizer)
        scaler.update()
        seen += [parameter.tolist(), scaler.get_scale(), dict(scaler.state_dict())]
    return seen


def test_the_scaler_grows_and_backs_off_as_pytorchs():
    torch = pytest.importorskip("torch")
    factors = [1.0, 2.0, 1.0, float("inf"), 1.0, float("nan"), 2.0, 1.0]
    assert scaled_run(dovetail, factors) == scaled_run(torch, factors)


@pytest.mark.filterwarnings("ignore")
def test_anomalies_are_found_where_pytorch_finds_them():
    torch = pytest.importorskip("torch")
    calls = [
        lambda x: (x.sqrt() * 0).sum(),
        lambda x: x.sqrt().sum(),
        lambda x: (x / x).sum(),
        lambda x: (x * x.log()).sum(),
        lambda x: x.exp().sum(),
    ]
    for call in calls:
        outcomes = []
        for lib in (dovetail, torch):
            x = lib.zeros(2, requires_grad=True)
            try:
                with lib.autograd.detect_anomaly():
                    call(x).backward()
                outcomes.append("fine")
            except RuntimeError as error:
                outcomes.append(str(error).split("Backward0")[0].rsplit("(")[-1].rsplit("'")[-1].lower())
        assert outcomes[0] == outcomes[1]


@pytest.mark.filterwarnings("ignore")
def test_counted_operations_are_pytorchs():
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    totals = []
    for lib, counter in ((dovetail, dovetail.modes.FlopCounter()), (torch, FlopCounterMode(display=False))):
        x = lib.ones(2, 5, 4, requires_grad=True)
        weight = lib.ones(4, 3, requires_grad=True)
        with counter:
            ((x @ weight).relu() @ weight.transpose(0, 1)).sum().backward()
        totals.append(counter.get_total_flops())
    assert totals[0] == totals[1] > 0
