"""Every layer, optimizer and scheduler there is takes PyTorch's state_dict, and PyTorch takes its."""

import importlib
import inspect
import io
import pkgutil
from collections import OrderedDict

import numpy as np
import pytest

import dovetail
import dovetail.nn
import dovetail.optim
from dovetail.torch_files import writing

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")


class Counting:
    """A factor that depends on how often it was asked for."""

    def __init__(self):
        self.calls = 0

    def __call__(self, step):
        self.calls += 1
        return 1 / self.calls


# What is made of each class, and what a layer takes. A class that is not here is made without arguments, or around an
# optimizer, and takes one input of shape (4, 6).

LAYERS = {
    "AdaptiveAvgPool2d": [lambda lib: lib.nn.AdaptiveAvgPool2d(2)],
    "AvgPool2d": [lambda lib: lib.nn.AvgPool2d(2)],
    "BatchNorm1d": [
        lambda lib: lib.nn.BatchNorm1d(6),
        lambda lib: lib.nn.BatchNorm1d(6, momentum=None),
        lambda lib: lib.nn.BatchNorm1d(6, affine=False),
        lambda lib: lib.nn.BatchNorm1d(6, track_running_stats=False),
    ],
    "BatchNorm2d": [lambda lib: lib.nn.BatchNorm2d(3)],
    "Conv2d": [
        lambda lib: lib.nn.Conv2d(3, 4, 3),
        lambda lib: lib.nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3, bias=False),
    ],
    "Embedding": [lambda lib: lib.nn.Embedding(10, 3), lambda lib: lib.nn.Embedding(10, 3, padding_idx=2)],
    "LayerNorm": [
        lambda lib: lib.nn.LayerNorm(6),
        lambda lib: lib.nn.LayerNorm(6, bias=False),
        lambda lib: lib.nn.LayerNorm(6, elementwise_affine=False),
    ],
    "Linear": [lambda lib: lib.nn.Linear(6, 3), lambda lib: lib.nn.Linear(6, 3, bias=False)],
    "MaxPool2d": [lambda lib: lib.nn.MaxPool2d(2)],
    "ModuleDict": [lambda lib: lib.nn.ModuleDict({"a": lib.nn.Linear(6, 3), "b": lib.nn.BatchNorm1d(3)})],
    "ModuleList": [lambda lib: lib.nn.ModuleList([lib.nn.Linear(6, 3), lib.nn.BatchNorm1d(3)])],
    "LogSoftmax": [lambda lib: lib.nn.LogSoftmax(1)],
    "ParameterList": [lambda lib: lib.nn.ParameterList([lib.nn.Parameter(lib.ones(n, 3)) for n in (2, 4)])],
    "Sequential": [
        lambda lib: lib.nn.Sequential(
            OrderedDict(first=lib.nn.Linear(6, 3), norm=lib.nn.BatchNorm1d(3), last=lib.nn.Sequential(lib.nn.ReLU()))
        )
    ],
    "Softmax": [lambda lib: lib.nn.Softmax(1)],
    "Unflatten": [lambda lib: lib.nn.Unflatten(1, (2, 3))],
}  # fmt: skip


def numbers(*shape):
    """Some numbers from 0 to 1, the same for the same shape."""
    return np.random.default_rng(sum(shape)).random(shape, dtype=np.float32)


IMAGES = [numbers(2, 3, 8, 8)]
PAIR = [numbers(4, 6), numbers(4, 6)]
CLASSES = [numbers(4, 6), np.array([0, 5, 2, 3])]
INPUTS = {
    "AdaptiveAvgPool2d": IMAGES, "AvgPool2d": IMAGES, "BatchNorm2d": IMAGES, "Conv2d": IMAGES, "MaxPool2d": IMAGES,
    "Dropout1d": [numbers(2, 3, 8)], "Dropout2d": IMAGES, "Dropout3d": [numbers(2, 3, 4, 4, 4)],
    "FeatureAlphaDropout": IMAGES, "Embedding": [np.array([[1, 2], [9, 0]])],
    "BCELoss": PAIR, "BCEWithLogitsLoss": PAIR, "L1Loss": PAIR, "MSELoss": PAIR,
    "CrossEntropyLoss": CLASSES, "NLLLoss": CLASSES,
    "ModuleDict": None, "ModuleList": None, "ParameterList": None,  # they have no forward
}  # fmt: skip

OPTIMIZERS = {
    "Adam": [{}, {"lr": 0.1, "weight_decay": 0.1, "betas": (0.8, 0.9)}, {"amsgrad": True}, {"maximize": True}],
    "AdamW": [{}, {"lr": 0.1, "weight_decay": 0.2, "amsgrad": True}],
    "SGD": [
        {},
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.5, "dampening": 0.1},
    ],
}

SCHEDULERS = {
    "CosineAnnealingLR": [lambda kind, optimizer: kind(optimizer, T_max=6, eta_min=0.01)],
    "ExponentialLR": [lambda kind, optimizer: kind(optimizer, 0.9)],
    "LambdaLR": [
        lambda kind, optimizer: kind(optimizer, lambda step: 0.9**step),
        lambda kind, optimizer: kind(optimizer, [lambda step: 1 / (1 + step), Counting()]),
    ],
    "MultiStepLR": [lambda kind, optimizer: kind(optimizer, [2, 5, 5, 7])],
    "ReduceLROnPlateau": [
        lambda kind, optimizer: kind(optimizer, patience=1, cooldown=1),
        lambda kind, optimizer: kind(optimizer, "max", patience=0, threshold_mode="abs", min_lr=[0.02, 0.05]),
    ],
    "StepLR": [lambda kind, optimizer: kind(optimizer, 3)],
}


def classes_below(package, base):
    """Every public class of a package's modules that comes from ``base``, by name."""
    found = {}
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        for name, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            public = not name.startswith("_") and kind.__module__.startswith(package.__name__ + ".")
            if public and issubclass(kind, base) and kind is not base:
                found[name] = kind
    return found


def cases(found, table, default):
    """Each class with each of the ways in which it is made, as arguments of a test."""
    return [
        pytest.param(name, made, id=f"{name}-{number}")
        for name in sorted(found)
        for number, made in enumerate(table.get(name, [default(name)]))
    ]


EVERY_LAYER = classes_below(dovetail.nn, dovetail.nn.Module)
EVERY_OPTIMIZER = classes_below(dovetail.optim, dovetail.optim.Optimizer)
EVERY_SCHEDULER = {
    name: kind
    for name, kind in inspect.getmembers(dovetail.optim.lr_scheduler, inspect.isclass)
    if kind.__module__ == dovetail.optim.lr_scheduler.__name__ and not name.startswith("_") and name != "LRScheduler"
}


# From one library to the other


def to_torch(state):
    """A state of ours as PyTorch reads it from a file."""
    file = io.BytesIO()
    writing.write(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def to_ours(state):
    """A state of PyTorch's with our tensors."""
    if isinstance(state, torch.Tensor):
        return dovetail.from_numpy(state.detach().numpy().copy())
    if isinstance(state, dict):
        kind = OrderedDict if isinstance(state, OrderedDict) else dict
        items = kind((key, to_ours(value)) for key, value in state.items())
        if hasattr(state, "_metadata"):
            items._metadata = state._metadata
        return items
    return type(state)(map(to_ours, state)) if isinstance(state, list | tuple) else state


def plain(state):
    """A state of either library with lists in place of tensors."""
    if isinstance(state, dict):
        return {key: plain(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [plain(value) for value in state]
    return (str(state.dtype).rpartition(".")[2], state.tolist()) if hasattr(state, "tolist") else state


def outputs(layer, library, name):
    """What a layer makes of the inputs for its class; None where it has no forward."""
    given = INPUTS.get(name, [numbers(4, 6)])
    return None if given is None else layer(*map(library.from_numpy, given)).detach().numpy()


def stir(layer, library, name):
    """Give a new layer values that no other new one has: of parameters, running statistics and counters."""
    for number, parameter in enumerate(layer.parameters()):
        with library.no_grad():
            parameter.copy_(library.from_numpy(numbers(*parameter.shape) + number))
    for _ in range(3):
        outputs(layer.train(), library, name)
    return layer


# Layers


@pytest.mark.parametrize(("name", "make"), cases(EVERY_LAYER, LAYERS, lambda name: lambda lib: getattr(lib.nn, name)()))
@pytest.mark.parametrize("source", ["torch", "dovetail"])
def test_layers_take_each_others_state(name, make, source):
    libraries = [torch, dovetail] if source == "torch" else [dovetail, torch]
    giver, taker = (make(library) for library in libraries)
    stir(giver, libraries[0], name)
    given = giver.state_dict()
    taker.load_state_dict((to_ours if source == "torch" else to_torch)(given), strict=True)
    assert list(taker.state_dict()) == list(given)
    assert plain(taker.state_dict()) == plain(given)
    for mode in ("eval", "train") if given else ("eval",):  # without values only chance makes a difference in training
        first, second = (
            outputs(getattr(layer, mode)(), library, name)
            for layer, library in zip((giver, taker), libraries, strict=True)
        )
        if first is not None:
            np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)
    if "num_batches_tracked" in given:
        assert int(taker.state_dict()["num_batches_tracked"]) == 4


@pytest.mark.parametrize("source", ["torch", "dovetail"])
def test_a_layer_does_not_take_the_state_of_another_one(source):
    libraries = [torch, dovetail] if source == "torch" else [dovetail, torch]
    state = libraries[0].nn.Linear(6, 3).state_dict()
    other = libraries[1].nn.Linear(3, 6)
    with pytest.raises((RuntimeError, dovetail.errors.LoadError), match="size mismatch"):
        other.load_state_dict((to_ours if source == "torch" else to_torch)(state))


# Optimizers


class Training:
    """Two groups of parameters of one library under one optimizer, with or without a scheduler."""

    def __init__(self, library, name, settings, make_scheduler=None, named=False):
        self.lib = library
        start = [numbers(3, 2), numbers(4), numbers(2)]
        self.parameters = [library.tensor(part.tolist(), dtype=library.float64, requires_grad=True) for part in start]
        given = list(zip("abc", self.parameters, strict=True)) if named else self.parameters
        groups = [{"params": given[:2]}, {"params": given[2:], "lr": 0.05}]
        self.optimizer = getattr(library.optim, name)(groups, **settings)
        self.scheduler = make_scheduler(library.optim.lr_scheduler, self.optimizer) if make_scheduler else None

    def closure(self):
        self.optimizer.zero_grad()
        loss = sum((parameter.sin() * parameter * (n + 1)).sum() for n, parameter in enumerate(self.parameters))
        loss.backward()
        return loss

    def steps(self, count):
        """Train; return the learning rates and the parameters after each step."""
        seen = []
        for _ in range(count):
            loss = self.optimizer.step(self.closure)
            if self.scheduler is not None:
                metric = [float(loss.detach())] if type(self.scheduler).__name__ == "ReduceLROnPlateau" else []
                self.scheduler.step(*metric)
            rates = [group["lr"] for group in self.optimizer.param_groups]
            seen.append(rates + [x for part in self.parameters for x in part.detach().numpy().reshape(-1)])
        return seen

    def take(self, other):
        """Take over the parameters and states of the other library's training."""
        convert = to_ours if self.lib is dovetail else to_torch
        for own, given in zip(self.parameters, other.parameters, strict=True):
            with self.lib.no_grad():
                own.copy_(self.lib.from_numpy(given.detach().numpy()))
        self.optimizer.load_state_dict(convert(other.optimizer.state_dict()))
        if self.scheduler is not None:
            self.scheduler.load_state_dict(convert(other.scheduler.state_dict()))


def go_on_in_the_other(source, *arguments, **settings):
    """Train in one library, hand over, train on in both; return both after checking that they agree."""
    libraries = [torch, dovetail] if source == "torch" else [dovetail, torch]
    first, second = (Training(library, *arguments, **settings) for library in libraries)
    first.steps(4)
    second.take(first)
    np.testing.assert_allclose(second.steps(6), first.steps(6), rtol=1e-9, atol=1e-12)
    return first, second


@pytest.mark.parametrize(("name", "settings"), cases(EVERY_OPTIMIZER, OPTIMIZERS, lambda name: {}))
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("source", ["torch", "dovetail"])
def test_optimizers_go_on_from_each_others_state(name, settings, named, source):
    first, second = (training.optimizer for training in go_on_in_the_other(source, name, settings, named=named))
    states = [plain(optimizer.state_dict()) for optimizer in (first, second)]
    for key in states[0]["state"]:
        assert states[0]["state"][key].keys() == states[1]["state"][key].keys()
    for group, other in zip(states[0]["param_groups"], states[1]["param_groups"], strict=True):
        assert {key: group[key] for key in group.keys() & other.keys()} == {
            key: other[key] for key in group.keys() & other.keys()
        }


def test_settings_of_the_saved_state_win_over_those_of_the_new_optimizer():
    source = Training(torch, "SGD", {"momentum": 0.9, "lr": 0.3})
    source.steps(2)
    taker = Training(dovetail, "SGD", {"momentum": 0.1, "lr": 0.1})
    taker.take(source)
    assert [group["lr"] for group in taker.optimizer.param_groups] == [0.3, 0.05]
    assert [group["momentum"] for group in taker.optimizer.param_groups] == [0.9, 0.9]


# Schedulers


def without_arguments(name):
    """How a scheduler is made that is not in the table."""
    return lambda kind, optimizer: kind(optimizer)


@pytest.mark.parametrize(("name", "make"), cases(EVERY_SCHEDULER, SCHEDULERS, without_arguments))
@pytest.mark.parametrize("source", ["torch", "dovetail"])
def test_schedulers_go_on_from_each_others_state(name, make, source):
    def make_scheduler(schedulers, optimizer):
        return make(getattr(schedulers, name), optimizer)

    first, second = go_on_in_the_other(source, "SGD", {"lr": 0.1, "momentum": 0.9}, make_scheduler=make_scheduler)
    assert first.scheduler.get_last_lr() == pytest.approx(second.scheduler.get_last_lr())
    assert first.scheduler.last_epoch == second.scheduler.last_epoch == 10


# Nothing is left out


def test_every_public_class_is_walked():
    assert {"Linear", "Conv2d", "BatchNorm2d", "Sequential", "Dropout", "CrossEntropyLoss"} <= EVERY_LAYER.keys()
    assert {"SGD", "Adam", "AdamW"} <= EVERY_OPTIMIZER.keys()
    assert {"StepLR", "LambdaLR", "ReduceLROnPlateau"} <= EVERY_SCHEDULER.keys()


@pytest.mark.parametrize(
    ("table", "found"),
    [(LAYERS, EVERY_LAYER), (INPUTS, EVERY_LAYER), (OPTIMIZERS, EVERY_OPTIMIZER), (SCHEDULERS, EVERY_SCHEDULER)],
)
def test_the_tables_name_only_what_there_is(table, found):
    assert table.keys() <= found.keys()
