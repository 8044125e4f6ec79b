"""Optimizers and schedulers beside PyTorch's: the same numbers after the same steps, and states that interchange."""

import inspect

import numpy as np
import pytest

import dovetail
from dovetail import optim

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")

LIBRARIES = (dovetail, torch)
SETTINGS = {
    "sgd": (lambda m, p: m.optim.SGD(p, lr=0.05)),
    "sgd momentum": (lambda m, p: m.optim.SGD(p, lr=0.05, momentum=0.9)),
    "sgd dampening": (lambda m, p: m.optim.SGD(p, lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.1)),
    "sgd nesterov": (lambda m, p: m.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    "sgd maximize": (lambda m, p: m.optim.SGD(p, lr=0.005, momentum=0.9, maximize=True, weight_decay=0.1)),
    "adam": (lambda m, p: m.optim.Adam(p, lr=0.05)),
    "adam settings": (lambda m, p: m.optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
    "adam amsgrad": (lambda m, p: m.optim.Adam(p, lr=0.05, amsgrad=True, betas=(0.9, 0.5))),
    "adam maximize": (lambda m, p: m.optim.Adam(p, lr=0.005, maximize=True)),
    "adam decoupled": (lambda m, p: m.optim.Adam(p, lr=0.05, weight_decay=0.2, decoupled_weight_decay=True)),
    "adamw": (lambda m, p: m.optim.AdamW(p, lr=0.05)),
    "adamw amsgrad": (lambda m, p: m.optim.AdamW(p, lr=0.05, weight_decay=0.3, amsgrad=True)),
}


def problem(library):
    """Return parameters of a small regression and the function that gives its loss."""
    draw = np.random.default_rng(0)
    data, target = (library.from_numpy(draw.standard_normal(shape)) for shape in ((20, 4), (20, 3)))
    weights = [library.from_numpy(draw.standard_normal(shape)).requires_grad_() for shape in ((4, 5), (5,), (5, 3))]

    def loss():
        hidden = library.tanh(data @ weights[0] + weights[1])
        return ((hidden @ weights[2] - target) ** 2).mean()

    return weights, loss


def run(optimizer, loss, steps, scheduler=None):
    curve = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        curve.append(value.item())
    return curve


@pytest.mark.parametrize("name", SETTINGS)
def test_training_curves(name):
    curves, ends = [], []
    for library in LIBRARIES:
        weights, loss = problem(library)
        curves.append(run(SETTINGS[name](library, weights), loss, 20))
        ends.append([weight.detach().numpy() for weight in weights])
    np.testing.assert_allclose(*curves, rtol=1e-6)
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["sgd momentum", "adam", "adamw amsgrad"])
def test_curves_in_single_precision(name):
    curves = []
    for library in LIBRARIES:
        weights, loss = problem(library)
        for weight in weights:
            weight.data = weight.data.float()
        curves.append(run(SETTINGS[name](library, weights), lambda loss=loss, w=weights: single(loss, w), 20))
    np.testing.assert_allclose(*curves, rtol=1e-5, atol=1e-5)


def single(loss, weights):
    """Return a float32 loss of float32 weights."""
    return sum((weight**2).sum() + weight.sum() for weight in weights)


def converted(state, make):
    """Return a state_dict with every tensor made anew by ``make``."""
    if isinstance(state, dict):
        return {key: converted(value, make) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(converted(value, make) for value in state)
    return make(state.numpy()) if isinstance(state, (dovetail.Tensor, torch.Tensor)) else state


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("name", ["sgd", "sgd nesterov", "adam", "adam amsgrad", "adamw"])
def test_a_state_goes_on_in_the_other_library(name, named):
    for first, second, make in ((torch, dovetail, dovetail.tensor), (dovetail, torch, torch.tensor)):
        weights, loss = problem(first)
        given = [(f"w{index}", weight) for index, weight in enumerate(weights)] if named else weights
        optimizer = SETTINGS[name](first, given)
        run(optimizer, loss, 5)
        others, other_loss = problem(second)
        for weight, other in zip(weights, others, strict=True):
            other.data = make(weight.detach().numpy())
        given = [(f"w{index}", weight) for index, weight in enumerate(others)] if named else others
        loaded = SETTINGS[name](second, given)
        loaded.load_state_dict(converted(optimizer.state_dict(), make))
        wanted = run(optimizer, loss, 10)
        np.testing.assert_allclose(run(loaded, other_loss, 10), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda s, o: s.StepLR(o, 3, gamma=0.3),
        lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9]),
        lambda s, o: s.ExponentialLR(o, 0.9),
        lambda s, o: s.LambdaLR(o, lambda step: 0.95**step),
        lambda s, o: s.LinearLR(o, 0.2, 0.8, total_iters=7),
        lambda s, o: s.CosineAnnealingLR(o, 6, eta_min=0.01),
        lambda s, o: s.CosineAnnealingLR(o, 1),
    ],
)
def test_scheduled_rates(make):
    found = []
    for library in LIBRARIES:
        weights, _ = problem(library)
        optimizer = library.optim.SGD([{"params": weights[:1]}, {"params": weights[1:], "lr": 0.5}], lr=0.1)
        scheduler = make(library.optim.lr_scheduler, optimizer)
        rates = [scheduler.get_last_lr()]
        for _ in range(20):
            optimizer.step()
            scheduler.step()
            rates.append(scheduler.get_last_lr())
        found.append(rates)
    np.testing.assert_allclose(*found, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 2},
        {"mode": "max", "factor": 0.5, "patience": 1, "cooldown": 2},
        {"threshold": 0.3, "threshold_mode": "abs", "patience": 0, "min_lr": 1e-3},
        {"threshold": 0.2, "patience": 1, "eps": 1e-2},
    ],
    ids=str,
)
def test_plateau_rates(settings):
    metrics = np.abs(np.random.default_rng(5).standard_normal(40)).tolist()
    found = []
    for library in LIBRARIES:
        weights, _ = problem(library)
        optimizer = library.optim.SGD(weights, lr=0.1)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
        rates = []
        for metric in metrics:
            scheduler.step(metric)
            rates.append(optimizer.param_groups[0]["lr"])
        found.append(rates)
    assert found[0] == pytest.approx(found[1], rel=1e-12)


def test_a_schedule_while_training():
    curves = []
    for library in LIBRARIES:
        weights, loss = problem(library)
        optimizer = library.optim.AdamW(weights, lr=0.1)
        curves.append(run(optimizer, loss, 20, library.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)))
    np.testing.assert_allclose(*curves, rtol=1e-6)


#: PyTorch's choices of implementation, which Dovetail's backends make.
LEFT_OUT = {"foreach", "fused", "capturable", "differentiable"}


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", *optim.lr_scheduler.__all__])
def test_arguments_have_pytorchs_names_order_and_defaults(name):
    ours, theirs = (getattr(m.optim, name, None) or getattr(m.optim.lr_scheduler, name) for m in LIBRARIES)
    wanted = [p for p in inspect.signature(theirs).parameters.values() if p.name not in LEFT_OUT]
    found = list(inspect.signature(ours).parameters.values())
    assert [(p.name, p.default, p.kind) for p in found] == [(p.name, p.default, p.kind) for p in wanted]


def test_printing_is_alike_but_for_choices_of_implementation():
    for name in ("SGD", "Adam", "AdamW"):
        ours, theirs = (str(getattr(m.optim, name)(problem(m)[0])) for m in LIBRARIES)
        kept = [line for line in theirs.split("\n") if line.strip().split(":")[0] not in LEFT_OUT]
        assert ours.split("\n") == kept
