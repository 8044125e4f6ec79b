"""One whole training step of the multilayer perceptron 784-128-10 at batch 64."""

from collections.abc import Callable
from typing import Any

import numpy as np

from harness import statement

BATCH = 64


def step_with(make_optimizer: Callable[[Any, Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """How to set up the step for an optimizer, `make_optimizer(library, parameters)`."""

    def setup(library: Any) -> dict[str, Any]:
        library.manual_seed(0)
        nn = library.nn
        net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        criterion = nn.CrossEntropyLoss()
        optimizer = make_optimizer(library, net.parameters())
        generator = np.random.default_rng(0)
        images = library.from_numpy(generator.random((BATCH, 784), dtype=np.float32))
        labels = library.from_numpy(generator.integers(0, 10, BATCH))

        def step() -> None:
            optimizer.zero_grad()
            criterion(net(images), labels).backward()
            optimizer.step()

        return {"step": step}

    return setup


CASES = [
    statement("step of SGD, MLP 784-128-10", "step()", step_with(lambda lib, p: lib.optim.SGD(p, lr=0.01))),
    statement(
        "step of SGD with momentum, MLP 784-128-10",
        "step()",
        step_with(lambda lib, p: lib.optim.SGD(p, lr=0.01, momentum=0.9)),
    ),
    statement("step of Adam, MLP 784-128-10", "step()", step_with(lambda lib, p: lib.optim.Adam(p, lr=0.001))),
]
