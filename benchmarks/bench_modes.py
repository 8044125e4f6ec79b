"""What modes cost: a training step of the multilayer perceptron 784-512-512-10 at batch 512, with and without."""

import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

from harness import Case, Timing

BATCH = 512


def step_under(
    make_mode: Callable[[Any], Any] | None, make_optimizer: Callable[[Any, Any], Any]
) -> Callable[[Any], Timing]:
    """How to time the step with an optimizer, inside `make_mode(library)`."""

    def timing(library: Any) -> Timing:
        library.manual_seed(0)
        nn = library.nn
        net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
        criterion = nn.CrossEntropyLoss()
        optimizer = make_optimizer(library, net.parameters())
        generator = np.random.default_rng(0)
        images = library.from_numpy(generator.random((BATCH, 784), dtype=np.float32))
        labels = library.from_numpy(generator.integers(0, 10, BATCH))

        def step() -> None:
            optimizer.zero_grad()
            criterion(net(images), labels).backward()
            optimizer.step()

        def step_in_mode() -> None:
            with make_mode(library):
                step()

        return timeit.Timer(step if make_mode is None else step_in_mode, "import gc; gc.enable()").timeit

    return timing


def sgd(library: Any, parameters: Any) -> Any:
    """Plain gradient descent."""
    return library.optim.SGD(parameters, lr=0.01)


def adam(library: Any, parameters: Any) -> Any:
    """Adam."""
    return library.optim.Adam(parameters, lr=0.001)


CASES = [
    Case(f"{name} around a step of {optimizer}, beside none", step_under(mode, make), step_under(None, make))
    for name, mode, optimizer, make in (
        ("empty mode", lambda library: library.Mode(), "SGD", sgd),
        ("nan_guard", lambda library: library.nan_guard(), "SGD", sgd),
        ("nan_guard", lambda library: library.nan_guard(), "Adam", adam),
        ("detect_anomaly", lambda library: library.autograd.detect_anomaly(), "SGD", sgd),
        ("profile", lambda library: library.profiler.profile(), "SGD", sgd),
    )
]
